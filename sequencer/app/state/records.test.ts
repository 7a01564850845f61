import { describe, expect, test } from "vitest";
import { type KeyRange, NO_RECORDS, type RecordBase, Records, type RecordType } from "./records.ts";

const NAMES: RecordType<string> = {
  prefix: "name/",
  encode: (value) => Uint8Array.from(value, (letter) => letter.charCodeAt(0)),
  decode: (bytes) => String.fromCharCode(...bytes),
};
const COUNTS: RecordType<number> = {
  prefix: "count/",
  encode: (value) => Uint8Array.of(value),
  decode: ([value]) => value ?? 0,
};

/** A committed state that holds these names, ascending. */
function baseOf(names: Readonly<Record<string, string>>): RecordBase {
  const keys = Object.keys(names);
  return {
    record: (type, key) => {
      const value = type.prefix === NAMES.prefix ? names[key] : undefined;
      return value === undefined ? undefined : type.decode(NAMES.encode(value));
    },
    recordKeys: (prefix, within, { after = "", max }: KeyRange) =>
      prefix === NAMES.prefix
        ? keys.filter((key) => key.startsWith(within) && key > after).slice(0, max)
        : [],
  };
}

describe("records", () => {
  test("behavior: what a block changes stands before what is committed, table by table", () => {
    const records = new Records(baseOf({ a: "anna", b: "bert" }));
    expect(records.get(NAMES, "a")).toBe("anna");
    records.set(NAMES, "a", "alan");
    records.set(COUNTS, "a", 7);
    expect(records.get(NAMES, "a")).toBe("alan");
    expect(records.get(COUNTS, "a")).toBe(7);
    expect(records.get(COUNTS, "b")).toBeUndefined();
    records.set(NAMES, "b", undefined);
    expect(records.get(NAMES, "b")).toBeUndefined();
    records.set(NAMES, "b", "bob");
    expect(records.get(NAMES, "b")).toBe("bob");
  });

  test("behavior: keys are ascending whatever the order of the changes, without what was removed", () => {
    const records = new Records(baseOf({ b: "1", d: "2", f: "3" }));
    expect(records.keys(NAMES)).toEqual(["b", "d", "f"]);
    for (const key of ["g", "a", "c"]) records.set(NAMES, key, key);
    records.set(NAMES, "b", undefined);
    records.set(NAMES, "d", "changed");
    records.set(NAMES, "x", undefined);
    expect(records.keys(NAMES)).toEqual(["a", "c", "d", "f", "g"]);
    expect(records.keys(COUNTS)).toEqual([]);
  });

  test("behavior: keys within a prefix, after a key, and the first so many", () => {
    const records = new Records(baseOf({ "p/1": "", "p/2": "", "p/3": "", "q/1": "" }));
    expect(records.keys(NAMES, "p/")).toEqual(["p/1", "p/2", "p/3"]);
    records.set(NAMES, "p/1", undefined);
    records.set(NAMES, "p/25", "");
    records.set(NAMES, "o/9", "");
    expect(records.keys(NAMES, "p/")).toEqual(["p/2", "p/25", "p/3"]);
    expect(records.keys(NAMES, "p/", { max: 2 })).toEqual(["p/2", "p/25"]);
    expect(records.keys(NAMES, "p/", { after: "p/2", max: 1 })).toEqual(["p/25"]);
    expect(records.keys(NAMES, "", { after: "p/3" })).toEqual(["q/1"]);
    expect(records.keys(NAMES, "", { max: 0 })).toEqual([]);
  });

  test("behavior: removed keys do not use up the number that was asked for", () => {
    const names = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, ""]));
    const records = new Records(baseOf(names));
    for (let i = 0; i < 6; i++) records.set(NAMES, `k${i}`, undefined);
    expect(records.keys(NAMES, "k", { max: 2 })).toEqual(["k6", "k7"]);
  });

  test("behavior: a list of keys does not change while records do", () => {
    const records = new Records(NO_RECORDS);
    records.set(NAMES, "a", "");
    records.set(NAMES, "b", "");
    const seen: string[] = [];
    for (const key of records.keys(NAMES)) {
      seen.push(key);
      records.set(NAMES, key, undefined);
      records.set(NAMES, `${key}2`, "");
    }
    expect(seen).toEqual(["a", "b"]);
    expect(records.keys(NAMES)).toEqual(["a2", "b2"]);
  });

  test("behavior: the writes are by whole key, removals included", () => {
    const records = new Records(baseOf({ a: "anna" }));
    records.set(NAMES, "a", undefined);
    records.set(NAMES, "z", "zoe");
    records.set(COUNTS, "", 3);
    expect([...records.changes()]).toEqual([
      ["name/a", undefined],
      ["name/z", NAMES.encode("zoe")],
      ["count/", Uint8Array.of(3)],
    ]);
  });
});
