/** Parts of the events of staking: validators are upper-case hex, accounts bech32, amounts nweft. */
import { formatAddress } from "../../../proto/address.ts";
import { fromHex } from "../../../proto/bytes.ts";
import type { EventAttribute } from "../../abci/application.ts";
import { indexed, plain } from "../abci-event.ts";

/** `address`: 40 lower-case hex characters. */
export function validatorAttribute(key: string, address: string): EventAttribute {
  return indexed(key, address.toUpperCase());
}

/** `address`: 40 lower-case hex characters. */
export function accountAttribute(key: string, address: string): EventAttribute {
  return indexed(key, formatAddress(fromHex(address)));
}

export function numberAttribute(key: string, value: bigint | number): EventAttribute {
  return plain(key, value.toString());
}
