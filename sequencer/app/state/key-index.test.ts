import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyIndex } from "./key-index.ts";

const key = fc.stringMatching(/^[ab/]{1,4}$/);

describe("key index", () => {
  test("property: it holds what a set holds, in order, after few changes and after many", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 120 }), { maxLength: 6 }),
        fc.record({ within: fc.option(key, { nil: "" }), after: fc.option(key, { nil: "" }) }),
        fc.integer({ min: 0, max: 10 }),
        (rounds, { within, after }, max) => {
          const index = new KeyIndex();
          const known = new Set<string>();
          for (const round of rounds) {
            const before = index.range("", {});
            const copy = [...before];
            const changes = new Map(round);
            index.update(changes);
            for (const [name, isThere] of changes) {
              if (isThere) known.add(name);
              else known.delete(name);
            }
            const all = [...known].sort();
            expect(index.range("", {})).toEqual(all);
            expect(before).toEqual(copy);
            const found = all.filter((name) => name.startsWith(within) && name > after);
            expect(index.range(within, { after })).toEqual(found);
            expect(index.range(within, { after, max })).toEqual(found.slice(0, max));
          }
        },
      ),
    );
  });

  test("behavior: a loaded index answers by binary search", () => {
    const index = new KeyIndex(["a/1", "a/2", "b/1"]);
    expect(index.size).toBe(3);
    expect(index.has("a/2")).toBe(true);
    expect(index.has("a/")).toBe(false);
    expect(index.range("a/", {})).toEqual(["a/1", "a/2"]);
    expect(index.range("c", {})).toEqual([]);
  });
});
