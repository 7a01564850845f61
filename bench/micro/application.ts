/** The state machine: admission, execution of a block, the state tree. */
import { MemoryLevel } from "memory-level";
import { formatAddress } from "../../proto/address.ts";
import { Height, Round } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import { accountAddress, encodeTxBody, txSignBytes } from "../../proto/codec/weft-tx.ts";
import { sha256, sha256Latin1 } from "../../proto/hash.ts";
import {
  createEd25519Verifier,
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import type { ProcessProposalRequest } from "../../sequencer/abci/application.ts";
import { createApplication } from "../../sequencer/app/application.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import { StateStore } from "../../sequencer/app/state-tree/state-store.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { ACCOUNTS, PAYLOAD_BYTES } from "../limits.ts";
import { benchAccount, createItemFactory, MAX_FEE_PER_BYTE, ROLLUP_NAMES } from "../load/shape.ts";
import type { MicroCase } from "./case.ts";

const CHAIN_ID = "weft-bench";
const BLOCK_PAYLOADS = 4_000;
const BLOCK_TRANSFERS = 1_000;
const EXPIRY_HEIGHT = 500;
const STATE_CHANGES = 4_000;
const STATE_KEYS = 100_000;
const BLOCK_HASH = new Uint8Array(32);
const GENESIS_TIME = { seconds: 1_700_000_000n, nanos: 0 };

export async function applicationCases(): Promise<readonly MicroCase[]> {
  return [
    await payloadsCase(1),
    await payloadsCase(100),
    await executionCase(`execute a block of ${BLOCK_TRANSFERS} transfers`, transfers()),
    await executionCase("execute an empty block", []),
    await stateCase(),
  ];
}

function payloadsCase(payloadsPerItem: number): Promise<MicroCase> {
  const make = createItemFactory({
    chainId: CHAIN_ID,
    payloadsPerItem,
    payloadBytes: PAYLOAD_BYTES,
    accounts: ACCOUNTS,
  });
  const items = Array.from(
    { length: BLOCK_PAYLOADS / payloadsPerItem },
    () => make(EXPIRY_HEIGHT).item,
  );
  const name = `execute a block of ${BLOCK_PAYLOADS} payloads, ${payloadsPerItem} per item`;
  return executionCase(name, items);
}

/** From every account to the next one. */
function transfers(): readonly Uint8Array[] {
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => benchAccount(i));
  return Array.from({ length: BLOCK_TRANSFERS }, (_, i) => {
    const from = accounts[i % ACCOUNTS];
    const to = accounts[(i + 1) % ACCOUNTS];
    if (from === undefined || to === undefined) throw new RangeError("no account");
    const bodyBytes = encodeTxBody({
      publicKey: from.publicKey,
      replay: {
        kind: "unordered",
        expiryHeight: Height(EXPIRY_HEIGHT),
        salt: utf8ToBytes(`transfer ${i}`),
      },
      fee: { maxFeePerByte: MAX_FEE_PER_BYTE, tipPerByte: 0n },
      action: { kind: "transfer", to: accountAddress(to.publicKey), amount: 1n },
    });
    const signature = signEd25519(from, txSignBytes(CHAIN_ID, bodyBytes));
    return encodeTxItem({ bodyBytes, signature });
  });
}

/** What ProcessProposal costs a validator that has every transaction in its pool already. */
async function executionCase(name: string, items: readonly Uint8Array[]): Promise<MicroCase> {
  const app = await startApplication();
  const count = items.length;
  for (const tx of items) {
    const { code, log } = await app.checkTx({ tx, type: "new" });
    if (code !== 0) throw new Error(`a transaction of the benchmark was refused: ${log}`);
  }
  const context = {
    height: Height(1),
    time: GENESIS_TIME,
    proposerAddress: new Uint8Array(20),
    nextValidatorsHash: new Uint8Array(32),
    misbehavior: [],
  };
  const commit = { round: Round(0), votes: [] };
  const txs = await app.prepareProposal({
    ...context,
    maxTxBytes: 4 << 20,
    txs: [],
    localLastCommit: commit,
  });
  if (txs.length !== count + 1) throw new Error(`expected ${count} items, got ${txs.length - 1}`);
  let seconds = GENESIS_TIME.seconds;
  return {
    name,
    async work() {
      seconds += 1n;
      // Another time makes another block: an outcome is computed once for each.
      const request: ProcessProposalRequest = {
        ...context,
        time: { seconds, nanos: 0 },
        txs,
        proposedLastCommit: commit,
        hash: BLOCK_HASH,
      };
      const verdict = await app.processProposal(request);
      if (!verdict.accept) throw new Error(verdict.reason);
    },
  };
}

async function startApplication(): Promise<WeftApplication> {
  const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes("weft bench validator")));
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  const verifier = createEd25519Verifier();
  const app = await createApplication(
    { version: "bench" },
    {
      database: await openKeyValueStore(level, yieldToLoop),
      verify: (checks) => verifier.verifyBatch(checks),
      signer: {
        publicKey: key.publicKey,
        sign: (bytes) => Promise.resolve(signEd25519(key, bytes)),
      },
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_APP_METRICS,
      yieldToLoop,
    },
  );
  const address = toHex(ed25519Address(key.publicKey));
  const appState: GenesisAppState = {
    accounts: Array.from({ length: ACCOUNTS }, (_, i) => ({
      address: formatAddress(accountAddress(benchAccount(i).publicKey)),
      balance: "100000000000000000",
    })),
    validators: [{ address, application_key: toHex(key.publicKey) }],
    rollups: ROLLUP_NAMES.map((name) => ({ name, owner_key: toHex(key.publicKey) })),
  };
  await app.initChain({
    time: GENESIS_TIME,
    chainId: CHAIN_ID,
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      block: { maxBytes: 4n << 20n, maxGas: -1n },
      abci: { voteExtensionsEnableHeight: Height(1) },
    },
    validators: [{ publicKey: { type: "ed25519", bytes: key.publicKey }, power: 10n }],
    appStateBytes: utf8ToBytes(JSON.stringify(appState)),
    initialHeight: Height(1),
  });
  return app;
}

/** One block's changes to a tree of many keys, hashed and not stored. */
async function stateCase(): Promise<MicroCase> {
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  const database = await openKeyValueStore(level, yieldToLoop);
  const store = await StateStore.open({}, { database, yieldToLoop });
  const keyOf = (i: number): string =>
    `u/${Buffer.from(sha256Latin1(utf8ToBytes(`${i}`)), "latin1").toString("hex")}`;
  const entries = (from: number, count: number): ReadonlyMap<string, Uint8Array> =>
    new Map(Array.from({ length: count }, (_, i) => [keyOf(from + i), Uint8Array.of(1)]));
  await store.commit(await store.stage(entries(0, STATE_KEYS)), 1);
  const changes = entries(STATE_KEYS, STATE_CHANGES);
  return {
    name: `state tree: ${STATE_CHANGES} new keys beside ${STATE_KEYS}`,
    work: () => store.stage(changes),
  };
}
