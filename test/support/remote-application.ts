/**
 * An application at the other end of an ABCI socket, as an engine in Go has it: four connections, each
 * call followed by a flush. The wire is protobufjs on the .proto files (see `abci-client.ts`).
 */
import { Height } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type {
  AbciEvent,
  Application,
  ApplySnapshotChunkRequest,
  ApplySnapshotChunkResponse,
  CheckTxRequest,
  CommitInfo,
  ExecTxResult,
  ExtendedCommitInfo,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  InfoRequest,
  InitChainRequest,
  LoadSnapshotChunkRequest,
  OfferSnapshotRequest,
  OfferSnapshotResult,
  PrepareProposalRequest,
  ProcessProposalRequest,
  ProofOp,
  QueryRequest,
  Snapshot,
  SnapshotApplication,
  ValidatorUpdate,
  Verdict,
  VerifyVoteExtensionRequest,
} from "../../sequencer/abci/application.ts";
import { type ConsensusParams, type Timestamp } from "../../proto/types.ts";
import { type AbciClient, type AbciObject, connectAbci } from "./abci-client.ts";

export interface RemoteApplication extends Application, SnapshotApplication {
  /** Closes the connections. */
  destroy(): void;
}

/** Opens the four connections in CometBFT's order. */
export async function connectApplication(address: string): Promise<RemoteApplication> {
  const query = await connectAbci(address);
  const snapshot = await connectAbci(address);
  const mempool = await connectAbci(address);
  const consensus = await connectAbci(address);
  const ask = async (client: AbciClient, name: string, request: object): Promise<AbciObject> => {
    client.send({ [name]: request });
    client.send({ flush: {} });
    const [answer, flush] = [client.receive(), client.receive()];
    // There is none after an exception.
    flush.catch(() => {});
    const { kind, value } = await answer;
    if (kind === "exception") {
      throw new Error(`exception in ${name}: ${String(value["error"])}`);
    }
    assert(kind === name, `an answer of its kind: ${name}, got ${kind}`);
    assert((await flush).kind === "flush", "a flush is answered after the call before it");
    return value;
  };
  return {
    checksDuringCommit: true,
    destroy() {
      for (const client of [query, snapshot, mempool, consensus]) client.destroy();
    },
    async info(request) {
      const value = await ask(query, "info", infoToObject(request));
      return {
        data: text(value["data"]),
        version: text(value["version"]),
        appVersion: wide(value["appVersion"]),
        lastBlockHeight: Height(number(value["lastBlockHeight"])),
        lastBlockAppHash: bytes(value["lastBlockAppHash"]),
      };
    },
    async initChain(request) {
      const value = await ask(consensus, "initChain", initChainToObject(request));
      return {
        consensusParams: paramsOf(value["consensusParams"]),
        validators: list(value["validators"]).map(updateOf),
        appHash: bytes(value["appHash"]),
      };
    },
    async query(request) {
      const value = await ask(query, "query", request);
      return {
        code: number(value["code"]),
        log: text(value["log"]),
        info: text(value["info"]),
        index: wide(value["index"]),
        key: bytes(value["key"]),
        value: bytes(value["value"]),
        proofOps: list(object(value["proofOps"])["ops"]).map(proofOpOf),
        height: Height(number(value["height"])),
        codespace: text(value["codespace"]),
      };
    },
    checkTx: async (request) => resultOf(await ask(mempool, "checkTx", checkTxToObject(request))),
    async prepareProposal(request) {
      const value = await ask(consensus, "prepareProposal", prepareToObject(request));
      return list(value["txs"]).map(bytes);
    },
    async processProposal(request) {
      const value = await ask(consensus, "processProposal", processToObject(request));
      return verdictOf(value["status"]);
    },
    async extendVote(request) {
      const value = await ask(consensus, "extendVote", extendToObject(request));
      return bytes(value["voteExtension"]);
    },
    async verifyVoteExtension(request) {
      const value = await ask(consensus, "verifyVoteExtension", request);
      return verdictOf(value["status"]);
    },
    async finalizeBlock(request) {
      const value = await ask(consensus, "finalizeBlock", finalizeToObject(request));
      return {
        events: list(value["events"]).map(eventOf),
        txResults: list(value["txResults"]).map(resultOf),
        validatorUpdates: list(value["validatorUpdates"]).map(updateOf),
        consensusParamUpdates: paramsOf(value["consensusParamUpdates"]),
        appHash: bytes(value["appHash"]),
      };
    },
    async commit() {
      const value = await ask(consensus, "commit", {});
      return { retainHeight: Height(number(value["retainHeight"])) };
    },
    async listSnapshots() {
      const value = await ask(snapshot, "listSnapshots", {});
      return list(value["snapshots"]).map(snapshotOf);
    },
    async loadSnapshotChunk(request: LoadSnapshotChunkRequest) {
      return bytes((await ask(snapshot, "loadSnapshotChunk", request))["chunk"]);
    },
    async offerSnapshot(request: OfferSnapshotRequest) {
      return OFFERS[text((await ask(snapshot, "offerSnapshot", request))["result"])] ?? fail();
    },
    async applySnapshotChunk(request: ApplySnapshotChunkRequest) {
      const value = await ask(snapshot, "applySnapshotChunk", request);
      return {
        result: APPLIES[text(value["result"])] ?? fail(),
        refetchChunks: list(value["refetchChunks"]).map(number),
        rejectSenders: list(value["rejectSenders"]).map(text),
      };
    },
  };
}

/** `{ finalizeBlock: {...} }` for `AbciClient.send`, of any call. */
export const requestObjects = {
  info: infoToObject,
  initChain: initChainToObject,
  query: (request: QueryRequest): object => request,
  checkTx: checkTxToObject,
  prepareProposal: prepareToObject,
  processProposal: processToObject,
  extendVote: extendToObject,
  verifyVoteExtension: (request: VerifyVoteExtensionRequest): object => request,
  finalizeBlock: finalizeToObject,
};

const OFFERS: Readonly<Record<string, OfferSnapshotResult>> = {
  ACCEPT: "accept",
  ABORT: "abort",
  REJECT: "reject",
  REJECT_FORMAT: "rejectFormat",
  REJECT_SENDER: "rejectSender",
};

const APPLIES: Readonly<Record<string, ApplySnapshotChunkResponse["result"]>> = {
  ACCEPT: "accept",
  ABORT: "abort",
  RETRY: "retry",
  RETRY_SNAPSHOT: "retrySnapshot",
  REJECT_SNAPSHOT: "rejectSnapshot",
};

function infoToObject(request: InfoRequest): object {
  return {
    ...request,
    blockVersion: request.blockVersion.toString(),
    p2pVersion: request.p2pVersion.toString(),
  };
}

function initChainToObject(request: InitChainRequest): object {
  const { consensusParams, validators, time } = request;
  return {
    ...request,
    time: timeToObject(time),
    consensusParams: paramsToObject(consensusParams),
    validators: validators.map(({ publicKey, power }) => ({
      pubKey: { [publicKey.type]: publicKey.bytes },
      power: power.toString(),
    })),
  };
}

function checkTxToObject({ tx, type }: CheckTxRequest): object {
  return { tx, type: type === "new" ? 0 : 1 };
}

function prepareToObject(request: PrepareProposalRequest): object {
  const { localLastCommit } = request;
  return { ...contextToObject(request), localLastCommit: extendedCommitToObject(localLastCommit) };
}

function processToObject(request: ProcessProposalRequest): object {
  const { proposedLastCommit } = request;
  return { ...contextToObject(request), proposedLastCommit: commitToObject(proposedLastCommit) };
}

function extendToObject(request: ExtendVoteRequest): object {
  const { proposedLastCommit } = request;
  return { ...contextToObject(request), proposedLastCommit: commitToObject(proposedLastCommit) };
}

function finalizeToObject(request: FinalizeBlockRequest): object {
  const { decidedLastCommit } = request;
  return { ...contextToObject(request), decidedLastCommit: commitToObject(decidedLastCommit) };
}

function contextToObject(request: Pick<ProcessProposalRequest, "time" | "misbehavior">): object {
  return {
    ...request,
    time: timeToObject(request.time),
    misbehavior: request.misbehavior.map((one) => ({
      type: one.type === "duplicateVote" ? 1 : 2,
      validator: validatorToObject(one.validator),
      height: one.height,
      time: timeToObject(one.time),
      totalVotingPower: one.totalVotingPower.toString(),
    })),
  };
}

function commitToObject({ round, votes }: CommitInfo): object {
  return {
    round,
    votes: votes.map(({ validator, blockIdFlag }) => ({
      validator: validatorToObject(validator),
      blockIdFlag,
    })),
  };
}

function extendedCommitToObject({ round, votes }: ExtendedCommitInfo): object {
  return {
    round,
    votes: votes.map((vote) => ({ ...vote, validator: validatorToObject(vote.validator) })),
  };
}

function validatorToObject({ address, power }: { address: Uint8Array; power: bigint }): object {
  return { address, power: power.toString() };
}

function timeToObject({ seconds, nanos }: Timestamp): object {
  return { seconds: seconds.toString(), nanos };
}

function paramsToObject(params: ConsensusParams): object {
  const { block, evidence, validator, version, abci } = params;
  const nanos = evidence.maxAgeDurationNanos;
  return {
    block: { maxBytes: block.maxBytes.toString(), maxGas: block.maxGas.toString() },
    evidence: {
      maxAgeNumBlocks: evidence.maxAgeBlocks.toString(),
      maxAgeDuration: {
        seconds: (nanos / 1_000_000_000n).toString(),
        nanos: Number(nanos % 1_000_000_000n),
      },
      maxBytes: evidence.maxBytes.toString(),
    },
    validator: { pubKeyTypes: validator.publicKeyTypes },
    version: { app: version.app.toString() },
    abci: { voteExtensionsEnableHeight: abci.voteExtensionsEnableHeight },
  };
}

function paramsOf(value: unknown): ConsensusParams | undefined {
  if (value === undefined || value === null) return undefined;
  const { block, evidence, validator, version, abci } = object(value);
  const duration = object(object(evidence)["maxAgeDuration"]);
  return {
    block: { maxBytes: wide(object(block)["maxBytes"]), maxGas: wide(object(block)["maxGas"]) },
    evidence: {
      maxAgeBlocks: wide(object(evidence)["maxAgeNumBlocks"]),
      maxAgeDurationNanos:
        wide(duration["seconds"]) * 1_000_000_000n + BigInt(number(duration["nanos"])),
      maxBytes: wide(object(evidence)["maxBytes"]),
    },
    validator: { publicKeyTypes: list(object(validator)["pubKeyTypes"]).map(text) },
    version: { app: wide(object(version)["app"]) },
    abci: {
      voteExtensionsEnableHeight: Height(number(object(abci)["voteExtensionsEnableHeight"])),
    },
  };
}

function updateOf(value: unknown): ValidatorUpdate {
  const { pubKey, power } = object(value);
  const { ed25519, secp256k1 } = object(pubKey);
  return {
    publicKey:
      secp256k1 === undefined
        ? { type: "ed25519", bytes: bytes(ed25519) }
        : { type: "secp256k1", bytes: bytes(secp256k1) },
    power: wide(power),
  };
}

function proofOpOf(value: unknown): ProofOp {
  const { type, key, data } = object(value);
  return { type: text(type), key: bytes(key), data: bytes(data) };
}

function snapshotOf(value: unknown): Snapshot {
  const { height, format, chunks, hash, metadata } = object(value);
  return {
    height: Height(number(height)),
    format: number(format),
    chunks: number(chunks),
    hash: bytes(hash),
    metadata: bytes(metadata),
  };
}

function resultOf(value: unknown): ExecTxResult {
  const { code, data, log, info, gasWanted, gasUsed, events, codespace } = object(value);
  return {
    code: number(code),
    data: bytes(data),
    log: text(log),
    info: text(info),
    gasWanted: wide(gasWanted),
    gasUsed: wide(gasUsed),
    events: list(events).map(eventOf),
    codespace: text(codespace),
  };
}

function eventOf(value: unknown): AbciEvent {
  const { type, attributes } = object(value);
  return {
    type: text(type),
    attributes: list(attributes).map((attribute) => {
      const { key, value: content, index } = object(attribute);
      return { key: text(key), value: text(content), index: index === true };
    }),
  };
}

function verdictOf(status: unknown): Verdict {
  if (status === "ACCEPT") return { accept: true };
  assert(status === "REJECT", `a status that is set, got ${String(status)}`);
  return { accept: false, reason: "refused over the socket" };
}

function object(value: unknown): AbciObject {
  // What protobufjs makes of a message, absent ones included.
  return value === undefined || value === null ? {} : (value as AbciObject);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array(0);
}

function number(value: unknown): number {
  return value === undefined ? 0 : Number(value);
}

function wide(value: unknown): bigint {
  return typeof value === "string" || typeof value === "number" ? BigInt(value) : 0n;
}

function fail(): never {
  throw new Error("a result that is set");
}
