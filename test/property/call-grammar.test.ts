/** The grammar of ABCI calls, on sentences made by it and on damaged ones; and the watch on small cases. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { ZERO_TIME } from "../../proto/types.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import { isInGrammar, watchCalls } from "../support/call-grammar.ts";
import { KvApplication } from "../support/kv-application.ts";

const some = fc.nat({ max: 2 }).map((count) => "V".repeat(count));
const round = fc
  .tuple(some, fc.constantFrom("", "P", "PQ", "Q"), some, fc.constantFrom("", "E"), some)
  .map((parts) => parts.join(""));
const height = fc.array(round, { maxLength: 3 }).map((rounds) => `${rounds.join("")}FC`);
const start = fc.oneof(
  fc.constantFrom("", "N"),
  fc
    .array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 2 })
    .map((chunks) => chunks.map((count) => `O${"A".repeat(count)}`).join("")),
);
const session = fc
  .tuple(start, fc.array(height, { maxLength: 4 }))
  .map(([first, heights]) => first + heights.join(""));

describe("grammar of ABCI calls", () => {
  test("has every sentence of the specification, whole or cut off by a crash, Info anywhere", () => {
    fc.assert(
      fc.property(session, fc.nat(), fc.nat(), (sentence, cut, at) => {
        const heard = sentence.slice(0, cut % (sentence.length + 1));
        const place = at % (heard.length + 1);
        expect(isInGrammar(`${heard.slice(0, place)}i${heard.slice(place)}`), heard).toBe(true);
      }),
    );
  });

  test.each(["C", "FF", "FQ", "NN", "PPC", "FCN", "FCO", "A", "NO", "FCC", "QC"])(
    "error: %s",
    (sentence) => {
      expect(isInGrammar(sentence)).toBe(false);
    },
  );
});

const BLOCK = {
  txs: [],
  misbehavior: [],
  hash: new Uint8Array(32),
  height: Height(1),
  time: ZERO_TIME,
  nextValidatorsHash: EMPTY_BYTES,
  proposerAddress: EMPTY_BYTES,
};
const COMMIT = { round: Round(0), votes: [] };
const INIT = {
  time: ZERO_TIME,
  chainId: "c",
  consensusParams: DEFAULT_CONSENSUS_PARAMS,
  validators: [],
  appStateBytes: EMPTY_BYTES,
  initialHeight: Height(1),
};

describe("watch over an engine's calls", () => {
  async function begun() {
    const seen: string[] = [];
    const watched = watchCalls(new KvApplication({ path: undefined }), {
      onViolation: ({ message }) => seen.push(message),
    });
    await watched.application.initChain(INIT);
    return { ...watched, seen };
  }

  test("hands on what may come, and keeps the letters", async () => {
    const { application, watch, seen } = await begun();
    await application.processProposal({ ...BLOCK, proposedLastCommit: COMMIT });
    await application.extendVote({ ...BLOCK, proposedLastCommit: COMMIT });
    await application.finalizeBlock({ ...BLOCK, decidedLastCommit: COMMIT });
    await application.commit();
    expect(watch.letters()).toBe("NQEFC");
    expect(isInGrammar(watch.letters())).toBe(true);
    expect(watch.commits).toBe(1);
    expect(seen).toEqual([]);
  });

  test("lets a process that replayed blocks extend one that it had accepted before it died", async () => {
    const { application, seen } = await begun();
    await application.finalizeBlock({ ...BLOCK, decidedLastCommit: COMMIT });
    await application.commit();
    await application.extendVote({ ...BLOCK, height: Height(2), proposedLastCommit: COMMIT });
    expect(seen).toEqual([]);
  });

  test("error: what may not come", async () => {
    const finalize = { ...BLOCK, decidedLastCommit: COMMIT };
    const process = { ...BLOCK, proposedLastCommit: COMMIT };
    const tx = { tx: utf8ToBytes("a=1"), type: "new" as const };
    const cases: readonly [string, (app: KvApplication) => Promise<unknown>][] = [
      ["InitChain, but height 1 comes next", (app) => app.initChain(INIT)],
      ["Commit without FinalizeBlock", (app) => app.commit()],
      ["F of height 3, but 1", (app) => app.finalizeBlock({ ...finalize, height: Height(3) })],
      [
        "ExtendVote for a block that was not accepted",
        async (app) => {
          await app.processProposal(process);
          await app.finalizeBlock(finalize);
          await app.commit();
          await app.extendVote({ ...process, height: Height(2) });
        },
      ],
      [
        "Q between FinalizeBlock and Commit",
        async (app) => {
          await app.finalizeBlock(finalize);
          await app.processProposal(process);
        },
      ],
      [
        "Q begins while F runs",
        (app) => Promise.all([app.finalizeBlock(finalize), app.processProposal(process)]),
      ],
      [
        "CheckTx begins while Commit runs",
        async (app) => {
          await app.finalizeBlock(finalize);
          await Promise.all([app.commit(), app.checkTx(tx)]);
        },
      ],
    ];
    for (const [message, run] of cases) {
      const { application, seen } = await begun();
      await expect(run(application), message).rejects.toThrow(message);
      expect(seen[0]).toContain(message);
    }
  });
});
