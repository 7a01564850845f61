/** What requests that name rollups and levels have to be. */
import { compareBytes } from "../../proto/bytes.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { grpcError } from "./grpc-error.ts";
import { STREAM_ROLLUPS_MAX } from "./limits.ts";

export function checkRollupId(id: Uint8Array): void {
  if (id.length !== 32) {
    throw grpcError("GRPC_INVALID_ARGUMENT", `a rollup id has 32 bytes, got ${id.length}`);
  }
}

export function checkRollupIds(ids: readonly Uint8Array[]): void {
  for (const id of ids) checkRollupId(id);
  const doesAscend = ids.every((id, i) => i === 0 || compareBytes(ids[i - 1] ?? id, id) < 0);
  if (ids.length <= STREAM_ROLLUPS_MAX && doesAscend) return;
  throw grpcError(
    "GRPC_INVALID_ARGUMENT",
    `expected up to ${STREAM_ROLLUPS_MAX} rollup ids in ascending order, each once, got ${ids.length}${doesAscend ? "" : " in another order"}`,
  );
}

export function checkLevel(level: Level): void {
  if (level === Level.UNSPECIFIED) {
    throw grpcError("GRPC_INVALID_ARGUMENT", "name a level: LEVEL_COMMITTED or LEVEL_FILLED");
  }
  if (level === Level.PROPOSED || level === Level.ANCHORED) {
    const where =
      level === Level.PROPOSED ? "; see weft.mev.v1.MevService/StreamProposedBlocks" : "";
    throw grpcError(
      "GRPC_UNIMPLEMENTED",
      `this node serves LEVEL_COMMITTED and LEVEL_FILLED${where}`,
    );
  }
}
