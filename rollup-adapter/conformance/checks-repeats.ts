/** Calls that come again, come wrong, or are cut off. */
import { weft } from "#proto-gen/weft.js";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { type PayloadLeg } from "../execution.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import type { Check } from "./check.ts";
import { expect } from "./fault.ts";
import { ANSWERS_KEPT_MIN } from "./limits.ts";
import { gibberish } from "./payloads.ts";
import {
  blockHash,
  expectRefusal,
  expectSameStatus,
  nameOf,
  type Session,
  type Taken,
} from "./session.ts";
import type { Reply } from "./target.ts";

const {
  ExecuteBlockRequest: ExecuteMessage,
  PrepareBundleRequest: PrepareMessage,
  DecideBundleRequest: DecideMessage,
  BundleOutcome,
} = weft.execution.v1;

export const REPEAT_CHECKS: readonly Check[] = [
  {
    id: "repeat",
    title: "A block that was executed is answered again as the first time, and not run again",
    rule: "repeating",
    why: "a driver repeats the call that its crash cut off; twice executed is a double spend",
    async run(session) {
      for (const payloads of [session.material(), [], session.material(), session.material()]) {
        await session.execute(await session.request(payloads));
        await session.repeat(lastTaken(session));
      }
      for (const taken of session.taken.slice(-4)) await session.repeat(taken);
    },
  },
  {
    id: "repeat-earlier",
    title: `The ${ANSWERS_KEPT_MIN} newest heights are answered again`,
    rule: "repeating",
    why: "a driver that was restored from a backup begins behind the executor",
    async run(session) {
      const missing = Math.max(0, ANSWERS_KEPT_MIN - session.taken.length);
      const requests = await session.requests(missing, (index) =>
        index % 4 === 0 ? session.material() : [],
      );
      for (const request of requests) await session.take(request);
      const before = await session.status();
      for (const taken of session.taken.slice(-ANSWERS_KEPT_MIN)) await session.repeatOnly(taken);
      expectSameStatus(before, await session.status(), "repeating earlier blocks");
    },
  },
  {
    id: "repeat-by-hash",
    title: "Height and block hash say whether a call is a repetition; its other fields do not",
    rule: "repeating",
    why: "the parent that a driver believed in is no longer the head when it repeats its call",
    async run(session) {
      const { hash: parentHash } = (await session.status()).head;
      await session.execute(await session.request(session.material(), { parentHash }));
      const taken = lastTaken(session);
      await session.repeat(taken);
      await session.repeat(taken, { payloads: [gibberish("other payloads", 40)] });
    },
  },
  {
    id: "conflict",
    title: "Another block at a height that was executed is refused",
    rule: "repeating",
    why: "it is the sign of a fork; an executor that goes along hides it",
    async run(session) {
      await session.execute(await session.request(session.material()));
      for (const taken of session.taken.slice(-4)) {
        const height = taken.request.sequencerHeight;
        const request = { ...taken.request, sequencerBlockHash: blockHash(height, "-fork") };
        await session.refuses(
          `${nameOf(request)} with another hash`,
          () => session.target.executeBlock(request),
          "EXECUTION_CONFLICT",
          { height },
        );
      }
    },
  },
  {
    id: "gap",
    title: "A height that is not the next one is refused",
    rule: "heights",
    why: "what was ordered between would be missing from the rollup for good",
    async run(session) {
      await session.execute(await session.request(session.material()));
      const expected = (await session.status()).nextSequencerHeight ?? Height(0);
      for (const ahead of [1, 2, 1_000]) {
        const got = Height(expected + ahead);
        const request = await session.request(session.material(), { sequencerHeight: got });
        await session.refuses(
          `${nameOf(request)} where ${expected} is next`,
          () => session.target.executeBlock(request),
          "EXECUTION_HEIGHT_GAP",
          { expected, got },
        );
      }
    },
  },
  {
    id: "first-fault",
    title: "Of several faults of a request, the first in the contract's order is named",
    rule: "executeblock",
    why: "a driver that has lost its way would be told to go on, or to stop where it need not",
    async run(session) {
      await session.execute(await session.request(session.material()));
      const expected = (await session.status()).nextSequencerHeight ?? Height(0);
      const got = Height(expected + 3);
      const parentHash = gibberish("no parent", 32);
      const ahead = await session.request(session.material(), { sequencerHeight: got, parentHash });
      const formless = { ...ahead, sequencerBlockHash: new Uint8Array(31) };
      const { request: taken } = lastTaken(session);
      const height = taken.sequencerHeight;
      const forked = { ...taken, parentHash, sequencerBlockHash: blockHash(height, "-fork") };
      const { target } = session;
      const askForm = () => target.executeBlock(formless);
      await session.refuses("no hash, a gap, no parent", askForm, "EXECUTION_INVALID_REQUEST");
      const askHash = () => target.executeBlock(forked);
      await session.refuses("another hash, no parent", askHash, "EXECUTION_CONFLICT", { height });
      const askGap = () => target.executeBlock(ahead);
      const heights = { expected, got };
      await session.refuses("a gap, no parent", askGap, "EXECUTION_HEIGHT_GAP", heights);
    },
  },
  {
    id: "parent-hash",
    title: "A parent_hash that is not the head is refused, the head's is taken",
    rule: "executeblock",
    why: "a driver that believes in another head has lost its way, and must learn of it",
    async run(session) {
      const { head, safe, genesisHash } = await session.status();
      const wrong = [gibberish("no parent", 32), genesisHash, safe.hash];
      for (const parentHash of wrong.filter((hash) => !bytesEqual(hash, head.hash))) {
        const request = await session.request(session.material(), { parentHash });
        await session.refuses(
          `ExecuteBlock on parent ${toHex(parentHash)}`,
          () => session.target.executeBlock(request),
          "EXECUTION_PARENT_MISMATCH",
        );
      }
      await session.execute(await session.request(session.material(), { parentHash: head.hash }));
    },
  },
  {
    id: "invalid-block",
    title: "Requests whose fields no state could make valid are refused as such",
    rule: "refusals",
    why: "a driver repeats what may pass later; what never will must end it with a reason",
    run: checkInvalidBlocks,
  },
  {
    id: "gathered",
    title: "Several sequencer blocks in one request count as taken up to the last",
    rule: "gathering",
    why: "a driver that gathers would be refused, or its blocks be executed twice",
    async run(session) {
      const first = (await session.status()).nextSequencerHeight ?? Height(0);
      const last = Height(first + 4);
      const fields = { sequencerHeight: last, sequencerHeightFirst: first };
      const late = { ...fields, sequencerHeightFirst: Height(first + 1) };
      const gap = await session.request(session.material(), late);
      await session.refuses(
        `gathered heights ${first + 1} to ${last} where ${first} is next`,
        () => session.target.executeBlock(gap),
        "EXECUTION_HEIGHT_GAP",
        { expected: first, got: Height(first + 1) },
      );
      await session.execute(await session.request(session.material(), fields));
      await session.repeat(lastTaken(session));
      const within = Height(first + 2);
      const request = await session.request(session.material(), { sequencerHeight: within });
      await session.refuses(
        `height ${within}, which was gathered with others`,
        () => session.target.executeBlock(request),
        "EXECUTION_HEIGHT_FORGOTTEN",
        { height: within },
      );
      await session.execute(await session.request(session.material()));
    },
  },
  {
    id: "legs",
    title: "Legs of bundles are taken with every revert mode",
    rule: "bundles",
    why: "the first bundle that somebody sends would stop the rollup",
    async run(session) {
      for (const mode of [RevertMode.ALLOW, RevertMode.DROP, RevertMode.FAIL]) {
        const payloads = [...session.material(), ...session.material(), ...session.material()];
        const legs = legsOf(payloads.length, mode);
        await session.execute(await session.request(payloads, { legs }));
        await session.repeat(lastTaken(session));
      }
    },
  },
  {
    id: "level-0",
    title: "An executor of level 0 says UNIMPLEMENTED to preparing and deciding bundles",
    rule: "level-0",
    why: "an answer would be a vote on what it does not do",
    level: 0,
    async run(session) {
      const { openBundleCount } = await session.status();
      expect(openBundleCount === 0, `${openBundleCount} bundles are open at level 0`);
      const { sequencerHeight, timestamp, sequencerBlockHash } = await session.request([]);
      const bundle = { sequencerHeight, sequencerBlockHash, bundleId: blockHash(0, "bundle") };
      const time = { seconds: Number(timestamp.seconds), nanos: timestamp.nanos };
      const leg = { leg: 0, legs: 2, siblingRollupIds: [blockHash(0, "sibling")], locksMax: 16 };
      const payloads = session.material();
      const calls = {
        prepareBundle: PrepareMessage.encode({ ...bundle, ...leg, time, payloads }).finish(),
        decideBundle: DecideMessage.encode({
          ...bundle,
          outcome: BundleOutcome.BUNDLE_OUTCOME_ABORT,
          reason: 1,
        }).finish(),
      } as const;
      for (const name of ["prepareBundle", "decideBundle"] as const) {
        const reply = await session.target.raw(name, calls[name]);
        expect(
          isUnsupported(reply),
          `${name}: expected UNIMPLEMENTED, got ${reply.kind === "answer" ? "an answer" : reply.status}`,
        );
      }
    },
  },
  {
    id: "cut-off",
    title: "A call that its caller let go of can be made again, and counts once",
    rule: "crashes",
    why: "connections break; the driver asks again, and must not execute twice",
    async run(session) {
      // The last one is answered by then, and nobody hears it.
      for (const afterMs of [0, 1, 5, 250]) {
        const before = await session.status();
        const request = await session.request(session.material());
        await session.target.abandon(request, afterMs);
        const block = await session.take(request);
        const after = await session.status();
        const made = block.outcome === "block" ? 1 : 0;
        expect(
          after.head.number === before.head.number + made && after.head.number === block.number,
          `${nameOf(request)}, called twice: the head went from ${before.head.number} to ${after.head.number}`,
        );
      }
    },
  },
];

/** Whoever does not serve a call at all leaves the answer to the library, which knows no weft-code. */
export function isUnsupported(reply: Reply<unknown>): boolean {
  return (
    reply.kind === "refusal" &&
    reply.status === "UNIMPLEMENTED" &&
    ["", "EXECUTION_ATOMIC_UNSUPPORTED"].includes(reply.code)
  );
}

/** Two legs: the first payload, and the rest but one that stands alone. */
export function legsOf(payloadCount: number, revertMode: RevertMode): PayloadLeg[] {
  const leg = (name: string, first: number, count: number): PayloadLeg => ({
    bundleId: blockHash(payloadCount, name),
    leg: 1,
    legs: 3,
    revertMode,
    first,
    count,
  });
  return [leg("bundle a", 0, 1), leg("bundle b", 2, payloadCount - 2)];
}

export function lastTaken(session: Session): Taken {
  const taken = session.taken.at(-1);
  expect(taken !== undefined, "the executor has taken no block");
  return taken;
}

async function checkInvalidBlocks(session: Session): Promise<void> {
  const { sequencerHeight, timestamp } = await session.request([]);
  const good = {
    sequencerBlockHash: blockHash(sequencerHeight),
    sequencerHeight,
    time: { seconds: Number(timestamp.seconds), nanos: timestamp.nanos },
    payloads: [Uint8Array.of(1)],
  };
  const wrong = {
    "without a block hash": { ...good, sequencerBlockHash: new Uint8Array(0) },
    "with a block hash of 31 bytes": { ...good, sequencerBlockHash: new Uint8Array(31) },
    "with a block hash of 33 bytes": { ...good, sequencerBlockHash: new Uint8Array(33) },
    "of height 0": { ...good, sequencerHeight: 0 },
    "whose first gathered height is above its height": {
      ...good,
      sequencerHeightFirst: sequencerHeight + 1,
    },
    "without a time": { ...good, time: null },
    "of before 1970": { ...good, time: { seconds: -1, nanos: 0 } },
    "with 10^9 nanoseconds": { ...good, time: { ...good.time, nanos: 1_000_000_000 } },
  };
  for (const [name, message] of Object.entries(wrong)) {
    const bytes = ExecuteMessage.encode(message).finish();
    const ask = () => session.target.raw("executeBlock", bytes);
    await session.refuses(`ExecuteBlock ${name}`, ask, "EXECUTION_INVALID_REQUEST");
  }
  // What is no message at all: gRPC libraries refuse it themselves, each with a status of its own.
  const before = await session.status();
  const reply = await session.target.raw("executeBlock", Uint8Array.of(0x0a, 0xff, 0xff));
  expect(reply.kind === "refusal", "bytes that are no ExecuteBlockRequest were answered");
  if (reply.code !== "") {
    expectRefusal("bytes that are no message", reply, ["EXECUTION_INVALID_REQUEST"]);
  }
  expectSameStatus(before, await session.status(), "bytes that are no message");
}
