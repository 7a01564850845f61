/** Readers of what searchers send. Each throws INVALID_PARAMS, or a refusal of the table of bundles. */
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { RevertMode } from "../../../proto/codec/mev-tx.ts";
import { AMOUNT_LIMIT } from "../../../proto/codec/weft-basics.ts";
import { ROLLUP_NAME, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { UUID_LENGTH_MAX } from "../../gateway/bundles/limits.ts";
import { bundleError } from "../../gateway/bundles/errors.ts";
import type {
  RequestedBundleLeg,
  RequestedLeg,
  RequestedReplacement,
  RequestedWindow,
} from "../../gateway/bundles/requests.ts";
import { checkTxCount } from "../../gateway/bundles/terms.ts";
import type { PayloadDecoder } from "../payload.ts";
import { invalidParams } from "../../json-rpc/errors.ts";
import type { Params } from "../../json-rpc/method.ts";
import {
  booleanParam,
  bytesParam,
  hashParam,
  indexParam,
  listParam,
  objectParam,
  quantityParam,
} from "../../json-rpc/params.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Fields that senders to other relays give and that say nothing here. */
const PASSED_OVER: ReadonlySet<string> = new Set(["builders", "version"]);

const REVERT_MODES: Readonly<Record<string, RevertMode>> = {
  allow: RevertMode.ALLOW,
  drop: RevertMode.DROP,
  fail: RevertMode.FAIL,
};

/** The one object of a request, with these fields and no others. */
export function requestParam(params: Params, known: readonly string[]): Fields {
  if (params.length > 1) throw invalidParams(`expected one parameter, got ${params.length}`);
  return fieldsParam(params[0], "parameter 1", known);
}

export function fieldsParam(value: unknown, name: string, known: readonly string[]): Fields {
  const fields = objectParam(value, name);
  for (const key of Object.keys(fields)) {
    if (known.includes(key) || PASSED_OVER.has(key)) continue;
    if (/timestamp/i.test(key)) {
      throw invalidParams(
        `${key.slice(0, 64)}: times are not supported, clocks differ; give minHeight and maxHeight`,
      );
    }
    const expected = known.length === 0 ? "expected none" : `known: ${known.join(", ")}`;
    throw invalidParams(`${name}: unknown field ${key.slice(0, 64)}; ${expected}`);
  }
  return fields;
}

export function optionalParam<T>(
  fields: Fields,
  key: string,
  read: (value: unknown, name: string) => T,
): T | undefined {
  const value = fields[key];
  return value === undefined || value === null ? undefined : read(value, key);
}

/** A rollup: its id, 32 bytes in 0x hex, or its name. */
export function rollupParam(value: unknown, name: string): Uint8Array {
  if (typeof value === "string" && value.startsWith("0x")) return hashParam(value, name);
  if (typeof value === "string" && ROLLUP_NAME.test(value)) return rollupIdOfName(value);
  throw invalidParams(`${name}: expected a rollup's id (32 bytes in 0x hex) or name`);
}

/** nweft. */
export function amountParam(value: unknown, name: string): bigint {
  const isDecimal = typeof value === "string" && /^(0|[1-9][0-9]{0,18})$/.test(value);
  const amount = isDecimal ? BigInt(value) : quantityParam(value, name);
  if (amount < AMOUNT_LIMIT) return amount;
  throw invalidParams(`${name}: expected nweft below 2^63`);
}

export function windowParam(fields: Fields): RequestedWindow {
  return {
    minHeight: optionalParam(fields, "minHeight", indexParam),
    maxHeight: optionalParam(fields, "maxHeight", indexParam),
  };
}

/** @param uuidKey name of the field with the uuid */
export function replacementParam(
  fields: Fields,
  uuidKey: string,
  sequenceKey: string,
): RequestedReplacement | undefined {
  const uuid = optionalParam(fields, uuidKey, uuidParam);
  const sequence = optionalParam(fields, sequenceKey, amountParam);
  if (uuid === undefined && sequence !== undefined) {
    throw invalidParams(`${sequenceKey}: a sequence needs ${uuidKey}`);
  }
  return uuid === undefined ? undefined : { uuid, sequence };
}

/** Sealed unless somebody says otherwise. */
export function isEncryptedParam(fields: Fields): boolean {
  const privacy = optionalParam(fields, "privacy", (value, name) =>
    fieldsParam(value, name, ["encrypted"]),
  );
  // null says nothing, as elsewhere: only a plain false sends it in the clear.
  return optionalParam(privacy ?? {}, "encrypted", booleanParam) ?? true;
}

/** Of this rollup, each as `rawTxParam`; counted first, because each costs the recovery of its sender. */
export function rawTxsParam(
  decoder: PayloadDecoder,
  value: unknown,
  name: string,
): readonly Uint8Array[] {
  const txs = listParam(value, name);
  checkTxCount(txs.length);
  return txs.map((tx, i) => rawTxParam(decoder, tx, `${name}[${i}]`));
}

/** A transaction of this rollup: what no block could hold is refused here, not paid for. */
export function rawTxParam(decoder: PayloadDecoder, value: unknown, name: string): Uint8Array {
  const raw = bytesParam(value, name);
  const decoded = decoder.decode(raw);
  if (decoded.kind === "transaction") return raw;
  throw bundleError("MALFORMED", `${name}: no transaction of this rollup (${decoded.reason})`);
}

/** `legs`: entries of one rollup are one leg, in their order. */
export function legsParam(
  value: unknown,
  own: { readonly rollupId: Uint8Array; readonly decoder: PayloadDecoder },
): readonly RequestedBundleLeg[] {
  const legs = new Map<string, { txs: Uint8Array[]; revertMode: RevertMode; tip: bigint }>();
  let count = 0;
  for (const [i, entry] of listParam(value, "legs").entries()) {
    const name = `legs[${i}]`;
    const fields = fieldsParam(entry, name, ["rollupId", "tx", "txs", "revertMode", "tip"]);
    const id = toHex(rollupParam(fields["rollupId"], `${name}.rollupId`));
    const isOwn = id === toHex(own.rollupId);
    const given = fields["txs"] === undefined ? [fields["tx"]] : listParam(fields["txs"], "txs");
    checkTxCount((count += given.length));
    const txs = given.map((tx) =>
      isOwn ? rawTxParam(own.decoder, tx, `${name}.tx`) : bytesParam(tx, `${name}.tx`),
    );
    const revertMode = optionalParam(fields, "revertMode", revertModeParam) ?? RevertMode.ALLOW;
    const tip = optionalParam(fields, "tip", amountParam) ?? 0n;
    const leg = legs.get(id);
    if (leg === undefined) {
      legs.set(id, { txs, revertMode, tip });
      continue;
    }
    if (leg.revertMode !== revertMode) {
      throw invalidParams(`${name}.revertMode: transactions of one rollup have one`);
    }
    leg.txs.push(...txs);
    leg.tip += tip;
  }
  return [...legs].map(([id, leg]) => ({ rollupId: fromHex(id), ...leg }));
}

/** `revertingTxHashes`: all of the bundle, or none. */
export function revertModeOf(hashes: readonly Uint8Array[], of: readonly Uint8Array[]): RevertMode {
  const named = new Set(hashes.map(toHex));
  return of.every((hash) => named.has(toHex(hash))) ? RevertMode.ALLOW : RevertMode.FAIL;
}

/** Legs of a bid: no tips, no modes. */
export function bidLegsParam(
  value: unknown,
  own: { readonly rollupId: Uint8Array; readonly decoder: PayloadDecoder },
): readonly RequestedLeg[] {
  for (const [i, entry] of listParam(value, "legs").entries()) {
    fieldsParam(entry, `legs[${i}]`, ["rollupId", "tx", "txs"]);
  }
  return legsParam(value, own).map(({ rollupId, txs }) => ({ rollupId, txs }));
}

function uuidParam(value: unknown, name: string): string {
  const isText = typeof value === "string" && value.length > 0 && value.length <= UUID_LENGTH_MAX;
  if (!isText) throw invalidParams(`${name}: expected 1 to ${UUID_LENGTH_MAX} characters`);
  return value;
}

function revertModeParam(value: unknown, name: string): RevertMode {
  const mode = typeof value === "string" ? REVERT_MODES[value] : undefined;
  if (mode === undefined || !Object.hasOwn(REVERT_MODES, String(value))) {
    throw invalidParams(`${name}: one of ${Object.keys(REVERT_MODES).join(", ")}`);
  }
  return mode;
}
