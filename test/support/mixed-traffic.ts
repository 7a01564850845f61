/** Rollup data over JSON-RPC to nodes of either kind, one after the other, whatever happens to them. */
import { createHash } from "node:crypto";
import { Height } from "../../proto/brands.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import { signTx } from "../../rollup-adapter/client/signed-tx.ts";
import { rpc, until } from "./local-network.ts";
import { CHAIN_ID, heightOf, type MixedNode } from "./mixed-network.ts";

export interface SentTx {
  /** Upper-case hex: CometBFT's name for it. */
  readonly hash: string;
  /** Name of the node that took it. */
  readonly via: string;
  readonly item: Uint8Array;
}

export interface MixedTraffic {
  readonly sent: readonly SentTx[];
  /** Ends it, and resolves with the height of each transaction, as one of the nodes has it. */
  stop(): Promise<ReadonlyMap<SentTx, number>>;
}

/** Blocks that a transaction may wait for its place. */
const EXPIRY_BLOCKS = 500;
const MAX_FEE_PER_BYTE = 100_000n;
const SETTLE_TIMEOUT_MS = 60_000;
const PAUSE_MS = 50;

/**
 * Sends one after the other, at most `inFlight` of them not yet in a block.
 * @param bytes of each
 */
export function startMixedTraffic(options: {
  readonly nodes: readonly MixedNode[];
  readonly owner: Ed25519KeyPair;
  readonly rollup: string;
  readonly bytes: number;
  readonly inFlight: number;
}): MixedTraffic {
  const { nodes, owner } = options;
  const rollup = rollupIdOfName(options.rollup);
  const sent: SentTx[] = [];
  const heights = new Map<SentTx, number>();
  let isStopping = false;
  let salt = 0;

  async function anyNode<T>(ask: (node: MixedNode) => Promise<T>, from = 0): Promise<T> {
    let last: unknown;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[(from + i) % nodes.length];
      if (node === undefined) break;
      try {
        return await ask(node);
      } catch (error) {
        // Down, paused or cut off: another one.
        last = error;
      }
    }
    throw new Error("no node answered", { cause: last });
  }

  async function sendOne(turn: number): Promise<void> {
    const height = await anyNode(heightOf, turn);
    salt += 1;
    const body = {
      publicKey: owner.publicKey,
      replay: {
        kind: "unordered",
        expiryHeight: Height(height + EXPIRY_BLOCKS),
        salt: new TextEncoder().encode(salt.toString()),
      },
      fee: { maxFeePerByte: MAX_FEE_PER_BYTE, tipPerByte: 0n },
      action: rollupData(rollup, [new Uint8Array(options.bytes).fill(salt)]),
    } as const;
    const { item } = signTx(CHAIN_ID, body, {
      publicKey: owner.publicKey,
      sign: (message) => signEd25519(owner, message),
    });
    await anyNode(async (node) => {
      await broadcast(node, item);
      const hash = createHash("sha256").update(item).digest("hex").toUpperCase();
      sent.push({ hash, via: node.name, item });
    }, turn);
  }

  /** Looks for those that are not yet found. */
  async function settle(): Promise<number> {
    const open = sent.filter((tx) => !heights.has(tx));
    await Promise.all(
      open.map(async (tx) => {
        const hash = Buffer.from(tx.hash, "hex").toString("base64");
        const found = await anyNode((node) =>
          rpc<{ height: string; tx_result: { code: number } }>(node, "tx", { hash }),
        ).catch(() => undefined); // not in a block yet
        if (found === undefined) return;
        if (found.tx_result.code !== 0) throw new Error(`${tx.hash} failed in its block`);
        heights.set(tx, Number(found.height));
      }),
    );
    return sent.length - heights.size;
  }

  async function run(): Promise<void> {
    for (let turn = 0; !isStopping; turn++) {
      if (sent.length - heights.size < options.inFlight || (await settle()) < options.inFlight) {
        await sendOne(turn).catch(() => {}); // nobody answers for the moment
      }
      await new Promise((resolve) => {
        setTimeout(resolve, PAUSE_MS);
      });
    }
  }
  const running = run();
  running.catch(() => {});

  return {
    sent,
    async stop() {
      isStopping = true;
      await running;
      await until(
        "every transaction that a node took is in a block",
        async () => {
          if ((await settle()) === 0) return true;
          // A node that was killed has forgotten its pool: whoever sent it sends it again.
          for (const { item } of sent.filter((tx) => !heights.has(tx))) {
            await Promise.allSettled(nodes.map((node) => broadcast(node, item)));
          }
          return false;
        },
        SETTLE_TIMEOUT_MS,
      );
      return heights;
    },
  };
}

async function broadcast(node: MixedNode, item: Uint8Array): Promise<void> {
  const tx = Buffer.from(item).toString("base64");
  const { code, log } = await rpc<{ code: number; log: string }>(node, "broadcast_tx_sync", {
    tx,
  });
  if (code !== 0) throw new Error(`${node.name} refused it with code ${code}: ${log}`);
}
