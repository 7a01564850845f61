import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { toBase64 } from "../../proto/bytes.ts";
import { createNodeKey, loadOrCreateNodeKey } from "./node-key.ts";

test("the node key is made once, for its owner's eyes, and refused when others may read it", () => {
  const file = join(mkdtempSync(join(tmpdir(), "weft-node-key-")), "node_key.json");
  const { id } = loadOrCreateNodeKey(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(loadOrCreateNodeKey(file).id).toBe(id);
  chmodSync(file, 0o640);
  expect(() => loadOrCreateNodeKey(file)).toThrow(/chmod 600/);
});

test("the file has CometBFT's form; halves that do not match are refused", () => {
  const file = join(mkdtempSync(join(tmpdir(), "weft-node-key-")), "node_key.json");
  const { privateKey } = loadOrCreateNodeKey(file);
  const json = { priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(privateKey) } };
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(json);
  const other = createNodeKey(new Uint8Array(32).fill(2));
  const mixed = Uint8Array.of(...privateKey.subarray(0, 32), ...other.privateKey.subarray(32));
  for (const [text, reason] of [
    [JSON.stringify({ priv_key: { ...json.priv_key, value: toBase64(mixed) } }), /does not belong/],
    ["{}", /PrivKeyEd25519/],
    ["not JSON", /is not a key file/],
  ] as const) {
    writeFileSync(file, text);
    expect(() => loadOrCreateNodeKey(file)).toThrow(
      expect.objectContaining({
        code: "P2P_NODE_KEY_INVALID",
        message: expect.stringMatching(reason),
      }),
    );
  }
});
