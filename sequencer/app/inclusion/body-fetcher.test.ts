import { describe, expect, test } from "vitest";
import { BODIES_WANTED_MAX } from "../../p2p/limits.ts";
import { BODIES_ASKED_PER_BLOCK_MAX } from "../limits.ts";
import { chooseWanted } from "./body-fetcher.ts";

const ids = (of: string, count: number) => Array.from({ length: count }, (_, at) => `${of}${at}`);

describe("behavior: what is asked for after a block", () => {
  test("what is due comes first, once, however much junk has smaller ids", () => {
    const due = ids("z", 3);
    const listed = [...ids("a", 2 * BODIES_ASKED_PER_BLOCK_MAX), ...due];
    const wanted = chooseWanted(due, listed, () => true);
    expect(wanted.slice(0, 3)).toEqual(due);
    expect(wanted).toHaveLength(BODIES_ASKED_PER_BLOCK_MAX);
    expect(new Set(wanted).size).toBe(wanted.length);
  });

  test("there is room left to ask for what is due when this node proposes", () => {
    expect(BODIES_ASKED_PER_BLOCK_MAX).toBeLessThanOrEqual(BODIES_WANTED_MAX / 2);
  });

  test("what was asked for just now makes way for the rest", () => {
    const listed = ids("a", BODIES_ASKED_PER_BLOCK_MAX + 5);
    const first = new Set(chooseWanted([], listed, () => true));
    expect(chooseWanted([], listed, (id) => !first.has(id))).toEqual(listed.slice(-5));
  });
});
