/** Answers onto the ABCI socket (spec/cometbft-v0.38.md §12). */
import { assertNever } from "../../proto/errors.ts";
import { writeConsensusParams } from "../../proto/codec/types.ts";
import { encodeDelimited, type Writer } from "../../proto/codec/writer.ts";
import type {
  ApplySnapshotChunkResponse,
  CheckTxResponse,
  CommitResponse,
  FinalizeBlockResponse,
  InfoResponse,
  InitChainResponse,
  OfferSnapshotResult,
  QueryResponse,
  Snapshot,
  Verdict,
} from "./application.ts";
import {
  writeExecTxResult,
  writeFinalizeBlockResponse,
  writeValidatorUpdate,
} from "./result-codec.ts";

export type AbciResponse =
  | { readonly kind: "exception"; readonly error: string }
  | { readonly kind: "echo"; readonly message: string }
  | { readonly kind: "flush" }
  | { readonly kind: "info"; readonly response: InfoResponse }
  | { readonly kind: "initChain"; readonly response: InitChainResponse }
  | { readonly kind: "query"; readonly response: QueryResponse }
  | { readonly kind: "checkTx"; readonly response: CheckTxResponse }
  | { readonly kind: "commit"; readonly response: CommitResponse }
  | { readonly kind: "listSnapshots"; readonly snapshots: readonly Snapshot[] }
  | { readonly kind: "offerSnapshot"; readonly result: OfferSnapshotResult }
  | { readonly kind: "loadSnapshotChunk"; readonly chunk: Uint8Array }
  | { readonly kind: "applySnapshotChunk"; readonly response: ApplySnapshotChunkResponse }
  | { readonly kind: "prepareProposal"; readonly txs: readonly Uint8Array[] }
  | { readonly kind: "processProposal"; readonly accept: boolean }
  | { readonly kind: "extendVote"; readonly voteExtension: Uint8Array }
  | { readonly kind: "verifyVoteExtension"; readonly accept: boolean }
  | { readonly kind: "finalizeBlock"; readonly response: FinalizeBlockResponse };

/** One answer with its length in front. */
export function encodeAbciResponse(response: AbciResponse): Uint8Array {
  return encodeDelimited(writeAbciResponse, response, capacityOf(response));
}

/** Unset is UNKNOWN, which the engine takes for a bug of the application and dies of. */
const ACCEPT = 1;
const REJECT = 2;

const OFFER_RESULTS: Readonly<Record<OfferSnapshotResult, number>> = {
  accept: 1,
  abort: 2,
  reject: 3,
  rejectFormat: 4,
  rejectSender: 5,
};

const APPLY_RESULTS: Readonly<Record<ApplySnapshotChunkResponse["result"], number>> = {
  accept: 1,
  abort: 2,
  retry: 3,
  retrySnapshot: 4,
  rejectSnapshot: 5,
};

function writeAbciResponse(writer: Writer, answer: AbciResponse): void {
  switch (answer.kind) {
    case "exception":
      writer.message(1, answer.error, (w, error) => w.string(1, error));
      return;
    case "echo":
      writer.message(2, answer.message, (w, message) => w.string(1, message));
      return;
    case "flush":
      writer.emptyMessage(3);
      return;
    case "info":
      writer.message(4, answer.response, writeInfo);
      return;
    case "initChain":
      writer.message(6, answer.response, writeInitChain);
      return;
    case "query":
      writer.message(7, answer.response, writeQuery);
      return;
    case "checkTx":
      writer.message(9, answer.response, writeExecTxResult);
      return;
    case "commit":
      writer.message(12, answer.response, (w, { retainHeight }) => w.int(3, retainHeight));
      return;
    case "listSnapshots":
      writer.message(13, answer.snapshots, (w, snapshots) => {
        for (const snapshot of snapshots) w.message(1, snapshot, writeSnapshot);
      });
      return;
    case "offerSnapshot":
      writer.message(14, answer.result, (w, result) => w.int32(1, OFFER_RESULTS[result]));
      return;
    case "loadSnapshotChunk":
      writer.message(15, answer.chunk, (w, chunk) => w.bytes(1, chunk));
      return;
    case "applySnapshotChunk":
      writer.message(16, answer.response, writeApplySnapshotChunk);
      return;
    case "prepareProposal":
      writer.message(17, answer.txs, (w, txs) => {
        for (const tx of txs) w.bytesElement(1, tx);
      });
      return;
    case "processProposal":
      writer.message(18, answer, writeVerdict);
      return;
    case "extendVote":
      writer.message(19, answer.voteExtension, (w, extension) => w.bytes(1, extension));
      return;
    case "verifyVoteExtension":
      writer.message(20, answer, writeVerdict);
      return;
    case "finalizeBlock":
      writer.message(21, answer.response, writeFinalizeBlockResponse);
      return;
    default:
      assertNever(answer, "answer");
  }
}

/** Bytes that the answer takes, about: a writer that guesses right copies nothing. */
function capacityOf(answer: AbciResponse): number {
  const small = 256;
  const { kind } = answer;
  if (kind === "prepareProposal") {
    return answer.txs.reduce((sum, tx) => sum + tx.length + 5, small);
  }
  if (kind === "loadSnapshotChunk") return answer.chunk.length + small;
  if (kind === "finalizeBlock") return answer.response.txResults.length * 320 + small;
  return small;
}

function writeVerdict(writer: Writer, { accept }: Pick<Verdict, "accept">): void {
  writer.int32(1, accept ? ACCEPT : REJECT);
}

function writeInfo(writer: Writer, info: InfoResponse): void {
  writer.string(1, info.data);
  writer.string(2, info.version);
  writer.uint64(3, info.appVersion);
  writer.int(4, info.lastBlockHeight);
  writer.bytes(5, info.lastBlockAppHash);
}

function writeInitChain(writer: Writer, response: InitChainResponse): void {
  if (response.consensusParams !== undefined) {
    writer.message(1, response.consensusParams, writeConsensusParams);
  }
  for (const update of response.validators) writer.message(2, update, writeValidatorUpdate);
  writer.bytes(3, response.appHash);
}

function writeQuery(writer: Writer, response: QueryResponse): void {
  writer.uint32(1, response.code);
  writer.string(3, response.log);
  writer.string(4, response.info);
  writer.int64(5, response.index);
  writer.bytes(6, response.key);
  writer.bytes(7, response.value);
  if (response.proofOps.length > 0) {
    writer.message(8, response.proofOps, (w, ops) => {
      for (const op of ops) {
        w.message(1, op, (inner, { type, key, data }) => {
          inner.string(1, type);
          inner.bytes(2, key);
          inner.bytes(3, data);
        });
      }
    });
  }
  writer.int(9, response.height);
  writer.string(10, response.codespace);
}

function writeSnapshot(writer: Writer, snapshot: Snapshot): void {
  writer.uint(1, snapshot.height);
  writer.uint32(2, snapshot.format);
  writer.uint32(3, snapshot.chunks);
  writer.bytes(4, snapshot.hash);
  writer.bytes(5, snapshot.metadata);
}

function writeApplySnapshotChunk(writer: Writer, response: ApplySnapshotChunkResponse): void {
  writer.int32(1, APPLY_RESULTS[response.result]);
  writer.packedUint32(2, response.refetchChunks);
  for (const sender of response.rejectSenders) writer.stringElement(3, sender);
}
