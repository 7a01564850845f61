/**
 * What must hold of bundles, inclusion lists and refused proposals, whatever byzantine proposers do: all legs of
 * a bundle stand in one block and are opened together; what all honest validators have stands in a block within
 * a bound, even if nobody wants to propose it; no honest proposal is refused, and each refusal is counted.
 */
import { toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { DeliveredEntry } from "../../proto/verify/manifest.ts";
import type { ResolvedFill } from "../../sequencer/app/seal/fills.ts";
import { SimulationFailure } from "./checkers.ts";

export interface MevWatchOptions {
  /** Addresses of honest validators, in hex. */
  readonly honest: ReadonlySet<string>;
  /** Names of their nodes. */
  readonly honestNodes: ReadonlySet<string>;
  /** Blocks within which what all honest validators have stands in one, once the faults have stopped. */
  readonly inclusionBlocks: number;
}

/** What a decided block holds for one rollup. */
export interface RollupPart {
  readonly rollupId: Uint8Array;
  readonly entries: readonly DeliveredEntry[];
}

interface Followed {
  /** By node: the first height after which its pool had it ready, in its present life. */
  readonly knownAt: Map<string, number>;
  /** Of the block that holds it. */
  height: number | undefined;
}

/** A bundle in a block. */
interface Legs {
  readonly itemId: string;
  readonly count: number;
  /** Rollup and position of each. */
  readonly places: string[];
}

export class MevWatch {
  readonly #options: MevWatchOptions;
  readonly #count: (kind: string) => void;
  readonly #followed = new Map<string, Followed>();
  /** Places of the hidden legs of each bundle, by the place of each. */
  readonly #together = new Map<string, readonly string[]>();
  /** Last height of each honest node since the faults stopped. */
  #settling: Map<string, number> | undefined;
  #goal = 0;
  /** Once all of them go on: from then on the bound holds. */
  #settledAt: number | undefined;
  #metric = 0;
  #refusals = 0;

  constructor(options: MevWatchOptions, count: (kind: string) => void) {
    this.#options = options;
    this.#count = count;
  }

  /** A client has made it and gives it to everybody. */
  made(id: Uint8Array): void {
    this.#followed.set(toHex(id), { knownAt: new Map(), height: undefined });
  }

  /** Those that are not in a block yet. */
  waiting(): readonly string[] {
    return [...this.#followed].flatMap(([id, { height }]) => (height === undefined ? [id] : []));
  }

  /** An honest node has decided `height`; `ready`: which of those that wait its pool could propose next. */
  applied(node: string, height: number, ready: readonly string[]): void {
    for (const id of ready) {
      const { knownAt } = this.#known(id);
      if (!knownAt.has(node)) knownAt.set(node, height);
    }
    const settling = this.#settling;
    if (settling === undefined || this.#settledAt !== undefined) return;
    settling.set(node, height);
    const heights = [...this.#options.honestNodes].map((name) => settling.get(name) ?? 0);
    if (heights.every((one) => one >= this.#goal)) this.#settledAt = Math.max(...heights);
  }

  /** A node has lost what was in its memory. */
  crashed(node: string): void {
    for (const { knownAt } of this.#followed.values()) knownAt.delete(node);
  }

  /** Faults stop when `height` is decided, byzantine validators apart. */
  healed(height: number): void {
    this.#settling = new Map();
    this.#goal = height + 1;
  }

  /** The first time that a block is decided. `ids`: of its transactions, in hex. */
  decided(
    height: number,
    ids: readonly string[],
    parts: readonly RollupPart[],
    fills: readonly ResolvedFill[],
  ): void {
    for (const id of ids) {
      const followed = this.#followed.get(id);
      if (followed === undefined) continue;
      followed.height ??= height;
      this.#count("watched transaction included");
    }
    this.#checkBound(height);
    this.#checkLegs(height, parts);
    this.#checkFills(height, fills);
  }

  /** The node's metric went up. */
  counted(): void {
    this.#metric += 1;
  }

  /** That was its own trial of a block, which nobody has proposed. */
  uncounted(): void {
    this.#metric -= 1;
  }

  /** An honest node refuses a proposal. */
  refused(node: string, proposer: Uint8Array, reason: string): void {
    this.#refusals += 1;
    const address = toHex(proposer);
    if (this.#options.honest.has(address)) {
      throw new SimulationFailure(
        `refused: ${node} refuses what ${address} proposes, which is honest: ${reason}`,
      );
    }
    if (this.#metric !== this.#refusals) {
      throw new SimulationFailure(
        `metric: ${this.#refusals} proposals were refused, ${this.#metric} were counted`,
      );
    }
    this.#count(`refused: ${reason.split(":")[0] ?? reason}`);
  }

  #known(id: string): Followed {
    const followed = this.#followed.get(id);
    assert(followed !== undefined, "only what a client has made is followed");
    return followed;
  }

  #checkBound(height: number): void {
    const settledAt = this.#settledAt;
    if (settledAt === undefined) return;
    const { honestNodes, inclusionBlocks } = this.#options;
    for (const [id, followed] of this.#followed) {
      const { knownAt, height: at } = followed;
      if (at !== undefined || knownAt.size < honestNodes.size) continue;
      const since = Math.max(settledAt, ...knownAt.values());
      if (height < since + inclusionBlocks) continue;
      throw new SimulationFailure(
        `inclusion: all honest validators have ${id} since height ${since}, and it is not in block ${height}`,
      );
    }
  }

  #checkLegs(height: number, parts: readonly RollupPart[]): void {
    const bundles = new Map<string, Legs>();
    for (const { rollupId, entries } of parts) {
      const rollup = toHex(rollupId);
      for (const [position, entry] of entries.entries()) {
        if (entry.bundleId === undefined) continue;
        const id = toHex(entry.itemId);
        const legs = bundles.get(id) ?? { itemId: id, count: entry.legs, places: [] };
        bundles.set(id, legs);
        legs.places[entry.leg] = `${height}/${rollup}/${position}`;
        if (legs.count !== entry.legs) this.#split(height, id, "its legs disagree on how many");
      }
    }
    for (const { itemId, count, places } of bundles.values()) {
      const found = places.filter((place) => place !== undefined).length;
      if (found !== count || places.length !== count) {
        this.#split(height, itemId, `${found} of ${count} legs`);
      }
      this.#count("bundle included");
      for (const place of places) this.#together.set(place, places);
    }
  }

  /** Hidden legs of one bundle are filled by one block, in one way. */
  #checkFills(height: number, fills: readonly ResolvedFill[]): void {
    const statuses = new Map<string, number>();
    for (const { rollupId, fill } of fills) {
      statuses.set(`${fill.height}/${toHex(rollupId)}/${fill.position}`, fill.status);
    }
    for (const [place, status] of statuses) {
      const places = this.#together.get(place);
      if (places === undefined) continue;
      if (places.every((one) => statuses.get(one) === status)) {
        if (place === places[0]) this.#count(`sealed bundle filled: ${status}`);
        continue;
      }
      const all = places.map((one) => `${one}: ${statuses.get(one) ?? "no fill"}`).join(", ");
      this.#split(height, place, `filled apart: ${all}`);
    }
  }

  #split(height: number, bundle: string, how: string): never {
    throw new SimulationFailure(`atomicity: block ${height}, bundle ${bundle}: ${how}`);
  }
}
