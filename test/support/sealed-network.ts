/**
 * A network of real processes some of whose validators break the rules of sealed transactions when a test says
 * so (`seal-orders.ts`), and a wallet that seals.
 *
 *     const network = await createSealedNetwork({ validators: 7, faulty: [5, 6] });
 *     const { sealKey, stream } = await startSealing(network, "alpha");
 *     const sent = await sendSealed(wallet, { rollup: "alpha", text: "hello", sealKey });
 *     const place = await stream.place(sent.id);
 */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealKeyState, SealState } from "../../proto/codec/seal-state.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import {
  type SealedTransaction,
  sealTransaction,
} from "../../rollup-adapter/client/seal-transaction.ts";
import type {
  SequencerClient,
  SubmitOutcome,
} from "../../rollup-adapter/client/sequencer-client.ts";
import { numberKey, SEAL, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import { type FilledStream, followFilled } from "./filled-stream.ts";
import { recordOf, requireRecord, type RpcNode } from "./live-stake.ts";
import {
  createTestNetwork,
  type TestNetwork,
  type TestNetworkOptions,
  until,
  untilHeight,
  validatorAt,
} from "./local-network.ts";
import { TEST_TDH2 } from "./sealing.ts";
import { signerOf, unorderedTerms } from "./traffic.ts";

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

/** Starts the validators, and follows a rollup that genesis names; nodes of rollups do not run. */
export async function startSealing(
  network: TestNetwork,
  rollup: string,
): Promise<{ readonly sealKey: SealKeyState; readonly stream: FilledStream }> {
  network.start(...network.validators.map(({ name }) => name));
  await untilHeight(network.validators, 1, START_TIMEOUT_MS);
  const sealKey = await untilKey(network.validators);
  return { sealKey, stream: await followFilled(validatorAt(network, 0), rollup) };
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

export interface SentSealed extends SealedTransaction {
  readonly outcome: SubmitOutcome;
}

/** Seals a text and submits it, whatever the node says. */
export async function submitSealed(
  { client, key }: SealWallet,
  { rollup, text, sealKey }: SealRequest,
): Promise<SentSealed> {
  const { chainId, replay, fee } = await unorderedTerms(client);
  const parts = [{ rollupId: rollupIdOfName(rollup), data: [utf8ToBytes(text)] }];
  const sealed = sealTransaction(
    { chainId, key: sealKey, maxHeight: replay.expiryHeight, replay, fee, parts },
    { tdh2: TEST_TDH2, signer: signerOf(key) },
  );
  return { ...sealed, outcome: await client.submit(sealed.item) };
}

/** @throws when the node does not take it */
export async function sendSealed(wallet: SealWallet, request: SealRequest): Promise<SentSealed> {
  const sent = await submitSealed(wallet, request);
  const { code, reason } = sent.outcome;
  if (code !== 0) throw new Error(`a sealed transaction is refused with code ${code}: ${reason}`);
  return sent;
}

/**
 * Seals a text and sends it, and waits until the rollup reads it.
 * @returns blocks from its order to its content
 */
export async function blocksToOpen(
  stream: FilledStream,
  wallet: SealWallet,
  request: SealRequest,
  timeoutMs?: number,
): Promise<number> {
  const { id } = await sendSealed(wallet, request);
  const place = await stream.place(id, timeoutMs);
  expect(place).toMatchObject({ isSealed: true, status: "OPENED", texts: [request.text] });
  const { height, filledHeight } = place;
  if (filledHeight === undefined) throw new Error(`no block fills ${toHex(id)}`);
  return filledHeight - height;
}

const START_TIMEOUT_MS = 240_000;
/** Some 20 blocks, of a machine that is busy otherwise. */
const KEY_TIMEOUT_MS = 120_000;
