/**
 * A node that joined by a snapshot lacks the blocks that evidence may be about. It does not vote for what
 * it cannot judge, but does not stop either when +2/3 have judged it.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { SignedMsgType, type Evidence } from "../../../proto/types.ts";
import { createEd25519Verifier } from "../../../proto/verify/ed25519.ts";
import {
  buildChain,
  signedVote,
  testGenesis,
  testKeys,
} from "../../../test/support/chain-builder.ts";
import {
  openEvidencePool,
  storeChain,
  type StoredChain,
} from "../../../test/support/evidence-pool.ts";
import { KvApplication } from "../../../test/support/kv-application.ts";
import { memoryStore } from "../../../test/support/memory-store.ts";
import { markEvidence } from "../../cometbft/stores/evidence.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { createApplicationGate } from "../../abci/application-gate.ts";
import { createBlockExecutor, type BlockExecutor } from "../block-executor.ts";
import { createEventBus } from "../event-bus.ts";
import { completeBlock, makeBlock } from "../make-block.ts";
import { NULL_ENGINE_METRICS } from "../metrics.ts";
import { unmarkEvidenceAbove } from "../rollback.ts";
import type { EvidencePool } from "./evidence-pool.ts";

const KEYS = testKeys(4);
const CHAIN = buildChain(KEYS, 9, testGenesis(KEYS));
const BASE = Height(5);
const LAST = builtAt(8);

describe("a block with evidence about a height that the store does not hold", () => {
  let chain: StoredChain;
  let executor: BlockExecutor;
  let pool: EvidencePool;
  let evidenceStore: KeyValueStore;
  let application: KvApplication;

  beforeEach(async () => {
    chain = await storeChain(CHAIN.slice(0, 8));
    await chain.blockStore.prune(BASE);
    await chain.stateStore.prune(BASE);
    evidenceStore = memoryStore();
    pool = await openEvidencePool(chain, evidenceStore);
    application = await new KvApplication({ path: undefined }).load();
    executor = createExecutor();
  });

  /** Of a node that has just started: it remembers no verdict. */
  function createExecutor(): BlockExecutor {
    return createBlockExecutor(
      { blockTimeToleranceMs: 60_000 },
      {
        ...chain,
        gate: createApplicationGate(application),
        evidencePool: pool,
        verifier: createEd25519Verifier(),
        clock: createSystemClock(),
        events: createEventBus(),
        logger: NULL_LOGGER,
        metrics: NULL_ENGINE_METRICS,
      },
    );
  }

  test("is not prevoted, and is applied all the same once it is decided", async () => {
    const { block, blockId } = blockWith(doubleVote(3));
    const fault = await executor.findFault(LAST.stateAfter, block, blockId);
    expect(fault).toMatchObject({ rule: "evidence", isTolerable: true });
    expect(fault?.message).toMatch(/block 3 is not in our store/);
    const next = await executor.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve());
    expect(next.lastBlockHeight).toBe(9);
    expect(await pool.add(next, doubleVote(3)), "it is in a block now").toEqual({ kind: "known" });
  });

  test("is applied again after a rollback, or when its state was not stored", async () => {
    const { block, blockId, parts } = blockWith(doubleVote(6));
    await chain.blockStore.save({ ...builtAt(9), block, blockId, parts });
    await executor.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve());
    const again = createExecutor();
    await expect(
      again.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve()),
    ).rejects.toThrow(/is in an earlier block/);
    await unmarkEvidenceAbove(Height(8), chain.blockStore, evidenceStore);
    const last = createExecutor();
    const next = await last.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve());
    expect(await pool.add(next, doubleVote(6)), "it is in a block").toEqual({ kind: "known" });
    // From CometBFT, which marks before it stores the state.
    await markEvidence(block, Height(8), evidenceStore);
    const switched = createExecutor();
    await switched.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve());
    await markEvidence(block, Height(9), evidenceStore);
    await expect(
      createExecutor().applyBlock(LAST.stateAfter, block, blockId, Promise.resolve()),
    ).rejects.toThrow(/is in an earlier block/);
  });

  test("stops the node when the evidence proves nothing, whoever judges", async () => {
    const forged = { ...doubleVote(6), validatorPower: 9n };
    const { block, blockId } = blockWith(forged);
    const fault = await executor.findFault(LAST.stateAfter, block, blockId);
    expect(fault).toMatchObject({ rule: "evidence", isTolerable: false });
    await expect(
      executor.applyBlock(LAST.stateAfter, block, blockId, Promise.resolve()),
    ).rejects.toThrow(/its powers are not those/);
  });
});

function builtAt(height: number) {
  const built = CHAIN[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return built;
}

/** Block 9 with a piece of evidence. */
function blockWith(piece: Evidence) {
  const { txs, lastCommit, header } = builtAt(9).block;
  const { proposerAddress } = header;
  return completeBlock(
    makeBlock(LAST.stateAfter, { txs, lastCommit, proposerAddress, evidence: [piece] }),
  );
}

function doubleVote(height: number) {
  const [key] = KEYS;
  if (key === undefined) throw new Error("there is no key");
  const { blockId, block, stateBefore } = builtAt(height);
  const ids = [blockId, { ...blockId, hash: sha256(utf8ToBytes("other")) }];
  const [voteA, voteB] = ids
    .toSorted((a, b) => Buffer.compare(a.hash, b.hash))
    .map((id) =>
      signedVote(key, stateBefore.validators, {
        type: SignedMsgType.PRECOMMIT,
        height: Height(height),
        round: Round(0),
        blockId: id,
        timestamp: block.header.time,
      }),
    );
  if (voteA === undefined || voteB === undefined) throw new Error("there are no votes");
  const powers = { totalVotingPower: 40n, validatorPower: 10n };
  return { kind: "duplicateVote", voteA, voteB, ...powers, timestamp: block.header.time } as const;
}
