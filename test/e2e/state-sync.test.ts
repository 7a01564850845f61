/** A validator whose disk is empty joins by a snapshot, though a peer lies about it, and goes on like the others. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { Snapshot } from "../../sequencer/abci/application.ts";
import { describeSnapshot } from "../../sequencer/app/snapshots/format.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { createNodeKey, loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import { createStateSyncReactor } from "../../sequencer/p2p/statesync/statesync-reactor.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { isEmbedded } from "../support/engine.ts";
import { configureHome, emptyDisk } from "../support/home-changes.ts";
import {
  createTestNetwork,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { createTestNode, type TestNode } from "../support/p2p.ts";

const INTERVAL = 10;

interface Status {
  readonly validator_info: { readonly address: string };
  readonly sync_info: {
    readonly catching_up: boolean;
    readonly latest_block_height: string;
    readonly earliest_block_height: string;
  };
}
interface Commit {
  readonly signed_header: {
    readonly header: { readonly app_hash: string };
    readonly commit: {
      readonly block_id: { readonly hash: string };
      readonly signatures: readonly { readonly validator_address: string }[];
    };
  };
}

let network: TestNetwork;
let liar: TestNode | undefined;

beforeAll(async () => {
  network = await createTestNetwork();
});
afterAll(async () => {
  await liar?.network.stop();
  await network.close();
});

const validator = (index: number) => validatorAt(network, index);
const others = () => network.validators.slice(0, 3);
/** The only one that takes snapshots. */
const keeper = () => validator(2);
const joiner = () => validator(3);
const status = (place: TestValidator) => rpc<Status>(place, "status");
const commitAt = (place: TestValidator, at: number) =>
  rpc<Commit>(place, "commit", { height: String(at) });

/** The newest snapshot on a node's disk, as it announces it. */
function newestSnapshot({ home }: TestValidator): Snapshot {
  const { snapshotsDir } = homeAt(home);
  const [name] = readdirSync(snapshotsDir)
    .filter((one) => one.endsWith(".meta"))
    .toSorted()
    .toReversed();
  if (name === undefined) throw new Error("there is no snapshot yet");
  const metadata = readFileSync(join(snapshotsDir, name));
  const hashes = Array.from({ length: metadata.length / 32 }, (_, i) =>
    Uint8Array.from(metadata.subarray(i * 32, (i + 1) * 32)),
  );
  return describeSnapshot(Height(Number(name.split("-")[0])), hashes);
}

/** A peer that names a real snapshot and one that is none, and sends bytes of its own for both. */
async function startLiar(real: Snapshot): Promise<TestNode> {
  const bytes = new Uint8Array(1_000).fill(7);
  const invented = describeSnapshot(real.height, [new Uint8Array(32).fill(1)]);
  const reactor = createStateSyncReactor({
    snapshots: {
      listSnapshots: () => Promise.resolve([{ ...invented, format: 9 }, real]),
      loadSnapshotChunk: () => Promise.resolve(bytes),
    },
    clock: createSystemClock(),
    logger: NULL_LOGGER,
    metrics: NULL_P2P_METRICS,
  });
  const { p2pPort, home } = joiner();
  const { id } = loadOrCreateNodeKey(homeAt(home).nodeKeyFile);
  const node = createTestNode(
    { network: "weft-e2e", persistentPeers: [`${id}@127.0.0.1:${p2pPort}`] },
    createNodeKey(),
    [reactor],
  );
  await node.network.start();
  return node;
}

/**
 * The liar's format was refused and the liar banned. CometBFT counts none of that, but says in its log what it makes
 * of the application's answers.
 */
async function isLieFound(): Promise<boolean> {
  const { metrics, home } = joiner();
  if (!isEmbedded) {
    const log = readFileSync(join(home, "node.log"), "utf8");
    // The second: whoever sent what the application refused is asked no more.
    return log.includes("Snapshot format rejected") && log.includes("No valid peers found");
  }
  const refused = (what: string) =>
    metric(metrics, "weft_statesync_rejected_total", `what="${what}"`);
  return (await refused("sender")) === 1 && (await refused("format")) === 1;
}

/** Chunks of the state that stayed: the embedded engine counts them, of CometBFT the application's height tells. */
async function chunksApplied(): Promise<number> {
  if (isEmbedded) return await metric(joiner().metrics, "weft_statesync_chunks_applied_total");
  const { response } = await rpc<{ response: { last_block_height?: string } }>(
    joiner(),
    "abci_info",
  );
  return Number(response.last_block_height ?? 0);
}

/** First heights of a rollup's stream; rejects as the stream does. */
async function stream(place: TestValidator, from: number, count: number): Promise<number[]> {
  const abort = new AbortController();
  const heights: number[] = [];
  const blocks = place.client.blocks({
    rollupId: RollupId(toHex(rollupIdOfName("nobody"))),
    fromHeight: Height(from),
    level: "committed",
    signal: abort.signal,
  });
  for await (const block of blocks) {
    heights.push(block.height);
    if (heights.length === count) abort.abort();
  }
  return heights;
}

describe("a validator with an empty disk", () => {
  it("joins by a snapshot, refuses what a liar sends, and validates", async () => {
    configureHome(keeper(), { "storage.snapshot_interval": INTERVAL });
    network.start();
    await untilHeight(network.validators, 2 * INTERVAL + 5);
    await network.end(joiner().name, "SIGKILL");
    emptyDisk(joiner());
    const snapshot = await until("a snapshot is taken", async () => newestSnapshot(keeper()));
    // The header that says what the snapshot's state must be, and the one after it.
    await untilHeight(others(), snapshot.height + 3);
    const told = await rpc<{ response: { info: string } }>(keeper(), "abci_query", {
      path: "/snapshots",
    });
    const heights = (JSON.parse(told.response.info) as { height: number }[]).map(
      (one) => one.height,
    );
    expect(heights).toContain(snapshot.height);
    configureHome(joiner(), {
      "statesync.enable": true,
      "statesync.rpc_servers": `${validator(0).rpc}, ${validator(1).rpc}`,
      "statesync.trust_height": 5,
      "statesync.trust_hash": (await commitAt(validator(0), 5)).signed_header.commit.block_id.hash,
      "statesync.discovery_time": "3s",
    });

    // While the honest peer is silent, the liar's is the only word.
    process.kill(network.pid(keeper().name), "SIGSTOP");
    network.start(joiner().name);
    liar = await startLiar(snapshot);
    await until("the lie is found out", isLieFound);
    expect(await metric(joiner().metrics, "cometbft_statesync_syncing")).toBe(1);
    const health = await fetch(joiner().metrics.replace("/metrics", "/readyz"));
    expect([health.status, await health.text()]).toEqual([
      503,
      expect.stringContaining("restoring a snapshot"),
    ]);
    expect(await chunksApplied()).toBe(0);
    process.kill(network.pid(keeper().name), "SIGCONT");

    const joined = await until(
      "it has caught up",
      async () => {
        const { sync_info, validator_info } = await status(joiner());
        return !sync_info.catching_up && { ...sync_info, ...validator_info };
      },
      60_000,
    );
    const base = Number(joined.earliest_block_height);
    expect(base).toBeGreaterThan(snapshot.height);
    expect((base - 1) % INTERVAL).toBe(0);
    expect(await metric(joiner().metrics, "cometbft_statesync_syncing")).toBe(0);
    expect(await chunksApplied()).toBeGreaterThan(0);

    const signed = await until("it signs", async () => {
      const at = Number((await status(validator(0))).sync_info.latest_block_height) - 1;
      const { signatures } = (await commitAt(validator(0), at)).signed_header.commit;
      return signatures.some((one) => one.validator_address === joined.address) && at;
    });
    await untilHeight([joiner()], signed);
    for (const at of [base, signed]) {
      const [ours, theirs] = [await commitAt(joiner(), at), await commitAt(validator(0), at)];
      expect(ours.signed_header.header, `block ${at}`).toEqual(theirs.signed_header.header);
    }
  });

  it("serves rollups from where its blocks begin, and says where that is", async () => {
    const base = Number((await status(joiner())).sync_info.earliest_block_height);
    expect(await stream(joiner(), base, 5)).toEqual([0, 1, 2, 3, 4].map((i) => base + i));
    await expect(stream(joiner(), 1, 1)).rejects.toThrow(
      new RegExp(`OUT_OF_RANGE: .*height 1 .*${base}`),
    );
    await expect(rpc(joiner(), "block", { height: "1" })).rejects.toThrow(
      `height 1 is not available, lowest height is ${base}`,
    );
  });

  it("goes on after a restart without another state sync", async () => {
    const { sync_info: before } = await status(joiner());
    await network.end(joiner().name, "SIGKILL");
    network.start(joiner().name);
    await untilHeight([joiner()], Number(before.latest_block_height) + 5);
    const { sync_info: after } = await status(joiner());
    expect(after.earliest_block_height).toBe(before.earliest_block_height);
  });
});
