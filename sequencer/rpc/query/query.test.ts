import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { matchesEvents, parseQuery, requiredText } from "./query.ts";
import { compareDecimals, parseDecimal } from "./number.ts";

interface Vector {
  readonly query: string;
  readonly events: Readonly<Record<string, readonly string[]>>;
  readonly error?: string;
  readonly matches?: boolean;
  readonly canonical?: string;
}

/** Recorded from `libs/pubsub/query` of CometBFT v0.38.25 over generated queries. */
const VECTORS = readFileSync(new URL("../testdata/queries.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Vector);

function run(vector: Vector): Partial<Vector> {
  try {
    const query = parseQuery(vector.query);
    const matches = matchesEvents(query, new Map(Object.entries(vector.events)));
    return { matches, canonical: query.canonical };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

describe("query", () => {
  it("behavior: parses, matches and refuses as CometBFT does", () => {
    expect(VECTORS.length).toBeGreaterThan(200);
    for (const vector of VECTORS) {
      const { query: _query, events: _events, ...wanted } = vector;
      expect(run(vector), vector.query).toEqual(wanted);
    }
  });

  it("error: names the offset and what was wanted", () => {
    expect(() => parseQuery("malformed query")).toThrow(
      "offset 10: got tag, wanted <= operator, >= operator, < operator, > operator, = operator, CONTAINS operator or EXISTS operator",
    );
  });

  it("behavior: compares numbers of any length without converting them", () => {
    const nines = "9".repeat(400_000);
    const [a, b] = [parseDecimal(nines), parseDecimal(`${nines}0`)];
    if (a === undefined || b === undefined) throw new Error("both are numbers");
    expect(compareDecimals(a, b)).toBeLessThan(0);
    expect(matchesEvents(parseQuery("a.b > 5"), new Map([["a.b", [nines]]]))).toBe(true);
  });

  it("behavior: tells which event a query can be about", () => {
    expect(requiredText(parseQuery("tm.event='Tx' AND a.b=5"), "tm.event")).toBe("Tx");
    expect(requiredText(parseQuery("a.b=5"), "tm.event")).toBeUndefined();
  });
});
