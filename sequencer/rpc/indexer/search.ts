/**
 * Answers queries from the index. Conditions on events must hold within one event of one
 * transaction or block, as in CometBFT (`state/txindex/kv`, `state/indexer/block/kv`).
 */
import { Height } from "../../../proto/brands.ts";
import { assertNever } from "../../../proto/errors.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { methodFailure } from "../errors.ts";
import { SEARCH_RESULTS_MAX, SEARCH_SCAN_MAX } from "../limits.ts";
import type { Condition, Query } from "../query/query.ts";
import { matchesValue } from "../query/query.ts";
import type { EventEntry, EventSpace } from "./keys.ts";
import {
  blockKey,
  endOfPrefix,
  heightOfKey,
  parseCountValue,
  parseEventKey,
  tagPrefix,
  valuePrefix,
} from "./keys.ts";
import type { TxPosition } from "./chain-index.ts";

/** What differs between searching transactions and searching blocks. */
export interface SearchSpace {
  readonly events: EventSpace;
  readonly heightTag: "tx.height" | "block.height";
  /** Values of `tm.event` that are true of everything here. */
  readonly eventNames: readonly string[];
}

export const TX_SPACE: SearchSpace = { events: "T", heightTag: "tx.height", eventNames: ["Tx"] };
export const BLOCK_SPACE: SearchSpace = {
  events: "B",
  heightTag: "block.height",
  eventNames: ["NewBlock", "NewBlockEvents", "NewBlockHeader"],
};

interface HeightRange {
  readonly min: number;
  readonly max: number;
}

/**
 * Positions that match, ascending; a block's is its height and index 0.
 * @throws RpcError when the query looks at too many entries or matches too many
 */
export async function search(
  store: KeyValueStore,
  space: SearchSpace,
  query: Query,
  heights: HeightRange,
): Promise<readonly TxPosition[]> {
  const range = heightRange(query, space.heightTag, heights);
  const conditions = query.conditions.filter(
    ({ tag }) => tag !== space.heightTag && tag !== "tm.event",
  );
  const isOtherEvent = query.conditions.some(
    (one) => one.tag === "tm.event" && !space.eventNames.some((name) => matchesValue(one, name)),
  );
  if (range.min > range.max || isOtherEvent) return [];
  const budget = new Budget();
  if (conditions.length === 0) return listHeights(store, space, range, budget);
  let found: Map<string, TxPosition> | undefined;
  for (const group of groupConditions(conditions)) {
    const matching = await scan(store, space, group, range, budget);
    const previous: Map<string, TxPosition> | undefined = found;
    found =
      previous === undefined ? matching : new Map([...matching].filter(([id]) => previous.has(id)));
    if (found.size === 0) return [];
  }
  return sortedPositions(found?.values() ?? []);
}

/** Counts entries looked at, so that one query cannot hold the node. */
class Budget {
  #left = SEARCH_SCAN_MAX;

  take(): void {
    if (--this.#left >= 0) return;
    throw methodFailure(
      `the query looks at more than ${SEARCH_SCAN_MAX} index entries; narrow it, for example by height`,
    );
  }
}

/** Conditions that one value must meet together: the bounds of a range. Equality comes first. */
function groupConditions(conditions: readonly Condition[]): readonly (readonly Condition[])[] {
  const exact: Condition[][] = [];
  const wide: Condition[][] = [];
  const ranges = new Map<string, Condition[]>();
  for (const condition of conditions) {
    if (condition.operator === "=") exact.push([condition]);
    else if (condition.operator === "exists" || condition.operator === "contains") {
      wide.push([condition]);
    } else {
      const range = ranges.get(condition.tag);
      if (range === undefined) ranges.set(condition.tag, [condition]);
      else range.push(condition);
    }
  }
  return [...exact, ...ranges.values(), ...wide];
}

async function scan(
  store: KeyValueStore,
  space: SearchSpace,
  group: readonly Condition[],
  range: HeightRange,
  budget: Budget,
): Promise<Map<string, TxPosition>> {
  const found = new Map<string, TxPosition>();
  const [first] = group;
  if (first === undefined) return found;
  const byTag = tagPrefix(space.events, first.tag);
  // An equality looks values up by their text, as CometBFT's index does.
  const isExact = first.operator === "=";
  const prefix = isExact ? valuePrefix(space.events, first.tag, first.text) : byTag;
  for await (const [key] of store.entries({ from: prefix, to: endOfPrefix(prefix) })) {
    budget.take();
    const entry = parseEventKey(key, byTag.length);
    if (entry.height < range.min || entry.height > range.max) continue;
    if (!isExact && !group.every((condition) => matchesValue(condition, entry.value))) continue;
    found.set(entryId(entry), { height: entry.height, index: entry.index });
  }
  return found;
}

function entryId(entry: EventEntry): string {
  return `${entry.height}/${entry.index}/${entry.sequence}`;
}

async function listHeights(
  store: KeyValueStore,
  space: SearchSpace,
  range: HeightRange,
  budget: Budget,
): Promise<readonly TxPosition[]> {
  const found: TxPosition[] = [];
  const entries = store.entries({ from: blockKey(range.min), to: blockKey(range.max + 1) });
  for await (const [key, value] of entries) {
    budget.take();
    const height = heightOfKey(key);
    const count = space.events === "B" ? 1 : parseCountValue(value);
    assertRoom(found.length + count);
    for (let index = 0; index < count; index++) found.push({ height, index });
  }
  return found;
}

function sortedPositions(positions: Iterable<TxPosition>): readonly TxPosition[] {
  const unique = new Map<string, TxPosition>();
  for (const position of positions) unique.set(`${position.height}/${position.index}`, position);
  assertRoom(unique.size);
  return [...unique.values()].sort((a, b) => a.height - b.height || a.index - b.index);
}

function assertRoom(count: number): void {
  if (count <= SEARCH_RESULTS_MAX) return;
  throw methodFailure(
    `the query matches more than ${SEARCH_RESULTS_MAX} items; narrow it, for example by height`,
  );
}

/** The heights that the conditions on the height leave over. */
function heightRange(query: Query, tag: string, within: HeightRange): HeightRange {
  let { min, max } = within;
  for (const condition of query.conditions) {
    if (condition.tag !== tag) continue;
    if (condition.operator === "exists") continue;
    if (condition.operator === "contains") return NOTHING;
    const bound = heightBound(condition);
    if (bound === undefined) return NOTHING;
    switch (condition.operator) {
      case "=":
        min = Math.max(min, Math.ceil(bound));
        max = Math.min(max, Math.floor(bound));
        break;
      case "<":
        max = Math.min(max, Math.ceil(bound) - 1);
        break;
      case "<=":
        max = Math.min(max, Math.floor(bound));
        break;
      case ">":
        min = Math.max(min, Math.floor(bound) + 1);
        break;
      case ">=":
        min = Math.max(min, Math.ceil(bound));
        break;
      default:
        assertNever(condition, "comparison");
    }
  }
  return { min, max };
}

/** A number, quoted or not: `tx.height='186'` is what clients of CometBFT send for one height. */
function heightBound({
  type,
  text,
}: {
  readonly type: "string" | "number" | "time" | "date";
  readonly text: string;
}): number | undefined {
  const isNumber = type === "number" || (type === "string" && /^\d+(\.\d+)?$/.test(text));
  return isNumber ? Number(text) : undefined;
}

const NOTHING: HeightRange = { min: 1, max: 0 };

/** Heights out of positions of blocks. */
export function heightsOf(positions: readonly TxPosition[]): readonly Height[] {
  return positions.map(({ height }) => Height(height));
}
