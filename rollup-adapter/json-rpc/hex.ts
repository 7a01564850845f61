import { toHex } from "../../proto/bytes.ts";

/** Bytes as JSON-RPC data. The one of @ethereumjs/util takes 100 ms for a MiB, which callers choose. */
export function bytesToHex(bytes: Uint8Array): `0x${string}` {
  return `0x${toHex(bytes)}`;
}

export function quantity(value: bigint | number): `0x${string}` {
  return `0x${value.toString(16)}`;
}
