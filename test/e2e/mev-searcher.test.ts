/**
 * What a searcher does with nothing but HTTP, on a network of real processes with two EVM rollups: send, replace, cancel,
 * win, lose, expire, each with a state and a reason; and one bundle for both rollups, on both or on neither.
 */
import { privateKeyToAccount } from "viem/accounts";
import { keccak256 } from "viem";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { createGrpcMevClient } from "../../rollup-adapter/client/grpc-mev-client.ts";
import {
  cancelBundlesTransaction,
  sealBundleTransaction,
} from "../../rollup-adapter/client/searcher-transactions.ts";
import { bundleStateName } from "../../proto/grpc/mev-service.ts";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import {
  height,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { orderFault, takeBack } from "../support/seal-orders.ts";
import { createSealedNetwork, untilKey } from "../support/sealed-network.ts";
import { TEST_TDH2 } from "../support/sealing.ts";
import { sendOne, signerOf, unorderedTerms } from "../support/traffic.ts";

const TIMEOUT_MS = 240_000;
const ENDS = ["INCLUDED", "LOST_AUCTION", "REPLACED", "CANCELLED", "EXPIRED", "INVALID"];

let network: TestNetwork;
let alpha: TestRollup;
let beta: TestRollup;
let node: TestValidator;

beforeAll(async () => {
  network = await createSealedNetwork({
    rollups: ["alpha", "beta"],
    auction: true,
    // Two of four, without whose shares nothing is opened.
    faulty: [2, 3],
    config: { signature_workers: 0 },
  });
  await network.startAll();
  const [first, second] = network.rollups;
  const [validator] = network.validators;
  if (first === undefined || second === undefined || validator === undefined) {
    throw new Error("no network");
  }
  [alpha, beta, node] = [first, second, validator];
  await untilKey(network.validators);
  // What the gateway of alpha bids with.
  const key = readKeyFile(rollupHomeAt(alpha.home).gatewayKeyFile);
  const deposit = { kind: "depositEscrow", amount: 1_000_000_000n } as const;
  await sendOne({ clients: [node.client], key }, 0, deposit);
}, TIMEOUT_MS);
afterAll(async () => {
  await network.close();
});

type Json = Readonly<Record<string, unknown>>;

/** The result of one JSON-RPC call over plain HTTP. */
async function call<T = Json>(
  { rpc }: TestRollup,
  method: string,
  ...params: unknown[]
): Promise<T> {
  const { result, error } = await answer(rpc, method, params);
  if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result as T;
}

async function answer(url: string, method: string, params: readonly unknown[]) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return (await response.json()) as { result?: unknown; error?: { data?: { code?: string } } };
}

/** A raw transaction of one of the funded accounts. */
async function transfer(
  rollup: TestRollup,
  account: number,
  nonce: number,
): Promise<`0x${string}`> {
  const wallet = EVM_DEV_ACCOUNTS[account];
  if (wallet === undefined) throw new Error(`there is no account ${account}`);
  return await privateKeyToAccount(wallet.privateKey).signTransaction({
    type: "eip1559",
    chainId: Number(rollup.evmChainId),
    to: "0x00000000000000000000000000000000000000aa",
    value: 1n,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1n,
  });
}

/** The status in which it ends; every state on the way has a reason. */
async function end(rollup: TestRollup, sent: Json): Promise<Json> {
  return await until("the bundle comes to an end", async () => {
    const status = await call(rollup, "weft_getBundleStatus", sent["bundleHash"]);
    expect(status["reason"]).not.toBe("");
    return ENDS.includes(String(status["state"])) && status;
  });
}

interface Receipt {
  readonly blockHash: string;
  readonly transactionIndex: string;
}

async function receipt(rollup: TestRollup, tx: `0x${string}`): Promise<Receipt> {
  return await until(`${rollup.name} has executed it`, async () => {
    const found = await call<Receipt | null>(rollup, "eth_getTransactionReceipt", keccak256(tx));
    return found ?? undefined;
  });
}

/** Hash of the sequencer's block that ordered the rollup's. */
async function sequencerBlock(rollup: TestRollup, { blockHash }: Receipt): Promise<unknown> {
  return (await call(rollup, "eth_getBlockByHash", blockHash, false))["mixHash"];
}

const next = async (): Promise<number> => (await height(node)) + 1;

it(
  "behavior: a bundle is sent, sealed, and executed at its place",
  async () => {
    const tx = await transfer(alpha, 0, 0);
    const sent = await call(alpha, "eth_sendBundle", { txs: [tx] });
    expect(await end(alpha, sent)).toMatchObject({ state: "INCLUDED", legs: [{ position: 0 }] });
    await receipt(alpha, tx);
    const unknown = await answer(alpha.rpc, "weft_getBundleStatus", [`0x${"ab".repeat(32)}`]);
    expect(unknown.error).toMatchObject({ code: -32_001, data: { code: "UNKNOWN_HASH" } });
  },
  TIMEOUT_MS,
);

it(
  "behavior: a later version replaces an earlier one; a cancellation voids what waits, softly and for good",
  async () => {
    const replacementUuid = "0f9e3f3c-91a3-4d5c-b7a1-4a1d3b5c7e90";
    const minHeight = (await next()) + 15;
    const bundle = async (nonce: number) => ({
      txs: [await transfer(alpha, 0, nonce)],
      minHeight,
      maxHeight: minHeight + 20,
      replacementUuid,
    });
    const first = await call(alpha, "eth_sendBundle", await bundle(1));
    const second = await call(alpha, "eth_sendBundle", await bundle(1));
    expect(await end(alpha, first)).toMatchObject({ state: "REPLACED" });
    await call(alpha, "eth_cancelBundle", { replacementUuid });
    expect(await end(alpha, second)).toMatchObject({ state: "CANCELLED" });

    // In an account of the searcher's own, by nonce: nothing below it gets into any block again.
    const signer = signerOf(network.owner);
    const { chainId, replay, fee } = await unorderedTerms(node.client);
    const terms = { chainId, replay, fee };
    const { key } = await node.client.sealKey();
    if (key === undefined) throw new Error("no key");
    const own = sealBundleTransaction(
      {
        ...terms,
        key,
        legs: ["alpha", "beta"].map((name) => ({
          rollupId: rollupIdOfName(name),
          data: [utf8ToBytes("own")],
          revertMode: RevertMode.ALLOW,
          tip: 0n,
        })),
        minHeight: Height(minHeight),
        maxHeight: Height(minHeight + 20),
        replacement: undefined,
        cancelNonce: 0n,
      },
      { tdh2: TEST_TDH2, signer },
    );
    const sent = await call(alpha, "weft_sendBundle", { item: `0x${toHex(own.item)}` });
    expect(sent["bundleHash"]).toBe(`0x${toHex(own.id)}`);
    const { replay: later } = await unorderedTerms(node.client);
    const cancel = cancelBundlesTransaction(
      {
        ...terms,
        replay: later,
        key: new Uint8Array(0),
        sequence: 0n,
        untilHeight: Height(0),
        cancelNonce: 1n,
      },
      { signer },
    );
    const cancelled = await call(beta, "weft_cancelBundle", { item: `0x${toHex(cancel.item)}` });
    expect(await end(beta, cancelled)).toMatchObject({ state: "INCLUDED" });
    expect(await end(alpha, sent)).toMatchObject({ state: "CANCELLED" });
    const again = await answer(alpha.rpc, "weft_sendBundle", [{ item: `0x${toHex(own.item)}` }]);
    expect(again.error).toMatchObject({ code: -32_029, data: { code: "CANCELLED" } });
  },
  TIMEOUT_MS,
);

it(
  "behavior: of two bids for one block one wins the top, the other loses; the stream tells both, the rollups get the price",
  async () => {
    const mev = createGrpcMevClient(node.grpc);
    const over = new AbortController();
    const settled = mev.auctions(undefined, over.signal)[Symbol.asyncIterator]();
    const announced = settled.next();
    const minHeight = (await next()) + 8;
    const window = { minHeight, maxHeight: minHeight };
    const [top, rest] = [await transfer(alpha, 1, 0), await transfer(alpha, 2, 0)];
    const both = await call(alpha, "weft_submitBid", {
      legs: [
        { rollupId: "alpha", tx: top },
        { rollupId: "beta", tx: await transfer(beta, 1, 0) },
      ],
      amount: "300000000",
      ...window,
    });
    const low = await call(alpha, "weft_submitBid", {
      legs: [{ rollupId: "alpha", tx: await transfer(alpha, 1, 1) }],
      amount: "100000000",
      ...window,
    });
    const plain = { txs: [rest], privacy: { encrypted: false }, ...window };
    const beside = await call(alpha, "eth_sendBundle", plain);
    const [won, lost] = [await end(alpha, both), await end(alpha, low)];
    expect(won).toMatchObject({ state: "INCLUDED", price: `0x${(300_000_000).toString(16)}` });
    expect(lost).toMatchObject({ state: "LOST_AUCTION" });
    expect(lost["reason"]).toMatch(/^OUTBID/);
    expect(await end(alpha, beside)).toMatchObject({ state: "INCLUDED" });
    // The winner is on top of the same block in which the bundle in the clear stood before it.
    const [first, second] = [await receipt(alpha, top), await receipt(alpha, rest)];
    expect(first.blockHash).toBe(second.blockHash);
    expect([first.transactionIndex, second.transactionIndex]).toEqual(["0x0", "0x1"]);
    const auction = await call(alpha, "weft_getAuction", { height: minHeight });
    expect(auction).toMatchObject({ bids: 2, winners: [{ bundleHash: both["bundleHash"] }] });
    expect((await announced).value).toMatchObject({ height: minHeight, bids: 2, openBids: 0 });
    const shares = await Promise.all(
      [alpha, beta].map(async (rollup) =>
        Number((await call(rollup, "weft_getRevenue"))["auction"]),
      ),
    );
    // 80% of 100 + 100 and of 100 million: no rollup gets less than alone.
    expect(shares).toEqual([160_000_000, 80_000_000]);
    over.abort();
    mev.close();
  },
  TIMEOUT_MS,
);

it(
  "behavior: a sealed bundle for both rollups is executed on both in one block, and on neither while shares are withheld",
  async () => {
    const [onAlpha, onBeta] = [await transfer(alpha, 2, 1), await transfer(beta, 2, 0)];
    const sent = await call(alpha, "weft_sendBundle", {
      version: "v1",
      legs: [
        { rollupId: "alpha", tx: onAlpha },
        { rollupId: "beta", tx: onBeta },
      ],
    });
    expect(await end(beta, sent)).toMatchObject({ state: "INCLUDED" });
    const receipts = [await receipt(alpha, onAlpha), await receipt(beta, onBeta)] as const;
    const inAlpha = await sequencerBlock(alpha, receipts[0]);
    expect(await sequencerBlock(beta, receipts[1])).toBe(inAlpha);

    const withholders = network.validators.slice(2);
    for (const validator of withholders) orderFault(validator, { fault: "abstain" });
    const from = await next();
    await untilHeight(network.validators, from + 1);
    const [never, neither] = [await transfer(alpha, 2, 2), await transfer(beta, 2, 1)];
    const withheld = await call(beta, "weft_sendBundle", {
      legs: [
        { rollupId: "beta", tx: neither },
        { rollupId: "alpha", tx: never },
      ],
    });
    // Told by the stream as well: sealed first, and then what ended it.
    const mev = createGrpcMevClient(node.grpc);
    const states: string[] = [];
    const id = Uint8Array.from(Buffer.from(String(withheld["bundleHash"]).slice(2), "hex"));
    await until("the node that is asked knows it", async () => await mev.bundleStatus(id));
    for await (const one of mev.bundleStatuses([id], AbortSignal.timeout(TIMEOUT_MS))) {
      states.push(bundleStateName(one.state));
    }
    mev.close();
    expect(states.at(-1)).toBe("EXPIRED");
    expect(states).toContain("SEALED");
    expect(await end(beta, withheld)).toMatchObject({ state: "EXPIRED" });
    for (const validator of withholders) takeBack(validator);
    // What comes after it is executed; it never was.
    const after = await transfer(alpha, 0, 1);
    const last = await call(alpha, "eth_sendBundle", { txs: [after] });
    expect(await end(alpha, last)).toMatchObject({ state: "INCLUDED" });
    await receipt(alpha, after);
    for (const [rollup, tx] of [
      [alpha, never],
      [beta, neither],
    ] as const) {
      expect(await call(rollup, "eth_getTransactionReceipt", keccak256(tx))).toBeNull();
    }
  },
  TIMEOUT_MS,
);
