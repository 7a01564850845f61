import { expect, test } from "vitest";
import {
  createPlainExecutor,
  newPlainState,
  type PlainRules,
  type PlainState,
} from "../../test/support/plain-executor.ts";
import {
  type KillableServer,
  type ServerFaults,
  serveKillable,
} from "../../test/support/killable-server.ts";
import { BUNDLE_MUTANTS } from "../../test/support/bundle-mutants.ts";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Height } from "../../proto/brands.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import type { ExecutionErrorInfo, Executor } from "../execution.ts";
import type { Check } from "./check.ts";
import type { LegMaterial } from "./payloads.ts";
import { describeLevel } from "./report.ts";
import { type CheckResult, CHECKS, runConformance } from "./suite.ts";
import { connectTarget } from "./target.ts";

/** One rule that is broken, each in the way that people break it. */
interface Mutant {
  /** The check that must find it. */
  readonly caughtBy: string;
  readonly rules?: Partial<PlainRules>;
  readonly faults?: ServerFaults;
  /** Wraps the executor, after the rules. */
  readonly wrap?: (executor: Executor, state: PlainState) => Executor;
  /** What a kill does to what is stored; runs until it is dead. */
  readonly kill?: (state: PlainState) => Promise<void> | void;
  /** Those made before it that find it as well. */
  readonly alsoCaughtBy?: readonly string[];
  /** Checks to make before that one, beside those of the start. */
  readonly after?: readonly string[];
}

const VALID = Array.from({ length: 200 }, (_, index) => Uint8Array.of(1, index));
/** Each with two counters of its own. */
const LEGS: LegMaterial = {
  first: [[Uint8Array.of(1, 1)]],
  legs: Array.from({ length: 20 }, (_, index) => [
    Uint8Array.of(2, 2 * index, 1),
    Uint8Array.of(2, 2 * index + 1, 1),
  ]),
};

function refuse(info: ExecutionErrorInfo): never {
  throw new WeftError(info, `refused: ${info.code}`);
}

const runningTwice: NonNullable<Mutant["wrap"]> = (executor, state) => ({
  ...executor,
  executeBlock: (request) => {
    if (state.last?.height === request.sequencerHeight && request.payloads.length > 0)
      state.last = { ...state.last, height: Height(state.last.height - 1) };
    return executor.executeBlock(request);
  },
});

/** Checks of the start that ask for refusals. */
const REFUSING = ["nothing-before-init", "init-invalid", "init-again", "first-height"];

const seen = new Set<string>();
let underWay = 0;

const MUTANTS: Readonly<Record<string, Mutant>> = {
  "serves no health": { caughtBy: "health", faults: { isHealthMissing: true } },
  "says that it is bound before it is": {
    caughtBy: "status-before-init",
    wrap: (executor) => ({
      ...executor,
      getStatus: async () => ({ ...(await executor.getStatus()), nextSequencerHeight: Height(1) }),
    }),
  },
  "executes before Init": { caughtBy: "nothing-before-init", rules: { isInitNeeded: false } },
  "binds to whatever comes": { caughtBy: "init-invalid", rules: { isBindingChecked: false } },
  "does not look at the form of requests": {
    caughtBy: "init-invalid",
    rules: { isFormChecked: false },
  },
  "says in Init that the next height is the one after": {
    caughtBy: "init",
    wrap: (executor) => ({
      ...executor,
      init: async (request) => {
        const answer = await executor.init(request);
        return { ...answer, nextSequencerHeight: Height(answer.nextSequencerHeight + 1) };
      },
    }),
  },
  "binds anew when Init comes again": {
    caughtBy: "init-again",
    wrap: (executor, state) => ({
      ...executor,
      init: (request) => {
        if (request.sequencerStartHeight > 0 && state.binding !== undefined)
          state.binding = request;
        return executor.init(request);
      },
    }),
  },
  "answers Init with the genesis for ever": {
    caughtBy: "init-at-the-end",
    after: ["gibberish"],
    wrap: (executor, state) => ({
      ...executor,
      init: async (request) => {
        const answer = await executor.init(request);
        return { ...answer, head: state.blocks[0] ?? answer.head };
      },
    }),
  },
  "begins at any height": { caughtBy: "first-height", rules: { isFirstHeightChecked: false } },
  "makes blocks of nothing": { caughtBy: "no-payloads", rules: { makesEmptyBlocks: true } },
  "refuses a block for its payloads": {
    caughtBy: "gibberish",
    rules: {
      prepare: ({ payloads }) =>
        payloads.some((payload) => payload[0] !== 1)
          ? refuse({ code: "EXECUTION_INVALID_REQUEST" })
          : payloads,
    },
  },
  "fails at an empty payload": {
    caughtBy: "awkward-payloads",
    rules: {
      prepare: ({ payloads }) =>
        payloads.some(({ length }) => length === 0)
          ? refuse({ code: "EXECUTION_INTERNAL" })
          : payloads,
    },
  },
  "leaves out a forged deposit without a word": {
    caughtBy: "awkward-payloads",
    rules: {
      prepare: ({ payloads }) => payloads.filter((payload) => payload[0] !== 0x7e),
    },
  },
  "tells reasons in prose": {
    caughtBy: "gibberish",
    rules: { reason: (payload) => (payload[0] === 1 ? undefined : "not a transaction") },
  },
  "drops what it has seen before": {
    caughtBy: "same-payloads-again",
    rules: {
      prepare: ({ payloads }) =>
        payloads.filter((payload) => {
          const text = Buffer.from(payload).toString("hex");
          const isNew = payload.length !== 90 || !seen.has(text);
          seen.add(text);
          return isNew;
        }),
    },
  },
  "runs the first ten thousand payloads": {
    caughtBy: "many-payloads",
    rules: { prepare: ({ payloads }) => payloads.slice(0, 10_000) },
  },
  "leaves the library's limit as it is": {
    caughtBy: "large-request",
    faults: { isReceiveLimitKept: true },
  },
  "lets time go back": {
    caughtBy: "time",
    rules: { time: ({ timestamp }) => timestamp.seconds - BigInt(timestamp.nanos / 100_000_000) },
  },
  "skips everything": { caughtBy: "valid-payloads", rules: { reason: () => "UNKNOWN" } },
  "includes payloads without effect": {
    caughtBy: "valid-payloads",
    rules: { stateRoot: () => new Uint8Array(32) },
  },
  "runs a repeated block again": {
    caughtBy: "repeat",
    wrap: runningTwice,
  },
  "remembers the last answers only": { caughtBy: "repeat-earlier", rules: { answersKept: 20 } },
  "asks for the parent before it knows the block": {
    caughtBy: "repeat-by-hash",
    rules: { isParentCheckedFirst: true },
  },
  "asks for the parent before the height": {
    caughtBy: "first-fault",
    rules: { isParentCheckedFirst: true },
  },
  "names blocks without what ordered them": {
    caughtBy: "block-hash",
    after: ["deterministic"],
    rules: { named: () => new Uint8Array(32) },
  },
  "answers whatever hash a height has": { caughtBy: "conflict", rules: { isHashChecked: false } },
  "skips heights": { caughtBy: "gap", rules: { isNextChecked: false } },
  "does not say which height it expects": {
    caughtBy: "gap",
    alsoCaughtBy: ["first-height"],
    faults: { areHeightsMissing: true },
  },
  "sends no weft-code": {
    caughtBy: "gap",
    alsoCaughtBy: REFUSING,
    faults: { isMetadataMissing: true },
  },
  "says INTERNAL to everything": {
    caughtBy: "conflict",
    alsoCaughtBy: REFUSING,
    faults: { status: "INTERNAL" },
  },
  "changes its state for a call that it refuses": {
    caughtBy: "gap",
    wrap: (executor, state) => ({
      ...executor,
      executeBlock: (request) => {
        if (request.sequencerHeight > (state.last?.height ?? 1e9) + 1)
          state.finalized = state.safe = state.blocks.length - 1;
        return executor.executeBlock(request);
      },
    }),
  },
  "does not look at the parent": { caughtBy: "parent-hash", rules: { isParentChecked: false } },
  "takes what is no block": {
    caughtBy: "invalid-block",
    // Bound to what it should have refused, it refuses what it should be bound to.
    alsoCaughtBy: ["init-invalid", "init", "init-again", "first-height"],
    rules: { isFormChecked: false },
  },
  "knows no first gathered height": { caughtBy: "gathered", rules: { usesGatheredHeights: false } },
  "takes no legs of bundles": {
    caughtBy: "legs",
    rules: {
      prepare: ({ payloads, legs }) =>
        legs === undefined ? payloads : refuse({ code: "EXECUTION_INVALID_REQUEST" }),
    },
  },
  "prepares bundles and offers level 0": {
    caughtBy: "level-0",
    alsoCaughtBy: ["nothing-before-init"],
    wrap: (executor) => ({
      ...executor,
      prepareBundle: async () => ({
        verdict: 2,
        reason: 7,
        preStateRoot: new Uint8Array(0),
        effectsHash: new Uint8Array(0),
        outbox: [],
        inbox: [],
      }),
    }),
  },
  "runs again what was cut off": { caughtBy: "cut-off", wrap: runningTwice },
  "runs overlapping calls of one block each": {
    caughtBy: "concurrent-repeats",
    rules: { isOneAtATime: false },
  },
  "runs a block that waited on the head of before": {
    caughtBy: "concurrent-blocks",
    rules: { isParentCurrent: false, isStatusWhole: false },
  },
  "shows halves of blocks": { caughtBy: "concurrent-reads", rules: { isStatusWhole: false } },
  "forgets labels": { caughtBy: "finality", rules: { labelsAreKept: false } },
  "takes the same labels once": { caughtBy: "finality-again", rules: { labelsMayStay: false } },
  "moves labels back": { caughtBy: "finality-regression", rules: { labelsMayMoveBack: true } },
  "finalizes what is not safe": {
    caughtBy: "finalized-above-safe",
    rules: { finalizedMayExceedSafe: true },
  },
  "labels its head for an unknown hash": {
    caughtBy: "finality-unknown",
    rules: { unknownIsHead: true },
  },
  "loses the last block when it is killed": {
    caughtBy: "restart",
    kill: (state) => {
      if (state.last === undefined) return;
      state.blocks.pop();
      state.answers.delete(state.last.height);
      state.last = { ...state.last, height: Height(state.last.height - 1) };
    },
  },
  "loses its answers when it is killed": {
    caughtBy: "restart",
    kill: (state) => state.answers.clear(),
  },
  "stores block and position one after the other": {
    caughtBy: "restart-in-the-middle",
    wrap: (executor) => ({
      ...executor,
      executeBlock: async (request) => {
        underWay += 1;
        await new Promise((resolve) => setTimeout(resolve, 2));
        return executor.executeBlock(request).finally(() => {
          underWay -= 1;
        });
      },
    }),
    kill: async (state) => {
      for (let waits = 0; underWay === 0 && waits < 50; waits++)
        await new Promise((resolve) => setTimeout(resolve, 1));
      const { last } = state;
      if (last === undefined || underWay === 0) return;
      state.answers.delete(last.height);
      state.last = { ...last, height: Height(last.height - 1) };
    },
  },
  "has a state of chance": {
    caughtBy: "deterministic",
    after: ["gibberish"],
    rules: { stateRoot: () => randomBytes(32) },
  },
  "honours revert modes and says nothing": {
    caughtBy: "legs-change-nothing",
    after: ["deterministic"],
    rules: {
      prepare: ({ payloads, legs = [] }) =>
        legs.some(({ revertMode }) => revertMode === 2)
          ? payloads.map((payload) => Uint8Array.of(1, ...payload))
          : payloads,
    },
  },
};

const START = CHECKS.slice(
  0,
  CHECKS.findIndex(({ id }) => id === "no-payloads"),
);

async function check(
  mutant: Omit<Mutant, "caughtBy">,
  checks: readonly Check[],
): Promise<readonly CheckResult[]> {
  seen.clear();
  const state = newPlainState();
  const make = (own: PlainState): Promise<KillableServer> => {
    const executor = createPlainExecutor(mutant.rules, own);
    return serveKillable(mutant.wrap?.(executor, own) ?? executor, mutant.faults);
  };
  const [server, other] = [await make(state), await make(newPlainState())];
  const [target, second] = [connectTarget(server.address), connectTarget(other.address)];
  const restart = async (): Promise<void> => {
    await mutant.kill?.(state);
    await server.restart();
  };
  try {
    const options = { payloads: VALID, legs: LEGS, checks };
    return await runConformance(options, { target, second, restart }, () => {});
  } finally {
    for (const one of [target, second]) one.close();
    for (const one of [server, other]) one.kill();
  }
}

test.each([0, 1] as const)(
  "an executor of level %i that keeps the contract passes every check of its level",
  async (atomicLevel) => {
    // What takes its time is the same on both levels.
    const isLarge = ({ rule }: Check): boolean => rule === "limits";
    const checks = CHECKS.filter((one) => atomicLevel === 0 || !isLarge(one));
    const results = await check({ rules: { atomicLevel } }, checks);
    const others = results.filter(({ outcome }) => outcome !== "passed");
    expect(others.filter(({ outcome }) => outcome !== "notApplicable")).toEqual([]);
    const ofOther = CHECKS.filter(({ level = atomicLevel }) => level !== atomicLevel);
    expect(others.map(({ id }) => id)).toEqual(ofOther.map(({ id }) => id));
    expect(results.map(({ id }) => id)).toEqual(checks.map(({ id }) => id));
    expect(describeLevel(results)).toBe(
      atomicLevel === 0
        ? `level 0: ${ofOther.length} checks of level 1 do not apply`
        : "level 1: 1 check of level 0 does not apply",
    );
  },
);

const ALL_MUTANTS: Readonly<Record<string, Mutant>> = {
  ...MUTANTS,
  ...Object.fromEntries(
    Object.entries(BUNDLE_MUTANTS).map(([name, { bundles = {}, ...mutant }]) => [
      name,
      { ...mutant, rules: { atomicLevel: 1, bundles } },
    ]),
  ),
};

test.each(Object.entries(ALL_MUTANTS))("an executor that %s is caught", async (_name, mutant) => {
  const { after = [], caughtBy } = mutant;
  // The whole suite for each would take minutes; every check stands on those of the start alone.
  const others = CHECKS.filter(({ id }) => id === caughtBy || after.includes(id));
  const checks = [...START, ...others.filter((one) => !START.includes(one))];
  const results = await check(mutant, checks);
  const failed = results.filter(({ outcome }) => outcome === "failed").map(({ id }) => id);
  expect(failed).toContain(caughtBy);
  // Not because nothing works: what else fails is known. The checks of the start stand on one another.
  const isOfStart = START.some(({ id }) => id === caughtBy);
  const unnamed = isOfStart ? [] : failed.filter((id) => id !== caughtBy);
  expect(unnamed).toEqual(mutant.alsoCaughtBy ?? []);
});

test("of a status that should not have changed the parts are told that have", async () => {
  const mutant = MUTANTS["changes its state for a call that it refuses"] ?? {};
  const checks = [...START, ...CHECKS.filter(({ id }) => id === "gap")];
  const details = (await check(mutant, checks)).flatMap(({ detail }) => detail ?? []);
  expect(details.join("\n")).toMatch(
    /changed the status: safe was block \d+ .*, is block \d+ .*; finalized was block \d+ [^;]*$/m,
  );
});

test("every check stands with its rule in the contract, and every check that stands there is made", () => {
  const text = readFileSync(new URL("../../docs/execution.md", import.meta.url), "utf8");
  const named = text.split(/^## /m).flatMap((section) => {
    const rule = section.split("\n", 1)[0]?.toLowerCase().replaceAll(" ", "-");
    const list = /^Checks: (.+)\.$/m.exec(section)?.[1] ?? "";
    return Array.from(list.matchAll(/`([a-z0-9-]+)`/g), ([, id]) => `${rule}#${id}`);
  });
  expect(named.toSorted()).toEqual(CHECKS.map(({ id, rule }) => `${rule}#${id}`).toSorted());
});

test("every check finds a fault that was made for it", () => {
  const found = new Set(Object.values(ALL_MUTANTS).map(({ caughtBy }) => caughtBy));
  expect(CHECKS.map(({ id }) => id).filter((id) => !found.has(id))).toEqual([]);
});

test("what was not asked for is said, and an executor that is not fresh is not touched", async () => {
  const executor = createPlainExecutor({ atomicLevel: 1 });
  const server = await serveKillable(executor);
  const target = connectTarget(server.address);
  const none = { target, second: undefined, restart: undefined };
  const checks = CHECKS.filter((one) => START.includes(one) || one.needs !== undefined);
  const first = await runConformance({ payloads: [], checks }, none, () => {});
  const notRun = first.filter(({ outcome }) => outcome === "notRun").map(({ id }) => id);
  const expected = checks.filter(({ needs, level = 1 }) => needs !== undefined && level === 1);
  expect(notRun).toEqual(expected.map(({ id }) => id));
  const before = await executor.getStatus();
  await expect(runConformance({ payloads: [] }, none, () => {})).rejects.toSatisfy(
    (error) => isWeftError(error) && error.code === "CONFORMANCE_NOT_FRESH",
  );
  expect(await executor.getStatus()).toEqual(before);
  target.close();
  server.kill();
});
