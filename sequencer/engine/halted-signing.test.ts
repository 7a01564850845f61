/** A node that halts while it is about to sign. */
import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { testGenesis, testKeys, testState } from "../../test/support/chain-builder.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { NULL_ENGINE_METRICS } from "./metrics.ts";
import { createOwnMessages } from "./own-messages.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";
import type { WriteAheadLog } from "./wal/write-ahead-log.ts";

/** What a prevote for nil does not need. */
const unused = async (): Promise<never> => {
  throw new Error("nobody asks for this");
};

function setup() {
  const [key] = testKeys(1);
  if (key === undefined) throw new Error("there is no key");
  const node = { isHalted: false, signed: 0 };
  let endSync: () => void = () => {};
  const synced = new Promise<void>((resolve) => {
    endSync = resolve;
  });
  const privValidator: PrivValidator = {
    publicKey: async () => key.publicKey,
    signVote: async (_chainId, vote) => {
      node.signed += 1;
      return vote;
    },
    signProposal: unused,
  };
  const executor: BlockExecutor = {
    createProposalBlock: unused,
    findFault: unused,
    timeFault: () => undefined,
    processProposal: unused,
    extendVote: unused,
    verifyVoteExtension: unused,
    applyBlock: unused,
    settled: unused,
    finishApplied: unused,
    replayToApplication: unused,
  };
  const wal: WriteAheadLog = {
    append: () => {},
    flush: unused,
    sync: () => synced,
    hasEndHeight: unused,
    entriesAfter: unused,
    close: unused,
  };
  const own = createOwnMessages(
    { chainId: "test", ownAddress: key.address },
    {
      privValidator,
      executor,
      wal,
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ENGINE_METRICS,
      isHalted: () => node.isHalted,
    },
  );
  const state = testState(testGenesis([key]));
  const vote = own.signVote(
    {
      kind: "signVote",
      type: SignedMsgType.PREVOTE,
      height: Height(1),
      round: Round(0),
      blockId: NIL_BLOCK_ID,
      block: undefined,
      validatorIndex: 0,
      earliestTime: undefined,
    },
    state,
  );
  return { node, endSync, vote };
}

test("a vote is signed once the log is durable", async () => {
  const { node, endSync, vote } = setup();
  expect(node.signed).toBe(0);
  endSync();
  expect(await vote).toMatchObject({ height: 1, round: 0 });
  expect(node.signed).toBe(1);
});

test("a node that halts while a signature waits does not make it", async () => {
  const { node, endSync, vote } = setup();
  node.isHalted = true;
  endSync();
  expect(await vote).toBeUndefined();
  expect(node.signed).toBe(0);
});
