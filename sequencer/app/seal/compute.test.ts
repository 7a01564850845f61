import { describe, expect, test } from "vitest";
import type { SharesToVerify } from "../../../mev/seal/compute.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { LOCAL_SEAL_COMPUTE } from "../../../test/support/seal-compute.ts";
import { testSealKey } from "../../../test/support/seal-key.ts";
import { testValidators } from "../../../test/support/application-keys.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { measureCompute, rememberShares } from "./compute.ts";
import { NULL_SEAL_METRICS } from "./metrics.ts";

const { validators } = testValidators([1n, 1n, 1n]);
const key = testSealKey(1, validators, [1, 1, 1], 2);

async function shares(ticket: number): Promise<SharesToVerify> {
  const asked = {
    context: utf8ToBytes("context"),
    publicShare: key.state.publicShares.subarray((ticket - 1) * 32, ticket * 32),
    points: key.points(3),
    secret: key.secretOf(1, ticket) ?? new Uint8Array(32),
  };
  const [made] = await LOCAL_SEAL_COMPUTE.makeShares([asked]);
  if (made === undefined) throw new Error("one was asked for");
  const { secret: _, ...rest } = asked;
  return { ...rest, ...made };
}

/** How many vectors were really verified. */
function counting() {
  const verified = { count: 0 };
  const compute = {
    ...LOCAL_SEAL_COMPUTE,
    verifyShares: (asked: readonly SharesToVerify[]) => {
      verified.count += asked.length;
      return LOCAL_SEAL_COMPUTE.verifyShares(asked);
    },
  };
  return { verified, compute };
}

describe("behavior: remembered shares", () => {
  test("that hold are verified once; answers stay in their order", async () => {
    const { verified, compute } = counting();
    const remembering = rememberShares(compute);
    const [one, two] = [await shares(1), await shares(2)];
    expect(await remembering.verifyShares([one])).toEqual([true]);
    const bad = { ...two, proof: one.proof };
    expect(await remembering.verifyShares([bad, one, two])).toEqual([false, true, true]);
    expect(await remembering.verifyShares([one, bad, two])).toEqual([true, false, true]);
    // The bad one is asked about each time.
    expect(verified.count).toBe(1 + 2 + 1);
  });

  test("with anything changed are another question", async () => {
    const { compute } = counting();
    const remembering = rememberShares(compute);
    const one = await shares(1);
    expect(await remembering.verifyShares([one])).toEqual([true]);
    const changed = [
      { ...one, context: utf8ToBytes("contexT") },
      { ...one, publicShare: (await shares(2)).publicShare },
      { ...one, points: one.points.subarray(32), shares: one.shares.subarray(32) },
      { ...one, points: key.points(3, "other") },
      { ...one, shares: (await shares(2)).shares },
      { ...one, proof: one.proof.with(40, (one.proof[40] ?? 0) ^ 1) },
    ];
    for (const each of changed) expect(await remembering.verifyShares([each])).toEqual([false]);
  });

  test("are forgotten when there are too many", async () => {
    const { verified, compute } = counting();
    const remembering = rememberShares(compute, 1);
    for (const ticket of [1, 2, 3, 1]) await remembering.verifyShares([await shares(ticket)]);
    expect(verified.count).toBe(4);
  });
});

test("behavior: each batch of arithmetic is measured by what it is", async () => {
  const seen: unknown[] = [];
  const metrics = {
    ...NULL_SEAL_METRICS,
    sealWorkSeconds: { observe: (_: number, labels?: unknown) => seen.push(labels) },
  };
  const compute = measureCompute(LOCAL_SEAL_COMPUTE, { clock: createManualClock(), metrics });
  const one = await shares(1);
  await compute.verifyShares([one]);
  await compute.check([]);
  const two = await shares(2);
  await compute.combine({
    threshold: 2,
    shares: [
      { ticket: 1, points: one.shares },
      { ticket: 2, points: two.shares },
    ],
  });
  expect(seen).toEqual([{ work: "verify" }, { work: "check" }, { work: "combine" }]);
});
