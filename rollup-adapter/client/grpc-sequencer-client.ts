/** A sequencer node behind `weft.rollup.v1.RollupService`, over gRPC. */
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  credentials,
  type ServiceError,
  status as GrpcStatus,
} from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { decodeValidatorSet } from "../../proto/codec/types.ts";
import { WeftError } from "../../proto/errors.ts";
import { Compression } from "../../proto/grpc/compression.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE, TransactionState as WireState } from "../../proto/grpc/rollup-service.ts";
import { SealingState } from "../../proto/grpc/seal-key.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { CALL_TIMEOUT_MS, STREAM_MESSAGE_BYTES_MAX, STREAM_SILENCE_MS } from "../limits.ts";
import { describeNoAnswer } from "./no-answer.ts";
import { watchSilence } from "./stream-silence.ts";
import { type HeaderUpdate, readHeaderUpdate } from "./header-follower.ts";
import { readRollupBlock, type RollupBlock } from "./rollup-block.ts";
import type {
  BlocksRequest,
  HeaderClient,
  HeadersRequest,
  SequencerClient,
  SealingStateName,
  TransactionState,
} from "./sequencer-client.ts";

export type SequencerClientErrorInfo =
  /** The node answered with an error, or did not answer. */
  | {
      readonly code: "SEQUENCER_CALL_FAILED";
      /** The gRPC status. */
      readonly status: string;
      /** Where a stream goes on that the node ended (`weft-resume`). */
      readonly resumeHeight?: Height;
      /** The first height that the node has, when an older one was asked for (`weft-earliest`). */
      readonly earliestHeight?: Height;
    }
  /** The stream said nothing for STREAM_SILENCE_MS. */
  | { readonly code: "SEQUENCER_STREAM_SILENT" };

const STATES: Readonly<Record<WireState, TransactionState>> = {
  [WireState.UNSPECIFIED]: "unknown",
  [WireState.UNKNOWN]: "unknown",
  [WireState.PENDING]: "pending",
  [WireState.COMMITTED]: "committed",
  [WireState.FAILED]: "failed",
  [WireState.REJECTED]: "rejected",
  [WireState.EXPIRED]: "expired",
  [WireState.EVICTED]: "evicted",
};

const SEALING_STATES: Readonly<Record<SealingState, SealingStateName>> = {
  [SealingState.UNSPECIFIED]: "sealed",
  [SealingState.SEALED]: "sealed",
  [SealingState.DISPUTED]: "disputed",
  [SealingState.OPENED]: "opened",
  [SealingState.INVALID]: "invalid",
  [SealingState.EXPIRED]: "expired",
  [SealingState.VOID]: "void",
  [SealingState.LOST]: "lost",
};

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": STREAM_MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": STREAM_MESSAGE_BYTES_MAX,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.enable_retries": 0,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
};

/** Calls methods of any service of a node. */
export interface GrpcCaller {
  /** @throws WeftError<SequencerClientErrorInfo> */
  readonly call: <Request, Response>(
    method: Method<Request, Response>,
    request: Request,
  ) => Promise<Response>;
  /**
   * Answers of a stream until it ends or `signal` is aborted; it may be silent for as long as there is no news.
   * @throws WeftError<SequencerClientErrorInfo>
   */
  readonly stream: <Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ) => AsyncIterable<Response>;
  close(): void;
}

/** @param address host:port of a node's gRPC listener */
export function createGrpcCaller(address: string): GrpcCaller {
  const client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  return {
    call: (method, request) => unary(client, address, method, request),
    stream: (method, request, signal) => serverStream(client, address, method, request, signal),
    close: () => client.close(),
  };
}

/** @param address host:port of a node's gRPC listener */
export function createGrpcSequencerClient(address: string): SequencerClient & HeaderClient {
  const client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  const call = <Request, Response>(method: Method<Request, Response>, request: Request) =>
    unary(client, address, method, request);

  return {
    async chainInfo() {
      const info = await call(ROLLUP_SERVICE.getChainInfo, {});
      return {
        chainId: info.chainId,
        height: info.height,
        initialHeight: info.initialHeight,
        earliestHeight: info.earliestHeight,
        baseFeePerByte: info.baseFeePerByte,
        unorderedWindow: info.unorderedWindow,
        itemBytesMax: info.limits.itemBytesMax,
        isCatchingUp: info.catchingUp,
      };
    },
    rollup: (key) =>
      typeof key === "string"
        ? call(ROLLUP_SERVICE.getRollup, { kind: "name", name: key })
        : call(ROLLUP_SERVICE.getRollup, { kind: "id", id: key }),
    async validatorSet(height) {
      const { validatorSet } = await call(ROLLUP_SERVICE.getValidatorSet, { height });
      return decodeValidatorSet(validatorSet);
    },
    account: (accountAddress) => call(ROLLUP_SERVICE.getAccount, { address: accountAddress }),
    async submit(item) {
      const { duplicate, ...outcome } = await call(ROLLUP_SERVICE.submit, { item });
      return { ...outcome, isDuplicate: duplicate };
    },
    async transactionStatus(id) {
      const answer = await call(ROLLUP_SERVICE.getTransactionStatus, { id });
      const { sealing } = answer;
      return {
        ...answer,
        state: STATES[answer.state],
        sealing: sealing && { ...sealing, state: SEALING_STATES[sealing.state] },
      };
    },
    entryProof: (rollupId, height, position) =>
      call(ROLLUP_SERVICE.getEntryProof, {
        rollupId: fromHex(rollupId),
        height: Height(height),
        position,
      }),
    sealKey: (number = 0) => call(ROLLUP_SERVICE.getSealKey, { number }),
    blocks: (request) => streamBlocks(client, address, request),
    headers: (request) => streamHeaders(client, address, request),
    close: () => client.close(),
  };
}

function unary<Request, Response>(
  client: Client,
  address: string,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  const options: CallOptions = { deadline: Date.now() + CALL_TIMEOUT_MS };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      options,
      (error, response) => {
        if (error !== null) reject(callFailed(address, method.path, error));
        else if (response !== undefined) resolve(response);
      },
    );
  });
}

async function* serverStream<Request, Response>(
  client: Client,
  address: string,
  method: Method<Request, Response>,
  request: Request,
  signal: AbortSignal,
): AsyncGenerator<Response> {
  const stream = client.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
  );
  const cancel = (): void => stream.cancel();
  signal.addEventListener("abort", cancel);
  try {
    for await (const message of stream as AsyncIterable<Response>) {
      // Several come in one read: what is left of them when its reader ends is not for it.
      if (signal.aborted) return;
      yield message;
    }
  } catch (cause) {
    if (signal.aborted) return;
    throw isServiceError(cause) ? callFailed(address, method.path, cause) : cause;
  } finally {
    signal.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

function streamBlocks(
  client: Client,
  address: string,
  request: BlocksRequest,
): AsyncGenerator<RollupBlock> {
  const level = request.level === "filled" ? Level.FILLED : Level.COMMITTED;
  const { moreRollupIds = [], omitsEmpty = false } = request;
  const form = { level, rollups: 1 + moreRollupIds.length, omitsEmpty };
  return streamRead(client, address, {
    method: ROLLUP_SERVICE.streamBlocks,
    request: {
      rollupId: fromHex(request.rollupId),
      fromHeight: request.fromHeight,
      level,
      ...untilOf(request),
      compression: compressionOf(request),
      moreRollupIds: moreRollupIds.map((id) => fromHex(id)),
      omitEmpty: omitsEmpty,
    },
    read: (bytes) => readRollupBlock(bytes, form),
    fromHeight: request.fromHeight,
    // A stream of filled blocks may rightly wait for openings, and one of few blocks for them, while the chain goes on.
    mayBeSilent: level === Level.FILLED || omitsEmpty,
    signal: request.signal,
  });
}

function streamHeaders(
  client: Client,
  address: string,
  request: HeadersRequest,
): AsyncGenerator<HeaderUpdate> {
  const { fromHeight, hasSparseCommits = false, signal } = request;
  return streamRead(client, address, {
    method: ROLLUP_SERVICE.streamHeaders,
    request: {
      fromHeight,
      ...untilOf(request),
      compression: compressionOf(request),
      sparseCommits: hasSparseCommits,
    },
    read: (bytes) => readHeaderUpdate(bytes, hasSparseCommits),
    fromHeight,
    mayBeSilent: hasSparseCommits,
    signal,
  });
}

function untilOf({ untilHeight }: Pick<BlocksRequest, "untilHeight">) {
  return untilHeight === undefined ? {} : { untilHeight };
}

function compressionOf({ isCompressed }: Pick<BlocksRequest, "isCompressed">): Compression {
  return isCompressed === true ? Compression.GZIP : Compression.UNSPECIFIED;
}

interface ReadStream<Request, Message> {
  readonly method: Pick<Method<Request, unknown>, "path" | "requestSerialize">;
  readonly request: Request;
  /** A message that is none is a fault of the node's and not of the call. */
  readonly read: (bytes: Buffer) => Message;
  /** First height wanted; 0: the next one. */
  readonly fromHeight: Height;
  /** Whether silence is no fault while the chain grows to where the next message must have come. */
  readonly mayBeSilent: boolean;
  readonly signal: AbortSignal;
}

async function* streamRead<Request, Message extends { readonly height: Height }>(
  client: Client,
  address: string,
  { method, request, read, fromHeight, mayBeSilent, signal }: ReadStream<Request, Message>,
): AsyncGenerator<Message> {
  const stream = client.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    (bytes: Buffer) => bytes,
    request,
  );
  const cancel = (): void => stream.cancel();
  signal.addEventListener("abort", cancel);
  const height = async (): Promise<number> =>
    (await unary(client, address, ROLLUP_SERVICE.getChainInfo, {})).height;
  let next: number = fromHeight;
  const silence = watchSilence(cancel, mayBeSilent ? { height, next: () => next } : undefined);
  try {
    for await (const message of stream as AsyncIterable<Buffer>) {
      // While the reader works on a block, silence is not the node's.
      silence.stop();
      // Several come in one read: what is left of them when its reader ends is not for it.
      if (signal.aborted) return;
      const block = read(message);
      next = block.height + 1;
      yield block;
      silence.start();
    }
  } catch (cause) {
    if (signal.aborted) return;
    if (silence.isSilent()) {
      throw new WeftError<SequencerClientErrorInfo>(
        { code: "SEQUENCER_STREAM_SILENT" },
        `${address} sent nothing for ${STREAM_SILENCE_MS / 1_000} s or longer; opening the stream anew`,
        { cause },
      );
    }
    throw isServiceError(cause) ? callFailed(address, method.path, cause) : cause;
  } finally {
    silence.stop();
    signal.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

function callFailed(address: string, path: string, error: ServiceError) {
  const status = GrpcStatus[error.code] ?? "UNKNOWN";
  const resumeHeight = heightIn(error, "weft-resume");
  const earliestHeight = heightIn(error, "weft-earliest");
  return new WeftError<SequencerClientErrorInfo>(
    {
      code: "SEQUENCER_CALL_FAILED",
      status,
      ...(resumeHeight === undefined ? {} : { resumeHeight }),
      ...(earliestHeight === undefined ? {} : { earliestHeight }),
    },
    describeNoAnswer(address, status, error.details) ??
      `${address} failed ${path.slice(path.lastIndexOf("/") + 1)} with ${status}: ${error.details}`,
    { cause: error },
  );
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

/** A node may write anything there. */
function heightIn({ metadata }: ServiceError, key: string): Height | undefined {
  const value = Number(metadata?.get(key)[0] ?? Number.NaN);
  return Number.isSafeInteger(value) && value > 0 ? Height(value) : undefined;
}
