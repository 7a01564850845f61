import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SOCKET_PATH_BYTES_MAX } from "../ports/unix-socket.ts";
import { openSocketDirectory } from "./socket-directory.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weft-sockets-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it("behavior: sockets stand in the home, for its owner alone", () => {
  const folder = join(root, "run");
  const sockets = openSocketDirectory(folder);
  expect(sockets.path("abci.sock")).toBe(join(folder, "abci.sock"));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  sockets.close();
  expect(existsSync(folder)).toBe(true);
});

it("behavior: a home whose paths are too long for a socket has them elsewhere, removed at the end", () => {
  const sockets = openSocketDirectory(join(root, "x".repeat(120)));
  const path = sockets.path("abci.sock");
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(SOCKET_PATH_BYTES_MAX);
  const folder = join(path, "..");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  sockets.close();
  expect(existsSync(folder)).toBe(false);
});
