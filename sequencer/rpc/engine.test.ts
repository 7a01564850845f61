/** The server on a real engine: one validator that makes blocks as fast as it can. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Comet38Client } from "@cosmjs/tendermint-rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { txHash } from "../../proto/hashes.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  createTestNode,
  type TestNode,
  testNodeId,
  untilHeight,
} from "../../test/support/engine-network.ts";
import { memoryStore } from "../../test/support/memory-store.ts";
import { TEST_NODE_INFO } from "../../test/support/rpc-node.ts";
import { genesisToJson } from "../engine/genesis.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { createRpcConsensus } from "./engine-adapter.ts";
import { createIndexerService, type IndexerService } from "./indexer/indexer-service.ts";
import { openChainIndex } from "./indexer/level-index.ts";
import { NULL_RPC_METRICS } from "./metrics.ts";
import { createRpcServer, type RpcServer } from "./rpc-server.ts";

const GENESIS = testGenesis(testKeys(1));

describe("rpc server on an engine", () => {
  let directory = "";
  let node: TestNode;
  let server: RpcServer;
  let indexer: IndexerService;
  let client: Comet38Client;
  let url = "";

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-rpc-"));
    const seed = sha256(utf8ToBytes("key 0"));
    node = await createTestNode(testNodeId(0), { directory, genesis: GENESIS, seed });
    const { engine, application } = node;
    const { blockStore: blocks, stateStore: states, events } = engine;
    const index = await openChainIndex({ isPrunable: false }, { store: memoryStore(), blocks });
    const common = { blocks, states, events, clock: createSystemClock(), logger: NULL_LOGGER };
    indexer = createIndexerService({ ...common, index, metrics: NULL_RPC_METRICS });
    indexer.start();
    const [key] = GENESIS.validators;
    if (key === undefined) throw new Error("the genesis has a validator");
    server = createRpcServer(
      { host: "127.0.0.1", port: 0 },
      {
        ...common,
        index,
        app: {
          info: () => application.info(),
          query: () => application.query(),
          dryRun: undefined,
        },
        mempool: {
          submit: (tx) => engine.checkTx({ tx, type: "new" }),
          count: () => application.pool.size,
          sizeBytes: () => 0,
          flush: () => {},
          list: () => [],
        },
        network: {
          nodeInfo: () => TEST_NODE_INFO,
          isListening: () => false,
          listeners: () => [],
          peers: () => [],
          banned: () => [],
          dialSeeds: () => {},
          dialPeers: () => {},
          peerState: () => undefined,
        },
        consensus: createRpcConsensus(engine, { fallbackKey: key.publicKey, timeoutCommitMs: 0 }),
        evidence: engine,
        genesis: { json: genesisToJson(GENESIS) },
      },
    );
    const { host, port } = await server.start();
    url = `http://${host}:${port}`;
  });
  afterEach(async () => {
    client.disconnect();
    await server.stop();
    await node.close();
    await indexer.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function get(path: string): Promise<unknown> {
    return (await fetch(url + path)).json();
  }

  it("behavior: answers before the first block, follows the chain, takes transactions", async () => {
    expect(await get("/status")).toMatchObject({
      result: { sync_info: { latest_block_height: "0", catching_up: true } },
    });
    expect(await get("/consensus_state")).toMatchObject({
      error: { data: "consensus has not started yet" },
    });
    await node.engine.start();
    await untilHeight(node.engine, 3);
    client = await Comet38Client.connect(url);
    const status = await client.status();
    expect(status.syncInfo.catchingUp).toBe(false);
    expect(status.validatorInfo.votingPower).toBe(10n);

    const tx = utf8ToBytes("name=weft");
    const { height, txResult } = await client.broadcastTxCommit({ tx });
    expect([txResult?.code, height > 3]).toEqual([0, true]);
    await indexer.caughtUp(Height(height));
    expect(await client.tx({ hash: txHash(tx), prove: true })).toMatchObject({ height });
    const { block } = await client.block(height);
    expect(block.txs.map(toHex)).toContain(toHex(tx));

    const commit = await client.commit(height);
    expect(commit.commit.signatures).toHaveLength(1);
    expect(toHex(commit.commit.blockId.hash)).toBe(
      toHex((await client.block(height)).blockId.hash),
    );
    expect((await client.validatorsAll()).validators).toHaveLength(1);
    expect(await get("/consensus_state")).toMatchObject({
      result: { round_state: { "height/round/step": expect.stringMatching(/^\d+\/0\/\d$/) } },
    });
    expect(await get("/dump_consensus_state")).toMatchObject({
      result: { round_state: { locked_round: expect.any(Number) } },
    });
    expect(await get("/consensus_params")).toMatchObject({
      result: { consensus_params: { block: { max_gas: "-1" } } },
    });
  });

  it("behavior: subscribers see every block in order, and the round's events", async () => {
    client = await Comet38Client.connect(url.replace("http", "ws"));
    const heights: number[] = [];
    const seen = new Promise<void>((resolve, reject) => {
      const listener = {
        next: ({ header }: { readonly header: { readonly height: number } }) => {
          heights.push(header.height);
          if (heights.length === 5) resolve();
        },
        error: reject,
        complete: () => {},
      };
      client.subscribeNewBlock().subscribe(listener);
    });
    await client.health();
    await node.engine.start();
    await seen;
    expect(heights).toEqual([1, 2, 3, 4, 5]);
  });
});
