/** A signer that is away, slow or unwilling, under a whole engine. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { SignedMsgType } from "../../proto/types.ts";
import { testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
} from "../../test/support/engine-network.ts";
import { passThrough } from "../../test/support/signers.ts";
import { eventually } from "../../test/support/loopback.ts";
import { type Logger, NULL_LOGGER } from "../ports/logger.ts";
import { NULL_ENGINE_METRICS } from "./metrics.ts";
import { PrivValidatorError } from "./privval/errors.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";

let directory = "";
let node: TestNode | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-own-messages-"));
});
afterEach(async () => {
  await node?.close();
  node = undefined;
  await rm(directory, { recursive: true, force: true });
});

const SEED = sha256(utf8ToBytes("key 0"));
const unavailable = new PrivValidatorError({ code: "PRIVVAL_UNAVAILABLE" }, "nobody is there");

/** A validator alone, so that the chain stands still without its signatures. */
async function startNode(wrapSigner: (signer: PrivValidator) => PrivValidator) {
  const missed: string[] = [];
  const metrics = {
    ...NULL_ENGINE_METRICS,
    signaturesMissed: {
      inc: (labels?: Readonly<Record<"kind" | "reason", string>>) =>
        missed.push(`${labels?.kind} ${labels?.reason}`),
    },
  };
  const created = await createTestNode(testNodeId(0), {
    directory,
    genesis: testGenesis(testKeys(1)),
    seed: SEED,
    wrapSigner,
    metrics,
  });
  node = created;
  await created.engine.start();
  return { engine: created.engine, missed };
}

describe("a signer that is away", () => {
  test("is asked again until it is there: no vote is lost, nothing halts", async () => {
    let isAway = true;
    let asked = 0;
    const { engine } = await startNode((signer) => ({
      ...passThrough(signer),
      async signVote(...args) {
        asked += 1;
        if (isAway) throw unavailable;
        return signer.signVote(...args);
      },
    }));
    await eventually(() => asked >= 3, "the prevote is asked for three times");
    expect(engine.status()).toMatchObject({ height: 0, haltReason: undefined });
    isAway = false;
    await untilHeight(engine, 2);
  });

  test("costs the proposal of a round, not the height; the wish is given up and counted", async () => {
    let asked = 0;
    const { engine, missed } = await startNode((signer) => ({
      ...passThrough(signer),
      // Away until the round has given up waiting for a proposal.
      signProposal(chainId, proposal, signal) {
        asked += 1;
        if (asked > 1) return signer.signProposal(chainId, proposal);
        return new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => reject(unavailable));
        });
      },
    }));
    await untilHeight(engine, 2);
    expect(missed[0]).toBe("proposal late");
    expect(engine.status().haltReason).toBeUndefined();
  });

  test("does not keep a node from stopping", async () => {
    let asked = 0;
    const { missed } = await startNode((signer) => ({
      ...passThrough(signer),
      signProposal(_chainId, _proposal, signal) {
        asked += 1;
        return new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => reject(unavailable));
          if (signal?.aborted === true) reject(unavailable);
        });
      },
    }));
    await eventually(() => asked === 1, "the proposal is asked for");
    await node?.close();
    node = undefined;
    expect(missed.every((one) => one.endsWith("late"))).toBe(true);
  });
});

test("a signer that refuses is not asked again, and the node goes on in the next round", async () => {
  let asked = 0;
  const refusal = new PrivValidatorError(
    { code: "PRIVVAL_REMOTE_REFUSED", remoteCode: 0 },
    "not today",
  );
  const { engine, missed } = await startNode((signer) => ({
    ...passThrough(signer),
    async signProposal(...args) {
      asked += 1;
      if (asked === 1) throw refusal;
      return signer.signProposal(...args);
    },
  }));
  await untilHeight(engine, 1);
  expect(missed).toEqual(["proposal refused"]);
  expect(engine.status().haltReason).toBeUndefined();
});

test("a signer's state from an earlier time is told of, and what the log knows is not signed again", async () => {
  const genesis = testGenesis(testKeys(1));
  const create = async (more: Partial<Parameters<typeof createTestNode>[1]>) =>
    (node = await createTestNode(testNodeId(0), { directory, genesis, seed: SEED, ...more }));
  let prevotes = 0;
  const first = await create({
    wrapSigner: (signer) => ({
      ...passThrough(signer),
      async signVote(chainId, vote, ...rest) {
        if (vote.height === 3 && vote.type === SignedMsgType.PRECOMMIT) throw unavailable;
        if (vote.height === 3) prevotes += 1;
        return signer.signVote(chainId, vote, ...rest);
      },
    }),
  });
  await first.engine.start();
  await eventually(
    () => prevotes > 0 && first.engine.status().height === 2,
    "it votes at height 3",
  );
  await first.close();
  const statePath = join(directory, "data", "priv_validator_state.json");
  const state: object = JSON.parse(await readFile(statePath, "utf8"));
  await writeFile(statePath, JSON.stringify({ ...state, height: "1" }), { mode: 0o600 });

  const warnings: unknown[] = [];
  const logger: Logger = {
    ...NULL_LOGGER,
    child: () => logger,
    warn: (_, fields) => warnings.push(fields),
  };
  const again = await create({ logger });
  await again.engine.start();
  expect(warnings).toEqual([{ stateHeight: 1, signedHeight: 3 }]);
  expect(again.home.privValidator?.lastSigned.height).toBeGreaterThanOrEqual(3);
  await untilHeight(again.engine, 4);
});
