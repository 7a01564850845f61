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
  /** Whether money counts for this one. */
  isPaid(requester: string): boolean;
  /** Counts one more; the refusal, in words, when that is too much: then nothing is counted. */
  take(requester: string, costNweft: bigint): string | undefined;
  /** One that waits since an earlier life: counts, whatever the limit. */
  hold(requester: string): void;
  /** What was counted before costs so much more; less, if it is below 0. Never refused: it is paid already. */
  spend(requester: string, nweft: bigint): void;
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

  function keep(requester: string, account: Account): void {
    accounts.delete(requester);
    accounts.set(requester, account);
    for (const [oldest, { waiting }] of accounts) {
      if (accounts.size <= QUOTA_REQUESTERS_MAX) break;
      // What waits stays counted: those are bounded by what a gateway holds.
      if (waiting === 0) accounts.delete(oldest);
    }
  }

  return {
    isPaid: (requester) => termsOf(requester).spendPerMinute > 0n,
    hold(requester) {
      const account = accountOf(requester, termsOf(requester).spendPerMinute, monotonicMs());
      account.waiting += 1;
      keep(requester, account);
    },
    spend(requester, nweft) {
      const { spendPerMinute } = termsOf(requester);
      if (spendPerMinute === 0n) return;
      const account = accountOf(requester, spendPerMinute, monotonicMs());
      account.left -= nweft;
      keep(requester, account);
    },
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
      keep(requester, account);
      return undefined;
    },
    release(requester) {
      const account = accounts.get(requester);
      if (account !== undefined) account.waiting = Math.max(0, account.waiting - 1);
    },
  };
}
