/** State and block overrides of eth_call, in geth's form. */
import { Account, type Address } from "@ethereumjs/util";
import type { BlockEnvironment } from "../environment.ts";
import type { StateView } from "../virtual-machine.ts";
import { invalidParams } from "../../json-rpc/errors.ts";
import {
  bytesParam,
  hashParam,
  indexParam,
  objectParam,
  quantityParam,
} from "../../json-rpc/params.ts";
import { addressParam, slotParam } from "./params.ts";

type Slots = readonly (readonly [key: Uint8Array, value: Uint8Array])[];

interface AccountOverride {
  readonly address: Address;
  readonly balance: bigint | undefined;
  readonly nonce: bigint | undefined;
  readonly code: Uint8Array | undefined;
  /** Replaces the whole storage. */
  readonly state: Slots | undefined;
  /** Replaces single slots. */
  readonly stateDiff: Slots | undefined;
}

export type StateOverrides = readonly AccountOverride[];
export type BlockOverrides = Partial<BlockEnvironment>;

const OVERRIDES_MAX = 1_024;

export function stateOverridesParam(value: unknown, name: string): StateOverrides | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(objectParam(value, name));
  if (entries.length > OVERRIDES_MAX) {
    throw invalidParams(`${name}: at most ${OVERRIDES_MAX} accounts`);
  }
  return entries.map(([address, override]) => {
    const fields = objectParam(override, `${name}.${address}`);
    const at = (key: string): string => `${name}.${address}.${key}`;
    const given = (key: string): boolean => fields[key] !== undefined && fields[key] !== null;
    return {
      address: addressParam(address, name),
      balance: given("balance") ? quantityParam(fields["balance"], at("balance")) : undefined,
      nonce: given("nonce") ? quantityParam(fields["nonce"], at("nonce")) : undefined,
      code: given("code") ? bytesParam(fields["code"], at("code")) : undefined,
      state: given("state") ? slots(fields["state"], at("state")) : undefined,
      stateDiff: given("stateDiff") ? slots(fields["stateDiff"], at("stateDiff")) : undefined,
    };
  });
}

export function blockOverridesParam(value: unknown, name: string): BlockOverrides | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = objectParam(value, name);
  const overrides: { -readonly [K in keyof BlockEnvironment]?: BlockEnvironment[K] } = {};
  const at = (key: string): string => `${name}.${key}`;
  for (const [key, field] of Object.entries(fields)) {
    if (field === undefined || field === null) continue;
    if (key === "number") overrides.number = indexParam(field, at(key));
    else if (key === "time") overrides.timestampSeconds = quantityParam(field, at(key));
    else if (key === "gasLimit") overrides.gasLimit = quantityParam(field, at(key));
    else if (key === "feeRecipient") overrides.feeRecipient = bytesParam(field, at(key), 20);
    else if (key === "prevRandao") overrides.prevRandao = hashParam(field, at(key));
    else if (key === "baseFeePerGas") overrides.baseFeePerGas = quantityParam(field, at(key));
    else throw invalidParams(`${at(key)}: not supported`);
  }
  return overrides;
}

export async function applyStateOverrides(
  state: StateView,
  overrides: StateOverrides,
): Promise<void> {
  for (const { address, balance, nonce, code, state: whole, stateDiff } of overrides) {
    const account = (await state.getAccount(address)) ?? new Account();
    if (balance !== undefined) account.balance = balance;
    if (nonce !== undefined) account.nonce = nonce;
    await state.putAccount(address, account);
    if (code !== undefined) await state.putCode(address, code);
    if (whole !== undefined) await state.clearStorage(address);
    for (const [key, value] of [...(whole ?? []), ...(stateDiff ?? [])]) {
      await state.putStorage(address, key, value);
    }
  }
}

function slots(value: unknown, name: string): Slots {
  return Object.entries(objectParam(value, name)).map(([key, slot]) => [
    slotParam(key, name),
    slotParam(slot, name),
  ]);
}
