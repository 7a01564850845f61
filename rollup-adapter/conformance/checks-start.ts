/** From a fresh executor to one that is bound to a sequencer network. */
import { weft } from "#proto-gen/weft.js";
import { AtomicOutcome } from "../../proto/codec/atomic-tx.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import type { InitRequest, InitResponse } from "../execution.ts";
import type { Check } from "./check.ts";
import { conformanceError, expect } from "./fault.ts";
import { BundleHeight } from "./bundle-height.ts";
import { isUnsupported } from "./checks-repeats.ts";
import { answered, blockHash, expectRefusal, expectSameBlock, type Session } from "./session.ts";

const { InitRequest: InitMessage } = weft.execution.v1;

const SERVING = 1;

export const START_CHECKS: readonly Check[] = [
  {
    id: "health",
    title: "grpc.health.v1 says SERVING for the whole server",
    rule: "serving",
    why: "orchestrators would never send it a driver, or never take a dead one away",
    async run({ target }) {
      const status = answered(await target.health(), "grpc.health.v1.Health/Check");
      expect(status === SERVING, `expected status 1 (SERVING), got ${status}`);
    },
  },
  {
    id: "status-before-init",
    title: "GetStatus answers before Init: the rollup's id, its genesis, and that nothing is bound",
    rule: "getstatus",
    why: "an operator could not tell a fresh data directory from the wrong one",
    async run(session) {
      const status = await session.status();
      if (status.isInitialized || status.sequencer !== undefined) {
        throw conformanceError(
          "CONFORMANCE_NOT_FRESH",
          `the executor at ${session.target.address} follows a sequencer already; give one with an empty data directory`,
        );
      }
      const { head, genesisHash, nextSequencerHeight, gatheredPayloads } = status;
      expect(
        bytesEqual(head.hash, genesisHash),
        `the head is ${toHex(head.hash)}, expected the genesis ${toHex(genesisHash)}`,
      );
      expectSameBlock(head, status.safe, "safe of a fresh executor");
      expectSameBlock(head, status.finalized, "finalized of a fresh executor");
      expect(
        nextSequencerHeight === undefined && gatheredPayloads === 0,
        `expected next_sequencer_height 0 and no gathered payloads, got ${nextSequencerHeight ?? 0} and ${gatheredPayloads}`,
      );
    },
  },
  {
    id: "nothing-before-init",
    title: "Nothing but GetStatus is answered before Init",
    rule: "init",
    why: "blocks of a network that nobody chose would become part of the rollup",
    async run(session) {
      const { head } = await session.status();
      const request = await session.request([Uint8Array.of(1)]);
      const labels = { safeHash: head.hash, finalizedHash: head.hash };
      const { target } = session;
      const code = "EXECUTION_NOT_INITIALIZED";
      await session.refuses("ExecuteBlock before Init", () => target.executeBlock(request), code);
      await session.refuses("SetFinality before Init", () => target.setFinality(labels), code);
      const height = await BundleHeight.next(session);
      const { bundleId } = height.prepareRequest([]);
      const calls = {
        PrepareBundle: () => target.prepareBundle(height.prepareRequest([])),
        DecideBundle: () =>
          target.decideBundle(height.decideRequest(bundleId, AtomicOutcome.ABORT)),
      };
      for (const [name, ask] of Object.entries(calls)) {
        const what = `${name} before Init`;
        const reply = await ask();
        if (!isUnsupported(reply)) expectRefusal(what, reply, [code]);
      }
    },
  },
  {
    id: "init-invalid",
    title: "Init without a chain, from height 0 or of another rollup is refused and binds nothing",
    rule: "init",
    why: "a mistyped configuration would be kept for good",
    async run(session) {
      const good = session.initRequest(await session.rollupId());
      const rollupId = fromHex(good.rollupId);
      const fields = {
        rollupId,
        sequencerChainId: good.sequencerChainId,
        sequencerStartHeight: good.sequencerStartHeight,
      };
      const wrong = {
        "from height 0": { ...fields, sequencerStartHeight: 0 },
        "without a chain": { ...fields, sequencerChainId: "" },
        "with a rollup id of 31 bytes": { ...fields, rollupId: rollupId.subarray(1) },
        "without a rollup id": { ...fields, rollupId: new Uint8Array(0) },
      };
      for (const [name, message] of Object.entries(wrong)) {
        const bytes = InitMessage.encode(message).finish();
        const ask = () => session.target.raw("init", bytes);
        await session.refuses(`Init ${name}`, ask, "EXECUTION_INVALID_REQUEST");
      }
      const other = { ...good, rollupId: otherRollup(good.rollupId) };
      const ask = () => session.target.init(other);
      await session.refuses("Init of another rollup", ask, "EXECUTION_GENESIS_MISMATCH");
      expect(!(await session.status()).isInitialized, "Init was refused, yet something is bound");
    },
  },
  {
    id: "init",
    title: "Init binds the rollup and says where it stands",
    rule: "init",
    why: "the driver would begin at the wrong height",
    async run(session) {
      const request = session.initRequest(await session.rollupId());
      const answer = answered(await session.target.init(request), "Init");
      session.supportsGroupRevert = answer.supportsGroupRevert;
      session.atomicLevel = answer.atomicLevel;
      await expectInitAnswer(session, request, answer);
      const { nextSequencerHeight: next } = answer;
      expect(
        next === request.sequencerStartHeight,
        `next_sequencer_height is ${next}, expected the start, ${request.sequencerStartHeight}`,
      );
    },
  },
  {
    id: "init-again",
    title: "Init with the same values changes nothing; with others it is refused",
    rule: "init",
    why: "a driver calls it at every start; one of another network must not get through",
    run: checkInitAgain,
  },
  {
    id: "first-height",
    title: "The first block has the height that Init named",
    rule: "heights",
    why: "payloads of before the rollup's start would be executed, or some left out",
    async run(session) {
      const expected = session.initRequest(await session.rollupId()).sequencerStartHeight;
      for (const got of [Height(expected - 1), Height(expected + 1)]) {
        const request = await session.request([Uint8Array.of(1)], {
          sequencerHeight: got,
          sequencerBlockHash: blockHash(got),
        });
        await session.refuses(
          `ExecuteBlock of height ${got} where ${expected} is the first`,
          () => session.target.executeBlock(request),
          "EXECUTION_HEIGHT_GAP",
          { expected, got },
        );
      }
    },
  },
];

/** Also after blocks, finality and restarts: the last checks ask again. */
export async function checkInitAgain(session: Session): Promise<void> {
  const good = session.initRequest(await session.rollupId());
  const before = await session.status();
  const answer = answered(await session.target.init(good), "Init again");
  await expectInitAnswer(session, good, answer);
  expect(
    answer.nextSequencerHeight === before.nextSequencerHeight,
    `Init again moved next_sequencer_height from ${before.nextSequencerHeight ?? 0} to ${answer.nextSequencerHeight}`,
  );
  const others: Readonly<Record<string, Partial<InitRequest>>> = {
    "another rollup": { rollupId: otherRollup(good.rollupId) },
    "another sequencer chain": { sequencerChainId: `${good.sequencerChainId}-other` },
    "another start": { sequencerStartHeight: Height(good.sequencerStartHeight + 1) },
  };
  for (const [name, change] of Object.entries(others)) {
    const ask = () => session.target.init({ ...good, ...change });
    await session.refuses(`Init of ${name}`, ask, "EXECUTION_GENESIS_MISMATCH");
  }
}

async function expectInitAnswer(
  session: Session,
  request: InitRequest,
  answer: InitResponse,
): Promise<void> {
  const status = await session.status();
  expect(answer.rollupId === request.rollupId, `Init answers for rollup ${answer.rollupId}`);
  expect(
    answer.chainId === status.chainId && bytesEqual(answer.genesisHash, status.genesisHash),
    "Init and GetStatus differ in chain_id or genesis_hash",
  );
  expectSameBlock(status.head, answer.head, "Init's head");
  expect(status.isInitialized, "GetStatus says is_initialized false after Init");
  expect(
    status.nextSequencerHeight === answer.nextSequencerHeight,
    `next_sequencer_height: Init says ${answer.nextSequencerHeight}, GetStatus ${status.nextSequencerHeight ?? 0}`,
  );
}

function otherRollup(id: RollupId): RollupId {
  return RollupId(toHex(blockHash(0, id)));
}
