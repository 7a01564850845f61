import { Address } from "@ethereumjs/util";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { opTransaction, OP_CHAIN_ID } from "../../test/support/engine-rollup.ts";
import { createEvmCommon } from "../evm/genesis.ts";
import { createEngineDecoder } from "./executor.ts";
import { BLOCK_TRANSACTION_BYTES_MAX, SIGNATURES_PER_TRANSFER } from "./limits.ts";
import { type SelectionReader, selectTransactions } from "./selection.ts";

const ALICE = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const SENDER = new Address(Buffer.from(ALICE.address.slice(2), "hex"));
const CHAIN_ID = BigInt(OP_CHAIN_ID);

/** A chain on which Alice sends everything and has everything. */
function reader(): SelectionReader & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    accountsOf: (addresses) =>
      Promise.resolve(
        addresses.map(() => ({ nonce: 0n, balance: 10n ** 30n, code: new Uint8Array(0) })),
      ),
    sendersOf: (transactions) => {
      asked.push(transactions.length);
      return Promise.resolve(transactions.map(() => SENDER));
    },
  };
}

function select(payloads: readonly Uint8Array[], gasLimit: bigint, from = reader()) {
  return selectTransactions(
    payloads,
    { gasLimit, baseFeePerGas: 1n },
    {
      common: createEvmCommon({ chainId: CHAIN_ID, hardfork: "prague" }),
      decoder: createEngineDecoder(CHAIN_ID),
    },
    from,
  );
}

describe("what is looked at is bounded by what the block could hold", () => {
  test("signatures: so many of each transfer that fits, gibberish does not count", async () => {
    const transaction = await opTransaction(ALICE, 0);
    const gibberish = Uint8Array.of(0xff, 0xff);
    const most = 2 * SIGNATURES_PER_TRANSFER;
    const payloads = [gibberish, ...Array<Uint8Array>(most + 2).fill(transaction), gibberish];
    const from = reader();
    const { candidates, skipped } = await select(payloads, 42_000n, from);
    expect(from.asked).toEqual([most]);
    expect(candidates.map(({ index }) => index)).toEqual([1]);
    const reasons = skipped.map(({ reason }) => reason);
    expect(reasons.filter((one) => one === "UNDECODABLE").length).toBe(1);
    expect(reasons.filter((one) => one === "NONCE_TOO_LOW").length).toBe(most - 1);
    // What comes after is not even parsed.
    expect(skipped.slice(most)).toEqual(
      [1, 2, 3].map((i) => ({ index: most + i, reason: "BLOCK_SIGNATURES_EXHAUSTED" })),
    );
  });

  test("bytes: what does not fit any more is left out", async () => {
    const data = `0x${"00".repeat(120_000)}` as const;
    const large = await opTransaction(ALICE, 0, { data, gas: 2_000_000n });
    const most = Math.floor(BLOCK_TRANSACTION_BYTES_MAX / large.length);
    const payloads = Array<Uint8Array>(most + 2).fill(large);
    // As many senders, so that each nonce is right.
    const everybody = {
      ...reader(),
      sendersOf: () =>
        Promise.resolve(payloads.map((_, i) => new Address(new Uint8Array(20).fill(i + 1)))),
    };
    const { candidates, skipped } = await select(payloads, 10n ** 12n, everybody);
    expect(candidates.length).toBe(most);
    expect(skipped).toEqual(
      [0, 1].map((i) => ({ index: most + i, reason: "BLOCK_BYTES_EXHAUSTED" })),
    );
  });

  test("nobody's signature is told from a sender without money", async () => {
    const nobody = { ...reader(), sendersOf: () => Promise.resolve([undefined]) };
    const { skipped } = await select([await opTransaction(ALICE, 0)], 30_000_000n, nobody);
    expect(skipped).toEqual([{ index: 0, reason: "BAD_SIGNATURE" }]);
  });
});
