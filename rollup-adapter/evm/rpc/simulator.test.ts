import { KECCAK256_RLP } from "@ethereumjs/util";
import { describe, expect, test } from "vitest";
import { RPC_CODE } from "../../json-rpc/errors.ts";
import { createEvmCommon } from "../genesis.ts";
import { type ReadNode, StateDb } from "../state-db.ts";
import { stateOverridesParam } from "./overrides.ts";
import { callParam } from "./params.ts";
import { Simulator, type SimulationPlace } from "./simulator.ts";

const account = `0x${"aa".repeat(20)}`;
const contract = `0x${"c0".repeat(20)}`;
const to = `0x${"11".repeat(20)}`;
const balance = "0xde0b6b3a7640000";
const overrides = stateOverridesParam(
  { [account]: { balance }, [contract]: { balance, code: "0x00" } },
  "overrides",
);

const PLACE: SimulationPlace = {
  stateRoot: KECCAK256_RLP,
  environment: {
    number: 1,
    timestampSeconds: 1_700_000_000n,
    feeRecipient: new Uint8Array(20),
    gasLimit: 15_000_000n,
    baseFeePerGas: 1_000n,
    prevRandao: new Uint8Array(32),
    parentBeaconBlockRoot: new Uint8Array(32),
    excessBlobGas: 0n,
    extraData: new Uint8Array(0),
    withdrawals: [],
  },
  parentHash: new Uint8Array(32),
  ...(overrides === undefined ? {} : { stateOverrides: overrides }),
};

function simulator(read: ReadNode = () => undefined): Simulator {
  return new Simulator({
    common: createEvmCommon({ chainId: 7n, hardfork: "prague" }),
    db: new StateDb(read),
    blockHash: () => undefined,
  });
}

describe.each(["call", "estimateGas", "accessList"] as const)("%s", (method) => {
  const run = (call: object) => simulator()[method](callParam(call, "call"), PLACE);

  test.each([
    { from: account, to, gasPrice: "0x1" },
    { from: account, to, maxFeePerGas: "0x1" },
    { from: contract, to, maxFeePerGas: "0x1" },
  ])("error: says that a price is below the block's: $from", async (call) => {
    await expect(run(call)).rejects.toMatchObject({
      code: RPC_CODE.SERVER,
      message: `max fee per gas less than block base fee: address ${call.from}, maxFeePerGas: 1, baseFee: 1000`,
    });
    await expect(run({ ...call, gasPrice: "0x3e8", maxFeePerGas: null })).resolves.toBeDefined();
  });

  test.each([
    ["tip", { maxFeePerGas: "0x7d0", maxPriorityFeePerGas: "0x7d1" }],
    ["authorization", { authorizationList: ["0x"] }],
    ["nonce", { nonce: `0x${"ff".repeat(10)}` }],
    ["init code", { to: null, data: `0x${"5b".repeat(60_000)}` }],
  ])("error: names what no transaction may have: %s", async (_, fields) => {
    for (const from of [account, contract]) {
      await expect(run({ from, to, ...fields }), from).rejects.toMatchObject({
        code: RPC_CODE.SERVER,
        message: expect.stringMatching(/^invalid transaction: ./),
      });
    }
  });
});

test("error: a failed read is not the caller's fault", async () => {
  const failure = new Error("the disk is gone");
  const call = simulator(() => {
    throw failure;
  }).call(callParam({ from: account, to }, "call"), { ...PLACE, stateRoot: new Uint8Array(32) });
  await expect(call).rejects.toBe(failure);
});
