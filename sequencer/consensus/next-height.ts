import { assertNever, isWeftError } from "../../proto/errors.ts";
import { BLOCK_PART_SIZE_BYTES } from "../../proto/limits.ts";
import { PartSet } from "../../proto/part-set.ts";
import type { ConsensusInput } from "./inputs.ts";
import { NEXT_HEIGHT_PART_BYTES_MAX, NEXT_HEIGHT_VOTES_MAX } from "./limits.ts";

type Input<Kind extends ConsensusInput["kind"]> = Extract<ConsensusInput, { readonly kind: Kind }>;

/** A message that may be of the next height. */
export type EarlyInput = Input<"proposalReceived"> | Input<"partReceived"> | Input<"voteReceived">;

/**
 * Messages of round 0 of the next height, kept until that height starts. CometBFT drops them and
 * gets them again from gossip; where heights take milliseconds, that wait is most of the time.
 * Bounded: one proposal, the parts that belong to it, one vote per validator and type.
 */
export class NextHeight {
  #height = 0;
  #proposal: Input<"proposalReceived"> | undefined;
  #partSet: PartSet | undefined;
  #parts: Input<"partReceived">[] = [];
  readonly #votes = new Map<string, Input<"voteReceived">>();
  #areTxsAvailable = false;

  /** Keeps a message for `height`, forgetting another height's; false when there is no room. */
  keep(height: number, input: EarlyInput): boolean {
    this.#turnTo(height);
    switch (input.kind) {
      case "proposalReceived":
        return this.#keepProposal(input);
      case "partReceived":
        return this.#keepPart(input);
      case "voteReceived":
        return this.#keepVote(input);
      default:
        return assertNever(input, "early input");
    }
  }

  keepTxsAvailable(height: number): void {
    this.#turnTo(height);
    this.#areTxsAvailable = true;
  }

  areTxsAvailable(height: number): boolean {
    return this.#height === height && this.#areTxsAvailable;
  }

  /** What was kept for `height`, in the order to handle it; nothing is kept afterwards. */
  take(height: number): readonly EarlyInput[] {
    this.#turnTo(height);
    const proposal = this.#proposal === undefined ? [] : [this.#proposal];
    const taken = [...proposal, ...this.#parts, ...this.#votes.values()];
    this.#clear();
    return taken;
  }

  describe(): string {
    const votes = [...this.#votes.keys()].join(",");
    const parts = this.#parts.map((input) => input.part.index).join(",");
    return `${this.#height} ${this.#proposal !== undefined} ${parts} ${votes} ${this.#areTxsAvailable}`;
  }

  #keepProposal(input: Input<"proposalReceived">): boolean {
    const { proposal } = input;
    const { total } = proposal.blockId.partSetHeader;
    const isSmall = total >= 1 && total * BLOCK_PART_SIZE_BYTES <= NEXT_HEIGHT_PART_BYTES_MAX;
    if (proposal.round !== 0 || !isSmall || this.#proposal !== undefined) return false;
    this.#proposal = input;
    this.#partSet = new PartSet(proposal.blockId.partSetHeader);
    return true;
  }

  /** Only parts that prove to belong to the proposal: junk takes no room. */
  #keepPart(input: Input<"partReceived">): boolean {
    try {
      if (this.#partSet?.add(input.part) !== true) return false;
    } catch (error) {
      // Gossip brings the right part again; this one is dropped as any part that does not fit.
      if (isWeftError(error)) return false;
      throw error;
    }
    this.#parts.push(input);
    return true;
  }

  #keepVote(input: Input<"voteReceived">): boolean {
    const { vote } = input;
    const isJudged = vote.extension.length === 0 && vote.extensionSignature.length === 0;
    const key = `${vote.type}/${vote.validatorIndex}`;
    if (vote.round !== 0 || !isJudged || this.#votes.has(key)) return false;
    if (this.#votes.size >= NEXT_HEIGHT_VOTES_MAX) return false;
    this.#votes.set(key, input);
    return true;
  }

  #turnTo(height: number): void {
    if (this.#height === height) return;
    this.#clear();
    this.#height = height;
  }

  #clear(): void {
    this.#proposal = undefined;
    this.#partSet = undefined;
    this.#parts = [];
    this.#votes.clear();
    this.#areTxsAvailable = false;
  }
}
