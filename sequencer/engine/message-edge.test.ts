import { beforeEach, describe, expect, test } from "vitest";
import { Height, NodeId, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import { SignedMsgType, type BlockId, type Proposal, type Vote } from "../../proto/types.ts";
import { createEd25519Verifier, type SignatureVerifier } from "../../proto/verify/ed25519.ts";
import {
  TEST_CHAIN_ID,
  buildChain,
  signedVote,
  testGenesis,
  testKeys,
  testState,
  type BuiltBlock,
} from "../../test/support/chain-builder.ts";
import type { Verdict } from "../abci/application.ts";
import type { ConsensusCore } from "../consensus/consensus-core.ts";
import { createConsensusCore } from "../consensus/core.ts";
import { DEFAULT_CONSENSUS_TIMEOUTS } from "../consensus/options.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import type { ChainState } from "../store/chain-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";
import { heightContext } from "./height-context.ts";
import { InputQueue } from "./input-queue.ts";
import {
  NEXT_HEIGHT_INPUTS_PER_PEER_MAX,
  PEER_INPUT_QUEUE_MAX,
  PENDING_CHECKS_PER_PEER_MAX,
} from "./limits.ts";
import { MessageEdge } from "./message-edge.ts";
import { NULL_ENGINE_METRICS } from "./metrics.ts";

const KEYS = testKeys(4);
const PEER = NodeId("ab".repeat(20));
const OTHER = NodeId("cd".repeat(20));
const TIME = { seconds: 1_700_000_001n, nanos: 0 };

describe("message edge", () => {
  let core: ConsensusCore;
  let state: ChainState;
  let block: BuiltBlock;
  let queue: InputQueue;
  let edge: MessageEdge;
  let drops: string[];
  let misbehaviour: string[];
  let checked: number;
  let asked: string[];
  let extensionVerdict: Verdict;
  let checks: Promise<unknown>[];

  function makeEdge(isExtended: boolean): void {
    const genesis = testGenesis(KEYS, {
      consensusParams: {
        ...DEFAULT_CONSENSUS_PARAMS,
        abci: { voteExtensionsEnableHeight: Height(isExtended ? 1 : 0) },
      },
    });
    const [built] = buildChain(KEYS, 1, genesis);
    if (built === undefined) throw new Error("there is no block");
    block = built;
    state = testState(genesis);
    core = createConsensusCore({
      ownAddress: undefined,
      timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
      createEmptyBlocks: true,
      createEmptyBlocksIntervalMs: 0,
      skipTimeoutCommit: false,
    });
    core.step({ kind: "heightStarted", context: heightContext(state, undefined, undefined, 0) });
    queue = new InputQueue();
    [drops, misbehaviour, asked, checks, checked] = [[], [], [], [], 0];
    extensionVerdict = { accept: true };
    const real = createEd25519Verifier();
    const verifier: SignatureVerifier = {
      ...real,
      verifyBatch(items) {
        checked++;
        const result = real.verifyBatch(items);
        checks.push(result);
        return result;
      },
    };
    edge = new MessageEdge(
      { chainId: TEST_CHAIN_ID },
      {
        queue,
        verifier,
        executor: {
          verifyVoteExtension: async ({ voteExtension }) => {
            asked.push(new TextDecoder().decode(voteExtension));
            return extensionVerdict;
          },
        },
        clock: createSystemClock(),
        metrics: {
          ...NULL_ENGINE_METRICS,
          inputsDropped: { inc: (labels) => void drops.push(labels?.reason ?? "") },
        },
        view: () => core.view,
        state: () => state,
        isRunning: () => true,
        onMisbehaviour: (peer, reason) => void misbehaviour.push(`${peer.slice(0, 2)} ${reason}`),
        onFatal: (error) => {
          throw error;
        },
      },
    );
  }

  beforeEach(() => makeEdge(false));

  /** What reached the queue once every check has ended. */
  async function queued(): Promise<readonly string[]> {
    await Promise.allSettled(checks);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    return queue.take(10_000).map((input) => {
      for (const effect of core.step(input)) void effect;
      return input.kind;
    });
  }

  function vote(keyIndex: number, changes: Partial<Vote> & { blockId?: BlockId } = {}): Vote {
    const key = KEYS[keyIndex];
    if (key === undefined) throw new Error("there is no key");
    const { type = SignedMsgType.PREVOTE, height = Height(1), round = Round(0) } = changes;
    const { blockId = block.blockId, timestamp = TIME } = changes;
    const common = { type, height, round, blockId, timestamp };
    return signedVote(
      key,
      state.validators,
      changes.extension === undefined ? common : { ...common, extension: changes.extension },
    );
  }

  function proposal(change: Partial<Proposal> = {}): Proposal {
    const { proposer } = core.view.validators;
    const key = KEYS.find((k) => Buffer.compare(k.address, proposer.address) === 0);
    const unsigned = {
      height: Height(1),
      round: Round(0),
      polRound: Round(-1),
      blockId: block.blockId,
      timestamp: TIME,
      ...change,
    };
    const signature = key?.sign(proposalSignBytes(TEST_CHAIN_ID, unsigned)) ?? EMPTY_BYTES;
    return { ...unsigned, signature };
  }

  test("a good vote passes; the same again, at once or later, costs no second check", async () => {
    edge.receiveVote(vote(0), PEER);
    edge.receiveVote(vote(0), OTHER);
    expect(await queued()).toEqual(["voteReceived"]);
    edge.receiveVote(vote(0), OTHER);
    expect(await queued()).toEqual([]);
    expect(checked).toBe(1);
    expect(drops).toEqual(["duplicate", "duplicate"]);
  });

  test("a vote that waits for the core is not checked or queued again, whoever sends it", async () => {
    const settled = async (): Promise<void> => {
      await Promise.allSettled(checks);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    edge.receiveVote(vote(0), PEER);
    await settled();
    edge.receiveVote(vote(0), OTHER);
    await settled();
    expect(queue.depths.peer).toBe(1);
    // Taken, and not stepped yet: the driver syncs its log in between.
    const [taken] = queue.take(1);
    edge.receiveVote(vote(0), OTHER);
    await settled();
    expect(queue.depths.peer).toBe(0);
    expect(checked).toBe(1);
    expect(drops).toEqual(["duplicate", "duplicate"]);
    if (taken !== undefined) core.step(taken);
    expect(await queued()).toEqual([]);
    // Another vote of the same validator is another matter.
    edge.receiveVote(vote(0, { timestamp: { ...TIME, nanos: 5 } }), OTHER);
    expect(await queued()).toEqual(["voteReceived"]);
  });

  test("a second proposal for another block reaches the core, as evidence; one of each round", async () => {
    const found: string[] = [];
    const step = core.step.bind(core);
    core.step = (input) => {
      const effects = step(input);
      for (const effect of effects) {
        if (effect.kind === "conflictingProposals") found.push(toHex(effect.second.blockId.hash));
      }
      return effects;
    };
    const other = (byte: number): Proposal =>
      proposal({ blockId: { ...block.blockId, hash: new Uint8Array(32).fill(byte) } });
    edge.receiveProposal(proposal(), PEER);
    expect(await queued()).toEqual(["proposalReceived"]);
    edge.receiveProposal({ ...other(1), signature: new Uint8Array(64).fill(2) }, PEER);
    expect(await queued()).toEqual([]);
    edge.receiveProposal(proposal({ timestamp: { ...TIME, nanos: 7 } }), OTHER);
    expect(await queued(), "the same block is no fault").toEqual([]);
    edge.receiveProposal(other(1), OTHER);
    expect(await queued()).toEqual(["proposalReceived"]);
    edge.receiveProposal(other(3), OTHER);
    expect(await queued()).toEqual([]);
    expect(found).toEqual(["01".repeat(32)]);
    expect(drops).toEqual(["signature", "duplicate", "duplicate"]);
    expect(misbehaviour).toEqual(["ab a proposal with an invalid signature"]);
  });

  test("height, index and address are looked at before the signature", async () => {
    edge.receiveVote(vote(0, { height: Height(5) }), PEER);
    edge.receiveVote({ ...vote(0), validatorIndex: 9 }, PEER);
    edge.receiveVote({ ...vote(0), validatorAddress: vote(1).validatorAddress }, PEER);
    expect(await queued()).toEqual([]);
    expect(drops).toEqual(["height", "unknownValidator", "unknownValidator"]);
    expect(checked).toBe(0);
  });

  test("a forged signature is dropped and its sender named", async () => {
    edge.receiveVote({ ...vote(0), signature: new Uint8Array(64).fill(2) }, PEER);
    edge.receiveProposal({ ...proposal(), signature: new Uint8Array(64).fill(2) }, OTHER);
    expect(await queued()).toEqual([]);
    expect(misbehaviour.sort()).toEqual([
      "ab a vote with an invalid signature",
      "cd a proposal with an invalid signature",
    ]);
  });

  test("attack: a forgery under a true signature does not keep the true message out", async () => {
    const type = SignedMsgType.PRECOMMIT;
    const late = { ...TIME, nanos: 7 };
    edge.receiveVote({ ...vote(0), timestamp: late }, PEER);
    edge.receiveVote(vote(0), OTHER);
    edge.receiveProposal({ ...proposal(), timestamp: late }, PEER);
    edge.receiveProposal(proposal(), OTHER);
    for (const part of block.parts) edge.receivePart(Height(1), Round(0), part, OTHER);
    const parts = block.parts.map(() => "partReceived");
    expect((await queued()).toSorted()).toEqual([...parts, "proposalReceived", "voteReceived"]);
    makeEdge(true);
    const extended = vote(1, { type, extension: utf8ToBytes("one") });
    edge.receiveVote({ ...extended, extension: utf8ToBytes("changed") }, PEER);
    edge.receiveVote(extended, OTHER);
    expect(await queued()).toEqual(["voteReceived"]);
  });

  test("attack: one peer's forgeries leave room for what others send", async () => {
    const forged = { ...vote(0), signature: new Uint8Array(64).fill(2) };
    for (let nanos = 0; nanos <= PENDING_CHECKS_PER_PEER_MAX; nanos++) {
      edge.receiveVote({ ...forged, timestamp: { ...TIME, nanos } }, PEER);
    }
    expect(drops).toEqual(["checksFull"]);
    edge.receiveVote(vote(1), OTHER);
    expect(checked).toBe(PENDING_CHECKS_PER_PEER_MAX + 1);
    expect(await queued()).toEqual(["voteReceived"]);
  });

  test("extension data without extensions is refused unseen", async () => {
    const type = SignedMsgType.PRECOMMIT;
    edge.receiveVote(vote(0, { type, extension: utf8ToBytes("x") }), PEER);
    expect(await queued()).toEqual([]);
    expect([drops, checked]).toEqual([["extensionForm"], 0]);
  });

  test("an extension is signed for, then judged by the application; a refusal drops the vote", async () => {
    makeEdge(true);
    const type = SignedMsgType.PRECOMMIT;
    edge.receiveVote(vote(0, { type }), PEER);
    edge.receiveVote(vote(1, { type, extension: utf8ToBytes("one") }), PEER);
    const wrong = vote(2, { type, extension: utf8ToBytes("two") });
    edge.receiveVote({ ...wrong, extension: utf8ToBytes("changed") }, PEER);
    expect(await queued()).toEqual(["voteReceived"]);
    expect(asked).toEqual(["one"]);
    expect(drops).toEqual(["extensionForm", "signature"]);
    extensionVerdict = { accept: false, reason: "no" };
    edge.receiveVote(vote(3, { type, extension: utf8ToBytes("three") }), PEER);
    expect(await queued()).toEqual([]);
    expect(drops.at(-1)).toBe("extensionRefused");
    expect(misbehaviour).toEqual(["ab a vote with an invalid signature"]);
  });

  test("parts wait for the check of the proposal they came with, in order", async () => {
    edge.receiveProposal(proposal(), PEER);
    for (const part of block.parts) edge.receivePart(Height(1), Round(0), part, PEER);
    expect(await queued()).toEqual(["proposalReceived", ...block.parts.map(() => "partReceived")]);
    expect(core.view.proposalBlock?.header.height).toBe(1);
  });

  test("a part that nobody expects, or that is here, is dropped", async () => {
    const [part] = block.parts;
    if (part === undefined) throw new Error("there is no part");
    edge.receivePart(Height(1), Round(0), part, PEER);
    expect(await queued()).toEqual([]);
    edge.receiveProposal(proposal(), PEER);
    edge.receivePart(Height(1), Round(0), part, PEER);
    await queued();
    edge.receivePart(Height(1), Round(0), part, OTHER);
    edge.receiveProposal(proposal(), OTHER);
    expect(await queued()).toEqual([]);
    expect(drops).toEqual(["unexpectedPart", "duplicate", "duplicate"]);
  });

  test("what belongs to the next height waits for it, a bounded number per peer", async () => {
    for (let i = 0; i < NEXT_HEIGHT_INPUTS_PER_PEER_MAX + 1; i++) {
      edge.receiveVote(vote(i % 4, { height: Height(2), timestamp: { ...TIME, nanos: i } }), PEER);
    }
    expect(await queued()).toEqual([]);
    expect(drops).toEqual(["nextHeightFull"]);
    state = block.stateAfter;
    const lastCommit = {
      height: Height(1),
      round: Round(0),
      blockId: block.blockId,
      extendedSignatures: block.seenCommit.signatures.map((sig) => ({
        ...sig,
        extension: EMPTY_BYTES,
        extensionSignature: EMPTY_BYTES,
      })),
    };
    core.step({ kind: "heightStarted", context: heightContext(state, lastCommit, undefined, 0) });
    edge.heightStarted();
    expect((await queued()).length).toBe(NEXT_HEIGHT_INPUTS_PER_PEER_MAX);
  });

  test("a full share of the queue drops and counts, and leaves room for every other peer", async () => {
    const claims = (origin: NodeId, count: number) => {
      for (let i = 0; i < count; i++) {
        edge.receiveMajorityClaim(
          Height(1),
          Round(i),
          SignedMsgType.PREVOTE,
          block.blockId,
          origin,
        );
      }
    };
    claims(PEER, PEER_INPUT_QUEUE_MAX / 2 + 3);
    expect(drops).toEqual(Array(3).fill("queueFull"));
    claims(OTHER, PEER_INPUT_QUEUE_MAX / 4);
    expect(drops).toHaveLength(3);
    // What was taken makes room.
    expect(queue.take(PEER_INPUT_QUEUE_MAX / 2)).toHaveLength(PEER_INPUT_QUEUE_MAX / 2);
    claims(PEER, PEER_INPUT_QUEUE_MAX / 4);
    expect(drops.slice(3).filter((reason) => reason !== "duplicate")).toEqual([]);
  });

  test("a claim takes one place of the queue, however often its peer makes it", async () => {
    const claim = (origin: NodeId) =>
      edge.receiveMajorityClaim(Height(1), Round(0), SignedMsgType.PREVOTE, block.blockId, origin);
    for (const origin of [PEER, PEER, OTHER, OTHER, PEER]) claim(origin);
    expect(drops).toEqual(Array(3).fill("duplicate"));
    expect(queue.depths.peer).toBe(2);
  });
});
