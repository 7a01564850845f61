/**
 * What must hold of atomic execution, whatever executors and proposers do: all nodes and all rollups of a bundle see one
 * decision; it is what the votes in the blocks come to, counted here anew; each bundle is decided by its deadline; who has
 * contradicted itself or a decision has lost its bond, and nobody else; bonds are where they belong.
 */
import { toHex } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import type { AtomicLegState, AtomicState } from "../../proto/codec/atomic-state.ts";
import {
  AtomicOutcome,
  type ExecutorReport,
  type ExecutorVote,
  Verdict,
} from "../../proto/codec/atomic-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { decodeAtomicDecision } from "../../proto/verify/manifest.ts";
import { atomicOf } from "../../sequencer/app/atomic/bundles.ts";
import { executorOf } from "../../sequencer/app/atomic/executors.ts";
import { hiddenBlocksMax } from "../../sequencer/app/atomic/hidden.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import { ATOMIC_OPEN, bundleOfKey } from "../../sequencer/app/state/tables.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import type { EngineEvent } from "../../sequencer/engine/event-bus.ts";
import { SimulationFailure } from "./checkers.ts";
import type { SimExecutor } from "./sim-atomic.ts";

/** What becomes of a bundle if all are honest: its id says it. */
type Fate = "commits" | "reverts" | "finds a lock" | "boxes differ" | "boxes agree";
const FATES: readonly Fate[] = [
  "reverts",
  "finds a lock",
  "boxes differ",
  "boxes agree",
  "commits",
  "commits",
  "commits",
  "commits",
];

export function fateOf(id: Uint8Array): Fate {
  return FATES[(id[0] ?? 0) % FATES.length] ?? "commits";
}

export interface AtomicWatchOptions {
  readonly chainId: string;
  readonly executors: readonly SimExecutor[];
}

type NewBlock = Extract<EngineEvent, { readonly kind: "NewBlock" }>;

/** What an executor has said in blocks about its leg. */
interface Said {
  /** Everything that makes votes equal. */
  readonly content: string;
  readonly isYes: boolean;
  readonly effects: string;
  isStruck: boolean;
}

interface Decided {
  readonly outcome: number;
  readonly reason: number;
}

export class AtomicWatch {
  readonly #options: AtomicWatchOptions;
  readonly #count: (kind: string) => void;
  /** What the first node has found at each height. */
  readonly #heights = new Map<number, string>();
  readonly #decided = new Map<string, Decided>();
  /** By `leg`, then by executor. */
  readonly #votes = new Map<string, Map<string, Said>>();
  /** `rollup/key` of whom blocks have convicted. */
  readonly #liars = new Set<string>();
  /** Bundles that were open after the last block that was looked at. */
  #open = new Map<string, AtomicState>();

  constructor(options: AtomicWatchOptions, count: (kind: string) => void) {
    this.#options = options;
    this.#count = count;
  }

  /** `weft`: undefined where its state is that of a later block. */
  async applied(node: string, event: NewBlock, weft: WeftApplication | undefined): Promise<void> {
    const { height } = event.block.header;
    const isFirst = !this.#heights.has(height);
    if (isFirst) this.#heights.set(height, "");
    // Before anything is awaited: the state goes on meanwhile.
    const after = isFirst && weft !== undefined ? this.#stateOf(weft) : undefined;
    if (isFirst) this.#take(event);
    const decisions = await this.#decisionsOf(event);
    const text = [...decisions].map(([id, told]) => `${id} ${told.join()}`).join("; ");
    if (isFirst) {
      this.#heights.set(height, text);
      for (const [id, told] of decisions) this.#checkDecision(height, id, told, after);
      if (after !== undefined) this.#checkState(height, after);
      return;
    }
    const first = this.#heights.get(height);
    // The first node's answer may be under way still.
    if (first === "" || first === text) return;
    throw new SimulationFailure(
      `decisions: at height ${height} ${node} finds ${text || "none"}, another node ${first}`,
    );
  }

  /** Votes and reports of a block that stand in it for the first time. */
  #take({ block, result }: NewBlock): void {
    for (const [at, bytes] of block.txs.entries()) {
      const item = decodeItem(bytes);
      if (item.kind !== "tx" || result.txResults[at]?.code !== 0) continue;
      const { action, publicKey } = item.tx.body;
      if (action.kind === "executorVote") this.#voted(toHex(publicKey), action);
      if (action.kind === "executorReport") this.#reported(toHex(publicKey), action);
    }
  }

  #voted(key: string, vote: ExecutorVote): void {
    const { verdict, reason, effectsHash } = vote;
    const leg = legKey(vote);
    const ofLeg = this.#votes.get(leg) ?? new Map<string, Said>();
    this.#votes.set(leg, ofLeg);
    const content = contentOf(vote);
    const before = ofLeg.get(key);
    if (before === undefined) {
      const isYes = verdict === Verdict.YES;
      ofLeg.set(key, { content, isYes, effects: toHex(effectsHash), isStruck: false });
      this.#count(`atomic vote: ${isYes ? "yes" : `no ${reason}`}`);
      return;
    }
    if (before.content === content) throw new SimulationFailure(`vote: ${key} says it again`);
    before.isStruck = true;
    this.#convict(toHex(vote.rollupId), key, "voted twice");
  }

  #reported(key: string, report: ExecutorReport): void {
    const rollupId = toHex(report.rollupId);
    const id = toHex(report.bundleId);
    const decided = this.#decided.get(id);
    if (decided === undefined) {
      throw new SimulationFailure(`report: of ${key} about ${id}, which is not decided`);
    }
    this.#count("atomic report");
    if (decided.outcome === report.outcome) return;
    this.#convict(rollupId, key, "reported wrongly");
  }

  #convict(rollupId: string, key: string, why: string): void {
    this.#liars.add(`${rollupId}/${key}`);
    this.#count(`executor slashed: ${why}`);
  }

  /** What rollups are told: by bundle, one text for each rollup. */
  async #decisionsOf({ block, result }: NewBlock): Promise<ReadonlyMap<string, readonly string[]>> {
    const { chainId } = this.#options;
    const slices = await blockSlices(chainId, block.txs, result, () => Promise.resolve());
    const told = new Map<string, string[]>();
    for (const rollupId of slices.rollupIds) {
      const slice = slices.slice(rollupId);
      if (slice.kind === "absence") continue;
      for (const { subject, outcome, detail } of slice.decisions) {
        const decision = detail && decodeAtomicDecision(detail);
        if (decision === undefined) continue;
        const of = told.get(toHex(subject)) ?? [];
        told.set(toHex(subject), of);
        of.push(`${outcome}/${decision.reason}`);
      }
    }
    return told;
  }

  #checkDecision(
    height: number,
    id: string,
    told: readonly string[],
    after: StateAfter | undefined,
  ): void {
    const [first = ""] = told;
    const [outcome = 0, reason = 0] = first.split("/").map(Number);
    const fail = (what: string): never => {
      throw new SimulationFailure(`decision: bundle ${id} at height ${height}: ${what}`);
    };
    if (told.some((one) => one !== first)) fail(`rollups are told ${told.join(" and ")}`);
    if (this.#decided.has(id)) fail("it was decided before");
    this.#decided.set(id, { outcome, reason });
    const name = Object.entries(AbortReason).find(([, value]) => value === reason)?.[0];
    this.#count(`atomic decision: ${outcome === AtomicOutcome.COMMIT ? "COMMIT" : (name ?? "")}`);
    const state = after?.decided(id);
    if (state === undefined) return;
    if (told.length !== state.legs.length) fail(`${told.length} rollups are told`);
    const expected = this.#expected(id, state, height);
    if (!expected.includes(first)) fail(`expected one of ${expected.join()}, decided is ${first}`);
    if (outcome !== AtomicOutcome.COMMIT) return;
    for (const leg of state.legs) this.#convictLiars(id, leg);
  }

  /** What the votes in blocks come to; where a leg is refused, any reason that somebody gave, or SPLIT. */
  #expected(id: string, state: AtomicState, height: number): readonly string[] {
    const { COMMIT, ABORT } = AtomicOutcome;
    const standings = state.legs.map((leg) => {
      const said = [...(this.#votes.get(`${id}/${toHex(leg.rollupId)}`)?.values() ?? [])];
      const counts = said
        .filter(({ isYes, isStruck }) => isYes && !isStruck)
        .map(
          ({ content }) =>
            said.filter((one) => one.content === content && !one.isStruck && one.isYes).length,
        );
      const most = Math.max(0, ...counts);
      if (most >= leg.quorum) return "yes";
      return most + leg.committee.length - said.length >= leg.quorum ? "open" : "no";
    });
    if (standings.includes("no")) {
      const reasons = Object.values(AbortReason).filter((one) => one <= AbortReason.SPLIT);
      return reasons.map((one) => `${ABORT}/${one}`);
    }
    if (standings.every((one) => one === "yes")) {
      const isAgreed = fateOf(Buffer.from(id, "hex")) !== "boxes differ";
      return [isAgreed ? `${COMMIT}/0` : `${ABORT}/${AbortReason.BOXES_DIFFER}`];
    }
    const isTime = state.filledHeight > 0 && height >= state.filledHeight + state.terms.voteBlocks;
    return isTime ? [`${ABORT}/${AbortReason.TIMEOUT}`] : ["none yet"];
  }

  /** In force are effects that two executors agree on: who said others has lied. */
  #convictLiars(id: string, { rollupId, quorum }: AtomicLegState): void {
    const rollup = toHex(rollupId);
    const said = [...(this.#votes.get(`${id}/${rollup}`) ?? [])].filter(([, one]) => one.isYes);
    const counted = said.filter(([, { isStruck }]) => !isStruck);
    const inForce = counted.find(
      ([, { content }]) => counted.filter(([, one]) => one.content === content).length >= quorum,
    );
    for (const [key, one] of counted) {
      if (inForce === undefined || one.effects === inForce[1].effects) continue;
      one.isStruck = true;
      this.#convict(rollup, key, "voted for other effects");
    }
  }

  #stateOf(weft: WeftApplication): StateAfter {
    const reader = weft.read.staking();
    const { atomicBonds, executorBonds } = weft.read.supply();
    const open = new Map<string, AtomicState>();
    for (const key of reader.records.keys(ATOMIC_OPEN)) {
      const id = bundleOfKey(key);
      const state = atomicOf(reader, id);
      if (state === undefined) throw new SimulationFailure(`bundle ${id} is open without a record`);
      open.set(id, state);
    }
    const gone = new Map(
      [...this.#open.keys()].flatMap((id) => {
        const state = open.has(id) ? undefined : atomicOf(reader, id);
        return state === undefined ? [] : [[id, state] as const];
      }),
    );
    const executors = this.#options.executors.map((executor) => ({
      ...executor,
      state: executorOf(reader, executor.rollupId, executor.key),
    }));
    return {
      open,
      decided: (id) => gone.get(id),
      executors,
      atomicBonds,
      executorBonds,
      hiddenBlocks: hiddenBlocksMax(reader),
    };
  }

  #checkState(height: number, after: StateAfter): void {
    this.#open = new Map(after.open);
    let bonds = 0n;
    for (const [id, { placedHeight, filledHeight, terms, bond }] of after.open) {
      bonds += bond;
      const deadline =
        filledHeight > 0
          ? filledHeight + terms.voteBlocks
          : placedHeight + after.hiddenBlocks + terms.voteBlocks;
      if (height < deadline) continue;
      throw new SimulationFailure(
        `deadline: bundle ${id} of block ${placedHeight} is open after block ${height}, its deadline was ${deadline}`,
      );
    }
    const held = after.executors.reduce((sum, { state }) => sum + state.bond, 0n);
    if (bonds !== after.atomicBonds || held !== after.executorBonds) {
      throw new SimulationFailure(
        `bonds: bundles hold ${bonds} of ${after.atomicBonds} nweft, executors ${held} of ${after.executorBonds}`,
      );
    }
    for (const { rollupId, key, manner, state } of after.executors) {
      const isLiar = this.#liars.has(`${rollupId}/${key}`);
      if (isLiar === state.isTombstoned && (!isLiar || state.bond === 0n)) continue;
      throw new SimulationFailure(
        `slash: executor ${key} (${manner}) has ${isLiar ? "lied" : "not lied"}; out: ${state.isTombstoned}, bond ${state.bond}`,
      );
    }
  }
}

/** Of one block, and of the first node that has it. */
interface StateAfter {
  readonly open: ReadonlyMap<string, AtomicState>;
  /** One that was open before the block. */
  readonly decided: (id: string) => AtomicState | undefined;
  readonly executors: readonly (SimExecutor & {
    readonly state: ReturnType<typeof executorOf>;
  })[];
  readonly atomicBonds: bigint;
  readonly executorBonds: bigint;
  readonly hiddenBlocks: ReturnType<typeof hiddenBlocksMax>;
}

function legKey({ bundleId, rollupId }: Pick<ExecutorVote, "bundleId" | "rollupId">): string {
  return `${toHex(bundleId)}/${toHex(rollupId)}`;
}

function contentOf(vote: ExecutorVote): string {
  const { verdict, reason, preStateRoot, effectsHash, outbox, inbox } = vote;
  const boxes = [outbox, inbox].map((list) =>
    list.map(({ rollupId, root }) => `${toHex(rollupId)}=${toHex(root)}`).join(),
  );
  return [verdict, reason, toHex(preStateRoot), toHex(effectsHash), ...boxes].join(" ");
}
