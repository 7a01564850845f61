import { askedOf, type ExtensionContext, type ExtensionRefusal } from "../../../mev/extension.ts";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import {
  askedSubject,
  contradictingShares,
  decodeShares,
  faultyShares,
  publicShareOf,
  type SeenShares,
  type UnaskedSubject,
  unaskedShares,
} from "../../../mev/seal/share-evidence.ts";
import { type AskedOfValidator, checkShares, type SealKeyOf } from "../../../mev/seal/shares.ts";
import { kemPoint } from "../../../mev/seal/tdh2.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import { bytesEqual, copyBytes, joinBytes, toHex } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import type { Shares } from "../../../proto/codec/seal-block.ts";
import type { SealAsk, SealedBatchState } from "../../../proto/codec/seal-state.ts";
import type { ProofPlace, SealEvidence } from "../../../proto/codec/seal-tx.ts";
import {
  decodeVoteExtension,
  PartType,
  partSignBytes,
} from "../../../proto/codec/weft-extension.ts";
import type { Logger } from "../../ports/logger.ts";
import { SHARES_WATCHED_BYTES_MAX, SHARES_WATCHED_WAITING_MAX } from "../limits.ts";
import type { SealMetrics } from "../seal/metrics.ts";

export interface ShareWatchDependencies {
  readonly verify: VerifySignatures;
  readonly compute: Pick<SealCompute, "verifyShares">;
  /** The key of that number, and unresolved items of a block, in the committed state. */
  readonly keyOf: SealKeyOf;
  readonly batchAt: (height: number) => SealedBatchState | undefined;
  /** Gets each fault once; its signatures and proofs have been checked. */
  readonly found: (evidence: SealEvidence) => void;
  readonly logger: Logger;
  readonly metrics: Pick<SealMetrics, "sealEvidenceFound" | "sealPartsUnwatched">;
}

/** An extension of somebody else, and what was said of it. */
export interface SeenExtension {
  readonly context: ExtensionContext;
  readonly address: Uint8Array;
  readonly publicKey: Uint8Array | undefined;
  readonly extension: Uint8Array;
  readonly refusal: ExtensionRefusal | undefined;
}

/** What is judged later than it was seen: the state has moved on by then. */
interface Suspect {
  readonly seen: SeenShares;
  readonly asked: AskedOfValidator | undefined;
  readonly ask: SealAsk | undefined;
  readonly refusal: ExtensionRefusal | undefined;
  readonly unasked: readonly UnaskedSubject[];
}

/**
 * Looks for provable faults in SHARES parts that this node is shown, accepted or refused, in votes or in the
 * commit that it proposes from: a proof that fails, two parts of one height with different shares, shares
 * that nobody asked for. Works beside the chain: nothing waits for it, and what is too much is not looked at.
 */
export class ShareWatch {
  readonly #deps: ShareWatchDependencies;
  /** The first signed part of a validator at a height, by both. */
  readonly #first = new Map<string, SeenShares>();
  #firstBytes = 0;
  /** Faults that were reported, by kind, height and validator. */
  readonly #reported = new Set<string>();
  /** Refused parts with shares for the block that they vote for, or later ones, until it is committed. */
  readonly #ahead: Suspect[] = [];
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(deps: ShareWatchDependencies) {
    this.#deps = deps;
  }

  /** Returns at once. */
  look({ context, address, publicKey, extension, refusal }: SeenExtension): void {
    const part = publicKey && sharesPart(extension);
    if (publicKey === undefined || part === undefined) return;
    const { chainId, height, blockHash } = context;
    const first = this.#first.get(keyOf(height, address));
    const isAgain = first !== undefined && bytesEqual(first.content, part.content);
    if (isAgain && (refusal === undefined || bytesEqual(first.blockHash, blockHash))) return;
    const seen: SeenShares = {
      chainId,
      height,
      validator: copyBytes(address),
      applicationKey: copyBytes(publicKey),
      blockHash: copyBytes(blockHash),
      content: copyBytes(part.content),
      signature: copyBytes(part.signature),
    };
    if (refusal === undefined && first === undefined) {
      this.#keep(seen);
      return;
    }
    const ask = context.seal?.ask;
    const unasked = refusal === undefined ? [] : this.#unaskedSubjects(seen, ask);
    const suspect = { seen, ask, asked: askedOf(context, address), refusal, unasked };
    this.#judgeLater(suspect);
    if (refusal !== undefined && isAhead(seen)) this.#keepAhead(suspect);
  }

  /**
   * When the block below `next` is committed: its items stand in the state by now, so that shares of them which
   * came with the very votes for it can be judged. Forgets what was seen below that block.
   */
  committed(next: number): void {
    for (const suspect of this.#ahead.splice(0)) {
      const { seen, ask } = suspect;
      const unasked = this.#unaskedSubjects(seen, ask);
      if (unasked.length > 0) this.#judgeLater({ ...suspect, refusal: undefined, unasked });
    }
    const height = next - 1;
    for (const [key, { height: seenHeight, content }] of this.#first) {
      if (seenHeight >= height) continue;
      this.#first.delete(key);
      this.#firstBytes -= content.length;
    }
    for (const key of this.#reported) {
      if (Number(key.slice(0, key.indexOf("/"))) < height) this.#reported.delete(key);
    }
  }

  #keepAhead(suspect: Suspect): void {
    if (this.#ahead.length < SHARES_WATCHED_WAITING_MAX) this.#ahead.push(suspect);
    else this.#deps.metrics.sealPartsUnwatched.inc();
  }

  /** Resolves when nothing is being judged. */
  idle(): Promise<void> {
    return this.#turn;
  }

  #keep(seen: SeenShares): void {
    if (this.#firstBytes + seen.content.length > SHARES_WATCHED_BYTES_MAX) {
      this.#deps.metrics.sealPartsUnwatched.inc();
      return;
    }
    this.#first.set(keyOf(seen.height, seen.validator), seen);
    this.#firstBytes += seen.content.length;
  }

  #judgeLater(suspect: Suspect): void {
    if (this.#waiting >= SHARES_WATCHED_WAITING_MAX) {
      this.#deps.metrics.sealPartsUnwatched.inc();
      return;
    }
    this.#waiting++;
    this.#turn = this.#turn
      .then(() => this.#judge(suspect))
      .catch((error: unknown) => {
        this.#deps.logger.error("shares of a vote could not be looked at for faults", { error });
      })
      .finally(() => this.#waiting--);
  }

  async #judge({ seen, asked, ask, refusal, unasked }: Suspect): Promise<void> {
    const { verify, compute } = this.#deps;
    const { chainId, height, blockHash, content, signature } = seen;
    const message = partSignBytes(chainId, height, blockHash, PartType.SHARES, content);
    const [isSigned] = await verify([{ publicKey: seen.applicationKey, message, signature }]);
    if (isSigned !== true) return;
    const key = keyOf(height, seen.validator);
    const first = this.#first.get(key);
    if (first === undefined) this.#keep(seen);
    else this.#report(contradictingShares(seen, first));

    if (refusal?.code === "SHARES_PROOF" && ask !== undefined && asked !== undefined) {
      const checked = checkShares(seen, asked, content);
      if ("code" in checked) return;
      const verdicts = await compute.verifyShares(checked.proofs);
      this.#report(faultyShares(seen, ask, asked, verdicts));
    }
    for (const subject of unasked) {
      const shown = unaskedShares(seen, ask, subject);
      if (shown === undefined) continue;
      const [holds] = await compute.verifyShares([shown.proof]);
      if (holds === true) this.#report(shown.evidence);
    }
  }

  /** Its signatures and proofs hold: parts are kept once they have been checked. */
  #report(evidence: SealEvidence | undefined): void {
    if (evidence === undefined) return;
    const { kind, height, validator } = evidence;
    const key = `${keyOf(height, validator)}/${kind}`;
    if (this.#reported.has(key)) return;
    const { found, logger, metrics } = this.#deps;
    this.#reported.add(key);
    metrics.sealEvidenceFound.inc({ kind });
    logger.warn("a validator is provably at fault with shares of sealed transactions", {
      kind,
      validator: toHex(validator).toUpperCase(),
      height,
    });
    found(evidence);
  }

  /** Batches and disputed items of the state that a part has shares of and that were not asked for. */
  #unaskedSubjects(
    { content, validator }: SeenShares,
    ask: SealAsk | undefined,
  ): readonly UnaskedSubject[] {
    const shares = decodeShares(content);
    if (shares === undefined) return [];
    return placesIn(shares).flatMap((place) => {
      if (askedSubject(ask, place) !== undefined) return [];
      const batch = this.#deps.batchAt(place.batchHeight);
      const state = batch && this.#deps.keyOf(batch.key);
      const publicShare = state && publicShareOf(state, validator, place.ticket);
      if (batch === undefined || publicShare === undefined) return [];
      const items = batch.items.filter(({ index, disputedHeight }) =>
        place.isDispute ? index === place.index : disputedHeight === 0,
      );
      const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
      return [{ key: batch.key, points, place, publicShare }];
    });
  }
}

/** Whether a part has shares of what no state holds yet when it is signed. */
function isAhead({ content, height }: SeenShares): boolean {
  const shares = decodeShares(content);
  return shares !== undefined && placesIn(shares).some((place) => place.batchHeight >= height);
}

function keyOf(height: number, validator: Uint8Array): string {
  return `${height}/${toHex(validator)}`;
}

/** The part of an extension that others refuse, or do not; undefined: there is none. */
function sharesPart(extension: Uint8Array) {
  try {
    return decodeVoteExtension(extension).parts.find(({ type }) => type === PartType.SHARES);
  } catch (error) {
    // Bytes of others: what is no extension holds no part. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

function placesIn({ batches, disputes }: Shares): readonly ProofPlace[] {
  return [
    ...batches.flatMap(({ height: batchHeight, tickets }) =>
      tickets.map(({ ticket }) => ({ batchHeight, ticket, isDispute: false, index: 0 })),
    ),
    ...disputes.flatMap(({ height: batchHeight, index, shares }) =>
      shares.map(({ ticket }) => ({ batchHeight, ticket, isDispute: true, index })),
    ),
  ];
}
