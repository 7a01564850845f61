import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import type { Timestamp, Vote, VoteType } from "../../proto/types.ts";
import { SignedMsgType } from "../../proto/types.ts";
import { createValidatorSet } from "../../proto/validator-set.ts";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { Step } from "../consensus/step.ts";
import { parsePeerAddress } from "../p2p/address.ts";
import type { LogFields, Logger } from "../ports/logger.ts";
import { createStallWatch } from "./stall-watch.ts";

const validators = createValidatorSet(
  Array.from({ length: 4 }, () => ({
    publicKey: { type: "ed25519" as const, bytes: generateEd25519KeyPair().publicKey },
    votingPower: 10n,
  })),
);

/** A watch over a round whose state the test sets. */
function watched(lastBlockTime?: Timestamp) {
  const clock = createManualClock();
  const log: { readonly message: string; readonly fields: LogFields }[] = [];
  const write = (message: string, fields: LogFields = {}) => void log.push({ message, fields });
  const logger: Logger = {
    error: write,
    warn: write,
    info: write,
    debug: write,
    child: () => logger,
  };
  const state = {
    round: 0,
    step: Step.PREVOTE as Step,
    prevotes: [0] as number[],
    precommits: [] as number[],
    isFetching: false,
    peers: 1,
    stalled: 0,
  };
  const votes = (_round: Round, type: VoteType) => {
    const voters = type === SignedMsgType.PREVOTE ? state.prevotes : state.precommits;
    return { voteAt: (index: number) => (voters.includes(index) ? ({} as Vote) : undefined) };
  };
  const watch = createStallWatch(
    { afterMs: 15_000 },
    {
      view: () =>
        state.isFetching
          ? undefined
          : { height: Height(8), round: Round(state.round), step: state.step, validators, votes },
      genesis: {
        validators: validators.validators.slice(0, 2).map(({ address }, i) => ({
          address,
          name: i === 1 ? "validator-1" : "",
        })),
      },
      peers: () => state.peers,
      unreached: () => [
        {
          address: parsePeerAddress(`${"ab".repeat(20)}@10.0.0.1:26657`),
          fault: 'expected network "ours", got "theirs"',
        },
      ],
      lastBlockTime: () => lastBlockTime,
      onStalled: () => (state.stalled += 1),
      clock,
      logger,
    },
  );
  watch.start();
  return { watch, clock, state, log };
}

describe("a chain that stands", () => {
  test("is told with height, round, step, power and who is missing; the log repeats it slowly", async () => {
    const { watch, clock, state, log } = watched();
    state.prevotes = [0, 2];
    await clock.advance(14_000);
    expect(watch.stall()).toBeUndefined();
    await clock.advance(46_000);
    const stall = watch.stall();
    expect(stall).toMatchObject({ height: 8, round: 0, step: "prevote", powerPresent: 20n });
    expect(stall?.missing).toHaveLength(2);
    expect(stall?.missing[0]).toBe("validator-1");
    expect(stall?.missing[1]).toMatch(/^[0-9A-F]{40}$/);
    expect(watch.description()).toMatch(
      /^no block since 2023-11-14T22:13:20Z \(60 s\): height 8 is in round 0, step prevote, and waits .* 20 of 40, missing: validator-1, [0-9A-F]{40}$/,
    );
    // At 15 s and at 45 s.
    expect(log.map(({ message }) => message)).toEqual(
      Array.from(
        { length: 2 },
        () => "no new block: waiting for the votes of more than 2/3 of the power",
      ),
    );
    expect(log[1]?.fields).toMatchObject({ power: "20 of 40", seconds: 45 });
    expect(state.stalled).toBe(1);
    watch.progressed();
    expect(watch.stall()).toBeUndefined();
    expect(log.at(-1)).toMatchObject({ message: "blocks come again", fields: { seconds: 60 } });
  });

  test("does not begin anew with a restart: it is told since the last block, and not at once", async () => {
    // Half an hour before this start.
    const { watch, clock } = watched({ seconds: 1_699_998_200n, nanos: 0 });
    await clock.advance(14_000);
    expect(watch.description()).toBeUndefined();
    await clock.advance(6_000);
    expect(watch.description()).toMatch(/^no block since 2023-11-14T21:43:20Z \(1820 s\): /);
  });

  test("is told without blaming votes when all are there", async () => {
    const { watch, clock, state, log } = watched();
    state.prevotes = [0, 1, 2];
    state.round = 4;
    await clock.advance(20_000);
    expect(log[0]?.message).toBe("no new block");
    expect(watch.description()).toMatch(/height 8 is in round 4, step prevote$/);
  });

  test("names those who prevoted and did not precommit, once precommits are what it waits for", async () => {
    const { watch, clock, state } = watched();
    state.prevotes = [0, 1, 2, 3];
    state.precommits = [0, 2];
    state.step = Step.PRECOMMIT;
    await clock.advance(20_000);
    expect(watch.description()).toMatch(
      /step precommit, and waits .* 20 of 40, missing: validator-1, /,
    );
    state.precommits = [0, 1, 2];
    expect(watch.description()).toMatch(/height 8 is in round 0, step precommit$/);
  });

  test("is not one that has nothing to order: empty blocks are off", async () => {
    const { watch, clock, state, log } = watched();
    state.step = Step.NEW_ROUND;
    await clock.advance(600_000);
    expect(watch.stall()).toBeUndefined();
    expect(log).toEqual([]);
  });

  test("is not one of a node that fetches blocks; without peers it says so", async () => {
    const { watch, clock, state, log } = watched();
    state.isFetching = true;
    await clock.advance(60_000);
    expect(log).toEqual([]);
    state.peers = 0;
    await clock.advance(20_000);
    expect(log[0]?.message).toMatch(/^no peer to fetch blocks from/);
    const dial = `${"ab".repeat(20)}@10.0.0.1:26657: expected network "ours", got "theirs"`;
    expect(log[0]?.fields["unreached"]).toEqual([dial]);
    expect(watch.loneliness()).toMatch(/^no peer to fetch blocks from: check .*got "theirs"$/);
    state.peers = 1;
    expect(watch.loneliness()).toBeUndefined();
    // Consensus begins: the wait is counted from here.
    state.isFetching = false;
    await clock.advance(10_000);
    expect(watch.stall()).toBeUndefined();
  });
});
