import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { encodeBlock } from "../../proto/codec/block.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import { buildChain, testGenesis, testKeys, testState } from "../../test/support/chain-builder.ts";
import { heightContext } from "./height-context.ts";
import { createConsensusCore } from "../consensus/core.ts";
import type { ConsensusEffect } from "../consensus/effects.ts";
import { DEFAULT_CONSENSUS_TIMEOUTS } from "../consensus/options.ts";

const KEYS = testKeys(4);
const GENESIS = testGenesis(KEYS);
const [height, round] = [Height(1), Round(0)];

/** What a validator prevotes for a valid block in these bytes: the length of the hash, 0 is nil. */
function prevoteFor(bytesOf: (encoded: Uint8Array) => Uint8Array): number | undefined {
  const [built] = buildChain(KEYS, 1, GENESIS);
  if (built === undefined) throw new Error("there is no block");
  const state = testState(GENESIS);
  const proposer = state.validators.proposer.address;
  const ownAddress = KEYS.find(({ address }) => Buffer.compare(address, proposer) !== 0)?.address;
  const core = createConsensusCore({
    ownAddress,
    timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
    createEmptyBlocks: true,
    createEmptyBlocksIntervalMs: 0,
    skipTimeoutCommit: false,
  });
  const effects: ConsensusEffect[] = [];
  const context = heightContext(state, undefined, undefined, 0);
  effects.push(...core.step({ kind: "heightStarted", context }));
  const { header, parts } = splitIntoParts(bytesOf(encodeBlock(built.block)));
  const blockId = { hash: built.blockId.hash, partSetHeader: header };
  const timestamp = { seconds: 1_700_000_001n, nanos: 0 };
  const polRound = Round(-1);
  const proposal = { height, round, polRound, blockId, timestamp, signature: EMPTY_BYTES };
  const origin = undefined;
  effects.push(...core.step({ kind: "proposalReceived", proposal, origin, signer: proposer }));
  for (const part of parts) {
    effects.push(...core.step({ kind: "partReceived", height, round, part, origin }));
  }
  const verdict = { isValid: true, isAccepted: true, reason: "" };
  effects.push(...core.step({ kind: "blockValidated", height, blockId, ...verdict }));
  const vote = effects.find((effect) => effect.kind === "signVote");
  return vote?.blockId.hash.length;
}

test("a block in its own encoding is prevoted", () => {
  expect(prevoteFor((encoded) => encoded)).toBe(32);
});

test("attack: a block in another encoding, which nobody could sync, is prevoted nil", () => {
  expect(prevoteFor((encoded) => Uint8Array.of(...encoded, 0x78, 0x01))).toBe(0);
});
