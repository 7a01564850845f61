import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SWAP_DESK_CODE } from "../../../test/support/swap-desk.ts";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { MAILBOX_CODE, REGISTRY_CODE } from "./predeploys.ts";

const HERE = new URL("./contracts/", import.meta.url);
const SUPPORT = new URL("../../../test/support/contracts/", import.meta.url);

/** SHA-256 of source and bytecode, as solc 0.8.30 made the one of the other: they change together or not at all. */
const COMPILED: readonly [file: URL, code: string, source: string, bytecode: string][] = [
  [
    new URL("AtomicRegistry.sol", HERE),
    REGISTRY_CODE,
    "a1d569749feeb9ce1a89481425a07ef41ec480df213fab7eb4872e38db8edb43",
    "f75bf81843cd40aa649f524a020f83acb2a80f716d864846016be254a9195106",
  ],
  [
    new URL("AtomicMailbox.sol", HERE),
    MAILBOX_CODE,
    "59dffb8b4bebafc600a6bc144c8bb517d13456c37cd0629b9d734d58a8f34554",
    "d83b6b72a0103fade70ab6cd16b7a8c990c1b6e91d928d70a1910e00edb5a2f5",
  ],
  [
    new URL("SwapDesk.sol", SUPPORT),
    SWAP_DESK_CODE,
    "77ef920f8c15f055fab83b04e2c86114e7d87791a711236071234aea404c8ac4",
    "ebc57c2bc6aa2abc5d14b23600828ad15a166c1978e4fb24b7bb8e8412f867a6",
  ],
];

test.each(COMPILED)("%s is what the bytecode was made of", (file, code, source, bytecode) => {
  expect(toHex(sha256(readFileSync(file)))).toBe(source);
  expect(toHex(sha256(utf8ToBytes(code)))).toBe(bytecode);
});
