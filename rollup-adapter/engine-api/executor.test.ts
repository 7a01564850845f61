import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  engineClientOf,
  OP_CHAIN_ID,
  OP_INIT,
  OP_ROLLUP_ID,
  openEngineExecutor,
  opTestGenesis,
  opTransaction,
  quarterSecond,
} from "../../test/support/engine-rollup.ts";
import { isOpGethAway, type OpGeth, startOpGeth } from "../../test/support/op-geth.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import type { ExecuteBlockRequest, ExecuteBlockResponse } from "../execution.ts";
import type { EngineClient } from "./engine-client.ts";
import { engineError } from "./engine-error.ts";
import { createEngineDecoder, type EngineApiExecutor } from "./executor.ts";
import { NULL_ENGINE_API_METRICS } from "./metrics.ts";
import { createEngineRpc } from "./rpc-client.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { decodeAttributes } from "./l1-attributes.ts";
import type { OpGenesis } from "./genesis-file.ts";
import { findSenders } from "./senders.ts";
import { sha256 } from "../../proto/hash.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";

const ALICE = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const BOB = privateKeyToAccount(`0x${"b0".repeat(32)}`);
const CAROL = privateKeyToAccount(`0x${"ca".repeat(32)}`);
const PAUPER = privateKeyToAccount(`0x${"99".repeat(32)}`);

/** A client takes seconds to start and to stop, more beside other tests. */
const HOOK_TIMEOUT_MS = 90_000;

let folder: string;
let genesis: OpGenesis;
let geth: OpGeth;
let client: EngineClient;
let executor: EngineApiExecutor;
let height = 0;
/** Everything that was fed, by height. */
const fed = new Map<number, ExecuteBlockRequest>();

async function feed(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse> {
  fed.set(request.sequencerHeight, request);
  return executor.executeBlock(request);
}

/** Feeds `payloads` in two sequencer blocks of one second, and goes on to the first block of the next. */
async function second(payloads: readonly Uint8Array[]): Promise<ExecuteBlockResponse> {
  await feed(quarterSecond(height++, payloads.slice(0, 1)));
  await feed(quarterSecond(height++, payloads.slice(1)));
  while (height % 4 !== 0) await feed(quarterSecond(height++, []));
  return feed(quarterSecond(height++, []));
}

describe.skipIf(isOpGethAway)("an executor on op-geth", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "weft-op-geth-"));
    genesis = await opTestGenesis([ALICE, BOB, CAROL]);
    geth = await startOpGeth({ folder, genesis: genesis.document });
    client = engineClientOf(geth);
    executor = openEngineExecutor(client, genesis, folder);
  }, HOOK_TIMEOUT_MS);
  afterAll(async () => {
    await executor?.close();
    await geth?.stop();
    await rm(folder, { recursive: true, force: true });
  }, HOOK_TIMEOUT_MS);

  test("a second's payloads become one block that names the sequencer block it ends with", async () => {
    const init = await executor.init(OP_INIT);
    expect(init.nextSequencerHeight).toBe(1);
    for (height = 1; height < 4; height++) {
      const answer = await feed(quarterSecond(height, []));
      expect(answer.outcome).toBe("none");
    }
    expect((await feed(quarterSecond(4, []))).outcome).toBe("none");
    const first = await feed(quarterSecond(5, [await opTransaction(ALICE, 0)]));
    expect(first.outcome).toBe("gathered");
    const next = await feed(
      quarterSecond(6, [await opTransaction(BOB, 0), await opTransaction(ALICE, 1)]),
    );
    expect(next).toMatchObject({ outcome: "gathered", number: 0 });
    await feed(quarterSecond(7, []));
    const block = await feed(quarterSecond(8, []));
    expect(block).toMatchObject({ outcome: "block", number: 1, included: 3, skipped: [] });
    height = 9;
    const transaction = await client.firstTransaction(block.hash);
    expect(decodeAttributes(transaction?.data ?? new Uint8Array(0), fromHex(OP_ROLLUP_ID))).toEqual(
      {
        heightFirst: 5,
        height: 7,
        blockHash: quarterSecond(7, []).sequencerBlockHash,
        seconds: quarterSecond(7, []).timestamp.seconds,
      },
    );
    await executor.setFinality({ safeHash: block.hash, finalizedHash: block.hash });
    expect((await client.block("safe"))?.number).toBe(1);
    expect((await client.block("finalized"))?.number).toBe(1);
  });

  test("what must not be forwarded is left out, each for its reason, and the rest runs", async () => {
    const legacy = { type: "legacy", gasPrice: 4_000_000_000n } as const;
    const cases: [string | undefined, Uint8Array][] = [
      [undefined, await opTransaction(ALICE, 2)],
      ["TYPE_FORBIDDEN", fromHex(`7e${"00".repeat(40)}`)],
      ["UNDECODABLE", fromHex("deadbeef".repeat(20))],
      ["EMPTY", new Uint8Array(0)],
      ["TOO_LARGE", new Uint8Array(200_000).fill(2)],
      ["WRONG_CHAIN_ID", await opTransaction(ALICE, 3, { chainId: OP_CHAIN_ID + 1 })],
      ["UNPROTECTED", await opTransaction(ALICE, 3, { ...legacy, chainId: undefined })],
      ["NONCE_TOO_LOW", await opTransaction(ALICE, 1)],
      ["NONCE_TOO_LOW", await opTransaction(ALICE, 2)],
      ["NONCE_TOO_HIGH", await opTransaction(ALICE, 9)],
      ["INSUFFICIENT_FUNDS", await opTransaction(PAUPER, 0)],
      ["INTRINSIC_GAS_TOO_LOW", await opTransaction(BOB, 1, { gas: 20_000n })],
      ["GAS_LIMIT_ABOVE_BLOCK", await opTransaction(BOB, 1, { gas: 20_000_000n })],
      [
        "FEE_BELOW_BASE_FEE",
        await opTransaction(BOB, 1, { maxFeePerGas: 1n, maxPriorityFeePerGas: 1n }),
      ],
      [undefined, await opTransaction(BOB, 1, legacy)],
      [undefined, await opTransaction(BOB, 2, { to: null, data: "0x600160005500", gas: 100_000n })],
    ];
    const block = await second(cases.map(([, payload]) => payload));
    expect(block.skipped).toEqual(
      cases.flatMap(([reason], index) => (reason === undefined ? [] : [{ index, reason }])),
    );
    expect(block).toMatchObject({ outcome: "block", number: 2, included: 3 });
  });

  test("the client names the senders of all types of transactions, and of what is altered, as JavaScript does", async () => {
    const authorization = await CAROL.signAuthorization({
      contractAddress: `0x${"de".repeat(20)}`,
      chainId: OP_CHAIN_ID,
      nonce: 0,
    });
    const signed = [
      await opTransaction(ALICE, 2),
      await opTransaction(BOB, 2, { type: "legacy", gasPrice: 1n }),
      await opTransaction(CAROL, 2, { type: "eip2930", gasPrice: 1n, accessList: [] }),
      await opTransaction(PAUPER, 2, { authorizationList: [authorization] }),
    ];
    // Any 32 bytes where r and s stand at the end of the encoding: nobody's signature, or somebody's.
    const order = fromHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    const words = [
      order,
      new Uint8Array(32).fill(0xff),
      ...Array.from({ length: 8 }, (_, i) => sha256(Uint8Array.of(i))),
    ];
    const altered = signed.flatMap((raw) =>
      words.flatMap((word) =>
        [65, 32].map((fromEnd) => {
          const copy = raw.slice();
          copy.set(word, raw.length - fromEnd);
          return copy;
        }),
      ),
    );
    const here = createEngineDecoder(BigInt(OP_CHAIN_ID));
    const decoder = createEngineDecoder(BigInt(OP_CHAIN_ID));
    const parsed = [...signed, ...altered].flatMap((raw) => {
      const one = decoder.parse(raw);
      return one.kind === "skip" ? [] : [one.parsed];
    });
    expect(parsed.length).toBeGreaterThan(60);
    const nameOf = (raw: Uint8Array): string | undefined => {
      const one = here.decode(raw);
      return one.kind === "skip" ? undefined : one.decoded.sender.toString();
    };
    const expected = parsed.map(({ raw }) => nameOf(raw));
    expect(new Set(expected).size).toBeGreaterThan(20);
    expect(expected).toContain(undefined);
    const deps = { client, decoder, logger: NULL_LOGGER };
    const found = await findSenders(parsed, deps);
    expect(found.map((one) => one?.toString())).toEqual(expected);
    // The second time nobody is asked, and without the client it is done here.
    const away = { senders: () => Promise.reject(new Error("not asked")) };
    const known = parsed.filter((_, i) => found[i] !== undefined);
    await expect(findSenders(known, { ...deps, client: away })).resolves.toHaveLength(known.length);
    const refusing = {
      senders: () =>
        Promise.reject(engineError({ code: "ENGINE_API_CALL_FAILED", rpcCode: 1 }, "")),
    };
    const anew = { ...deps, client: refusing, decoder: createEngineDecoder(BigInt(OP_CHAIN_ID)) };
    expect((await findSenders(parsed, anew)).map((one) => one?.toString())).toEqual(expected);
  });

  test("transactions that the client alone can judge are left out, the same ones on every way to the block", async () => {
    // Carol signs a delegation that Alice carries: it uses up Carol's nonce before her own transaction comes.
    const authorization = await CAROL.signAuthorization({
      contractAddress: `0x${"de".repeat(20)}`,
      chainId: OP_CHAIN_ID,
      nonce: 0,
    });
    const block = await second([
      await opTransaction(BOB, 3),
      await opTransaction(ALICE, 3, { authorizationList: [authorization], gas: 100_000n }),
      await opTransaction(CAROL, 0),
      await opTransaction(CAROL, 1),
      await opTransaction(BOB, 4),
    ]);
    // Her nonce is known to be altered to 1 by none but the client, which refuses 0 and takes 1.
    expect(block).toMatchObject({ outcome: "block", included: 4 });
    expect(block.skipped).toEqual([{ index: 2, reason: "REFUSED_BY_VM" }]);
  });

  test("who fills a second with impossible ones takes nobody else's place who stood before or cannot be altered", async () => {
    // Fresh accounts that Alice's transaction makes delegate: each of their own transactions comes with a used nonce.
    const puppets = Array.from({ length: 6 }, (_, i) =>
      privateKeyToAccount(`0x${(i + 1).toString(16).padStart(64, "d")}`),
    );
    const authorizationList = await Promise.all(
      puppets.map((puppet) =>
        puppet.signAuthorization({
          contractAddress: `0x${"de".repeat(20)}`,
          chainId: OP_CHAIN_ID,
          nonce: 0,
        }),
      ),
    );
    const fund = await Promise.all(
      puppets.map(({ address }, i) =>
        opTransaction(ALICE, 4 + i, { to: address, value: 10n ** 18n }),
      ),
    );
    expect(await second(fund)).toMatchObject({ included: 6 });
    const block = await second([
      await opTransaction(BOB, 5),
      await opTransaction(ALICE, 10, { authorizationList, gas: 300_000n }),
      ...(await Promise.all(puppets.map((puppet) => opTransaction(puppet, 0)))),
      await opTransaction(BOB, 6),
    ]);
    expect(block).toMatchObject({ outcome: "block", included: 3 });
    expect(block.skipped.map(({ index, reason }) => `${index} ${reason}`)).toEqual([
      ...[2, 3, 4, 5].map((index) => `${index} REFUSED_BY_VM`),
      ...[6, 7].map((index) => `${index} DELEGATION_HELD_BACK`),
    ]);
  });

  test("a full block leaves out what finds too little gas, and goes on with what fits", async () => {
    // Burns all the gas it is given.
    const burn = { to: null, data: "0x5b600056", gas: 14_000_000n } as const;
    const payloads: Uint8Array[] = [];
    for (let i = 0; i < 5; i++) payloads.push(await opTransaction(BOB, 7 + i, burn));
    payloads.push(await opTransaction(ALICE, 11));
    const block = await second(payloads);
    expect(block).toMatchObject({ outcome: "block", included: 3 });
    expect(block.skipped.every(({ reason }) => reason === "BLOCK_GAS_EXHAUSTED")).toBe(true);
    expect(block.skipped.map(({ index }) => index)).toEqual([2, 3, 4]);
  });

  test("comes back after a restart of this side where it was, without what it had only gathered", async () => {
    const gathered = await feed(quarterSecond(height, [await opTransaction(ALICE, 12)]));
    expect(gathered.outcome).toBe("gathered");
    expect((await executor.getStatus()).nextSequencerHeight).toBe(height + 1);
    await executor.close();
    executor = openEngineExecutor(client, genesis, folder);
    // The empty heights after the last block are kept beside the client, what is gathered is not.
    expect(await executor.init(OP_INIT)).toMatchObject({ nextSequencerHeight: height });
    const block = await second([await opTransaction(ALICE, 12)]);
    expect(block).toMatchObject({ outcome: "block", included: 1, skipped: [] });
  });

  test("a client that was killed is fed again what it had not written, and makes the same blocks", async () => {
    const before = await chain();
    await geth.stop("SIGKILL");
    // Gathering needs no client; the second that it is in cannot be executed without.
    await feed(quarterSecond(height++, [await opTransaction(ALICE, 13)]));
    while (height % 4 !== 0) await feed(quarterSecond(height++, []));
    await expect(feed(quarterSecond(height, []))).rejects.toThrow(/nobody answers/);
    await geth.start();
    const { nextSequencerHeight: next, head } = await executor.init(OP_INIT);
    // What its database had not handed to the system is gone: the newest blocks, if any.
    expect(head.number).toBeLessThanOrEqual(before.length - 1);
    for (let at = next; at <= height; at++) {
      const request = fed.get(at);
      if (request !== undefined) await executor.executeBlock(request);
    }
    const after = await chain();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.length).toBe(before.length + 1);
  });

  test("a client that is back behind its head is noticed at an empty height", async () => {
    const fresh = await mkdtemp(join(folder, "behind-"));
    let isBehind = false;
    const other = openEngineExecutor(
      { ...client, block: (at) => client.block(isBehind && at === "latest" ? 0 : at) },
      genesis,
      fresh,
    );
    const { head, nextSequencerHeight } = await other.init(OP_INIT);
    isBehind = true;
    await expect(other.executeBlock(quarterSecond(nextSequencerHeight, []))).rejects.toMatchObject({
      code: "EXECUTION_INTERNAL",
      message: expect.stringContaining("stands at block 0"),
    });
    isBehind = false;
    expect((await other.getStatus()).head.number).toBe(head.number);
    const again = await other.executeBlock(quarterSecond(nextSequencerHeight, []));
    expect(again).toMatchObject({ outcome: "none", number: head.number });
    await other.close();
  });

  test("one that is not there, has another secret or another chain is told apart", async () => {
    const stranger = openEngineExecutor(client, { ...genesis, hash: new Uint8Array(32) }, folder);
    await expect(stranger.init(OP_INIT)).rejects.toMatchObject({
      code: "EXECUTION_GENESIS_MISMATCH",
    });
    await expect(
      executor.init({ ...OP_INIT, sequencerChainId: "another-network" }),
    ).rejects.toMatchObject({ code: "EXECUTION_GENESIS_MISMATCH" });
    const rpc = createEngineRpc(
      { url: geth.engineUrl, secret: new Uint8Array(32) },
      { clock: createSystemClock(), metrics: NULL_ENGINE_API_METRICS },
    );
    await expect(rpc.call("eth_chainId", [])).rejects.toMatchObject({
      code: "ENGINE_API_UNAUTHORIZED",
    });
  });
});

/** Hashes of all blocks. */
async function chain(): Promise<string[]> {
  const hashes: string[] = [];
  for (let number = 0; ; number++) {
    const block = await client.block(number);
    if (block === undefined) return hashes;
    hashes.push(toHex(block.hash));
  }
}
