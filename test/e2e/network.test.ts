/** The whole network as a user has it: wallets in, receipts out, stopped and started again. */
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  http,
  parseAbi,
  parseEther,
  webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import {
  createTestNetwork,
  height,
  rpc,
  type TestNetwork,
  type TestRollup,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { compileSolidity } from "../support/solidity.ts";

const START_SECONDS_MAX = 30;
const STOP_SECONDS_MAX = 10;
const abi = parseAbi([
  "function count() view returns (uint256)",
  "function raise(uint256 amount)",
  "event Raised(address indexed by, uint256 indexed amount, uint256 count)",
]);
const bytecode = compileSolidity(
  `// SPDX-License-Identifier: Apache-2.0
  pragma solidity ^0.8.20;
  contract Counter {
    uint256 public count;
    event Raised(address indexed by, uint256 indexed amount, uint256 count);
    function raise(uint256 amount) external {
      require(amount < 100, "too much");
      count += amount;
      emit Raised(msg.sender, amount, count);
    }
  }`,
  "Counter",
);
const NOBODY = "0x00000000000000000000000000000000000000aa";

let network: TestNetwork;
let counter: Hex;
/** Transactions and their blocks, to be found again after the restart. */
const receipts: { readonly rollup: TestRollup; readonly hash: Hex; readonly blockHash: Hex }[] = [];

beforeAll(async () => {
  network = await createTestNetwork({
    rollups: ["alpha", "beta"],
    followers: ["alpha"],
    // The pace of `weft dev`.
    config: { "consensus.timeout_commit": "500ms" },
  });
});
afterAll(() => network.close());

function chainOf(rollup: TestRollup) {
  return defineChain({
    id: Number(rollup.evmChainId),
    name: rollup.name,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rollup.rpc], webSocket: [rollup.ws] } },
  });
}

function clientsOf(rollup: TestRollup, account = 0) {
  const chain = chainOf(rollup);
  const owner = EVM_DEV_ACCOUNTS[account];
  if (owner === undefined) throw new Error(`there is no account ${account}`);
  return {
    reader: createPublicClient({ chain, transport: http(), cacheTime: 0 }),
    wallet: createWalletClient({
      chain,
      transport: http(),
      account: privateKeyToAccount(owner.privateKey),
    }),
  };
}

function rollup(index: number): TestRollup {
  const found = network.rollups[index];
  if (found === undefined) throw new Error(`there is no rollup ${index}`);
  return found;
}

/**
 * Asks until there is one. viem's own wait looks once per new block, and passes over a block that comes while
 * it still looks at the one before; on a chain that makes no block without transactions there may be no other.
 */
async function keepReceipt(place: TestRollup, hash: Hex) {
  const { reader } = clientsOf(place);
  const receipt = await until(`there is a receipt of ${hash}`, () =>
    reader.getTransactionReceipt({ hash }),
  );
  expect(receipt.status).toBe("success");
  receipts.push({ rollup: place, hash, blockHash: receipt.blockHash });
  return receipt;
}

async function head(place: TestRollup): Promise<bigint> {
  return await clientsOf(place).reader.getBlockNumber();
}

/** Hashes of a rollup node's blocks, from the genesis block to `target`. */
async function hashesTo(place: TestRollup, target: bigint): Promise<readonly Hex[]> {
  await until(`${place.process} has block ${target}`, async () => (await head(place)) >= target);
  const { reader } = clientsOf(place);
  const numbers = Array.from({ length: Number(target) + 1 }, (_, number) => BigInt(number));
  const blocks = await Promise.all(numbers.map((blockNumber) => reader.getBlock({ blockNumber })));
  return blocks.map(({ hash }) => hash);
}

function follower(): TestRollup {
  const [found] = network.followers;
  if (found === undefined) throw new Error("there is no follower");
  return found;
}

describe("a network of four validators and two EVM rollups", () => {
  it("is up within 30 s", async () => {
    const start = performance.now();
    await network.startAll();
    expect((performance.now() - start) / 1_000).toBeLessThan(START_SECONDS_MAX);
  });

  it("takes an unmodified wallet's contract and gives its receipt, logs and state", async () => {
    const place = rollup(0);
    const { reader, wallet } = clientsOf(place);
    const deployed = await keepReceipt(place, await wallet.deployContract({ abi, bytecode }));
    counter = deployed.contractAddress ?? "0x";
    expect(await reader.getCode({ address: counter })).toMatch(/^0x60/);
    const gas = await reader.estimateContractGas({
      address: counter,
      abi,
      functionName: "raise",
      args: [7n],
      account: wallet.account,
    });
    expect(gas).toBeGreaterThan(21_000n);
    const raised = await keepReceipt(
      place,
      await wallet.writeContract({ address: counter, abi, functionName: "raise", args: [7n] }),
    );
    expect(raised.gasUsed).toBeLessThanOrEqual(gas);
    const logs = await reader.getContractEvents({ address: counter, abi, eventName: "Raised" });
    expect(logs.map(({ args }) => args)).toEqual([
      { by: wallet.account.address, amount: 7n, count: 7n },
    ]);
    expect(await reader.readContract({ address: counter, abi, functionName: "count" })).toBe(7n);
    await expect(
      reader.simulateContract({ address: counter, abi, functionName: "raise", args: [100n] }),
    ).rejects.toThrow("too much");
  });

  it("carries transfers on both rollups, and says what fees were", async () => {
    for (const place of network.rollups) {
      const { reader, wallet } = clientsOf(place, 1);
      const before = await reader.getBalance({ address: wallet.account.address });
      const hash = await wallet.sendTransaction({ to: NOBODY, value: parseEther("1") });
      const receipt = await keepReceipt(place, hash);
      const after = await reader.getBalance({ address: wallet.account.address });
      expect(before - after, place.name).toBe(
        parseEther("1") + receipt.gasUsed * receipt.effectiveGasPrice,
      );
      expect(await reader.getBalance({ address: NOBODY }), place.name).toBe(parseEther("1"));
      const history = await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [50] });
      expect(history.baseFeePerGas.length, place.name).toBeGreaterThan(1);
      expect(history.gasUsedRatio.at(-1), place.name).toBeGreaterThan(0);
    }
  });

  it("pushes heads, logs and pending hashes to subscribers", async () => {
    const place = rollup(0);
    const { wallet } = clientsOf(place);
    const socket = createPublicClient({ chain: chainOf(place), transport: webSocket() });
    const heads: bigint[] = [];
    const amounts: (bigint | undefined)[] = [];
    const stopHeads = socket.watchBlockNumber({
      onBlockNumber: (number) => heads.push(number),
    });
    const stopLogs = socket.watchContractEvent({
      address: counter,
      abi,
      eventName: "Raised",
      onLogs: (logs) => amounts.push(...logs.map(({ args }) => args.amount)),
    });
    // The subscriptions are made in order on one connection: an answer to a later call means they stand.
    const before = await socket.getBlockNumber({ cacheTime: 0 });
    for (const amount of [1n, 2n, 3n]) {
      const hash = await wallet.writeContract({
        address: counter,
        abi,
        functionName: "raise",
        args: [amount],
      });
      await keepReceipt(place, hash);
    }
    await until("three logs came", async () => amounts.length === 3);
    expect(amounts).toEqual([1n, 2n, 3n]);
    const last = await head(place);
    await until("the head came", async () => heads.at(-1) === last);
    expect(heads).toEqual(
      Array.from({ length: Number(last - before) }, (_, i) => before + 1n + BigInt(i)),
    );
    stopHeads();
    stopLogs();
    (await socket.transport.getRpcClient()).close();
  });

  it("runs every transaction of a burst exactly once, in the order of its nonces", async () => {
    const place = rollup(1);
    const { reader, wallet } = clientsOf(place, 2);
    const COUNT = 60;
    const nonces = Array.from({ length: COUNT }, (_, nonce) => nonce);
    const hashes = await Promise.all(
      nonces.map((nonce) => wallet.sendTransaction({ to: NOBODY, value: 1n, nonce, gas: 21_000n })),
    );
    const burst = [];
    for (const hash of hashes) burst.push(await keepReceipt(place, hash));
    const places = burst.map((r) => Number(r.blockNumber) * 100_000 + r.transactionIndex);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(new Set(places).size).toBe(COUNT);
    expect(await reader.getTransactionCount({ address: wallet.account.address })).toBe(COUNT);
    expect(await reader.getBalance({ address: NOBODY })).toBe(parseEther("1") + BigInt(COUNT));
  });

  it("gives a second node of a rollup the very same blocks", async () => {
    const target = await head(rollup(0));
    expect(await hashesTo(follower(), target)).toEqual(await hashesTo(rollup(0), target));
  });

  it("goes on from where it was after all of it was stopped", async () => {
    const before = await Promise.all(network.validators.map(height));
    const heads = await Promise.all(network.rollups.map(head));
    const counts = await Promise.all(network.rollups.map(stateOf));
    const [first] = network.validators;
    if (first === undefined) throw new Error("there is no validator");
    const hashes = new Map<number, string>();
    for (let at = 1; at <= Math.min(...before); at++) hashes.set(at, await hashAt(at));

    const stopStart = performance.now();
    await network.stopAll();
    // By themselves, not by the SIGKILL that ends the grace of 15 s.
    expect((performance.now() - stopStart) / 1_000).toBeLessThan(STOP_SECONDS_MAX);
    await network.startAll();

    const target = Math.max(...before) + 3;
    await untilHeight(network.validators, target);
    for (const [at, hash] of hashes) expect(await hashAt(at), `height ${at}`).toBe(hash);
    // Every height is there once, and each extends the one below.
    for (let at = 2; at <= target; at++) {
      const { block } = await rpc<BlockAnswer>(first, "block", { height: String(at) });
      expect(block.header.last_block_id.hash, `height ${at}`).toBe(await hashAt(at - 1));
    }
    expect(await Promise.all(network.rollups.map(head))).toEqual(heads);
    expect(await Promise.all(network.rollups.map(stateOf))).toEqual(counts);
    for (const { rollup: place, hash, blockHash } of receipts) {
      const receipt = await clientsOf(place).reader.getTransactionReceipt({ hash });
      expect(receipt.blockHash, hash).toBe(blockHash);
    }

    const place = rollup(0);
    const { reader, wallet } = clientsOf(place);
    await keepReceipt(
      place,
      await wallet.writeContract({ address: counter, abi, functionName: "raise", args: [5n] }),
    );
    expect(await reader.readContract({ address: counter, abi, functionName: "count" })).toBe(18n);
    const last = await head(place);
    expect(await hashesTo(follower(), last)).toEqual(await hashesTo(place, last));

    async function hashAt(at: number): Promise<string> {
      if (first === undefined) throw new Error("there is no validator");
      const answer = await rpc<BlockAnswer>(first, "block", { height: String(at) });
      return answer.block_id.hash;
    }
  });
});

interface BlockAnswer {
  readonly block_id: { readonly hash: string };
  readonly block: { readonly header: { readonly last_block_id: { readonly hash: string } } };
}

/** What executing anything twice would change. */
async function stateOf(place: TestRollup) {
  const { reader } = clientsOf(place);
  const block = await reader.getBlock();
  const nonces = await Promise.all(
    EVM_DEV_ACCOUNTS.map(({ address }) => reader.getTransactionCount({ address })),
  );
  return { hash: block.hash, stateRoot: block.stateRoot, nonces };
}
