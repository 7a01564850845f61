/** What a tombstoned validator cannot do, what cannot be done to it, and what goes on without it. */
import { expect } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { evidenceToJson } from "../../proto/json.ts";
import { CODES } from "../../sequencer/app/codes.ts";
import { doubleVoteOf } from "./double-vote.ts";
import { duplicateProposal } from "./duplicate-proposal.ts";
import { eventsAt, followLight, signersOf, supplyOf, votersAt } from "./live-stake.ts";
import { rpc } from "./local-network.ts";
import type { Account, Cast, StoryNode } from "./slash-network.ts";
import {
  act,
  attributeOf,
  doorCode,
  heightOf,
  payFees,
  type SlashStory,
  untilAll,
} from "./slash-story.ts";
import { earnedUpTo } from "./slash-rewards.ts";

/**
 * nweft: what is less than one when somebody is paid is for the other delegators, and three were paid before;
 * and decimals end somewhere.
 */
const ROUNDING = 4n;

/** What was earned before is not lost, and nothing more is earned by power that is gone. */
export async function expectRewardsKept(cast: Cast, story: SlashStory): Promise<void> {
  const { carol, owner, offender, destination } = cast;
  const validator = fromHex(offender.keys.consensusAddress);
  const other = fromHex(destination.keys.consensusAddress);
  const operator = accountOf(offender.keys);
  expect(await payFees(cast, owner)).toBeGreaterThan(story.punished + 1);
  const cases = [
    ["operator", operator, { kind: "withdrawRewards", validator }],
    ["commission", operator, { kind: "withdrawCommission", validator }],
    ["carol", carol, { kind: "withdrawRewards", validator }],
    ["other", accountOf(destination.keys), { kind: "withdrawRewards", validator: other }],
  ] as const;
  for (const [what, who, action] of cases) {
    const at = await act(cast, who, action);
    await untilAll(cast.nodes, at);
    // The block's own fees are shared at its end.
    const { [what]: expected } = await earnedUpTo(cast, story, at - 1);
    expect(expected, what).toBeGreaterThan(100_000n);
    const type = what === "commission" ? "withdraw_commission" : "withdraw_rewards";
    for (const node of cast.nodes) {
      const paid = BigInt(attributeOf(await eventsAt(node, at), type, "amount"));
      expect(paid, `${what}, ${node.name}`).toBeLessThanOrEqual(expected + ROUNDING);
      expect(paid, `${what}, ${node.name}`).toBeGreaterThanOrEqual(expected - ROUNDING);
    }
  }
}

/** No way back: every action that would bring it, or stake for it, is refused and says why. */
export async function expectNoWayBack(cast: Cast): Promise<void> {
  const { alice, bob, carol, offender, destination } = cast;
  const { keys } = offender;
  const validator = fromHex(keys.consensusAddress);
  const from = fromHex(destination.keys.consensusAddress);
  const operator = accountOf(keys);
  const refused: readonly (readonly [Account, Action])[] = [
    [operator, { kind: "unjail", validator }],
    [alice, { kind: "delegate", validator, amount: 1_000_000n }],
    [alice, { kind: "cancelUnbonding", validator, entry: 2, amount: 1_000n }],
    [operator, { kind: "redelegate", validator: from, destination: validator, amount: 1n }],
    [operator, { kind: "retireValidator", validator, retired: true }],
    // It could have proposed two blocks for one round.
    [carol, duplicateProposal(cast.chainId, offender.keys.consensus, Height(2))],
  ];
  for (const [who, action] of refused) {
    // Whoever has nothing there to move is told that first.
    const expected =
      action.kind === "redelegate" ? CODES.DELEGATION_UNKNOWN : CODES.VALIDATOR_TOMBSTONED;
    expect(await doorCode(cast, who, action), action.kind).toBe(expected.number);
  }
  // Bob has stake at the other one; what came from the offender may not move at all.
  const back = { kind: "redelegate", validator: from, destination: validator, amount: 1n } as const;
  expect(await doorCode(cast, bob, back)).toBe(CODES.VALIDATOR_TOMBSTONED.number);
}

/** Another piece stands in a block as any evidence does, and costs nobody anything. */
export async function expectNoSecondSlash(cast: Cast, story: SlashStory): Promise<void> {
  const { nodes, chainId, offender } = cast;
  const [reporter] = nodes;
  if (reporter === undefined) throw new Error("there are nodes");
  const before = await supplyOf(reporter);
  // Of epoch 1, when its power was another; the same key, and no less true.
  const offence = { round: 0, power: { one: 30n, all: 200n } };
  const traitor = { home: offender.home, rpc: reporter.rpc, chainId };
  const evidence = evidenceToJson(await doubleVoteOf(traitor, offence));
  let at = (await heightOf(reporter)) + 1;
  await rpc(reporter, "broadcast_evidence", { evidence });
  for (; ; at++) {
    await untilAll(nodes, at);
    const events = await eventsAt(reporter, at);
    if (attributeOf(events, "misbehavior", "height") !== "2") continue;
    expect(attributeOf(events, "evidence_ignored", "code")).toBe("VALIDATOR_TOMBSTONED");
    expect(events.map(({ type }) => type)).not.toContain("slash");
    break;
  }
  for (const node of nodes) {
    const supply = await supplyOf(node);
    expect(supply.burned, node.name).toBe(1_450_000n);
    expect(supply.total, node.name).toBe(before.total);
  }
  expect(at).toBeGreaterThan(story.punished);
}

/** The others commit, without its signature, and a light client follows over its removal. */
export async function expectOthersGoOn(cast: Cast, { punished }: SlashStory): Promise<void> {
  const { nodes, offender, chainId } = cast;
  const address = offender.keys.consensusAddress;
  const goal = (await heightOf(offender)) + 4;
  await untilAll(nodes, goal);
  for (const node of nodes) {
    const signers = await signersOf(node, goal - 1);
    expect(signers.has(address), node.name).toBe(false);
    expect((await votersAt(node, goal)).has(address), node.name).toBe(false);
  }
  const honest: readonly StoryNode[] = nodes.filter(({ name }) => name !== offender.name);
  const followed = await followLight(chainId, honest, 1);
  try {
    const votersOf = async (height: number): Promise<readonly string[]> => {
      const { validatorSet } = await followed.light.verifyAt(Height(height));
      return validatorSet.validators.map(({ votingPower }) => String(votingPower)).toSorted();
    };
    expect(await votersOf(punished + 1)).toEqual(["29", "35", "40", "45", "50"]);
    expect(await votersOf(punished + 2)).toEqual(["35", "40", "45", "50"]);
    const { signedHeader } = await followed.light.update();
    expect(signedHeader.header.height).toBeGreaterThanOrEqual(goal - 1);
  } finally {
    await followed.close();
  }
}

function accountOf(keys: Cast["offender"]["keys"]): Account {
  return { key: keys.application, address: keys.operator };
}
