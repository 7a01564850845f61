/**
 * Commit and reveal: the way to hide content that needs no key (spec encrypted-mempool B.8). A commit takes
 * a place and holds a bond, its sender shows the content within a window, and what is not shown in time is
 * void: the bond is burned, so that to wait and see costs more than it is worth, and more each time.
 */
import { openBareContent } from "../../../../mev/seal/content.ts";
import { commitHash } from "../../../../mev/seal/commit.ts";
import { Height } from "../../../../proto/brands.ts";
import { bytesEqual, copyBytes, fromHex, toHex } from "../../../../proto/bytes.ts";
import type {
  CommitBatchState,
  CommittedItemState,
  RollupPlace,
} from "../../../../proto/codec/seal-state.ts";
import type { Reveal, SealCommit } from "../../../../proto/codec/seal-tx.ts";
import { FillStatus } from "../../../../proto/verify/manifest.ts";
import { assert } from "../../../../proto/errors.ts";
import { type Failure, failure } from "../../codes.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import { numberKey, SEAL_COMMITS, SEAL_UNREVEALED } from "../../state/tables.ts";
import { committedEvent, revealedEvent, voidEvent } from "../events.ts";
import { openedFills, unopenedFills } from "../fills.ts";
import { keyFault, timeFault } from "../items/inclusion.ts";
import { protectedBlocks } from "../items/room.ts";
import { keyInForce } from "../reader.ts";
import { BOND_DOUBLINGS_MAX } from "./limits.ts";
import { revealBytes, roomFault } from "./room.ts";

/** nweft that a commit of the account holds until it is revealed. */
export function commitBond(reader: StakingReader, sender: string): bigint {
  const { count } = reader.records.get(SEAL_UNREVEALED, sender) ?? { count: 0 };
  return reader.params.sealCommitBond << BigInt(Math.min(count, BOND_DOUBLINGS_MAX));
}

/** nweft that it holds for the reveal: what that costs at most, at the max fee of the commit. */
export function revealFee(action: Pick<SealCommit, "bucket">, maxFeePerByte: bigint): bigint {
  return BigInt(revealBytes(action)) * maxFeePerByte;
}

/** Last height that may reveal a commit of the block under way. */
export function revealHeight(reader: StakingReader): Height {
  return Height(reader.height + protectedBlocks(reader, reader.params.sealRevealBlocks));
}

/** What a commit is judged by beside the action. */
export interface CommitTerms {
  readonly sender: string;
  /** `commitBond` and `revealFee`. */
  readonly held: bigint;
  /** After the fee. */
  readonly balance: bigint;
}

/** Why the commit fails, or undefined. */
export function sealCommitFault(
  reader: StakingReader,
  action: SealCommit,
  { sender, held, balance }: CommitTerms,
): Failure | undefined {
  const closed = timeFault(action, reader.height) ?? openLaneFault(reader);
  if (closed !== undefined) return closed;
  const full = roomFault(reader, sender, action, batchAt(reader, reader.height)?.items ?? []);
  if (full !== undefined) return full;
  if (balance >= held) return undefined;
  return failure("SEAL_COMMIT_FUNDS", `${balance} nweft are left, ${held} are held`);
}

/**
 * Commits stand in for sealed items while blocks take none. Beside those they would be the cheaper way to hold
 * up a rollup's filled stream, and their senders would choose last whether to show what they hold.
 */
function openLaneFault(reader: StakingReader): Failure | undefined {
  const key = keyInForce(reader, reader.height);
  if (keyFault(reader, key, reader.height) !== undefined) return undefined;
  return failure("SEAL_LANE_OPEN", `key ${key} is in force: send it sealed, as weft tx seal does`);
}

/** Holds bond and fee; the place follows (`placeCommit`). */
export function sealCommit(
  ctx: StakingContext,
  sender: string,
  action: SealCommit,
  maxFeePerByte: bigint,
): void {
  ctx.collect(sender, "sealed", commitBond(ctx, sender) + revealFee(action, maxFeePerByte));
}

/** A commit as its transaction brings it. */
export interface PlacedCommit {
  readonly id: Uint8Array;
  readonly sender: string;
  readonly action: SealCommit;
  readonly maxFeePerByte: bigint;
  /** In the order of its rollups. */
  readonly places: readonly RollupPlace[];
}

/** After `sealCommit`: waits from here on. */
export function placeCommit(ctx: StakingContext, commit: PlacedCommit): void {
  const { id, sender, action, maxFeePerByte, places } = commit;
  const { revealHeight: until, items } = batchAt(ctx, ctx.height) ?? {
    revealHeight: revealHeight(ctx),
    items: [],
  };
  const item: CommittedItemState = {
    id,
    sender: fromHex(sender),
    hash: copyBytes(action.hash),
    bucket: action.bucket,
    places,
    fee: revealFee(action, maxFeePerByte),
    bond: commitBond(ctx, sender),
  };
  setBatch(ctx, ctx.height, { revealHeight: until, items: [...items, item] });
  ctx.emit(committedEvent(item, until));
}

/** Why the reveal fails, or undefined. Who reveals nothing meanwhile keeps the time that is left. */
export function revealFault(
  reader: StakingReader,
  sender: string,
  { height, id, salt, content }: Reveal,
): Failure | undefined {
  const item = revealable(reader, height, id);
  if (item === undefined) {
    return failure(
      "SEAL_COMMIT_UNKNOWN",
      `${toHex(id)} of block ${height} is revealed, or void, or was never there; see: weft query tx ${toHex(id)}`,
    );
  }
  if (toHex(item.sender) !== sender) return failure("SEAL_REVEAL_SENDER", toHex(id));
  if (content.length > item.bucket) {
    return failure("SEAL_REVEAL_SIZE", `${content.length} bytes, at most ${item.bucket}`);
  }
  const hash = commitHash(reader.chainId, item.sender, salt, content);
  return bytesEqual(hash, item.hash)
    ? undefined
    : failure(
        "SEAL_REVEAL_HASH",
        `salt and content hash to ${toHex(hash)}, ${toHex(id)} committed to ${toHex(item.hash)}; reveal what weft tx commit wrote`,
      );
}

/** nweft that the account's waiting commit holds for the fee of this reveal, whatever that shows; 0: none waits. */
export function heldForReveal(
  reader: StakingReader,
  sender: string,
  { height, id }: Reveal,
): bigint {
  const item = revealable(reader, height, id);
  return item !== undefined && toHex(item.sender) === sender ? item.fee : 0n;
}

/** Gives the account so much of that, to pay the fee with. */
export function drawRevealFee(
  ctx: StakingContext,
  sender: string,
  { height, id }: Reveal,
  amount: bigint,
): void {
  const batch = batchAt(ctx, height);
  assert(batch !== undefined, "a commit of that block waits");
  const items = batch.items.map((item) => {
    if (!bytesEqual(item.id, id)) return item;
    assert(amount <= item.fee, `${amount} of the ${item.fee} nweft that are held`);
    return { ...item, fee: item.fee - amount };
  });
  setBatch(ctx, height, { ...batch, items });
  ctx.pay("sealed", sender, amount);
}

/**
 * Shows the content to the rollups of its place, pays back the bond and what is left of what was held for the
 * reveal's fee, and forgives one commit that lapsed. Content that is none was settled all the same.
 */
export function reveal(ctx: StakingContext, sender: string, { height, id, content }: Reveal): void {
  const item = committedItem(ctx, height, id);
  if (item === undefined) return;
  take(ctx, height, id);
  ctx.pay("sealed", sender, item.fee + item.bond);
  countUnrevealed(ctx, sender, -1);
  const { places } = item;
  const opened = openBareContent(
    content,
    places.map(({ rollupId }) => rollupId),
  );
  const isContent = opened.kind === "content";
  const fills = isContent
    ? openedFills(height, places, opened.payloads, { kind: "reveal" })
    : unopenedFills(height, places, FillStatus.INVALID);
  for (const fill of fills) ctx.addFill(fill);
  ctx.emit(revealedEvent(id, height, isContent ? undefined : opened.reason));
}

/**
 * After the last item of a block: commits whose time is over are void. The bond is burned, never paid to
 * who might have kept the reveal out of blocks; what is left of what was held for the fee goes back.
 */
export function voidCommits(ctx: StakingContext): void {
  for (const key of ctx.records.keys(SEAL_COMMITS)) {
    const batch = ctx.records.get(SEAL_COMMITS, key);
    if (batch === undefined || ctx.height < batch.revealHeight) continue;
    const height = Height(Number(key));
    for (const item of batch.items) {
      const sender = toHex(item.sender);
      ctx.burn("sealed", item.bond);
      ctx.pay("sealed", sender, item.fee);
      countUnrevealed(ctx, sender, 1);
      for (const fill of unopenedFills(height, item.places, FillStatus.VOID)) ctx.addFill(fill);
      ctx.emit(voidEvent(item, height));
    }
    ctx.records.set(SEAL_COMMITS, key, undefined);
  }
}

/** The commit of that transaction id, if it waits to be revealed. */
export function committedItem(
  reader: Pick<StakingReader, "records">,
  height: number,
  id: Uint8Array,
): CommittedItemState | undefined {
  return batchAt(reader, height)?.items.find((item) => bytesEqual(item.id, id));
}

/** The same, if the block under way may reveal it. */
function revealable(
  reader: Pick<StakingReader, "height" | "records">,
  height: number,
  id: Uint8Array,
): CommittedItemState | undefined {
  return height < reader.height ? committedItem(reader, height, id) : undefined;
}

function batchAt(
  { records }: Pick<StakingReader, "records">,
  height: number,
): CommitBatchState | undefined {
  return records.get(SEAL_COMMITS, numberKey(height));
}

function take(ctx: StakingContext, height: number, id: Uint8Array): void {
  const batch = batchAt(ctx, height);
  if (batch === undefined) return;
  setBatch(ctx, height, {
    ...batch,
    items: batch.items.filter((item) => !bytesEqual(item.id, id)),
  });
}

/** With the last commit, the record goes. */
function setBatch(ctx: StakingContext, height: number, batch: CommitBatchState): void {
  const record = batch.items.length === 0 ? undefined : batch;
  ctx.records.set(SEAL_COMMITS, numberKey(height), record);
}

function countUnrevealed(ctx: StakingContext, account: string, by: 1 | -1): void {
  const { count } = ctx.records.get(SEAL_UNREVEALED, account) ?? { count: 0 };
  const next = Math.max(0, count + by);
  if (next === count) return;
  ctx.records.set(SEAL_UNREVEALED, account, next === 0 ? undefined : { count: next });
}
