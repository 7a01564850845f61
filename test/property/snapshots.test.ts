import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { MemoryLevel } from "memory-level";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { Snapshot } from "../../sequencer/abci/application.ts";
import { SnapshotArchive } from "../../sequencer/app/snapshots/snapshot-archive.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { block, submitDrafts, VALIDATORS, WALLETS } from "../support/tx-drafts.ts";
import { type DecidedBlock, finalize, startNode, TestChain } from "../support/weft-app.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-snapshots-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function snapshotOf(app: WeftApplication, height: number): Promise<Snapshot> {
  for (;;) {
    const snapshot = (await app.listSnapshots()).find((one) => one.height === height);
    if (snapshot !== undefined) return snapshot;
    await yieldToLoop();
  }
}

async function restored(
  from: WeftApplication,
  snapshot: Snapshot,
  appHash: Uint8Array,
  chain: TestChain,
): Promise<WeftApplication> {
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  const app = await startNode(level, chain.node(1).applicationKey);
  assert((await app.offerSnapshot({ snapshot, appHash })) === "accept", "the snapshot is taken");
  for (let chunk = 0; chunk < snapshot.chunks; chunk++) {
    const { height, format } = snapshot;
    const bytes = await from.loadSnapshotChunk({ height, format, chunk });
    const answer = await app.applySnapshotChunk({ index: chunk, chunk: bytes, sender: "peer" });
    assert(answer.result === "accept", `chunk ${chunk}: ${answer.result}`);
  }
  return app;
}

/** What anybody could ask of the state. */
async function answers(app: WeftApplication) {
  const { read } = app;
  const info = await app.info({ version: "", blockVersion: 0n, p2pVersion: 0n, abciVersion: "" });
  return {
    info: { height: info.lastBlockHeight, appHash: info.lastBlockAppHash },
    chain: read.chain(),
    lastBlock: read.lastBlock(),
    params: read.params(),
    baseFee: read.baseFeePerByte(),
    supply: read.supply(),
    rollups: await read.rollups(),
  };
}

describe("snapshots", () => {
  test("property: a restored node goes on as one that executed every block", async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { minLength: 2, maxLength: 13 }),
        fc.nat(),
        async (blocks, pick) => {
          const archive = await SnapshotArchive.open(join(directory, `${run++}`), NODE_FILE_SYSTEM);
          const chain = await TestChain.start({
            validators: VALIDATORS,
            wallets: WALLETS,
            blockBytesMax: 65_536,
            archive,
            // Policies come into force, ids are forgotten and the fee moves within few blocks.
            params: {
              rollup_deposit: "1000000",
              policy_delay: 2,
              block_bytes_target: 4_096,
              unordered_window: 10,
            },
          });
          const decided: DecidedBlock[] = [];
          for (const [at, { drafts, proposer }] of blocks.entries()) {
            await submitDrafts(chain, drafts, at);
            decided.push(await chain.step(proposer));
            await snapshotOf(chain.app, decided.length);
          }
          const height = 1 + (pick % (decided.length - 1));
          const appHash = decided[height - 1]?.response.appHash;
          assert(appHash !== undefined, "a decided block has an app hash");
          const snapshot = await snapshotOf(chain.app, height);
          const app = await restored(chain.app, snapshot, appHash, chain);
          // One that executed the same blocks and no more, and knows no more than its state.
          const executed = await chain.replay(height, { isRestarted: true });
          expect(await answers(app)).toEqual(await answers(executed));
          // Everything that was ever ordered, again: both must refuse, or take, the same.
          for (const tx of new Set(decided.flatMap(({ txs }) => txs.slice(2)))) {
            const request = { tx, type: "new" } as const;
            expect(await app.checkTx(request)).toEqual(await executed.checkTx(request));
          }
          for (const [at, request] of chain.history.slice(height).entries()) {
            const verdict = await app.processProposal(request);
            expect(verdict).toEqual({ accept: true });
            const response = await app.finalizeBlock(finalize(request));
            expect(response).toEqual(decided[height + at]?.response);
            await app.commit();
          }
          expect(await answers(app)).toEqual(await answers(chain.app));
        },
      ),
      { numRuns: 12 },
    );
  }, 60_000);

  test("behavior: one that a peer fetches from the application outlives its place", async () => {
    const archive = await SnapshotArchive.open(join(directory, "fetched"), NODE_FILE_SYSTEM);
    const chain = await TestChain.start({
      validators: VALIDATORS,
      wallets: WALLETS,
      archive,
      snapshotsKept: 2,
    });
    const step = async (height: number): Promise<void> => {
      await chain.step(0);
      await snapshotOf(chain.app, height);
    };
    await step(1);
    const [{ format } = { format: 0 }] = archive.list();
    const bytes = await chain.app.loadSnapshotChunk({ height: Height(1), format, chunk: 0 });
    expect(bytes.length).toBeGreaterThan(0);
    await step(2);
    await step(3);
    await vi.waitFor(() => expect(archive.list().map(({ height }) => height)).toEqual([3, 2, 1]));
    await step(4);
    await vi.waitFor(() => expect(archive.list().map(({ height }) => height)).toEqual([4, 3, 1]));
  });
});
