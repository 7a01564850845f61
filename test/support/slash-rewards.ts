/**
 * What validators and a delegator of the story have earned, by the rules alone: the fees that each block tells
 * are split anew, in exact arithmetic, by who stood behind whom at the end of that block.
 */
import { eventsAt } from "./live-stake.ts";
import { mapSome, range } from "./local-network.ts";
import { type Cast, COMMISSION_BPS, EPOCH_BLOCKS } from "./slash-network.ts";
import type { SlashStory } from "./slash-story.ts";

/** nweft, rounded down. */
export interface Earned {
  /** Of the offender's operator, as its delegator. */
  readonly operator: bigint;
  /** Of the offender's operator, as who runs it. */
  readonly commission: bigint;
  readonly carol: bigint;
  /** Of the operator of the validator that stake was moved to, as its delegator. */
  readonly other: bigint;
}

/** By blocks up to `height`. */
export async function earnedUpTo(cast: Cast, story: SlashStory, height: number): Promise<Earned> {
  const [node] = cast.nodes;
  if (node === undefined) throw new Error("there are nodes");
  const earned = { operator: 0n, commission: 0n, carol: 0n, other: 0n };
  const from = cast.offender.keys.consensusAddress.toUpperCase();
  const to = cast.destination.keys.consensusAddress.toUpperCase();
  const told = await mapSome(range(1, height), async (at) => ({
    at,
    events: await eventsAt(node, at),
  }));
  for (const { at, events } of told) {
    const shared = events.find(({ type }) => type === "distribute_fees");
    if (shared === undefined) continue;
    const fees = BigInt(shared.attributes["fees"] ?? "");
    const proposer = shared.attributes["proposer"] ?? "";
    const toProposer = (fees * 500n) / 10_000n;
    const toStakers = fees - toProposer - (fees * 200n) / 10_000n;
    // Powers as the application last told them before the block.
    const power = at <= EPOCH_BLOCKS ? 30n : at <= story.punished ? 29n : 0n;
    const powerThere = at <= 2 * EPOCH_BLOCKS ? 40n : 41n;
    const total = 130n + powerThere + power;
    const income = (address: string, own: bigint): bigint =>
      EXACT * ((toStakers * own) / total) +
      (EXACT * ((toStakers * own) % total)) / total +
      (address === proposer ? EXACT * toProposer : 0n);

    const offender = income(from, power);
    const shares =
      30_000_007n -
      since(at, story.aliceLeft, 1_000_001n) -
      since(at, story.bobMoved, 2_000_000n) +
      since(at, story.carolJoined, 1_000_000n) -
      since(at, story.aliceLeftAgain, 600_000n);
    const commission = (offender * BigInt(COMMISSION_BPS)) / 10_000n;
    earned.commission += commission;
    earned.operator += ((offender - commission) * 20_000_000n) / shares;
    earned.carol += ((offender - commission) * since(at, story.carolJoined, 1_000_000n)) / shares;

    const tokens =
      40_000_000n +
      since(at, story.bobMoved, 2_000_000n) -
      since(at, story.bobLeft, 50_000n) -
      since(at, story.punished, 50_000n);
    // The default commission: 5%.
    earned.other += (((income(to, powerThere) * 9_500n) / 10_000n) * 40_000_000n) / tokens;
  }
  return {
    operator: earned.operator / EXACT,
    commission: earned.commission / EXACT,
    carol: earned.carol / EXACT,
    other: earned.other / EXACT,
  };
}

const EXACT = 10n ** 30n;

function since(at: number, height: number, amount: bigint): bigint {
  return at >= height ? amount : 0n;
}
