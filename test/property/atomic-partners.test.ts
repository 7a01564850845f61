/** Whom rollups let themselves be bundled with, for any lists: pools and blocks refuse what the plain rule refuses. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { toHex } from "../../proto/bytes.ts";
import { CODES } from "../../sequencer/app/codes.ts";
import { openCount } from "../../sequencer/app/atomic/bundles.ts";
import { AtomicWorld } from "../support/atomic-world.ts";

const NAMES = ["alpha", "beta", "gamma", "delta"];
const some = (max: number) => fc.uniqueArray(fc.nat(NAMES.length - 1), { maxLength: max });
const nameOf = (at: number): string => NAMES[at] ?? "";

test("property: a bundle of level 1 is taken when each of its rollups names all the others, or nobody", async () => {
  const seen = { taken: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(some(3), { minLength: NAMES.length, maxLength: NAMES.length }),
      fc.array(
        some(4).filter((legs) => legs.length > 0),
        { minLength: 4, maxLength: 10 },
      ),
      async (lists, bundles) => {
        const partners = lists.map((list, own) => list.filter((at) => at !== own).map(nameOf));
        const world = await AtomicWorld.start({
          names: NAMES,
          validators: 2,
          partners: Object.fromEntries(partners.map((list, at) => [nameOf(at), list])),
        });
        const { chain } = world;
        const open = new Map<string, number>();
        for (const legs of bundles) {
          const names = legs.map(nameOf);
          const isStrange = legs.some((at) => {
            const known = partners[at] ?? [];
            const others = names.filter((name) => name !== nameOf(at));
            return known.length > 0 && !others.every((name) => known.includes(name));
          });
          const { item } = world.bundle(
            0,
            {},
            names.map((rollup) => ({ rollup })),
          );
          const code = await chain.submit(item);
          expect(code).toBe(isStrange ? CODES.ATOMIC_PARTNER.number : 0);
          seen[isStrange ? "refused" : "taken"]++;
          if (!isStrange) {
            for (const name of names) open.set(name, (open.get(name) ?? 0) + 1);
            continue;
          }
          // What a proposer puts into its block all the same.
          const made = await chain.prepare(0);
          const system = made.filter((tx) => decodeItem(tx).kind !== "tx");
          expect(await chain.refusal([...system, item], 1)).toMatch(/P8.*ATOMIC_PARTNER/);
        }
        await chain.step(0);
        for (const name of NAMES) {
          const id = toHex(rollupIdOfName(name));
          expect(openCount(chain.app.read.staking(), id)).toBe(open.get(name) ?? 0);
        }
      },
    ),
    { numRuns: 6 },
  );
  expect(seen.taken).toBeGreaterThan(2);
  expect(seen.refused).toBeGreaterThan(2);
}, 60_000);
