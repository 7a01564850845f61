import { chmodSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadOrCreateNodeKey } from "./node-key.ts";

test("the node key is made once, for its owner's eyes, and refused when others may read it", () => {
  const file = join(mkdtempSync(join(tmpdir(), "weft-node-key-")), "node_key.json");
  const { id } = loadOrCreateNodeKey(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(loadOrCreateNodeKey(file).id).toBe(id);
  chmodSync(file, 0o640);
  expect(() => loadOrCreateNodeKey(file)).toThrow(/chmod 600/);
});
