/** A node that halts while it is about to sign. */
import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { eventually } from "../../test/support/loopback.ts";
import { testGenesis, testKeys, testState } from "../../test/support/chain-builder.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { NULL_ENGINE_METRICS } from "./metrics.ts";
import { createOwnMessages } from "./own-messages.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";

/** What a prevote for nil does not need. */
const unused = async (): Promise<never> => {
  throw new Error("nobody asks for this");
};

function setup() {
  const [key] = testKeys(1);
  if (key === undefined) throw new Error("there is no key");
  const node = { isHalted: false, signed: 0 };
  let endFirst: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    endFirst = resolve;
  });
  const privValidator: PrivValidator = {
    publicKey: async () => key.publicKey,
    // The first signature takes its time; what is asked for meanwhile waits its turn.
    signVote: async (_chainId, vote) => {
      node.signed += 1;
      if (node.signed === 1) await first;
      return vote;
    },
    signProposal: unused,
    settled: unused,
    remember: unused,
  };
  const executor: BlockExecutor = {
    createProposalBlock: unused,
    findFault: unused,
    timeFault: () => undefined,
    processProposal: unused,
    extendVote: unused,
    verifyVoteExtension: unused,
    applyBlock: unused,
    finishApplied: unused,
    followState: unused,
    replayToApplication: unused,
  };
  const own = createOwnMessages(
    { chainId: "test", ownAddress: key.address },
    {
      privValidator,
      executor,
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ENGINE_METRICS,
      isHalted: () => node.isHalted,
    },
  );
  const state = testState(testGenesis([key]));
  const [prevote, precommit] = [SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT].map((type) =>
    own.signVote(
      {
        kind: "signVote",
        type,
        height: Height(1),
        round: Round(0),
        blockId: NIL_BLOCK_ID,
        block: undefined,
        validatorIndex: 0,
        earliestTime: undefined,
      },
      state,
    ),
  );
  return { node, endFirst, prevote, precommit };
}

test("signatures are made one after the other, in the order asked for", async () => {
  const { node, endFirst, prevote, precommit } = setup();
  await eventually(() => node.signed === 1, "the first is being made");
  endFirst();
  expect(await prevote).toMatchObject({ height: 1, round: 0, type: SignedMsgType.PREVOTE });
  expect(await precommit).toMatchObject({ type: SignedMsgType.PRECOMMIT });
  expect(node.signed).toBe(2);
});

test("a node that halts while a signature waits does not make it", async () => {
  const { node, endFirst, prevote, precommit } = setup();
  await eventually(() => node.signed === 1, "the first is being made");
  node.isHalted = true;
  endFirst();
  expect(await prevote).toBeDefined();
  expect(await precommit).toBeUndefined();
  expect(node.signed).toBe(1);
});
