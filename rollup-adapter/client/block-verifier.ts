/**
 * The verification that comes before execution (docs/rollups.md). From a trusted height on, each block
 * must extend the one before (`header-chain.ts`), hold a slice that the header's data_hash commits to, of a bundle all
 * legs or none, and at level FILLED say what became of each hidden entry and in which order all are executed, as headers of later blocks commit to it. The tests name
 * eight ways in which others failed here (D1–D8).
 */
import type { RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import type { Header } from "../../proto/types.ts";
import { createBundleCheck } from "../../proto/verify/bundle.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { decidedOrder } from "../../proto/verify/decided-order.ts";
import { executionOrder } from "../../proto/verify/execution-order.ts";
import {
  type FilledEntry,
  fillEntries,
  type FillRefusalCode,
  hasSealedEntries,
} from "../../proto/verify/fills.ts";
import {
  type DeliveredDecision,
  type DeliveredEntry,
  EntryKind,
  type FillEntry,
  type FillStatus,
  verifyRollupFills,
  verifyRollupSlice,
} from "../../proto/verify/manifest.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import type { PayloadLeg } from "../execution.ts";
import {
  type AtomicLeg,
  decidedBundles,
  executedOf,
  NOT_FILLED,
  type VerifiedDecision,
} from "./executed.ts";
import { createHeaderChain, type TrustedState } from "./header-chain.ts";
import type { Filling, RollupBlock } from "./rollup-block.ts";
import { refuse } from "./verify-error.ts";

export interface VerifiedBlock {
  readonly header: Header;
  readonly hash: Uint8Array;
  /** All that this block holds for the rollup, in order; sealed entries as they stand in it. */
  readonly entries: readonly DeliveredEntry[];
  /** What this block makes known of entries of earlier blocks. */
  readonly fills: readonly FillEntry[];
  /** What this block decides about entries of earlier blocks. */
  readonly decisions: readonly DeliveredDecision[];
  /** The entries with their outcomes; undefined while hidden ones wait for theirs (level COMMITTED). */
  readonly filled: readonly FilledEntry[] | undefined;
  /** Positions in `filled` in the order in which the rollup executes them (`executionOrder`); undefined when that is. */
  readonly order: readonly number[] | undefined;
  /** What the executor gets: the payloads of `filled` in that order, taken apart; undefined when that is. */
  readonly payloads: readonly Uint8Array[] | undefined;
  /** Legs of bundles of level 0 among those; undefined when they are. */
  readonly legs: readonly PayloadLeg[] | undefined;
  /** Legs of level 1, in that order, none of which is among `payloads`; undefined when they are. */
  readonly atomicLegs: readonly AtomicLeg[] | undefined;
  /** What this block decides about bundles of level 1, in the order in which a rollup applies it. */
  readonly atomicDecisions: readonly VerifiedDecision[];
  /** Trust after this block. */
  readonly trusted: TrustedState;
}

/** A block of which all is known that will ever be executed at its height. */
export interface FilledBlock extends VerifiedBlock {
  readonly filled: readonly FilledEntry[];
  readonly order: readonly number[];
  readonly payloads: readonly Uint8Array[];
  readonly legs: readonly PayloadLeg[];
  readonly atomicLegs: readonly AtomicLeg[];
}

export interface BlockVerifier {
  trusted(): TrustedState;
  /** Verifies the next block and moves trust to it; one that is refused changes nothing. @throws WeftError<VerifyErrorInfo> */
  verify(block: RollupBlock): Promise<VerifiedBlock>;
  /** The same, and refuses a block whose sealed entries wait: what an executor is fed with. */
  verifyFilled(block: RollupBlock): Promise<FilledBlock>;
}

/** Legs of bundles that are checked between two turns of the event loop: 3 ms, with seven siblings each. */
const LEGS_PER_SLICE = 32;

/** @param initial where trust begins: a state from a trusted source, or from the genesis file */
export function createBlockVerifier(
  rollupId: RollupId,
  initial: TrustedState,
  signatures: SignatureVerifier,
): BlockVerifier {
  const rollupIdBytes = fromHex(rollupId);
  const chain = createHeaderChain(initial, signatures);

  /** A refusal leaves everything as it was: the next message may be the truth, of another node. */
  async function check(block: RollupBlock): Promise<Omit<VerifiedBlock, "trusted">> {
    const last = chain.lastHeight();
    try {
      return await checkAll(block);
    } catch (refusal) {
      chain.forgetAbove(last);
      throw refusal;
    }
  }

  async function checkAll(block: RollupBlock): Promise<Omit<VerifiedBlock, "trusted">> {
    if (block.height !== chain.trusted().height + 1) {
      refuse(
        { code: "VERIFY_HEIGHT" },
        `expected height ${chain.trusted().height + 1}, got message ${block.height}`,
      );
    }
    const { header, hash } = await chain.next(block.signedHeader, block.validatorSet);
    const slice = verifyRollupSlice(header.dataHash, rollupIdBytes, block.slice);
    if ("code" in slice) refuse({ code: "VERIFY_SLICE", refusal: slice.code }, slice.reason);
    const { entries, fills, decisions } = slice;
    checkKinds(entries);
    await checkBundles(header, block, entries);
    const filled = await fill(header, entries, block.filling);
    const order = filled && orderOf(header, filled, block.filling);
    const executed = (filled && order && executedOf(rollupIdBytes, filled, order)) ?? NOT_FILLED;
    const atomicDecisions = decidedBundles(decisions);
    const known = { header, hash, entries, fills, decisions, atomicDecisions };
    return { ...known, filled, order, ...executed };
  }

  async function checkBundles(
    { chainId }: Header,
    { slice }: RollupBlock,
    entries: readonly DeliveredEntry[],
  ): Promise<void> {
    const faultOf = createBundleCheck(chainId, rollupIdBytes, slice.manifest);
    for (const [index, entry] of entries.filter((one) => one.bundleId !== undefined).entries()) {
      if (index % LEGS_PER_SLICE === LEGS_PER_SLICE - 1) await yieldToLoop();
      const alone = faultOf(entry);
      if (alone !== undefined) refuse({ code: "VERIFY_BUNDLE", refusal: alone.code }, alone.reason);
    }
  }

  async function fill(
    header: Header,
    entries: readonly DeliveredEntry[],
    filling: Filling | undefined,
  ): Promise<readonly FilledEntry[] | undefined> {
    if (filling === undefined && hasSealedEntries(entries)) return undefined;
    const { headers, blocks, contents } = filling ?? { headers: [], blocks: [], contents: [] };
    // Another node's stream begins with all that follow; the same one's goes on after those it has sent.
    const [first] = headers;
    let expected: number =
      first?.signedHeader.header.height === header.height + 1 ? header.height : chain.lastHeight();
    for (const { signedHeader, validatorSet } of headers) {
      expected += 1;
      if (signedHeader.header.height !== expected) {
        refuse(
          { code: "VERIFY_HEIGHT" },
          `expected header ${expected} to follow, got ${signedHeader.header.height}`,
        );
      }
      await chain.follow(signedHeader, validatorSet);
    }
    for (const [index, block] of blocks.entries()) {
      const before = blocks[index - 1];
      if (before !== undefined && block.height < before.height) {
        const reason = `block ${block.height} comes after block ${before.height}`;
        return refuseFilling("FILL_BLOCK_ORDER" satisfies FillRefusalCode, reason);
      }
      const at = chain.ahead(block.height);
      if (at === undefined || block.height <= header.height) {
        const reason = `block ${block.height} fills block ${header.height}, and its header did not come`;
        return refuseFilling("FILL_HEADER_MISSING", reason);
      }
      const refusal = verifyRollupFills(at.header.dataHash, rollupIdBytes, block);
      if (refusal !== undefined) refuseFilling(refusal.code, refusal.reason);
    }
    const filled = fillEntries(header.height, entries, blocks, contents);
    return "code" in filled ? refuseFilling(filled.code, filled.reason) : filled;
  }

  async function verify(block: RollupBlock): Promise<VerifiedBlock> {
    const checked = await check(block);
    chain.advance();
    return { ...checked, trusted: chain.trusted() };
  }

  return {
    trusted: () => chain.trusted(),
    verify,
    async verifyFilled(block) {
      const last = chain.lastHeight();
      const checked = await check(block);
      const { filled, order, payloads, legs, atomicLegs } = checked;
      if (!filled || !order || !payloads || !legs || !atomicLegs) {
        const reason = `block ${block.height} holds sealed entries, and nothing was said of them`;
        chain.forgetAbove(last);
        return refuseFilling("FILL_MISSING" satisfies FillRefusalCode, reason);
      }
      chain.advance();
      const executed = { payloads, legs, atomicLegs };
      return { ...checked, filled, order, ...executed, trusted: chain.trusted() };
    },
  };
}

/** The form of forced payloads is that of an L1 inbox, which no chain has yet. */
function checkKinds(entries: readonly DeliveredEntry[]): void {
  for (const { kind } of entries) {
    if (kind !== EntryKind.FORCED) continue;
    refuse(
      { code: "VERIFY_ENTRY_KIND" },
      `an entry of kind ${kind} cannot be delivered by this version; update the adapter`,
    );
  }
}

/** Where later blocks say so, the headers of which were verified with the fills. */
function orderOf(
  { height }: Header,
  filled: readonly FilledEntry[],
  filling: Filling | undefined,
): readonly number[] {
  const { blocks, order: positions } = filling ?? { blocks: [], order: [] };
  const decided = decidedOrder(
    height,
    blocks.flatMap(({ decisions }) => decisions),
    positions,
  );
  if ("code" in decided) refuseFilling(decided.code, decided.reason);
  const fills = new Map<number, FillStatus>();
  for (const [position, { fill }] of filled.entries()) {
    if (fill !== undefined) fills.set(position, fill.status);
  }
  const order = executionOrder(filled, fills, decided.positions);
  return "code" in order ? refuseFilling(order.code, order.reason) : order;
}

function refuseFilling(code: string, reason: string): never {
  refuse({ code: "VERIFY_FILLING", refusal: code }, reason);
}
