import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";

/** Functions that flip, cut, double or insert a few bytes. */
export function damage(): Arbitrary<(bytes: Uint8Array) => Uint8Array> {
  const edit = fc.record({
    kind: fc.constantFrom("flip", "cut", "double", "insert"),
    at: fc.nat(),
    length: fc.integer({ min: 1, max: 8 }),
    byte: fc.integer({ min: 1, max: 255 }),
  });
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => (bytes) => {
    let list = [...bytes];
    for (const { kind, at, length, byte } of edits) {
      const position = at % (list.length + 1);
      const piece = list.slice(position, position + length);
      if (kind === "flip" && position < list.length) list[position] = (list[position] ?? 0) ^ byte;
      else if (kind === "cut") list = list.toSpliced(position, length);
      else if (kind === "double") list = list.toSpliced(position, 0, ...piece);
      else if (kind === "insert") list = list.toSpliced(position, 0, byte);
    }
    return new Uint8Array(list);
  });
}
