/** One changed byte in what Go nodes signed and sent is refused, wherever it is (test/vectors/go-nodes). */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { encodeExtendedCommit } from "../../proto/codec/votes.ts";
import { decodeConsensusMessage } from "../../proto/codec/consensus-messages.ts";
import { blockIdsEqual } from "../../proto/validate-basic.ts";
import { verifyExtendedCommitAsync } from "../../proto/verify/commit.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { completeBlock } from "../../sequencer/engine/make-block.ts";
import { readGossip } from "../support/go-recordings.ts";
import {
  decodeBlockResponse,
  readRecordedChain,
  type RecordedBlock,
  voteFault,
} from "../support/recorded-chain.ts";

const RUNS = { numRuns: 400 };
const chain = readRecordedChain();
const verifier = createEd25519Verifier();

function changed(bytes: Uint8Array, at: number, by: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ by;
  return copy;
}

/** Whether block sync would take these bytes for the block, or what refuses them. */
async function refusal(one: RecordedBlock, bytes: Uint8Array): Promise<string | undefined> {
  let answer: ReturnType<typeof decodeBlockResponse>;
  let complete: ReturnType<typeof completeBlock>;
  try {
    answer = decodeBlockResponse(bytes);
    complete = completeBlock(answer.block);
  } catch {
    return "not a block";
  }
  if (!blockIdsEqual(complete.blockId, one.blockId)) return "another block";
  const { extendedCommit } = answer;
  if ((extendedCommit === undefined) !== (one.extendedCommit === undefined)) return "extension";
  if (extendedCommit === undefined) return undefined;
  const { stateBefore, blockId, block } = one;
  const { chainId, validators } = stateBefore;
  const context = { chainId, validators, blockId, height: block.header.height };
  const verdict = await verifyExtendedCommitAsync(context, extendedCommit, verifier);
  if (!verdict.isValid) return verdict.fault;
  // Fields of unknown numbers say nothing, to Go neither: the commit is the one that was signed.
  const isSame = bytesEqual(encodeExtendedCommit(extendedCommit), extendedBytes(one));
  return isSame && !bytesEqual(bytes, one.recorded.blockResponse) ? "the same commit" : undefined;
}

function extendedBytes({ extendedCommit }: RecordedBlock): Uint8Array {
  return extendedCommit === undefined ? EMPTY_BYTES : encodeExtendedCommit(extendedCommit);
}

const place = {
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  by: fc.integer({ min: 1, max: 255 }),
};
const indexAt = (at: number, length: number): number =>
  Math.min(length - 1, Math.floor(at * length));

test("property: a block or extended commit with one byte changed is refused", async () => {
  // The large blocks are mostly one transaction: their bytes would be most of all drawn.
  const small = chain.filter(({ parts }) => parts.length === 1);
  for (const one of small) {
    expect(await refusal(one, one.recorded.blockResponse)).toBeUndefined();
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(small.length - 1), place.at, place.by, async (which, at, by) => {
      const one = small[which];
      if (one === undefined) throw new Error("there is no such block");
      const { blockResponse } = one.recorded;
      const index = indexAt(at, blockResponse.length);
      const found = await refusal(one, changed(blockResponse, index, by));
      expect(found, `byte ${index} of block ${one.recorded.height}`).toBeDefined();
    }),
    RUNS,
  );
});

test("property: a vote with one byte changed is nobody's", () => {
  const votes = readGossip().filter(({ bytes, channel }) => {
    return channel <= 0x23 && channel >= 0x20 && decodeConsensusMessage(bytes).kind === "vote";
  });
  expect(votes.length).toBeGreaterThan(10);
  const accepted = (bytes: Uint8Array): boolean => {
    try {
      const message = decodeConsensusMessage(bytes);
      return message.kind === "vote" && voteFault(chain, message.vote) === undefined;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(fc.nat(votes.length - 1), place.at, place.by, (which, at, by) => {
      const bytes = votes[which]?.bytes ?? EMPTY_BYTES;
      const index = indexAt(at, bytes.length);
      expect(accepted(bytes)).toBe(true);
      expect(accepted(changed(bytes, index, by)), `byte ${index}`).toBe(false);
    }),
    RUNS,
  );
});
