/**
 * The rules of locking, for each honest validator by itself: no fork is needed to see that one was
 * broken. Who precommitted a block prevotes nothing else later in that height, unless +2/3 prevoted
 * something else meanwhile; nobody precommits a block without +2/3 of prevotes for it; and nobody votes
 * for a block that was not proposed by one whose turn it was. Byzantine
 * validators are taken to have prevoted everything, so that what a node may have seen is no fault.
 */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { SignedMsgType, type Proposal, type Vote } from "../../proto/types.ts";
import { SimulationFailure } from "./checkers.ts";
import type { PlannedValidators } from "./chain-plan.ts";

interface HeightVotes {
  /** Power of the byzantine validators of this height. */
  readonly byzantine: bigint;
  readonly total: bigint;
  readonly powers: ReadonlyMap<string, bigint>;
  /** By round and block: the power of honest prevotes. */
  readonly prevotes: Map<number, Map<string, bigint>>;
  readonly locks: Map<string, { readonly round: number; readonly block: string }>;
  readonly seen: Set<string>;
  /** Blocks that were proposed by one whose turn it was. */
  readonly proposed: Set<string>;
}

export class LockChecker {
  readonly #validators: PlannedValidators;
  readonly #honest: ReadonlySet<string>;
  readonly #heights = new Map<number, HeightVotes>();

  /** `honest`: addresses in hex. */
  constructor(validators: PlannedValidators, honest: ReadonlySet<string>) {
    this.#validators = validators;
    this.#honest = honest;
  }

  /** Somebody has signed a proposal; it counts when it was their turn. */
  proposed(address: Uint8Array, { height, round, blockId }: Proposal): void {
    const proposer = this.#validators.proposers(height, round).at(-1);
    if (proposer === undefined || !bytesEqual(proposer, address)) return;
    this.#at(height).proposed.add(toHex(blockId.hash));
  }

  /** An honest validator has signed a vote; throws when it must not have. */
  signed(vote: Vote): void {
    const at = this.#at(vote.height);
    const voter = toHex(vote.validatorAddress);
    const block = toHex(vote.blockId.hash);
    const { round, type, height } = vote;
    const key = `${voter}/${round}/${type}/${block}`;
    // After a crash the same is signed again; or, where what was signed was lost unsent, something else.
    if (at.seen.has(key)) return;
    at.seen.add(key);
    const place = `at ${height}/${round}`;
    if (block !== "" && !at.proposed.has(block)) {
      throw new SimulationFailure(
        `proposer: ${voter} votes for ${block} ${place}, which nobody proposed whose turn it was`,
      );
    }
    if (type === SignedMsgType.PREVOTE) {
      const lock = at.locks.get(voter);
      const blocks = at.prevotes.get(round) ?? new Map<string, bigint>();
      at.prevotes.set(round, blocks);
      blocks.set(block, (blocks.get(block) ?? 0n) + (at.powers.get(voter) ?? 0n));
      if (lock === undefined || lock.block === block || lock.round >= round) return;
      if (this.#mayUnlock(at, lock, round)) return;
      throw new SimulationFailure(
        `lock: ${voter} prevotes ${block || "nil"} ${place}, it precommitted ${lock.block} in round ${lock.round} and nothing unlocked it`,
      );
    }
    if (block === "") return;
    if (!this.#mayHavePolka(at, round, block)) {
      throw new SimulationFailure(
        `polka: ${voter} precommits ${block} ${place} without +2/3 of prevotes for it`,
      );
    }
    at.locks.set(voter, { round, block });
  }

  #mayUnlock(
    at: HeightVotes,
    lock: { readonly round: number; readonly block: string },
    until: number,
  ): boolean {
    for (let round = lock.round + 1; round <= until; round++) {
      for (const block of at.prevotes.get(round)?.keys() ?? []) {
        if (block !== lock.block && this.#mayHavePolka(at, round, block)) return true;
      }
    }
    return false;
  }

  #mayHavePolka(at: HeightVotes, round: number, block: string): boolean {
    const honest = at.prevotes.get(round)?.get(block) ?? 0n;
    return (honest + at.byzantine) * 3n > at.total * 2n;
  }

  #at(height: number): HeightVotes {
    const known = this.#heights.get(height);
    if (known !== undefined) return known;
    const { validators, totalVotingPower } = this.#validators.at(height);
    const powers = new Map(
      validators.map(({ address, votingPower }) => [toHex(address), votingPower]),
    );
    let byzantine = 0n;
    for (const [address, power] of powers) if (!this.#honest.has(address)) byzantine += power;
    const made: HeightVotes = {
      byzantine,
      total: totalVotingPower,
      powers,
      prevotes: new Map(),
      locks: new Map(),
      seen: new Set(),
      proposed: new Set(),
    };
    this.#heights.set(height, made);
    return made;
  }
}
