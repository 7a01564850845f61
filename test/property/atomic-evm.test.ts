/**
 * Legs, decisions and plain transactions in random order, against a model that a reader can check by eye: who holds how
 * many tokens, who is at which nonce, and which of that belongs to a leg that is not decided. The same program is then
 * fed to a second rollup that is closed and opened again between any two calls: every answer and root has to be the same.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { AtomicOutcome, Verdict, VoteReason } from "../../proto/codec/atomic-tx.ts";
import { toHex } from "../../proto/bytes.ts";
import type { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import {
  atomicGenesis,
  counterOf,
  decideRequest,
  deskTransaction,
  openDesk,
  prepare,
  tokensOf,
} from "../support/atomic-evm.ts";
import {
  ALICE,
  BOB,
  execute,
  openExecutor,
  PAUPER,
  removeDirectory,
  temporaryDirectory,
} from "../support/evm-rollup.ts";
import { deskCall } from "../support/swap-desk.ts";

const ACCOUNTS = [ALICE, BOB, PAUPER];
const RUNS = 4;

type Operation =
  | { readonly kind: "transfer"; readonly to: number; readonly amount: number }
  | { readonly kind: "count" };

interface Call {
  readonly sender: number;
  readonly operation: Operation;
  /** Added to the sender's nonce: 1 is one too many. */
  readonly skew: number;
}

interface HeightPlan {
  /** Which of the open bundles are decided, and whether they may commit. */
  readonly decisions: readonly { readonly pick: number; readonly isCommit: boolean }[];
  readonly legs: readonly { readonly calls: readonly Call[]; readonly locksMax: number }[];
  readonly plain: readonly Call[];
}

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant("transfer" as const), to: fc.nat(2), amount: fc.nat(700) }),
  fc.record({ kind: fc.constant("count" as const) }),
);
const call = (skews: readonly number[]): fc.Arbitrary<Call> =>
  fc.record({ sender: fc.nat(2), operation, skew: fc.constantFrom(...skews) });
const plan: fc.Arbitrary<HeightPlan> = fc.record({
  decisions: fc.array(fc.record({ pick: fc.nat(3), isCommit: fc.boolean() }), { maxLength: 2 }),
  legs: fc.array(
    fc.record({
      calls: fc.array(call([0, 0, 0, 0, 1]), { minLength: 1, maxLength: 2 }),
      locksMax: fc.constantFrom(3, 16),
    }),
    { maxLength: 2 },
  ),
  plain: fc.array(call([0]), { maxLength: 3 }),
});

/** What the rollup is about, as plainly as can be. */
interface World {
  readonly tokens: number[];
  readonly nonces: number[];
  count: number;
}

interface OpenLeg {
  readonly name: string;
  readonly isYes: boolean;
  /** Accounts "a0", tokens "t0", the counter "c". */
  readonly locks: ReadonlySet<string>;
  readonly after: World;
}

function copy({ tokens, nonces, count }: World): World {
  return { tokens: [...tokens], nonces: [...nonces], count };
}

/** Applies one call; says what it touched and whether it stands. */
function apply(
  world: World,
  { sender, operation: op }: Call,
): { touched: string[]; isGood: boolean } {
  if (op.kind === "count") {
    world.count += 1;
    return { touched: ["c"], isGood: true };
  }
  const held = world.tokens[sender] ?? 0;
  if (held < op.amount) return { touched: [`t${sender}`], isGood: false };
  world.tokens[sender] = held - op.amount;
  world.tokens[op.to] = (world.tokens[op.to] ?? 0) + op.amount;
  return { touched: [`t${sender}`, `t${op.to}`], isGood: true };
}

class Model {
  world: World = { tokens: [1_000, 1_000, 0], nonces: [3, 0, 0], count: 0 };
  open: OpenLeg[] = [];

  get locked(): ReadonlySet<string> {
    return new Set(this.open.flatMap(({ locks }) => [...locks]));
  }

  /** The answer to a leg: 0 for YES, or the reason. */
  prepare(name: string, calls: readonly Call[], locksMax: number): VoteReason {
    const { locked } = this;
    const after = copy(this.world);
    const locks = new Set<string>();
    const answer = ((): VoteReason => {
      // 200,000 for each transaction, a lock stands for 100,000.
      if (calls.length * 2 > locksMax) return VoteReason.TOO_MANY_LOCKS;
      for (const one of calls) {
        const { sender } = one;
        if (locked.has(`a${sender}`)) return VoteReason.LOCKED;
        if (one.skew !== 0) return VoteReason.REVERTED;
        after.nonces[sender] = (after.nonces[sender] ?? 0) + 1;
        const { touched, isGood } = apply(after, one);
        if (touched.some((key) => locked.has(key))) return VoteReason.LOCKED;
        if (!isGood) return VoteReason.REVERTED;
        for (const key of [`a${sender}`, ...touched]) locks.add(key);
      }
      // And the desk itself, which all share.
      return locks.size + 1 > locksMax ? VoteReason.TOO_MANY_LOCKS : VoteReason.NONE;
    })();
    const isYes = answer === 0;
    this.open.push({ name, isYes, locks: isYes ? locks : new Set(), after });
    return answer;
  }

  decide(leg: OpenLeg, isCommit: boolean): void {
    this.open = this.open.filter((one) => one !== leg);
    if (!isCommit) return;
    for (const key of leg.locks) {
      const index = Number(key.slice(1));
      if (key === "c") this.world.count = leg.after.count;
      else if (key.startsWith("t")) this.world.tokens[index] = leg.after.tokens[index] ?? 0;
      else this.world.nonces[index] = leg.after.nonces[index] ?? 0;
    }
  }

  /** Whether the transaction is in the block. */
  execute(one: Call): boolean {
    const { locked } = this;
    if (locked.has(`a${one.sender}`)) return false;
    const after = copy(this.world);
    after.nonces[one.sender] = (after.nonces[one.sender] ?? 0) + 1;
    const { touched, isGood } = apply(after, one);
    const stands = isGood && !touched.some((key) => locked.has(key));
    if (stands) this.world = after;
    else this.world.nonces[one.sender] = after.nonces[one.sender] ?? 0;
    return true;
  }
}

function transaction({ sender, operation: op }: Call, nonce: number): Promise<Uint8Array> {
  const from = ACCOUNTS[sender] ?? ALICE;
  const to = op.kind === "transfer" ? (ACCOUNTS[op.to] ?? ALICE).address : undefined;
  const data =
    op.kind === "transfer" && to !== undefined
      ? deskCall.transfer(to, BigInt(op.amount))
      : deskCall.count();
  return deskTransaction(from, nonce, data);
}

type Step = (executor: EvmExecutor) => Promise<unknown>;

/** What was asked and answered, to be asked again elsewhere. */
interface Recorded {
  readonly step: Step;
  readonly answer: unknown;
  readonly root: string;
}

const genesis = () =>
  atomicGenesis({
    alloc: Object.fromEntries(
      ACCOUNTS.map(({ address }) => [address, { balance: "1000000000000000000000" }]),
    ),
  });

test("a random program of legs, decisions and transactions does what the model says, also with a restart at every call", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 3, maxLength: 7 }), async (plans) => {
      const [here, there] = [await temporaryDirectory(), await temporaryDirectory()];
      let executor = await openExecutor(here, genesis());
      try {
        await openDesk(executor);
        const recorded = await run(executor, plans);
        await executor.close();
        executor = await openExecutor(there, genesis());
        await openDesk(executor);
        for (const { step, answer, root } of recorded) {
          await executor.close();
          executor = await openExecutor(there, genesis());
          expect(await step(executor)).toEqual(answer);
          // And once more: what was answered stays answered.
          expect(await step(executor)).toEqual(answer);
          expect(toHex(executor.head().header.stateRoot)).toBe(root);
        }
      } finally {
        await executor.close();
        await removeDirectory(here);
        await removeDirectory(there);
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

async function run(executor: EvmExecutor, plans: readonly HeightPlan[]): Promise<Recorded[]> {
  const model = new Model();
  const recorded: Recorded[] = [];
  const ask = async <T>(step: (on: EvmExecutor) => Promise<T>): Promise<T> => {
    const answer = await step(executor);
    recorded.push({ step, answer, root: toHex(executor.head().header.stateRoot) });
    return answer;
  };
  for (const [at, { decisions, legs, plain }] of plans.entries()) {
    const height = at + 2;
    const decided = new Set<OpenLeg>();
    for (const { pick, isCommit } of decisions) {
      const leg = model.open[pick % Math.max(1, model.open.length)];
      if (leg === undefined || decided.has(leg)) continue;
      decided.add(leg);
      const commits = isCommit && leg.isYes;
      const outcome = commits ? AtomicOutcome.COMMIT : AtomicOutcome.ABORT;
      await ask((on) => on.decideBundle(decideRequest(height, leg.name, outcome)));
      model.decide(leg, commits);
    }
    for (const [index, { calls, locksMax }] of legs.entries()) {
      const name = `${height}/${index}`;
      const nonces = [...model.world.nonces];
      const payloads: Uint8Array[] = [];
      for (const one of calls) {
        const nonce = nonces[one.sender] ?? 0;
        nonces[one.sender] = nonce + 1;
        payloads.push(await transaction(one, nonce + one.skew));
      }
      const wanted = model.prepare(name, calls, locksMax);
      const { verdict, reason } = await ask((on) =>
        prepare(on, height, name, payloads, { locksMax }),
      );
      expect({ name, verdict, reason }).toEqual({
        name,
        reason: wanted,
        verdict: wanted === 0 ? Verdict.YES : Verdict.NO,
      });
    }
    const payloads: Uint8Array[] = [];
    const expected: boolean[] = [];
    for (const one of plain) {
      payloads.push(await transaction(one, model.world.nonces[one.sender] ?? 0));
      expected.push(model.execute(one));
    }
    const { skipped } = await ask((on) => execute(on, height, payloads));
    expect(skipped).toEqual(
      expected.flatMap((isIn, index) => (isIn ? [] : [{ index, reason: "LOCKED" }])),
    );
    const seen = await Promise.all(ACCOUNTS.map(({ address }) => tokensOf(executor, address)));
    expect(seen.map(Number)).toEqual(model.world.tokens);
    expect(Number(await counterOf(executor))).toBe(model.world.count);
  }
  return recorded;
}
