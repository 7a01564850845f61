/**
 * CometBFT's log of the height under way as ours (spec/cometbft-v0.38.md §15.1, §15.2). CometBFT logs
 * what peers send before it looks at it, and neither what it found about blocks nor when a round began
 * without a timer; a core that is told what was read so far supplies all that:
 *
 * - Proposals and votes are checked here: our log holds checked ones only.
 * - A block that CometBFT prevoted or locked was found good by it.
 * - Peers' precommits with extensions are left out: only the application could judge them. No lock
 *   comes from them, and peers send them again.
 */
import { bytesEqual } from "../../../proto/bytes.ts";
import { type Height, NodeId, Round } from "../../../proto/brands.ts";
import { isNilBlockId } from "../../../proto/codec/canonical.ts";
import { isWeftError } from "../../../proto/errors.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../../proto/sign-bytes.ts";
import { SignedMsgType, type BlockId, type Proposal, type Vote } from "../../../proto/types.ts";
import { validateProposal, validateVote } from "../../../proto/validate-basic.ts";
import type { VerifySignature } from "../../../proto/verify/ed25519.ts";
import { blockKey } from "../../consensus/block-key.ts";
import type { ConsensusCore } from "../../consensus/consensus-core.ts";
import type { ConsensusInput, Origin } from "../../consensus/inputs.ts";
import { Step } from "../../consensus/step.ts";
import { STEP_NAMES } from "../../engine/consensus-metrics.ts";
import type { LoggedHeight } from "../../engine/replay.ts";
import type { CometLogMessage } from "./comet-log-message.ts";
import { beginHeight, type HeightUnderWay, stepOf } from "./height-under-way.ts";
import { notConvertible } from "./log-tail.ts";

/** The first round waits for the timer that CometBFT logged. */
const START_DELAY_MS = 1;

/**
 * What was logged of the height; no inputs when nothing was since the end of the last one.
 * @throws CometStoreError WAL_NOT_CONVERTIBLE when a lock of ours does not follow from the log
 */
export function logFromComet(
  messages: readonly CometLogMessage[],
  height: HeightUnderWay,
  { verify }: { readonly verify: VerifySignature },
): LoggedHeight {
  const reading = new Reading(beginHeight(height, START_DELAY_MS).core, height, verify);
  for (const message of messages) reading.read(message);
  const { inputs } = reading;
  return { startDelayMs: inputs.length === 0 ? undefined : START_DELAY_MS, inputs };
}

class Reading {
  readonly inputs: ConsensusInput[] = [];
  readonly #core: ConsensusCore;
  readonly #at: HeightUnderWay;
  readonly #height: Height;
  readonly #verify: VerifySignature;
  /** Blocks that we prevoted: the application accepted them. */
  readonly #accepted = new Set<string>();

  constructor(core: ConsensusCore, at: HeightUnderWay, verify: VerifySignature) {
    this.#core = core;
    this.#at = at;
    this.#height = at.context.height;
    this.#verify = verify;
  }

  read(logged: CometLogMessage): void {
    this.#settleLock();
    switch (logged.kind) {
      case "endHeight":
        return;
      case "roundState":
        if (logged.height === this.#height) this.#catchUp(logged.round, logged.step);
        return;
      case "timeout":
        this.#timeout(logged);
        return;
      case "message": {
        const { message, peerId } = logged;
        const origin = peerId === "" ? undefined : NodeId(peerId);
        if (message.kind === "proposal") this.#proposal(message.proposal, origin);
        else if (message.kind === "vote") this.#vote(message.vote, origin);
        else if (message.kind === "blockPart" && message.height === this.#height) {
          const { round, part } = message;
          this.#tell({ kind: "partReceived", height: this.#height, round, part, origin });
        }
      }
    }
  }

  #tell(input: ConsensusInput): void {
    this.inputs.push(input);
    stepOf(this.#core, this.#height, input);
  }

  #timeout({ height, round, step }: Extract<CometLogMessage, { kind: "timeout" }>): void {
    if (height !== this.#height) return;
    const timed = TIMED_STEPS.find((known) => known === step);
    if (timed !== undefined) {
      this.#tell({ kind: "timeoutElapsed", height: this.#height, round, step: timed });
    }
  }

  /** CometBFT has come to this step: where we have not, a message that led there was left out. */
  #catchUp(round: Round, stepName: string): void {
    const { view } = this.#core;
    const target = stepNumber(stepName);
    if (target === undefined || target < Step.PROPOSE) return;
    const timeoutElapsed = (step: Step): void =>
      this.#tell({ kind: "timeoutElapsed", height: this.#height, round: view.round, step });
    if (view.step === Step.NEW_HEIGHT) timeoutElapsed(Step.NEW_HEIGHT);
    if (view.step === Step.NEW_ROUND) this.#tell({ kind: "txsAvailable", height: this.#height });
    while (view.round < round && view.step !== Step.COMMIT) {
      const before = view.round;
      timeoutElapsed(Step.PRECOMMIT_WAIT);
      this.#settleLock();
      if (view.round === before) return;
    }
  }

  #proposal(proposal: Proposal, origin: Origin): void {
    const { view } = this.#core;
    // CometBFT takes none of another round either.
    if (proposal.height !== this.#height || proposal.round !== view.round) return;
    const { publicKey, address } = view.validators.proposer;
    if (!isWellFormed(() => validateProposal(proposal))) return;
    const message = proposalSignBytes(this.#at.chainId, proposal);
    if (!this.#verify(publicKey.bytes, message, proposal.signature)) return;
    this.#tell({ kind: "proposalReceived", proposal, origin, signer: address });
  }

  #vote(vote: Vote, origin: Origin): void {
    // Late precommits of the last height only enrich a commit that is stored already.
    if (vote.height !== this.#height || !isWellFormed(() => validateVote(vote))) return;
    const { chainId, context } = this.#at;
    const { validators } = context;
    const validator = validators.validators[vote.validatorIndex];
    if (validator === undefined || !bytesEqual(validator.address, vote.validatorAddress)) return;
    const isExtended =
      this.#core.view.isExtended &&
      vote.type === SignedMsgType.PRECOMMIT &&
      !isNilBlockId(vote.blockId);
    if (isExtended && origin !== undefined) return;
    const key = validator.publicKey.bytes;
    if (!this.#verify(key, voteSignBytes(chainId, vote), vote.signature)) return;
    if (isExtended) {
      const extension = voteExtensionSignBytes(chainId, vote);
      if (!this.#verify(key, extension, vote.extensionSignature)) return;
    }
    if (origin === undefined) this.#ownVote(vote);
    else this.#tell({ kind: "voteReceived", vote, origin });
  }

  #ownVote(vote: Vote): void {
    const { view } = this.#core;
    const { height, round, type } = vote;
    if (type === SignedMsgType.PREVOTE && !isNilBlockId(vote.blockId)) {
      this.#accepted.add(blockKey(vote.blockId));
    }
    // Only a block that was found good is voted for.
    if (!isNilBlockId(vote.blockId) && round === view.round) this.#found(vote.blockId);
    this.#tell({ kind: "voteSigned", height, round, type, vote });
    if (type === SignedMsgType.PRECOMMIT && !isNilBlockId(vote.blockId)) this.#requireLock(vote);
  }

  /**
   * CometBFT locks what has a polka when it enters the precommit step, after it found the block good: had
   * it not, it would have stopped there, and its log with it.
   */
  #settleLock(): void {
    const { view } = this.#core;
    if (view.step < Step.PRECOMMIT) return;
    const polka = view.votes(view.round, SignedMsgType.PREVOTE)?.majority();
    if (polka !== undefined && !isNilBlockId(polka)) this.#found(polka);
  }

  /** Answers what the core asked about a block. Whether the application accepted it shows in our prevote. */
  #found(blockId: BlockId): void {
    const key = blockKey(blockId);
    const asked = this.#core
      .outstanding()
      .some((effect) => effect.kind === "validateBlock" && blockKey(effect.blockId) === key);
    if (!asked) return;
    const isAccepted = this.#accepted.has(key);
    const reason = isAccepted ? "" : "the application was not asked, or refused it in this round";
    const height = this.#height;
    this.#tell({ kind: "blockValidated", height, blockId, isValid: true, isAccepted, reason });
  }

  /** A precommit of ours whose lock is gone, with no later polka that ended it, must not be carried over. */
  #requireLock(vote: Vote): void {
    const { view } = this.#core;
    if (view.lockedRound >= vote.round) return;
    for (let number = vote.round + 1; number <= view.round; number++) {
      const round = Round(number);
      if (view.votes(round, SignedMsgType.PREVOTE)?.majority() !== undefined) return;
    }
    throw notConvertible(
      this.#height,
      `CometBFT's log of height ${this.#height} holds our precommit of round ${vote.round}, but not what led to it: start CometBFT, let the height be decided, stop it, and switch then`,
    );
  }
}

const TIMED_STEPS = [
  Step.NEW_HEIGHT,
  Step.NEW_ROUND,
  Step.PROPOSE,
  Step.PREVOTE_WAIT,
  Step.PRECOMMIT_WAIT,
] as const;

function stepNumber(name: string): number | undefined {
  return Object.values(Step).find((step) => STEP_NAMES[step] === name);
}

function isWellFormed(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    // CometBFT would not have used it.
    if (isWeftError(error)) return false;
    throw error;
  }
}
