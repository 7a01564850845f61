/**
 * What goes wrong while swaps go on: executors are killed at every point of their work and come back, lose their disks,
 * are frozen with a vote in their hands, and one of them votes twice; validators are killed and come back.
 */
import { toHex } from "../../proto/bytes.ts";
import { Verdict } from "../../proto/codec/atomic-tx.ts";
import { type Action, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { height, rpc, until } from "../support/local-network.ts";
import type { Random } from "../support/random.ts";
import type { Executor } from "./executor-process.ts";
import { type Point, POINTS } from "./executor-protocol.ts";
import { BOND, QUORUM, type SwapNetwork, type SwapRollup } from "./network.ts";
import type { Swap } from "./swap.ts";

/** Committed swaps from one killed executor to the next: nobody is killed while nothing goes on. */
const CRASH_EVERY = 5;
/** With its liar out, beta decides nothing while another executor of it is away: of faults it gets the smaller part. */
const PERCENT_OF_BETA = 20;
/** If so many are due at all. */
const CRASHES_MIN = 2;
/** Of the killed, those that lose their disks as well: early ones, because they execute everything again. */
const WIPED: readonly number[] = [2, 22];
/** Committed swaps from one killed validator to the next. */
const LOST_EVERY = 12;
/** Heights that somebody is away at most. */
const AWAY_MAX = 6;
/** After the signature of a vote, so that it is killed before, while, or after a node has got it. */
const SENDING_MS_MAX = 40;
/** From then on the liar waits for its chance. */
const LIE_AFTER = 5;
const LIE_PATIENCE_MS = 5_000;
const PATIENCE_MS = 120_000;
/** One that has lost its disk executes all from the first block. */
const CATCH_UP_MS = 600_000;

export type Moment = Point | "anywhere";

export interface FaultsReport {
  /** Executors killed (SIGKILL), by where in their work. */
  readonly executorsKilled: Readonly<Record<Moment, number>>;
  /** Of those, who lost their disks as well and began from nothing. */
  readonly executorsWiped: number;
  readonly executorsFrozen: number;
  readonly validatorsKilled: number;
  /** Votes that came when their bundle was decided, and that no node took. */
  readonly lateVotes: number;
  /** Whether the executor that voted twice has lost its bond. */
  readonly isLiarSlashed: boolean;
  /** Of all others, those that have not their whole bond. */
  readonly honestSlashed: number;
  /** In jail at the end: a report of theirs did not come in time. */
  readonly jailed: number;
}

/** Executors that do not get rid of their votes about one swap. */
export interface Hold {
  /** Call before the swap is sent. */
  on(swap: Swap): void;
  /** Call when it is decided. */
  release(): void;
}

export interface Faults {
  /** Undefined when those whom it takes are busy otherwise: then the swap has to be a good one. */
  hold(fate: "late" | "slow"): Hold | undefined;
  /** A swap was sent; `count` are decided. */
  whenSent(count: number, swap: Swap): Promise<void>;
  /** So many are committed, the last one just now. */
  afterCommit(count: number): void;
  /** Everybody is back. Throws what went wrong. */
  end(): Promise<void>;
  /** @param held swaps about which votes were held back */
  report(held: readonly Swap[]): Promise<FaultsReport>;
}

interface ExecutorAnswer {
  readonly bond: string;
  readonly isTombstoned: boolean;
  readonly jailedUntil: number;
}

/** @param log told what it does to whom */
export function createFaults(
  network: SwapNetwork,
  random: Random,
  log: (line: string) => void,
): Faults {
  const { rollups, sequencer } = network;
  const [alpha, beta] = rollups;
  const liar = beta.executors[2];
  if (liar === undefined) throw new Error("there are three executors");
  const killed: Record<Moment, number> = {
    anywhere: 0,
    prepared: 0,
    voted: 0,
    sending: 0,
    decided: 0,
    reported: 0,
  };
  let crashes = 0;
  /** Whose executors are to be killed as soon as nothing else is wrong there. */
  const due: SwapRollup[] = [];
  let wiped = 0;
  let frozen = 0;
  let validatorsKilled = 0;
  let lies: "none" | "trying" | "told" = "none";
  let isValidatorBusy = false;
  /** One fault of a rollup at a time. */
  const busy = new Set<SwapRollup>();
  const works: Promise<void>[] = [];
  let stopWaiting: () => void = () => {};
  const ending = new Promise<false>((done) => {
    stopWaiting = () => done(false);
  });
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Reported by `end`.
  failed.catch(() => {});

  function begin(work: Promise<void>): void {
    works.push(work);
    work.catch(fail);
  }

  /** Nothing happens to beta before its liar is out; and then it decides nothing while one of the other two is away. */
  function drawRollup(percentOfBeta: number): SwapRollup {
    return random.chance(percentOfBeta) && lies === "told" ? beta : alpha;
  }

  /** Whose votes count. */
  function voters(rollup: SwapRollup): readonly Executor[] {
    return rollup.executors.filter((one) => one !== liar || lies === "none");
  }

  async function heightNow(): Promise<number> {
    return (await network.client.chainInfo()).height;
  }

  async function stayAway(): Promise<void> {
    const back = (await until("a validator answers", heightNow)) + random.below(AWAY_MAX + 1);
    await until(`height ${back}`, async () => (await heightNow()) >= back, PATIENCE_MS);
  }

  async function crash(rollup: SwapRollup): Promise<void> {
    const victim = random.pick(voters(rollup));
    const moment: Moment = random.pick([...POINTS, "anywhere"] as const) ?? "anywhere";
    if (victim === undefined) return;
    crashes += 1;
    const isWiped = WIPED.includes(crashes);
    log(`${victim.name} is to be killed: ${moment}`);
    const isThere = await fall(victim, moment);
    log(`${victim.name} is dead${isWiped ? ", and its disk empty" : ""}`);
    killed[isThere ? moment : "anywhere"] += 1;
    if (isWiped) {
      wiped += 1;
      victim.wipe();
    }
    await stayAway();
    await victim.start();
    const goal = await until("a validator answers", heightNow);
    // One that is behind gives no votes in time: the other two are needed until it is not.
    await until(
      `${victim.name} has executed block ${goal}`,
      () => Promise.resolve(victim.height >= goal),
      CATCH_UP_MS,
    );
    log(`${victim.name} is back`);
    busy.delete(rollup);
  }

  /** Kills it. False: it had not come to that moment when the run was over. */
  async function fall(victim: Executor, moment: Moment): Promise<boolean> {
    if (moment !== "anywhere") {
      const afterMs = 1 + random.below(SENDING_MS_MAX);
      const trap = { point: moment, signal: "SIGKILL" } as const;
      const sprung = victim.trap(moment === "sending" ? { ...trap, afterMs } : trap);
      if (await Promise.race([sprung, ending])) return true;
    }
    await victim.kill();
    return moment === "anywhere";
  }

  async function loseValidator(): Promise<void> {
    const victim = random.pick(sequencer.validators);
    if (victim === undefined) return;
    validatorsKilled += 1;
    await sequencer.end(victim.name, "SIGKILL");
    log(`${victim.name} is dead`);
    await stayAway();
    const at = await heightNow();
    sequencer.start(victim.name);
    await until(`${victim.name} is back`, async () => (await height(victim)) >= at, PATIENCE_MS);
    log(`${victim.name} is back`);
    isValidatorBusy = false;
  }

  /** Its node says something else of the same bundle, before or after this. */
  async function lie(swap: Swap): Promise<void> {
    if (liar === undefined) return;
    const vote: Action = {
      kind: "executorVote",
      bundleId: swap.bundleId,
      rollupId: rollupIdOfName(beta.name),
      verdict: Verdict.YES,
      reason: 0,
      preStateRoot: new Uint8Array(32).fill(1),
      effectsHash: new Uint8Array(32).fill(2),
      outbox: [],
      inbox: [],
    };
    lies = "trying";
    // Too late when all have reported already: then about another one.
    await network.commit(liar.key, vote, LIE_PATIENCE_MS).catch(() => undefined);
    const { isTombstoned } = await until("a validator answers", () => executorState(beta, liar));
    lies = isTombstoned ? "told" : "none";
    log(`${liar.name} votes twice: ${lies}`);
  }

  async function executorState(rollup: SwapRollup, { key }: Executor): Promise<ExecutorAnswer> {
    const node = sequencer.validators.find(({ name }) => sequencer.isRunning(name));
    if (node === undefined) throw new Error("no validator runs");
    const path = `/mev/executor/${rollup.name}/${toHex(key.publicKey)}`;
    const { response } = await rpc<{ response: { info: string } }>(node, "abci_query", { path });
    return JSON.parse(response.info) as ExecutorAnswer;
  }

  /** Those executors sign nothing about one swap until it is decided. */
  function createHold(rollup: SwapRollup, held: readonly Executor[]): Hold {
    const asleep: Executor[] = [];
    let isReleased = false;
    const wake = (): void => {
      for (const executor of asleep.splice(0)) {
        executor.wake();
        log(`${executor.name} goes on`);
      }
    };
    return {
      on({ bundleId }) {
        const bundle = toHex(bundleId);
        for (const executor of held) {
          void executor.trap({ point: "voted", signal: "SIGSTOP", bundle }).then((isSprung) => {
            if (!isSprung) return;
            log(`${executor.name} is frozen`);
            frozen += 1;
            asleep.push(executor);
            // One that is behind comes there when all is over.
            if (isReleased) wake();
          });
        }
      },
      release() {
        isReleased = true;
        wake();
        busy.delete(rollup);
      },
    };
  }

  return {
    hold(fate) {
      const rollup = fate === "slow" ? alpha : drawRollup(PERCENT_OF_BETA);
      if (busy.has(rollup)) return undefined;
      busy.add(rollup);
      const all = voters(rollup);
      const first = random.below(all.length);
      const count = fate === "slow" ? 1 : all.length - QUORUM + 1;
      return createHold(rollup, [...all.slice(first), ...all.slice(0, first)].slice(0, count));
    },
    async whenSent(count, swap) {
      const isTime = count >= LIE_AFTER && lies === "none" && !busy.has(beta);
      if (isTime && swap.fate === "good") await lie(swap);
    },
    afterCommit(count) {
      if (count % CRASH_EVERY === 0) due.push(drawRollup(PERCENT_OF_BETA));
      const at = due.findIndex((rollup) => !busy.has(rollup));
      for (const rollup of at < 0 ? [] : due.splice(at, 1)) {
        busy.add(rollup);
        begin(crash(rollup));
      }
      if (count % LOST_EVERY === 0 && !isValidatorBusy) {
        isValidatorBusy = true;
        begin(loseValidator());
      }
    },
    async end() {
      stopWaiting();
      await Promise.race([Promise.all(works), failed]);
      // A short run had no time for more than one, and the second is the one that loses its disk.
      while (due.length > 0 && crashes < CRASHES_MIN) {
        due.pop();
        await crash(alpha);
      }
      // Nor does a run that commits few come to where a validator is due.
      if (validatorsKilled === 0) await loseValidator();
    },
    async report(held) {
      const heldIds = new Set(held.map(({ bundleId }) => toHex(bundleId)));
      let lateVotes = 0;
      const honest: ExecutorAnswer[] = [];
      for (const rollup of rollups) {
        for (const executor of rollup.executors) {
          if (executor !== liar) honest.push(await executorState(rollup, executor));
          for (const [statement, reason] of executor.refused) {
            const [kind, bundle = ""] = statement.split("/");
            const isLate = kind === "v" && heldIds.has(bundle) && reason.includes("decided");
            if (isLate) lateVotes += 1;
          }
        }
      }
      const last = await executorState(beta, liar);
      return {
        executorsKilled: killed,
        executorsWiped: wiped,
        executorsFrozen: frozen,
        validatorsKilled,
        lateVotes,
        isLiarSlashed: last.isTombstoned && BigInt(last.bond) === 0n,
        honestSlashed: honest.filter(
          ({ bond, isTombstoned }) => isTombstoned || BigInt(bond) !== BOND,
        ).length,
        jailed: honest.filter(({ jailedUntil }) => jailedUntil > 0).length,
      };
    },
  };
}
