/**
 * Nodes killed at random moments. WEFT_SEED draws other moments; the seed is printed with a failure.
 * Safety is judged from outside: commits and blocks over RPC, and the logs that the nodes leave.
 */
import { createPublicClient, defineChain, type Hex, http, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { EVM_DEV_ACCOUNTS } from "../../sequencer/cli/local-network.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { waitOfNode } from "../../sequencer/cli/wait-of-node.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import {
  createTestNetwork,
  height,
  mapSome,
  range,
  rpc,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { quantiles, startTraffic, type Traffic } from "../support/traffic.ts";
import { lastSigned, placeOf, votesInLogs } from "../support/vote-evidence.ts";

const wantedSeed = process.env["WEFT_SEED"] ?? "1";
const SEED = wantedSeed === "random" ? Math.floor(Math.random() * 2 ** 32) : Number(wantedSeed);
const random = seededRandom(SEED);
/** Each validator so often. */
const ROUNDS = 2;
/** A kill comes this long after a block was seen, at most: about two blocks. */
const MOMENT_MS_MAX = 400;
const RECEIVER = new Uint8Array(20).fill(0x77);
const EVM_RECEIVER = "0x00000000000000000000000000000000000000bb";

let network: TestNetwork;
let transfers: Traffic;
let evm: Traffic;
const evmHashes: Hex[] = [];
const recoveries: number[] = [];

beforeAll(async () => {
  network = await createTestNetwork({ rollups: ["alpha"], followers: ["alpha"] });
  await network.startAll();
  const clients = network.validators.map(({ client }) => client);
  transfers = startTraffic({
    clients,
    key: network.owner,
    senders: 4,
    action: () => ({ kind: "transfer", to: RECEIVER, amount: 1n }),
  });
  evm = startTraffic({ clients, key: network.owner, senders: 1, action: nextEvmAction() });
});
afterEach(async ({ task }) => {
  // What the nodes thought when it failed is gone with them otherwise.
  if (task.result?.state === "fail") process.stderr.write(await network.report());
});
afterAll(() => network.close());

/** One EVM transfer after the other, each with bytes before and after it that are no transaction. */
function nextEvmAction() {
  const account = privateKeyToAccount(EVM_DEV_ACCOUNTS[0].privateKey);
  let nonce = 0;
  return async () => {
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId: Number(rollup().evmChainId),
      to: EVM_RECEIVER,
      value: 1n,
      gas: 21_000n,
      nonce,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1_000_000n,
    });
    nonce += 1;
    evmHashes.push(keccak256(raw));
    const junk = Uint8Array.from({ length: 1 + Math.floor(random() * 64) }, () => random() * 256);
    return rollupData(rollupIdOfName("alpha"), [junk, fromHex(raw.slice(2)), junk]);
  };
}

function rollup(): TestRollup {
  const [found] = network.rollups;
  if (found === undefined) throw new Error("there is no rollup");
  return found;
}

function follower(): TestRollup {
  const [found] = network.followers;
  if (found === undefined) throw new Error("there is no follower");
  return found;
}

function reader(place: TestRollup) {
  return createPublicClient({
    chain: defineChain({
      id: Number(place.evmChainId),
      name: place.name,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [place.rpc] } },
    }),
    transport: http(),
    cacheTime: 0,
  });
}

const validator = (index: number) => validatorAt(network, index);

function others(victim: TestValidator): readonly TestValidator[] {
  return network.validators.filter((place) => place !== victim);
}

/** Lower-case hex of a validator's consensus address. */
function addressOf(place: TestValidator): string {
  return toHex(ed25519Address(readKeyFile(homeAt(place.home).validatorKeyFile).publicKey));
}

/** Lets a random part of a block or two go by. */
async function someMoment(): Promise<void> {
  const ms = random() * MOMENT_MS_MAX;
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Kills a node and starts it again until it is level with the rest and signs; counts the seconds. */
async function recover(victim: TestValidator): Promise<void> {
  const start = performance.now();
  network.start(victim.name);
  const [witness] = others(victim);
  if (witness === undefined) throw new Error("there is no other validator");
  const back = await height(witness);
  await untilHeight([victim], back, RECOVERY_MS_MAX);
  await until(
    `${victim.name} signs again (seed ${SEED})`,
    async () => {
      const { signed_header: last } = await rpc<CommitAnswer>(witness, "commit");
      return Number(last.header.height) > back && signers(last.commit).includes(addressOf(victim));
    },
    RECOVERY_MS_MAX,
  );
  recoveries.push(performance.now() - start);
}

/** Addresses, lower-case hex, whose signature for the block a commit holds. */
function signers(commit: CommitJson): readonly string[] {
  return commit.signatures
    .filter(({ block_id_flag: flag }) => flag === 2)
    .map(({ validator_address: address }) => address.toLowerCase());
}

const RECOVERY_MS_MAX = 40_000;
/** A kill and its recovery take about 5 s; a machine that is busy otherwise takes several times that. */
const KILLS_TIMEOUT_MS = 480_000;

interface CommitJson {
  readonly height: string;
  readonly round: number;
  readonly block_id: { readonly hash: string };
  readonly signatures: readonly {
    readonly block_id_flag: number;
    readonly validator_address: string;
    readonly signature: string | null;
  }[];
}
interface CommitAnswer {
  readonly signed_header: {
    readonly header: { readonly height: string };
    readonly commit: CommitJson;
  };
}
interface BlockAnswer {
  readonly block_id: { readonly hash: string };
  readonly block: { readonly header: { readonly app_hash: string; readonly time: string } };
}

describe(`a network whose nodes are killed at random moments, seed ${SEED}`, () => {
  it(
    "goes on with three of four, and takes the fourth back",
    async () => {
      for (let turn = 0; turn < ROUNDS * network.validators.length; turn++) {
        const victim = validator(turn % network.validators.length);
        await untilHeight([victim], (await height(victim)) + 1);
        await someMoment();
        await network.end(victim.name, "SIGKILL");
        const rest = others(victim);
        const killedAt = Math.max(...(await Promise.all(rest.map(height))));
        await untilHeight(rest, killedAt + 3);
        if (random() < 0.5) {
          // Once more, while it recovers.
          network.start(victim.name);
          await someMoment();
          await someMoment();
          await network.end(victim.name, "SIGKILL");
        }
        await recover(victim);
      }
      expect(recoveries).toHaveLength(ROUNDS * network.validators.length);
    },
    KILLS_TIMEOUT_MS,
  );

  it("stops without three of four, and goes on when they are back", async () => {
    const [a, b] = [validator(1), validator(3)];
    await Promise.all([network.end(a.name, "SIGKILL"), network.end(b.name, "SIGKILL")]);
    const alive = [validator(0), validator(2)];
    // At most one height can still be decided by votes that were sent before.
    const stuck = await until("both stand at one height with their votes cast", async () => {
      const states = await Promise.all(alive.map(roundState));
      const [first] = states;
      const isStuck = states.every(
        (state) => state.height === first?.height && state.step >= PREVOTE_STEP,
      );
      return isStuck ? first?.height : undefined;
    });
    const before = await Promise.all(alive.map(lastBlock));
    const interval = await meanInterval(validator(0));
    await until("ten block times have gone by", async () => {
      const now = await Promise.all(alive.map(lastBlock));
      expect(
        now.map(({ at }) => at),
        `seed ${SEED}`,
      ).toEqual(before.map(({ at }) => at));
      return now.every(({ time }) => Date.now() - time > 10 * interval + 2_000);
    });
    expect(await Promise.all(alive.map(height))).toEqual([stuck - 1, stuck - 1]);
    for (const { rpc: url } of alive) {
      expect(await waitOfNode(url)).toMatch(
        new RegExp(`^height ${stuck} is in round .* missing: .*(${a.name}|${b.name})`),
      );
    }
    const start = performance.now();
    network.start(a.name, b.name);
    await untilHeight(network.validators, stuck + 3, RECOVERY_MS_MAX);
    recoveries.push(performance.now() - start);
  });

  it("gives a killed rollup node the blocks and receipts of one that was not", async () => {
    const seen = evm.committed.length;
    for (let turn = 0; turn < 6; turn++) {
      const before = evm.committed.length;
      await until("a transaction of the rollup", async () => evm.committed.length > before);
      await someMoment();
      await network.end(rollup().process, "SIGKILL");
      network.start(rollup().process);
      if (random() < 0.3) {
        await someMoment();
        await network.end(rollup().process, "SIGKILL");
        network.start(rollup().process);
      }
      await until(
        "the rollup follows again",
        async () => (await fetch(`${rollup().rpc}/readyz`)).ok,
        RECOVERY_MS_MAX,
      );
    }
    await evm.stop();
    expect(evm.committed.length).toBeGreaterThan(seen);
    const last = evmHashes.at(-1);
    if (last === undefined) throw new Error("nothing was sent to the rollup");
    for (const place of [rollup(), follower()]) {
      await until(`${place.process} has the last transaction`, async () => {
        const receipt = await reader(place).getTransactionReceipt({ hash: last });
        return receipt.status === "success";
      });
    }
    const head = await reader(rollup()).getBlockNumber();
    expect(await reader(follower()).getBlockNumber()).toBe(head);
    expect(await hashesOf(rollup(), head)).toEqual(await hashesOf(follower(), head));
    // Every transfer once: the receiver has one wei for each, and the sender's nonce is their number.
    expect(evmHashes).toHaveLength(evm.committed.length);
    expect(await receiptsOf(rollup())).toEqual(await receiptsOf(follower()));
    for (const place of [rollup(), follower()]) {
      expect(await reader(place).getBalance({ address: EVM_RECEIVER }), place.process).toBe(
        BigInt(evmHashes.length),
      );
    }
  });

  it("has lost nothing that was committed, and has one chain on all nodes", async () => {
    await transfers.stop();
    const top = Math.max(...transfers.committed.map((tx) => tx.height)) + 1;
    await untilHeight(network.validators, top);
    const chains = await Promise.all(network.validators.map((place) => chainOf(place, top)));
    for (const [i, chain] of chains.entries()) {
      expect(chain, `validator-${i}, seed ${SEED}`).toEqual(chains[0]);
    }
    for (const place of network.validators) {
      await mapSome([...transfers.committed, ...evm.committed], async (tx) => {
        const found = await until(`${place.name} has indexed ${tx.hash}`, () =>
          rpc<{ height: string; tx_result: { code?: number } }>(place, "tx", {
            hash: Buffer.from(tx.hash, "hex").toString("base64"),
          }),
        );
        expect([Number(found.height), found.tx_result.code ?? 0], tx.hash).toEqual([tx.height, 0]);
      });
      const { balance } = await place.client.account(RECEIVER);
      expect(balance, place.name).toBe(BigInt(transfers.committed.length));
    }
  });

  it("has never signed two votes for one height, round and type", async () => {
    const top = Math.min(...(await Promise.all(network.validators.map(height))));
    const precommits = new Map<string, Set<string>>();
    for (const place of network.validators) {
      const commits = await mapSome(range(1, top), async (at) => {
        const answer = await rpc<CommitAnswer>(place, "commit", { height: String(at) });
        return answer.signed_header.commit;
      });
      for (const commit of commits) {
        for (const { validator_address: address, signature } of commit.signatures) {
          if (signature === null || signature === "") continue;
          const name = placeOf(address, Number(commit.height), commit.round, 2);
          precommits.set(name, (precommits.get(name) ?? new Set()).add(signature));
        }
      }
    }
    await network.stopAll();
    const traces = votesInLogs(network.validators.map(({ home }) => home));
    expect(traces.conflicts, `seed ${SEED}`).toEqual([]);
    for (const place of network.validators) {
      // The reading would be worth nothing if it had read nothing: a prevote or two for most heights.
      const own = [...traces.signatures.keys()].filter((name) => name.startsWith(addressOf(place)));
      expect(own.length, place.name).toBeGreaterThan(top);
    }
    for (const [name, seen] of precommits) {
      const logged = traces.signatures.get(name) ?? new Set<string>();
      const all = new Set([...logged, ...[...seen].map(base64ToHex)]);
      expect([...all], name).toHaveLength(1);
    }
    for (const place of network.validators) {
      const last = lastSigned(place.home);
      const name = placeOf(addressOf(place), last.height, last.round, last.step - 1);
      // Signed and nowhere logged is possible, signed otherwise than logged is not.
      const logged = traces.signatures.get(name) ?? new Set([last.signature]);
      expect([...logged], name).toEqual([last.signature]);
    }
    process.stdout.write(
      `${JSON.stringify({
        seed: SEED,
        recoveryMs: quantiles(recoveries),
        transfers: transfers.committed.length,
        latencyMs: quantiles(transfers.committed.map((tx) => tx.latencyMs)),
        rollupBlocks: evmHashes.length,
        heights: top,
        votes: traces.votes,
        votePlaces: traces.places,
      })}\n`,
    );
  });
});

const PREVOTE_STEP = 4;

async function roundState(place: TestValidator) {
  const { round_state: state } = await rpc<{ round_state: Record<string, string> }>(
    place,
    "consensus_state",
  );
  const [at = 0, round = 0, step = 0] = (state["height/round/step"] ?? "").split("/").map(Number);
  return { height: at, round, step };
}

async function lastBlock(place: TestValidator) {
  const answer = await rpc<{
    sync_info: { latest_block_height: string; latest_block_time: string };
  }>(place, "status");
  const { latest_block_height: at, latest_block_time: time } = answer.sync_info;
  return { at: Number(at), time: Date.parse(time) };
}

/** Milliseconds between the last blocks of a node. */
async function meanInterval(place: TestValidator): Promise<number> {
  const { at, time } = await lastBlock(place);
  const first = Math.max(1, at - 20);
  const { block } = await rpc<BlockAnswer>(place, "block", { height: String(first) });
  return (time - Date.parse(block.header.time)) / (at - first);
}

/** Block and application hashes of a node from the first height to `top`. */
async function chainOf(place: TestValidator, top: number) {
  return await mapSome(range(1, top), async (at) => {
    const { block, block_id: id } = await rpc<BlockAnswer>(place, "block", { height: String(at) });
    return { hash: id.hash, app: block.header.app_hash };
  });
}

async function hashesOf(place: TestRollup, head: bigint): Promise<readonly Hex[]> {
  return await mapSome(range(0, Number(head)), async (number) => {
    const { hash } = await reader(place).getBlock({ blockNumber: BigInt(number) });
    return hash;
  });
}

async function receiptsOf(place: TestRollup) {
  return await Promise.all(evmHashes.map((hash) => reader(place).getTransactionReceipt({ hash })));
}

function base64ToHex(text: string): string {
  return Buffer.from(text, "base64").toString("hex");
}
