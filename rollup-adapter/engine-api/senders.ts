/**
 * Who sent transactions, found in batches. In JavaScript one signature takes a millisecond: a full block of transfers would
 * take longer than the second that it is for, and whoever posts forged ones would hold up all nodes of the rollup. The
 * execution client does it in native code, so it is asked; where it cannot answer, JavaScript does it after all. Both
 * give the same: which of them was asked is no part of what a block holds.
 */
import type { TypedTransaction } from "@ethereumjs/tx";
import { Address, SECP256K1_ORDER_DIV_2 } from "@ethereumjs/util";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createPacer } from "../evm/pacer.ts";
import type { ParsedTransaction, PayloadDecoder } from "../evm/payload.ts";
import type { EngineClient, Signature } from "./engine-client.ts";
import { isCallFailure } from "./engine-error.ts";
import { ENGINE_SLICE_MS, SENDER_CALLS_MAX, SENDERS_PER_CALL } from "./limits.ts";

export interface SenderDependencies {
  readonly client: Pick<EngineClient, "senders">;
  /** Knows senders of before, and is told of new ones. */
  readonly decoder: PayloadDecoder;
  readonly logger: Logger;
}

/** Senders in the order of `transactions`; undefined for one whose signature names nobody. */
export async function findSenders(
  transactions: readonly ParsedTransaction[],
  { client, decoder, logger }: SenderDependencies,
): Promise<(Address | undefined)[]> {
  const senders = transactions.map(({ hash }) => decoder.senderOf(hash));
  const asked: { readonly index: number; readonly signature: Signature }[] = [];
  const pacer = createPacer(ENGINE_SLICE_MS);
  for (const [index, { transaction }] of transactions.entries()) {
    if (senders[index] !== undefined) continue;
    if (pacer.isDue()) await pacer.rest();
    const signature = signatureOf(transaction);
    if (signature !== undefined) asked.push({ index, signature });
  }
  const recover = async (chunk: typeof asked): Promise<void> => {
    let found: readonly (Uint8Array | undefined)[];
    try {
      found = await client.senders(chunk.map(({ signature }) => signature));
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      logger.warn("the execution client does not recover senders; doing so here, which is slow", {
        error: String(error),
      });
      found = await recoverHere(chunk.map(({ index }) => transactions[index]));
    }
    for (const [i, { index }] of chunk.entries()) {
      const [address, parsed] = [found[i], transactions[index]];
      if (address === undefined || parsed === undefined) continue;
      const sender = new Address(address);
      senders[index] = sender;
      decoder.remember(parsed.hash, sender);
    }
  };
  const chunks = Array.from({ length: Math.ceil(asked.length / SENDERS_PER_CALL) }, (_, i) =>
    asked.slice(i * SENDERS_PER_CALL, (i + 1) * SENDERS_PER_CALL),
  );
  for (let at = 0; at < chunks.length; at += SENDER_CALLS_MAX) {
    await Promise.all(chunks.slice(at, at + SENDER_CALLS_MAX).map(recover));
  }
  return senders;
}

/** Undefined where no transaction may carry such a one: `s` in the upper half (EIP-2), another parity than 0 and 1. */
function signatureOf(transaction: TypedTransaction): Signature | undefined {
  const { v, r, s } = transaction;
  if (v === undefined || r === undefined || s === undefined || s > SECP256K1_ORDER_DIV_2) {
    return undefined;
  }
  // EIP-155 for legacy transactions, none of which is unprotected here; the others say the parity itself.
  const parity = transaction.type === 0 ? v - (transaction.common.chainId() * 2n + 35n) : v;
  if (parity !== 0n && parity !== 1n) return undefined;
  return {
    hash: transaction.getMessageToVerifySignature(),
    parity: parity === 0n ? 0 : 1,
    r,
    s,
  };
}

async function recoverHere(
  transactions: readonly (ParsedTransaction | undefined)[],
): Promise<(Uint8Array | undefined)[]> {
  const pacer = createPacer(ENGINE_SLICE_MS);
  const found: (Uint8Array | undefined)[] = [];
  for (const one of transactions) {
    if (pacer.isDue()) await pacer.rest();
    try {
      found.push(one?.transaction.getSenderAddress().bytes);
    } catch {
      found.push(undefined); // r, s or the parity name no point of the curve
    }
  }
  return found;
}
