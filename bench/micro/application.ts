/** The state machine: admission, execution of a block, the state tree. */
import { MemoryLevel } from "memory-level";
import { formatAddress } from "../../proto/address.ts";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
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
import { benchAccount, createItemFactory, ROLLUP_NAMES } from "../load/shape.ts";
import type { MicroCase } from "./case.ts";

const CHAIN_ID = "weft-bench";
const BLOCK_PAYLOADS = 4_000;
const STATE_CHANGES = 4_000;
const STATE_KEYS = 100_000;
const GENESIS_TIME = { seconds: 1_700_000_000n, nanos: 0 };

export async function applicationCases(): Promise<readonly MicroCase[]> {
  return [await executionCase(1), await executionCase(100), await stateCase()];
}

/** What ProcessProposal costs a validator that has every transaction in its pool already. */
async function executionCase(payloadsPerItem: number): Promise<MicroCase> {
  const app = await startApplication();
  const make = createItemFactory({
    chainId: CHAIN_ID,
    payloadsPerItem,
    payloadBytes: PAYLOAD_BYTES,
    accounts: ACCOUNTS,
  });
  const count = BLOCK_PAYLOADS / payloadsPerItem;
  for (let i = 0; i < count; i++) {
    const { code, log } = await app.checkTx({ tx: make(500).item, type: "new" });
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
    name: `execute a block of ${BLOCK_PAYLOADS} payloads, ${payloadsPerItem} per item`,
    async work() {
      seconds += 1n;
      // Another time makes another block: an outcome is computed once for each.
      const request: ProcessProposalRequest = {
        ...context,
        time: { seconds, nanos: 0 },
        txs,
        proposedLastCommit: commit,
        hash: EMPTY_BYTES,
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
