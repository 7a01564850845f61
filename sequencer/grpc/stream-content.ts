/**
 * What streams bring: blocks of one rollup or several, each height or those that hold something, and headers. A message
 * may speak of several heights; where they end does not depend on who reads them, so that readers share messages.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { encodeHeader, encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { assert } from "../../proto/errors.ts";
import { headerUpdate } from "../../proto/grpc/header-update.ts";
import { Level, type RollupBlock, rollupBlock } from "../../proto/grpc/rollup-block.ts";
import { createLoads } from "./block-loads.ts";
import { grpcError, prunedError } from "./grpc-error.ts";
import { HEADER_LOADS_MAX, OMITTED_HEIGHTS } from "./limits.ts";
import type { GrpcBlocks } from "./ports.ts";
import {
  type BuiltRollupBlock,
  type EmptyRun,
  type FillingUp,
  lastHeaderOf,
  type RollupBlockReads,
  withoutHeaders,
  withoutValidatorSet,
} from "./rollup-block-source.ts";

/** What all readers of one kind of stream are sent. */
export interface StreamContent {
  /** The same for the same content. */
  readonly id: string;
  /** The last height that the message from `from` on may speak of, in a stream that ends at `until`. */
  lastOf(from: Height, until: number): Height;
  /** The message that speaks of `from` and, as far as they need no message of their own, of heights up to `last`. */
  begin(from: Height, last: Height): MessageUp;
}

/** What a message waits for: a next block, or one that fills the block it speaks of. */
export type Missing = "block" | "filling";

/** A message that is on its way. */
export interface MessageUp {
  /** Looks at each block once, however often it is asked. @throws GRPC_OUT_OF_RANGE, GRPC_UNAVAILABLE */
  complete(): Promise<StreamMessage | Missing>;
}

export interface StreamMessage {
  /** The last one that it speaks of. */
  readonly height: Height;
  readonly validatorsHash: Uint8Array;
  /** Height of the last header in it. */
  readonly lastHeader: number;
  /** @param lastHeader headers that follow the block are left out up to there */
  encode(isSameSet: boolean, lastHeader: number): Buffer;
}

/** @param rollupIds at least one, ascending */
export function blockContent(
  source: RollupBlockReads,
  rollupIds: readonly Uint8Array[],
  level: Level,
  omitsEmpty: boolean,
): StreamContent {
  return {
    id: `${rollupIds.map(toHex).join()}/${level}/${omitsEmpty ? 1 : 0}`,
    lastOf: (from, until) => (omitsEmpty ? lastOmitted(from, until) : from),
    begin(from, last) {
      const run: EmptyRun = omitsEmpty
        ? source.passEmpty(from, last, rollupIds)
        : { complete: () => Promise.resolve({ omitted: [], height: from }) };
      let passed: Awaited<ReturnType<EmptyRun["complete"]>>;
      let parts: readonly FillingUp[] | undefined;
      const built: BuiltRollupBlock[] = [];
      return {
        async complete() {
          passed ??= await run.complete();
          if (passed === undefined) return "block";
          const { height, omitted } = passed;
          parts ??= rollupIds.map((rollupId) =>
            level === Level.FILLED
              ? source.fillUp(height, rollupId)
              : { complete: () => source.build(height, rollupId) },
          );
          for (const part of parts.slice(built.length)) {
            const done = await part.complete();
            if (done === undefined) return "filling";
            built.push(done);
          }
          return blockMessage(built, omitted);
        },
      };
    },
  };
}

function blockMessage(
  built: readonly BuiltRollupBlock[],
  omitted: RollupBlock["omitted"],
): StreamMessage {
  const [first, ...others] = built;
  assert(first !== undefined, "a stream has a rollup");
  const { validatorsHash } = first;
  const more = others.map(({ message: { slice, filling } }) => ({ slice, filling }));
  const message = { ...first.message, omitted, more };
  return {
    height: message.height,
    validatorsHash,
    lastHeader: lastHeaderOf(message),
    encode(isSameSet, lastHeader) {
      const needed = withoutHeaders(message, lastHeader);
      return rollupBlock.encode(isSameSet ? withoutValidatorSet(needed) : needed);
    },
  };
}

export function createHeaderContent(blocks: GrpcBlocks): (isSparse: boolean) => StreamContent {
  const loads = createLoads(HEADER_LOADS_MAX);

  async function at<T>(height: Height, read: () => Promise<T | undefined>): Promise<T> {
    if (height < blocks.base()) throw prunedError(height, blocks.base());
    const found = await loads.run(height, read);
    if (found !== undefined) return found;
    throw grpcError("GRPC_UNAVAILABLE", `height ${height} is not at hand yet; try again`);
  }

  return (isSparse) => ({
    id: `headers/${isSparse ? 1 : 0}`,
    lastOf: (from, until) => (isSparse ? lastOmitted(from, until) : from),
    begin(from, last) {
      const headers: Uint8Array[] = [];
      return {
        async complete() {
          for (;;) {
            const height = Height(from + headers.length);
            if (height > blocks.height()) return "block";
            const header = await at(height, () => blocks.header(height));
            const { validatorsHash, nextValidatorsHash } = header;
            if (height < last && bytesEqual(validatorsHash, nextValidatorsHash)) {
              headers.push(encodeHeader(header));
              continue;
            }
            const commit = await at(height, () => blocks.seenCommit(height));
            const set = await at(height, () => blocks.hashedValidators(height));
            const signedHeader = encodeSignedHeader({ header, commit });
            const validatorSet = encodeValidatorSet(set);
            const encode = (isSameSet: boolean): Buffer =>
              headerUpdate.encode({
                height,
                signedHeader,
                validatorSet: isSameSet ? EMPTY_BYTES : validatorSet,
                headers,
              });
            return { height, validatorsHash, lastHeader: height, encode };
          }
        },
      };
    },
  });
}

/** Messages end at the same heights for all readers, wherever theirs began. */
function lastOmitted(from: Height, until: number): Height {
  return Height(Math.min(until, Math.ceil(from / OMITTED_HEIGHTS) * OMITTED_HEIGHTS));
}
