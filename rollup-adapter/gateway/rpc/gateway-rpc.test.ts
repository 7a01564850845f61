import { once } from "node:events";
import { WebSocket } from "ws";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createPublicClient, createWalletClient, defineChain, http } from "viem";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { RollupId } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { rollupData } from "../../../proto/codec/weft-tx.ts";
import { WeftError } from "../../../proto/errors.ts";
import { EntryKind } from "../../../proto/verify/manifest.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../../sequencer/ports/system-clock.ts";
import {
  ALICE,
  BOB,
  type InstantRollup,
  PAUPER,
  removeDirectory,
  signed,
  startInstantRollup,
  temporaryDirectory,
  TEST_CHAIN_ID,
} from "../../../test/support/evm-rollup.ts";
import { NULL_EVM_METRICS } from "../../evm/metrics.ts";
import type { AccessOptions } from "../../json-rpc/access.ts";
import { sha256 } from "../../../proto/hash.ts";
import { createMemoryJournalStore } from "../journal/journal-store.ts";
import { createJournal } from "../journal/journal.ts";
import { NULL_GATEWAY_METRICS } from "../metrics.ts";
import { createPlacements } from "../status/placements.ts";
import type { PoolQuota } from "../pool/pending-pool.ts";
import { createQuota } from "../quota.ts";
import { type GatewayRpc, startGatewayRpc } from "./gateway-rpc.ts";

const chain = defineChain({
  id: TEST_CHAIN_ID,
  name: "test",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: ["http://127.0.0.1"] } },
});

let directory = "";
let executor: InstantRollup;
const open: GatewayRpc[] = [];
beforeEach(async () => {
  directory = await temporaryDirectory();
  executor = await startInstantRollup(directory);
});
afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close();
  await executor.close();
  await removeDirectory(directory);
});

/** In front of a rollup in another process, to all it knows; orders nothing by itself. */
async function startGateway(
  options: { access?: AccessOptions; quota?: PoolQuota; transactionGasMax?: bigint } = {},
) {
  const submitted: Uint8Array[] = [];
  let height = 1;
  const { url } = executor.rollup.rpc;
  const clock = createSystemClock();
  const rollupId = RollupId("ab".repeat(32));
  const placements = createPlacements(rollupId, {
    client: { ordered: () => Promise.resolve([]) },
    journal: createJournal(createMemoryJournalStore(), NULL_GATEWAY_METRICS),
    logger: NULL_LOGGER,
  });
  const gateway = await startGatewayRpc(
    {
      chainId: BigInt(TEST_CHAIN_ID),
      hardfork: "prague",
      ...(options.transactionGasMax === undefined
        ? {}
        : { transactionGasMax: options.transactionGasMax }),
      rpc: { port: 0, ...(options.access === undefined ? {} : { access: options.access }) },
      executor: { http: url, webSocket: url.replace("http", "ws") },
      clientVersion: "weft/test",
    },
    {
      submit: (raw) => {
        submitted.push(raw);
        return Promise.resolve();
      },
      readiness: () => Promise.resolve({ isReady: true }),
      quota: options.quota,
      status: {
        rollupId,
        placements,
        submitter: { submissionOf: () => ({ id: undefined }) },
        client: {
          entryProof: () =>
            Promise.reject(new WeftError({ code: "SEQUENCER_CALL_FAILED" }, "away")),
          transactionStatus: () => Promise.reject(new Error("not asked for here")),
        },
      },
      clock,
      logger: NULL_LOGGER,
      metrics: NULL_EVM_METRICS,
    },
  );
  open.push(gateway);
  /** What the driver does with a block that holds what was submitted. */
  async function order(payloads = submitted.splice(0)): Promise<void> {
    const answer = await executor.order(payloads);
    gateway.blockExecuted(payloads, answer);
    const { payload } = rollupData(new Uint8Array(32), payloads);
    const itemId = new Uint8Array(32).fill(height);
    const place = { lane: 0, itemId, bundleId: undefined, leg: 0, legs: 1 };
    const kind = EntryKind.ROLLUP_DATA;
    const filled = [{ kind, payload, fill: undefined, content: payload, ...place }];
    placements.blockExecuted({ header: { height }, filled, order: [0], payloads }, answer);
    height += 1;
  }
  async function call(method: string, params: unknown[], headers: Record<string, string> = {}) {
    const response = await fetch(gateway.rpc.url, {
      method: "POST",
      headers,
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    return readAnswer(await response.json());
  }
  async function send(raw: Uint8Array, headers?: Record<string, string>): Promise<unknown> {
    const { result, error } = await call("eth_sendRawTransaction", [`0x${toHex(raw)}`], headers);
    if (error === undefined) return result;
    return typeof error === "string" ? error : error.message;
  }
  return { gateway, submitted, order, call, send };
}

function readAnswer(value: unknown): {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string } | string;
} {
  if (typeof value !== "object" || value === null) throw new Error("expected an object");
  return value;
}

const hashOf = (raw: Uint8Array): string => `0x${toHex(keccak_256(raw))}`;

describe("a wallet at a gateway whose executor is elsewhere", () => {
  it("behavior: sends with viem, sees it pending, and gets its receipt from the executor", async () => {
    const { gateway, order } = await startGateway();
    const transport = http(gateway.rpc.url);
    const reader = createPublicClient({ chain, transport, pollingInterval: 20 });
    const wallet = createWalletClient({ chain, transport, account: ALICE });
    const hash = await wallet.sendTransaction({ to: BOB.address, value: 7n });
    expect(await reader.getTransaction({ hash })).toMatchObject({ hash, blockHash: null });
    const nonceAt = (blockTag: "pending" | "latest") =>
      reader.getTransactionCount({ address: ALICE.address, blockTag });
    expect([await nonceAt("latest"), await nonceAt("pending")]).toEqual([0, 1]);
    await order();
    expect(await reader.waitForTransactionReceipt({ hash })).toMatchObject({ status: "success" });
    expect([await nonceAt("latest"), await nonceAt("pending")]).toEqual([1, 1]);
    const balance = await reader.getBalance({ address: BOB.address, blockTag: "pending" });
    expect(balance).toBe(10n ** 21n + 7n);
  });

  it("behavior: hears of heads and of pending transactions over its WebSocket", async () => {
    const { gateway, order, send } = await startGateway();
    const socket = new WebSocket(gateway.rpc.url.replace("http", "ws"));
    const heard: string[] = [];
    const ids: unknown[] = [];
    socket.on("message", (data: Buffer) => {
      const message: unknown = JSON.parse(data.toString("utf8"));
      if (typeof message !== "object" || message === null) return;
      if ("id" in message) ids.push(message);
      else heard.push(JSON.stringify(message));
    });
    await once(socket, "open");
    for (const [id, name] of ["newHeads", "newPendingTransactions"].entries()) {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_subscribe", params: [name] }));
    }
    await vi.waitFor(() => expect(ids).toHaveLength(2));
    const raw = await signed(ALICE, { nonce: 0 });
    await send(raw);
    await vi.waitFor(() => expect(heard.join()).toContain(hashOf(raw)));
    await order();
    await vi.waitFor(() => expect(heard.join()).toContain('"number":"0x1"'));
    socket.terminate();
  });

  it("behavior: is told in geth's words what cannot be ordered, and pays nothing for it", async () => {
    const { send, submitted } = await startGateway();
    expect(await send(await signed(PAUPER, { nonce: 0 }))).toContain("insufficient funds");
    expect(await send(await signed(ALICE, { nonce: 0, chainId: 5 }))).toContain("invalid chain id");
    expect(await send(await signed(ALICE, { nonce: 0, gas: 20_000n }))).toContain("intrinsic gas");
    expect(await send(fromHex("7e01"))).toBe("transaction type not supported");
    expect(submitted).toEqual([]);
  });

  it("behavior: is told when its transaction asks for more gas than the executor takes of one", async () => {
    const { send } = await startGateway({ transactionGasMax: 100_000n });
    const tooMuch = await signed(ALICE, { nonce: 0, gas: 100_001n });
    expect(await send(tooMuch)).toContain("exceeds block gas limit");
    expect(await send(await signed(ALICE, { nonce: 0, gas: 100_000n }))).toMatch(/^0x/);
  });

  it("behavior: asks again with the same bytes and gets the same hash, before and after the block", async () => {
    const { send, submitted, order } = await startGateway();
    const raw = await signed(ALICE, { nonce: 0 });
    expect([await send(raw), await send(raw)]).toEqual([hashOf(raw), hashOf(raw)]);
    expect(submitted).toHaveLength(1);
    await order();
    expect(await send(raw)).toBe(hashOf(raw));
    expect(submitted).toEqual([]);
    expect(await send(await signed(ALICE, { nonce: 0, value: 9n }))).toContain("nonce too low");
  });

  it("behavior: what lacks its predecessor waits for it", async () => {
    const { send, submitted, order } = await startGateway();
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    await send(second);
    expect(submitted).toEqual([]);
    await send(first);
    expect(submitted).toEqual([first, second]);
    // Ordered the wrong way round: what came too early is posted again.
    submitted.splice(0);
    await order([second, first]);
    await vi.waitFor(() => expect(submitted).toEqual([second]));
  });

  it.each([
    "BLOCK_GAS_EXHAUSTED",
    "BLOCK_BYTES_EXHAUSTED",
    "BLOCK_SIGNATURES_EXHAUSTED",
    "DELEGATION_HELD_BACK",
    "GATHERED_TOO_MUCH",
  ])("behavior: what a block had no room for (%s) is posted again", async (reason) => {
    const { gateway, send, submitted } = await startGateway();
    const raw = await signed(ALICE, { nonce: 0 });
    await send(raw);
    expect(submitted.splice(0)).toEqual([raw]);
    gateway.blockExecuted([raw], {
      outcome: "block",
      included: 0,
      skipped: [{ index: 0, reason }],
    });
    await expect.poll(() => submitted).toEqual([raw]);
  });

  it("behavior: learns where its transaction is, from its predecessor's arrival to finality", async () => {
    const { send, order, call } = await startGateway();
    const [first, second] = [await signed(ALICE, { nonce: 0 }), await signed(ALICE, { nonce: 1 })];
    const status = async (raw: Uint8Array, options?: object) =>
      await call("weft_getTransactionStatus", [hashOf(raw), ...(options ? [options] : [])]);
    expect((await status(second)).result).toMatchObject({ state: "unknown", level: null });
    await send(second);
    expect((await status(second)).result).toMatchObject({ state: "waiting" });
    await order([await signed(BOB, { nonce: 7 }), first, second]);
    expect((await status(second)).result).toMatchObject({
      state: "executed",
      level: "filled",
      height: "0x1",
      position: "0x0",
      index: "0x2",
      weftTransaction: `0x${"01".repeat(32)}`,
      block: { number: "0x1" },
      proof: null,
    });
    expect((await status(await signed(BOB, { nonce: 7 }))).result).toMatchObject({
      state: "skipped",
      reason: "NONCE_TOO_HIGH",
      block: null,
    });
    const { hash } = executor.rollup.chain.head();
    await executor.rollup.executor.setFinality({ safeHash: hash, finalizedHash: hash });
    expect((await status(first)).result).toMatchObject({ state: "executed", level: "final" });
    expect((await status(first, { proof: true })).error).toMatchObject({ code: -32_001 });
    expect((await status(first, { proof: 1 })).error).toMatchObject({ code: -32_602 });
  });

  it("behavior: finds no method that only an executor's owner should call", async () => {
    const { call } = await startGateway();
    for (const method of ["engine_forkchoiceUpdatedV3", "admin_peers", "debug_traceCall", "x"]) {
      expect((await call(method, [])).error).toMatchObject({ code: -32_601 });
    }
  });

  it("error: says so while the executor is away, and loses nothing", async () => {
    const { call, send, submitted } = await startGateway();
    await executor.close();
    expect((await call("eth_blockNumber", [])).error).toMatchObject({ code: -32_002 });
    expect(await send(await signed(ALICE, { nonce: 0 }))).toContain("does not answer");
    expect(submitted).toEqual([]);
    executor = await startInstantRollup(directory);
  });
});

describe("keys and limits", () => {
  const KEY = "a-long-enough-key";
  const keys = [{ name: "team", sha256: toHex(sha256(Buffer.from(KEY))), requestsPerSecond: 0 }];
  const access = { requestsPerSecond: 0.001, requestsBurst: 2, keys, proxyHops: 1 };

  it("behavior: one address has its calls, another and a key have theirs", async () => {
    const { call } = await startGateway({ access: { ...access, isKeyRequired: false } });
    const from = (address: string) => ({ "x-forwarded-for": `8.8.8.8, ${address}` });
    const codes = async (headers: Record<string, string>) => {
      const answers = [1, 2, 3].map(() => call("net_listening", [], headers));
      return (await Promise.all(answers)).map(({ error }) =>
        typeof error === "object" ? error.code : error,
      );
    };
    const limited = [undefined, undefined, -32_005];
    expect(await codes(from("1.1.1.1"))).toEqual(limited);
    expect(await codes(from("2.2.2.2"))).toEqual(limited);
    // Neighbours of one IPv6 network share.
    expect(await codes(from("2001:db8::1"))).toEqual(limited);
    expect((await call("net_listening", [], from("2001:db8::2"))).error).toBeDefined();
    expect(await codes({ "x-api-key": KEY })).toEqual([undefined, undefined, undefined]);
    expect(await codes({ authorization: `Bearer ${KEY}` })).toHaveLength(3);
    expect((await call("net_listening", [], { "x-api-key": "other" })).error).toBe(
      "this API key is not known here",
    );
  });

  it("behavior: where a key is required nobody is served without, and a URL may hold it", async () => {
    const { gateway, call } = await startGateway({ access: { ...access, isKeyRequired: true } });
    expect((await call("net_listening", [])).error).toContain("an API key is required");
    const reader = createPublicClient({ chain, transport: http(`${gateway.rpc.url}/key/${KEY}`) });
    expect(await reader.getChainId()).toBe(TEST_CHAIN_ID);
  });

  it("behavior: one requester's quota of what waits and of what is spent is its own", async () => {
    const quota = {
      of: createQuota(
        (requester) => ({
          waitingMax: requester === "key team" ? 1 : 2,
          spendPerMinute: requester === "key team" ? 0n : 300n,
        }),
        () => 0,
      ),
      costOf: (bytes: number) => Promise.resolve(BigInt(bytes)),
    };
    const { send, order } = await startGateway({
      quota,
      access: { ...access, requestsPerSecond: 0, isKeyRequired: false },
    });
    const next = (nonce: number, account = ALICE) => signed(account, { nonce });
    const one = await next(0);
    expect(await send(one)).toBe(hashOf(one));
    const two = await next(1);
    expect(await send(two)).toBe(hashOf(two));
    expect(await send(await next(2))).toContain("wait already, at most 2 may");
    const bobs = await next(0, BOB);
    expect(await send(bobs, { "x-api-key": KEY })).toBe(hashOf(bobs));
    expect(await send(await next(1, BOB), { "x-api-key": KEY })).toContain("key team wait already");
    await order();
    // Nothing waits any more, but its money for this minute is spent.
    expect(await send(await next(2))).toContain("a minute of address 127.0.0.1");
    const last = await next(1, BOB);
    expect(await send(last, { "x-api-key": KEY })).toBe(hashOf(last));
  });
});
