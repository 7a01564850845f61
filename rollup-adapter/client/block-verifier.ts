/**
 * The verification that comes before execution (docs/rollups.md). From a trusted height on, each block
 * must extend the one before (`header-chain.ts`) and hold what its message says for the rollup (`slice-verifier.ts`); where
 * heights were left out, each of them must be proven to hold nothing. The tests name ways in which others failed
 * here (D1–D8).
 */
import type { RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { Header } from "../../proto/types.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { FillRefusalCode } from "../../proto/verify/fills.ts";
import { verifyOmitted } from "../../proto/verify/omitted.ts";
import {
  createHeaderChain,
  type HeaderChain,
  type TrustedState,
  type VerifiedHeader,
} from "./header-chain.ts";
import type { OmittedBlock, RollupBlock } from "./rollup-block.ts";
import {
  createSliceVerifier,
  type FilledPart,
  isFilled,
  refuseFilling,
  type VerifiedPart,
} from "./slice-verifier.ts";
import { refuse } from "./verify-error.ts";

/** What a message says of the chain. */
export interface VerifiedHead {
  readonly header: Header;
  readonly hash: Uint8Array;
  /** The heights between the message before and this one: proven to hold nothing for any rollup of the stream. */
  readonly omitted: readonly VerifiedHeader[];
  /** Trust after this block. */
  readonly trusted: TrustedState;
}

export interface VerifiedBlock extends VerifiedHead, VerifiedPart {}

/** A block of which all is known that will ever be executed at its height. */
export interface FilledBlock extends VerifiedHead, FilledPart {}

/** A block of a stream of several rollups. */
export interface VerifiedBlocks<Part = VerifiedPart> extends VerifiedHead {
  /** One for each rollup, in their order. */
  readonly parts: readonly Part[];
}

export interface BlockVerifier {
  trusted(): TrustedState;
  /** Verifies the next block and moves trust to it; one that is refused changes nothing. @throws WeftError<VerifyErrorInfo> */
  verify(block: RollupBlock): Promise<VerifiedBlock>;
  /** The same, and refuses a block whose sealed entries wait: what an executor is fed with. */
  verifyFilled(block: RollupBlock): Promise<FilledBlock>;
}

/** As `BlockVerifier`, for a stream of several rollups. */
export interface BlocksVerifier {
  trusted(): TrustedState;
  verify(block: RollupBlock): Promise<VerifiedBlocks>;
  verifyFilled(block: RollupBlock): Promise<VerifiedBlocks<FilledPart>>;
}

export interface BlockVerifierOptions {
  /** Whether heights may be left out that are proven to be empty (`BlocksRequest.omitsEmpty`); else they are refused. */
  readonly omitsEmpty?: boolean;
}

/** @param initial where trust begins: a state from a trusted source, or from the genesis file */
export function createBlockVerifier(
  rollupId: RollupId,
  initial: TrustedState,
  signatures: SignatureVerifier,
  options: BlockVerifierOptions = {},
): BlockVerifier {
  const blocks = createBlocksVerifier([rollupId], initial, signatures, options);
  return {
    trusted: () => blocks.trusted(),
    verify: async (block) => ofOne(await blocks.verify(block)),
    verifyFilled: async (block) => ofOne(await blocks.verifyFilled(block)),
  };
}

/** @param rollupIds in ascending order, as they were asked for */
export function createBlocksVerifier(
  rollupIds: readonly RollupId[],
  initial: TrustedState,
  signatures: SignatureVerifier,
  { omitsEmpty = false }: BlockVerifierOptions = {},
): BlocksVerifier {
  const chain = createHeaderChain(initial, signatures);
  const rollupIdBytes = rollupIds.map((rollupId) => fromHex(rollupId));
  const slices = rollupIds.map((rollupId) => createSliceVerifier(rollupId, chain));

  /** A refusal leaves everything as it was: the next message may be the truth, of another node. */
  async function check<Checked>(
    block: RollupBlock,
    finish: (checked: Omit<VerifiedBlocks, "trusted">) => Checked,
  ): Promise<Checked & Pick<VerifiedHead, "trusted">> {
    const last = chain.lastHeight();
    try {
      const checked = finish(await checkAll(block));
      chain.advance();
      return { ...checked, trusted: chain.trusted() };
    } catch (refusal) {
      chain.forgetAbove(last);
      throw refusal;
    }
  }

  async function checkAll(block: RollupBlock): Promise<Omit<VerifiedBlocks, "trusted">> {
    if (block.omitted.length > 0 && !omitsEmpty) {
      const reason = `every height is needed, ${block.omitted.length} were left out`;
      refuse({ code: "VERIFY_HEIGHT" }, reason);
    }
    checkHeight(chain, block.height, block.omitted.length);
    const { header, hash, skipped } = await chain.next(
      block.signedHeader,
      block.validatorSet,
      block.omitted.map((omitted) => omitted.header),
    );
    for (const omitted of block.omitted) checkOmitted(omitted);
    const { manifest, manifestProof } = block.slice;
    const given = [{ slice: block.slice.slice, filling: block.filling }, ...block.more];
    if (given.length !== rollupIds.length) {
      const reason = `expected the parts of ${rollupIds.length} rollups, got ${given.length}`;
      refuse({ code: "VERIFY_SLICE", refusal: "SLICE_COUNT" }, reason);
    }
    const parts: VerifiedPart[] = [];
    let hadHeaders = false;
    for (const [index, { slice, filling }] of given.entries()) {
      const verifier = slices[index];
      if (verifier === undefined) break;
      const of = { manifest, manifestProof, slice };
      parts.push(await verifier.verify(header, of, filling, hadHeaders));
      hadHeaders ||= filling !== undefined && filling.headers.length > 0;
    }
    return { header, hash, omitted: skipped, parts };
  }

  function checkOmitted({ header, ...slice }: OmittedBlock): void {
    const refused = verifyOmitted(header.dataHash, rollupIdBytes, slice);
    if (refused === undefined) return;
    const reason = `block ${header.height}, which was left out: ${refused.reason}`;
    refuse({ code: "VERIFY_SLICE", refusal: refused.code }, reason);
  }

  return {
    trusted: () => chain.trusted(),
    verify: (block) => check(block, (checked) => checked),
    verifyFilled: (block) =>
      check(block, ({ parts, ...checked }) => {
        const filled = parts.filter(isFilled);
        if (filled.length === parts.length) return { ...checked, parts: filled };
        const reason = `block ${block.height} holds sealed entries, and nothing was said of them`;
        return refuseFilling("FILL_MISSING" satisfies FillRefusalCode, reason);
      }),
  };
}

function ofOne<Part>({ parts: [part], ...head }: VerifiedBlocks<Part>): VerifiedHead & Part {
  assert(part !== undefined, "a block of one rollup has one part");
  return { ...head, ...part };
}

/** Of a message that speaks of `skipped` heights and then of its own. */
function checkHeight(chain: Pick<HeaderChain, "trusted">, height: number, skipped: number): void {
  const expected = chain.trusted().height + 1;
  if (height - skipped === expected) return;
  refuse({ code: "VERIFY_HEIGHT" }, `expected height ${expected}, got message ${height - skipped}`);
}
