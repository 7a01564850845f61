/**
 * What the state says about the entries of a block (`EntryTerms`): whose sealed ones are shuffled, and whose list a bid
 * stands in. Policies count as they are in force in that block, and nobody reads them again later: what was asked
 * of the terms goes into a block event, out of which a node that serves the block makes the same terms.
 */
import type { EntryTerms } from "../../../mev/manifest.ts";
import { Height } from "../../../proto/brands.ts";
import { fromHex, joinBytes, toHex } from "../../../proto/bytes.ts";
import { Ordering } from "../../../proto/codec/rollup-policy.ts";
import { assert } from "../../../proto/errors.ts";
import { HASH_BYTES } from "../../../proto/limits.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, plain } from "../abci-event.ts";
import type { AuctionGroup } from "../auction/group.ts";
import type { ActionReader } from "../execution/action-rules.ts";
import { policyAt } from "../state/rollup-policy.ts";

/**
 * `entry_terms` {shuffled, groups}, in base64: ids of the rollups whose sealed entries of this block are shuffled;
 * of each group that a bid of the block is for its leader, u8 count and its members. Absent where there are none.
 */
const ENTRY_TERMS_EVENT = "entry_terms";
const SHUFFLED_ATTRIBUTE = "shuffled";
const GROUPS_ATTRIBUTE = "groups";

/** What a block under way offers. */
interface TermsReader extends Pick<ActionReader, "rollup"> {
  /** `leader`: rollup id, lower-case hex. */
  auctionGroup(leader: string): AuctionGroup | undefined;
}

/** The terms of the block under way, with memory of what was asked. */
export class BlockEntryTerms implements EntryTerms {
  readonly chainId: string;
  readonly isShuffled: (rollupId: Uint8Array) => boolean;
  readonly membersOf: (group: Uint8Array) => readonly Uint8Array[];
  /** By id in hex. */
  readonly #shuffled = new Map<string, boolean>();
  readonly #groups = new Map<string, readonly Uint8Array[]>();

  constructor(chainId: string, height: number, state: TermsReader) {
    this.chainId = chainId;
    this.isShuffled = (rollupId) =>
      remembered(this.#shuffled, toHex(rollupId), (key) => {
        const rollup = state.rollup(key);
        if (rollup === undefined) return false;
        return policyAt(rollup, Height(height)).ordering === Ordering.SEALED_RANDOM;
      });
    this.membersOf = (group) =>
      remembered(this.#groups, toHex(group), (key) => {
        const members = state.auctionGroup(key)?.members ?? [];
        return members.map(({ rollupId }) => rollupId);
      });
  }

  events(): readonly AbciEvent[] {
    const shuffled = [...this.#shuffled].flatMap(([id, is]) => (is ? [id] : [])).sort();
    const groups = [...this.#groups].filter(([, members]) => members.length > 0).sort(byKey);
    if (shuffled.length === 0 && groups.length === 0) return [];
    const groupRecords = groups.flatMap(([leader, members]) => [
      fromHex(leader),
      Uint8Array.of(members.length),
      ...members,
    ]);
    return [
      event(ENTRY_TERMS_EVENT, [
        plain(SHUFFLED_ATTRIBUTE, base64(shuffled.map(fromHex))),
        plain(GROUPS_ATTRIBUTE, base64(groupRecords)),
      ]),
    ];
  }
}

/** The terms of a stored block, from its own events. They come from this node's store: others are a bug. */
export function readEntryTerms(chainId: string, events: readonly AbciEvent[]): EntryTerms {
  const found = events.find(({ type }) => type === ENTRY_TERMS_EVENT);
  const bytesOf = (attribute: string): Uint8Array => {
    const value = found?.attributes.find(({ key }) => key === attribute)?.value ?? "";
    return new Uint8Array(Buffer.from(value, "base64"));
  };
  const shuffled = new Set(ids(bytesOf(SHUFFLED_ATTRIBUTE)).map(toHex));
  const groups = new Map<string, readonly Uint8Array[]>();
  let rest = bytesOf(GROUPS_ATTRIBUTE);
  while (rest.length > 0) {
    const end = HASH_BYTES + 1 + (rest[HASH_BYTES] ?? 0) * HASH_BYTES;
    assert(rest.length >= end, "the event holds whole records of groups");
    groups.set(toHex(rest.subarray(0, HASH_BYTES)), ids(rest.subarray(HASH_BYTES + 1, end)));
    rest = rest.subarray(end);
  }
  return {
    chainId,
    isShuffled: (rollupId) => shuffled.has(toHex(rollupId)),
    membersOf: (group) => groups.get(toHex(group)) ?? [],
  };
}

function ids(bytes: Uint8Array): readonly Uint8Array[] {
  assert(bytes.length % HASH_BYTES === 0, "the event holds whole ids of rollups");
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, index) =>
    bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );
}

function remembered<Value>(
  known: Map<string, Value>,
  key: string,
  find: (key: string) => Value,
): Value {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = find(key)));
  return value;
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function base64(parts: readonly Uint8Array[]): string {
  return Buffer.from(joinBytes(parts)).toString("base64");
}
