import { createHash } from "node:crypto";

/** Bytes that depend on the name alone. */
export function namedBytes(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(name).digest());
}
