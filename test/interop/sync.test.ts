/**
 * Nodes of either kind catch up from nodes of the other alone: by blocks and by a snapshot of the
 * application, with vote extensions on, so that extended commits travel too.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { isCometBftAway } from "../support/cometbft.ts";
import { rpc, until } from "../support/local-network.ts";
import {
  createMixedNetwork,
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../support/mixed-network.ts";
import { sendOne } from "../support/traffic.ts";

const SNAPSHOT_INTERVAL = 15;
const SNAPSHOTS_KEPT = 8;
/** What a node that joins finds: a chain with a snapshot behind it. */
const HEIGHT = 35;
const TRUSTED = 3;
/** A state whose snapshots have several chunks. */
const ACCOUNTS = 20_000;
/** How many heights a Go node that slept has to catch up by the gossip of consensus. */
const MISSED = 25;
/** More than one part. */
const LARGE_BYTES = 150_000;
const PATIENCE_MS = 120_000;

interface Status {
  readonly sync_info: {
    readonly catching_up: boolean;
    readonly latest_block_height: string;
    readonly earliest_block_height: string;
  };
}

let network: MixedNetwork;
let large = 0;

function nodeOf(name: string): MixedNode {
  const found = network.nodes.find((node) => node.name === name);
  if (found === undefined) throw new Error(`there is no node ${name}`);
  return found;
}

const status = async (node: MixedNode) => (await rpc<Status>(node, "status")).sync_info;

/** Starts the node with `sources` as its only peers. */
async function join(
  name: string,
  sources: readonly MixedNode[],
  changes: Readonly<Record<string, unknown>> = {},
): Promise<MixedNode> {
  const node = nodeOf(name);
  await node.configure({
    "p2p.persistent_peers": sources.map(({ peerAddress }) => peerAddress).join(","),
    ...changes,
  });
  await node.start();
  return node;
}

/** What tells a node to restore a snapshot and whom to ask for headers. */
async function stateSync(source: MixedNode): Promise<Readonly<Record<string, unknown>>> {
  const { block_id: id } = await rpc<{ block_id: { hash: string } }>(source, "block", {
    height: String(TRUSTED),
  });
  return {
    "statesync.enable": true,
    "statesync.rpc_servers": `${source.rpc},${source.rpc}`,
    "statesync.trust_height": TRUSTED,
    "statesync.trust_hash": id.hash,
    "statesync.discovery_time": "5s",
  };
}

/** Resolves with the first height that the node has once it is level with its source. */
async function untilLevel(node: MixedNode, source: MixedNode): Promise<number> {
  const goal = await heightOf(source);
  const synced = await until(
    `${node.name} catches up with ${source.name}`,
    async () => {
      if (!node.isRunning()) throw new Error(node.tail());
      const info = await status(node);
      return !info.catching_up && Number(info.latest_block_height) >= goal && info;
    },
    PATIENCE_MS,
  ).catch((cause: unknown) => {
    throw new Error(node.tail(), { cause });
  });
  // And goes on: what comes next is gossip of consensus, not blocks of a store.
  await untilHeights([node], goal + 10, PATIENCE_MS);
  return Number(synced.earliest_block_height);
}

/** How many chunks each snapshot of the node has. */
async function snapshotChunks(node: MixedNode): Promise<readonly number[]> {
  const { response } = await rpc<{ response: { info: string } }>(node, "abci_query", {
    path: "/snapshots",
  });
  return (JSON.parse(response.info) as { chunks: number }[]).map(({ chunks }) => chunks);
}

async function expectSame(node: MixedNode, heights: readonly number[]): Promise<void> {
  for (const height of heights) {
    const at = { height: String(height) };
    for (const method of ["block", "commit", "block_results", "validators", "consensus_params"]) {
      const [ours, theirs] = await Promise.all(
        [node, ...network.validators].map((one) => rpc<unknown>(one, method, at)),
      );
      expect(ours, `${method} of ${height} from ${node.name}`).toEqual(theirs);
    }
  }
}

describe.skipIf(isCometBftAway)("a node that joins", () => {
  let weft: MixedNode;
  let go: MixedNode;

  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "cometbft"],
      followers: [
        { name: "go-by-blocks", kind: "cometbft" },
        { name: "weft-by-blocks", kind: "weft" },
        { name: "go-by-snapshot", kind: "cometbft" },
        { name: "weft-by-snapshot", kind: "weft" },
      ],
      rollups: ["alpha"],
      accounts: ACCOUNTS,
      // Blocks come fast: of two snapshots the one that a peer chose would be gone before it has all of it,
      // and CometBFT waits two minutes for a chunk that nobody has.
      config: {
        "storage.snapshot_interval": SNAPSHOT_INTERVAL,
        "storage.snapshot_keep_recent": SNAPSHOTS_KEPT,
      },
    });
    const [first, second] = network.validators;
    if (first === undefined || second === undefined) throw new Error("there are two validators");
    [weft, go] = [first, second];
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, TRUSTED);
    const client = createGrpcSequencerClient(weft.grpc ?? "");
    const data = new Uint8Array(LARGE_BYTES).fill(0x77);
    const action = rollupData(rollupIdOfName("alpha"), [data]);
    large = (await sendOne({ clients: [client], key: network.owner }, 0, action)).height;
    client.close();
    await untilHeights(network.validators, HEIGHT);
  });
  afterAll(() => network.close());

  it("of our kind fetches the blocks of a Go node", async () => {
    const node = await join("weft-by-blocks", [go]);
    expect(await untilLevel(node, go)).toBe(1);
    await expectSame(node, [1, 2, large, SNAPSHOT_INTERVAL, HEIGHT]);
  });

  it("of Go's kind fetches the blocks of nodes of ours, one of which has them from a Go node", async () => {
    const node = await join("go-by-blocks", [weft, nodeOf("weft-by-blocks")]);
    expect(await untilLevel(node, weft)).toBe(1);
    await expectSame(node, [1, 2, large, SNAPSHOT_INTERVAL, HEIGHT]);
  });

  it("of Go's kind catches up by the gossip of nodes of ours after it slept", async () => {
    const node = nodeOf("go-by-blocks");
    const before = await heightOf(node);
    node.pause();
    await untilHeights([weft], before + MISSED);
    node.resume();
    await untilHeights([node], before + MISSED, PATIENCE_MS);
    expect(await heightOf(node)).toBeGreaterThanOrEqual(before + MISSED);
    await expectSame(node, [before + 1, before + MISSED - 1]);
    await node.end("SIGTERM");
    await nodeOf("weft-by-blocks").end("SIGTERM");
  });

  it("of Go's kind restores a snapshot of a node of ours", async () => {
    const node = await join("go-by-snapshot", [weft], await stateSync(weft));
    const base = await untilLevel(node, weft);
    expect(base).toBeGreaterThan(SNAPSHOT_INTERVAL);
    expect((base - 1) % SNAPSHOT_INTERVAL).toBe(0);
    await expectSame(node, [base, (await heightOf(node)) - 1]);
    await node.end("SIGTERM");
  });

  it("of our kind restores a snapshot of a Go node", async () => {
    const chunks = await snapshotChunks(go);
    expect(Math.min(...chunks)).toBeGreaterThan(1);
    const node = await join("weft-by-snapshot", [go], await stateSync(go));
    const base = await untilLevel(node, go);
    expect(base).toBeGreaterThan(SNAPSHOT_INTERVAL);
    expect((base - 1) % SNAPSHOT_INTERVAL).toBe(0);
    await expectSame(node, [base, (await heightOf(node)) - 1]);
    await node.end("SIGTERM");
  });
});
