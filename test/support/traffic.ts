/** Honest senders: each signs, submits and waits for its block, over and over, whatever nodes do. */
import { createHash } from "node:crypto";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import type { Action, TxBody } from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { type SignedItem, signTx, type TxSigner } from "../../rollup-adapter/client/signed-tx.ts";
import { pauseSince } from "./polling.ts";

/** What was in a block, and how it got there. */
export interface CommittedTx extends SignedItem {
  readonly height: number;
  /** SHA-256(item), upper-case hex: CometBFT's name for it. */
  readonly hash: string;
  /** From the first submission until a node said "committed". */
  readonly latencyMs: number;
}

export interface Traffic {
  readonly committed: readonly CommittedTx[];
  /** Lets every sender finish what it has begun, then ends them. Throws what went wrong. */
  stop(): Promise<void>;
}

export interface TrafficOptions {
  readonly clients: readonly SequencerClient[];
  readonly key: Ed25519KeyPair;
  readonly senders: number;
  /** The next thing to do of a sender; called again only after the last one was committed. */
  readonly action: (sender: number) => Action | Promise<Action>;
  /** Time for one transaction to be in a block, node failures included. */
  readonly patienceMs?: number;
}

export function startTraffic(options: TrafficOptions): Traffic {
  const committed: CommittedTx[] = [];
  let isStopping = false;
  const senders = Array.from({ length: options.senders }, (_, i) => send(i));
  const all = Promise.all(senders);
  // Reported by `stop`.
  all.catch(() => {});

  async function send(sender: number): Promise<void> {
    for (let turn = sender; !isStopping; turn++) {
      const action = await options.action(sender);
      committed.push(await sendOne(options, turn, action));
    }
  }

  return {
    committed,
    async stop() {
      isStopping = true;
      await all;
    },
  };
}

/** Signs one transaction and submits it, to one node after the other, until one says it is in a block. */
export async function sendOne(
  options: Omit<TrafficOptions, "action" | "senders">,
  turn: number,
  action: Action,
): Promise<CommittedTx> {
  const { clients, key } = options;
  const start = performance.now();
  const end = start + (options.patienceMs ?? 60_000);
  let signed: SignedItem | undefined;
  let last = "no node answered";
  for (let attempt = turn; performance.now() < end; attempt++) {
    const client = clients[attempt % clients.length];
    if (client === undefined) throw new Error("traffic needs a node");
    try {
      signed ??= await signAction(client, key, action);
      const outcome = await client.submit(signed.item);
      if (outcome.code !== 0 && !outcome.isDuplicate && outcome.code !== UNORDERED_SEEN) {
        throw new Error(`refused with code ${outcome.code}: ${outcome.reason}`);
      }
      const height = await untilSettled(client, signed.id, end);
      const hash = createHash("sha256").update(signed.item).digest("hex").toUpperCase();
      return { ...signed, height, hash, latencyMs: performance.now() - start };
    } catch (error) {
      // The node may be down or have forgotten it: the same transaction, another node.
      last = error instanceof Error ? error.message : String(error);
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS);
      });
    }
  }
  throw new Error(`a transaction was in no block in time; last: ${last}`);
}

const UNORDERED_SEEN = 24;
const RETRY_MS = 50;
let salt = 0;

/** An unordered transaction that is valid for as long as the chain allows. */
export async function signAction(
  client: SequencerClient,
  key: Ed25519KeyPair,
  action: Action,
  change: (body: TxBody) => TxBody = (body) => body,
): Promise<SignedItem> {
  const { chainId, replay, fee } = await unorderedTerms(client);
  const body = change({ publicKey: key.publicKey, replay, fee, action });
  return signTx(chainId, body, signerOf(key));
}

/** Of the next unordered transaction, another one each time. */
export async function unorderedTerms(client: Pick<SequencerClient, "chainInfo">): Promise<
  Pick<TxBody, "fee"> & {
    readonly chainId: string;
    readonly replay: Extract<TxBody["replay"], { kind: "unordered" }>;
  }
> {
  const { chainId, height, unorderedWindow, baseFeePerByte } = await client.chainInfo();
  salt += 1;
  return {
    chainId,
    replay: {
      kind: "unordered",
      expiryHeight: Height(height + unorderedWindow - 1),
      salt: new TextEncoder().encode(salt.toString()),
    },
    fee: { maxFeePerByte: baseFeePerByte * 4n, tipPerByte: 0n },
  };
}

export function signerOf(key: Ed25519KeyPair): TxSigner {
  return { publicKey: key.publicKey, sign: (message) => signEd25519(key, message) };
}

/** Height of the block that holds it. Throws when this node does not know it any more. */
async function untilSettled(client: SequencerClient, id: Uint8Array, end: number): Promise<number> {
  const start = performance.now();
  for (;;) {
    const status = await client.transactionStatus(id);
    if (status.state === "committed") return status.height;
    if (status.state !== "pending" || performance.now() > end) {
      throw new Error(`${toHex(id)} is ${status.state}: ${status.reason}`);
    }
    await pauseSince(start);
  }
}

/** Middle and far value of a list of numbers. */
export function quantiles(values: readonly number[]): {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
} {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
