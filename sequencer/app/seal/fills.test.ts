import { describe, expect, it } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { sha256 } from "../../../proto/hash.ts";
import { FillStatus } from "../../../proto/verify/manifest.ts";
import { event } from "../abci-event.ts";
import { fillsEvents, openedFills, readFillsEvents, unopenedFills } from "./fills.ts";

const bytes = (value: number) => new Uint8Array(32).fill(value);
const places = [
  { rollupId: bytes(1), position: 4 },
  { rollupId: bytes(2), position: 0 },
];
const [payload, other] = [Uint8Array.of(0x12, 1, 7), new Uint8Array(0)];

describe("fills of a block", () => {
  it("behavior: every rollup gets the hash of its own content, and all what opens it", () => {
    const opener = { kind: "point", point: bytes(9) } as const;
    expect(openedFills(Height(5), places, [payload, other], opener)).toEqual([
      {
        rollupId: bytes(1),
        fill: { height: 5, position: 4, status: FillStatus.OPENED, contentHash: sha256(payload) },
        opener,
      },
      {
        rollupId: bytes(2),
        fill: { height: 5, position: 0, status: FillStatus.OPENED, contentHash: sha256(other) },
        opener,
      },
    ]);
  });

  it("behavior: the event of a block gives back all its fills, by height and position", () => {
    const later = openedFills(Height(7), places, [payload, other], {
      kind: "seed",
      seed: bytes(8),
    });
    const revealed = openedFills(Height(6), places.slice(0, 1), [payload], { kind: "reveal" });
    const point = openedFills(Height(6), places.slice(1), [payload], {
      kind: "point",
      point: bytes(7),
    });
    const expired = unopenedFills(Height(3), places, FillStatus.EXPIRED);
    const events = fillsEvents([...later, ...revealed, ...point, ...expired]);
    const read = readFillsEvents([event("other", []), ...events]);
    expect(read).toEqual([...expired.toReversed(), ...point, ...revealed, ...later.toReversed()]);
  });

  it("behavior: a block without fills has no event", () => {
    expect(fillsEvents([])).toEqual([]);
    expect(readFillsEvents([event("other", [])])).toEqual([]);
  });

  it("assertion: an item has a payload for each of its rollups", () => {
    expect(() => openedFills(Height(5), places, [payload], { kind: "reveal" })).toThrow("payload");
  });
});
