/**
 * What the application of a run changes of the chain at which height: validators' powers and consensus
 * parameters. A function of the height alone, so that every replay of a block gives the same answer.
 */
import { Height } from "../../proto/brands.ts";
import type { ConsensusParams, ValidatorSet } from "../../proto/types.ts";
import { assert } from "../../proto/errors.ts";
import {
  createValidatorSet,
  incrementProposerPriority,
  updateValidatorSet,
} from "../../proto/validator-set.ts";
import type { Application, ValidatorUpdate } from "../../sequencer/abci/application.ts";
import { methodsOf } from "../support/application-methods.ts";
import type { Random } from "../support/random.ts";
import { simKeys } from "./sim-keys.ts";

export interface PowerChange {
  /** Index of the validator. */
  readonly index: number;
  /** 0 removes it. */
  readonly power: number;
}

export interface ChainPlan {
  /** By the height of the block whose results ask for them; they sign two heights later. */
  readonly powers: ReadonlyMap<number, PowerChange>;
  /** `block.max_bytes` from the next height on. */
  readonly blockBytesMax: ReadonlyMap<number, number>;
  /** Vote extensions begin at `from`, decided by the block at `at`; undefined: with the chain. */
  readonly extensions: { readonly at: number; readonly from: number } | undefined;
}

export const NO_CHANGES: ChainPlan = {
  powers: new Map(),
  blockBytesMax: new Map(),
  extensions: undefined,
};

/** Changes of powers that leave the byzantine validators below a third in each set. */
export function drawPowerChanges(
  random: Random,
  genesisPowers: readonly number[],
  byzantine: ReadonlySet<number>,
): ReadonlyMap<number, PowerChange> {
  const changes = new Map<number, PowerChange>();
  const powers = [...genesisPowers];
  let height = 0;
  for (let count = 1 + random.below(5); count > 0; count--) {
    height += 1 + random.below(4);
    const index = random.below(powers.length);
    const isMember = (powers[index] ?? 0) > 0;
    const power = isMember && random.chance(50) ? 0 : 1 + random.below(20);
    const changed = powers.with(index, power);
    const total = changed.reduce((sum, each) => sum + each, 0);
    const faulty = changed.reduce((sum, each, at) => sum + (byzantine.has(at) ? each : 0), 0);
    if (total === 0 || faulty * 3 >= total) continue;
    powers[index] = power;
    changes.set(height, { index, power });
  }
  return changes;
}

/** The sets that sign, height by height, from genesis, the plan and what Weft's application decided. */
export class PlannedValidators {
  readonly #plan: ChainPlan;
  /** What the application itself asked for, by height of the block. */
  readonly #asked = new Map<number, readonly ValidatorUpdate[]>();
  /** By height less 1; priorities are those of round 0. */
  readonly #sets: ValidatorSet[];

  constructor(plan: ChainPlan, genesisPowers: readonly number[]) {
    this.#plan = plan;
    const first = createValidatorSet(
      genesisPowers.map((power, index) => ({
        publicKey: simKeys(index).validator.publicKey,
        votingPower: BigInt(power),
      })),
    );
    this.#sets = [first, incrementProposerPriority(first, 1)];
  }

  /** Hears what the application asks for with a block, as soon as the first node has executed it. */
  learn(height: number, updates: readonly ValidatorUpdate[]): void {
    if (updates.length === 0 || this.#asked.has(height)) return;
    assert(this.#sets.length <= height + 1, "nobody needs a set before its block is executed");
    this.#asked.set(height, updates);
  }

  at(height: number): ValidatorSet {
    while (this.#sets.length < height) {
      const last = this.#sets.at(-1);
      assert(last !== undefined, "genesis has a set");
      // What block h asks for is in the set of h + 2.
      const at = this.#sets.length - 1;
      const planned = this.#plan.powers.get(at);
      const updates = [
        ...(this.#asked.get(at) ?? []).map(({ publicKey, power }) => ({
          publicKey,
          votingPower: power,
        })),
        ...(planned === undefined ? [] : [toUpdate(planned)]),
      ];
      const changed = updates.length === 0 ? last : updateValidatorSet(last, updates);
      this.#sets.push(incrementProposerPriority(changed, 1));
    }
    const set = this.#sets[height - 1];
    assert(set !== undefined, `heights begin at 1, got ${height}`);
    return set;
  }

  /** Addresses of those whose turn it was in the rounds up to `round`. */
  proposers(height: number, round: number): readonly Uint8Array[] {
    return Array.from({ length: round + 1 }, (_, at) => {
      const set = this.at(height);
      return (at === 0 ? set : incrementProposerPriority(set, at)).proposer.address;
    });
  }
}

function toUpdate({ index, power }: PowerChange) {
  return { publicKey: simKeys(index).validator.publicKey, votingPower: BigInt(power) };
}

/** Whether precommits of a height carry extensions. */
export function areExtended({ extensions }: ChainPlan, height: number): boolean {
  return extensions === undefined || height >= extensions.from;
}

/** The application, whose results ask for what the plan says. */
export function withChanges(
  inner: Application,
  plan: ChainPlan,
  genesisParams: ConsensusParams,
  validators: PlannedValidators,
): Application {
  return {
    ...methodsOf(inner),
    finalizeBlock: async (request) => {
      const response = await inner.finalizeBlock(request);
      const { height } = request;
      validators.learn(height, response.validatorUpdates);
      const change = plan.powers.get(height);
      const updates: readonly ValidatorUpdate[] =
        change === undefined
          ? []
          : [
              {
                publicKey: simKeys(change.index).validator.publicKey,
                power: BigInt(change.power),
              },
            ];
      return {
        ...response,
        validatorUpdates: [...response.validatorUpdates, ...updates],
        consensusParamUpdates:
          paramsAfter(plan, genesisParams, height) ?? response.consensusParamUpdates,
      };
    },
  };
}

/** All parameters, when the block at `height` changes one of them. */
function paramsAfter(
  { blockBytesMax, extensions }: ChainPlan,
  genesisParams: ConsensusParams,
  height: number,
): ConsensusParams | undefined {
  if (!blockBytesMax.has(height) && extensions?.at !== height) return undefined;
  const sizes = [...blockBytesMax].filter(([at]) => at <= height);
  const [, maxBytes] = sizes.at(-1) ?? [0, Number(genesisParams.block.maxBytes)];
  const isDecided = extensions !== undefined && extensions.at <= height;
  return {
    ...genesisParams,
    block: { ...genesisParams.block, maxBytes: BigInt(maxBytes) },
    abci: isDecided ? { voteExtensionsEnableHeight: Height(extensions.from) } : genesisParams.abci,
  };
}
