/**
 * One request put to the application, with the rules that no single connection can keep: consensus
 * calls one at a time, CheckTx fenced around Commit, and an order in which the application cannot be
 * asked for what it does not have (spec/cometbft-v0.38.md §12.5, §12.6).
 */
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { assertNever } from "../../proto/errors.ts";
import { createApplicationGate } from "./application-gate.ts";
import type { Application, SnapshotApplication } from "./application.ts";
import { AbciError } from "./errors.ts";
import { refusedQuery } from "./refused-query.ts";
import type { AbciCall, AbciRequest, RefusableCall } from "./request-codec.ts";
import type { AbciResponse } from "./response-codec.ts";

/** Both halves of what ABCI asks for. */
export type SocketApplication = Application & SnapshotApplication;

/**
 * Answers one request.
 * @throws AbciError ABCI_APPLICATION, ABCI_CALL_ORDER, ABCI_CHECK_TX_BUSY: an exception on the wire
 */
export type AnswerCall = (request: AbciRequest) => Promise<AbciResponse>;

const NO_INFO = { version: "", blockVersion: 0n, p2pVersion: 0n, abciVersion: "" };

/** Names in metrics and logs: CometBFT's. */
export const METHOD_NAMES: Readonly<Record<AbciCall, string>> = {
  echo: "echo",
  flush: "flush",
  info: "info",
  initChain: "init_chain",
  query: "query",
  checkTx: "check_tx",
  commit: "commit",
  listSnapshots: "list_snapshots",
  offerSnapshot: "offer_snapshot",
  loadSnapshotChunk: "load_snapshot_chunk",
  applySnapshotChunk: "apply_snapshot_chunk",
  prepareProposal: "prepare_proposal",
  processProposal: "process_proposal",
  extendVote: "extend_vote",
  verifyVoteExtension: "verify_vote_extension",
  finalizeBlock: "finalize_block",
};

/** All connections share one. */
export function createAnswerCall(application: SocketApplication): AnswerCall {
  const gate = createApplicationGate(application);
  /** What InitChain said, until a block is committed. */
  let initialHeight: Height | undefined;
  let finalizedHeight: Height | undefined;
  /** Settles with the last Commit; never rejects. */
  let committing: Promise<void> = Promise.resolve();

  /** The height that the next block must have; undefined before the chain has begun. */
  async function nextHeight(): Promise<Height | undefined> {
    const { lastBlockHeight } = await application.info(NO_INFO);
    return lastBlockHeight > 0 ? Height(lastBlockHeight + 1) : initialHeight;
  }

  async function requireChain(call: AbciCall): Promise<Height> {
    const expected = await nextHeight();
    if (expected !== undefined) return expected;
    throw orderError(call, "the chain has not begun here: InitChain or a snapshot comes first");
  }

  async function requireHeight(call: AbciCall, height: Height): Promise<void> {
    const expected = await requireChain(call);
    if (height === expected) return;
    throw orderError(
      call,
      `expected height ${expected}, which follows the last commit, got ${height}`,
    );
  }

  async function answer(request: AbciRequest): Promise<AbciResponse> {
    const { kind } = request;
    switch (kind) {
      case "echo":
        return { kind, message: request.message };
      case "flush":
        return { kind };
      case "refused":
        return refusal(request.call, request.reason, application);
      case "info":
        // Another engine may ask after one that died before its answer: it must not replay what is being committed.
        await committing;
        return { kind, response: await application.info(request.request) };
      case "query":
        return { kind, response: await application.query(request.request) };
      case "checkTx":
        return { kind, response: await gate.checkTx(request.request) };
      case "listSnapshots":
        return { kind, snapshots: await application.listSnapshots() };
      case "loadSnapshotChunk":
        return { kind, chunk: await application.loadSnapshotChunk(request.request) };
      case "initChain": {
        const response = await gate.call("InitChain", (app) => app.initChain(request.request));
        initialHeight = request.request.initialHeight;
        finalizedHeight = undefined;
        return { kind, response };
      }
      case "offerSnapshot":
        finalizedHeight = undefined;
        return {
          kind,
          result: await gate.call("OfferSnapshot", (app) => app.offerSnapshot(request.request)),
        };
      case "applySnapshotChunk":
        return {
          kind,
          response: await gate.call("ApplySnapshotChunk", (app) =>
            app.applySnapshotChunk(request.request),
          ),
        };
      case "prepareProposal":
        await requireHeight(kind, request.request.height);
        return {
          kind,
          txs: await gate.call("PrepareProposal", (app) => app.prepareProposal(request.request)),
        };
      case "processProposal": {
        await requireHeight(kind, request.request.height);
        const verdict = await gate.call("ProcessProposal", (app) =>
          app.processProposal(request.request),
        );
        return { kind, accept: verdict.accept };
      }
      case "extendVote":
        await requireHeight(kind, request.request.height);
        return {
          kind,
          voteExtension: await gate.call("ExtendVote", (app) => app.extendVote(request.request)),
        };
      case "verifyVoteExtension": {
        await requireChain(kind);
        const verdict = await gate.call("VerifyVoteExtension", (app) =>
          app.verifyVoteExtension(request.request),
        );
        return { kind, accept: verdict.accept };
      }
      case "finalizeBlock": {
        const { height } = request.request;
        await requireHeight(kind, height);
        finalizedHeight = undefined;
        const response = await gate.call("FinalizeBlock", (app) =>
          app.finalizeBlock(request.request),
        );
        finalizedHeight = height;
        return { kind, response };
      }
      case "commit": {
        if (finalizedHeight === undefined) {
          throw orderError(kind, "no block was finalized since the last commit");
        }
        finalizedHeight = undefined;
        const commit = gate.commit();
        committing = commit.then(
          () => {},
          () => {},
        );
        return { kind, response: await commit };
      }
      default:
        return assertNever(kind, "request");
    }
  }

  /** The order is looked at when it is a call's turn: what came before it may still run. */
  let lastExclusive: Promise<unknown> = Promise.resolve();
  return (request) => {
    if (callClass(request) !== "exclusive") return answer(request);
    const result = lastExclusive.then(() => answer(request));
    lastExclusive = result.then(
      () => {},
      () => {},
    );
    return result;
  };
}

/**
 * `immediate` calls do not touch the application. Those of one shared class may run together;
 * `exclusive` ones run one at a time over all connections.
 */
export type CallClass = "immediate" | "check" | "read" | "exclusive";

export function callClass({ kind }: AbciRequest): CallClass {
  return CLASSES[kind];
}

const CLASSES: Readonly<Record<AbciRequest["kind"], CallClass>> = {
  echo: "immediate",
  flush: "immediate",
  refused: "immediate",
  checkTx: "check",
  info: "read",
  query: "read",
  listSnapshots: "read",
  loadSnapshotChunk: "read",
  initChain: "exclusive",
  offerSnapshot: "exclusive",
  applySnapshotChunk: "exclusive",
  prepareProposal: "exclusive",
  processProposal: "exclusive",
  extendVote: "exclusive",
  verifyVoteExtension: "exclusive",
  finalizeBlock: "exclusive",
  commit: "exclusive",
};

async function refusal(
  call: RefusableCall,
  reason: string,
  application: Application,
): Promise<AbciResponse> {
  switch (call) {
    case "query": {
      const { lastBlockHeight } = await application.info(NO_INFO);
      return { kind: "query", response: refusedQuery(reason, lastBlockHeight) };
    }
    case "offerSnapshot":
      return { kind: "offerSnapshot", result: "reject" };
    case "loadSnapshotChunk":
      return { kind: "loadSnapshotChunk", chunk: EMPTY_BYTES };
    case "processProposal":
      return { kind: "processProposal", accept: false };
    case "verifyVoteExtension":
      return { kind: "verifyVoteExtension", accept: false };
    default:
      return assertNever(call, "refusable call");
  }
}

function orderError(call: AbciCall, detail: string): AbciError {
  return new AbciError(
    { code: "ABCI_CALL_ORDER", call: METHOD_NAMES[call] },
    `${METHOD_NAMES[call]} cannot come now: ${detail}`,
  );
}
