/** Readers of JSON-RPC parameters. Each throws INVALID_PARAMS and says which parameter is wrong. */
import { fromHex } from "../../proto/bytes.ts";
import { invalidParams } from "./errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Which block a method means: EIP-1898's three ways, and the tags. */
export type BlockSelector =
  | { readonly kind: "tag"; readonly tag: BlockTag }
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "hash"; readonly hash: Uint8Array };

export const BLOCK_TAGS = ["latest", "pending", "earliest", "safe", "finalized"] as const;
export type BlockTag = (typeof BLOCK_TAGS)[number];

export function bytesParam(value: unknown, name: string, length?: number): Uint8Array {
  const isHex = typeof value === "string" && /^0x[0-9a-fA-F]*$/.test(value);
  if (!isHex || value.length % 2 !== 0) {
    throw invalidParams(`${name}: expected 0x and an even number of hex digits`);
  }
  if (length !== undefined && value.length !== 2 + 2 * length) {
    throw invalidParams(`${name}: expected ${length} bytes, got ${(value.length - 2) / 2}`);
  }
  return fromHex(value.slice(2));
}

export function hashParam(value: unknown, name: string): Uint8Array {
  return bytesParam(value, name, 32);
}

/** A number: 0x hex; decimal JSON numbers are taken too, as geth does. */
export function quantityParam(value: unknown, name: string): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) {
    throw invalidParams(`${name}: expected a 0x quantity of at most 256 bits`);
  }
  return BigInt(value);
}

export function indexParam(value: unknown, name: string): number {
  const quantity = quantityParam(value, name);
  if (quantity > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidParams(`${name}: too large`);
  return Number(quantity);
}

export function booleanParam(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== "boolean") throw invalidParams(`${name}: expected true or false`);
  return value;
}

export function objectParam(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidParams(`${name}: expected an object`);
  }
  return value as Fields;
}

/** Default: latest. */
export function blockParam(value: unknown, name: string): BlockSelector {
  if (value === undefined || value === null) return { kind: "tag", tag: "latest" };
  if (typeof value === "object") {
    const fields = objectParam(value, name);
    if (fields["blockHash"] !== undefined) {
      return { kind: "hash", hash: hashParam(fields["blockHash"], `${name}.blockHash`) };
    }
    return blockParam(fields["blockNumber"], `${name}.blockNumber`);
  }
  const tag = BLOCK_TAGS.find((candidate) => candidate === value);
  if (tag !== undefined) return { kind: "tag", tag };
  return { kind: "number", number: indexParam(value, name) };
}

export function listParam(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidParams(`${name}: expected a list`);
  return value;
}
