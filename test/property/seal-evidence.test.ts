/**
 * An honest validator is never punished for shares, whatever was asked of it, under whichever key, in however
 * many rounds, before or after a restart, and however somebody puts together what it has signed.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SeenShares } from "../../mev/seal/share-evidence.ts";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import { SEAL_ASK_CODEC, type SealAsk } from "../../proto/codec/seal-state.ts";
import type { ProofPlace, SealEvidence } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { type AskDraft, SharesWorld } from "../support/shares-world.ts";

const NAMES = ["alice", "bob", "carol"] as const;
/** By key: a key change gives other tickets to the same validators, and carol none. */
const KEYS = [
  { number: 1, tickets: [2, 1, 1] },
  { number: 2, tickets: [1, 2, 0] },
] as const;
const ROUNDS = ["round 0", "round 1"] as const;
const LAST_HEIGHT = 7;

/** What is asked at a height: batches and disputes of earlier blocks, whose key changes with block 3. */
const askArbitrary = (height: number): fc.Arbitrary<AskDraft> => {
  const earlier = Array.from({ length: height - 1 }, (_, i) => i + 1);
  const keyOf = (at: number) => (at < 3 ? 1 : 2);
  return fc.record({
    batches: fc
      .subarray(earlier, { minLength: 1, maxLength: 2 })
      .chain((heights) =>
        fc.tuple(
          ...heights.map((at) =>
            fc.integer({ min: 1, max: 3 }).map((items) => ({ height: at, key: keyOf(at), items })),
          ),
        ),
      ),
    disputes: fc
      .subarray(earlier, { maxLength: 1 })
      .map((heights) => heights.map((at) => ({ height: at, index: at % 2, key: keyOf(at) }))),
  });
};

/** Heights 3 to 7; some ask nothing. */
const asksArbitrary = fc.tuple(
  ...[3, 4, 5, 6, LAST_HEIGHT].map((height) =>
    fc.option(askArbitrary(height), { nil: undefined, freq: 4 }).map((ask) => ({ height, ask })),
  ),
);

/** Picks and changes of one attempt, as numbers; what they choose from is known later. */
const attemptArbitrary = fc.record({
  kind: fc.constantFrom("faulty", "contradicting", "unasked"),
  picks: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  /** Which of the picks replace what would fit. */
  changes: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
});

test("behavior: nothing that an honest validator signs is evidence against it", async () => {
  await fc.assert(
    fc.asyncProperty(
      asksArbitrary,
      fc.array(attemptArbitrary, { minLength: 12, maxLength: 12 }),
      async (drafts, attempts) => {
        const world = new SharesWorld(NAMES);
        for (const { number, tickets } of KEYS) world.addKey(number, tickets, 2);
        world.stake.ctx.advance({ blocks: LAST_HEIGHT });
        const asks = new Map<number, SealAsk>();
        for (const { height, ask } of drafts) {
          if (ask !== undefined) asks.set(height, world.ask(height, ask));
        }
        const parts = await honestParts(world, asks);
        fc.pre(parts.length > 0);
        const keys = new Set(parts.map(({ applicationKey }) => applicationKey));
        expect(keys.size).toBeGreaterThan(0);
        for (const attempt of attempts) {
          const evidence = accusation(world, asks, parts, attempt);
          const refusal = await world.refusal(evidence);
          expect(refusal, `${attempt.kind} ${JSON.stringify(evidence.height)}`).toBeDefined();
        }
      },
    ),
    { numRuns: 16 },
  );
});

/** All that honest validators sign: in each round, and made again after a restart with the same bytes. */
async function honestParts(
  world: SharesWorld,
  asks: ReadonlyMap<number, SealAsk>,
): Promise<readonly SeenShares[]> {
  const parts: SeenShares[] = [];
  for (const [height, ask] of asks) {
    for (const name of NAMES) {
      if (!world.isAsked(name, ask)) continue;
      const [first, ...rounds] = await Promise.all(
        ROUNDS.map((round) => world.part(name, height, ask, round)),
      );
      assert(first !== undefined, "there is a first round");
      for (const again of rounds) expect(bytesEqual(again.content, first.content)).toBe(true);
      parts.push(first, ...rounds);
    }
  }
  return parts;
}

/** Evidence that is as right as its changes allow. */
function accusation(
  world: SharesWorld,
  asks: ReadonlyMap<number, SealAsk>,
  parts: readonly SeenShares[],
  { kind, picks, changes }: typeof attemptArbitrary extends fc.Arbitrary<infer One> ? One : never,
): SealEvidence {
  const change = <One>(at: number, fitting: One, others: readonly One[]): One => {
    const other = others[(picks[at] ?? 0) % Math.max(1, others.length)];
    return changes[at] === true && other !== undefined ? other : fitting;
  };
  const pick = (at: number) => {
    const part = parts[(picks[at] ?? 0) % parts.length];
    assert(part !== undefined, "there are parts");
    return part;
  };
  const part = pick(0);
  const other = pick(1);
  const askBytes = [...asks.values()].map((ask) => SEAL_ASK_CODEC.encode(ask));
  const ownAsk = asks.get(part.height);
  assert(ownAsk !== undefined, "it was asked");
  askBytes.push(SEAL_ASK_CODEC.encode(withOtherPoints(world, ownAsk)));
  const signed = ({ blockHash, content, signature }: SeenShares) => ({
    blockHash,
    content,
    signature,
  });
  if (kind === "contradicting") {
    return {
      kind: "contradictingShares",
      validator: change(2, part.validator, [other.validator]),
      applicationKey: change(3, part.applicationKey, [other.applicationKey]),
      height: change(4, part.height, [other.height]),
      first: signed(part),
      second: signed(other),
    };
  }
  const proofs = proofsOf(part);
  const proof = proofs[(picks[5] ?? 0) % proofs.length];
  assert(proof !== undefined, "a part has proofs");
  const foreign = proofsOf(other);
  const place = change(
    2,
    proof.place,
    foreign.map((one) => one.place),
  );
  const subjects = [...asks.values()].flatMap((ask) => [
    ...ask.batches.map(({ height, key, points }) => ({ height, index: -1, key, points })),
    ...ask.disputes.map(({ height, index, key, point }) => ({ height, index, key, points: point })),
  ]);
  const subject =
    ownAsk.batches.find(({ height }) => !place.isDispute && height === place.batchHeight) ??
    subjects.find(({ height }) => height === place.batchHeight);
  const key = subject?.key ?? 1;
  const publicShares = [1, 2, 3, 4].map((ticket) => world.publicShare(key, ticket));
  const publicShare = change(3, world.publicShare(key, place.ticket), publicShares);
  if (kind === "faulty") {
    return {
      kind: "faultyShares",
      validator: change(4, part.validator, [other.validator]),
      applicationKey: part.applicationKey,
      height: part.height,
      ...signed(change(6, part, [other])),
      ask: change(7, SEAL_ASK_CODEC.encode(ownAsk), askBytes),
      place,
      publicShare,
    };
  }
  return {
    kind: "unaskedShares",
    validator: change(4, part.validator, [other.validator]),
    height: change(6, part.height, [Height(3), Height(4), Height(LAST_HEIGHT + 1), other.height]),
    key: change(5, key, [1, 2]),
    place,
    publicShare,
    points: change(
      1,
      subject?.points ?? proof.shares,
      subjects.map(({ points }) => points),
    ),
    shares: proof.shares,
    proof: proof.proof,
    ask: change(7, SEAL_ASK_CODEC.encode(ownAsk), [...askBytes, EMPTY_BYTES]),
  };
}

/** As many points for the same places, none of which was asked. */
function withOtherPoints(world: SharesWorld, { batches, disputes }: SealAsk): SealAsk {
  const other = (key: number, count: number) => world.key(key).points(count, "never asked");
  return {
    batches: batches.map((batch) => ({
      ...batch,
      points: other(batch.key, batch.points.length / 32),
    })),
    disputes: disputes.map((dispute) => ({ ...dispute, point: other(dispute.key, 1) })),
  };
}

function proofsOf({ content }: SeenShares): readonly {
  readonly place: ProofPlace;
  readonly shares: Uint8Array;
  readonly proof: Uint8Array;
}[] {
  const { batches, disputes } = SHARES_CODEC.decode(content);
  return [
    ...batches.flatMap(({ height: batchHeight, tickets }) =>
      tickets.map(({ ticket, points: shares, proof }) => ({
        place: { batchHeight, ticket, isDispute: false, index: 0 },
        shares,
        proof,
      })),
    ),
    ...disputes.flatMap(({ height: batchHeight, index, shares }) =>
      shares.map(({ ticket, point, proof }) => ({
        place: { batchHeight, ticket, isDispute: true, index },
        shares: point,
        proof,
      })),
    ),
  ];
}
