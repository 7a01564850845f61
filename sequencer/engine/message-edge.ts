/**
 * What peers send, before it reaches the core: cheapest check first (spec/cometbft-v0.38.md §13.1,
 * §14). Height, shape and "do we have it" come before the signature; signatures are checked off the
 * event loop; an extension goes to the application last. What passes is queued.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { sha256Concat } from "../../proto/hash.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../proto/sign-bytes.ts";
import {
  SignedMsgType,
  type BlockId,
  type Part,
  type Proposal,
  type Validator,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";
import { blockIdKey, blockIdsEqual } from "../../proto/validate-basic.ts";
import type { SignatureVerifier, SignedItem } from "../../proto/verify/ed25519.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import type { Clock } from "../ports/clock.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { nextHeightRules } from "./chain-state.ts";
import type { InputQueue, PeerInput } from "./input-queue.ts";
import {
  NEXT_HEIGHT_INPUTS_MAX,
  NEXT_HEIGHT_INPUTS_PER_PEER_MAX,
  PENDING_CHECKS_MAX,
  PENDING_CHECKS_PER_PEER_MAX,
} from "./limits.ts";
import type { EngineMetrics } from "./metrics.ts";

/** Why a peer's message was not used; a closed set that labels a metric. */
export type DropReason =
  | "notRunning"
  | "height"
  | "round"
  | "duplicate"
  | "unknownValidator"
  | "extensionForm"
  | "signature"
  | "extensionRefused"
  | "unexpectedPart"
  | "queueFull"
  | "checksFull"
  | "nextHeightFull";

export interface MessageEdgeDeps {
  readonly queue: InputQueue;
  readonly verifier: SignatureVerifier;
  readonly executor: Pick<BlockExecutor, "verifyVoteExtension">;
  readonly clock: Clock;
  readonly metrics: EngineMetrics;
  readonly view: () => RoundStateView;
  readonly state: () => ChainState;
  readonly isRunning: () => boolean;
  /** An honest peer passes on only what it has checked. */
  readonly onMisbehaviour: (peer: NodeId, reason: string) => void;
  /** The application or the verifier failed. */
  readonly onFatal: (error: unknown) => void;
}

interface PlaceOfProposal {
  readonly height: number;
  readonly round: number;
}

interface Parked {
  readonly origin: NodeId;
  readonly admit: () => void;
}

export class MessageEdge {
  readonly #chainId: string;
  readonly #deps: MessageEdgeDeps;
  /** Signatures being checked, so that the same message from two peers costs one check. */
  readonly #pending = new Set<string>();
  /** How many of them each peer has under way: forged signatures are slow to reject. */
  readonly #checksOfPeer = new Map<NodeId, number>();
  /** Messages of the next height, to be admitted when it starts. */
  #parked: Parked[] = [];
  /** The proposal being checked; its parts wait for it, in their order. */
  #proposalCheck: Promise<void> | undefined;
  /** Round of the last proposal that was queued: its parts are expected before the core knows it. */
  #queuedProposal: PlaceOfProposal | undefined;
  /** Round of the last second proposal that was queued. */
  #conflictChecked: PlaceOfProposal | undefined;

  constructor(options: { readonly chainId: string }, deps: MessageEdgeDeps) {
    this.#chainId = options.chainId;
    this.#deps = deps;
  }

  receiveProposal(proposal: Proposal, origin: NodeId): void {
    const { height, round } = proposal;
    if (!this.#isForNow(height, origin, () => this.receiveProposal(proposal, origin))) return;
    const view = this.#deps.view();
    if (round !== view.round) return this.#drop("round");
    const known = view.proposal;
    if (known !== undefined && !this.#mayConflict(known, proposal)) return this.#drop("duplicate");
    const proposer = view.validators.proposer;
    const message = proposalSignBytes(this.#chainId, proposal);
    const items = [signedItem(proposer, message, proposal.signature)];
    const check = this.#check(items, origin, "proposal", async (key) => {
      const signer = proposer.address;
      if (this.#enqueue({ kind: "proposalReceived", proposal, origin, signer }, key)) {
        this.#queuedProposal = { height, round };
        if (known !== undefined) this.#conflictChecked = { height, round };
      }
    });
    if (check === undefined) return;
    const settled = check.finally(() => {
      if (this.#proposalCheck === settled) this.#proposalCheck = undefined;
    });
    this.#proposalCheck = settled;
  }

  /**
   * A second proposal of a round for another block is a fault of its proposer, which the core reports. One
   * of each round is checked: that is proof enough.
   */
  #mayConflict(known: Proposal, { height, round, blockId }: Proposal): boolean {
    if (blockIdsEqual(known.blockId, blockId)) return false;
    const checked = this.#conflictChecked;
    return checked?.height !== height || checked.round !== round;
  }

  receivePart(height: Height, round: Round, part: Part, origin: NodeId): void {
    if (!this.#isForNow(height, origin, () => this.receivePart(height, round, part, origin))) {
      return;
    }
    const { metrics } = this.#deps;
    const view = this.#deps.view();
    const parts = view.proposalParts;
    const queued = this.#queuedProposal;
    const isExpected =
      parts !== undefined || (queued?.height === height && queued.round === view.round);
    if (!isExpected && this.#proposalCheck !== undefined) {
      if (this.#pending.size >= PENDING_CHECKS_MAX) return this.#drop("checksFull");
      const key = `part/${height}/${round}/${part.index}/${origin}`;
      if (this.#pending.has(key)) return this.#drop("duplicate");
      this.#pending.add(key);
      void this.#proposalCheck.then(() => {
        this.#pending.delete(key);
        return this.receivePart(height, round, part, origin);
      });
      return;
    }
    if (parts?.partAt(part.index) !== undefined) {
      metrics.duplicateBlockPart.inc();
      return this.#drop("duplicate");
    }
    // CometBFT tolerates another round's number on a part; so the height alone decides.
    if (parts === undefined && this.#queuedProposal?.height !== height) {
      return this.#drop("unexpectedPart");
    }
    metrics.blockParts.inc({ peer_id: origin });
    this.#enqueue({ kind: "partReceived", height, round, part, origin });
  }

  receiveVote(vote: Vote, origin: NodeId): void {
    const view = this.#deps.view();
    const isLate = vote.height + 1 === view.height && vote.type === SignedMsgType.PRECOMMIT;
    if (!isLate && !this.#isForNow(vote.height, origin, () => this.receiveVote(vote, origin))) {
      return;
    }
    if (!this.#deps.isRunning()) return this.#drop("notRunning");
    const { metrics } = this.#deps;
    const set = isLate ? this.#deps.state().lastValidators : view.validators;
    const validator = set?.validators[vote.validatorIndex];
    if (validator === undefined || !bytesEqual(validator.address, vote.validatorAddress)) {
      return this.#drop("unknownValidator");
    }
    if (!isLate && vote.round < view.round) {
      metrics.lateVotes.inc({
        vote_type: vote.type === SignedMsgType.PREVOTE ? "prevote" : "precommit",
      });
    }
    const known = isLate ? view.lastCommit : view.votes(vote.round, vote.type);
    const have = known?.voteAt(vote.validatorIndex);
    if (have !== undefined && bytesEqual(have.signature, vote.signature)) {
      metrics.duplicateVote.inc();
      return this.#drop("duplicate");
    }
    const items = this.#voteItems(vote, validator, isLate);
    if (items === undefined) return this.#drop("extensionForm");
    void this.#check(items, origin, "vote", async (key) => {
      const isAccepted = items.length < 2 || isLate || (await this.#isExtensionAccepted(vote));
      if (!isAccepted) return this.#drop("extensionRefused");
      this.#enqueue({ kind: "voteReceived", vote, origin }, key);
    });
  }

  receiveMajorityClaim(
    height: Height,
    round: Round,
    type: VoteType,
    blockId: BlockId,
    origin: NodeId,
  ): void {
    if (!this.#deps.isRunning()) return this.#drop("notRunning");
    if (height !== this.#deps.view().height) return this.#drop("height");
    const key = `claim/${height}/${round}/${type}/${toHex(blockIdKey(blockId))}/${origin}`;
    if (this.#deps.queue.holds(key)) return this.#drop("duplicate");
    this.#enqueue({ kind: "majorityClaimed", height, round, type, blockId, origin }, key);
  }

  /** Admits what came too early. */
  heightStarted(): void {
    const parked = this.#parked;
    this.#parked = [];
    this.#queuedProposal = undefined;
    this.#deps.metrics.inputQueueDepth.set(0, { queue: "next" });
    for (const { admit } of parked) admit();
  }

  /** Whether a message is for the current height; one for the next is kept until that starts. */
  #isForNow(height: number, origin: NodeId, admit: () => void): boolean {
    if (!this.#deps.isRunning()) {
      this.#drop("notRunning");
      return false;
    }
    const current = this.#deps.view().height;
    if (height === current) return true;
    if (height !== current + 1) this.#drop("height");
    else this.#park({ origin, admit });
    return false;
  }

  #park(parked: Parked): void {
    const { metrics } = this.#deps;
    const ofPeer = this.#parked.filter(({ origin }) => origin === parked.origin).length;
    if (
      this.#parked.length >= NEXT_HEIGHT_INPUTS_MAX ||
      ofPeer >= NEXT_HEIGHT_INPUTS_PER_PEER_MAX
    ) {
      return this.#drop("nextHeightFull");
    }
    this.#parked.push(parked);
    metrics.inputQueueDepth.set(this.#parked.length, { queue: "next" });
  }

  /** What to verify; undefined when extension data is where none may be, or is missing (§14). */
  #voteItems(vote: Vote, validator: Validator, isLate: boolean): readonly SignedItem[] | undefined {
    const isExtended = isLate
      ? nextHeightRules(this.#deps.state()).wasLastExtended
      : this.#deps.view().isExtended;
    const mayExtend =
      isExtended && vote.type === SignedMsgType.PRECOMMIT && !isNilBlockId(vote.blockId);
    const hasData = vote.extension.length > 0 || vote.extensionSignature.length > 0;
    if (hasData && !mayExtend) return undefined;
    if (mayExtend && vote.extensionSignature.length === 0) return undefined;
    const items = [signedItem(validator, voteSignBytes(this.#chainId, vote), vote.signature)];
    if (mayExtend) {
      const message = voteExtensionSignBytes(this.#chainId, vote);
      items.push(signedItem(validator, message, vote.extensionSignature));
    }
    return items;
  }

  async #isExtensionAccepted(vote: Vote): Promise<boolean> {
    const verdict = await this.#deps.executor.verifyVoteExtension({
      hash: vote.blockId.hash,
      validatorAddress: vote.validatorAddress,
      height: vote.height,
      voteExtension: vote.extension,
    });
    return verdict.accept;
  }

  /**
   * Checks signatures, then goes on; undefined when the same check runs already, what it found waits for the
   * core, or too many run.
   */
  #check(
    items: readonly SignedItem[],
    origin: NodeId,
    what: string,
    onValid: (key: string) => Promise<void>,
  ): Promise<void> | undefined {
    const key = checkKey(items);
    if (this.#pending.has(key) || this.#deps.queue.holds(key)) {
      this.#drop("duplicate");
      return undefined;
    }
    const ofPeer = this.#checksOfPeer.get(origin) ?? 0;
    if (this.#pending.size >= PENDING_CHECKS_MAX || ofPeer >= PENDING_CHECKS_PER_PEER_MAX) {
      this.#drop("checksFull");
      return undefined;
    }
    this.#pending.add(key);
    this.#checksOfPeer.set(origin, ofPeer + 1);
    return this.#verify(items, origin, what, () => onValid(key))
      .catch(this.#deps.onFatal)
      .finally(() => {
        this.#pending.delete(key);
        const left = (this.#checksOfPeer.get(origin) ?? 0) - 1;
        if (left > 0) this.#checksOfPeer.set(origin, left);
        else this.#checksOfPeer.delete(origin);
      });
  }

  async #verify(
    items: readonly SignedItem[],
    origin: NodeId,
    what: string,
    onValid: () => Promise<void>,
  ): Promise<void> {
    const { clock, metrics, verifier, onMisbehaviour } = this.#deps;
    const started = clock.monotonicMs();
    const verdicts = await verifier.verifyBatch(items);
    metrics.verifySeconds.observe((clock.monotonicMs() - started) / 1_000);
    if (verdicts.includes(false)) {
      this.#drop("signature");
      onMisbehaviour(origin, `a ${what} with an invalid signature`);
      return;
    }
    await onValid();
  }

  #enqueue(input: PeerInput, key?: string): boolean {
    const isQueued = this.#deps.queue.pushPeer(input, key);
    if (!isQueued) this.#drop("queueFull");
    return isQueued;
  }

  #drop(reason: DropReason): void {
    this.#deps.metrics.inputsDropped.inc({ reason });
  }
}

/**
 * Everything that a check depends on. The signature alone would let a forged message under it, sent
 * by somebody else, pass for the true one and keep that out.
 */
function checkKey(items: readonly SignedItem[]): string {
  return toHex(sha256Concat(...items.flatMap(({ message, signature }) => [message, signature])));
}

function signedItem(validator: Validator, message: Uint8Array, signature: Uint8Array): SignedItem {
  return { publicKey: validator.publicKey.bytes, message, signature };
}
