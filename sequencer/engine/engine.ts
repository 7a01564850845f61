/**
 * The embedded engine: Tendermint around an application. It owns the log, the stores, the signer
 * and the core; peers, RPC and the clock are handed to it.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type { BlockId, Part, Proposal, Vote, VoteType } from "../../proto/types.ts";
import type { CheckTxRequest, CheckTxResponse } from "../abci/application.ts";
import type { RoundStateView } from "../consensus/round-state.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { StateStore } from "../store/state-store.ts";
import type { EventBus } from "./event-bus.ts";
import type { RoundStepEvent } from "./gossip-sink.ts";

export interface EngineStatus {
  /** Last committed height; 0 before the first. */
  readonly height: Height;
  /** True until handshake and replay are done, and while blocks are fetched instead of decided. */
  readonly catchingUp: boolean;
  /** Set when the engine stopped signing and processing (spec §13.7); the node is unhealthy. */
  readonly haltReason: string | undefined;
  /** Our validator address, whether or not it is in the set; undefined without a key. */
  readonly validatorAddress: Uint8Array | undefined;
}

export interface Engine {
  /** Handshake with the application, replay of the log, then consensus. Rejects when it cannot start. */
  start(): Promise<void>;
  /** Finishes the block being applied, syncs the log, closes files. */
  stop(): Promise<void>;
  status(): EngineStatus;
  /** Live view between steps; keep nothing of it. Throws before `start` has resolved. */
  view(): RoundStateView;
  /** What NewRoundStep would say now, for a peer that just connected. */
  roundStep(): RoundStepEvent;
  /** State after the last applied block. */
  chainState(): ChainState;
  receiveProposal(proposal: Proposal, origin: NodeId): void;
  receivePart(height: Height, round: Round, part: Part, origin: NodeId): void;
  receiveVote(vote: Vote, origin: NodeId): void;
  receiveMajorityClaim(
    height: Height,
    round: Round,
    type: VoteType,
    blockId: BlockId,
    origin: NodeId,
  ): void;
  /** The application's pool holds something to order (spec §13.5). */
  notifyTxsAvailable(): void;
  /** CheckTx, fenced around Commit. */
  checkTx(request: CheckTxRequest): Promise<CheckTxResponse>;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly events: EventBus;
}
