/**
 * A network of real processes some of whose validators break the rules of sealed transactions when a test says
 * so (`seal-orders.ts`), and a wallet that seals.
 *
 *     const network = await createSealedNetwork({ validators: 7, faulty: [5, 6] });
 *     await network.startAll();
 *     const key = await untilKey(network.validators);
 *     const sent = await sendSealed(wallet, { rollup: "alpha", text: "hello" });
 */
import { fileURLToPath } from "node:url";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import type { SealKeyState, SealState } from "../../proto/codec/seal-state.ts";
import { encodeTxBody, rollupIdOfName, txId, txSignBytes } from "../../proto/codec/weft-tx.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type {
  SequencerClient,
  SubmitOutcome,
} from "../../rollup-adapter/client/sequencer-client.ts";
import { numberKey, SEAL, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import { recordOf, requireRecord, type RpcNode } from "./live-stake.ts";
import {
  createTestNetwork,
  type TestNetwork,
  type TestNetworkOptions,
  until,
} from "./local-network.ts";
import { seal, type SealedBySender } from "./sealing.ts";

/** Runs a validator as `weft` does, until it is told to break a rule. */
export const SEAL_FAULTY = fileURLToPath(
  new URL("../../dist/test/support/seal-faulty-main.js", import.meta.url),
);

export function createSealedNetwork({
  faulty = [],
  ...options
}: Omit<TestNetworkOptions, "programs"> & {
  /** Indexes of validators that obey orders. */
  readonly faulty?: readonly number[];
}): Promise<TestNetwork> {
  return createTestNetwork({
    ...options,
    programs: Object.fromEntries(faulty.map((index) => [index, SEAL_FAULTY])),
  });
}

/** Resolves when blocks take items that are sealed for the key of that number, or a later one, at all nodes. */
export async function untilKey(
  nodes: readonly RpcNode[],
  number = 1,
  timeoutMs = KEY_TIMEOUT_MS,
): Promise<SealKeyState> {
  const keys = await Promise.all(
    nodes.map((node) =>
      until(
        `${node.name} has key ${number} in force`,
        async () => {
          const state = await recordOf(node, SEAL, "");
          if (state === undefined || state.activeKey < number || !state.isOpen) return undefined;
          return await requireRecord(node, SEAL_KEYS, numberKey(state.activeKey));
        },
        timeoutMs,
      ),
    ),
  );
  const [key] = keys;
  if (key === undefined) throw new Error("a network has nodes");
  return key;
}

export async function sealStateOf(node: RpcNode): Promise<SealState> {
  return await requireRecord(node, SEAL, "");
}

/** Who seals, and by which node. */
export interface SealWallet {
  readonly client: SequencerClient;
  readonly key: Ed25519KeyPair;
}

export interface SealRequest {
  readonly rollup: string;
  readonly text: string;
  readonly sealKey: Pick<SealKeyState, "number" | "publicKey">;
}

export interface SentSealed extends SealedBySender {
  readonly id: Uint8Array;
  readonly item: Uint8Array;
  readonly outcome: SubmitOutcome;
}

/** Seals a text and submits it, whatever the node says. */
export async function submitSealed(
  { client, key }: SealWallet,
  { rollup, text, sealKey }: SealRequest,
): Promise<SentSealed> {
  const info = await client.chainInfo();
  const expiryHeight = Height(info.height + info.unorderedWindow - 1);
  salt += 1;
  const head = {
    publicKey: key.publicKey,
    replay: { kind: "unordered", expiryHeight, salt: utf8ToBytes(`sealed ${salt}`) } as const,
    fee: { maxFeePerByte: info.baseFeePerByte * 4n, tipPerByte: 0n },
  };
  const terms = { ...head, chainId: info.chainId, key: sealKey, maxHeight: expiryHeight };
  const sealed = seal(terms, [{ rollupId: rollupIdOfName(rollup), data: [utf8ToBytes(text)] }]);
  const bodyBytes = encodeTxBody({ ...head, action: sealed.action });
  const signature = signEd25519(key, txSignBytes(info.chainId, bodyBytes));
  const item = encodeTxItem({ bodyBytes, signature });
  const outcome = await client.submit(item);
  return { ...sealed, id: txId(info.chainId, bodyBytes), item, outcome };
}

/** @throws when the node does not take it */
export async function sendSealed(wallet: SealWallet, request: SealRequest): Promise<SentSealed> {
  const sent = await submitSealed(wallet, request);
  const { code, reason } = sent.outcome;
  if (code !== 0) throw new Error(`a sealed transaction is refused with code ${code}: ${reason}`);
  return sent;
}

let salt = 0;
/** Some 20 blocks, of a machine that is busy otherwise. */
const KEY_TIMEOUT_MS = 120_000;
