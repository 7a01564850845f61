/** Calls that overlap, executors that are killed, and a second instance that must say the same. */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import type { ExecuteBlockRequest, ExecutedBlock, ExecutorStatus } from "../execution.ts";
import { expectSamePrepared } from "./bundle-height.ts";
import type { BundleStep } from "./bundle-journal.ts";
import type { Check } from "./check.ts";
import { lastTaken, legsOf } from "./checks-repeats.ts";
import { checkInitAgain } from "./checks-start.ts";
import { conformanceError, expect, notRun } from "./fault.ts";
import { killAndCatch } from "./kill.ts";
import { BLOCK_TRIES_MAX, CALLS_AT_ONCE, GAP_TRIES_MAX } from "./limits.ts";
import {
  answered,
  blockHash,
  describeAnswer,
  expectRefusal,
  expectSameBlock,
  expectSameResponse,
  expectSameStatus,
  nameOf,
  type Session,
  type Taken,
} from "./session.ts";
import type { Target } from "./target.ts";

/** Blocks that are fed around each kill, and after which of them it comes. */
const FED_AROUND_KILL = 24;
const KILL_AFTER = [1, 7, 16];

export const OVERLAP_CHECKS: readonly Check[] = [
  {
    id: "concurrent-repeats",
    title: `${CALLS_AT_ONCE} calls of one block at a time get one answer`,
    rule: "calls-that-overlap",
    why: "a driver whose connection broke may ask again while its first call still runs",
    async run(session) {
      const before = await session.status();
      const request = await session.request(session.material());
      const replies = await Promise.all(
        Array.from({ length: CALLS_AT_ONCE }, () => session.target.executeBlock(request)),
      );
      const what = `${nameOf(request)}, ${CALLS_AT_ONCE} times at once`;
      const [first, ...others] = replies.map((reply) => answered(reply, what));
      if (first === undefined) return;
      session.taken.push({ request, response: first });
      for (const other of others) expectSameResponse(first, other, what);
      const { head } = await session.status();
      expectSameBlock(first, head, `${what}: the head`);
      expect(
        head.number <= before.head.number + 1,
        `${what}: the head went from ${before.head.number} to ${head.number}`,
      );
    },
  },
  {
    id: "concurrent-blocks",
    title: "Blocks that are sent at a time are executed one after another, or refused as a gap",
    rule: "calls-that-overlap",
    why: "two blocks that run at a time see a state that no order of them gives",
    async run(session) {
      const before = await session.status();
      const taken = await takeAtOnce(session, await nextRequests(session, CALLS_AT_ONCE));
      expectChain(before, taken);
      expectSameBlock(lastTaken(session).response, (await session.status()).head, "the head");
    },
  },
  {
    id: "concurrent-reads",
    title: "GetStatus shows whole blocks while others are executed",
    rule: "calls-that-overlap",
    why: "a driver that starts at a height and a head that do not belong together executes the wrong block",
    async run(session) {
      const seen: ExecutorStatus[] = [];
      const requests = await nextRequests(session, CALLS_AT_ONCE);
      const taken = await takeAtOnce(session, requests, async () => {
        seen.push(await session.status());
      });
      for (const status of seen) {
        const { sequencer, head, nextSequencerHeight: next } = status;
        const at = taken.find(({ request }) => request.sequencerHeight === sequencer?.height);
        if (at === undefined || sequencer === undefined) continue;
        const what = `GetStatus during ${nameOf(at.request)}`;
        expectSameBlock(at.response, head, `${what}: its head`);
        expect(
          next === sequencer.height + 1 &&
            bytesEqual(sequencer.blockHash, at.request.sequencerBlockHash),
          `${what}: sequencer ${sequencer.height} ${toHex(sequencer.blockHash)}, next ${next ?? 0}`,
        );
      }
    },
  },
  {
    id: "restart",
    title: "An executor that was killed has all that it had answered",
    rule: "crashes",
    why: "the driver does not send again what was answered; it would be lost",
    needs: ["restart"],
    run: checkRestart,
  },
  {
    id: "restart-in-the-middle",
    title: "Killed while it executes, it goes on without a gap and without doing anything twice",
    rule: "crashes",
    why: "machines fail in the middle of a block, not between two",
    needs: ["restart"],
    async run(session) {
      for (const killAfter of KILL_AFTER) {
        const before = await session.status();
        const first = session.taken.length;
        let killed: Promise<void> | undefined;
        for (const request of await nextRequests(session, FED_AROUND_KILL)) {
          await session.take(request);
          if (session.taken.length - first === killAfter) killed = killAndCatch(session);
        }
        await killed;
        const taken = session.taken.slice(first);
        expectChain(before, taken);
        const after = await session.status();
        for (const one of taken) await session.repeatOnly(one);
        expectSameStatus(after, await session.status(), "repeating blocks after a kill");
        expectSameBlock(lastTaken(session).response, after.head, "the head after a kill");
      }
    },
  },
  {
    id: "init-at-the-end",
    title: "Init says where the rollup stands, after all of this",
    rule: "init",
    why: "it is the first call of every driver that starts",
    run: checkInitAgain,
  },
  {
    id: "deterministic",
    title: "A second instance that is fed the same blocks gives the same hashes and state roots",
    rule: "determinism",
    why: "every node of a rollup executes for itself; two that differ are two rollups",
    needs: ["second"],
    run: checkSecond,
  },
  {
    id: "legs-change-nothing",
    title: "An executor that does not honour revert modes runs all of them as mode 0",
    rule: "bundles",
    why: "what it tells bundles of its own accord, no other node of the rollup would know",
    needs: ["second"],
    async run(session) {
      if (session.supportsGroupRevert) throw notRun("the executor says supports_group_revert");
      const second = secondOf(session);
      const payloads = [0, 1, 2].flatMap(() => session.material());
      const request = await session.request(payloads, {
        legs: legsOf(payloads.length, RevertMode.FAIL),
      });
      await session.execute(request);
      const plain = { ...request, legs: legsOf(payloads.length, RevertMode.ALLOW) };
      const what = `${nameOf(request)}, with revert mode 2 here and 0 at the second instance`;
      const other = answered(await second.executeBlock(plain), what);
      expectSameResponse(lastTaken(session).response, other, what);
      // Where payloads are gathered, what became of them shows with the next block.
      for (let count = 0; count < 2; count++) {
        const next = await session.request(session.material());
        await session.execute(next);
        const same = answered(await second.executeBlock(next), nameOf(next));
        expectSameResponse(lastTaken(session).response, same, `${what}: ${nameOf(next)} after it`);
      }
    },
  },
  {
    id: "block-hash",
    title: "The hash of a block commits to the sequencer block that it was made of",
    rule: "executeblock",
    why: "blocks of two histories could not be told apart by those who know the rollup alone",
    needs: ["second"],
    async run(session) {
      // From here on the two are no longer one rollup, so this is the last check. What was gathered before is the same.
      let isOfBefore = (await session.status()).gatheredPayloads > 0;
      for (let tries = 0; tries < BLOCK_TRIES_MAX; tries++) {
        const request = await session.request(session.material());
        const made = await session.execute(request);
        const sequencerBlockHash = blockHash(request.sequencerHeight, "-fork");
        const what = `${nameOf(request)} with another hash at the second instance`;
        const asked = secondOf(session).executeBlock({ ...request, sequencerBlockHash });
        const other = answered(await asked, what);
        if (made.outcome !== "block" || other.outcome !== "block") continue;
        if (isOfBefore) {
          isOfBefore = false;
          continue;
        }
        expect(
          !bytesEqual(made.hash, other.hash),
          `${what}: the block has the same hash, ${toHex(made.hash)}`,
        );
        return;
      }
      throw session.noBlock();
    },
  },
];

/** Requests of the next heights, each with a payload. */
function nextRequests(session: Session, count: number): Promise<ExecuteBlockRequest[]> {
  return session.requests(count, () => session.material());
}

/** Sends all at once, those again that came too early; asks `beside` all the while. */
async function takeAtOnce(
  session: Session,
  requests: readonly ExecuteBlockRequest[],
  beside?: () => Promise<void>,
): Promise<Taken[]> {
  const taken: Taken[] = [];
  let waiting = [...requests];
  for (let tries = 0; waiting.length > 0; tries++) {
    expect(tries < GAP_TRIES_MAX, "blocks that are next are refused as gaps for ever");
    let isUnderWay = true;
    const calls = Promise.all(
      waiting.map(async (request) => ({
        request,
        reply: await session.target.executeBlock(request),
      })),
    ).finally(() => {
      isUnderWay = false;
    });
    while (beside !== undefined && isUnderWay) await beside();
    const replies = await calls;
    waiting = [];
    for (const { request, reply } of replies) {
      if (reply.kind === "answer") taken.push({ request, response: reply.value });
      else {
        expectRefusal(`${nameOf(request)} among others`, reply, ["EXECUTION_HEIGHT_GAP"]);
        waiting.push(request);
      }
    }
  }
  taken.sort((a, b) => a.request.sequencerHeight - b.request.sequencerHeight);
  session.taken.push(...taken);
  return taken;
}

/** Each block on top of the one before, each payload in one of them. */
function expectChain(before: ExecutorStatus, taken: readonly Taken[]): void {
  let head: ExecutedBlock = before.head;
  for (const { request, response } of taken) {
    const what = nameOf(request);
    if (response.outcome === "block") {
      expect(
        response.number === head.number + 1 && bytesEqual(response.parentHash, head.hash),
        `${what}: ${describeAnswer(response)} on top of ${head.number} ${toHex(head.hash)}`,
      );
      head = response;
    } else expectSameBlock(head, response, `${what}: outcome ${response.outcome} names the head`);
  }
}

async function checkRestart(session: Session): Promise<void> {
  await session.execute(await session.request(session.material()));
  const block = await session.status();
  await killAndCatch(session);
  expectSameStatus(block, await session.status(), "a kill");
  for (const taken of session.taken.slice(-10)) await session.repeat(taken);
  // Blocks without payloads may be forgotten: the driver sees that in next_sequencer_height, and feeds them again.
  for (let count = 0; count < 2; count++) await session.execute(await session.request([]));
  await killAndCatch(session);
  const after = await session.status();
  const next = after.nextSequencerHeight ?? 0;
  const [first, last] = [block.nextSequencerHeight ?? 0, (block.nextSequencerHeight ?? 0) + 2];
  expect(
    next >= first && next <= last,
    `next_sequencer_height is ${next} after a kill, expected ${first} to ${last}`,
  );
  for (const taken of session.taken.slice(-2)) await session.repeatOnly(taken);
  await session.execute(await session.request(session.material()));
}

function secondOf(session: Session): Session["target"] {
  if (session.second === undefined) throw notRun("there is no second instance");
  return session.second;
}

async function checkSecond(session: Session): Promise<void> {
  const second = secondOf(session);
  const fresh = await session.status(second);
  if (fresh.isInitialized) {
    throw conformanceError(
      "CONFORMANCE_NOT_FRESH",
      `the second instance at ${second.address} follows a sequencer already; give one with an empty data directory`,
    );
  }
  const rollupId = await session.rollupId();
  const status = await session.status();
  const pairs: readonly (readonly [string, string, string])[] = [
    ["rollup id", rollupId, fresh.rollupId],
    ["chain id", `${status.chainId}`, `${fresh.chainId}`],
    ["genesis hash", toHex(status.genesisHash), toHex(fresh.genesisHash)],
  ];
  for (const [name, first, other] of pairs) {
    expect(
      first === other,
      `the second instance has another ${name}: ${other}, the first ${first}`,
    );
  }
  answered(await second.init(session.initRequest(rollupId)), "Init of the second instance");
  for (const { request, response } of session.taken) {
    for (const step of session.bundles.stepsAt(request.sequencerHeight)) {
      await repeatStep(second, step);
    }
    const what = `${nameOf(request)} at the second instance`;
    expectSameResponse(response, answered(await second.executeBlock(request), what), what);
  }
  const [mine, theirs] = [await session.status(), await session.status(second)];
  expectSameStatus(
    { ...mine, safe: theirs.safe, finalized: theirs.finalized },
    theirs,
    "being fed at another instance",
  );
}

/** Aborted bundles that must leave no trace are not among them: there the second instance never heard of any. */
async function repeatStep(second: Target, step: BundleStep): Promise<void> {
  const { sequencerHeight: height } = step.request;
  if (step.kind === "prepare") {
    const what = `PrepareBundle of height ${height} at the second instance`;
    const answer = answered(await second.prepareBundle(step.request), what);
    expectSamePrepared(step.response, answer, what);
  } else {
    const what = `DecideBundle of height ${height} at the second instance`;
    const { prepared } = answered(await second.decideBundle(step.request), what);
    expectSamePrepared(step.prepared.response, prepared, what);
  }
}
