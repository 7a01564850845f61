/** An EVM rollup whose gateway seals: what a wallet sends is ordered before anybody can read it, and executed there. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  hexToBytes,
  http,
  keccak256,
  parseEther,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { createGrpcCaller } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import { type FilledStream, followFilled } from "../support/filled-stream.ts";
import {
  ENTRY,
  rpc,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
} from "../support/local-network.ts";
import { orderFault, takeBack } from "../support/seal-orders.ts";
import { createSealedNetwork, untilKey } from "../support/sealed-network.ts";
import { signAction } from "../support/traffic.ts";

let network: TestNetwork;
let alpha: TestRollup;
let node: TestValidator;
let stream: FilledStream;

beforeAll(async () => {
  network = await createSealedNetwork({
    rollups: ["alpha"],
    followers: ["alpha"],
    seal: true,
    // Two of four, without whose shares nothing is opened.
    faulty: [2, 3],
  });
  await network.startAll();
  const [rollup] = network.rollups;
  const [validator] = network.validators;
  if (rollup === undefined || validator === undefined) throw new Error("no network");
  [alpha, node] = [rollup, validator];
  stream = await followFilled(node, "alpha");
});
afterAll(async () => {
  await stream.close();
  await network.close();
});

function devAccount(index: number): (typeof EVM_DEV_ACCOUNTS)[number] {
  const account = EVM_DEV_ACCOUNTS[index];
  if (account === undefined) throw new Error(`there is no account ${index}`);
  return account;
}

function clients(account: number, place = alpha) {
  const chain = defineChain({
    id: Number(place.evmChainId),
    name: place.name,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [place.rpc] } },
  });
  const transport = http();
  return {
    reader: createPublicClient({ chain, transport, cacheTime: 0 }),
    wallet: createWalletClient({
      chain,
      transport,
      account: privateKeyToAccount(devAccount(account).privateKey),
    }),
  };
}

/** A signed transfer of account `account`, and its hash once it is sent. */
async function signedTransfer(account: number, nonce: number): Promise<Hex> {
  const { wallet } = clients(account);
  return await wallet.signTransaction({
    to: "0x00000000000000000000000000000000000000aa",
    value: parseEther("1"),
    nonce,
    gas: 21_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1n,
    type: "eip1559",
  });
}

async function receiptOf(hash: Hex, place = alpha) {
  const { reader } = clients(0, place);
  return await until(`${place.process} has a receipt of ${hash}`, () =>
    reader.getTransactionReceipt({ hash }),
  );
}

/** A command that succeeds, with `--json`. */
async function weft(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, [ENTRY, "--json", ...args], (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Readonly<Record<string, unknown>>);
      else reject(new Error(stderr));
    });
  });
}

/** Posts data for the rollup in the clear, past its gateway. */
async function postPlainly(data: Uint8Array): Promise<Uint8Array> {
  const { client } = node;
  const action = rollupData(rollupIdOfName("alpha"), [data]);
  const { id, item } = await signAction(client, network.owner, action);
  expect((await client.submit(item)).code).toBe(0);
  return id;
}

/** All items of a block, one after another. */
async function itemsOf(height: number): Promise<Buffer> {
  const { block } = await rpc<{ block: { data: { txs: string[] } } }>(node, "block", {
    height: String(height),
  });
  return Buffer.concat(block.data.txs.map((tx) => Buffer.from(tx, "base64")));
}

it("behavior: a wallet's transaction is sealed, ordered, opened and executed at its place", async () => {
  const { reader } = clients(0);
  const first = await signedTransfer(0, 0);
  // Without a key nothing is sent in the clear instead. Where the key was quicker, there is nothing to see.
  const early = await reader
    .sendRawTransaction({ serializedTransaction: first })
    .catch((error: unknown) => String(error));
  expect(early).toMatch(/^0x|takes none now/);
  if (!early.startsWith("0x")) {
    await untilKey(network.validators);
    await reader.sendRawTransaction({ serializedTransaction: first });
  }
  const sealedPlace = await until("the sealed transaction has its place", async () =>
    stream.places.find(({ isSealed }) => isSealed),
  );
  expect(sealedPlace.status).toBe("OPENED");
  // On a machine that is busy shares may come a round of asking later.
  const filledHeight = sealedPlace.filledHeight ?? 0;
  expect(filledHeight).toBeGreaterThanOrEqual(sealedPlace.height + 2);
  expect((await receiptOf(keccak256(first))).status).toBe("success");
  const caller = createGrpcCaller(node.grpc);
  const asked = { rollupId: rollupIdOfName("alpha"), height: Height(sealedPlace.height) };
  const at = (level: Level) => caller.call(ROLLUP_SERVICE.getBlock, { ...asked, level });
  expect((await at(Level.COMMITTED)).filling).toBeUndefined();
  const { filling } = await at(Level.FILLED);
  expect(filling?.headers).toHaveLength(filledHeight - sealedPlace.height);
  expect(filling?.contents.map(({ position }) => position)).toEqual([sealedPlace.position]);
  caller.close();
  // Neither the block that ordered it nor the one that opened it shows what is in it.
  for (const height of [sealedPlace.height, filledHeight]) {
    expect((await itemsOf(height)).includes(Buffer.from(hexToBytes(first)))).toBe(false);
  }
});

it("attack: what is posted once the order is known comes after it, opened or not", async () => {
  const { reader } = clients(0);
  const from = node.client.chainInfo();
  const second = await signedTransfer(0, 1);
  const rival = await signedTransfer(1, 0);
  const committed = node.client.blocks({
    rollupId: stream.rollupId,
    fromHeight: Height((await from).height + 1),
    level: "committed",
    signal: AbortSignal.timeout(60_000),
  });
  const hash = await reader.sendRawTransaction({ serializedTransaction: second });
  let sealedAt = 0;
  for await (const block of committed) {
    if (block.slice.slice.kind === "absence" || block.slice.slice.entries.length === 0) continue;
    sealedAt = block.height;
    break;
  }
  // The order is final now; nobody can open it yet.
  const plainPlace = await stream.place(await postPlainly(hexToBytes(rival)));
  expect(plainPlace.height).toBeGreaterThan(sealedAt);
  const sealedPlace = stream.places.findLast(({ isSealed }) => isSealed);
  expect(sealedPlace).toMatchObject({ height: sealedAt, status: "OPENED" });
  const receipt = await receiptOf(hash);
  const plain = await receiptOf(keccak256(rival));
  expect(plain.blockNumber).toBeGreaterThan(receipt.blockNumber);
  // A second node of the rollup, which seals nothing itself, has the same chain.
  const [follower] = network.followers;
  if (follower === undefined) throw new Error("no follower");
  expect((await receiptOf(hash, follower)).blockHash).toBe(receipt.blockHash);
  expect((await receiptOf(keccak256(rival), follower)).blockHash).toBe(plain.blockHash);
});

it("behavior: what nobody opened in time is void, and the gateway sends it again", async () => {
  const { reader } = clients(0);
  const abstainers = network.validators.slice(2);
  for (const validator of abstainers) orderFault(validator, { fault: "abstain" });
  const third = await signedTransfer(0, 2);
  const before = stream.places.length;
  const sealedSince = () => stream.places.slice(before).filter(({ isSealed }) => isSealed);
  await reader.sendRawTransaction({ serializedTransaction: third });
  const place = await until("the sealed transaction is given up", async () => sealedSince()[0]);
  expect(place.status).toBe("EXPIRED");
  expect(await reader.getTransactionCount({ address: devAccount(0).address })).toBe(2);
  for (const validator of abstainers) takeBack(validator);
  expect((await receiptOf(keccak256(third))).status).toBe("success");
  await until("its second place is there", async () => sealedSince()[1]);
  expect(sealedSince().map(({ status }) => status)).toEqual(["EXPIRED", "OPENED"]);
});

it("behavior: the command line seals a raw Ethereum transaction, and is told so when it would commit one", async () => {
  const at = ["--node", node.grpc, "--from", network.ownerKeyFile] as const;
  const third = await signedTransfer(2, 0);
  const sealed = await weft("tx", "seal", "alpha", third, ...at);
  expect(sealed).toMatchObject({ state: "committed", sealing: { state: "opened" } });
  expect(sealed).not.toHaveProperty("seed");
  expect((await receiptOf(keccak256(third))).status).toBe("success");
  const folder = mkdtempSync(join(tmpdir(), "weft-commit-"));
  try {
    const file = join(folder, "commit.json");
    const commit = weft("tx", "commit", "alpha", "0x01", "--out", file, ...at);
    await expect(commit).rejects.toThrow(
      /key \d+ is in force: send it sealed, as weft tx seal does/,
    );
    // What the node refused holds no bond, and its file would only be in the way.
    expect(existsSync(file)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
