/**
 * The validator set of a running network is whoever has stake: who stays down is jailed and comes back, a
 * fresh node joins with a transaction and leaves again, the set shrinks to one and grows, while transactions
 * come in and a light client follows.
 */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { BondStatus } from "../../proto/codec/staking-state.ts";
import {
  DELEGATIONS,
  delegationKey,
  EPOCH,
  VALIDATOR_REWARDS,
} from "../../sequencer/app/state/tables.ts";
import { createFollowerFiles } from "../../sequencer/cli/follower-files.ts";
import { freeBasePorts } from "../../sequencer/cli/free-ports.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import { readOrCreateKeyFile } from "../../sequencer/ports/key-file.ts";
import { type RunningChild, startChild } from "../support/child-process.ts";
import {
  act,
  type Actor,
  creation,
  eventsAt,
  followLight,
  type FollowingLight,
  fund,
  keysOf,
  type LiveKeys,
  recordOf,
  requireRecord,
  signersOf,
  supplyOf,
  validatorOf,
  votersAt,
} from "../support/live-stake.ts";
import {
  createTestNetwork,
  ENTRY,
  height,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { startTraffic, type Traffic } from "../support/traffic.ts";

const TIMEOUT_MS = 120_000;
const CHAIN_ID = "weft-e2e";
const EPOCH_BLOCKS = 6;
const WINDOW_BLOCKS = 12;
/** Each validator of genesis has power 10. */
const GENESIS_TOKENS = 10_000_000n;
/** Makes power 14 of 44: the others still have more than two thirds without it. */
const DELEGATED = 4_000_000n;
const FUNDS = 1_000_000_000_000n;
const RECEIVER = new Uint8Array(20).fill(0x5a);

let network: TestNetwork;
let light: FollowingLight;
let traffic: Traffic | undefined;

beforeAll(async () => {
  network = await createTestNetwork({
    params: {
      epoch_length: EPOCH_BLOCKS,
      signed_window: WINDOW_BLOCKS,
      min_signed_bps: 5_000,
      downtime_jail_seconds: 1,
    },
  });
  await network.startAll();
  await untilHeight(network.validators, 3);
  await fund(
    owner(),
    network.validators.map((place) => keysOf(place).operator),
    FUNDS,
  );
  light = await followLight(CHAIN_ID, network.validators, 2);
}, TIMEOUT_MS);
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(await network.report());
  await traffic?.stop();
  traffic = undefined;
});
afterAll(async () => {
  await light.close();
  await network.close();
});

const owner = (): Actor => ({
  clients: network.validators.map((one) => one.client),
  key: network.owner,
});

const validator = (index: number) => validatorAt(network, index);

function operatorOf({ application }: LiveKeys, clients = owner().clients): Actor {
  return { clients, key: application };
}

/** Transfers without end through nodes that stay. */
function load(nodes: readonly TestValidator[]): Traffic {
  traffic = startTraffic({
    clients: nodes.map(({ client }) => client),
    key: network.owner,
    senders: 3,
    action: () => ({ kind: "transfer", to: RECEIVER, amount: 1n }),
  });
  return traffic;
}

/** Resolves with the first height from `from` on whose voters are as wanted. */
async function untilVoters(
  node: TestValidator,
  what: string,
  isWanted: (voters: ReadonlyMap<string, bigint>) => boolean,
): Promise<number> {
  return await until(
    what,
    async () => {
      const at = await height(node);
      return isWanted(await votersAt(node, at)) ? at : undefined;
    },
    TIMEOUT_MS / 2,
  );
}

/** The light client verifies up to now and has seen the same voters as the node. */
async function expectLightFollows(node: TestValidator): Promise<void> {
  const { signedHeader, validatorSet } = await light.light.update();
  const voters = await votersAt(node, signedHeader.header.height);
  expect(
    new Map(
      validatorSet.validators.map(({ address, votingPower }) => [toHex(address), votingPower]),
    ),
  ).toEqual(voters);
}

describe("a validator that stays down", () => {
  it(
    "is jailed after the window, comes back with unjail, and keeps its rewards",
    async () => {
      const down = validator(3);
      const others = network.validators.slice(0, 3);
      const [watch] = others;
      if (watch === undefined) throw new Error("there are others");
      const keys = keysOf(down);
      const address = keys.consensusAddress;
      await act(owner(), { kind: "delegate", validator: fromHex(address), amount: DELEGATED });
      load(others);
      await until("it has earned", async () => {
        const rewards = await recordOf(watch, VALIDATOR_REWARDS, address);
        return (rewards?.outstanding ?? 0n) > 0n;
      });

      await network.end(down.name, "SIGTERM");
      const jailed = await until(
        "it is jailed",
        async () => {
          const state = await validatorOf(watch, address);
          return state.jailed ? state : undefined;
        },
        TIMEOUT_MS / 2,
      );
      expect(jailed).toMatchObject({
        power: 0n,
        status: BondStatus.UNBONDING,
        tombstoned: false,
        downtimeJails: 1,
        // Downtime costs no stake by default.
        tokens: GENESIS_TOKENS + DELEGATED,
      });
      // The block after the one that it missed jails it, and tells the engine; two heights later it is out.
      const at = jailed.downtimeHeight + 1;
      await untilHeight(others, at + 3);
      expect((await votersAt(watch, at + 1)).has(address)).toBe(true);
      expect((await votersAt(watch, at + 2)).has(address)).toBe(false);
      expect(await eventsAt(watch, at)).toContainEqual(
        expect.objectContaining({
          type: "jail",
          attributes: expect.objectContaining({ validator: address.toUpperCase() }),
        }),
      );

      // Whoever is out earns nothing, and loses nothing of what it has earned.
      const kept = await requireRecord(watch, VALIDATOR_REWARDS, address);
      expect(kept.outstanding).toBeGreaterThan(0n);
      await untilHeight(others, (await height(watch)) + 3);
      const later = await requireRecord(watch, VALIDATOR_REWARDS, address);
      expect(later.outstanding).toBe(kept.outstanding);

      network.start(down.name);
      await untilHeight([down], await height(watch), TIMEOUT_MS / 2);
      await until("its time is over", async () => {
        const { sync_info: sync } = await rpc<{ sync_info: { latest_block_time: string } }>(
          watch,
          "status",
        );
        return Date.parse(sync.latest_block_time) >= jailed.jailedUntilSeconds * 1_000;
      });
      const out = await act(operatorOf(keys), { kind: "unjail", validator: fromHex(address) });
      const back = await untilVoters(watch, "it is in the set again", (set) => set.has(address));
      expect(back).toBeGreaterThan(out.height);
      expect((await votersAt(watch, back)).get(address)).toBe(14n);
      await until("it signs again", async () => {
        return (await signersOf(watch, (await height(watch)) - 1)).has(address);
      });

      const paid = await act(owner(), { kind: "withdrawRewards", validator: fromHex(address) });
      await untilHeight([watch], paid.height);
      const events = await eventsAt(watch, paid.height);
      const withdrawn = events.find(({ type }) => type === "withdraw_rewards");
      expect(withdrawn?.attributes["validator"]).toBe(address.toUpperCase());
      expect(BigInt(withdrawn?.attributes["amount"] ?? 0)).toBeGreaterThan(0n);
      await expectLightFollows(watch);
    },
    TIMEOUT_MS,
  );
});

describe("under load", () => {
  let fresh: RunningChild | undefined;
  afterAll(async () => {
    fresh?.signal("SIGTERM");
    await fresh?.ended;
  });

  it(
    "a fresh node becomes a validator, votes, and leaves with all it has",
    async () => {
      const watch = validator(0);
      const sent = load(network.validators);
      const home = join(network.root, "late");
      const [ports] = await freeBasePorts(1);
      if (ports === undefined) throw new Error("there are ports");
      const peers = network.validators.map(
        (one) => `${loadOrCreateNodeKey(homeAt(one.home).nodeKeyFile).id}@127.0.0.1:${one.p2pPort}`,
      );
      const { genesisFile } = homeAt(watch.home);
      await createFollowerFiles({
        home,
        genesisFile,
        config: {
          moniker: "late",
          "rpc.laddr": `tcp://127.0.0.1:${ports.rpc}`,
          "grpc.laddr": `tcp://127.0.0.1:${ports.grpc}`,
          "p2p.laddr": `tcp://127.0.0.1:${ports.p2p}`,
          "p2p.persistent_peers": peers.join(","),
          "p2p.allow_duplicate_ip": true,
          "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${ports.metrics}`,
          "consensus.timeout_commit": "100ms",
        },
      });
      readOrCreateKeyFile(homeAt(home).validatorKeyFile);
      readOrCreateKeyFile(homeAt(home).applicationKeyFile);
      fresh = startChild(process.execPath, [ENTRY, "start", "--home", home], {
        logFile: join(home, "node.log"),
      });
      const keys = keysOf({ home });
      const { consensusAddress: address, operator } = keys;
      await fund(owner(), [operator], FUNDS);
      const late = { name: "late", rpc: `http://127.0.0.1:${ports.rpc}` };
      await until(
        "the fresh node has caught up",
        async () => {
          const { sync_info: sync } = await rpc<{ sync_info: { catching_up: boolean } }>(
            late,
            "status",
          );
          return !sync.catching_up;
        },
        TIMEOUT_MS / 2,
      );

      const created = await act(
        operatorOf(keys),
        creation(CHAIN_ID, keys, { selfDelegation: 15_500_000n }),
      );
      const joined = await untilVoters(watch, "it is in the set", (set) => set.has(address));
      // Not before the epoch in which it was created is over.
      const before = await votersAt(watch, created.height + 1);
      expect(before.has(address)).toBe(false);
      expect((await votersAt(watch, joined)).get(address)).toBe(15n);
      await until("it signs", async () => {
        return (await signersOf(watch, (await height(watch)) - 1)).has(address);
      });
      await expectLightFollows(watch);

      await act(operatorOf(keys), {
        kind: "retireValidator",
        validator: fromHex(address),
        retired: true,
      });
      const left = await untilVoters(watch, "it is out", (set) => !set.has(address));
      expect(await validatorOf(watch, address)).toMatchObject({
        status: BondStatus.UNBONDING,
        retired: true,
        jailed: false,
        power: 0n,
      });
      await act(operatorOf(keys), {
        kind: "undelegate",
        validator: fromHex(address),
        amount: 15_500_000n,
      });
      expect(await recordOf(watch, DELEGATIONS, delegationKey(address, operator))).toBeUndefined();
      await untilHeight(network.validators, left + 3);
      await expectLightFollows(watch);
      expect(sent.committed.length).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );

  it(
    "the set shrinks to one validator and grows again, and blocks go on",
    async () => {
      const [watch, ...leaving] = network.validators;
      if (watch === undefined) throw new Error("there are validators");
      const sent = load(network.validators);
      const all = network.validators.map((place) => keysOf(place).consensusAddress);
      const mine = keysOf(watch).consensusAddress;
      const supply = await supplyOf(watch);
      for (const retired of [true, false]) {
        for (const place of leaving) {
          const keys = keysOf(place);
          const address = fromHex(keys.consensusAddress);
          await act(operatorOf(keys), { kind: "retireValidator", validator: address, retired });
        }
        const wanted = retired ? [mine] : all;
        const at = await untilVoters(
          watch,
          `the set has ${wanted.length}`,
          (set) => set.size === wanted.length,
        );
        expect([...(await votersAt(watch, at)).keys()].toSorted()).toEqual(wanted.toSorted());
        const committed = sent.committed.length;
        await untilHeight(network.validators, at + EPOCH_BLOCKS);
        expect((await signersOf(watch, at + 2)).size).toBeGreaterThan(0);
        await until("transactions go on", async () => sent.committed.length > committed + 3);
        await expectLightFollows(watch);
      }
      expect(await supplyOf(watch)).toMatchObject({ total: supply.total, burned: 0n });
      const { activePower } = await requireRecord(watch, EPOCH, "");
      expect(activePower).toBe(44n);
    },
    TIMEOUT_MS,
  );
});
