/**
 * Action 70: the sender, or whoever it told the seed, opens a sealed item that the committee has not opened.
 * The outcome is the one that shares would give, so that nobody gains by choosing between the two.
 */
import { openPlaintext } from "../../../../mev/seal/open-plaintext.ts";
import { copyBytes, toHex } from "../../../../proto/bytes.ts";
import type { SealedItemState, SealKeyState } from "../../../../proto/codec/seal-state.ts";
import type { SelfReveal } from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { sha256 } from "../../../../proto/hash.ts";
import { type Failure, failure } from "../../codes.ts";
import { type ActionRules, noValue } from "../../execution/action-rules.ts";
import type { StakingReader } from "../../staking/context.ts";
import { sealedBatch, sealedItem, sealKey } from "../reader.ts";
import { fineFalseDisputes } from "./false-disputes.ts";
import { changeItems, isDisputed } from "./records.ts";
import { type Resolution, resolveItem } from "./resolve.ts";

export const SELF_REVEAL_RULES: ActionRules<SelfReveal> = {
  fault({ staking }, _tx, action) {
    return waitingItem(staking, action) === undefined ? unknownItem(action) : undefined;
  },
  // Points are multiplied for whoever signs, not for anybody who sends bytes.
  costlyFault({ staking }, action) {
    const waiting = waitingItem(staking, action);
    if (waiting === undefined) return unknownItem(action);
    const { item, key } = waiting;
    const point = staking.arithmetic.tdh2.openWithSeed(key.publicKey, item, action.seed);
    return point === undefined
      ? failure("SEAL_SEED", `${toHex(action.id)}; give what weft tx seal printed with this id`)
      : undefined;
  },
  run(state, _tx, action) {
    const { height, seed } = action;
    const waiting = waitingItem(state, action);
    assert(waiting !== undefined, "an item without a fault waits");
    const { item } = waiting;
    changeItems(state, height, (one) => (one.index === item.index ? undefined : one));
    resolveItem(state, height, item, resolutionOf(state, waiting, copyBytes(seed)));
    if (!isDisputed(item)) return;
    const { disputedBy, disputedHeight } = item;
    fineFalseDisputes(state, { validator: toHex(disputedBy), height: disputedHeight, count: 1 });
  },
  value: noValue,
};

function unknownItem({ height, id }: SelfReveal): Failure {
  return failure(
    "SEAL_ITEM_UNKNOWN",
    `${toHex(id)} of block ${height} is opened, or expired, or was never there; see: weft query tx ${toHex(id)}`,
  );
}

interface WaitingItem {
  readonly item: SealedItemState;
  readonly key: SealKeyState;
}

function waitingItem(reader: StakingReader, { height, id }: SelfReveal): WaitingItem | undefined {
  const item = sealedItem(reader, height, id);
  const batch = sealedBatch(reader, height);
  const key = batch && sealKey(reader, batch.key);
  return item === undefined || key === undefined ? undefined : { item, key };
}

function resolutionOf(
  { arithmetic: { tdh2 } }: StakingReader,
  { item, key }: WaitingItem,
  seed: Uint8Array,
): Resolution {
  const by = "sender";
  const { label, kem, body, places, kind } = item;
  const pointOf = () => {
    const point = tdh2.openWithSeed(key.publicKey, item, seed);
    assert(point !== undefined, "the seed of an item without a fault is its own");
    return point;
  };
  const plaintext = tdh2.decrypt(label, kem, seed, body);
  if (plaintext === undefined) {
    return { kind: "invalid", reason: "the body does not belong to its key", by, pointOf };
  }
  const content = openPlaintext(
    kind,
    plaintext,
    places.map(({ rollupId }) => rollupId),
  );
  if (content.kind === "invalid") return { ...content, by, pointOf };
  const { payloads, amount } = content;
  const contentHashes = payloads.map(sha256);
  const opener = { kind: "seed", seed } as const;
  return { kind: "opened", payloads, contentHashes, amount, opener, by, pointOf };
}
