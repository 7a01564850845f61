/** What a rollup gets from the sequencer: every height once, provable, and nothing that was altered. */
import { readFileSync, writeFileSync } from "node:fs";
import { Client, credentials, status } from "@grpc/grpc-js";
import { createPublicClient, http } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { ProposedRollupBlock } from "../../proto/grpc/mev-service.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import { createGrpcMevClient } from "../../rollup-adapter/client/grpc-mev-client.ts";
import { decodeRollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { configuredTrust, loadRollupConfig } from "../../rollup-adapter/node/rollup-config.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  absentAt,
  copyOfFirst,
  flipped,
  lastSignature,
  morePower,
  otherHeader,
  renamedHeader,
  resignedHeader,
  strangers,
  withPresence,
} from "../support/altered-blocks.ts";
import {
  createTestNetwork,
  height,
  mapSome,
  metric,
  range,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { type Alter, startStreamProxy, type StreamProxy } from "../support/stream-proxy.ts";
import { startTraffic, type Traffic } from "../support/traffic.ts";

const ALPHA = rollupIdOfName("alpha");
const BETA = rollupIdOfName("beta");
const NOBODY = rollupIdOfName("nobody");

let network: TestNetwork;
let node: TestValidator;
let honest: TestRollup;
/** The rollup node that is lied to. */
let victim: TestRollup;
let proxy: StreamProxy;
let client: Client;
let traffic: Traffic;

beforeAll(async () => {
  // Three validators of equal power: two of them are exactly 2/3, which is not enough.
  network = await createTestNetwork({
    validators: 3,
    rollups: ["alpha", "beta"],
    followers: ["alpha"],
  });
  const [first] = network.validators;
  const [alpha] = network.rollups;
  const [follower] = network.followers;
  if (first === undefined || alpha === undefined || follower === undefined) {
    throw new Error("the network is not there");
  }
  node = first;
  honest = alpha;
  victim = follower;
  proxy = await startStreamProxy(node.grpc);
  const { configFile } = rollupHomeAt(victim.home);
  const config = JSON.parse(readFileSync(configFile, "utf8")) as { sequencer: { nodes: string[] } };
  config.sequencer.nodes = [proxy.address];
  writeFileSync(configFile, JSON.stringify(config));
  await network.startAll();
  client = new Client(node.grpc, credentials.createInsecure());
  // Some heights with several items for alpha, some for beta, some for nobody.
  traffic = startTraffic({
    clients: network.validators.map((place) => place.client),
    key: network.owner,
    senders: 3,
    action: (sender) =>
      rollupData(sender === 0 ? BETA : ALPHA, [new TextEncoder().encode(`junk ${sender}`)]),
  });
});
afterAll(async () => {
  await traffic.stop();
  client.close();
  await proxy.stop();
  await network.close();
});

interface StreamEnd {
  readonly blocks: readonly RollupBlock[];
  readonly status: status;
  readonly details: string;
}

/** Reads `count` blocks of a stream, then cancels; fewer when the node ends it. */
async function read(
  rollupId: Uint8Array,
  fromHeight: number,
  count: number,
  level: Level = Level.COMMITTED,
): Promise<StreamEnd> {
  const { path, requestSerialize, responseDeserialize } = ROLLUP_SERVICE.streamBlocks;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
    rollupId,
    fromHeight: Height(fromHeight),
    level,
  });
  const blocks: RollupBlock[] = [];
  return await new Promise((resolve) => {
    stream.on("data", (block: RollupBlock) => {
      blocks.push(block);
      if (blocks.length === count) stream.cancel();
    });
    stream.on("error", (error: { code: status; details: string }) =>
      resolve({ blocks, status: error.code, details: error.details }),
    );
    stream.on("end", () => {
      if (blocks.length < count) resolve({ blocks, status: status.OK, details: "" });
    });
  });
}

/** The status that a request for one block is answered with. */
async function getBlock(rollupId: Uint8Array, at: number): Promise<RollupBlock> {
  const { path, requestSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
  return await new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { rollupId, height: Height(at), level: Level.COMMITTED },
      (error, block) => {
        if (error !== null) reject(error);
        else if (block !== undefined) resolve(block);
      },
    );
  });
}

/** Payloads of a stream that begins at height 1, verified from the genesis trust on. */
async function verified(rollupId: Uint8Array, blocks: readonly RollupBlock[]): Promise<number[]> {
  const trust = configuredTrust(loadRollupConfig(rollupHomeAt(honest.home).configFile));
  const verifier = createBlockVerifier(RollupId(toHex(rollupId)), trust, createEd25519Verifier());
  const counts: number[] = [];
  for (const block of blocks) {
    counts.push((await verifier.verifyFilled(decodeRollupBlock(block))).payloads.length);
  }
  return counts;
}

describe("StreamBlocks of a running network", () => {
  it("gives every height once, from any height on, with proofs of presence and of absence", async () => {
    // As many heights as it takes for one to hold something: the first twenty may be empty where much is going on.
    let last = 0;
    const all = await until("a block holds something for alpha", async () => {
      last += 20;
      await untilHeight([node], last);
      const end = await read(ALPHA, 1, last);
      const counts = await verified(ALPHA, end.blocks);
      return counts.some((count) => count > 0) && end;
    });
    expect(all.blocks.map((block) => block.height)).toEqual(range(1, last));
    for (const from of [2, 7, last - 1, last]) {
      const { blocks } = await read(ALPHA, from, last + 1 - from);
      expect(blocks[0]?.validatorSet.length, "the first message names the set").toBeGreaterThan(0);
      // The commit that a node saw last may have become a canonical one meanwhile.
      const core = ({ height: at, manifest, slice }: RollupBlock) => ({ at, manifest, slice });
      expect(blocks.map(core), `from ${from}`).toEqual(all.blocks.slice(from - 1).map(core));
    }
    const absent = await read(NOBODY, 1, last);
    expect(await verified(NOBODY, absent.blocks)).toEqual(range(1, last).map(() => 0));
    expect(new Set(absent.blocks.map(({ slice }) => slice.kind))).toEqual(new Set(["absence"]));
    const filled = await read(ALPHA, 5, 2, Level.FILLED);
    expect(filled.blocks.map((block) => block.height)).toEqual([5, 6]);
  });

  it("waits for heights that are not there yet, and begins with the next one at 0", async () => {
    const at = await height(node);
    const future = await read(ALPHA, at + 4, 2);
    expect(future.blocks.map((block) => block.height)).toEqual([at + 4, at + 5]);
    const next = await read(ALPHA, 0, 1);
    expect(next.blocks[0]?.height).toBeGreaterThan(at + 5);
    await expect(getBlock(ALPHA, at + 100_000)).rejects.toMatchObject({
      code: status.OUT_OF_RANGE,
      details: expect.stringContaining("expected a height from 1 to"),
    });
  });

  it("refuses levels that it does not serve and ids that are none", async () => {
    const cases = [
      [ALPHA, Level.UNSPECIFIED, status.INVALID_ARGUMENT, /name a level/],
      [ALPHA, Level.PROPOSED, status.UNIMPLEMENTED, /StreamProposedBlocks/],
      [ALPHA, Level.ANCHORED, status.UNIMPLEMENTED, /LEVEL_COMMITTED/],
      [ALPHA.subarray(1), Level.COMMITTED, status.INVALID_ARGUMENT, /32 bytes/],
    ] as const;
    for (const [id, level, code, words] of cases) {
      const end = await read(id, 1, 1, level);
      expect([end.blocks.length, end.status]).toEqual([0, code]);
      expect(end.details).toMatch(words);
    }
  });
});

describe("proposed blocks", () => {
  it("come before they are decided, marked unsafe, and say what the decided block holds", async () => {
    const proposals = createGrpcMevClient(node.grpc);
    const abort = new AbortController();
    const seen: ProposedRollupBlock[] = [];
    for await (const proposed of proposals.proposedBlocks(ALPHA, abort.signal)) {
      seen.push(proposed);
      if (seen.length === 5) abort.abort();
    }
    proposals.close();
    expect(seen.every(({ unsafe }) => unsafe)).toBe(true);
    expect(seen.some(({ entries }) => entries.length > 0)).toBe(true);
    await untilHeight([node], Math.max(...seen.map((proposed) => proposed.height)));
    let compared = 0;
    for (const proposed of seen) {
      const block = await getBlock(ALPHA, proposed.height);
      const { commit } = decodeRollupBlock(block).signedHeader;
      // Another proposal of the height may have been decided.
      if (toHex(commit.blockId.hash) !== toHex(proposed.blockHash)) continue;
      compared += 1;
      const entries = block.slice.kind === "presence" ? block.slice.entries : [];
      expect(
        proposed.entries.map(({ itemId, payload }) => [toHex(itemId), toHex(payload)]),
      ).toEqual(entries.map(({ itemId, payload }) => [toHex(itemId), toHex(payload)]));
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe("finality labels and metrics", () => {
  it("move with the block that was executed, and never beyond it", async () => {
    const reader = createPublicClient({ transport: http(honest.rpc), cacheTime: 0 });
    const seen: bigint[] = [];
    await until("finality moves over ten blocks", async () => {
      // Asked in this order, each may only be as new as the one asked after it.
      const finalized = await reader.getBlock({ blockTag: "finalized" });
      const safe = await reader.getBlock({ blockTag: "safe" });
      const latest = await reader.getBlock({ blockTag: "latest" });
      expect(finalized.number <= safe.number && safe.number <= latest.number).toBe(true);
      expect(finalized.number).toBeGreaterThanOrEqual(seen.at(-1) ?? 0n);
      const same = await reader.getBlock({ blockNumber: finalized.number });
      expect(same.hash).toBe(finalized.hash);
      if (finalized.number !== seen.at(-1)) seen.push(finalized.number);
      return seen.length > 10;
    });
    await until("labels and metrics name the head", async () => {
      const names = ["head_number", "safe_number", "finalized_number"];
      const before = await reader.getBlockNumber();
      const values = await mapSome(names, (name) => metric(honest.metrics, `weft_evm_${name}`));
      const after = await reader.getBlockNumber();
      return before === after && values.every((value) => value === Number(after));
    });
    const executed = await metric(honest.metrics, "weft_rollup_sequencer_height");
    const head = await height(node);
    expect(executed).toBeLessThanOrEqual(head);
    await until("the metric passes that height", async () => {
      return (await metric(honest.metrics, "weft_rollup_sequencer_height")) >= head;
    });
  });
});

/** What the victim has executed. */
async function executedHeight(): Promise<number> {
  return await metric(victim.metrics, "weft_rollup_sequencer_height");
}

const time = (nanos: number) => nanos % 1_000_000_000;

describe("a rollup whose only node lies", () => {
  afterEach(() => proxy.setAlter(undefined));

  it.each<[string, string, Alter]>([
    ["exactly 2/3 of the power signed", "VERIFY_COMMIT", absentAt(2)],
    ["a signer stands twice", "VERIFY_COMMIT", copyOfFirst(2)],
    [
      "a signature is noise",
      "VERIFY_COMMIT",
      lastSignature((sig) => ({ ...sig, signature: flipped(sig.signature, 40) })),
    ],
    [
      "a signature of another time",
      "VERIFY_COMMIT",
      lastSignature((sig) => ({
        ...sig,
        timestamp: { ...sig.timestamp, nanos: time(sig.timestamp.nanos + 1) },
      })),
    ],
    [
      "a nil vote is counted",
      "VERIFY_COMMIT",
      lastSignature((sig) => ({ ...sig, blockIdFlag: BlockIdFlag.NIL })),
    ],
    [
      "another chain",
      "VERIFY_CHAIN_ID",
      otherHeader((header) => ({ ...header, chainId: "weft-e2f" })),
    ],
    [
      "another time",
      "VERIFY_HEADER_HASH",
      otherHeader((header) => ({
        ...header,
        time: { ...header.time, nanos: time(header.time.nanos + 1) },
      })),
    ],
    [
      "another state, the commit renamed",
      "VERIFY_COMMIT",
      renamedHeader((header) => ({ ...header, appHash: flipped(header.appHash, 0) })),
    ],
    [
      "other data, the commit renamed",
      "VERIFY_COMMIT",
      renamedHeader((header) => ({ ...header, dataHash: flipped(header.dataHash, 0) })),
    ],
    ["strangers sign it", "VERIFY_VALIDATORS", strangers(3)],
    [
      "the set has another power",
      "VERIFY_VALIDATORS",
      // The answer for one block always carries the set.
      async (block) => {
        const { validatorSet } = await getBlock(ALPHA, block.height);
        return morePower({ ...block, validatorSet });
      },
    ],
    [
      "a height is left out",
      "VERIFY_HEIGHT",
      (block) => [{ ...block, height: Height(block.height + 1) }],
    ],
    [
      "an entry is left out",
      "VERIFY_SLICE",
      withPresence((slice) => ({ ...slice, entries: slice.entries.slice(1) })),
    ],
    [
      "an entry stands twice",
      "VERIFY_SLICE",
      withPresence((slice) => ({
        ...slice,
        entries: [...slice.entries, ...slice.entries.slice(-1)],
      })),
    ],
    [
      "entries in another order",
      "VERIFY_SLICE",
      withPresence((slice) =>
        slice.entries.length < 2 ? undefined : { ...slice, entries: slice.entries.toReversed() },
      ),
    ],
    [
      "another payload",
      "VERIFY_SLICE",
      withPresence((slice) => ({
        ...slice,
        entries: slice.entries.map((entry) => ({ ...entry, payload: flipped(entry.payload, 3) })),
      })),
    ],
    [
      "another count",
      "VERIFY_SLICE",
      withPresence((slice) => ({ ...slice, leaf: flipped(slice.leaf, 71) })),
    ],
    [
      "nothing where there is something",
      "VERIFY_SLICE",
      withPresence(() => ({ kind: "absence", neighbours: [] })),
    ],
    [
      "the slice of another rollup",
      "VERIFY_SLICE",
      async (block) => {
        const other = await getBlock(BETA, block.height);
        return other.slice.kind === "presence" ? [{ ...block, slice: other.slice }] : undefined;
      },
    ],
    [
      "another manifest",
      "VERIFY_SLICE",
      (block) => [{ ...block, manifest: flipped(block.manifest, block.manifest.length - 1) }],
    ],
    [
      "another place of the manifest",
      "VERIFY_SLICE",
      (block) => [{ ...block, manifestProof: { ...block.manifestProof, index: 1 } }],
    ],
  ])("does not execute a block when %s", async (_name, code, alter) => {
    const refused = () => metric(victim.metrics, "weft_rollup_refused_total", `code="${code}"`);
    const before = await refused();
    const floor = await executedHeight();
    let lie: number | undefined;
    proxy.setAlter(async (block) => {
      if (block.height <= floor || (lie !== undefined && block.height !== lie)) return undefined;
      const altered = await alter(block);
      if (altered !== undefined) lie = block.height;
      return altered;
    });
    await until(`${code} is counted`, async () => (await refused()) > before);
    expect(await executedHeight()).toBe((lie ?? 0) - 1);
    proxy.setAlter(undefined);
    await until("the truth is executed", async () => (await executedHeight()) >= (lie ?? 0));
  });

  it("says what is wrong when it gets something that is no block", async () => {
    const floor = await executedHeight();
    let lie: number | undefined;
    proxy.setAlter((block) => {
      if (block.height <= floor) return undefined;
      lie ??= block.height;
      return [{ ...block, signedHeader: Uint8Array.of(1, 2, 3) }];
    });
    // To its operator: at the port of its RPC it does not say what failed.
    const ready = victim.metrics.replace("/metrics", "/readyz");
    await until("it says so", async () => {
      const response = await fetch(ready);
      return response.status === 503 && (await response.text()).includes("not a block");
    });
    expect(await executedHeight()).toBe((lie ?? 0) - 1);
    proxy.setAlter(undefined);
    await until("the truth is executed", async () => (await executedHeight()) >= (lie ?? 0));
  });

  it("has the blocks of a node that was never lied to", async () => {
    const readers = [honest, victim].map((place) =>
      createPublicClient({ transport: http(place.rpc), cacheTime: 0 }),
    );
    const head = await until("both have the honest head", async () => {
      const [one = 0n, other = -1n] = await Promise.all(readers.map((r) => r.getBlockNumber()));
      return other >= one && Number(one);
    });
    const [one, other] = await mapSome(readers, (reader) =>
      mapSome(range(0, head), async (number) => {
        const { hash } = await reader.getBlock({ blockNumber: BigInt(number) });
        return hash;
      }),
    );
    expect(other).toEqual(one);
  });

  it("halts before a fork that enough keys signed at a height that it has executed", async () => {
    const keys = network.validators.map(({ home }) => readKeyFile(homeAt(home).validatorKeyFile));
    // The next one to pass is the last: however many came while one asked what was executed.
    let end: number | undefined;
    proxy.setAlter((block) => {
      end ??= block.height;
      return block.height > end ? [] : undefined;
    });
    const last = await until("the last height", async () => {
      const executed = await executedHeight();
      return executed === end && executed;
    });
    await network.end(victim.process, "SIGKILL");
    const fork = resignedHeader(
      (header) => ({ ...header, appHash: flipped(header.appHash, 5) }),
      keys,
    );
    proxy.setAlter((block) => (block.height === last ? fork(block) : undefined));
    const ended = network.untilEnded(victim.process);
    network.start(victim.process);
    expect(await ended).toBe("ended with exit code 11");
    await until("its log says why", async () =>
      readFileSync(`${victim.home}/rollup.log`, "utf8").includes(
        `sequencer block ${last} was executed as`,
      ),
    );
    // The truth lets it go on.
    proxy.setAlter(undefined);
    network.start(victim.process);
    await until("it goes on", async () => (await executedHeight()) > last);
  });
});
