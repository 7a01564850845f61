/**
 * How what is listed stands in the state (docs/formats.md, "State tree"): by transaction and size, so that
 * who lists a transaction with a wrong size lists another thing, which nobody honest lists with it.
 */
import { fromHex, toHex } from "../../proto/bytes.ts";

/** A transaction as extensions name it. */
export interface Listed {
  /** Transaction id, 32 bytes. */
  readonly id: Uint8Array;
  /** Bytes of the encoded item. */
  readonly size: number;
}

/** A transaction that validators with more than 2/3 of the power have listed. */
export interface DueTx extends Listed {
  /** From this height on a block has to hold it. */
  readonly dueHeight: number;
  /** Height at which it was listed first. */
  readonly firstHeight: number;
}

/** Characters of a key that are the id. */
export const LISTING_KEY_TEXT = 64;

/** Of a listing: the id in hex, its size. */
export function listingKey({ id, size }: Listed): string {
  return listingPrefix(id) + digits(size);
}

/** Begins the keys of all listings of a transaction. */
export function listingPrefix(id: Uint8Array): string {
  return `${toHex(id)}/`;
}

/** @throws RangeError for text that is no key */
export function parseListingKey(key: string): Listed {
  const [id = "", size = ""] = key.split("/");
  return { id: fromHex(id), size: Number(size) };
}

/** Of what is due: keys ascend in the order in which the OBLIGATED lane holds the transactions. */
export function dueKey({ dueHeight, firstHeight, id, size }: DueTx): string {
  return `${digits(dueHeight)}/${digits(firstHeight)}/${toHex(id)}/${digits(size)}`;
}

export function parseDueKey(key: string): DueTx {
  const [due = "", first = "", id = "", size = ""] = key.split("/");
  return {
    dueHeight: Number(due),
    firstHeight: Number(first),
    id: fromHex(id),
    size: Number(size),
  };
}

function digits(value: number): string {
  return value.toString().padStart(16, "0");
}
