import { bytesToDigest } from "../../../proto/hash.ts";
import { LISTING_KEY_TEXT, listingKey, parseDueKey } from "../../../mev/inclusion/keys.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import type { BodySource } from "../../ports/body-source.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import {
  BODIES_ASKED_PER_BLOCK_MAX,
  BODY_RETRY_BLOCKS_MAX,
  DUE_BODIES_WAIT_MS,
} from "../limits.ts";
import type { AppMetrics } from "../metrics.ts";
import type { TxAdmission } from "../pool/tx-admission.ts";
import type { BodyStore } from "../proposal/body-store.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { DUE, LISTINGS } from "../state/tables.ts";

interface FetcherDependencies {
  readonly committed: CommittedState;
  readonly bodies: BodyStore;
  readonly admission: TxAdmission;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
}

/** How often something was asked for, and when it is again. */
interface Tried {
  readonly waitBlocks: number;
  readonly nextHeight: number;
}

/**
 * What to ask for after one block, of ids in hex: what is or will be due first, so that what one validator alone
 * lists, and what may not even exist, keeps back nothing that a block has to hold. `isTurn`: it is not held, and was
 * not asked for just now.
 */
export function chooseWanted(
  due: Iterable<string>,
  listed: Iterable<string>,
  isTurn: (id: string) => boolean,
): readonly string[] {
  const wanted: string[] = [];
  for (const id of new Set([...due, ...listed])) {
    if (wanted.length >= BODIES_ASKED_PER_BLOCK_MAX) break;
    if (isTurn(id)) wanted.push(id);
  }
  return wanted;
}

function idsOfListings(keys: readonly string[]): ReadonlySet<string> {
  return new Set(keys.map((key) => key.slice(0, LISTING_KEY_TEXT)));
}

/**
 * Gets transactions that somebody has listed and this node does not hold: after each block in the background,
 * and of what is due when it proposes, for a moment. What comes is checked like anything that is submitted.
 */
export class BodyFetcher {
  readonly #dependencies: FetcherDependencies;
  readonly #tried = new Map<string, Tried>();
  /** Told when something has come. */
  readonly #waiting = new Set<() => void>();
  #source: BodySource | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #isFetching = false;

  constructor(dependencies: FetcherDependencies) {
    this.#dependencies = dependencies;
  }

  /** Whom to ask; until then nobody is. */
  use(source: BodySource | undefined): void {
    this.#source = source;
  }

  /** After a commit: asks for what the new state lists, each less and less often. */
  committed(): void {
    const { committed } = this.#dependencies;
    if (this.#source === undefined || this.#isFetching || committed.terms === undefined) return;
    const wanted = this.#wanted(committed.nextHeight());
    if (wanted.length === 0) return;
    this.#isFetching = true;
    this.#underWay = this.#fetch(wanted).finally(() => (this.#isFetching = false));
  }

  /** Resolves when what is due in the next block is here, or will not be in time. */
  async waitForDue(): Promise<void> {
    const { committed, bodies, clock, logger, metrics } = this.#dependencies;
    const due = committed.due().txs;
    const missing = (): readonly Uint8Array[] =>
      due.map(({ id }) => id).filter((id) => bodies.find(bytesToDigest(id)) === undefined);
    const wanted = missing();
    if (wanted.length === 0) return;
    if (this.#source !== undefined) {
      void this.#fetch(wanted);
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          timer.cancel();
          this.#waiting.delete(look);
          resolve();
        };
        const look = (): void => {
          if (missing().length === 0) settle();
        };
        const timer = clock.after(DUE_BODIES_WAIT_MS, settle);
        this.#waiting.add(look);
      });
    }
    const lacking = missing().length;
    if (lacking === 0) return;
    metrics.bodiesMissing.inc(undefined, lacking);
    logger.warn(
      "what is due is not here: others will refuse this proposal, the next proposer follows",
      {
        height: committed.nextHeight(),
        transactions: lacking,
      },
    );
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#underWay;
  }

  /** Ids that the state lists and that are not held, as far as it is their turn. */
  #wanted(height: number): readonly Uint8Array[] {
    const { committed, bodies } = this.#dependencies;
    const listed = idsOfListings(committed.recordKeys(LISTINGS.prefix, "", {}));
    const due = committed.recordKeys(DUE.prefix, "", {}).map((key) => toHex(parseDueKey(key).id));
    const wanted = chooseWanted(due, listed, (id) => {
      if (bodies.find(bytesToDigest(fromHex(id))) !== undefined) return false;
      return (this.#tried.get(id)?.nextHeight ?? 0) <= height;
    });
    for (const id of wanted) {
      const { waitBlocks = 1 } = this.#tried.get(id) ?? {};
      this.#tried.set(id, {
        waitBlocks: Math.min(waitBlocks * 2, BODY_RETRY_BLOCKS_MAX),
        nextHeight: height + waitBlocks,
      });
    }
    for (const id of this.#tried.keys()) if (!listed.has(id)) this.#tried.delete(id);
    return wanted.map(fromHex);
  }

  async #fetch(ids: readonly Uint8Array[]): Promise<void> {
    const { logger, metrics } = this.#dependencies;
    metrics.bodiesAsked.inc(undefined, ids.length);
    try {
      const items = (await this.#source?.get(ids)) ?? [];
      if (items.length > 0) await this.#take(items);
    } catch (error) {
      // Nobody depends on this one attempt: what is listed is asked for again.
      logger.warn("listed transactions could not be fetched", { error: String(error) });
    }
  }

  /** Into the pool; what the pool does not want, and somebody may have to include, is kept beside it. */
  async #take(items: readonly Uint8Array[]): Promise<void> {
    const { committed, bodies, admission } = this.#dependencies;
    const admissions = await admission.admitAll(items);
    for (const [at, { tx, fault }] of admissions.entries()) {
      const item = items[at];
      if (tx === undefined || item === undefined || fault === undefined) continue;
      if (bodies.find(tx.idKey) !== undefined) continue;
      const proven = await admission.prove(item);
      if (proven === undefined) continue;
      const key = listingKey({ id: proven.id, size: proven.item.length });
      const { dueHeight = 0 } = committed.record(LISTINGS, key) ?? {};
      bodies.add(proven, committed.nextHeight(), dueHeight > 0);
    }
    for (const look of this.#waiting) look();
  }
}
