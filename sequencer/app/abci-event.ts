import type { AbciEvent, EventAttribute } from "../abci/application.ts";

/** An event of the application. Ids are lower-case hex, account addresses bech32. */
export function event(type: string, attributes: readonly EventAttribute[]): AbciEvent {
  return { type, attributes };
}

/** An attribute that one can search by. */
export function indexed(key: string, value: string): EventAttribute {
  return { key, value, index: true };
}

export function plain(key: string, value: string): EventAttribute {
  return { key, value, index: false };
}
