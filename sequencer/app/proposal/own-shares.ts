import {
  type AskedOfValidator,
  makeShares,
  type TicketSecretOf,
} from "../../../mev/seal/shares.ts";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import type { Height } from "../../../proto/brands.ts";
import type { Logger } from "../../ports/logger.ts";

/** What one validator is asked for at one height. */
export interface OwnAsk {
  readonly chainId: string;
  readonly height: Height;
  /** Consensus address. */
  readonly validator: Uint8Array;
  readonly asked: AskedOfValidator;
}

export interface OwnSharesDependencies {
  readonly compute: Pick<SealCompute, "makeShares">;
  readonly secretOf: TicketSecretOf;
  readonly logger: Logger;
}

/**
 * Own shares of a height, made ahead of its vote. They depend on nothing but the ask, so that every answer
 * for the height has the same, whatever round and block it is for, and again after a crash.
 */
export class OwnShares {
  readonly #dependencies: OwnSharesDependencies;
  /** Work under way: none is begun ahead of time beside it, as a node that catches up would. */
  #underWay = 0;
  /** Of the last height that was asked for. */
  #made: { readonly height: Height; readonly content: Promise<Uint8Array | undefined> } | undefined;
  /** Keys whose loss has been told. */
  readonly #toldKeys = new Set<number>();

  constructor(dependencies: OwnSharesDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to make them. Without effect while those of another height are being made. */
  ahead(ask: OwnAsk): void {
    if (this.#underWay === 0) void this.of(ask);
  }

  /**
   * Content of the SHARES part; undefined: ABSTAIN, because a secret is missing or the work failed. Consensus
   * does not wait for what is sealed: this never throws.
   */
  of(ask: OwnAsk): Promise<Uint8Array | undefined> {
    if (this.#made?.height === ask.height) return this.#made.content;
    const content = this.#make(ask);
    this.#made = { height: ask.height, content };
    return content;
  }

  async #make({ asked, ...terms }: OwnAsk): Promise<Uint8Array | undefined> {
    const { compute, secretOf, logger } = this.#dependencies;
    const { height } = terms;
    this.#underWay += 1;
    try {
      const content = await makeShares(terms, asked, secretOf, compute);
      if (content === undefined) this.#tellLoss(height, asked);
      return content;
    } catch (error) {
      logger.error("own shares could not be made: this vote abstains from opening what is sealed", {
        height,
        error,
      });
      return undefined;
    } finally {
      this.#underWay -= 1;
    }
  }

  #tellLoss(height: Height, asked: AskedOfValidator): void {
    const { secretOf, logger } = this.#dependencies;
    for (const { key, tickets } of [...asked.batches, ...asked.disputes]) {
      const isHeld = tickets.every(({ ticket }) => secretOf(key, ticket) !== undefined);
      if (isHeld || this.#toldKeys.has(key)) continue;
      this.#toldKeys.add(key);
      logger.error(
        "this validator's share of a key is missing: it abstains from opening what is sealed for that key, and each vote counts as a missed block; if this machine has a copy of data/seal_keys.json, restore it and restart, otherwise it takes part again with the next key",
        { key, height },
      );
    }
  }
}
