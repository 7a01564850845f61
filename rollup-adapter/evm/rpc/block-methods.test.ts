import { afterEach, beforeEach, expect, test } from "vitest";
import { keccak256 } from "viem";
import {
  ALICE,
  BOB,
  type InstantRollup,
  removeDirectory,
  signed,
  startInstantRollup,
  temporaryDirectory,
  testGenesis,
} from "../../../test/support/evm-rollup.ts";

let directory: string;
let instant: InstantRollup;

beforeEach(async () => {
  directory = await temporaryDirectory();
  instant = await startInstantRollup(directory, testGenesis({ gasLimit: 100_000 }));
});

afterEach(async () => {
  await instant.close();
  await removeDirectory(directory);
});

async function pendingTransactions(isFull: boolean): Promise<readonly unknown[]> {
  const response = await fetch(instant.rollup.rpc.url, {
    method: "POST",
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "eth_getBlockByNumber",
      params: ["pending", isFull],
    }),
  });
  const { result } = (await response.json()) as { result: { transactions: readonly unknown[] } };
  return result.transactions;
}

test("behavior: the pending block holds what was posted, as far as a block has room", async () => {
  instant.hold(true);
  const { pool } = instant.rollup;
  await pool.add(await signed(BOB, { nonce: 1 })); // its predecessor is missing
  const raws = await Promise.all([0, 1, 2, 3, 4].map((nonce) => signed(ALICE, { nonce })));
  for (const raw of raws) await pool.add(raw);
  const hashes = raws.slice(0, 4).map((raw) => keccak256(raw)); // 84,000 gas
  expect(await pendingTransactions(false)).toEqual(hashes);
  expect(await pendingTransactions(true)).toMatchObject(hashes.map((hash) => ({ hash })));
});
