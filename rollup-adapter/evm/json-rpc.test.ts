import { once } from "node:events";
import { connect } from "node:net";
import {
  BaseError,
  type Chain,
  ContractFunctionRevertedError,
  type Hex,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  http,
  parseAbi,
  webSocket,
} from "viem";
import { WebSocket } from "ws";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import {
  ALICE,
  BOB,
  type InstantRollup,
  PAUPER,
  TEST_CHAIN_ID,
  removeDirectory,
  signed,
  startInstantRollup,
  temporaryDirectory,
  testGenesis,
} from "../../test/support/evm-rollup.ts";
import { compileSolidity } from "../../test/support/solidity.ts";
import { RPC_BATCH_MAX } from "../json-rpc/limits.ts";
import type { EvmChain } from "./executor.ts";
import { LOG_RANGE_BLOCKS_MAX, LOG_RESULT_BYTES_MAX, RESUBMISSIONS_MAX } from "./limits.ts";
import type { StoredReceipt } from "./records.ts";
import { collectLogs, findLogs } from "./rpc/logs.ts";

const SOURCE = `
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;
contract Counter {
    uint256 public count;
    mapping(address => uint256) public by;
    event Raised(address indexed by, uint256 indexed amount, uint256 count);
    error TooMuch(uint256 most);
    function raise(uint256 amount) external {
        if (amount > 100) revert TooMuch(100);
        require(amount != 13, "unlucky");
        count += amount;
        by[msg.sender] += amount;
        emit Raised(msg.sender, amount, count);
    }
    function spin() external view returns (uint256 turns) {
        while (gasleft() > 0) turns++;
    }
    function baseFee() external view returns (uint256) { return block.basefee; }
    function previous() external view returns (bytes32) { return blockhash(block.number - 1); }
}`;
const abi = parseAbi([
  "function count() view returns (uint256)",
  "function by(address) view returns (uint256)",
  "function raise(uint256 amount)",
  "function spin() view returns (uint256)",
  "function baseFee() view returns (uint256)",
  "function previous() view returns (bytes32)",
  "event Raised(address indexed by, uint256 indexed amount, uint256 count)",
  "error TooMuch(uint256 most)",
]);
const bytecode = compileSolidity(SOURCE, "Counter");
const BLOCK_GAS = 200_000n;
const ZERO_WORD: Hex = `0x${"0".repeat(64)}`;

let directory: string;
let instant: InstantRollup;
let chain: Chain;

beforeEach(async () => {
  directory = await temporaryDirectory();
  instant = await startInstantRollup(directory);
  chain = chainOf(instant);
});

afterEach(async () => {
  await instant.close();
  await removeDirectory(directory);
});

function chainOf({ rollup }: InstantRollup): Chain {
  return defineChain({
    id: TEST_CHAIN_ID,
    name: "test",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rollup.rpc.url] } },
  });
}

function reader() {
  return createPublicClient({ chain, transport: http(), pollingInterval: 10, cacheTime: 0 });
}

/**
 * Without looking for a replacement: while viem reads a block for that it misses news of the next one, and here there may
 * be none after it.
 */
function receiptOf(hash: Hex) {
  return reader().waitForTransactionReceipt({ hash, checkReplacement: false });
}

function wallet() {
  return createWalletClient({ chain, transport: http(), account: ALICE });
}

async function deploy(): Promise<Hex> {
  const hash = await wallet().deployContract({ abi, bytecode });
  const receipt = await receiptOf(hash);
  return receipt.contractAddress ?? "0x";
}

async function rpc(method: string, params: readonly unknown[] = []): Promise<RpcAnswer> {
  return post({ jsonrpc: "2.0", id: 1, method, params });
}

async function post(body: unknown): Promise<RpcAnswer> {
  const response = await fetch(instant.rollup.rpc.url, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return (await response.json()) as RpcAnswer;
}

interface RpcAnswer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

describe("an unmodified viem wallet", () => {
  test("sends money and gets its receipt", async () => {
    const hash = await wallet().sendTransaction({ to: PAUPER.address, value: 5n });
    const receipt = await receiptOf(hash);
    expect(receipt.status).toBe("success");
    expect(receipt.gasUsed).toBe(21_000n);
    expect(receipt.from.toLowerCase()).toBe(ALICE.address.toLowerCase());
    expect(await reader().getBalance({ address: PAUPER.address })).toBe(5n);
    expect(await reader().getTransactionCount({ address: ALICE.address })).toBe(1);
    const transaction = await reader().getTransaction({ hash });
    expect(transaction.blockNumber).toBe(receipt.blockNumber);
    expect(transaction.type).toBe("eip1559");
    expect(transaction.chainId).toBe(TEST_CHAIN_ID);
    const block = await reader().getBlock({ includeTransactions: true });
    expect(block.transactions.map((tx) => tx.hash)).toEqual([hash]);
    expect(block.hash).toBe(receipt.blockHash);
  });

  test("deploys a contract, calls it, reads its state and its logs", async () => {
    const address = await deploy();
    const contract = { address, abi } as const;
    const hash = await wallet().writeContract({ ...contract, functionName: "raise", args: [7n] });
    const receipt = await receiptOf(hash);
    expect(receipt.status).toBe("success");
    expect(await reader().readContract({ ...contract, functionName: "count" })).toBe(7n);
    const before = receipt.blockNumber - 1n;
    expect(
      await reader().readContract({ ...contract, functionName: "count", blockNumber: before }),
    ).toBe(0n);
    expect((await reader().getCode({ address }))?.length).toBeGreaterThan(100);
    expect(await reader().getStorageAt({ address, slot: "0x0" })).toBe(
      `0x${"07".padStart(64, "0")}`,
    );

    const all = { address, fromBlock: 0n, toBlock: "latest" } as const;
    const logs = await reader().getContractEvents({ abi, eventName: "Raised", ...all });
    expect(logs.map((log) => log.args)).toEqual([{ by: ALICE.address, amount: 7n, count: 7n }]);
    expect(logs[0]?.transactionHash).toBe(hash);
    expect(logs[0]?.logIndex).toBe(0);
    const byTopic = { abi, eventName: "Raised", ...all } as const;
    const args = { by: ALICE.address, amount: [6n, 7n] };
    expect(await reader().getContractEvents({ ...byTopic, args })).toHaveLength(1);
    expect(await reader().getContractEvents({ ...byTopic, args: { by: BOB.address } })).toEqual([]);
    expect(await reader().getLogs({ blockHash: receipt.blockHash })).toHaveLength(1);
    const previous = await reader().readContract({ ...contract, functionName: "previous" });
    expect(previous).toBe((await reader().getBlock({ blockNumber: before })).hash);
  });

  test("understands why a call reverted", async () => {
    const contract = { address: await deploy(), abi, account: ALICE } as const;
    const custom = await reader()
      .simulateContract({ ...contract, functionName: "raise", args: [101n] })
      .catch((error: unknown) => error);
    const cause =
      custom instanceof BaseError && custom.walk((e) => e instanceof ContractFunctionRevertedError);
    expect(cause).toMatchObject({ data: { errorName: "TooMuch", args: [100n] } });
    await expect(
      reader().estimateContractGas({ ...contract, functionName: "raise", args: [13n] }),
    ).rejects.toThrow(/unlucky/);
    const answer = await rpc("eth_call", [{ to: contract.address, data: "0xdeadbeef" }, "latest"]);
    expect(answer.error).toMatchObject({ code: 3, message: "execution reverted", data: "0x" });
  });

  test("a reverted transaction is in a block, with status reverted", async () => {
    const address = await deploy();
    const hash = await wallet().writeContract({
      address,
      abi,
      functionName: "raise",
      args: [101n],
      gas: 100_000n,
    });
    const receipt = await receiptOf(hash);
    expect(receipt.status).toBe("reverted");
    expect(receipt.logs).toEqual([]);
  });

  test("estimates gas that suffices, and not much more", async () => {
    const contract = { address: await deploy(), abi, account: ALICE } as const;
    const gas = await reader().estimateContractGas({
      ...contract,
      functionName: "raise",
      args: [1n],
    });
    const hash = await wallet().writeContract({
      ...contract,
      functionName: "raise",
      args: [1n],
      gas,
    });
    const receipt = await receiptOf(hash);
    expect(receipt.status).toBe("success");
    expect(Number(gas)).toBeLessThan(Number(receipt.gasUsed) * 1.1);
    expect(await reader().estimateGas({ account: ALICE, to: PAUPER.address, value: 1n })).toBe(
      21_000n,
    );
    await expect(
      reader().estimateGas({ account: PAUPER, to: BOB.address, value: 1n }),
    ).rejects.toThrow(/insufficient funds|exceeds the balance/);
  });

  test("learns what to pay", async () => {
    await wallet().sendTransaction({ to: PAUPER.address, value: 1n, maxPriorityFeePerGas: 3n });
    await instant.settled();
    const fees = await reader().estimateFeesPerGas();
    expect(fees.maxFeePerGas).toBeGreaterThan(0n);
    const history = await reader().getFeeHistory({
      blockCount: 5,
      rewardPercentiles: [0, 50, 100],
    });
    expect(history.oldestBlock).toBe(0n);
    expect(history.baseFeePerGas).toHaveLength(3);
    expect(history.reward?.[1]).toEqual([3n, 3n, 3n]);
    expect(history.gasUsedRatio[1]).toBeCloseTo(21_000 / 60_000_000, 9);
    const [next] = history.baseFeePerGas.slice(-1);
    await wallet().sendTransaction({ to: PAUPER.address, value: 1n });
    await instant.settled();
    expect((await reader().getBlock()).baseFeePerGas).toBe(next);
    expect(await reader().getGasPrice()).toBeGreaterThan(0n);
  });

  test("sends an EIP-7702 authorization, and the account has the code", async () => {
    const address = await deploy();
    const authorization = await wallet().signAuthorization({
      account: BOB,
      contractAddress: address,
    });
    const hash = await wallet().sendTransaction({
      authorizationList: [authorization],
      to: BOB.address,
      data: "0x06661abd",
    });
    const receipt = await receiptOf(hash);
    expect(receipt.status).toBe("success");
    expect(await reader().getCode({ address: BOB.address })).toBe(
      `0xef0100${address.slice(2).toLowerCase()}`,
    );
    const transaction = await reader().getTransaction({ hash });
    expect(transaction.authorizationList).toHaveLength(1);
    const next = await createWalletClient({
      chain,
      transport: http(),
      account: BOB,
    }).sendTransaction({
      to: PAUPER.address,
      value: 1n,
    });
    expect((await receiptOf(next)).status).toBe("success");
  });

  test("overrides state, proves state, and lists what a call touches", async () => {
    const address = await deploy();
    const stateOverride = [
      {
        address,
        stateDiff: [{ slot: ZERO_WORD, value: `0x${"2a".padStart(64, "0")}` as const }],
      },
    ];
    const count = { address, abi, functionName: "count" } as const;
    expect(await reader().readContract({ ...count, stateOverride })).toBe(42n);
    expect(await reader().readContract(count)).toBe(0n);
    const proof = await reader().getProof({ address, storageKeys: [ZERO_WORD] });
    expect(proof.accountProof.length).toBeGreaterThan(0);
    expect(proof.address.toLowerCase()).toBe(address);
    const list = await reader().createAccessList({ to: address, data: "0x06661abd" });
    expect(list.accessList).toEqual([{ address, storageKeys: [ZERO_WORD] }]);
  });

  test("may ask what a contract's own messages would do", async () => {
    const address = await deploy();
    const answer = await rpc("eth_call", [
      { from: address, to: address, data: "0x06661abd" },
      "latest",
    ]);
    expect(answer.result).toBe(ZERO_WORD);
  });

  test("subscribes over WebSocket", async () => {
    const address = await deploy();
    const sockets = createPublicClient({
      chain,
      transport: webSocket(instant.rollup.rpc.url.replace("http", "ws"), { reconnect: false }),
    });
    const seen: { heads: bigint[]; amounts: (bigint | undefined)[]; pending: Hex[] } = {
      heads: [],
      amounts: [],
      pending: [],
    };
    const stops = [
      sockets.watchBlocks({ onBlock: (block) => seen.heads.push(block.number), emitMissed: false }),
      sockets.watchContractEvent({
        address,
        abi,
        eventName: "Raised",
        onLogs: (logs) => seen.amounts.push(...logs.map((log) => log.args.amount)),
      }),
      sockets.watchPendingTransactions({
        onTransactions: (hashes) => seen.pending.push(...hashes),
      }),
    ];
    // The subscriptions are in place once a later call on the same socket has been answered.
    await expect.poll(() => sockets.getBlockNumber({ cacheTime: 0 })).toBe(1n);
    const hashes: Hex[] = [];
    for (const amount of [3n, 4n]) {
      const hash = await wallet().writeContract({
        address,
        abi,
        functionName: "raise",
        args: [amount],
      });
      await receiptOf(hash);
      hashes.push(hash);
    }
    await expect.poll(() => seen).toEqual({ heads: [2n, 3n], amounts: [3n, 4n], pending: hashes });
    for (const stop of stops) stop();
    const { socket } = await sockets.transport.getRpcClient().then((client) => client);
    socket.close();
  });
});

describe("finality tags", () => {
  test("safe and finalized follow what the driver says", async () => {
    for (let nonce = 0; nonce < 3; nonce++) await instant.order([await signed(ALICE, { nonce })]);
    const number = async (
      blockTag: "safe" | "finalized" | "earliest" | "latest",
    ): Promise<bigint> => (await reader().getBlock({ blockTag })).number;
    expect([await number("safe"), await number("finalized")]).toEqual([0n, 0n]);
    const { chain: view, executor } = instant.rollup;
    const hash = (at: number): Uint8Array => view.blockHash(at) ?? new Uint8Array(0);
    await executor.setFinality({ safeHash: hash(3), finalizedHash: hash(2) });
    expect([await number("safe"), await number("finalized")]).toEqual([3n, 2n]);
    expect([await number("earliest"), await number("latest")]).toEqual([0n, 3n]);
  });
});

describe("pending transactions", () => {
  test("behavior: count for the pending nonce and are shown until they are in a block", async () => {
    instant.hold(true);
    const hashes = [
      await wallet().sendTransaction({ to: PAUPER.address, value: 1n }),
      await wallet().sendTransaction({ to: PAUPER.address, value: 2n }),
    ];
    const address = ALICE.address;
    expect(await reader().getTransactionCount({ address, blockTag: "pending" })).toBe(2);
    expect(await reader().getTransactionCount({ address })).toBe(0);
    expect(await reader().getTransaction({ hash: hashes[0] ?? "0x" })).toMatchObject({
      blockHash: null,
      blockNumber: null,
    });
    const pending = await reader().getBlock({ blockTag: "pending" });
    expect(pending.transactions).toEqual(hashes);
    instant.hold(false);
    for (const hash of hashes) await receiptOf(hash);
    expect(await reader().getTransactionCount({ address, blockTag: "pending" })).toBe(2);
    expect(await reader().getBalance({ address: PAUPER.address })).toBe(3n);
  });

  test("behavior: a transaction waits for its predecessor, and both arrive in order", async () => {
    const send = async (nonce: number): Promise<RpcAnswer> =>
      rpc("eth_sendRawTransaction", [hexOf(await signed(ALICE, { nonce }))]);
    await send(1);
    await instant.settled();
    expect(instant.rollup.chain.head().number).toBe(0);
    await send(0);
    await expect.poll(() => reader().getTransactionCount({ address: ALICE.address })).toBe(2);
  });

  test("behavior: what a block had no room for is posted again", async () => {
    await instant.close();
    instant = await startInstantRollup(
      `${directory}/small`,
      testGenesis({ gasLimit: BLOCK_GAS.toString() }),
    );
    chain = chainOf(instant);
    instant.hold(true);
    for (const nonce of [0, 1, 2]) {
      const raw = await signed(ALICE, { nonce, gas: BLOCK_GAS / 2n + 1n });
      expect((await rpc("eth_sendRawTransaction", [hexOf(raw)])).error).toBeUndefined();
    }
    const loop = "0x5b5f56"; // JUMPDEST PUSH0 JUMP: uses all the gas it has
    const hog = await BOB.signTransaction({
      type: "eip1559",
      chainId: TEST_CHAIN_ID,
      nonce: 0,
      gas: BLOCK_GAS / 2n,
      data: loop,
      maxFeePerGas: 2_000_000_000n,
    });
    const answer = await instant.order([fromHex(hog.slice(2)), ...instant.waiting.splice(0)]);
    expect(answer.skipped.map(({ reason }) => reason)).toEqual([
      "BLOCK_GAS_EXHAUSTED",
      "NONCE_TOO_HIGH",
      "NONCE_TOO_HIGH",
    ]);
    instant.hold(false);
    await expect.poll(() => reader().getTransactionCount({ address: ALICE.address })).toBe(3);
  });

  test("behavior: what came before its turn waits for it, however many blocks that takes", async () => {
    instant.hold(true);
    for (const nonce of [0, 1, 2]) {
      await rpc("eth_sendRawTransaction", [hexOf(await signed(ALICE, { nonce }))]);
    }
    // The node that has the first one does not get it into a block.
    const [first, ...others] = instant.waiting.splice(0);
    if (first === undefined) throw new Error("the first was posted");
    const { skipped } = await instant.order(others);
    expect(skipped.map(({ reason }) => reason)).toEqual(["NONCE_TOO_HIGH", "NONCE_TOO_HIGH"]);
    for (let block = 0; block <= RESUBMISSIONS_MAX; block++) {
      expect(await reader().getTransactionCount({ address: ALICE.address })).toBe(0);
      // Bytes that could only be skipped again are not paid for.
      expect(instant.waiting, `after ${block} blocks`).toHaveLength(0);
      await instant.order(instant.waiting.splice(0));
    }
    await instant.order([first]);
    await expect.poll(() => instant.waiting.length).toBe(2);
    instant.hold(false);
    await expect.poll(() => reader().getTransactionCount({ address: ALICE.address })).toBe(3);
  });

  test("error: refusals in geth's words", async () => {
    await instant.order([await signed(ALICE, { nonce: 0 })]);
    const send = async (raw: Uint8Array): Promise<string> =>
      (await rpc("eth_sendRawTransaction", [hexOf(raw)])).error?.message ?? "accepted";
    expect(await send(await signed(ALICE, { nonce: 0, value: 5n }))).toMatch(
      /^nonce too low: next nonce 1/,
    );
    // What is executed already was not refused: whoever had no answer asks again.
    expect(await send(await signed(ALICE, { nonce: 0 }))).toBe("accepted");
    expect(await send(await signed(PAUPER, { nonce: 0 }))).toMatch(
      /^insufficient funds for gas \* price \+ value/,
    );
    expect(await send(await signed(ALICE, { nonce: 1, gas: 20_000n }))).toMatch(
      /^intrinsic gas too low/,
    );
    expect(await send(await signed(ALICE, { nonce: 1, gas: 70_000_000n }))).toBe(
      "exceeds block gas limit",
    );
    expect(await send(await signed(ALICE, { nonce: 1, chainId: 1 }))).toMatch(/invalid chain id/);
    expect(await send(Uint8Array.of(0x7e, 1))).toBe("transaction type not supported");
    expect(await send(Uint8Array.of(1, 2, 3))).toMatch(/^invalid transaction/);
    const cheap = { nonce: 1, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n };
    expect(await send(await signed(ALICE, cheap))).toMatch(
      /max fee per gas less than block base fee/,
    );
    instant.hold(true);
    expect(await send(await signed(ALICE, { nonce: 1 }))).toBe("accepted");
    expect(await send(await signed(ALICE, { nonce: 1 }))).toBe("accepted");
    expect(await send(await signed(ALICE, { nonce: 1, value: 9n }))).toBe(
      "replacement transaction underpriced",
    );
    const bumped = { nonce: 1, value: 9n, maxFeePerGas: 3_000_000_000n };
    expect(await send(await signed(ALICE, bumped))).toBe("accepted");
    instant.refuse("the network is full");
    const refused = await rpc("eth_sendRawTransaction", [hexOf(await signed(BOB, { nonce: 0 }))]);
    expect(refused.error).toMatchObject({
      code: -32_003,
      message: "transaction rejected: the network is full",
    });
    instant.refuse(undefined);
    expect(await send(await signed(BOB, { nonce: 0 }))).toBe("accepted");
    await expect(
      wallet().sendTransaction({ to: BOB.address, nonce: 0, gas: 21_000n }),
    ).rejects.toThrow(/lower than the current nonce/);
  });
});

describe("filters", () => {
  test("tell what happened since they were asked", async () => {
    const address = await deploy();
    const logs = (await rpc("eth_newFilter", [{ address }])).result;
    const blocks = (await rpc("eth_newBlockFilter")).result;
    const pending = (await rpc("eth_newPendingTransactionFilter")).result;
    const hash = await wallet().writeContract({ address, abi, functionName: "raise", args: [1n] });
    const receipt = await receiptOf(hash);
    expect((await rpc("eth_getFilterChanges", [blocks])).result).toEqual([receipt.blockHash]);
    expect((await rpc("eth_getFilterChanges", [pending])).result).toEqual([hash]);
    expect((await rpc("eth_getFilterChanges", [logs])).result).toMatchObject([
      { address, transactionHash: hash },
    ]);
    expect((await rpc("eth_getFilterChanges", [logs])).result).toEqual([]);
    expect((await rpc("eth_getFilterLogs", [logs])).result).toHaveLength(1);
    expect((await rpc("eth_uninstallFilter", [logs])).result).toBe(true);
    expect((await rpc("eth_uninstallFilter", [logs])).result).toBe(false);
    expect((await rpc("eth_getFilterChanges", [logs])).error?.message).toBe("filter not found");
  });
});

describe("the protocol", () => {
  test("codes of EIP-1474 and JSON-RPC 2.0", async () => {
    expect((await post("{")).error?.code).toBe(-32_700);
    expect((await post([])).error?.code).toBe(-32_600);
    expect((await post({ id: 1, method: "eth_chainId" })).error?.code).toBe(-32_600);
    expect((await rpc("eth_nothing")).error?.code).toBe(-32_601);
    expect((await rpc("eth_subscribe", ["newHeads"])).error?.code).toBe(-32_601);
    for (const [method, params] of [
      ["eth_getBalance", ["0x12"]],
      ["eth_getBlockByNumber", ["0xzz"]],
      ["eth_getTransactionReceipt", ["0x1234"]],
      ["eth_call", ["0x"]],
      ["eth_getLogs", [{ topics: ["0x1"] }]],
      ["eth_sendRawTransaction", ["123"]],
      ["eth_feeHistory", ["0x1", "latest", [50, 10]]],
    ] as const) {
      expect((await rpc(method, params)).error?.code).toBe(-32_602);
    }
    expect((await rpc("eth_getBalance", [ALICE.address, "0x99"])).error).toMatchObject({
      code: -32_001,
    });
    expect((await rpc("eth_getBlockByNumber", ["0x99"])).result).toBeNull();
    expect((await rpc("net_version")).result).toBe(String(TEST_CHAIN_ID));
    expect((await rpc("eth_syncing")).result).toBe(false);
    expect((await rpc("web3_clientVersion")).result).toMatch(/^weft/);
  });

  test("batches answer in order, up to a limit", async () => {
    const call = (id: number, method: string) => ({ jsonrpc: "2.0", id, method });
    const answers = await post([
      call(1, "eth_chainId"),
      call(2, "nothing"),
      call(3, "net_version"),
    ]);
    expect(answers).toMatchObject([
      { id: 1, result: `0x${TEST_CHAIN_ID.toString(16)}` },
      { id: 2, error: { code: -32_601 } },
      { id: 3, result: String(TEST_CHAIN_ID) },
    ]);
    const many = Array.from({ length: RPC_BATCH_MAX + 1 }, (_, i) => call(i, "eth_chainId"));
    expect((await post(many)).error?.code).toBe(-32_005);
  });

  test("error: a log range that is too wide", async () => {
    const range = { fromBlock: "0x0", toBlock: "latest" };
    expect((await rpc("eth_getLogs", [range])).result).toEqual([]);
    expect((await rpc("eth_getLogs", [{ ...range, fromBlock: "0x9" }])).error?.code).toBe(-32_602);
    const anything = { addresses: [], topics: [] };
    await expect(
      findLogs(instant.rollup.chain, anything, 0, LOG_RANGE_BLOCKS_MAX),
    ).rejects.toMatchObject({ code: -32_005 });
  });

  test("logs with much data come in answers of bounded size", async () => {
    const { chain } = instant.rollup;
    const log = { address: new Uint8Array(20), topics: [], data: new Uint8Array(1 << 20) };
    const bytes = new Uint8Array(32);
    const receipt = { logs: [log], transactionHash: bytes } as unknown as StoredReceipt;
    const genesis = chain.head();
    // One such log in each block: a few would fill any answer.
    const store = {
      block: (number: number) => ({ ...genesis, number, transactions: [bytes] }),
      receipts: () => [receipt],
    };
    const noisy = { ...chain, store } as unknown as EvmChain;
    const everything = { addresses: [], topics: [] };
    const { logs, next } = await collectLogs(noisy, everything, 1, 1_000);
    expect(logs.length).toBe(LOG_RESULT_BYTES_MAX >> 20);
    expect(next).toBe(logs.length + 1);
    await expect(findLogs(noisy, everything, 1, 1_000)).rejects.toMatchObject({ code: -32_005 });
  });

  test("error: a call that uses all its gas", async () => {
    const data = encodeFunctionData({ abi, functionName: "spin" });
    const answer = await rpc("eth_call", [{ to: await deploy(), data, gas: "0xf4240" }]);
    expect(answer.error).toMatchObject({ code: -32_000, message: "out of gas" });
  });

  test("health, CORS and body size", async () => {
    const { url } = instant.rollup.rpc;
    for (const path of ["/livez", "/readyz", "/health"]) {
      expect((await fetch(url + path)).status).toBe(200);
    }
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ headNumber: 0 });
    expect((await fetch(`${url}/other`)).status).toBe(404);
    const big = await fetch(url, { method: "POST", body: "x".repeat(6 << 20) }).then(
      (response) => response.status,
      () => "connection closed",
    );
    expect([413, "connection closed"]).toContain(big);
    const crossed = await fetch(url, { headers: { origin: "https://example.org" } });
    expect(crossed.headers.get("access-control-allow-origin")).toBeNull();
    const socket = new WebSocket(url.replace("http", "ws"), { origin: "https://example.org" });
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_, response) => resolve(response.statusCode));
      socket.on("open", () => resolve("open"));
    });
    expect(status).toBe(403);
    // Resets before it hears of the refusal: the process has to survive that.
    for (let i = 0; i < 10; i++) {
      const { hostname: host, port } = new URL(url);
      const raw = connect({ host, port: Number(port) });
      await once(raw, "connect");
      raw.write(
        "GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      );
      raw.resetAndDestroy();
    }
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});

function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
