/** How values of one table of the state are written; their keys begin with `prefix`. */
export interface RecordType<Value> {
  readonly prefix: string;
  readonly encode: (value: Value) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Value;
}

/** Which of a table's keys are meant. */
export interface KeyRange {
  /** Only keys above it. */
  readonly after?: string;
  /** The first so many. */
  readonly max?: number;
}

/** What records are read from: the committed state, or nothing in a test. */
export interface RecordBase {
  record<Value>(type: RecordType<Value>, key: string): Value | undefined;
  /** Keys of a table that begin with `prefix + within`, without `prefix`, ascending; indexed tables only. */
  recordKeys(prefix: string, within: string, range: KeyRange): readonly string[];
}

/** A state without records. */
export const NO_RECORDS: RecordBase = { record: () => undefined, recordKeys: () => [] };

interface Table {
  readonly type: RecordType<unknown>;
  /** By key without prefix; undefined removes. */
  readonly changed: Map<string, unknown>;
}

/**
 * Records of the state while a block runs: typed values by key, changes on top of a base that they never
 * touch. Values are immutable: change one by setting another. Iteration is in order of keys.
 *
 *     records.set(DELEGATIONS, `${validator}/${delegator}`, { ...delegation, shares });
 */
export class Records {
  readonly #base: RecordBase;
  readonly #tables = new Map<string, Table>();

  constructor(base: RecordBase) {
    this.#base = base;
  }

  /** `key`: without the table's prefix. */
  get<Value>(type: RecordType<Value>, key: string): Value | undefined {
    const changed = this.#tables.get(type.prefix)?.changed;
    // A table holds values of its own type only: `set` takes no others.
    if (changed?.has(key) === true) return changed.get(key) as Value | undefined;
    return this.#base.record(type, key);
  }

  /** `undefined` removes the record. */
  set<Value>(type: RecordType<Value>, key: string, value: Value | undefined): void {
    let table = this.#tables.get(type.prefix);
    if (table === undefined) {
      table = { type: type as RecordType<unknown>, changed: new Map() };
      this.#tables.set(type.prefix, table);
    }
    table.changed.set(key, value);
  }

  /**
   * Keys of a table that begin with `within`, ascending, as they are now: changes made meanwhile do not
   * show. Takes time for what it returns and for what the block changed, not for what the table holds.
   */
  keys<Value>(type: RecordType<Value>, within = "", range: KeyRange = {}): readonly string[] {
    const { after = "", max = Number.POSITIVE_INFINITY } = range;
    const changed = this.#tables.get(type.prefix)?.changed;
    if (changed === undefined) return this.#base.recordKeys(type.prefix, within, range);
    const touched: string[] = [];
    let removed = 0;
    for (const [key, value] of changed) {
      if (!key.startsWith(within) || key <= after) continue;
      touched.push(key);
      if (value === undefined) removed++;
    }
    // Those that were removed may all be among the first ones.
    const base = this.#base.recordKeys(type.prefix, within, { after, max: max + removed });
    const merged = touched.length === 0 ? base : merge(base, touched.sort(), changed);
    return merged.length > max ? merged.slice(0, max) : merged;
  }

  /** The writes, by whole key, for the state tree. */
  changes(): ReadonlyMap<string, Uint8Array | undefined> {
    const writes = new Map<string, Uint8Array | undefined>();
    for (const [prefix, { type, changed }] of this.#tables) {
      for (const [key, value] of changed) {
        writes.set(prefix + key, value === undefined ? undefined : type.encode(value));
      }
    }
    return writes;
  }
}

/** Two ascending lists as one: what `changed` removes is left out. */
function merge(
  base: readonly string[],
  touched: readonly string[],
  changed: ReadonlyMap<string, unknown>,
): readonly string[] {
  const merged: string[] = [];
  let at = 0;
  for (const key of touched) {
    for (let kept = base[at]; kept !== undefined && kept < key; kept = base[++at])
      merged.push(kept);
    if (base[at] === key) at++;
    if (changed.get(key) !== undefined) merged.push(key);
  }
  return [...merged, ...base.slice(at)];
}
