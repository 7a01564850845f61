/**
 * The application as CometBFT sees it through the socket, and what its calls tell: which block was
 * applied, with its items and their results. The node learns of blocks here first, without asking.
 */
import type { Height, Round } from "../../proto/brands.ts";
import type { Timestamp } from "../../proto/types.ts";
import type {
  Application,
  CheckTxRequest,
  CheckTxResponse,
  BlockOutcome,
  FinalizeBlockRequest,
  FinalizeBlockResponse,
  SnapshotApplication,
} from "../abci/application.ts";

/** A block that the application has committed. */
export interface AppliedBlock {
  readonly height: Height;
  readonly time: Timestamp;
  /** Of the block; 32 bytes. */
  readonly hash: Uint8Array;
  /** All items; the very list that the application was given. */
  readonly txs: readonly Uint8Array[];
  readonly results: BlockOutcome;
  readonly appHash: Uint8Array;
  /** Round that decided the block below. */
  readonly lastCommitRound: Round;
  /** The first of the chain has no commit of a block below. */
  readonly isFirst: boolean;
  /** What CometBFT was told to keep; 0 keeps all. */
  readonly retainHeight: Height;
}

export interface ApplicationWatch {
  /** Told after each Commit, before CometBFT hears of it: its stores have the block by then. */
  readonly onApplied: (block: AppliedBlock) => void;
  /** A call of consensus failed: CometBFT is told, and ends; so it would after a restart. */
  readonly onFault: (error: unknown) => void;
  /** Stands for the application's own CheckTx. */
  readonly checkTx: (request: CheckTxRequest) => Promise<CheckTxResponse>;
}

/** Passes all calls on to `application`. */
export function observeApplication(
  application: Application & SnapshotApplication,
  watch: ApplicationWatch,
): Application & SnapshotApplication {
  let finalized:
    | { readonly request: FinalizeBlockRequest; readonly response: FinalizeBlockResponse }
    | undefined;
  const { checksDuringCommit } = application;

  async function guarded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      watch.onFault(error);
      throw error;
    }
  }

  return {
    ...(checksDuringCommit === undefined ? {} : { checksDuringCommit }),
    info: (request) => application.info(request),
    initChain: (request) => guarded(() => application.initChain(request)),
    query: (request) => application.query(request),
    checkTx: (request) => watch.checkTx(request),
    prepareProposal: (request) => application.prepareProposal(request),
    processProposal: (request) => application.processProposal(request),
    extendVote: (request) => application.extendVote(request),
    verifyVoteExtension: (request) => application.verifyVoteExtension(request),
    async finalizeBlock(request) {
      const response = await guarded(() => application.finalizeBlock(request));
      finalized = { request, response };
      return response;
    },
    async commit() {
      const answer = await guarded(() => application.commit());
      if (finalized !== undefined) {
        const { request, response } = finalized;
        finalized = undefined;
        watch.onApplied({
          height: request.height,
          time: request.time,
          hash: request.hash,
          txs: request.txs,
          results: response,
          appHash: response.appHash,
          lastCommitRound: request.decidedLastCommit.round,
          isFirst: request.decidedLastCommit.votes.length === 0,
          retainHeight: answer.retainHeight,
        });
      }
      return answer;
    },
    listSnapshots: () => application.listSnapshots(),
    loadSnapshotChunk: (request) => application.loadSnapshotChunk(request),
    offerSnapshot: (request) => application.offerSnapshot(request),
    applySnapshotChunk: (request) => application.applySnapshotChunk(request),
  };
}
