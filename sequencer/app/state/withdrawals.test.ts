import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { type EscrowWithdrawal, WITHDRAWALS_MAX } from "../../../proto/codec/mev-state.ts";
import { areFull, notAskedBack, paidFrom, settled, withRequest } from "./withdrawals.ts";

test("property: what is asked back is paid once, in order, and not before its height", () => {
  const asked = fc.record({ after: fc.nat(40), delay: fc.nat(30), amount: fc.bigInt(1n, 9n) });
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 60 }), (commands) => {
      let [now, total, paid, refused] = [0, 1_000n, 0n, 0n];
      let requests: readonly EscrowWithdrawal[] = [];
      const pay = (height: number): void => {
        const { amount, withdrawals } = settled(requests, height);
        requests = withdrawals;
        total -= amount;
        paid += amount;
        expect(requests.every((one) => one.height > height)).toBe(true);
      };
      let wanted = 0n;
      for (const { after, delay, amount } of commands) {
        now += after;
        pay(now);
        const height = paidFrom(now + delay + 1, requests);
        expect(height).toBeGreaterThan(now + delay);
        wanted += amount;
        const isFull = areFull(requests, height);
        expect(isFull ? requests.length : WITHDRAWALS_MAX).toBe(WITHDRAWALS_MAX);
        if (isFull) refused += amount;
        else requests = withRequest(requests, height, amount);
        expect(requests.length).toBeLessThanOrEqual(WITHDRAWALS_MAX);
        const heights = requests.map((one) => one.height);
        expect(heights).toEqual([...new Set(heights)].sort((a, b) => a - b));
        expect(notAskedBack(total, requests)).toBe(1_000n - wanted + refused);
      }
      pay(now + 100_000);
      expect(requests).toEqual([]);
      expect(paid).toBe(wanted - refused);
    }),
  );
});

test("what is asked back in one block is one request", () => {
  const at = Height(9);
  const requests = withRequest(withRequest([], at, 3n), at, 4n);
  expect(requests).toEqual([{ height: at, amount: 7n }]);
});
