/** Readers of the parameters that are the EVM's own. Each throws INVALID_PARAMS and says which parameter is wrong. */
import { Address } from "@ethereumjs/util";
import { fromHex } from "../../../proto/bytes.ts";
import type { Hex } from "../genesis.ts";
import { LOG_ADDRESSES_MAX, LOG_TOPIC_ALTERNATIVES_MAX } from "../limits.ts";
import { invalidParams } from "../../json-rpc/errors.ts";
import {
  type BlockSelector,
  blockParam,
  bytesParam,
  hashParam,
  listParam,
  objectParam,
  quantityParam,
} from "../../json-rpc/params.ts";

/** The call object of eth_call and its kin. */
export interface CallRequest {
  readonly from: Address | undefined;
  readonly to: Address | undefined;
  readonly gas: bigint | undefined;
  readonly gasPrice: bigint | undefined;
  readonly maxFeePerGas: bigint | undefined;
  readonly maxPriorityFeePerGas: bigint | undefined;
  readonly value: bigint;
  readonly nonce: bigint | undefined;
  readonly data: Uint8Array;
  readonly accessList: readonly { address: Hex; storageKeys: Hex[] }[];
  readonly authorizationList: readonly unknown[];
}

export interface LogFilter {
  readonly blockHash: Uint8Array | undefined;
  readonly fromBlock: BlockSelector | undefined;
  readonly toBlock: BlockSelector | undefined;
  /** Any of these; empty: every address. */
  readonly addresses: readonly Uint8Array[];
  /** Per position: any of these; null: anything. */
  readonly topics: readonly (readonly Uint8Array[] | null)[];
}

export function addressParam(value: unknown, name: string): Address {
  return new Address(bytesParam(value, name, 20));
}

/** A storage key: up to 32 bytes, padded on the left. */
export function slotParam(value: unknown, name: string): Uint8Array {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) {
    throw invalidParams(`${name}: expected a 0x key of at most 32 bytes`);
  }
  return fromHex(value.slice(2).padStart(64, "0"));
}

export function callParam(value: unknown, name: string): CallRequest {
  const fields = objectParam(value, name);
  const optional = <T>(key: string, read: (value: unknown, name: string) => T): T | undefined => {
    const field = fields[key];
    return field === undefined || field === null ? undefined : read(field, `${name}.${key}`);
  };
  const request: CallRequest = {
    from: optional("from", addressParam),
    to: optional("to", addressParam),
    gas: optional("gas", quantityParam),
    gasPrice: optional("gasPrice", quantityParam),
    maxFeePerGas: optional("maxFeePerGas", quantityParam),
    maxPriorityFeePerGas: optional("maxPriorityFeePerGas", quantityParam),
    value: optional("value", quantityParam) ?? 0n,
    nonce: optional("nonce", quantityParam),
    data: optional("input", bytesParam) ?? optional("data", bytesParam) ?? new Uint8Array(0),
    accessList: optional("accessList", accessListParam) ?? [],
    authorizationList: optional("authorizationList", listParam) ?? [],
  };
  if (request.gasPrice !== undefined && request.maxFeePerGas !== undefined) {
    throw invalidParams(`${name}: both gasPrice and maxFeePerGas are given`);
  }
  return request;
}

export function logFilterParam(value: unknown, name: string): LogFilter {
  const fields = objectParam(value, name);
  const { blockHash, fromBlock, toBlock, address, topics } = fields;
  if (isGiven(blockHash) && (isGiven(fromBlock) || isGiven(toBlock))) {
    throw invalidParams(`${name}: give either blockHash or fromBlock and toBlock`);
  }
  const addresses = !isGiven(address) ? [] : Array.isArray(address) ? address : [address];
  if (addresses.length > LOG_ADDRESSES_MAX) {
    throw invalidParams(`${name}.address: at most ${LOG_ADDRESSES_MAX} addresses`);
  }
  const positions = isGiven(topics) ? listParam(topics, `${name}.topics`) : [];
  if (positions.length > 4) throw invalidParams(`${name}.topics: a log has at most 4 topics`);
  return {
    blockHash: isGiven(blockHash) ? hashParam(blockHash, `${name}.blockHash`) : undefined,
    fromBlock: isGiven(fromBlock) ? blockParam(fromBlock, `${name}.fromBlock`) : undefined,
    toBlock: isGiven(toBlock) ? blockParam(toBlock, `${name}.toBlock`) : undefined,
    addresses: addresses.map((entry) => bytesParam(entry, `${name}.address`, 20)),
    topics: positions.map((entry, i) => topicParam(entry, `${name}.topics[${i}]`)),
  };
}

function topicParam(value: unknown, name: string): readonly Uint8Array[] | null {
  if (!isGiven(value)) return null;
  if (!Array.isArray(value)) return [hashParam(value, name)];
  if (value.length > LOG_TOPIC_ALTERNATIVES_MAX) {
    throw invalidParams(`${name}: at most ${LOG_TOPIC_ALTERNATIVES_MAX} alternatives`);
  }
  if (value.length === 0 || value.includes(null)) return null;
  return value.map((entry: unknown) => hashParam(entry, name));
}

function accessListParam(value: unknown, name: string): { address: Hex; storageKeys: Hex[] }[] {
  return listParam(value, name).map((entry, i) => {
    const fields = objectParam(entry, `${name}[${i}]`);
    bytesParam(fields["address"], `${name}[${i}].address`, 20);
    const keys = listParam(fields["storageKeys"] ?? [], `${name}[${i}].storageKeys`);
    for (const key of keys) hashParam(key, `${name}[${i}].storageKeys`);
    return { address: fields["address"] as Hex, storageKeys: keys as Hex[] };
  });
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
