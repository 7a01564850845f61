/** What CometBFT's own nodes made and said, recorded by `npm run capture` (go-nodes/README.md). */
import { beforeAll, describe, expect, test } from "vitest";
import { concatBytes, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import {
  decodeEvidence,
  decodeEvidenceList,
  encodeBlock,
  encodeEvidence,
  encodeEvidenceList,
} from "../../proto/codec/block.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../proto/codec/consensus-messages.ts";
import {
  decodeBlockSyncMessage,
  decodeTxsMessage,
  encodeBlockResponse,
  encodeBlockSyncMessage,
  encodeTxsMessage,
} from "../../proto/codec/sync-messages.ts";
import { encodeExtendedCommit } from "../../proto/codec/votes.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import { blockIdFromJson, consensusParamsFromJson, validatorToJson } from "../../proto/json.ts";
import { commitHash, dataHash, evidenceListHash, headerHash } from "../../proto/hashes.ts";
import { rootOfMerkleProof } from "../../proto/merkle.ts";
import type { ConsensusMessage } from "../../proto/messages.ts";
import { PartSet } from "../../proto/part-set.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import { BlockIdFlag, SignedMsgType } from "../../proto/types.ts";
import { incrementProposerPriority } from "../../proto/validator-set.ts";
import { validateBlock, validateEvidence } from "../../proto/validate-basic.ts";
import { verifyCommit, verifyExtendedCommitAsync } from "../../proto/verify/commit.ts";
import { createEd25519Verifier, verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { decodeCometLogMessage } from "../../sequencer/cometbft/stores/comet-log-message.ts";
import { areExtensionsEnabled } from "../../sequencer/engine/consensus-params.ts";
import { findBlockFault } from "../../sequencer/engine/block-validation.ts";
import { parseGenesis } from "../../sequencer/engine/genesis.ts";
import { scanFrames } from "../../sequencer/engine/wal/record-frames.ts";
import { openEvidencePool, storeChain } from "../support/evidence-pool.ts";
import { readChain, readGossip, readLog } from "../support/go-recordings.ts";
import { readRecordedChain, type RecordedBlock, voteFault } from "../support/recorded-chain.ts";
import { postRpc, startTestNode } from "../support/rpc-node.ts";

const PART_BYTES = 65_536;
let chain: readonly RecordedBlock[] = [];
beforeAll(() => {
  chain = readRecordedChain();
});

const verifier = createEd25519Verifier();
const normal = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const heightOf = ({ block }: RecordedBlock): number => block.header.height;
const chainIdOf = ({ block }: RecordedBlock): string => block.header.chainId;

/** The block of a height; tests stay within the recording. */
function at(height: number): RecordedBlock {
  const found = chain[height - 1];
  if (found === undefined) throw new Error(`height ${height} is not recorded`);
  return found;
}

describe("the recording holds", () => {
  test("blocks of several parts, with extensions and without", () => {
    const large = chain.filter(({ parts }) => parts.length > 1);
    expect(large.some(({ extendedCommit }) => extendedCommit === undefined)).toBe(true);
    expect(large.some(({ extendedCommit }) => extendedCommit !== undefined)).toBe(true);
    for (const { block, parts } of large) {
      expect(encodeBlock(block).length).toBeGreaterThan(2 * PART_BYTES);
      expect(parts.length).toBe(3);
    }
  });

  test("absent votes, nil votes, a commit of a later round, and validators that come and go", () => {
    const commits = chain.map(({ block }) => block.lastCommit);
    const flags = new Set(commits.flatMap((one) => one.signatures.map((sig) => sig.blockIdFlag)));
    expect([...flags].toSorted((x, y) => x - y)).toEqual([
      BlockIdFlag.ABSENT,
      BlockIdFlag.COMMIT,
      BlockIdFlag.NIL,
    ]);
    expect(commits.some(({ round }) => round > 0)).toBe(true);
    const sizes = chain.map(({ stateBefore }) => stateBefore.validators.validators.length);
    expect([sizes[0], Math.max(...sizes), sizes.at(-1)]).toEqual([4, 5, 4]);
  });

  test("extended commits with extensions, with empty ones, and with both", () => {
    const kinds = new Set(
      chain.flatMap(({ extendedCommit }) => {
        if (extendedCommit === undefined) return [];
        const own = extendedCommit.extendedSignatures.filter(
          ({ blockIdFlag }) => blockIdFlag === BlockIdFlag.COMMIT,
        );
        const filled = own.filter(({ extension }) => extension.length > 0).length;
        return [filled === 0 ? "empty" : filled === own.length ? "all" : "some"];
      }),
    );
    expect(kinds.has("some") && kinds.has("empty")).toBe(true);
  });

  test("double votes and an attack on light clients", () => {
    const kinds = chain.flatMap(({ block }) => block.evidence.map(({ kind }) => kind));
    expect(new Set(kinds)).toEqual(new Set(["duplicateVote", "lightClientAttack"]));
  });

  test("every kind of message that one node tells another of a round", () => {
    const kinds = new Set(consensusMessages().map(({ kind }) => kind));
    const wanted: readonly ConsensusMessage["kind"][] = [
      "newRoundStep",
      "newValidBlock",
      "proposal",
      "proposalPol",
      "blockPart",
      "vote",
      "hasVote",
      "voteSetMaj23",
      "voteSetBits",
    ];
    expect(wanted.filter((kind) => !kinds.has(kind))).toEqual([]);
  });
});

describe("recorded blocks", () => {
  test("bytes of block sync are read and written the same", () => {
    for (const { recorded, block, extendedCommit } of chain) {
      const bytes = toHex(recorded.blockResponse);
      const what = `block ${recorded.height}`;
      expect(
        toHex(encodeBlockSyncMessage({ kind: "blockResponse", block, extendedCommit })),
        what,
      ).toBe(bytes);
      const parts = concatBytes(...at(recorded.height).parts.map((part) => part.bytes));
      const extended = extendedCommit && encodeExtendedCommit(extendedCommit);
      expect(toHex(encodeBlockResponse(parts, extended)), what).toBe(bytes);
    }
  });

  test("every hash and part set is the one that the node named", () => {
    for (const { recorded, block, blockId, parts } of chain) {
      const what = `block ${recorded.height}`;
      const named = blockIdFromJson(new JsonNode(recorded.block).get("block_id"));
      expect(blockId, what).toEqual(named);
      expect(toHex(headerHash(block.header)), what).toBe(toHex(named.hash));
      expect(toHex(commitHash(block.lastCommit)), what).toBe(toHex(block.header.lastCommitHash));
      expect(toHex(dataHash(block.txs)), what).toBe(toHex(block.header.dataHash));
      expect(toHex(evidenceListHash(block.evidence)), what).toBe(toHex(block.header.evidenceHash));
      const set = new PartSet(named.partSetHeader);
      for (const part of parts) expect(set.add(part), what).toBe(true);
      expect(toHex(set.bytes()), what).toBe(toHex(encodeBlock(block)));
      expect(() => validateBlock(block), what).not.toThrow();
    }
  });

  test("each follows from the state that the one before it left", async () => {
    const { genesis } = readChain();
    expect(chain[0]?.stateBefore.lastBlockTime).toEqual(
      parseGenesis(JSON.stringify(genesis)).genesisTime,
    );
    for (const one of chain) {
      const fault = await findBlockFault(one.stateBefore, one.block, { verifier });
      expect(fault, `block ${heightOf(one)}`).toBeUndefined();
    }
  });

  test("validators, priorities and parameters of each height are the node's", () => {
    for (const { recorded, stateBefore } of chain) {
      const what = `height ${recorded.height}`;
      const { validators, total } = recorded.validators as {
        readonly validators: readonly unknown[];
        readonly total: string;
      };
      expect(Number(total), what).toBe(validators.length);
      const ours = stateBefore.validators.validators;
      expect(normal(ours.map(validatorToJson)), what).toEqual(validators);
      const params = new JsonNode(recorded.consensusParams).get("consensus_params");
      expect(stateBefore.consensusParams, what).toEqual(consensusParamsFromJson(params));
    }
  });

  test("commits hold, those with absent and nil votes too", () => {
    for (const one of chain) {
      const { stateBefore, blockId, seenCommit } = one;
      const height = heightOf(one);
      const context = {
        chainId: chainIdOf(one),
        validators: stateBefore.validators,
        blockId,
        height,
      };
      expect(verifyCommit(context, seenCommit, verifyEd25519Sync), `commit ${height}`).toEqual({
        isValid: true,
      });
      const stored = chain[height]?.block.lastCommit ?? seenCommit;
      expect(stored, `commit ${height}`).toEqual(seenCommit);
    }
  });

  test("extended commits come where extensions are on, and hold", async () => {
    for (const one of chain) {
      const { stateBefore, blockId, extendedCommit } = one;
      const height = one.block.header.height;
      const isExtended = areExtensionsEnabled(stateBefore.consensusParams, height);
      expect(extendedCommit !== undefined, `height ${height}`).toBe(isExtended);
      if (extendedCommit === undefined) continue;
      const context = {
        chainId: chainIdOf(one),
        validators: stateBefore.validators,
        blockId,
        height,
      };
      const verdict = await verifyExtendedCommitAsync(context, extendedCommit, verifier);
      expect(verdict, `commit ${height}`).toEqual({ isValid: true });
    }
  });

  test("evidence is read, written, and judged as the nodes judged it", async () => {
    const stored = await storeChain(chain);
    for (const { block, stateBefore, stateAfter } of chain) {
      const pool = await openEvidencePool(stored);
      const what = `block ${block.header.height}`;
      expect(await pool.check(stateBefore, block.evidence), what).toBeUndefined();
      for (const piece of block.evidence) {
        expect(() => validateEvidence(piece), what).not.toThrow();
        expect(decodeEvidence(encodeEvidence(piece)), what).toEqual(piece);
        if (piece.kind !== "duplicateVote") continue;
        const forged = { ...piece, validatorPower: piece.validatorPower + 1n };
        expect(await pool.check(stateAfter, [forged]), what).toBeDefined();
      }
    }
  });
});

test("our RPC answers for these blocks what the node's did, field for field", async () => {
  const { blockStore: blocks, stateStore: states } = await storeChain(chain);
  for (const { block, response } of chain) {
    await states.saveFinalizeBlockResponse(block.header.height, response);
  }
  const node = await startTestNode({}, { blocks, states });
  try {
    for (const { recorded } of chain.slice(0, -1)) {
      const height = String(recorded.height);
      const answer = async (method: string): Promise<unknown> => {
        const { text } = await postRpc(node, { jsonrpc: "2.0", id: 1, method, params: { height } });
        return (JSON.parse(text) as { result?: unknown }).result;
      };
      // As text: the order of the members is the node's too.
      const expectSame = async (method: string, wanted: unknown) =>
        expect(JSON.stringify(await answer(method)), `${method} of ${height}`).toBe(
          JSON.stringify(wanted),
        );
      await expectSame("block", recorded.block);
      await expectSame("commit", recorded.commit);
      await expectSame("block_results", recorded.blockResults);
      await expectSame("validators", recorded.validators);
      await expectSame("consensus_params", recorded.consensusParams);
    }
  } finally {
    await node.stop();
  }
});

const STATE = 0x20;
const VOTE_SET_BITS = 0x23;
const MEMPOOL = 0x30;
const EVIDENCE = 0x38;
const BLOCK_SYNC = 0x40;

function consensusMessages(): readonly ConsensusMessage[] {
  return readGossip()
    .filter(({ channel }) => channel >= STATE && channel <= VOTE_SET_BITS)
    .map(({ bytes }) => decodeConsensusMessage(bytes));
}

describe("recorded gossip", () => {
  test("every message is read and written the same", () => {
    for (const { channel, bytes } of readGossip()) {
      const again =
        channel === MEMPOOL
          ? encodeTxsMessage(decodeTxsMessage(bytes))
          : channel === BLOCK_SYNC
            ? encodeBlockSyncMessage(decodeBlockSyncMessage(bytes))
            : channel === EVIDENCE
              ? encodeEvidenceList(decodeEvidenceList(bytes))
              : encodeConsensusMessage(decodeConsensusMessage(bytes));
      expect(toHex(again), `channel ${channel}`).toBe(toHex(bytes));
    }
  });

  test("of one height it has the whole block, and all votes and proposals are signed by whose turn it was", () => {
    const messages = consensusMessages();
    const large = chain.find(
      ({ parts, extendedCommit }) => parts.length > 1 && extendedCommit !== undefined,
    );
    if (large === undefined) throw new Error("a large block is recorded");
    const height = heightOf(large);
    const set = new PartSet(large.blockId.partSetHeader);
    for (const message of messages) {
      if (message.kind === "blockPart" && message.height === height) set.add(message.part);
    }
    expect(toHex(set.bytes())).toBe(toHex(encodeBlock(large.block)));

    const votes = messages.flatMap((one) => (one.kind === "vote" ? [one.vote] : []));
    for (const vote of votes) expect(voteFault(chain, vote)).toBeUndefined();
    const precommits = votes.filter(
      (vote) => vote.height === height && vote.type === SignedMsgType.PRECOMMIT,
    );
    expect(precommits.length).toBeGreaterThanOrEqual(3);
    const proposals = messages.flatMap((one) => (one.kind === "proposal" ? [one.proposal] : []));
    expect(proposals.some(({ polRound }) => polRound >= 0)).toBe(true);
    for (const proposal of proposals) {
      const { chainId, validators } = at(proposal.height).stateBefore;
      const { round } = proposal;
      const turn = round === 0 ? validators : incrementProposerPriority(validators, round);
      const signed = proposalSignBytes(chainId, proposal);
      const key = turn.proposer.publicKey.bytes;
      const what = `proposal of ${proposal.height}/${round}`;
      expect(verifyEd25519Sync(key, signed, proposal.signature), what).toBe(true);
    }
  });
});

test("the records of the node's log are whole, and its votes and parts are those of the chain", () => {
  const { payloads, end } = scanFrames(readLog());
  expect(end).toBe("whole");
  const entries = payloads.map((payload) => decodeCometLogMessage(payload));
  const kinds = new Set(entries.map(({ kind }) => kind));
  expect([...kinds].toSorted()).toEqual(["endHeight", "message", "roundState", "timeout"]);
  const recorded = entries.flatMap((entry) => (entry.kind === "message" ? [entry.message] : []));
  const votes = recorded.flatMap((one) =>
    one.kind === "vote" && one.vote.height <= chain.length ? [one.vote] : [],
  );
  expect(votes.length).toBeGreaterThan(50);
  for (const [i, vote] of votes.entries()) {
    expect(voteFault(chain, vote), `vote ${i}`).toBeUndefined();
  }
  // Of other proposals than those that were decided there are parts as well.
  const parts = recorded.filter((one) => {
    if (one.kind !== "blockPart" || one.height > chain.length) return false;
    const root = rootOfMerkleProof(one.part.proof) ?? EMPTY_BYTES;
    return toHex(root) === toHex(at(one.height).blockId.partSetHeader.hash);
  });
  expect(parts.length).toBeGreaterThan(5);
});
