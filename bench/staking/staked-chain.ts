/** The state of a chain with much stake, committed to a store in memory, as a node has it. */
import { createSealArithmetic } from "../../mev/seal/arithmetic.ts";
import { MemoryLevel } from "memory-level";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { ParamsState } from "../../proto/codec/weft-state.ts";
import { sha256 } from "../../proto/hash.ts";
import { BlockIdFlag, type Timestamp } from "../../proto/types.ts";
import { ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import type { Misbehavior, VoteInfo } from "../../sequencer/abci/application.ts";
import { beginBlock, endBlock } from "../../sequencer/app/execution/begin-end.ts";
import {
  type GenesisAppState,
  type GenesisValidator,
  genesisState,
} from "../../sequencer/app/genesis.ts";
import { NO_OPENINGS } from "../../sequencer/app/seal/items/openings.ts";
import { consensusAddress } from "../../sequencer/app/staking/validator-records.ts";
import { CommittedState } from "../../sequencer/app/state/committed-state.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import { StateStore } from "../../sequencer/app/state-tree/state-store.ts";
import { WorkingState } from "../../sequencer/app/state/working-state.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";

const CHAIN_ID = "weft-bench";
const GENESIS_SECONDS = 1_700_000_000;
const BLOCK_SECONDS = 2;
const BLOCK_BYTES_MAX = 4 << 20;
/** Of every block; nobody. */
const PROPOSER = new Uint8Array(20);
/** nweft of each delegation. */
export const DELEGATED = 10_000_000n;

export interface StakedChainOptions {
  readonly validators: number;
  /** Of the first validator, and of all others together; the operators' own included. */
  readonly delegationsFirst: number;
  readonly delegationsOthers: number;
  readonly params: Partial<Pick<ParamsState, "epochLength" | "unbondingSeconds">>;
}

/** A chain between two blocks; each measured block branches off and is dropped. */
export class StakedChain {
  /** Consensus addresses, 40-hex. */
  readonly validators: readonly string[];
  readonly committed: CommittedState;
  readonly #votes: readonly VoteInfo[];
  /** Seconds that blocks have been skipped ahead. */
  #skipped = 0;

  private constructor(
    validators: readonly string[],
    committed: CommittedState,
    votes: readonly VoteInfo[],
  ) {
    this.validators = validators;
    this.committed = committed;
    this.#votes = votes;
  }

  static async create(options: StakedChainOptions): Promise<StakedChain> {
    const { validators: count, delegationsFirst, delegationsOthers, params } = options;
    const each = Math.floor(delegationsOthers / (count - 1));
    const delegationsOf = (i: number): number => (i === 0 ? delegationsFirst : each);
    const powerOf = (i: number): bigint => (BigInt(delegationsOf(i)) * DELEGATED) / 1_000_000n;
    const validators = new Map<string, GenesisValidator>();
    for (let i = 0; i < count; i++) {
      const consensusKey = ed25519KeyPairFromSeed(seed(`consensus ${i}`)).publicKey;
      validators.set(consensusAddress(consensusKey), { consensusKey, power: powerOf(i) });
    }
    const addresses = [...validators.keys()];
    const appState: GenesisAppState = {
      validators: addresses.map((address, i) => ({
        address,
        application_key: toHex(ed25519KeyPairFromSeed(seed(`application ${i}`)).publicKey),
        operator: formatAddress(fromHex(delegatorOf(i, 0))),
      })),
      delegations: addresses.flatMap((validator, i) =>
        Array.from({ length: delegationsOf(i) }, (_, k) => ({
          delegator: formatAddress(fromHex(delegatorOf(i, k))),
          validator,
          amount: String(DELEGATED),
        })),
      ),
      params: {
        epoch_length: params.epochLength ?? 1_000,
        unbonding_seconds: params.unbondingSeconds ?? 1_209_600,
      },
    };
    const state = genesisState(utf8ToBytes(JSON.stringify(appState)), {
      chainId: CHAIN_ID,
      initialHeight: Height(1),
      blockBytesMax: BLOCK_BYTES_MAX,
      setSizeMax: 1_000,
      genesisSeconds: GENESIS_SECONDS,
      evidenceMaxAgeBlocks: 100_000,
      evidenceMaxAgeSeconds: 172_800,
      validators,
    });
    const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
    const database = await openKeyValueStore(level, yieldToLoop);
    const store = await StateStore.open({}, { database, yieldToLoop });
    await store.commit(await store.stage(state), 0);
    const committed = await CommittedState.load(store, createSealArithmetic());
    const votes = addresses.map((address, i) => ({
      validator: { address: fromHex(address), power: powerOf(i) },
      blockIdFlag: BlockIdFlag.COMMIT,
    }));
    return new StakedChain(addresses, committed, votes);
  }

  /** The next block, with nothing done yet. */
  branch(): WorkingState {
    const height = this.committed.nextHeight();
    const time = timeOf(height, this.#skipped);
    return new WorkingState(this.committed, { height, time, proposerAddress: PROPOSER });
  }

  /** Votes of the last commit; of some validators none. */
  votes(absent = 0): readonly VoteInfo[] {
    return this.#votes.map((vote, i) =>
      i < absent ? { ...vote, blockIdFlag: BlockIdFlag.ABSENT } : vote,
    );
  }

  /** What a block without fees does before its first item. */
  begin(
    working: WorkingState,
    votes: readonly VoteInfo[],
    misbehavior: readonly Misbehavior[] = [],
  ): void {
    beginBlock(working, {
      misbehavior,
      votes,
      lists: [],
      openings: NO_OPENINGS,
      proposerAddress: PROPOSER,
    });
  }

  end(working: WorkingState): void {
    endBlock(working, {
      txs: [],
      blockBytesMax: BLOCK_BYTES_MAX,
      proposerAddress: PROPOSER,
    });
  }

  /** A whole block, committed; the next ones come so many seconds later. */
  async commit(
    work: (working: WorkingState) => void = () => undefined,
    skipSeconds = 0,
  ): Promise<void> {
    const working = this.branch();
    this.begin(working, this.votes());
    work(working);
    this.end(working);
    const { height } = working;
    const changes = working.changes({
      height: Height(height),
      hash: sha256(utf8ToBytes(`block ${height}`)),
      time: timeOf(height, this.#skipped),
    });
    this.#skipped += skipSeconds;
    const { store } = this.committed;
    const staged = await store.stage(changes);
    await store.commit(staged, height, {
      onVisible: () => this.committed.advance(staged.changes),
    });
  }
}

/** Account of the `k`-th delegator of the `i`-th validator, 40-hex; the first one is the operator. */
export function delegatorOf(i: number, k: number): string {
  return toHex(seed(`delegator ${i}/${k}`).subarray(0, 20));
}

function seed(name: string): Uint8Array {
  return sha256(utf8ToBytes(`weft bench ${name}`));
}

export function timeOf(height: number, skippedSeconds = 0): Timestamp {
  return { seconds: BigInt(GENESIS_SECONDS + height * BLOCK_SECONDS + skippedSeconds), nanos: 0 };
}
