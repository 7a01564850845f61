/** Level 1: calls about bundles that come again, come wrong, come at a time, or before and after a kill. */
import { weft } from "#proto-gen/weft.js";
import { AtomicOutcome } from "../../proto/codec/atomic-tx.ts";
import { Height } from "../../proto/brands.ts";
import { abortAll, bundleCheck } from "./bundle-check.ts";
import {
  BundleHeight,
  decideAgain,
  expectSamePrepared,
  prepareAgain,
  SIBLING,
} from "./bundle-height.ts";
import type { Check } from "./check.ts";
import { killAndCatch } from "./kill.ts";
import { CALLS_AT_ONCE } from "./limits.ts";
import { gibberish } from "./payloads.ts";
import { answered, blockHash, expectSameStatus, type Session } from "./session.ts";
import type { Reply } from "./target.ts";

const {
  PrepareBundleRequest: PrepareMessage,
  DecideBundleRequest: DecideMessage,
  BundleOutcome: Outcome,
} = weft.execution.v1;
const { COMMIT, ABORT } = AtomicOutcome;
const INVALID = "EXECUTION_INVALID_REQUEST";

export const BUNDLE_ORDER_CHECKS: readonly Check[] = [
  bundleCheck({
    id: "bundle-again",
    title: "Preparations and decisions that come again are answered as the first time",
    rule: "bundles-again",
    why: "a driver repeats a height from its first call; a second, other vote costs its bond",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session, session.material());
      const prepared = await height.prepareYes(leg);
      const refused = await height.prepare(leg);
      for (const one of [prepared, refused]) await prepareAgain(session, one);
      await height.execute();
      for (const one of [prepared, refused]) await prepareAgain(session, one);
      const decides = await BundleHeight.next(session, session.material());
      await decides.commit(prepared);
      await decides.abort(refused);
      const decisions = [
        [decides.decideRequest(prepared.request.bundleId, COMMIT), prepared],
        [decides.decideRequest(refused.request.bundleId, ABORT), refused],
      ] as const;
      for (const [request, of] of decisions) await decideAgain(session, request, of);
      await decides.execute();
      for (const [request, of] of decisions) await decideAgain(session, request, of);
    },
  }),
  bundleCheck({
    id: "bundle-anew",
    title: "A bundle that was decided may be prepared anew at a later height",
    rule: "bundles-again",
    why: "who placed a bundle in vain may place it again, with the same id",
    async run(session) {
      const bundleId = blockHash(0, " placed twice");
      for (let count = 0; count < 2; count++) {
        const height = await BundleHeight.next(session);
        await height.prepare([gibberish("placed twice", 40)], { bundleId });
        await height.execute();
        await abortAll(session);
      }
    },
  }),
  bundleCheck({
    id: "bundle-invalid",
    title: "Bundles whose fields no state could make valid are refused as such",
    rule: "refusals",
    why: "a driver repeats what may pass later; what never will must end it with a reason",
    run: checkInvalidBundles,
  }),
  bundleCheck({
    id: "bundle-unknown",
    title: "A decision about a bundle that was not prepared is refused",
    rule: "deciding",
    why: "a driver that skipped a preparation must learn of it",
    async run(session) {
      const height = await BundleHeight.next(session);
      for (const outcome of [COMMIT, ABORT]) {
        const request = height.decideRequest(gibberish("no such bundle", 32), outcome);
        const ask = () => session.target.decideBundle(request);
        await session.refuses("DecideBundle of nothing", ask, "EXECUTION_BUNDLE_UNKNOWN");
      }
    },
  }),
  bundleCheck({
    id: "bundle-heights",
    title: "Bundles are prepared and decided at the next height only",
    rule: "order-of-work",
    why: "a leg that was run on the state of another height is another leg",
    async run(session) {
      const { target } = session;
      const height = await BundleHeight.next(session);
      const prepared = await height.prepare([gibberish("heights", 40)]);
      await height.execute();
      const expected = (await session.status()).nextSequencerHeight ?? Height(0);
      for (const away of [-1, 1, 1_000]) {
        const got = Height(expected + away);
        const at = { sequencerHeight: got, sequencerBlockHash: blockHash(got) };
        const next = await BundleHeight.next(session);
        const leg = next.prepareRequest([gibberish("heights", 41)], at);
        const decision = { ...next.decideRequest(prepared.request.bundleId, ABORT), ...at };
        // The height of its own preparation is a fault of another kind.
        const calls = {
          PrepareBundle: () => target.prepareBundle(leg),
          ...(away < 0 ? {} : { DecideBundle: () => target.decideBundle(decision) }),
        };
        for (const [name, ask] of Object.entries(calls)) {
          const what = `${name} at height ${got} where ${expected} is next`;
          await session.refuses(what, ask, "EXECUTION_HEIGHT_GAP", { expected, got });
        }
      }
      await abortAll(session);
    },
  }),
  bundleCheck({
    id: "bundle-order",
    title: "Decisions come before preparations of their height, and above that of their own",
    rule: "order-of-work",
    why: "the order decides which leg finds which locks; all nodes must have the same one",
    async run(session) {
      const { target } = session;
      const height = await BundleHeight.next(session);
      const prepared = await height.prepare([gibberish("order", 40)]);
      const { bundleId } = prepared.request;
      const early = height.decideRequest(bundleId, ABORT);
      const atOnce = () => target.decideBundle(early);
      await session.refuses("DecideBundle at the height of its preparation", atOnce, INVALID);
      await height.execute();
      const next = await BundleHeight.next(session);
      const open = next.prepareRequest([gibberish("order", 41)], { bundleId });
      const askOpen = () => target.prepareBundle(open);
      await session.refuses("PrepareBundle of a bundle that is open", askOpen, INVALID);
      await next.prepare([gibberish("order", 42)]);
      const late = next.decideRequest(bundleId, ABORT);
      const askLate = () => target.decideBundle(late);
      await session.refuses("DecideBundle after a PrepareBundle of its height", askLate, INVALID);
      await next.execute();
      await abortAll(session);
    },
  }),
  bundleCheck({
    id: "bundle-conflict",
    title: "Another outcome, and another block at a height with bundles, is refused",
    rule: "bundles-again",
    why: "it is the sign of a fork; an executor that goes along hides it",
    async run(session) {
      const { target } = session;
      const height = await BundleHeight.next(session, session.material());
      const prepared = await height.prepare([gibberish("conflict", 40)]);
      const fork = { sequencerBlockHash: blockHash(height.number, "-fork") };
      const other = height.prepareRequest([gibberish("conflict", 41)], fork);
      await refusesFork(session, height.number, {
        "PrepareBundle again": () => target.prepareBundle({ ...prepared.request, ...fork }),
        "PrepareBundle of another leg": () => target.prepareBundle(other),
        ExecuteBlock: () => target.executeBlock({ ...height.request, ...fork }),
      });
      await height.execute();
      const decides = await BundleHeight.next(session);
      await decides.abort(prepared);
      const { bundleId } = prepared.request;
      const decision = decides.decideRequest(bundleId, ABORT);
      const forked = { sequencerBlockHash: blockHash(decides.number, "-fork") };
      const again = {
        "DecideBundle again": () => target.decideBundle({ ...decision, ...forked }),
        "DecideBundle with COMMIT after ABORT": () =>
          target.decideBundle({ ...decision, outcome: COMMIT, reason: 0 }),
      };
      await refusesFork(session, decides.number, again);
      await refusesFork(session, decides.number, {
        ExecuteBlock: () => target.executeBlock({ ...decides.request, ...forked }),
      });
      await decides.execute();
      await refusesFork(session, decides.number, again);
    },
  }),
  bundleCheck({
    id: "commit-of-no",
    title: "A commit of a leg that was answered NO is refused; its abort is taken",
    rule: "deciding",
    why: "either this executor is wrong or a quorum of its rollup's is: somebody has to find out which",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session);
      await height.prepareYes(leg);
      const refused = await height.prepare(leg);
      await height.execute();
      const decides = await BundleHeight.next(session);
      const request = decides.decideRequest(refused.request.bundleId, COMMIT);
      const ask = () => session.target.decideBundle(request);
      await session.refuses("COMMIT of a leg that was answered NO", ask, "EXECUTION_HALTED");
      await abortAll(session);
      session.giveBack(leg);
    },
  }),
  bundleCheck({
    id: "concurrent-bundles",
    title: `${CALLS_AT_ONCE} calls about one bundle at a time get one answer`,
    rule: "calls-that-overlap",
    why: "a driver whose connection broke may ask again while its first call still runs",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session);
      const request = height.prepareRequest(leg);
      const what = `PrepareBundle, ${CALLS_AT_ONCE} times at once`;
      const calls = Array.from({ length: CALLS_AT_ONCE }, () =>
        session.target.prepareBundle(request),
      );
      const [response, ...others] = (await Promise.all(calls)).map((one) => answered(one, what));
      if (response === undefined) return;
      session.bundles.prepared({ request, response, isTraceless: false });
      for (const other of others) expectSamePrepared(response, other, what);
      await height.execute();
      await abortAll(session);
      session.giveBack(leg);
    },
  }),
  bundleCheck({
    id: "bundle-restart",
    title: "An executor that was killed has the preparations and decisions that it had answered",
    rule: "crashes",
    why: "a vote that it gives twice has to be the same, and what is committed must happen",
    needs: ["legs", "restart"],
    async run(session) {
      const [one, two] = [await session.useLeg(), await session.useLeg()];
      const height = await BundleHeight.next(session, session.material());
      const prepared = [await height.prepareYes(one), await height.prepareYes(two)] as const;
      await killUnchanged(session);
      for (const leg of prepared) await prepareAgain(session, leg);
      await height.execute();
      await killUnchanged(session);
      for (const leg of prepared) await prepareAgain(session, leg);
      const decides = await BundleHeight.next(session, session.material());
      const [first, second] = prepared;
      await decides.commit(first);
      await decides.abort(second);
      await killUnchanged(session);
      const decision = decides.decideRequest(first.request.bundleId, COMMIT);
      await decideAgain(session, decision, first);
      await decides.execute();
      await killUnchanged(session);
      await decideAgain(session, decision, first);
      session.giveBack(two);
    },
  }),
  bundleCheck({
    id: "bundle-killed",
    title: "Killed while it prepares, decides or commits, it has all of it or nothing",
    rule: "crashes",
    why: "half a preparation is a lock that nothing opens, half a commit a state of no other node",
    needs: ["legs", "restart"],
    async run(session) {
      const leg = await session.useLeg();
      const killed = async <T>(work: Promise<T>): Promise<T> =>
        (await Promise.all([work, killAndCatch(session)]))[0];
      const height = await BundleHeight.next(session, session.material());
      const prepared = await killed(height.prepareYes(leg));
      await prepareAgain(session, prepared);
      await killed(height.execute());
      const decides = await BundleHeight.next(session, session.material());
      await killed(decides.commit(prepared));
      const decision = decides.decideRequest(prepared.request.bundleId, COMMIT);
      await decideAgain(session, decision, prepared);
      const answer = await killed(decides.execute());
      await session.repeat({ request: decides.request, response: answer });
      await decideAgain(session, decision, prepared);
    },
  }),
];

async function killUnchanged(session: Session): Promise<void> {
  const before = await session.status();
  await killAndCatch(session);
  expectSameStatus(before, await session.status(), "a kill");
}

/** Each of these is refused as another block, or another outcome, at a height that has one. */
async function refusesFork(
  session: Session,
  height: Height,
  calls: Readonly<Record<string, () => Promise<Reply<unknown>>>>,
): Promise<void> {
  for (const [name, ask] of Object.entries(calls)) {
    const what = `${name} of another block at height ${height}`;
    await session.refuses(what, ask, "EXECUTION_CONFLICT", { height });
  }
}

async function checkInvalidBundles(session: Session): Promise<void> {
  const height = await BundleHeight.next(session);
  const { sequencerBlockHash, sequencerHeight, timestamp } = height.request;
  const place = { sequencerBlockHash, sequencerHeight, bundleId: blockHash(0, " invalid") };
  const time = { seconds: Number(timestamp.seconds), nanos: timestamp.nanos };
  const leg = { leg: 0, legs: 2, siblingRollupIds: [SIBLING], locksMax: 1 };
  const good = { ...place, ...leg, time, payloads: [Uint8Array.of(1)] };
  const short = SIBLING.subarray(1);
  const wrongPlaces = {
    "with a block hash of 31 bytes": { sequencerBlockHash: sequencerBlockHash.subarray(1) },
    "without a bundle id": { bundleId: new Uint8Array(0) },
    "of height 0": { sequencerHeight: 0 },
  };
  const wrongLegs = {
    ...wrongPlaces,
    "without a time": { time: null },
    "of before 1970": { time: { seconds: -1, nanos: 0 } },
    "with 10^9 nanoseconds": { time: { ...time, nanos: 1_000_000_000 } },
    "of leg 2 of 2": { leg: 2 },
    "of 3 legs with one sibling": { legs: 3 },
    "with a sibling id of 31 bytes": { siblingRollupIds: [short] },
    "with the same sibling twice": { legs: 3, siblingRollupIds: [SIBLING, SIBLING] },
    "that may lock nothing": { locksMax: 0 },
    "that may lock 257": { locksMax: 257 },
  };
  for (const [name, change] of Object.entries(wrongLegs)) {
    const bytes = PrepareMessage.encode({ ...good, ...change }).finish();
    const ask = () => session.target.raw("prepareBundle", bytes);
    await session.refuses(`PrepareBundle ${name}`, ask, INVALID);
  }
  const prepared = await height.prepare([gibberish("invalid", 40)]);
  await height.execute();
  const decides = await BundleHeight.next(session);
  const { reason } = decides.decideRequest(prepared.request.bundleId, ABORT);
  const { sequencerHeight: at, sequencerBlockHash: hash } = decides.request;
  const decision = {
    sequencerHeight: at,
    sequencerBlockHash: hash,
    bundleId: prepared.request.bundleId,
    outcome: Outcome.BUNDLE_OUTCOME_ABORT,
    reason,
  };
  const wrongDecisions = {
    ...wrongPlaces,
    "without an outcome": { outcome: Outcome.BUNDLE_OUTCOME_UNSPECIFIED },
  };
  for (const [name, change] of Object.entries(wrongDecisions)) {
    const bytes = DecideMessage.encode({ ...decision, ...change }).finish();
    const ask = () => session.target.raw("decideBundle", bytes);
    await session.refuses(`DecideBundle ${name}`, ask, INVALID);
  }
  await abortAll(session);
}
