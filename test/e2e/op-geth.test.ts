/**
 * A real op-geth follows a rollup: thousands of transactions from viem through the gateway while somebody posts what must
 * not be forwarded, and clients, drivers and the gateway are killed, stopped and restarted. Two independent clients have
 * the same blocks, and so has one that lost everything. `npm run op-geth:soak` runs the long form.
 */
import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createPublicClient, defineChain, http, type PublicClient } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import {
  DEPOSIT_TYPE,
  decodeAttributes,
  encodeDeposit,
} from "../../rollup-adapter/engine-api/l1-attributes.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { Height } from "../../proto/brands.ts";
import {
  createTestNetwork,
  ENTRY,
  mapSome,
  range,
  type TestNetwork,
  type TestRollup,
  until,
  validatorAt,
} from "../support/local-network.ts";
import { isOpGethAway, type OpGeth, startOpGeth } from "../support/op-geth.ts";
import { startTraffic } from "../support/traffic.ts";

const ROLLUP = "op";
const ROLLUP_ID = rollupIdOfName(ROLLUP);
const CHAIN_ID = 9_546;
const WALLETS = 10;
const PER_WALLET = Number(process.env["WEFT_OP_GETH_TRANSACTIONS"] ?? 2_000) / WALLETS;
/** Transactions of the one bundle. */
const BUNDLED = 2;
/** Faults, one after another. */
const FAULTS = Number(process.env["WEFT_OP_GETH_FAULTS"] ?? 6);
/** Until all are executed, faults and a busy machine included. */
const PATIENCE_FOR_ALL_MS = 120_000 + 20_000 * FAULTS + 50 * WALLETS * PER_WALLET;
/** Transactions of a wallet under way at once. */
const WINDOW = 20;
/** An answer of a machine that runs other things too. */
const RPC_TIMEOUT_MS = 30_000;
const TARGET = `0x${"77".repeat(20)}` as const;

const rich = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const wallets = Array.from({ length: WALLETS }, (_, i) =>
  privateKeyToAccount(`0x${(i + 1).toString(16).padStart(64, "b")}`),
);
const thief = privateKeyToAccount(`0x${"99".repeat(32)}`);

/** A node of the rollup with its client. */
interface Place {
  readonly node: TestRollup;
  readonly geth: OpGeth;
  /** Through the gateway, and straight at the client. */
  readonly gateway: PublicClient;
  readonly client: PublicClient;
}

let network: TestNetwork;
let places: readonly Place[];

describe.skipIf(isOpGethAway)("op-geth behind the Engine API", () => {
  beforeAll(async () => {
    network = await createTestNetwork({ validators: 1, rollups: [ROLLUP], followers: [ROLLUP] });
    const [first, second] = [...network.rollups, ...network.followers];
    if (first === undefined || second === undefined) throw new Error("there are two nodes");
    const made = await placeOn(first, ["--chain-id", String(CHAIN_ID), "--fund", rich.address]);
    // The other one's operator has the genesis.json of the first.
    places = [made, await placeOn(second, ["--genesis", genesisFileOf(first)])];
    await network.startAll();
  }, 90_000);
  afterAll(async () => {
    await network?.close();
    await Promise.all((places ?? []).map(({ geth }) => geth.stop("SIGKILL")));
  });

  it(
    "has the same blocks on two clients and after a wipe, whatever is posted and whoever is killed",
    async () => {
      const [first, second] = places;
      if (first === undefined || second === undefined) throw new Error("there are two nodes");
      await fundWallets(first);
      await bundleFor(first);

      const posted = startTraffic({
        clients: network.validators.map(({ client }) => client),
        key: network.owner,
        senders: 1,
        action: hostilePayloads(),
      });
      const started = performance.now();
      const sending = Promise.all(wallets.map((wallet) => sendAll(wallet, first)));
      const disturbing = disturb(first, second);
      const hashes = (await sending).flat();
      await Promise.all(wallets.map((wallet) => untilExecuted(wallet, first))).catch(
        async (error: unknown) => {
          throw new Error(await whatWaits(first), { cause: error });
        },
      );
      const seconds = (performance.now() - started) / 1_000;
      await disturbing;
      await posted.stop();
      process.stderr.write(
        `op-geth: ${hashes.length} transactions executed in ${seconds.toFixed(1)} s with ${FAULTS} faults and ${posted.committed.length} hostile batches; wallets sent again ${rebroadcasts} times\n`,
      );

      const head = Number(await first.client.getBlockNumber());
      await untilNumber(second, head);
      const chain = await blocksOf(first, head);
      expect((await blocksOf(second, head)).map(({ hash }) => hash)).toEqual(
        chain.map(({ hash }) => hash),
      );
      checkChain(chain, hashes);
      expect(await first.client.getBalance({ address: thief.address })).toBe(0n);
      const labels = await Promise.all(
        (["safe", "finalized"] as const).flatMap((blockTag) =>
          [first.gateway, first.client].map((rpc) => rpc.getBlock({ blockTag })),
        ),
      );
      expect(labels.every(({ number }) => number >= BigInt(head))).toBe(true);

      // Everything that the second node and its client had goes; the stream brings it back.
      await network.end(second.node.process, "SIGTERM");
      await second.geth.stop();
      await second.geth.wipe();
      rmSync(rollupHomeAt(second.node.home).dataDir, { recursive: true });
      await second.geth.start();
      network.start(second.node.process);
      const replaying = performance.now();
      await untilNumber(second, head);
      const replaySeconds = (performance.now() - replaying) / 1_000;
      process.stderr.write(
        `op-geth: ${head} blocks replayed in ${replaySeconds.toFixed(1)} s, start of the node included\n`,
      );
      expect((await blocksOf(second, head)).map(({ hash }) => hash)).toEqual(
        chain.map(({ hash }) => hash),
      );
    },
    300_000 + 2 * PATIENCE_FOR_ALL_MS,
  );
});

/** Makes a node of the network one with op-geth, by the command that a team uses. */
async function placeOn(node: TestRollup, genesis: readonly string[]): Promise<Place> {
  const home = rollupHomeAt(node.home);
  const ports = await freePorts(2);
  const [authPort = 0, httpPort = 0] = ports;
  rmSync(home.configFile);
  const validator = validatorAt(network, 0);
  const args = `rollup init ${ROLLUP} --home ${node.home}
    --sequencer-genesis ${homeAt(validator.home).genesisFile} --sequencer ${validator.grpc}
    --rpc-port ${node.rpcPort} --metrics-port ${node.metricsPort}
    --executor engine --engine-url http://127.0.0.1:${authPort}
    --rpc-url http://127.0.0.1:${httpPort}`;
  await promisify(execFile)(process.execPath, [ENTRY, ...args.split(/\s+/), ...genesis]);
  const folder = dirname(home.configFile);
  const geth = await startOpGeth({
    folder: join(node.home, "client"),
    genesis: JSON.parse(readFileSync(genesisFileOf(node), "utf8")) as Record<string, unknown>,
    ports: [authPort, httpPort],
    secretFile: join(folder, "jwt.hex"),
  });
  const chain = defineChain({
    id: CHAIN_ID,
    name: ROLLUP,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [node.rpc] } },
  });
  const at = (url: string) =>
    createPublicClient({
      chain,
      // Every answer is the client's own of now.
      cacheTime: 0,
      transport: http(url, {
        batch: { batchSize: 100 },
        retryCount: 0,
        timeout: RPC_TIMEOUT_MS,
      }),
    });
  return { node, geth, gateway: at(node.rpc), client: at(geth.rpcUrl) };
}

function genesisFileOf({ home }: TestRollup): string {
  return join(dirname(rollupHomeAt(home).configFile), "genesis.json");
}

async function fundWallets({ gateway, client }: Place): Promise<void> {
  for (const [nonce, { address }] of wallets.entries()) {
    await gateway.sendRawTransaction({
      serializedTransaction: await sign(rich, nonce, { to: address, value: 10n ** 20n }),
    });
  }
  const last = wallets[WALLETS - 1];
  await until("the wallets are funded", async () => {
    return (await client.getBalance({ address: last?.address ?? TARGET })) > 0n;
  });
}

/** What a searcher sends is ordered and executed like a wallet's transaction, at its place. */
async function bundleFor({ node, client }: Place): Promise<void> {
  const txs = await Promise.all(Array.from({ length: BUNDLED }, (_, i) => sign(rich, WALLETS + i)));
  const response = await fetch(node.rpc, {
    method: "POST",
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "eth_sendBundle",
      params: [{ txs, privacy: { encrypted: false } }],
    }),
  });
  expect(await response.json()).toHaveProperty("result.bundleHash");
  await until("the bundle is executed", async () => {
    return (await client.getTransactionCount({ address: rich.address })) === WALLETS + BUNDLED;
  });
}

function sign(
  account: PrivateKeyAccount,
  nonce: number,
  fields: { to?: `0x${string}`; value?: bigint; chainId?: number } = {},
): Promise<`0x${string}`> {
  return account.signTransaction({
    type: "eip1559",
    chainId: CHAIN_ID,
    nonce,
    to: TARGET,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 20_000_000_000n,
    maxPriorityFeePerGas: 1n,
    ...fields,
  });
}

/** As a wallet does it: in order, again when the gateway is away, until each was taken. */
async function sendAll(wallet: PrivateKeyAccount, { gateway }: Place): Promise<string[]> {
  const hashes: string[] = [];
  for (let nonce = 0; nonce < PER_WALLET; nonce += WINDOW) {
    const count = Math.min(WINDOW, PER_WALLET - nonce);
    const raws = await Promise.all(
      Array.from({ length: count }, (_, i) => sign(wallet, nonce + i)),
    );
    hashes.push(...(await Promise.all(raws.map((raw) => sendOne(raw, gateway)))));
  }
  return hashes;
}

async function sendOne(
  serializedTransaction: `0x${string}`,
  gateway: PublicClient,
): Promise<string> {
  return until(
    "the gateway takes a transaction",
    () => gateway.sendRawTransaction({ serializedTransaction }),
    PATIENCE_FOR_ALL_MS,
  );
}

/** Sends again what is missing when nothing moves for a while, as a wallet's "speed up" does. */
async function untilExecuted(wallet: PrivateKeyAccount, place: Place): Promise<void> {
  const { address } = wallet;
  let seen = -1;
  let since = performance.now();
  await until(
    `all transactions of ${address} are executed`,
    async () => {
      const count = await place.client.getTransactionCount({ address });
      if (count > seen) [seen, since] = [count, performance.now()];
      else if (performance.now() > since + PATIENCE_MS) {
        since = performance.now();
        rebroadcasts += 1;
        for (let nonce = count; nonce < Math.min(count + WINDOW, PER_WALLET); nonce++) {
          await sendOne(await sign(wallet, nonce), place.gateway);
        }
      }
      return count === PER_WALLET;
    },
    PATIENCE_FOR_ALL_MS,
  );
}

/** For the report of a failure: executed and known to the gateway, of each wallet. */
async function whatWaits({ gateway, client }: Place): Promise<string> {
  const counts = await Promise.all(
    wallets.map(async ({ address }) => {
      const executed = await client.getTransactionCount({ address });
      const known = await gateway.getTransactionCount({ address, blockTag: "pending" });
      return `${executed}/${known}`;
    }),
  );
  return `wallets' nonces, executed/known to the gateway: ${counts.join(" ")}`;
}

let rebroadcasts = 0;
const PATIENCE_MS = 4_000;

/** Everything that a rollup's data may hold and a block may not: in turn, some in each batch. */
function hostilePayloads(): () => Promise<ReturnType<typeof rollupData>> {
  let turn = 0;
  const first = wallets[0] ?? rich;
  return async () => {
    turn += 1;
    const noise = fromHex((turn * 7_919).toString(16).padStart(64, "0").repeat(4));
    const forgery = encodeDeposit(
      {
        heightFirst: Height(1),
        height: Height(turn),
        blockHash: new Uint8Array(32).fill(turn),
        seconds: 0n,
      },
      "jovian",
      ROLLUP_ID,
    );
    const payloads = [
      forgery,
      // A deposit that mints for the thief: source, from, to, mint, value, gas, no system transaction, no data.
      fromHex(
        `7ef852a0${toHex(noise.subarray(0, 32))}94${thief.address.slice(2)}94${thief.address.slice(2)}890fffffffffffffffff8082520880`,
      ),
      Uint8Array.of(3, ...noise.subarray(0, 60)),
      noise,
      new Uint8Array(0),
      fromHex((await sign(rich, WALLETS, { chainId: CHAIN_ID + 1 })).slice(2)),
      fromHex((await sign(first, 0)).slice(2)),
      fromHex((await sign(first, PER_WALLET + turn)).slice(2)),
      fromHex((await sign(thief, 0)).slice(2)),
    ];
    return rollupData(
      ROLLUP_ID,
      payloads.filter(({ length }) => length > 0),
    );
  };
}

/** Ends, cuts off and restarts clients and nodes; the next one when blocks have come since. */
async function disturb(first: Place, second: Place): Promise<void> {
  const faults: readonly (() => Promise<void>)[] = [
    () => restart(second.geth, "SIGKILL"),
    () => restartNode(second.node, "SIGKILL"),
    () => restart(first.geth, "SIGTERM"),
    () => restartNode(first.node, "SIGKILL"),
    () => cut(second.geth),
    () => restart(first.geth, "SIGKILL"),
  ];
  for (let i = 0; i < FAULTS; i++) {
    const before = await first.client.getBlockNumber().catch(() => 0n);
    await until("blocks come", async () => (await first.client.getBlockNumber()) > before, 60_000);
    await faults[i % faults.length]?.();
  }
}

async function restart(geth: OpGeth, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  await geth.stop(signal);
  await geth.start();
}

async function restartNode({ process: name }: TestRollup, signal: "SIGKILL"): Promise<void> {
  await network.end(name, signal);
  network.start(name);
}

/** A client that says nothing while the sequencer goes on. */
async function cut(geth: OpGeth): Promise<void> {
  const { client } = validatorAt(network, 0);
  const { height } = await client.chainInfo();
  geth.suspend();
  await until("the sequencer goes on", async () => (await client.chainInfo()).height > height + 10);
  geth.resume();
}

async function untilNumber({ client }: Place, number: number): Promise<void> {
  await until(
    `a client is at block ${number}`,
    async () => (await client.getBlockNumber()) >= BigInt(number),
    PATIENCE_FOR_ALL_MS,
  );
}

type Block = Awaited<ReturnType<typeof blocksOf>>[number];

function blocksOf({ client }: Place, head: number) {
  // Some at a time: all blocks of a long run are hundreds of megabytes of answers.
  return mapSome(range(0, head), (number) =>
    client.getBlock({ blockNumber: BigInt(number), includeTransactions: true }),
  );
}

/** No gap, no double, nothing but what was signed for this rollup, each block at its place in the order. */
function checkChain(chain: readonly Block[], sent: readonly string[]): void {
  let height = 0;
  const seen = new Set<string>();
  for (const [number, block] of chain.entries()) {
    if (number === 0) continue;
    const [deposit, ...others] = block.transactions;
    expect(Number(deposit?.typeHex), `block ${number} opens with the driver's deposit`).toBe(
      DEPOSIT_TYPE,
    );
    const place = decodeAttributes(fromHex((deposit?.input ?? "0x").slice(2)), ROLLUP_ID);
    expect(place?.heightFirst, `block ${number} comes after the one before`).toBeGreaterThan(
      height,
    );
    height = place?.height ?? Number.NaN;
    expect(`0x${toHex(place?.blockHash ?? new Uint8Array(0))}`).toBe(block.mixHash);
    for (const { hash, typeHex } of others) {
      expect(typeHex, `block ${number} holds signed transactions only`).toBe("0x2");
      expect(seen.has(hash), `${hash} stands once`).toBe(false);
      seen.add(hash);
    }
  }
  expect(seen.size).toBe(WALLETS * (PER_WALLET + 1) + BUNDLED);
  expect(sent.length).toBe(WALLETS * PER_WALLET);
}
