import { describe, expect, test } from "vitest";
import { Height, NodeId, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { SignedMsgType } from "../../../proto/types.ts";
import { buildChain, signedVote, testKeys } from "../../../test/support/chain-builder.ts";
import { Step } from "../../consensus/step.ts";
import {
  decodeWalEntry,
  encodeWalEntry,
  endHeightOf,
  inputToWalEntries,
  type WalEntry,
} from "./wal-entry.ts";

const KEYS = testKeys(2);
const [BUILT] = buildChain(KEYS, 1);
const PEER = NodeId("ab".repeat(20));

describe("log entries", () => {
  test("every kind comes back as it was", () => {
    for (const entry of examples()) {
      expect(decodeWalEntry(encodeWalEntry(entry)), entry.kind).toEqual(entry);
    }
  });

  test("only the marker has an end height", () => {
    const heights = examples().map((entry) => endHeightOf(encodeWalEntry(entry)));
    expect(heights.filter((height) => height !== undefined)).toEqual([7, 0]);
  });

  test("our own block is logged as its parts, then the fact", () => {
    if (BUILT === undefined) throw new Error("no block");
    const { block, blockId, parts } = BUILT;
    const [height, round] = [Height(1), Round(0)];
    const entries = inputToWalEntries({
      kind: "blockCreated",
      height,
      round,
      block,
      blockId,
      parts,
    });
    expect(entries).toEqual([
      ...parts.map((part) => ({ kind: "createdPart", part })),
      { kind: "blockCreated", height, round, blockId },
    ]);
  });

  test("a record of another version is refused", () => {
    expect(() => decodeWalEntry(new Uint8Array([0xfa, 0x01, 0x00]))).toThrow(/another version/);
  });
});

function examples(): readonly WalEntry[] {
  const [key] = KEYS;
  const [height, round] = [Height(7), Round(0)];
  if (BUILT === undefined || key === undefined) throw new Error("no block");
  const { blockId, parts, stateBefore } = BUILT;
  const [part] = parts;
  if (part === undefined) throw new Error("no part");
  const timestamp = { seconds: 5n, nanos: 6 };
  const type = SignedMsgType.PRECOMMIT;
  const vote = signedVote(key, stateBefore.validators, { type, height, round, blockId, timestamp });
  const proposal = {
    height,
    round,
    polRound: Round(-1),
    blockId,
    timestamp,
    signature: new Uint8Array(64).fill(3),
  };
  return [
    { kind: "endHeight", height },
    { kind: "endHeight", height: Height(0) },
    { kind: "heightStarted", height, startDelayMs: 0 },
    { kind: "heightStarted", height, startDelayMs: 490 },
    { kind: "txsAvailable", height },
    { kind: "proposalReceived", proposal, origin: PEER, signer: key.address },
    { kind: "proposalReceived", proposal, origin: undefined, signer: EMPTY_BYTES },
    { kind: "partReceived", height, round, part, origin: PEER },
    { kind: "voteReceived", vote, origin: PEER },
    { kind: "majorityClaimed", height, round, type, blockId, origin: PEER },
    { kind: "timeoutElapsed", height, round, step: Step.PREVOTE_WAIT },
    { kind: "createdPart", part },
    { kind: "blockCreated", height, round, blockId },
    { kind: "blockValidated", height, blockId, isValid: true, isAccepted: false, reason: "no" },
    { kind: "blockValidated", height, blockId, isValid: false, isAccepted: true, reason: "" },
    { kind: "proposalSigned", height, round, proposal },
    { kind: "proposalSigned", height, round, proposal: undefined },
    { kind: "voteSigned", height, round, type, vote },
    { kind: "voteSigned", height, round, type, vote: undefined },
  ];
}
