import { describe, expect, test } from "vitest";
import type { ValidatorShares } from "../../../mev/injected-commit.ts";
import { askedOfValidator, makeShares } from "../../../mev/seal/shares.ts";
import { Height } from "../../../proto/brands.ts";
import { SHARES_CODEC } from "../../../proto/codec/seal-block.ts";
import type { SealAsk } from "../../../proto/codec/seal-state.ts";
import { testValidators } from "../../../test/support/application-keys.ts";
import { LOCAL_SEAL_COMPUTE } from "../../../test/support/seal-compute.ts";
import { testSealKey } from "../../../test/support/seal-key.ts";
import { collectShares } from "./collect-shares.ts";

const { validators } = testValidators([10n, 10n, 10n, 10n]);
// The last member holds two tickets: two of the others and it open, three of the others do not.
const key = testSealKey(2, validators, [1, 1, 1, 2], 4);
const keyOf = (number: number) => (number === 2 ? key.state : undefined);
const points = key.points(3);
const ask: SealAsk = {
  batches: [{ height: Height(8), key: 2, points }],
  disputes: [{ height: Height(6), index: 4, key: 2, point: key.points(1, "disputed") }],
};

async function given(...indexes: readonly number[]): Promise<readonly ValidatorShares[]> {
  const all: ValidatorShares[] = [];
  for (const validatorIndex of indexes) {
    const address = validators[validatorIndex]?.address ?? new Uint8Array(20);
    const asked = askedOfValidator(ask, keyOf, address);
    const terms = { chainId: "weft-test", height: Height(9), validator: address };
    if (asked === undefined) throw new Error("all are asked");
    const content = await makeShares(terms, asked, key.secretOf, LOCAL_SEAL_COMPUTE);
    if (content === undefined) throw new Error("no secret is missing");
    all.push({ validatorIndex, address, shares: SHARES_CODEC.decode(content) });
  }
  return all;
}

describe("behavior: what the shares of a commit open", () => {
  test("t tickets open batches and settle disputes, whoever's they are", async () => {
    const combined: string[] = [];
    for (const indexes of [
      [0, 1, 3],
      [3, 2, 1],
      [0, 1, 2, 3],
    ]) {
      const { byBatch, disputes } = collectShares(ask, keyOf, await given(...indexes));
      const batch = byBatch.get(Height(8));
      if (batch === undefined) throw new Error("the batch opens");
      const tickets = batch.shares.map(({ ticket }) => ticket);
      expect(tickets).toEqual(tickets.toSorted((a, b) => a - b));
      combined.push((await LOCAL_SEAL_COMPUTE.combine(batch)).toString());
      expect(disputes.map(({ height, index, shares }) => [height, index, shares.length])).toEqual([
        [6, 4, 4],
      ]);
      const settled = disputes[0]?.shares.map(({ ticket }) => ticket) ?? [];
      expect(settled).toEqual(settled.toSorted((a, b) => a - b));
    }
    // Z is one, whichever tickets it comes from.
    expect(new Set(combined).size).toBe(1);
  });

  test("fewer tickets open nothing", async () => {
    for (const indexes of [[], [3], [0, 1, 2]]) {
      const { byBatch, disputes } = collectShares(ask, keyOf, await given(...indexes));
      expect([byBatch.size, disputes.length]).toEqual([0, 0]);
    }
  });

  test("a key that is gone opens nothing", async () => {
    const { byBatch, disputes } = collectShares(ask, () => undefined, await given(0, 1, 2, 3));
    expect([byBatch.size, disputes.length]).toEqual([0, 0]);
  });
});
