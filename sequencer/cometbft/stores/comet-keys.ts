/** Keys of CometBFT's databases: text, heights in decimal (spec/cometbft-v0.38.md §19.1). */
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";

/** Range of the block store. */
export const BLOCK_STORE_KEY = utf8ToBytes("blockStore");
export const STATE_KEY = utf8ToBytes("stateKey");
/** The answer to the last FinalizeBlock, whether or not older ones are kept. */
export const LAST_RESPONSE_KEY = utf8ToBytes("lastABCIResponseKey");

export const metaKey = (height: number): Uint8Array => utf8ToBytes(`H:${height}`);
export const partKey = (height: number, index: number): Uint8Array =>
  utf8ToBytes(`P:${height}:${index}`);
export const commitKey = (height: number): Uint8Array => utf8ToBytes(`C:${height}`);
export const seenCommitKey = (height: number): Uint8Array => utf8ToBytes(`SC:${height}`);
export const extendedCommitKey = (height: number): Uint8Array => utf8ToBytes(`EC:${height}`);
export const blockHashKey = (hash: Uint8Array): Uint8Array => utf8ToBytes(`BH:${toHex(hash)}`);

export const validatorsKey = (height: number): Uint8Array => utf8ToBytes(`validatorsKey:${height}`);
export const paramsKey = (height: number): Uint8Array =>
  utf8ToBytes(`consensusParamsKey:${height}`);
export const responseKey = (height: number): Uint8Array =>
  utf8ToBytes(`abciResponsesKey:${height}`);

const COMMITTED_EVIDENCE = 0;
const PENDING_EVIDENCE = 1;

/** First and first-after-last key of the evidence that waits, or that blocks hold. */
export function evidenceRange(kind: "pending" | "committed") {
  const prefix = kind === "pending" ? PENDING_EVIDENCE : COMMITTED_EVIDENCE;
  return { from: new Uint8Array([prefix]), to: new Uint8Array([prefix + 1]) };
}

/** Height as sixteen and the id as upper-case hexadecimal digits behind one byte. */
export function evidenceKey(
  kind: "pending" | "committed",
  height: number,
  id: Uint8Array,
): Uint8Array {
  const digits = height.toString(16).toUpperCase().padStart(16, "0");
  const text = utf8ToBytes(`${digits}/${toHex(id).toUpperCase()}`);
  const key = new Uint8Array(1 + text.length);
  key[0] = kind === "pending" ? PENDING_EVIDENCE : COMMITTED_EVIDENCE;
  key.set(text, 1);
  return key;
}

/** What stands in such a key; undefined when it is not one. */
export function parseEvidenceKey(
  key: Uint8Array,
): { readonly height: number; readonly idHex: string } | undefined {
  const text = new TextDecoder().decode(key.subarray(1));
  const match = /^([0-9A-F]{16})\/([0-9A-F]{64})$/.exec(text);
  if (match === null) return undefined;
  const [, height, id] = match;
  if (height === undefined || id === undefined) return undefined;
  return { height: Number.parseInt(height, 16), idHex: id };
}
