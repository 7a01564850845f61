import { expect, test } from "vitest";
import { toHex } from "../proto/bytes.ts";
import { sha256 } from "../proto/hash.ts";
import { merkleRoot } from "../proto/merkle.ts";
import {
  EntryKind,
  type FillEntry,
  FillStatus,
  type OrderedEntry,
} from "../proto/verify/manifest.ts";
import { Height } from "../proto/brands.ts";
import { Lane } from "./lanes.ts";
import { LIST_ROOTS_KEPT_MAX } from "./limits.ts";
import { ListRoots } from "./list-roots.ts";
import { createManifestBuilder } from "./manifest.ts";

const KINDS = Object.values(EntryKind);
const bytes = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 8, n));

function manifestOf(count: number, roots?: ListRoots): string {
  const builder = createManifestBuilder(roots);
  for (let n = 0; n < count; n++) {
    const entry: OrderedEntry = {
      kind: KINDS[n % KINDS.length] ?? EntryKind.BID,
      lane: Lane.DEFAULT,
      itemId: bytes(n),
      bundleId: n % 3 === 0 ? bytes(n + 1) : undefined,
      leg: n % 5,
      legs: 5,
      payloadHash: bytes(n + 2),
    };
    const fill: FillEntry = {
      height: Height(2 ** 33 + (n % 2)),
      position: n,
      status: FillStatus.OPENED,
      contentHash: bytes(n),
    };
    builder.add(bytes(n % 3), entry);
    builder.addFill(bytes(n % 4), fill);
  }
  return toHex(builder.build().item);
}

test("behavior: manifests are the same whether roots of lists are kept or not, and when they are known", () => {
  const roots = new ListRoots();
  for (const count of [0, 1, 2, 3, 7, 64, 65, 300]) {
    const expected = manifestOf(count);
    expect(manifestOf(count, roots)).toBe(expected);
    expect(manifestOf(count, roots)).toBe(expected);
    if (count > 64) roots.clear();
    expect(manifestOf(count, roots)).toBe(expected);
  }
});

test("behavior: a root is computed once for the same entries of the same length, and again when too many are kept", () => {
  const roots = new ListRoots();
  let computed = 0;
  const rootOf = (n: number, size = 4): string =>
    toHex(
      roots.of(Uint8Array.of(0, 0, n >> 8, n), size, () => {
        computed++;
        return merkleRoot([Uint8Array.of(n >> 8, n, size)]);
      }),
    );
  expect(rootOf(1)).toBe(rootOf(1));
  expect(computed).toBe(1);
  expect(rootOf(1, 2)).not.toBe(rootOf(1));
  expect(computed).toBe(2);
  for (let n = 0; n < LIST_ROOTS_KEPT_MAX; n++) rootOf(n);
  const before = computed;
  rootOf(LIST_ROOTS_KEPT_MAX - 1);
  expect(computed).toBe(before);
  rootOf(2);
  expect(computed).toBe(before + 1);
});
