import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
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
import { isOpGethAway, startOpGeth } from "../../test/support/op-geth.ts";
import type { EngineClient } from "./engine-client.ts";
import { type OpGenesisDocument, readOpGenesis } from "./genesis-file.ts";
import { encodeAttributes } from "./l1-attributes.ts";

const ALICE = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const L1_BLOCK = `0x42${"0".repeat(36)}15` as const;
const PASSER = `0x42${"0".repeat(36)}16` as const;
const VAULT = `0x42${"0".repeat(36)}11` as const;
const DEPOSITOR = "deaddeaddeaddeaddeaddeaddeaddeaddead0001";
const SLOTS = [0n, 32n, 64n, 96n, 128n, 160n] as const;

/** SSTORE(slot, CALLDATALOAD(slot)) of each, and the caller at slot 0xff. */
const RECORDER = `0x${SLOTS.map((at) => at.toString(16).padStart(2, "0"))
  .map((at) => `60${at}356101${at}55`)
  .join("")}3360ff5500`;
/** SSTORE(NUMBER, TIMESTAMP). */
const CLOCK = "0x42435500";

/** What a team brings: OP Stack's predeploys with storage, another fee rule, gas limit and fee recipient. */
async function ownGenesis(fork: "isthmus" | "jovian"): Promise<OpGenesisDocument> {
  const { document } = await opTestGenesis([ALICE]);
  const config = { ...(document["config"] as Record<string, unknown>) };
  if (fork === "isthmus") delete config["jovianTime"];
  const rule = "000000fa00000006";
  return {
    ...document,
    config: {
      ...config,
      optimism: { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 },
    },
    extraData: fork === "isthmus" ? `0x00${rule}` : `0x01${rule}0000000000000000`,
    gasLimit: "60000000",
    coinbase: VAULT,
    alloc: {
      ...(document["alloc"] as Record<string, unknown>),
      // As op-deployer writes them: with and without 0x, padded or not, with slots of 0.
      [L1_BLOCK.slice(2)]: { balance: "0x0", nonce: "0x1", code: RECORDER },
      [PASSER]: {
        balance: "12345678901234567890123",
        code: CLOCK,
        storage: {
          [`0x${"36".repeat(32)}`]: `0x${"00".repeat(12)}${"c0".repeat(20)}`,
          "0x01": "0x0007",
          "0x02": `0x${"00".repeat(32)}`,
        },
      },
      "0x00000000000000000000000000000000000000EE": { balance: "1", storage: { "0x05": "0x06" } },
    },
  };
}

describe("a genesis.json that a team brings", () => {
  test.skipIf(isOpGethAway).each(["isthmus", "jovian"] as const)(
    "of %s with predeploys: op-geth has the hash, runs the deposit, and its header has the withdrawals' root",
    async (fork) => {
      const folder = await mkdtemp(join(tmpdir(), "weft-op-geth-own-"));
      const genesis = await readOpGenesis(await ownGenesis(fork));
      expect(genesis.chainId).toBe(BigInt(OP_CHAIN_ID));
      const geth = await startOpGeth({ folder, genesis: genesis.document });
      try {
        const client = engineClientOf(geth);
        expect(toHex((await client.block(0))?.hash ?? new Uint8Array(0))).toBe(toHex(genesis.hash));
        const executor = openEngineExecutor(client, genesis, folder);
        await executor.init(OP_INIT);
        const move = await opTransaction(ALICE, 0, { to: PASSER, gas: 100_000n });
        await executor.executeBlock(quarterSecond(1, [move]));
        const made = await executor
          .executeBlock(quarterSecond(4, []))
          .catch((error: unknown) => error);
        expect(made).toMatchObject({ code: "EXECUTION_HEIGHT_GAP" });
        for (const height of [2, 3]) await executor.executeBlock(quarterSecond(height, []));
        const block = await executor.executeBlock(quarterSecond(4, []));
        expect(block).toMatchObject({ outcome: "block", number: 1, included: 1, skipped: [] });
        await checkBlock(geth.rpcUrl, fork);
        await executor.close();
      } finally {
        await geth.stop("SIGKILL");
        await rm(folder, { recursive: true, force: true });
      }
    },
    90_000,
  );

  test("error: every problem is named", async () => {
    const genesis = await ownGenesis("jovian");
    const config = genesis["config"] as Record<string, unknown>;
    const refusals: [OpGenesisDocument, RegExp][] = [
      [{}, /config: .*\n.*gasLimit: .*\n.*difficulty: .*\n.*alloc: /],
      [{ ...genesis, config: { ...config, isthmusTime: null } }, /isthmusTime: must be active/],
      [
        { ...genesis, config: { ...config, jovianTime: 4e9 } },
        /jovianTime: an upgrade after block 0/,
      ],
      [{ ...genesis, config: { ...config, karstTime: 0 } }, /karstTime: this driver does not know/],
      [{ ...genesis, config: { ...config, optimism: undefined } }, /config.optimism: /],
      [{ ...genesis, extraData: "0x" }, /extraData: expected .* of jovian/],
      [
        { ...genesis, extraData: `0x00${"00000001".repeat(2)}` },
        /extraData: expected .* of jovian/,
      ],
      [{ ...genesis, alloc: { "0x12": { balance: "0x0" } } }, /alloc\.0x12: /],
      [{ ...genesis, alloc: { [PASSER]: {} } }, /alloc\..*\.balance: /],
      [{ ...genesis, alloc: { [PASSER]: { balance: 2 ** 60 } } }, /alloc\..*\.balance: /],
      [{ ...genesis, stateHash: `0x${"11".repeat(32)}` }, /stateHash: /],
    ];
    for (const [document, problem] of refusals) {
      const refused = readOpGenesis(document);
      await expect(refused, String(problem)).rejects.toThrow(problem);
      await expect(refused).rejects.toMatchObject({ code: "ENGINE_API_GENESIS_INVALID" });
    }
  });
});

test("a client that is no OP Stack client is told by the methods that it lacks", async () => {
  const { createEngineClient } = await import("./engine-client.ts");
  const offered = ["engine_forkchoiceUpdatedV3", "engine_getPayloadV3", "engine_newPayloadV3"];
  const client: EngineClient = createEngineClient({
    call: (method) => {
      expect(method).toBe("engine_exchangeCapabilities");
      return Promise.resolve(offered);
    },
    batch: () => Promise.reject(new Error("not asked")),
  });
  const genesis = await opTestGenesis([]);
  const executor = openEngineExecutor(client, genesis, tmpdir());
  await expect(executor.init(OP_INIT)).rejects.toThrow(
    /does not offer engine_getPayloadV4, engine_newPayloadV4: expected an OP Stack client/,
  );
});

/** Block 1 as anybody sees it on op-geth's own RPC. */
async function checkBlock(url: string, fork: "isthmus" | "jovian"): Promise<void> {
  const rpc = createPublicClient({ transport: http(url) });
  const block = await ask<Readonly<Record<string, unknown>>>(url, "eth_getBlockByNumber", [
    "0x1",
    false,
  ]);
  const { storageHash } = await rpc.getProof({ address: PASSER, storageKeys: [] });
  expect(block["withdrawalsRoot"]).toBe(storageHash);
  expect(block["miner"]).toBe(VAULT);
  expect(block["gasLimit"]).toBe("0x3938700");
  // The rule of the base fee goes on as the genesis has it (Holocene; Jovian adds the minimum).
  const rule = "000000fa00000006";
  expect(block["extraData"]).toBe(
    fork === "isthmus" ? `0x00${rule}` : `0x01${rule}${"0".repeat(16)}`,
  );
  // The deposit ran: the contract saw the depositor and the attributes of the sequencer's block.
  const { sequencerBlockHash, timestamp } = quarterSecond(3, []);
  const place = {
    heightFirst: OP_INIT.sequencerStartHeight,
    height: quarterSecond(3, []).sequencerHeight,
    blockHash: sequencerBlockHash,
    seconds: timestamp.seconds,
  };
  const attributes = toHex(encodeAttributes(place, fork, fromHex(OP_ROLLUP_ID)));
  const at = async (slot: bigint) =>
    (await rpc.getStorageAt({ address: L1_BLOCK, slot: `0x${slot.toString(16)}` }))?.slice(2);
  expect(await at(0xffn)).toBe(DEPOSITOR.padStart(64, "0"));
  const words = await Promise.all(SLOTS.map((slot) => at(0x100n + slot)));
  expect(words.join("").slice(0, attributes.length)).toBe(attributes);
  const [deposit] = await ask<readonly unknown[]>(url, "eth_getBlockReceipts", ["0x1"]);
  expect(deposit).toMatchObject({ status: "0x1", type: "0x7e" });
}

async function ask<T>(url: string, method: string, params: readonly unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return ((await response.json()) as { readonly result: T }).result;
}
