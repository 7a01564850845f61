/**
 * The verification that comes before execution (docs/rollups.md). From a trusted height on, each block
 * must extend the one before (`header-chain.ts`), hold a slice that the header's data_hash commits to, and at
 * level FILLED say what became of each sealed entry, as headers of later blocks commit to it. The tests name
 * eight ways in which others failed here (D1–D8).
 */
import type { RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { rollupDataEntries } from "../../proto/codec/weft-tx.ts";
import type { Header } from "../../proto/types.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import {
  type FilledEntry,
  fillEntries,
  type FillRefusalCode,
  hasSealedEntries,
} from "../../proto/verify/fills.ts";
import {
  type DeliveredEntry,
  EntryKind,
  type FillEntry,
  verifyRollupFills,
  verifyRollupSlice,
} from "../../proto/verify/manifest.ts";
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
  /** The entries with their outcomes; undefined while sealed ones wait for theirs (level COMMITTED). */
  readonly filled: readonly FilledEntry[] | undefined;
  /** What the executor gets: the payloads of `filled` taken apart; undefined when that is. */
  readonly payloads: readonly Uint8Array[] | undefined;
  /** Trust after this block. */
  readonly trusted: TrustedState;
}

/** A block of which all is known that will ever be executed at its height. */
export interface FilledBlock extends VerifiedBlock {
  readonly filled: readonly FilledEntry[];
  readonly payloads: readonly Uint8Array[];
}

export interface BlockVerifier {
  trusted(): TrustedState;
  /** Verifies the next block and moves trust to it. @throws WeftError<VerifyErrorInfo> */
  verify(block: RollupBlock): Promise<VerifiedBlock>;
  /** The same, and refuses a block whose sealed entries wait: what an executor is fed with. */
  verifyFilled(block: RollupBlock): Promise<FilledBlock>;
}

/** @param initial where trust begins: a state from a trusted source, or from the genesis file */
export function createBlockVerifier(
  rollupId: RollupId,
  initial: TrustedState,
  signatures: SignatureVerifier,
): BlockVerifier {
  const rollupIdBytes = fromHex(rollupId);
  const chain = createHeaderChain(initial, signatures);

  async function check(block: RollupBlock): Promise<Omit<VerifiedBlock, "trusted">> {
    if (block.height !== chain.trusted().height + 1) {
      refuse(
        { code: "VERIFY_HEIGHT" },
        `expected height ${chain.trusted().height + 1}, got message ${block.height}`,
      );
    }
    const { header, hash } = await chain.next(block.signedHeader, block.validatorSet);
    const slice = verifyRollupSlice(header.dataHash, rollupIdBytes, block.slice);
    if ("code" in slice) refuse({ code: "VERIFY_SLICE", refusal: slice.code }, slice.reason);
    const { entries, fills } = slice;
    checkKinds(entries);
    const filled = await fill(header, entries, block.filling);
    return { header, hash, entries, fills, filled, payloads: filled?.flatMap(payloadsOf) };
  }

  async function fill(
    header: Header,
    entries: readonly DeliveredEntry[],
    filling: Filling | undefined,
  ): Promise<readonly FilledEntry[] | undefined> {
    if (filling === undefined && hasSealedEntries(entries)) return undefined;
    const { headers, blocks, contents } = filling ?? { headers: [], blocks: [], contents: [] };
    for (const { signedHeader, validatorSet } of headers) {
      await chain.follow(signedHeader, validatorSet);
    }
    for (const block of blocks) {
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
      const checked = await check(block);
      const { filled, payloads } = checked;
      if (filled === undefined || payloads === undefined) {
        const reason = `block ${block.height} holds sealed entries, and nothing was said of them`;
        return refuseFilling("FILL_MISSING" satisfies FillRefusalCode, reason);
      }
      chain.advance();
      return { ...checked, filled, payloads, trusted: chain.trusted() };
    },
  };
}

function checkKinds(entries: readonly DeliveredEntry[]): void {
  for (const { kind } of entries) {
    if (kind === EntryKind.ROLLUP_DATA || kind === EntryKind.SEALED) continue;
    refuse(
      { code: "VERIFY_ENTRY_KIND" },
      `an entry of kind ${kind} cannot be delivered by this version; update the adapter`,
    );
  }
}

function payloadsOf({ content }: FilledEntry): readonly Uint8Array[] {
  return content === undefined ? [] : rollupDataEntries(content);
}

function refuseFilling(code: string, reason: string): never {
  refuse({ code: "VERIFY_FILLING", refusal: code }, reason);
}
