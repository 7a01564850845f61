/** Where consensus is in a height that is not decided, and whose votes it waits for. */
import { toHex } from "../../proto/bytes.ts";
import { SignedMsgType, type ValidatorSet, type VoteType } from "../../proto/types.ts";
import { Step } from "../consensus/step.ts";
import { STALL_NAMES_MAX } from "./limits.ts";

/** What is read of a `RoundStateView`, or of what CometBFT says. */
export interface RoundPlace {
  readonly height: number;
  readonly round: number;
  readonly step: Step;
  readonly validators: Pick<ValidatorSet, "validators" | "totalVotingPower">;
  /** Anything but undefined is a vote. */
  votes(round: number, type: VoteType): { voteAt(index: number): unknown } | undefined;
}

/** The same for people. */
export interface RoundWait {
  readonly height: number;
  readonly round: number;
  readonly step: string;
  /** Power whose votes for this step are here, of `powerTotal`; more than 2/3 is needed. */
  readonly powerPresent: bigint;
  readonly powerTotal: bigint;
  /** Validators whose votes are not: names, or addresses in hex. */
  readonly missing: readonly string[];
}

/**
 * Who is missing: from the precommit step on whoever did not precommit, before that whoever did not vote at all.
 *
 * @param names of validators, by address in lower-case hex; others are called by their addresses
 */
export function waitAt(place: RoundPlace, names: ReadonlyMap<string, string>): RoundWait {
  const { height, round, step } = place;
  const { validators, totalVotingPower } = place.validators;
  const prevotes = step < Step.PRECOMMIT ? place.votes(round, SignedMsgType.PREVOTE) : undefined;
  const precommits = place.votes(round, SignedMsgType.PRECOMMIT);
  let powerPresent = 0n;
  const missing: string[] = [];
  for (const [index, { address, votingPower }] of validators.entries()) {
    const isHere = (precommits?.voteAt(index) ?? prevotes?.voteAt(index)) !== undefined;
    if (isHere) powerPresent += votingPower;
    else missing.push(names.get(toHex(address)) || toHex(address).toUpperCase());
  }
  const more = missing.length - STALL_NAMES_MAX;
  if (more > 0) missing.splice(STALL_NAMES_MAX, more, `and ${more} more`);
  return {
    height,
    round,
    step: STEP_NAMES[step],
    powerPresent,
    powerTotal: totalVotingPower,
    missing,
  };
}

export function lacksVotes({ powerPresent, powerTotal }: RoundWait): boolean {
  return powerPresent * 3n <= powerTotal * 2n;
}

/** A part of a sentence: the place, and who is missing where votes are what it waits for. */
export function describeWait(wait: RoundWait): string {
  const { height, round, step, powerPresent, powerTotal, missing } = wait;
  const where = `height ${height} is in round ${round}, step ${step}`;
  if (!lacksVotes(wait)) return where;
  return `${where}, and waits for the votes of more than 2/3 of the power; here are those of ${powerPresent} of ${powerTotal}, missing: ${missing.join(", ")}`;
}

const STEP_NAMES: Readonly<Record<Step, string>> = {
  [Step.NEW_HEIGHT]: "new height",
  [Step.NEW_ROUND]: "new round",
  [Step.PROPOSE]: "propose",
  [Step.PREVOTE]: "prevote",
  [Step.PREVOTE_WAIT]: "prevote wait",
  [Step.PRECOMMIT]: "precommit",
  [Step.PRECOMMIT_WAIT]: "precommit wait",
  [Step.COMMIT]: "commit",
};
