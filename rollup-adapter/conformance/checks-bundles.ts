/** Level 1: what becomes of a leg that is prepared, committed or aborted, and of what it locks. */
import { NoReason } from "../../proto/codec/atomic-tx.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { BundleHeight, expectNo } from "./bundle-height.ts";
import { abortAll, bundleCheck, prepareOne } from "./bundle-check.ts";
import type { Check } from "./check.ts";
import { expect } from "./fault.ts";
import { awkwardPayloads, gibberish } from "./payloads.ts";

export const BUNDLE_CHECKS: readonly Check[] = [
  bundleCheck({
    id: "leg-of-any-bytes",
    title: "A leg of any bytes is answered YES or NO, never refused",
    rule: "preparing",
    why: "anybody could stop the rollup by paying for a bundle of the right bytes",
    async run(session) {
      const height = await BundleHeight.next(session);
      const legs = [
        [],
        [gibberish("a leg", 48)],
        [gibberish("a long leg", 50_000)],
        awkwardPayloads(),
        ...awkwardPayloads()
          .slice(0, 12)
          .map((payload) => [payload]),
      ];
      for (const leg of legs) await height.prepare(leg, { isTraceless: true });
      await height.execute();
      await abortAll(session);
    },
  }),
  bundleCheck({
    id: "prepare",
    title: "A leg that can be executed is answered YES on the head's state, and changes nothing",
    rule: "preparing",
    why: "the vote of an executor that ran it on another state does not agree with its quorum's",
    needs: ["legs"],
    async run(session) {
      const [one, two] = [await session.useLeg(), await session.useLeg()];
      const { head } = await session.status();
      const height = await BundleHeight.next(session);
      // The second sees nothing of the first, though that is staged by then.
      for (const leg of [one, two]) {
        const { response } = await height.prepareYes(leg, { isTraceless: true });
        expect(
          bytesEqual(response.preStateRoot, head.stateRoot),
          `pre_state_root is ${toHex(response.preStateRoot)}, the head's state root ${toHex(head.stateRoot)}`,
        );
      }
      const { outcome } = await height.execute();
      expect(
        outcome === "none",
        `no payloads beside two staged legs: expected none, got ${outcome}`,
      );
      await (await BundleHeight.next(session, session.material())).execute();
      await abortAll(session);
      session.giveBack(two);
      session.giveBack(one);
    },
  }),
  bundleCheck({
    id: "abort",
    title: "An aborted leg leaves nothing: no block, no state, no lock, nothing that it used up",
    rule: "deciding",
    why: "the other rollups of the bundle have executed nothing",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session);
      await height.prepareYes(leg, { isTraceless: true });
      await height.execute();
      const { outcome } = await abortAll(session);
      expect(
        outcome === "none",
        `a height that only aborts: expected outcome none, got ${outcome}`,
      );
      const again = await BundleHeight.next(session);
      await again.prepareYes(leg, { isTraceless: true });
      await again.execute();
      await abortAll(session);
      session.giveBack(leg);
    },
  }),
  bundleCheck({
    id: "commit",
    title: "A committed leg makes a block, also without payloads, and changes the state",
    rule: "deciding",
    why: "the other rollups of the bundle have executed theirs",
    needs: ["legs"],
    async run(session) {
      const prepared = await prepareOne(session);
      const before = (await session.status()).head;
      const height = await BundleHeight.next(session);
      await height.commit(prepared);
      const answer = await height.execute();
      expect(
        !bytesEqual(answer.stateRoot, before.stateRoot),
        "a leg was committed and the state root is the same",
      );
      await session.repeat({ request: height.request, response: answer });
    },
  }),
  bundleCheck({
    id: "commit-first",
    title: "Committed legs come first in the block, before its payloads",
    rule: "deciding",
    why: "a payload that ran before them saw, or changed, what they were staged on",
    needs: ["legs"],
    async run(session) {
      const prepared = await prepareOne(session);
      const { payloads } = prepared.request;
      // Executed by then, so that they are of no use a second time.
      const height = await BundleHeight.next(session, payloads);
      await height.commit(prepared);
      const { skipped } = await height.execute();
      expect(
        skipped.length === payloads.length,
        `the payloads of a leg were posted into the block that committed it: expected all ${payloads.length} to be skipped, as executed already, got ${skipped.length}`,
      );
    },
  }),
  bundleCheck({
    id: "commits-in-order",
    title: "Several legs are open, committed and aborted at a time, each by itself",
    rule: "deciding",
    why: "bundles overlap as soon as there are two of them",
    needs: ["legs"],
    async run(session) {
      const legs = [await session.useLeg(), await session.useLeg(), await session.useLeg()];
      const [one, two, three] = legs;
      if (one === undefined || two === undefined || three === undefined) return;
      const height = await BundleHeight.next(session, session.material());
      const first = await height.prepareYes(one);
      const second = await height.prepareYes(two);
      await height.execute();
      const next = await BundleHeight.next(session, session.material());
      const third = await next.prepareYes(three);
      await next.execute();
      const before = (await session.status()).head;
      const decides = await BundleHeight.next(session, session.material());
      await decides.commit(third);
      await decides.abort(second);
      await decides.commit(first);
      // On the commits of this height, and on nothing else.
      const { response } = await decides.prepareYes(two);
      expect(
        !bytesEqual(response.preStateRoot, before.stateRoot),
        "pre_state_root is the head's where two legs were committed at the same height",
      );
      await decides.execute();
      await abortAll(session);
      session.giveBack(two);
    },
  }),
  bundleCheck({
    id: "lock",
    title: "A leg that meets a lock is answered NO (LOCKED) at once; both can be decided",
    rule: "locks",
    why: "a leg that waits can wait for ever, and one that is staged on the other's locks undoes it",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session);
      const holder = await height.prepareYes(leg);
      const sameHeight = await height.prepare(leg);
      expectNo(sameHeight, NoReason.LOCKED);
      await height.execute();
      const next = await BundleHeight.next(session);
      const later = await next.prepare(leg);
      expectNo(later, NoReason.LOCKED);
      await next.execute();
      const decides = await BundleHeight.next(session);
      await decides.abort(sameHeight);
      await decides.commit(holder);
      await decides.execute();
      await abortAll(session);
    },
  }),
  bundleCheck({
    id: "lock-in-blocks",
    title: "A payload that touches a lock has no effect",
    rule: "locks",
    why: "what is committed later was computed from what it would change",
    needs: ["legs"],
    async run(session) {
      const prepared = await prepareOne(session);
      const { payloads } = prepared.request;
      await (await BundleHeight.next(session, payloads)).execute();
      await abortAll(session);
      // Had they had any, the leg could not be executed now.
      const height = await BundleHeight.next(session);
      await height.prepareYes(payloads);
      await height.execute();
      await abortAll(session);
      session.giveBack(payloads);
    },
  }),
  bundleCheck({
    id: "lock-released",
    title: "Locks are open before the preparations and the payloads of the height that decides",
    rule: "locks",
    why: "one node that holds them longer makes another block than the rest",
    needs: ["legs"],
    async run(session) {
      const prepared = await prepareOne(session);
      const { payloads } = prepared.request;
      const height = await BundleHeight.next(session);
      await height.abort(prepared);
      const again = await height.prepareYes(payloads);
      await height.execute();
      const last = await BundleHeight.next(session, payloads);
      await last.abort(again);
      const { included } = await last.execute();
      expect(
        included > 0,
        "no payload of a leg is included in the block of the very height that aborts it",
      );
    },
  }),
  bundleCheck({
    id: "locks-max",
    title: "A leg that would lock more than locks_max is answered NO (TOO_MANY_LOCKS)",
    rule: "locks",
    why: "its sender has paid for so many locks and no more",
    needs: ["legs"],
    async run(session) {
      const leg = await session.useLeg();
      const height = await BundleHeight.next(session);
      expectNo(await height.prepare(leg, { locksMax: 1 }), NoReason.TOO_MANY_LOCKS);
      // What was answered NO has locked nothing.
      await height.prepareYes(leg);
      await height.execute();
      await abortAll(session);
      session.giveBack(leg);
    },
  }),
];
