import { createBlock } from "@ethereumjs/block";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Account, createAddressFromString, hexToBytes } from "@ethereumjs/util";
import { type VM, createVM, runBlock } from "@ethereumjs/vm";
import * as fc from "fast-check";
import {
  type EncodeFunctionDataParameters,
  type Hex,
  encodeFunctionData,
  getContractAddress,
  parseAbi,
} from "viem";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
import type { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { createEvmCommon, evmOptions } from "../../rollup-adapter/evm/genesis.ts";
import {
  ALICE,
  TEST_CHAIN_ID,
  execute,
  openExecutor,
  removeDirectory,
  temporaryDirectory,
  testGenesis,
} from "../support/evm-rollup.ts";
import { compileSolidity } from "../support/solidity.ts";

/** Does everything that is hard on a state cache: clear, overwrite, revert, make, destroy, remake. */
const SOURCE = `
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;
contract Child {
    uint256 public x;
    constructor(uint256 v) payable { x = v; }
    function put(uint256 v) external { x = v; }
    function die(address payable to) external { selfdestruct(to); }
}
contract Lab {
    mapping(uint256 => uint256) public cells;
    uint256[] public list;
    Child public child;
    receive() external payable {}
    function put(uint256 k, uint256 v) external { cells[k] = v; }
    function grow(uint256 v) external { list.push(v); }
    function shrink() external { if (list.length > 0) list.pop(); }
    function failing(uint256 k, uint256 v) external { cells[k] = v; list.push(v); revert("no"); }
    function tryFailing(uint256 k, uint256 v) external {
        try this.failing(k, v) {} catch { cells[k + 1] = v; }
    }
    function make(uint256 v) external { child = new Child(v); }
    function poke(uint256 v) external { if (address(child) != address(0)) child.put(v); }
    function brief(uint256 salt, uint256 v) external payable {
        Child c = new Child{salt: bytes32(salt), value: msg.value}(v);
        c.put(v + 1);
        c.die(payable(address(this)));
    }
    function kill() external {
        if (address(child) != address(0)) child.die(payable(msg.sender));
    }
    function touch(address payable to, uint256 value) external {
        (bool ok, ) = to.call{value: value}("");
        if (!ok) cells[0]++;
    }
}`;
const abi = parseAbi([
  "function put(uint256,uint256)",
  "function grow(uint256)",
  "function shrink()",
  "function failing(uint256,uint256)",
  "function tryFailing(uint256,uint256)",
  "function make(uint256)",
  "function poke(uint256)",
  "function brief(uint256,uint256) payable",
  "function kill()",
  "function touch(address,uint256)",
]);

const small = fc.nat(3).map(BigInt);
const step = fc.oneof(
  fc.tuple(small, small).map(([k, v]) => encode("put", [k, v])),
  small.map((v) => encode("grow", [v])),
  fc.constant(encode("shrink", [])),
  fc.tuple(small, small).map(([k, v]) => encode("failing", [k, v])),
  fc.tuple(small, small).map(([k, v]) => encode("tryFailing", [k, v])),
  small.map((v) => encode("make", [v])),
  small.map((v) => encode("poke", [v])),
  fc.tuple(small, small).map(([salt, v]) => encode("brief", [salt, v])),
  fc.constant(encode("kill", [])),
  fc
    .tuple(fc.nat(2), fc.nat(1))
    .map(([to, value]) => encode("touch", [`0x${"e".repeat(39)}${to}`, BigInt(value)])),
);
const blocks = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 5,
});

type Call = EncodeFunctionDataParameters<typeof abi>;

function encode(functionName: Call["functionName"], args: Call["args"]): Hex {
  const call = { abi, functionName, args } as Call;
  return encodeFunctionData(call);
}

/** The library's own block runner over a state without any cache of ours. */
async function createOracle(): Promise<VM> {
  const common = createEvmCommon({ chainId: BigInt(TEST_CHAIN_ID), hardfork: "prague" });
  const stateManager = new MerkleStateManager({ common });
  for (const { address, balance, nonce, code } of testGenesis().alloc) {
    const at = createAddressFromString(address);
    await stateManager.putAccount(at, new Account(nonce, balance));
    if (code !== "0x") await stateManager.putCode(at, hexToBytes(code));
  }
  return createVM({ common, stateManager, params: {} });
}

async function expectSameBlock(oracle: VM, executor: EvmExecutor): Promise<void> {
  const { header, transactions } = executor.head();
  const options = { ...evmOptions(oracle.common), skipConsensusFormatValidation: true };
  const block = createBlock(
    {
      header,
      transactions: transactions.map((raw) => createTxFromRLP(raw, evmOptions(oracle.common))),
      withdrawals: [],
    },
    options,
  );
  const result = await runBlock(oracle, {
    block,
    generate: true,
    skipHeaderValidation: true,
    skipBlockValidation: true,
  });
  expect({
    stateRoot: toHex(header.stateRoot),
    receiptsRoot: toHex(header.receiptTrie),
    bloom: toHex(header.logsBloom),
    gasUsed: header.gasUsed,
    requestsHash: toHex(header.requestsHash ?? new Uint8Array(0)),
  }).toEqual({
    stateRoot: toHex(result.stateRoot),
    receiptsRoot: toHex(result.receiptsRoot),
    bloom: toHex(result.logsBloom),
    gasUsed: result.gasUsed,
    requestsHash: toHex(result.requestsHash ?? new Uint8Array(0)),
  });
}

describe("state of the EVM rollup", () => {
  test("is what the library computes without our caches, kept open or reopened after every block", async () => {
    const creation = compileSolidity(SOURCE, "Lab");
    const lab = getContractAddress({ from: ALICE.address, nonce: 0n });
    const sign = async (nonce: number, to: Hex | undefined, data: Hex): Promise<Uint8Array> => {
      const text = await ALICE.signTransaction({
        type: "eip1559",
        chainId: TEST_CHAIN_ID,
        nonce,
        to,
        data,
        gas: 3_000_000n,
        maxFeePerGas: 2_000_000_000n,
        maxPriorityFeePerGas: 1n,
      });
      return fromHex(text.slice(2));
    };
    await fc.assert(
      fc.asyncProperty(blocks, async (plan) => {
        const directories = [await temporaryDirectory(), await temporaryDirectory()] as const;
        const steady = await openExecutor(directories[0]);
        const oracle = await createOracle();
        let nonce = 0;
        for (const [i, calls] of [[creation], ...plan].entries()) {
          const payloads: Uint8Array[] = [];
          for (const data of calls) {
            payloads.push(await sign(nonce, nonce === 0 ? undefined : lab, data));
            nonce += 1;
          }
          const answer = await execute(steady, i + 1, payloads);
          expect(answer.skipped).toEqual([]);
          expect(steady.store.receipts(1)?.[0]?.isSuccess).toBe(true);
          await expectSameBlock(oracle, steady);
          const reopened = await openExecutor(directories[1]);
          expect(await execute(reopened, i + 1, payloads)).toEqual(answer);
          await reopened.close();
        }
        await steady.close();
        for (const directory of directories) await removeDirectory(directory);
      }),
      { numRuns: Number(process.env["WEFT_PROPERTY_RUNS"] ?? 6) },
    );
  });
});
