/**
 * Our log of the height under way as CometBFT's (spec/cometbft-v0.38.md §15.1, §15.2). The height is
 * told to a core again; what the core took of it is written down in CometBFT's words: CometBFT asks
 * its application and its signer again for what we log as answers. At the end the result is read back,
 * and must leave a core with the same lock and the same votes of ours.
 */
import { bytesEqual, toHex } from "../../../proto/bytes.ts";
import { blockKey } from "../../consensus/block-key.ts";
import type { ConsensusCore } from "../../consensus/consensus-core.ts";
import type { ConsensusEffect } from "../../consensus/effects.ts";
import type { ConsensusInput, Origin } from "../../consensus/inputs.ts";
import type { PartSetView, RoundStateView } from "../../consensus/round-state.ts";
import { Step } from "../../consensus/step.ts";
import { Round, type Height } from "../../../proto/brands.ts";
import { SignedMsgType, type BlockId } from "../../../proto/types.ts";
import { validatorIndexByAddress } from "../../../proto/validator-set.ts";
import type { VerifySignature } from "../../../proto/verify/ed25519.ts";
import { STEP_NAMES } from "../../engine/consensus-metrics.ts";
import type { LoggedHeight } from "../../engine/replay.ts";
import type { CometLogMessage } from "./comet-log-message.ts";
import { beginHeight, type HeightUnderWay, replayHeight, stepOf } from "./height-under-way.ts";
import { logFromComet } from "./log-from-comet.ts";
import { notConvertible } from "./log-tail.ts";

/**
 * What follows the end of the last height in CometBFT's log.
 * @throws CometStoreError WAL_NOT_CONVERTIBLE when CometBFT would not come to the same lock
 */
export function logToComet(
  logged: LoggedHeight,
  height: HeightUnderWay,
  deps: { readonly verify: VerifySignature },
): readonly CometLogMessage[] {
  const { core, effects } = beginHeight(height, logged.startDelayMs ?? 0);
  const translation = new Translation(core);
  if (logged.inputs.length > 0) translation.began(effects);
  for (const input of logged.inputs) {
    const before = { round: core.view.round, step: core.view.step };
    translation.stepped(input, before, stepOf(core, height.context.height, input));
  }
  const { messages } = translation;
  requireSameLock(core, replayHeight(height, logFromComet(messages, height, deps)), height);
  return messages;
}

interface Place {
  readonly round: Round;
  readonly step: Step;
}

class Translation {
  readonly messages: CometLogMessage[] = [];
  readonly #core: ConsensusCore;
  /** The parts that CometBFT waits for, and which of them it was given. */
  #parts: { readonly name: string; readonly given: Set<number> } | undefined;

  constructor(core: ConsensusCore) {
    this.#core = core;
  }

  /** The height began: without a pause, its first round too. */
  began(effects: readonly ConsensusEffect[]): void {
    this.#afterNewHeight(Step.NEW_HEIGHT);
    this.#steps(effects);
  }

  stepped(input: ConsensusInput, before: Place, effects: readonly ConsensusEffect[]): void {
    const { view } = this.#core;
    if (input.kind === "timeoutElapsed") this.#timeout(input, effects);
    this.#said(input, effects);
    const areHeld = this.#giveParts(originOf(input));
    // CometBFT has these parts only now, and would wait for its timer to lock what has a polka.
    const isVote = input.kind === "voteReceived" || input.kind === "voteSigned";
    if (isVote && areHeld && view.step >= Step.PRECOMMIT && view.step !== Step.COMMIT) {
      this.#elapsed(view.height, view.round, Step.PREVOTE_WAIT);
    }
    if (input.kind !== "timeoutElapsed") this.#afterNewHeight(before.step);
    const isWaiting = before.step === Step.NEW_ROUND && before.round === 0;
    if (input.kind === "txsAvailable" && isWaiting) {
      this.#elapsed(view.height, Round(0), Step.NEW_ROUND);
    }
    this.#steps(effects);
  }

  /** Timers that meant nothing any more to us mean nothing to CometBFT. */
  #timeout(
    { height, round, step }: Extract<ConsensusInput, { readonly kind: "timeoutElapsed" }>,
    effects: readonly ConsensusEffect[],
  ): void {
    const isStale = effects.some(
      (effect) => effect.kind === "inputIgnored" && effect.code === "TIMEOUT_STALE",
    );
    if (!isStale) this.#elapsed(height, round, step);
  }

  /** Proposals and votes that were taken, and second votes that are evidence. */
  #said(input: ConsensusInput, effects: readonly ConsensusEffect[]): void {
    const isTaken = effects.some(({ kind }) => kind === "gossipVote");
    for (const effect of effects) {
      if (effect.kind === "gossipProposal") {
        const { proposal, origin } = effect;
        this.#message({ kind: "proposal", proposal }, origin);
      } else if (effect.kind === "gossipVote") {
        this.#message({ kind: "vote", vote: effect.vote }, effect.origin);
      } else if (effect.kind === "conflictingVotes" && !isTaken) {
        this.#message({ kind: "vote", vote: effect.second }, originOf(input));
      }
    }
  }

  /**
   * Parts that we have and CometBFT was not given: those that just came, and those of a block of an
   * earlier round, which we keep and CometBFT fetches again. True when there were some.
   */
  #giveParts(origin: Origin): boolean {
    const { view } = this.#core;
    const parts = view.proposalParts;
    if (parts === undefined) {
      this.#parts = undefined;
      return false;
    }
    const name = `${view.round} ${nameOf(parts)}`;
    if (this.#parts?.name !== name) this.#parts = { name, given: new Set() };
    const { given } = this.#parts;
    const countBefore = given.size;
    for (let index = 0; index < parts.header.total; index++) {
      const part = parts.partAt(index);
      if (part === undefined || given.has(index)) continue;
      given.add(index);
      this.#message({ kind: "blockPart", height: view.height, round: view.round, part }, origin);
    }
    return given.size > countBefore;
  }

  #message(message: Extract<CometLogMessage, { kind: "message" }>["message"], origin: Origin) {
    this.messages.push({ kind: "message", message, peerId: origin ?? "" });
  }

  #elapsed(height: Height, round: Round, step: number): void {
    this.messages.push({ kind: "timeout", height, round, step, durationNanos: 0n });
  }

  /** We may begin the first round without its timer; CometBFT's log names one in any case. */
  #afterNewHeight(before: Step): void {
    const { view } = this.#core;
    if (before !== Step.NEW_HEIGHT || view.step === Step.NEW_HEIGHT) return;
    this.#elapsed(view.height, Round(0), Step.NEW_HEIGHT);
  }

  #steps(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      if (effect.kind !== "stepChanged" || effect.step === Step.NEW_ROUND) continue;
      const { height, round, step } = effect;
      this.messages.push({ kind: "roundState", height, round, step: STEP_NAMES[step] });
    }
  }
}

function nameOf({ header }: PartSetView): string {
  return `${header.total}:${toHex(header.hash)}`;
}

function originOf(input: ConsensusInput): Origin {
  const isOfPeer = "origin" in input;
  return isOfPeer ? input.origin : undefined;
}

/**
 * What must not be forgotten: the lock, the block that is proposed again, our votes. CometBFT may have
 * locked what we still wait to have validated.
 * @throws CometStoreError WAL_NOT_CONVERTIBLE
 */
function requireSameLock(ours: ConsensusCore, theirs: ConsensusCore, at: HeightUnderWay): void {
  const { height } = at.context;
  const [here, there] = [ours.view, theirs.view];
  const isAsFar = there.round > here.round || hasProposalOf(here, there);
  const isKept =
    isAsFar &&
    isKeptIn(here.lockedRound, here.lockedBlockId, there.lockedRound, there.lockedBlockId) &&
    isKeptIn(here.validRound, here.validBlockId, there.validRound, there.validBlockId) &&
    areVotesIn(here, there, indexOfOwn(at));
  if (isKept) return;
  const told = (view: RoundStateView) =>
    `round ${view.round}, locked in round ${view.lockedRound}, valid in round ${view.validRound}`;
  throw notConvertible(
    height,
    `what this node has locked and voted at height ${height} cannot be told to CometBFT (here ${told(here)}; there ${told(there)}): start the embedded engine, let the height be decided, stop it, and switch then`,
  );
}

/** In the same round, with the same proposal and at least the parts that came. */
function hasProposalOf(here: RoundStateView, there: RoundStateView): boolean {
  if (there.round < here.round) return false;
  if (here.proposal === undefined) return true;
  return there.proposal !== undefined && countOf(there) >= countOf(here);
}

function countOf({ proposalParts }: RoundStateView): number {
  return proposalParts?.count ?? 0;
}

function isKeptIn(
  round: Round,
  blockId: BlockId | undefined,
  thereRound: Round,
  thereBlockId: BlockId | undefined,
): boolean {
  if (blockId === undefined || thereRound > round) return true;
  if (thereRound < round || thereBlockId === undefined) return false;
  return blockKey(blockId) === blockKey(thereBlockId);
}

function indexOfOwn({ options, context }: HeightUnderWay): number {
  const { ownAddress } = options;
  return ownAddress === undefined ? -1 : validatorIndexByAddress(context.validators, ownAddress);
}

function areVotesIn(here: RoundStateView, there: RoundStateView, index: number): boolean {
  if (index < 0) return true;
  for (let number = 0; number <= here.round + 1; number++) {
    const round = Round(number);
    for (const type of [SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT] as const) {
      const vote = here.votes(round, type)?.voteAt(index);
      if (vote === undefined) continue;
      const same = there.votes(round, type)?.voteAt(index);
      if (same === undefined || !bytesEqual(same.signature, vote.signature)) return false;
    }
  }
  return true;
}
