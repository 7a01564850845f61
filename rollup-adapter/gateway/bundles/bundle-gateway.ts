/**
 * Sends what searchers ask for: bundles, bids and cancellations in the gateway's own account, signed here, and items
 * that searchers have signed themselves, as they are. Sealed unless somebody asks for the clear; never the clear
 * because there is no key. Everything is unordered, so that no searcher waits for another.
 */
import { Height } from "../../../proto/brands.ts";
import type { KeyAndChain } from "../../../mev/seal/sealed-content.ts";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import { BUNDLE_AHEAD_MAX, type Replacement } from "../../../proto/codec/mev-tx.ts";
import { AMOUNT_LIMIT } from "../../../proto/codec/weft-basics.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { type Action, rollupData, type TxBody } from "../../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../../proto/errors.ts";
import type { Logger } from "../../../sequencer/ports/logger.ts";
import type { SubmitClient } from "../../client/failover-client.ts";
import type { BundleOutcome, MevClient } from "../../client/mev-client.ts";
import type { ChainInfo } from "../../client/sequencer-client.ts";
import { signTx, type TxSigner, unorderedTerms } from "../../client/signed-tx.ts";
import { SEAL_TRIES_MAX } from "../../limits.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { Sealer, SealingKey } from "../sealer.ts";
import { bundleError, errorOfChainCode, RESEAL_CODES } from "./errors.ts";
import { SEALED_WAIT_HEIGHTS } from "./limits.ts";
import type {
  BidRequest,
  BundleRequest,
  RequestedReplacement,
  Requester,
  Sent,
} from "./requests.ts";
import { replacementKey, type Sequences } from "./sequences.ts";
import { byRollup, checkLegs, groupOfBid, type HeightWindow, windowOf } from "./terms.ts";

/** The chain's code for a rollup that is not registered, or does not take what was sent. */
const CODE_BUNDLE_ROLLUP = 263;

export interface BundleGatewayOptions {
  /** nweft per byte on top of the base fee. */
  readonly tipPerByte: bigint;
  /** nweft that one request may spend in the gateway's name, as a bid or in tips; 0: nothing. */
  readonly spendMax: bigint;
  /** Cancel nonce of the gateway's bundles: that of its account, where its operator has raised it. */
  readonly cancelNonce: bigint;
}

export interface BundleGatewayDependencies {
  readonly client: Pick<SubmitClient, "chainInfo" | "submit">;
  readonly mev: MevClient;
  /** Whether a rollup of this id (32 bytes) is registered. */
  readonly isRollup: (rollupId: Uint8Array) => Promise<boolean>;
  /** The account that pays. */
  readonly key: TxSigner;
  readonly sealer: Sealer;
  readonly sequences: Sequences;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
}

/** What an item that its sender signed may be. */
export type SignedKind = "bundle" | "bid" | "cancelBundles" | "sealed";

/** All reject with `WeftError<BundleErrorInfo>`. */
export interface BundleGateway {
  sendBundle(request: BundleRequest, from: Requester): Promise<Sent>;
  /** Data of one rollup, sealed: at its place among others, without a window. */
  sendSealed(rollupId: Uint8Array, tx: Uint8Array): Promise<Sent>;
  sendBid(request: BidRequest): Promise<Sent>;
  /** Voids what was sent with this uuid and is in no block yet. */
  cancel(replacement: RequestedReplacement, from: Requester): Promise<Sent>;
  /** An item of the searcher's own account. */
  sendSigned(kind: SignedKind, item: Uint8Array): Promise<Sent>;
  /** Of the sequencer's next block. */
  nextHeight(): Promise<number>;
  /** Tells that the chain has grown. */
  blockOrdered(height: number): void;
  /** Answers of the node about bundles, auctions and revenue. */
  readonly node: MevClient;
}

export function createBundleGateway(
  options: BundleGatewayOptions,
  deps: BundleGatewayDependencies,
): BundleGateway {
  const { tipPerByte, spendMax, cancelNonce } = options;
  const { client, mev, key, sealer, sequences, logger, metrics } = deps;

  async function nextBlock(): Promise<{ readonly chain: ChainInfo; readonly next: number }> {
    const chain = await client.chainInfo().catch(unavailable);
    return { chain, next: chain.height + 1 };
  }

  /** Signs and sends what `actionOf` makes for the terms of a transaction that no block after `lastHeight` may hold. */
  async function submit(
    chain: ChainInfo,
    lastHeight: number,
    actionOf: (terms: TxTerms) => Action,
    send: Send,
  ): Promise<BundleOutcome> {
    // One more than it needs, so that what comes too late is told of its own window.
    const life = unorderedTerms(chain, lastHeight + 2, tipPerByte);
    const terms: TxTerms = { publicKey: key.publicKey, ...life };
    const { item } = encoding(() =>
      signTx(chain.chainId, { ...terms, action: actionOf(terms) }, key),
    );
    return await send(item).catch(unavailable);
  }

  /** The same for what is sealed: made anew for the next key while keys change under it. */
  async function submitSealed(
    window: HeightWindow,
    actionOf: (terms: TxTerms & KeyAndChain & HeightWindow) => Action,
    send: Send,
  ): Promise<BundleOutcome> {
    for (let tries = 1; ; tries++) {
      const sealing = await sealingKey(tries > 1);
      const { chain } = await nextBlock();
      const { chainId } = chain;
      const heights = sealedWindow(window, sealing);
      const outcome = await submit(
        chain,
        heights.maxHeight,
        (terms) => actionOf({ ...terms, ...heights, chainId, key: sealing }),
        send,
      );
      if (!RESEAL_CODES.has(outcome.code) || tries >= SEAL_TRIES_MAX) return outcome;
      metrics.bundles.inc({ result: "resealed" });
    }
  }

  async function sealingKey(isFresh: boolean): Promise<SealingKey> {
    try {
      return await sealer.key(isFresh);
    } catch (cause) {
      if (!isWeftError(cause) || cause.code !== "GATEWAY_SEAL_CLOSED") return unavailable(cause);
      throw bundleError("KEYSET_EXPIRED", cause.message, { cause });
    }
  }

  /** What the requester is told of an outcome; throws the refusal. */
  function told(
    { id, bundleId, code, reason, isDuplicate }: BundleOutcome,
    sequence?: bigint,
  ): Sent {
    const isAccepted = code === 0 || isDuplicate;
    metrics.bundles.inc({ result: isAccepted ? "accepted" : "refused" });
    if (isAccepted) return { id, bundleId, sequence };
    logger.debug("a bundle, bid or cancellation was refused", { code, reason });
    throw bundleError(errorOfChainCode(code), reason, { chainCode: code });
  }

  async function replacementOf(
    asked: RequestedReplacement | undefined,
    from: Requester,
    height: number,
  ): Promise<Replacement | undefined> {
    if (asked === undefined) return undefined;
    const name = replacementKey(from, asked.uuid);
    return { key: name, sequence: await sequences.take(toHex(name), asked.sequence, height) };
  }

  function checkSpend(amount: bigint, what: string): void {
    if (amount <= spendMax) return;
    const own = 'send {"item"} signed by an account of your own';
    if (spendMax === 0n) {
      throw bundleError(
        "POLICY_DISABLED",
        `this gateway pays ${what} in nobody's name (gateway.bid_max is 0): ${own}`,
      );
    }
    throw bundleError(
      "NOT_FUNDED",
      `this gateway pays ${what} of at most ${spendMax} nweft, got ${amount}: ${own}`,
    );
  }

  /** Of a refusal for the sake of a rollup: whether one of them is not registered at all. */
  async function checkRollups(
    { code }: BundleOutcome,
    legs: readonly { readonly rollupId: Uint8Array }[],
  ): Promise<void> {
    if (code !== CODE_BUNDLE_ROLLUP) return;
    for (const { rollupId } of legs) {
      if (await deps.isRollup(rollupId).catch(() => true)) continue;
      throw bundleError("UNKNOWN_ROLLUP", `no rollup ${toHex(rollupId)} is registered`, {
        chainCode: code,
      });
    }
  }

  return {
    async sendBundle(request, from) {
      const { isEncrypted } = request;
      checkLegs(request.legs, "bundle");
      checkSpend(
        request.legs.reduce((sum, { tip }) => sum + tip, 0n),
        "tips",
      );
      const legs = request.legs.toSorted(byRollup);
      const { chain, next } = await nextBlock();
      const window = windowOf(request, next);
      // Before a sequence is used up for it.
      if (isEncrypted) sealedWindow(window, await sealingKey(false));
      const replacement = await replacementOf(request.replacement, from, window.maxHeight);
      const rest = { replacement, cancelNonce };
      const send: Send = (item) => mev.submitBundle(item);
      const outcome = isEncrypted
        ? await submitSealed(
            window,
            (terms) => {
              const parts = legs.map(({ txs, ...leg }) => ({ ...leg, data: txs }));
              return sealer.sealBundle({ ...terms, ...rest, legs: parts });
            },
            send,
          )
        : await submit(
            chain,
            window.maxHeight,
            () => {
              const parts = legs.map(({ rollupId, txs, revertMode, tip }) => {
                const { payload } = rollupData(rollupId, txs);
                return { rollupId, payload, revertMode, tip };
              });
              return { kind: "bundle", legs: parts, ...window, ...rest, atomic: undefined };
            },
            send,
          );
      await checkRollups(outcome, legs);
      return told(outcome, replacement?.sequence);
    },
    async sendSealed(rollupId, tx) {
      checkLegs([{ rollupId, txs: [tx] }], "bundle");
      const { next } = await nextBlock();
      const window = { minHeight: Height(0), maxHeight: Height(next + SEALED_WAIT_HEIGHTS) };
      const outcome = await submitSealed(
        window,
        (terms) => sealer.seal({ ...terms, parts: [{ rollupId, data: [tx] }] }),
        sendOther,
      );
      return told(outcome);
    },
    async sendBid(request) {
      checkLegs(request.legs, "bid");
      checkSpend(request.amount, "a bid");
      const { groups } = await mev.mevParams().catch(unavailable);
      const { group } = groupOfBid(request, groups);
      const { next } = await nextBlock();
      const { amount } = request;
      const parts = request.legs.map(({ rollupId, txs }) => ({ rollupId, data: txs }));
      const outcome = await submitSealed(
        windowOf(request, next),
        (terms) => sealer.sealBid({ ...terms, group, amount, parts }),
        (item) => mev.submitBid(item),
      );
      return told(outcome);
    },
    async cancel({ uuid, sequence: asked }, from) {
      const name = replacementKey(from, uuid);
      const last = sequences.last(toHex(name));
      if (last === undefined) {
        throw bundleError(
          "UNKNOWN_HASH",
          `no bundle with the uuid ${uuid} was sent here by this signer; bundles of an account of your own are cancelled with {"item"}`,
        );
      }
      const { chain, next } = await nextBlock();
      // Nothing that was sent can be in a later block.
      const untilHeight = Height(next + BUNDLE_AHEAD_MAX);
      // Above all that were sent: whatever is on its way arrives too late. Above the highest there is nothing.
      const isHighest = last === AMOUNT_LIMIT - 1n;
      const sequence =
        asked ?? (isHighest ? last : await sequences.take(toHex(name), undefined, untilHeight));
      const outcome = await submit(
        chain,
        next + SEALED_WAIT_HEIGHTS,
        () => ({ kind: "cancelBundles", key: name, sequence, untilHeight, cancelNonce: 0n }),
        (item) => mev.cancelBundles(item),
      );
      return told(outcome, sequence);
    },
    async sendSigned(kind, item) {
      const { action, send } = SIGNED[kind];
      const found = actionOfItem(item);
      if (!action.includes(found)) {
        throw bundleError(
          "MALFORMED",
          `expected an item with ${action.join(" or ")}, got ${found}`,
        );
      }
      const outcome = await (send === undefined ? sendOther(item) : mev[send](item)).catch(
        unavailable,
      );
      return told(outcome);
    },
    nextHeight: async () => (await nextBlock()).next,
    blockOrdered(height) {
      sequences.advance(height).catch((error: unknown) => {
        // They are tried again with the next block.
        logger.warn("old replacement keys could not be forgotten", { error: String(error) });
      });
    },
    node: mev,
  };

  async function sendOther(item: Uint8Array): Promise<BundleOutcome> {
    return { ...(await client.submit(item)), bundleId: EMPTY_BYTES };
  }
}

type TxTerms = Omit<TxBody, "action">;
type Send = (item: Uint8Array) => Promise<BundleOutcome>;

/** Which actions an item may hold, and which method of the node takes it; of the last one the pool's common door. */
const SIGNED: Readonly<
  Record<
    SignedKind,
    {
      readonly action: readonly string[];
      readonly send: "submitBundle" | "submitBid" | "cancelBundles" | undefined;
    }
  >
> = {
  bundle: { action: ["bundle", "sealedBundle"], send: "submitBundle" },
  bid: { action: ["bid"], send: "submitBid" },
  cancelBundles: { action: ["cancelBundles"], send: "cancelBundles" },
  sealed: { action: ["sealed"], send: undefined },
};

function actionOfItem(item: Uint8Array): string {
  try {
    const decoded = decodeItem(item);
    return decoded.kind === "tx" ? decoded.tx.body.action.kind : decoded.kind;
  } catch (cause) {
    if (!isCodecError(cause)) throw cause;
    throw bundleError("MALFORMED", `the item is not canonical: ${cause.message}`, { cause });
  }
}

/** The part of the window in which blocks take what is sealed for the key. */
function sealedWindow({ minHeight, maxHeight }: HeightWindow, sealing: SealingKey): HeightWindow {
  const { number, endHeight } = sealing;
  if (endHeight === undefined || maxHeight < endHeight) return { minHeight, maxHeight };
  if (minHeight < endHeight) return { minHeight, maxHeight: Height(endHeight - 1) };
  throw bundleError(
    "KEYSET_EXPIRED",
    `block ${minHeight} takes nothing that is sealed now: key ${number} ends with block ${endHeight - 1}; send it again after that`,
  );
}

/** What an encoder refuses, as a refusal. */
function encoding<T>(encode: () => T): T {
  try {
    return encode();
  } catch (cause) {
    if (!isCodecError(cause)) throw cause;
    const isSize = cause.code === "CODEC_TOO_LARGE" || cause.code === "CODEC_TOO_MANY";
    throw bundleError(isSize ? "TOO_LARGE" : "MALFORMED", cause.message, { cause });
  }
}

/** For what asking the node throws. */
function unavailable(cause: unknown): never {
  throw bundleError("UNAVAILABLE", "the sequencer cannot be reached; try again later", { cause });
}
