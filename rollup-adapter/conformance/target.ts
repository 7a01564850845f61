/** One executor as the suite sees it: calls over gRPC with every answer kept, the refusals too. */
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { isWeftError } from "../../proto/errors.ts";
import { EXECUTION_ERROR_METADATA, EXECUTION_SERVICE } from "../../proto/grpc/execution-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import type {
  DecideBundleRequest,
  DecideBundleResponse,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
  InitResponse,
  PrepareBundleRequest,
  PrepareBundleResponse,
  SetFinalityRequest,
} from "../execution.ts";
import { broken, unreachable } from "./fault.ts";
import {
  BUSY_PATIENCE_MS,
  BUSY_PAUSE_MS,
  CALL_TIMEOUT_MS,
  REQUEST_BYTES_MAX,
  WATCH_MS,
} from "./limits.ts";

/** A call that was answered with an error. */
export interface Refusal {
  readonly kind: "refusal";
  /** Name of the gRPC status, such as `FAILED_PRECONDITION`. */
  readonly status: string;
  /** `weft-code` of the trailing metadata; "" without one. */
  readonly code: string;
  /** The heights of the trailing metadata, as they came. */
  readonly metadata: Readonly<Record<"expected" | "got" | "height", string>>;
  readonly details: string;
}

export interface Answer<T> {
  readonly kind: "answer";
  readonly value: T;
}

export type Reply<T> = Answer<T> | Refusal;

/** The calls of the contract by name. */
export type CallName = keyof typeof EXECUTION_SERVICE;

export interface Target {
  readonly address: string;
  init(request: InitRequest): Promise<Reply<InitResponse>>;
  executeBlock(request: ExecuteBlockRequest): Promise<Reply<ExecuteBlockResponse>>;
  setFinality(request: SetFinalityRequest): Promise<Reply<FinalityStatus>>;
  getStatus(): Promise<Reply<ExecutorStatus>>;
  prepareBundle(request: PrepareBundleRequest): Promise<Reply<PrepareBundleResponse>>;
  decideBundle(request: DecideBundleRequest): Promise<Reply<DecideBundleResponse>>;
  /** Bytes of a request that our types cannot say; the answer is left unread. */
  raw(name: CallName, request: Uint8Array): Promise<Reply<Uint8Array>>;
  /** Sends a block and lets go of it after `afterMs`, as a caller that dies does. */
  abandon(request: ExecuteBlockRequest, afterMs: number): Promise<void>;
  /** Whether the connection breaks before the signal; ask before a restart. */
  untilBroken(signal: AbortSignal): Promise<boolean>;
  /** `status` of `grpc.health.v1.Health/Check` for the whole server. */
  health(): Promise<Reply<number>>;
  close(): void;
}

/** Whether the executor is busy, starts, or was cut off in the middle: the call may be repeated, and is. */
function isPassing({ status: name, code, details }: Refusal): boolean {
  if (name === "UNAVAILABLE") return true;
  // gRPC libraries use this status for their own limit on a message's size too.
  if (name === "RESOURCE_EXHAUSTED") return !/larger than max|exceeds maximum/i.test(details);
  return code === "" && (name === "CANCELLED" || details.includes("RST_STREAM"));
}

interface RawMethod {
  readonly path: string;
}

export function connectTarget(address: string): Target {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
    "grpc.max_send_message_length": REQUEST_BYTES_MAX,
    "grpc.enable_retries": 0,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 500,
  });

  function once<T>(
    { path }: RawMethod,
    request: Buffer,
    read: (bytes: Buffer) => T,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<Reply<T>> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, bytes?: Buffer) => {
          if (error !== null) return resolve(toRefusal(error));
          // An answer that our codec does not take is the executor's fault.
          const reply = readAnswer(path, bytes, read);
          if (reply instanceof Error) reject(reply);
          else resolve(reply);
        },
      );
    });
  }

  /** Until something else than "busy" comes. */
  async function patiently<T>(ask: () => Promise<Reply<T>>): Promise<Reply<T>> {
    const end = Date.now() + BUSY_PATIENCE_MS;
    for (;;) {
      const reply = await ask();
      if (reply.kind === "answer" || !isPassing(reply)) return reply;
      if (Date.now() >= end) {
        throw unreachable(
          `${address} answers nothing but ${reply.status} (${reply.details}) for ${BUSY_PATIENCE_MS / 1_000} s`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
    }
  }

  const call = <Request, Response>(
    method: Method<Request, Response>,
    request: Request,
  ): Promise<Reply<Response>> => {
    const bytes = method.requestSerialize(request);
    return patiently(() => once(method, bytes, method.responseDeserialize));
  };

  return {
    address,
    init: (request) => call(EXECUTION_SERVICE.init, request),
    executeBlock: (request) => call(EXECUTION_SERVICE.executeBlock, request),
    setFinality: (request) => call(EXECUTION_SERVICE.setFinality, request),
    getStatus: () => call(EXECUTION_SERVICE.getStatus, {}),
    prepareBundle: (request) => call(EXECUTION_SERVICE.prepareBundle, request),
    decideBundle: (request) => call(EXECUTION_SERVICE.decideBundle, request),
    raw: (name, request) =>
      patiently(() =>
        once<Uint8Array>(EXECUTION_SERVICE[name], Buffer.from(request), (bytes) => bytes),
      ),
    abandon: (request, afterMs) =>
      new Promise((resolve) => {
        const { path, requestSerialize } = EXECUTION_SERVICE.executeBlock;
        const sent = client.makeUnaryRequest(
          path,
          requestSerialize,
          (bytes: Buffer) => bytes,
          request,
          // Cancelled, or answered before that: either is as good.
          () => resolve(),
        );
        setTimeout(() => sent.cancel(), afterMs);
      }),
    async untilBroken(signal) {
      const watch = (): Promise<boolean> =>
        new Promise((resolve) => {
          client
            .getChannel()
            .watchConnectivityState(connectivityState.READY, Date.now() + WATCH_MS, (error) =>
              resolve(error === undefined),
            );
        });
      // In slices: a watch that nothing ends would keep the process alive.
      while (!signal.aborted) if (await watch()) return true;
      return false;
    },
    // HealthCheckResponse holds one field, an enumeration: its tag 0x08, then the value.
    health: () =>
      patiently(() =>
        once({ path: "/grpc.health.v1.Health/Check" }, Buffer.alloc(0), (bytes) =>
          bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0,
        ),
      ),
    close: () => client.close(),
  };
}

function readAnswer<T>(
  path: string,
  bytes: Buffer | undefined,
  read: (bytes: Buffer) => T,
): Answer<T> | Error {
  try {
    return { kind: "answer", value: read(bytes ?? Buffer.alloc(0)) };
  } catch (fault) {
    if (!isWeftError(fault)) throw fault;
    return broken(`${path} answered with what is not the message: ${fault.message}`);
  }
}

function toRefusal(error: ServiceError): Refusal {
  const text = (key: string): string => String(error.metadata.get(key)[0] ?? "");
  return {
    kind: "refusal",
    status: status[error.code] ?? String(error.code),
    code: text(EXECUTION_ERROR_METADATA.code),
    metadata: {
      expected: text(EXECUTION_ERROR_METADATA.expected),
      got: text(EXECUTION_ERROR_METADATA.got),
      height: text(EXECUTION_ERROR_METADATA.height),
    },
    details: error.details,
  };
}
