import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert as assertProperty, asyncProperty, constantFrom, nat } from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { txHash } from "../../proto/hashes.ts";
import type { Json } from "../../proto/json.ts";
import { addMs } from "../../proto/time.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createLightClient, type LightClient } from "../../proto/verify/light/client.ts";
import {
  type CometRpcClient,
  createCometRpcClient,
} from "../../sequencer/ports/comet-rpc/client.ts";
import { createRpcLightProvider } from "../../sequencer/ports/comet-rpc/light-provider.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import {
  leavesOf,
  type RpcProxy,
  startRpcProxy,
  withLeafChanged,
} from "../../test/support/rpc-proxy.ts";
import { startTestNode, type TestNode } from "../../test/support/rpc-node.ts";
import { type LevelTrustedStore, openLevelTrustedStore } from "./level-trusted-store.ts";
import { openLightClient } from "./open-light-client.ts";
import { createVerifiedRpc, type VerifiedRpc } from "./verified-rpc.ts";

const HOUR_NANOS = 3_600_000_000_000n;
const TX = utf8ToBytes("name=value");

let node: TestNode;
let proxy: RpcProxy;
let client: CometRpcClient;
let folder: string;
let store: LevelTrustedStore;
let light: LightClient;
let rpc: VerifiedRpc;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-light-"));
  node = await startTestNode();
  for (let i = 0; i < 3; i++) {
    await node.chain.commitBlock([TX, utf8ToBytes(`other=${i}`)].slice(i === 1 ? 0 : 1));
  }
  await node.chain.commitBlock([]);
  proxy = await startRpcProxy(node.url);
  client = createCometRpcClient(proxy.url);
  const system = createSystemClock();
  const last = await node.chain.blocks.meta(node.chain.blocks.height());
  if (last === undefined) throw new Error("there are blocks");
  const clock = { ...system, now: () => addMs(last.header.time, 1_000) };
  const trusted = await node.chain.blocks.meta(Height(1));
  if (trusted === undefined) throw new Error("there is a first block");
  store = await openLevelTrustedStore(join(folder, "light"), node.chain.state.chainId);
  light = await createLightClient(
    {
      chainId: node.chain.state.chainId,
      trust: { height: Height(1), hash: trusted.blockId.hash },
      trustingPeriodNanos: HOUR_NANOS,
    },
    {
      primary: createRpcLightProvider(client, clock),
      witnesses: [createRpcLightProvider(createCometRpcClient(node.url), clock)],
      store,
      verifier: createEd25519Verifier(),
      clock,
    },
  );
  rpc = createVerifiedRpc({ light, primary: () => client, stateKey: () => undefined, clock });
  // All that is verified below comes from the store, so that alterations meet the answers alone.
  for (let h = 1; h <= node.chain.blocks.height(); h++) await light.verifyAt(Height(h));
});
afterAll(async () => {
  light.close();
  client.close();
  proxy.stop();
  await store.close();
  await node.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => proxy.setAlter(undefined));

/** Answers of one node, by the method that gives them. */
const CALLS: readonly (readonly [string, () => Promise<Json>])[] = [
  ["block", () => rpc.block(Height(2))],
  ["block", () => rpc.block(Height(3))],
  ["block_by_hash", () => rpc.blockByHash(hashOf(2))],
  ["header_by_hash", () => rpc.headerByHash(hashOf(3))],
  ["blockchain", () => rpc.blockchain(1, 4)],
  ["block_results", () => rpc.blockResults(Height(2))],
  ["consensus_params", () => rpc.consensusParams(Height(2))],
  ["tx", () => rpc.tx(txHash(TX), true)],
];

const hashes = new Map<number, Uint8Array>();
function hashOf(height: number): Uint8Array {
  return hashes.get(height) ?? new Uint8Array(32);
}
beforeAll(async () => {
  for (const height of [2, 3]) {
    const meta = await node.chain.blocks.meta(Height(height));
    if (meta !== undefined) hashes.set(height, meta.blockId.hash);
  }
});

/** An answer without what it says is not verified. */
function vouchedFor(answer: Json): unknown {
  const { unverified = [], ...rest } = structuredClone(answer) as Record<string, unknown>;
  for (const path of unverified as readonly string[]) drop(rest, path.split("."));
  return rest;
}

function drop(value: unknown, [name, ...rest]: readonly string[]): void {
  if (Array.isArray(value)) {
    for (const item of value) drop(item, name === undefined ? [] : [name, ...rest]);
  } else if (typeof value === "object" && value !== null && name !== undefined) {
    const object = value as Record<string, unknown>;
    if (rest.length === 0) delete object[name];
    else drop(object[name], rest);
  }
}

describe("answers of an honest node", () => {
  test.each(CALLS)("%s has what the node gave", async (method, call) => {
    let given: unknown;
    proxy.setAlter((name, result) => {
      if (name === method) given ??= result;
      return result;
    });
    const answer = await call();
    expect(vouchedFor({ ...(given as object), ...unverifiedOf(answer) })).toEqual(
      vouchedFor(answer),
    );
  });

  test("the latest block, its results and the status", async () => {
    const last = node.chain.blocks.height();
    expect(await rpc.block()).toMatchObject({ block: { header: { height: String(last) } } });
    expect(await rpc.blockResults()).toMatchObject({ height: String(last - 1) });
    const status = await rpc.status();
    expect(status).toMatchObject({ sync_info: { latest_block_height: String(last) } });
  });

  test("what no header commits to is marked or refused", async () => {
    expect(await rpc.passOn("net_info", {})).toMatchObject({ unverified: ["*"] });
    await expect(rpc.abciQuery("/words", new Uint8Array(), 0)).rejects.toThrow(/proves nothing/);
    await expect(rpc.tx(new Uint8Array(32), false)).rejects.toThrow(/not found/);
    await expect(rpc.blockByHash(new Uint8Array(32))).rejects.toThrow(/cannot be verified/);
  });
});

test("whatever one leaf of an answer is changed to, it is refused or makes no difference", async () => {
  const honest = new Map<unknown, { readonly raw: unknown; readonly answer: unknown }>();
  for (const [method, call] of CALLS) {
    let raw: unknown;
    proxy.setAlter((name, result) => {
      if (name === method) raw ??= result;
      return result;
    });
    honest.set(call, { answer: vouchedFor(await call()), raw });
  }
  let refusals = 0;
  await assertProperty(
    asyncProperty(
      constantFrom(...CALLS),
      nat({ max: 1 << 20 }),
      nat({ max: 200 }),
      async ([method, call], leaf, at) => {
        const known = honest.get(call);
        const paths = leavesOf(known?.raw);
        const path = paths[leaf % paths.length] ?? [];
        proxy.setAlter((name, result) =>
          name === method ? withLeafChanged(result, path, at) : result,
        );
        // What is given stays what it was; what is refused says so.
        const outcome = await call().then(vouchedFor, String);
        const isRefused = typeof outcome === "string" && outcome.includes("does not verify");
        if (isRefused) refusals++;
        expect(isRefused ? known?.answer : outcome, `${method} ${path.join(".")}`).toEqual(
          known?.answer,
        );
      },
    ),
    { numRuns: 250 },
  );
  expect(refusals).toBeGreaterThan(90);
});

test("a transaction that is another one, and a block of another height, are refused by name", async () => {
  const other = await rpc.tx(txHash(utf8ToBytes("other=1")), true);
  proxy.setAlter((method, result) => (method === "tx" ? other : result));
  await expect(rpc.tx(txHash(TX), false)).rejects.toThrow(/the hash of the transaction is/);
  const third = await rpc.block(Height(3));
  proxy.setAlter((method, result) => (method === "block" ? third : result));
  await expect(rpc.block(Height(2))).rejects.toThrow(/the hash of its header is/);
});

describe("the store on disk", () => {
  test("keeps what was verified, by height", async () => {
    const [first, last] = await Promise.all([store.first(), store.last()]);
    expect(first?.signedHeader.header.height).toBe(1);
    expect(last?.signedHeader.header.height).toBe(node.chain.blocks.height());
    expect((await store.before(Height(3)))?.signedHeader.header.height).toBe(2);
    expect((await store.after(Height(3)))?.signedHeader.header.height).toBe(4);
    expect(await store.get(Height(99))).toBeUndefined();
    const block = await store.get(Height(2));
    expect(block).toEqual(await light.verifyAt(Height(2)));
  });

  test("goes on after a restart, prunes what lies between, and is of one chain only", async () => {
    const path = join(folder, "other");
    const options = {
      chainId: node.chain.state.chainId,
      trustingPeriodNanos: 100n * 365n * 24n * HOUR_NANOS,
      primary: node.url,
      witnesses: [proxy.url],
      folder: path,
      keptBlocks: 2,
    };
    const deps = { clock: createSystemClock(), logger: NULL_LOGGER };
    const trust = {
      height: Height(1),
      hash: (await node.chain.blocks.meta(Height(1)))?.blockId.hash ?? TX,
    };
    const opened = await openLightClient({ ...options, trust }, deps);
    for (const height of [2, 3, 4]) await opened.light.verifyAt(Height(height));
    await opened.close();
    const again = await openLightClient(options, deps);
    expect((await again.light.latestTrusted()).signedHeader.header.height).toBe(4);
    expect(await again.light.trusted(Height(1))).toBeDefined();
    expect(await again.light.trusted(Height(3))).toBeUndefined();
    expect(again.primaryRpc().name).toBe(node.url);
    await again.close();
    await expect(openLevelTrustedStore(path, "another")).rejects.toThrow(/holds headers of chain/);
  });
});

function unverifiedOf(answer: Json): { readonly unverified?: readonly string[] } {
  const { unverified } = answer as { readonly unverified?: readonly string[] };
  return unverified === undefined ? {} : { unverified };
}
