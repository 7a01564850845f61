/**
 * What one requester may have of a gateway: so many payloads that wait, and so much that the gateway's account pays for
 * them in a minute. One that asks for more is refused; nobody else notices.
 */
import { QUOTA_REQUESTERS_MAX } from "../limits.ts";

export interface QuotaTerms {
  /** Payloads that wait at once; 0: no limit. */
  readonly waitingMax: number;
  /** nweft that may be paid for them in a minute; 0: no limit. */
  readonly spendPerMinute: bigint;
}

export interface Quota {
  /** Counts one more; the refusal, in words, when that is too much: then nothing is counted. */
  take(requester: string, costNweft: bigint): string | undefined;
  /** It waits no longer. */
  release(requester: string): void;
}

interface Account {
  waiting: number;
  /** nweft left to spend, and since when. */
  left: bigint;
  atMs: number;
}

const MINUTE_MS = 60_000;

/**
 * @param termsOf what holds for a requester
 * @param monotonicMs a clock that never goes back
 */
export function createQuota(
  termsOf: (requester: string) => QuotaTerms,
  monotonicMs: () => number,
): Quota {
  /** The one used the longest ago first. */
  const accounts = new Map<string, Account>();

  function accountOf(requester: string, spendPerMinute: bigint, nowMs: number): Account {
    const known = accounts.get(requester);
    if (known === undefined) return { waiting: 0, left: spendPerMinute, atMs: nowMs };
    const gained = (spendPerMinute * BigInt(Math.floor(nowMs - known.atMs))) / BigInt(MINUTE_MS);
    const left = known.left + gained;
    return {
      waiting: known.waiting,
      left: left > spendPerMinute ? spendPerMinute : left,
      // What is too little for a nweft is not lost.
      atMs: gained > 0n || spendPerMinute === 0n ? nowMs : known.atMs,
    };
  }

  return {
    take(requester, costNweft) {
      const { waitingMax, spendPerMinute } = termsOf(requester);
      const account = accountOf(requester, spendPerMinute, monotonicMs());
      if (waitingMax > 0 && account.waiting >= waitingMax) {
        return `${account.waiting} of ${requester} wait already, at most ${waitingMax} may; try again when some are ordered`;
      }
      if (spendPerMinute > 0n) {
        if (account.left < costNweft) {
          return `ordering costs ${costNweft} nweft, and of the ${spendPerMinute} a minute of ${requester} ${account.left} are left; try again later`;
        }
        account.left -= costNweft;
      }
      account.waiting += 1;
      accounts.delete(requester);
      accounts.set(requester, account);
      for (const [oldest, { waiting }] of accounts) {
        if (accounts.size <= QUOTA_REQUESTERS_MAX) break;
        // What waits stays counted: those are bounded by what a gateway holds.
        if (waiting === 0) accounts.delete(oldest);
      }
      return undefined;
    },
    release(requester) {
      const account = accounts.get(requester);
      if (account !== undefined) account.waiting = Math.max(0, account.waiting - 1);
    },
  };
}
