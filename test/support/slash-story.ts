/**
 * What happens on a network of `slash-network.ts` when its last validator really signs twice, and what every
 * node must then say. All amounts, in nweft, are worked out by hand:
 *
 * Epoch 1. 20,000,000 of its operator, 7,000,003 of Alice and 3,000,004 of Bob stand behind the offender: power
 * 30. Alice takes 1,000,001 out; from epoch 2 on that counts no more: power 29, tokens 29,000,006.
 *
 * Epoch 2. Bob moves 2,000,000 to the first validator, and takes 50,000 of that out again. Carol delegates
 * 1,000,000. Alice takes 600,000 out. The offender's tokens: 29,000,006 - 2,000,000 + 1,000,000 - 600,000 =
 * 27,400,006. Then it signs twice, and owes 5% of what gave it its 29 votes: 1,450,000.
 * - Alice's first entry did not stand behind those votes: 1,000,001 stay.
 * - Of her second, 5%: 30,000. 570,000 stay.
 * - Of what Bob moved, 5%: 100,000. The 50,000 that he took out of there go first, then 50,000 of the 1,950,000
 *   that are left there. 1,900,000 stay.
 * - The rest, 1,320,000, of its tokens: 26,080,006 stay, for shares that were 27,400,006.
 */
import { expect } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { fromBase64, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { BondStatus } from "../../proto/codec/staking-state.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { createVerifiedRpc, type VerifiedRpc } from "../../rollup-adapter/light/verified-rpc.ts";
import { queryKey } from "../../sequencer/app/query.ts";
import { tokensOf } from "../../sequencer/app/staking/shares.ts";
import type { RecordType } from "../../sequencer/app/state/records.ts";
import {
  DELEGATIONS,
  delegationKey,
  EPOCH,
  EVIDENCE,
  REDELEGATIONS,
  redelegationKey,
  UNBONDINGS,
  VALIDATORS,
} from "../../sequencer/app/state/tables.ts";
import { SUPPLY_KEY } from "../../sequencer/app/state/keys.ts";
import { decodeSupply, type SupplyState } from "../../proto/codec/weft-state.ts";
import { createCometRpcClient } from "../../sequencer/ports/comet-rpc/client.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { provokeEvidence } from "./double-signer.ts";
import type { Offence } from "./double-signing.ts";
import {
  eventsAt,
  followLight,
  type LiveEvent,
  signersOf,
  supplyOf,
  validatorOf,
  votersAt,
} from "./live-stake.ts";
import { rpc, until } from "./local-network.ts";
import { type Account, type Cast, EPOCH_BLOCKS, type StoryNode } from "./slash-network.ts";
import { signAction } from "./traffic.ts";

const POWER = 29n;
const OWED = 1_450_000n;
/** nweft per byte: makes rewards of a size that rounding does not hide. */
const TIP = 1_000_000n;

/** Heights of what happened. */
export interface SlashStory {
  readonly aliceLeft: number;
  readonly bobMoved: number;
  readonly carolJoined: number;
  readonly aliceLeftAgain: number;
  readonly bobLeft: number;
  readonly offence: Offence;
  /** Of the block with the evidence. */
  readonly punished: number;
  /** Before anything happened. */
  readonly supply: SupplyState;
}

/** Everything up to the block with the evidence, and one more; every node has them. */
export async function playSlash(cast: Cast): Promise<SlashStory> {
  const { nodes, alice, bob, carol, owner, offender, destination } = cast;
  const [watch] = nodes;
  if (watch === undefined) throw new Error("there are nodes");
  const validator = fromHex(offender.keys.consensusAddress);
  const to = fromHex(destination.keys.consensusAddress);
  const supply = await supplyOf(watch);
  expect(await validatorOf(watch, offender.keys.consensusAddress)).toMatchObject({
    power: 30n,
    tokens: 30_000_007n,
  });

  const aliceLeft = await act(cast, alice, { kind: "undelegate", validator, amount: 1_000_001n });
  expect(aliceLeft, "all of it happens in epoch 1").toBeLessThanOrEqual(EPOCH_BLOCKS);
  await payFees(cast, owner);

  // Its new power is in force two heights after the end of the epoch.
  await untilAll(nodes, EPOCH_BLOCKS + 2);
  expect((await votersAt(watch, EPOCH_BLOCKS + 1)).get(offender.keys.consensusAddress)).toBe(30n);
  expect((await votersAt(watch, EPOCH_BLOCKS + 2)).get(offender.keys.consensusAddress)).toBe(POWER);
  const [bobMoved, carolJoined, aliceLeftAgain] = await Promise.all([
    act(cast, bob, { kind: "redelegate", validator, destination: to, amount: 2_000_000n }),
    act(cast, carol, { kind: "delegate", validator, amount: 1_000_000n }),
    act(cast, alice, { kind: "undelegate", validator, amount: 600_000n }),
  ]);
  const bobLeft = await act(cast, bob, { kind: "undelegate", validator: to, amount: 50_000n });
  await payFees(cast, owner);
  expect(await validatorOf(watch, offender.keys.consensusAddress)).toMatchObject({
    power: POWER,
    tokens: 27_400_006n,
  });

  const { offence, height: punished } = await provokeEvidence(offender, nodes);
  expect(offence.first.height).toBeGreaterThan(bobLeft);
  expect(punished, "all of it happens in epoch 2").toBeLessThan(2 * EPOCH_BLOCKS);
  await untilAll(nodes, punished + 4);
  return {
    aliceLeft,
    bobMoved,
    carolJoined,
    aliceLeftAgain,
    bobLeft,
    offence,
    punished,
    supply,
  };
}

/** Stake, pools and entries as every node proves them. */
export async function expectCut(cast: Cast, story: SlashStory): Promise<void> {
  const { alice, bob, carol, offender, destination } = cast;
  const from = offender.keys.consensusAddress;
  const to = destination.keys.consensusAddress;
  const { punished } = story;
  await provenByAll(cast, async (node, { required, supply }) => {
    const state = await required(VALIDATORS, from);
    expect(state, node.name).toMatchObject({
      tokens: 26_080_006n,
      shares: 27_400_006n * 10n ** 18n,
      power: 0n,
      status: BondStatus.UNBONDING,
      unbondingHeight: punished + 2,
      jailed: true,
      tombstoned: true,
    });
    const receiver = await required(VALIDATORS, to);
    expect(receiver, node.name).toMatchObject({ tokens: 41_900_000n, jailed: false });
    const worth = async (validator: string, delegator: string): Promise<bigint> => {
      const { shares } = await required(DELEGATIONS, delegationKey(validator, delegator));
      return tokensOf(validator === from ? state : receiver, shares);
    };
    // Of 26,080,006: 20,000,000, 5,400,002, 1,000,004 and 1,000,000 parts of 27,400,006, rounded down.
    expect(await worth(from, offender.keys.operator), node.name).toBe(19_036_496n);
    expect(await worth(from, alice.address), node.name).toBe(5_139_855n);
    expect(await worth(from, bob.address), node.name).toBe(951_828n);
    expect(await worth(from, carol.address), node.name).toBe(951_824n);
    // Bob's alone was touched there.
    expect(await worth(to, bob.address), node.name).toBe(1_900_000n);
    expect(await worth(to, destination.keys.operator), node.name).toBe(40_000_000n);

    const ofAlice = await required(UNBONDINGS, delegationKey(from, alice.address));
    expect(ofAlice.entries, node.name).toMatchObject([
      {
        createdHeight: story.aliceLeft,
        slashableThrough: EPOCH_BLOCKS + 1,
        initialBalance: 1_000_001n,
        balance: 1_000_001n,
      },
      {
        createdHeight: story.aliceLeftAgain,
        slashableThrough: 2 * EPOCH_BLOCKS + 1,
        initialBalance: 600_000n,
        balance: 570_000n,
      },
    ]);
    const ofBob = await required(UNBONDINGS, delegationKey(to, bob.address));
    expect(ofBob.entries, node.name).toMatchObject([
      { createdHeight: story.bobLeft, initialBalance: 50_000n, balance: 0n },
    ]);
    const moved = await required(REDELEGATIONS, redelegationKey(from, bob.address, to));
    expect(moved.entries, node.name).toMatchObject([
      { createdHeight: story.bobMoved, initialBalance: 2_000_000n },
    ]);

    const money = await supply();
    expect(money.burned, node.name).toBe(OWED);
    expect(money.total, node.name).toBe(story.supply.total - OWED);
    // 40 + 50 + 45 + 35 million, and what is left of Bob's with the first of them.
    expect(money.bonded, node.name).toBe(171_900_000n);
    // Alice's entries, and the offender's tokens, which left the set with it.
    expect(money.notBonded, node.name).toBe(1_000_001n + 570_000n + 26_080_006n);
    const epoch = await required(EPOCH, "");
    // From epoch 3 on with Bob's.
    expect(epoch.activePower, node.name).toBe(epoch.number === 2 ? 170n : 171n);
  });
}

/** What blocks tell: events of the punishment, the validators of each height, whose signatures stand. */
export async function expectRemoved(cast: Cast, { offence, punished }: SlashStory): Promise<void> {
  const { nodes, bob, offender, destination } = cast;
  const address = offender.keys.consensusAddress;
  const validator = address.toUpperCase();
  const height = String(offence.first.height);
  const hashes = new Set<string>();
  expect(toHex(offence.first.validatorAddress)).toBe(address);
  for (const node of nodes) {
    const events = (await eventsAt(node, punished)).filter(({ attributes }) =>
      [attributes["validator"], attributes["hash"]].some((one) => one !== undefined),
    );
    const hash = attributeOf(events, "evidence", "hash");
    expect(events, node.name).toEqual([
      {
        type: "misbehavior",
        attributes: { type: "duplicateVote", validator, height, power: "29" },
      },
      {
        // What his stake there has earned, before some of it is taken.
        type: "withdraw_rewards",
        attributes: {
          validator: destination.keys.consensusAddress.toUpperCase(),
          delegator: formatAddress(fromHex(bob.address)),
          recipient: formatAddress(fromHex(bob.address)),
          amount: expect.stringMatching(/^[1-9]/) as string,
        },
      },
      {
        type: "slash",
        attributes: {
          validator,
          reason: "duplicate-vote",
          height,
          power: "29",
          fraction_bps: "500",
          owed: "1450000",
          burned: "1450000",
          reward: "0",
        },
      },
      { type: "jail", attributes: { validator, until_seconds: expect.any(String) as string } },
      { type: "tombstone", attributes: { validator } },
      {
        type: "evidence",
        attributes: {
          hash,
          route: "duplicate-vote",
          validator,
          height,
          burned: "1450000",
          reward: "0",
        },
      },
      {
        type: "validator_power",
        attributes: { validator, power: "0", height: String(punished + 2) },
      },
    ]);
    // Told with the block of the evidence, in force two heights later.
    expect((await votersAt(node, punished + 1)).get(address), node.name).toBe(POWER);
    const voters = await votersAt(node, punished + 2);
    expect([...voters.values()].map(String).toSorted(), node.name).toEqual([
      "35",
      "40",
      "45",
      "50",
    ]);
    expect(voters.has(address), node.name).toBe(false);
    expect((await signersOf(node, punished + 2)).has(address), node.name).toBe(false);
    hashes.add(hash);
  }
  const [known = ""] = hashes;
  expect(hashes.size).toBe(1);
  await provenByAll(cast, async (node, { required }) => {
    expect(await required(EVIDENCE, known), node.name).toMatchObject({
      route: "duplicate-vote",
      height: offence.first.height,
      punishedHeight: punished,
      burned: OWED,
      reward: 0n,
    });
  });
}

/** Resolves with the code with which a node refuses the action, 0 when it takes it. */
export async function doorCode(cast: Cast, who: Account, action: Action): Promise<number> {
  const [client] = cast.clients;
  if (client === undefined) throw new Error("somebody takes transactions");
  const { item } = await signAction(client, who.key, action);
  return (await client.submit(item)).code;
}

/** Resolves with the height of the block in which the action succeeded; `tip` is nweft per byte. */
export async function act(cast: Cast, who: Account, action: Action, tip = 0n): Promise<number> {
  const [client] = cast.clients;
  if (client === undefined) throw new Error("somebody takes transactions");
  const { id, item } = await signAction(client, who.key, action, (body) => ({
    ...body,
    fee: { maxFeePerByte: body.fee.maxFeePerByte + tip, tipPerByte: tip },
  }));
  const { code, reason } = await client.submit(item);
  if (code !== 0) throw new Error(`${action.kind} is refused with code ${code}: ${reason}`);
  return await until(`${action.kind} is in a block`, async () => {
    const { state, height } = await client.transactionStatus(id);
    return state === "committed" && height;
  });
}

/** A transaction whose fee is worth sharing. */
export async function payFees(cast: Cast, who: Account): Promise<number> {
  return await act(cast, who, { kind: "transfer", to: fromHex(who.address), amount: 1n }, TIP);
}

/** Resolves when every node has committed the height. */
export async function untilAll(nodes: readonly StoryNode[], height: number): Promise<void> {
  await Promise.all(
    nodes.map((node) =>
      until(
        `${node.name} commits ${height}`,
        async () => (await heightOf(node)) >= height,
        HEIGHT_TIMEOUT_MS,
      ),
    ),
  );
}

export async function heightOf(node: StoryNode): Promise<number> {
  const { sync_info: sync } = await rpc<{ sync_info: { latest_block_height: string } }>(
    node,
    "status",
  );
  return Number(sync.latest_block_height);
}

export function attributeOf(events: readonly LiveEvent[], type: string, name: string): string {
  return events.find((one) => one.type === type)?.attributes[name] ?? "";
}

/** Reads of a node's state, each proven against a header that a light client of that node has verified. */
interface ProvenState {
  readonly required: <Value>(type: RecordType<Value>, key: string) => Promise<Value>;
  readonly supply: () => Promise<SupplyState>;
}

/** All at once: each proof waits for the header after its block. */
async function provenByAll(
  cast: Cast,
  task: (node: StoryNode, state: ProvenState) => Promise<void>,
): Promise<void> {
  await Promise.all(cast.nodes.map((node) => withProofs(cast, node, (state) => task(node, state))));
}

async function withProofs(
  { chainId, nodes }: Cast,
  node: StoryNode,
  task: (state: ProvenState) => Promise<void>,
): Promise<void> {
  const witnesses = nodes.filter((one) => one !== node).slice(0, 1);
  const followed = await followLight(chainId, [node, ...witnesses], 1);
  const primary = createCometRpcClient(node.rpc);
  const verified = createVerifiedRpc({
    light: followed.light,
    primary: () => primary,
    stateKey: (path, data) => {
      const key = queryKey(path, data);
      return key === undefined ? undefined : utf8ToBytes(key);
    },
    clock: createSystemClock(),
  });
  try {
    await task({
      async required(type, key) {
        return type.decode(await provenValue(verified, type.prefix + key));
      },
      async supply() {
        return decodeSupply(await provenValue(verified, SUPPLY_KEY));
      },
    });
  } finally {
    primary.close();
    await followed.close();
  }
}

async function provenValue(verified: VerifiedRpc, key: string): Promise<Uint8Array> {
  const answer = await verified.abciQuery("/store", utf8ToBytes(key), 0);
  const { response } = answer as unknown as { response: { value: string | null } };
  if (response.value === null) throw new Error(`the state has no ${key}`);
  return fromBase64(response.value);
}

const HEIGHT_TIMEOUT_MS = 120_000;
