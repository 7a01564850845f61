import { afterEach, beforeEach, expect, test } from "vitest";
import { keccak256 } from "viem";
import {
  atomicGenesis,
  bundleId,
  decideRequest,
  deskPayloads,
  deskTransaction,
  prepareRequest,
} from "../../../test/support/atomic-evm.ts";
import {
  ALICE,
  BOB,
  blockRequest,
  type InstantRollup,
  removeDirectory,
  startInstantRollup,
  temporaryDirectory,
} from "../../../test/support/evm-rollup.ts";
import { deskCall } from "../../../test/support/swap-desk.ts";
import { AtomicOutcome } from "../../../proto/codec/atomic-tx.ts";
import { toHex } from "../../../proto/bytes.ts";
import { RevertMode } from "../../../proto/codec/mev-tx.ts";

let directory: string;
let instant: InstantRollup;

beforeEach(async () => {
  directory = await temporaryDirectory();
  instant = await startInstantRollup(directory, atomicGenesis());
  await instant.order(await deskPayloads());
});

afterEach(async () => {
  await instant.close();
  await removeDirectory(directory);
});

async function call(method: string, ...params: unknown[]): Promise<unknown> {
  const response = await fetch(instant.rollup.rpc.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result?: unknown; error?: unknown };
  return result ?? error ?? null;
}

test("behavior: receipts say which bundle brought a transaction, once it is committed", async () => {
  const { executor } = instant.rollup;
  const leg = await deskTransaction(BOB, 0, deskCall.count());
  const hash = keccak256(leg);
  const id = `0x${toHex(bundleId("one"))}`;
  expect(await call("weft_getAtomicBundle", id)).toBeNull();
  await executor.prepareBundle?.(prepareRequest(2, "one", [leg]));
  expect(await call("weft_getAtomicBundle", id)).toMatchObject({
    bundleId: id,
    level: 1,
    state: "PREPARED",
    verdict: "YES",
    preparedHeight: 2,
    decidedHeight: null,
    transactions: [hash],
  });
  await instant.order([]);
  expect(await call("eth_getTransactionReceipt", hash)).toBeNull();
  await executor.decideBundle?.(decideRequest(3, "one", AtomicOutcome.COMMIT));
  // Whoever reads "committed" goes on with the nonce after it, so the state has to show it.
  expect(await call("weft_getAtomicBundle", id)).toMatchObject({ state: "PREPARED" });
  expect(await call("eth_getTransactionCount", BOB.address, "latest")).toBe("0x0");
  await instant.order([]);
  expect(await call("eth_getTransactionCount", BOB.address, "latest")).toBe("0x1");
  const weft = { bundleId: id, level: 1, state: "COMMITTED", preparedHeight: 2, decidedHeight: 3 };
  expect(await call("eth_getTransactionReceipt", hash)).toMatchObject({ status: "0x1", weft });
  expect(await call("eth_getBlockReceipts", "latest")).toMatchObject([{ weft }]);
  expect(await call("weft_getAtomicBundle", id)).toMatchObject({
    state: "COMMITTED",
    decidedHeight: 3,
  });
});

test("behavior: receipts of what was only ordered together say level 0, and those of what came by itself nothing", async () => {
  const { executor } = instant.rollup;
  const alone = await deskTransaction(BOB, 0, deskCall.count());
  const leg = [
    await deskTransaction(BOB, 1, deskCall.count()),
    // Skipped: its nonce is used.
    await deskTransaction(BOB, 1, deskCall.mint(BOB.address, 1n)),
    await deskTransaction(BOB, 2, deskCall.count()),
  ];
  const after = await deskTransaction(BOB, 3, deskCall.count());
  const committed = await deskTransaction(ALICE, 3, deskCall.mint(ALICE.address, 1n));
  await executor.prepareBundle?.(prepareRequest(2, "committed", [committed]));
  await instant.order([]);
  await executor.decideBundle?.(decideRequest(3, "committed", AtomicOutcome.COMMIT));
  const { included } = await executor.executeBlock({
    ...blockRequest(3, [alone, ...leg, after]),
    legs: [
      {
        bundleId: bundleId("together"),
        leg: 0,
        legs: 2,
        revertMode: RevertMode.ALLOW,
        first: 1,
        count: 3,
      },
    ],
  });
  expect(included).toBe(5);
  const weftOf = async (raw: Uint8Array): Promise<unknown> =>
    ((await call("eth_getTransactionReceipt", keccak256(raw))) as { weft?: unknown } | null)?.weft;
  const weft = { bundleId: `0x${toHex(bundleId("together"))}`, level: 0, state: "INCLUDED" };
  expect(await Promise.all([alone, ...leg, after].map(weftOf))).toEqual([
    undefined,
    weft,
    undefined,
    weft,
    undefined,
  ]);
  expect(await weftOf(committed)).toMatchObject({ level: 1, state: "COMMITTED" });
});

test("behavior: an aborted bundle brought nothing, also when its sender sends the transaction by itself", async () => {
  const { executor } = instant.rollup;
  const leg = await deskTransaction(BOB, 0, deskCall.count());
  const id = `0x${toHex(bundleId("one"))}`;
  await executor.prepareBundle?.(prepareRequest(2, "one", [leg]));
  await instant.order([]);
  await executor.decideBundle?.(decideRequest(3, "one", AtomicOutcome.ABORT));
  await instant.order([leg]);
  expect(await call("weft_getAtomicBundle", id)).toMatchObject({
    state: "ABORTED",
    abortReason: 1,
  });
  const receipt = await call("eth_getTransactionReceipt", keccak256(leg));
  expect(receipt).toMatchObject({ status: "0x1" });
  expect(receipt).not.toHaveProperty("weft");
});
