import type { PrefixedHexString } from "@ethereumjs/util";
import { toHex } from "../../../proto/bytes.ts";

/** Bytes as JSON-RPC data. The one of @ethereumjs/util takes 100 ms for a MiB, which callers choose. */
export function bytesToHex(bytes: Uint8Array): PrefixedHexString {
  return `0x${toHex(bytes)}`;
}
