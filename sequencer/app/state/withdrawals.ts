/**
 * What was put in and is asked back, of escrow and of executors' bonds: it is paid some blocks later, and answers for what
 * its owner has done until then. Requests ascend by the height in which they are paid; what is asked in one block is one.
 */
import { Height } from "../../../proto/brands.ts";
import { type EscrowWithdrawal, WITHDRAWALS_MAX } from "../../../proto/codec/mev-state.ts";

type Requests = readonly EscrowWithdrawal[];

/** nweft of `total` that are not asked back. */
export function notAskedBack(total: bigint, requests: Requests): bigint {
  return requests.reduce((left, { amount }) => left - amount, total);
}

/** When what is asked back now is paid: at `height` or later, never before an earlier request. */
export function paidFrom(height: number, requests: Requests): Height {
  return Height(Math.max(height, requests.at(-1)?.height ?? 0));
}

/** Whether no request that is paid at that height can be added. */
export function areFull(requests: Requests, height: Height): boolean {
  return requests.length >= WITHDRAWALS_MAX && requests.at(-1)?.height !== height;
}

/** With one more request, paid at a height that is not below the others'. */
export function withRequest(requests: Requests, height: Height, amount: bigint): Requests {
  const last = requests.at(-1);
  return last?.height === height
    ? [...requests.slice(0, -1), { height, amount: last.amount + amount }]
    : [...requests, { height, amount }];
}

/** nweft that are due at a height, and the requests that are left. */
export function settled(
  requests: Requests,
  height: number,
): { readonly amount: bigint; readonly withdrawals: Requests } {
  const due = requests.filter((one) => one.height <= height);
  const amount = due.reduce((sum, one) => sum + one.amount, 0n);
  return { amount, withdrawals: requests.slice(due.length) };
}
