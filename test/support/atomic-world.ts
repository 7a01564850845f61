/** A chain whose rollups take part in atomic execution, and what its executors send. */
import { idOfBundle } from "../../mev/manifest.ts";
import { compareBytes, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import type { AtomicState, ExecutorState } from "../../proto/codec/atomic-state.ts";
import {
  AtomicOutcome,
  type Box,
  type ExecutorReport,
  type ExecutorVote,
  Verdict,
} from "../../proto/codec/atomic-tx.ts";
import { type Action, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { atomicOf } from "../../sequencer/app/atomic/bundles.ts";
import { executorOf } from "../../sequencer/app/atomic/executors.ts";
import { bundleOf, type BundleTerms, type LegTerms } from "./bundles.ts";
import {
  CHAIN_ID,
  type ChainOptions,
  idOf,
  signedItem,
  TestChain,
  unordered,
  type Wallet,
  wallet,
} from "./weft-app.ts";

export const EXECUTORS_OF_A_ROLLUP = 3;
export const EXECUTOR_QUORUM = 2;
export const EXECUTOR_BOND = 1_000_000n;
export const LOCK_BOND = 1_000n;
const FIRST_EXECUTOR = 20;

/** Wallet of an executor; accounts of genesis. */
export function executorWallet(rollup: number, member: number): Wallet {
  return wallet(FIRST_EXECUTOR + rollup * EXECUTORS_OF_A_ROLLUP + member);
}

export interface AtomicWorldOptions extends ChainOptions {
  readonly names?: readonly string[];
  /** By name: the rollups that it lets itself be bundled with. */
  readonly partners?: Readonly<Record<string, readonly string[]>>;
}

/** What differs in a vote of YES; `effects`: what they are of. */
export interface YesTerms {
  readonly effects?: string;
  readonly outbox?: readonly Box[];
  readonly inbox?: readonly Box[];
}

export const rootOf = (text: string): Uint8Array => sha256(Buffer.from(text));

/** Options of a chain with executors that have their bonds still to pay. */
export function atomicOptions({
  names = ["alpha", "beta"],
  partners = {},
  ...options
}: AtomicWorldOptions = {}) {
  const keysOf = (rollup: number): string[] =>
    Array.from({ length: EXECUTORS_OF_A_ROLLUP }, (_, member) =>
      toHex(executorWallet(rollup, member).key.publicKey),
    );
  const rollups = Object.fromEntries(
    names.map((name, at) => [
      name,
      {
        executor_keys: keysOf(at),
        executor_quorum: EXECUTOR_QUORUM,
        atomic_partners: partners[name] ?? [],
      },
    ]),
  );
  return {
    validators: 1,
    wallets: FIRST_EXECUTOR + names.length * EXECUTORS_OF_A_ROLLUP,
    ...options,
    rollups: { ...rollups, plain: {}, ...options.rollups },
    params: {
      executor_bond_min: String(EXECUTOR_BOND),
      atomic_lock_bond: String(LOCK_BOND),
      atomic_lock_rent: "0",
      atomic_report_blocks: 10,
      executor_unbond_blocks: 64,
      executor_jail_blocks: 5,
      ...options.params,
    },
  } satisfies ChainOptions;
}

export class AtomicWorld {
  readonly chain: TestChain;
  readonly names: readonly string[];
  #made = 0;

  constructor(chain: TestChain, names: readonly string[]) {
    this.chain = chain;
    this.names = names;
  }

  /** With all bonds paid. */
  static async start(options: AtomicWorldOptions = {}): Promise<AtomicWorld> {
    const { names = ["alpha", "beta"] } = options;
    const world = new AtomicWorld(await TestChain.start(atomicOptions(options)), names);
    await world.bondAll();
    return world;
  }

  async bondAll(): Promise<void> {
    for (const [rollup, name] of this.names.entries()) {
      for (let member = 0; member < EXECUTORS_OF_A_ROLLUP; member++) {
        const rollupId = rollupIdOfName(name);
        const action = { kind: "bondExecutor", rollupId, amount: EXECUTOR_BOND } as const;
        await this.submit(this.item(executorWallet(rollup, member), action));
      }
    }
    await this.chain.step(0);
  }

  /** Signed by `sender`; unordered, and another one each time. */
  item(sender: Wallet, action: Action): Uint8Array {
    return signedItem(sender, unordered(this.chain.height + 100, `salt ${this.#made++}`), action);
  }

  /** Throws unless the pool takes it. */
  async submit(item: Uint8Array): Promise<void> {
    const code = await this.chain.submit(item);
    if (code !== 0) throw new Error(`the pool refuses it with code ${code}`);
  }

  /** A bundle across all rollups, and its id. */
  bundle(
    sender: number,
    terms: BundleTerms = {},
    legs: readonly LegTerms[] = this.names.map((rollup) => ({ rollup })),
  ): { readonly item: Uint8Array; readonly id: Uint8Array } {
    const atomic = { voteBlocks: 4, locks: legs.map(() => 2) };
    const action = bundleOf(legs, { atomic, maxHeight: this.chain.height + 40, ...terms });
    const item = this.item(wallet(sender), action);
    return { item, id: idOfBundle(CHAIN_ID, action, idOf(item)) };
  }

  /** Puts one into a block; its id. */
  async place(
    sender = 0,
    terms: BundleTerms = {},
    legs?: readonly LegTerms[],
  ): Promise<Uint8Array> {
    const { item, id } = this.bundle(sender, terms, legs);
    await this.submit(item);
    await this.chain.step(0);
    return id;
  }

  yes(bundleId: Uint8Array, rollup: number, terms: YesTerms = {}): ExecutorVote {
    const { effects = "", outbox = [], inbox = [] } = terms;
    const name = this.names[rollup] ?? "";
    return {
      kind: "executorVote",
      bundleId,
      rollupId: rollupIdOfName(name),
      verdict: Verdict.YES,
      reason: 0,
      preStateRoot: rootOf(`before ${name}`),
      effectsHash: rootOf(`effects ${name} ${effects}`),
      outbox: outbox.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId)),
      inbox: inbox.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId)),
    };
  }

  no(bundleId: Uint8Array, rollup: number, reason: number): ExecutorVote {
    return {
      kind: "executorVote",
      bundleId,
      rollupId: rollupIdOfName(this.names[rollup] ?? ""),
      verdict: Verdict.NO,
      reason,
      preStateRoot: EMPTY_BYTES,
      effectsHash: EMPTY_BYTES,
      outbox: [],
      inbox: [],
    };
  }

  /** Of what `yes` with these effects says; without: of an ABORT. */
  report(bundleId: Uint8Array, rollup: number, effects?: string): ExecutorReport {
    const name = this.names[rollup] ?? "";
    return {
      kind: "executorReport",
      bundleId,
      rollupId: rollupIdOfName(name),
      outcome: effects === undefined ? AtomicOutcome.ABORT : AtomicOutcome.COMMIT,
      effectsHash: effects === undefined ? EMPTY_BYTES : rootOf(`effects ${name} ${effects}`),
      blockHash: rootOf("block"),
    };
  }

  /** Signed by one executor of the rollup. */
  by(rollup: number, member: number, action: Action): Uint8Array {
    return this.item(executorWallet(rollup, member), action);
  }

  /** Votes of these members, into the pool. */
  async vote(
    rollup: number,
    members: readonly number[],
    vote: ExecutorVote | ExecutorReport,
  ): Promise<void> {
    for (const member of members) await this.submit(this.by(rollup, member, vote));
  }

  state(id: Uint8Array): AtomicState | undefined {
    return atomicOf(this.chain.app.read.staking(), toHex(id));
  }

  executor(rollup: number, member: number): ExecutorState {
    const { publicKey } = executorWallet(rollup, member).key;
    const id = toHex(rollupIdOfName(this.names[rollup] ?? ""));
    return executorOf(this.chain.app.read.staking(), id, toHex(publicKey));
  }
}
