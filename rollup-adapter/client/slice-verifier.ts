/**
 * What one rollup checks of a block whose header it believes: a slice that the header's data_hash commits to, of a bundle
 * all legs or none, and at level FILLED what became of each hidden entry and in which order all are executed, as headers
 * of later blocks commit to it.
 */
import type { RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import type { Header } from "../../proto/types.ts";
import { createBundleCheck } from "../../proto/verify/bundle.ts";
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
  type RollupSlice,
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
import type { HeaderChain } from "./header-chain.ts";
import type { Filling } from "./rollup-block.ts";
import { refuse } from "./verify-error.ts";

/** What a block holds for one rollup. */
export interface VerifiedPart {
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
}

/** Of a block of which all is known that will ever be executed at its height for the rollup. */
export interface FilledPart extends VerifiedPart {
  readonly filled: readonly FilledEntry[];
  readonly order: readonly number[];
  readonly payloads: readonly Uint8Array[];
  readonly legs: readonly PayloadLeg[];
  readonly atomicLegs: readonly AtomicLeg[];
}

export function isFilled(part: VerifiedPart): part is FilledPart {
  const { filled, order, payloads, legs, atomicLegs } = part;
  return [filled, order, payloads, legs, atomicLegs].every((known) => known !== undefined);
}

export interface SliceVerifier {
  /**
   * `header` is the one that `chain` gave last. @param hadHeaders whether headers that follow came in the same message before
   * @throws WeftError<VerifyErrorInfo>
   */
  verify(
    header: Header,
    slice: RollupSlice,
    filling: Filling | undefined,
    hadHeaders: boolean,
  ): Promise<VerifiedPart>;
}

/** Legs of bundles that are checked between two turns of the event loop: 3 ms, with seven siblings each. */
const LEGS_PER_SLICE = 32;

export function createSliceVerifier(
  rollupId: RollupId,
  chain: Pick<HeaderChain, "ahead" | "follow" | "lastHeight">,
): SliceVerifier {
  const rollupIdBytes = fromHex(rollupId);

  async function checkBundles(
    { chainId }: Header,
    manifest: Uint8Array,
    entries: readonly DeliveredEntry[],
  ): Promise<void> {
    const faultOf = createBundleCheck(chainId, rollupIdBytes, manifest);
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
    hadHeaders: boolean,
  ): Promise<readonly FilledEntry[] | undefined> {
    if (filling === undefined && hasSealedEntries(entries)) return undefined;
    const { headers, blocks, contents } = filling ?? { headers: [], blocks: [], contents: [] };
    // Another node's stream begins with all that follow; the same one's goes on after those it has sent.
    const [first] = headers;
    const isAnew = !hadHeaders && first?.signedHeader.header.height === header.height + 1;
    let expected: number = isAnew ? header.height : chain.lastHeight();
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

  return {
    async verify(header, slice, filling, hadHeaders) {
      const verified = verifyRollupSlice(header.dataHash, rollupIdBytes, slice);
      if ("code" in verified) {
        refuse({ code: "VERIFY_SLICE", refusal: verified.code }, verified.reason);
      }
      const { entries, fills, decisions } = verified;
      checkKinds(entries);
      await checkBundles(header, slice.manifest, entries);
      const filled = await fill(header, entries, filling, hadHeaders);
      const order = filled && orderOf(header, filled, filling);
      const executed = (filled && order && executedOf(rollupIdBytes, filled, order)) ?? NOT_FILLED;
      const atomicDecisions = decidedBundles(decisions);
      return { entries, fills, decisions, atomicDecisions, filled, order, ...executed };
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

export function refuseFilling(code: string, reason: string): never {
  refuse({ code: "VERIFY_FILLING", refusal: code }, reason);
}
