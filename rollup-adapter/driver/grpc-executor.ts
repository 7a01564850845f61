/** `weft.execution.v1` both ways: an `Executor` served over gRPC, and one called over gRPC. */
import {
  Client,
  credentials,
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { Height } from "../../proto/brands.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import {
  EXECUTION_ERROR_METADATA,
  EXECUTION_SERVICE,
  EXECUTION_SERVICE_NAME,
} from "../../proto/grpc/execution-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { EXECUTION_GRPC_STATUS, type ExecutionErrorInfo, type Executor } from "../execution.ts";
import { EXECUTE_TIMEOUT_MS, STOP_GRACE_MS, STREAM_MESSAGE_BYTES_MAX } from "../limits.ts";

export type ExecutorServerErrorInfo =
  /** The address cannot be listened on. */
  { readonly code: "EXECUTOR_LISTEN_FAILED"; readonly address: string };

export interface ExecutorServer {
  /** Resolves with the port. */
  start(): Promise<number>;
  stop(): Promise<void>;
}

/** Serves an executor, with health. Port 0: any free one. */
export function createExecutorServer(
  options: { readonly host: string; readonly port: number },
  executor: Executor,
): ExecutorServer {
  const server = new Server({
    "grpc.max_receive_message_length": STREAM_MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": STREAM_MESSAGE_BYTES_MAX,
  });
  const service = {
    init: received(EXECUTION_SERVICE.init),
    executeBlock: received(EXECUTION_SERVICE.executeBlock),
    setFinality: received(EXECUTION_SERVICE.setFinality),
    getStatus: received(EXECUTION_SERVICE.getStatus),
    prepareBundle: received(EXECUTION_SERVICE.prepareBundle),
    decideBundle: received(EXECUTION_SERVICE.decideBundle),
  };
  server.addService(service, {
    init: serve(executor.init.bind(executor)),
    executeBlock: serve(executor.executeBlock.bind(executor)),
    setFinality: serve(executor.setFinality.bind(executor)),
    getStatus: serve(() => executor.getStatus()),
    prepareBundle: serve(executor.prepareBundle?.bind(executor) ?? refuseAtomic),
    decideBundle: serve(executor.decideBundle?.bind(executor) ?? refuseAtomic),
  });
  const health = new HealthImplementation({ "": "SERVING", [EXECUTION_SERVICE_NAME]: "SERVING" });
  health.addToServer(server);
  return {
    start: () =>
      new Promise((resolve, reject) => {
        const address = `${options.host}:${options.port}`;
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
          if (error === null) resolve(port);
          else {
            reject(
              new WeftError<ExecutorServerErrorInfo>(
                { code: "EXECUTOR_LISTEN_FAILED", address },
                `cannot serve the executor on ${address}; choose a free port`,
                { cause: error },
              ),
            );
          }
        });
      }),
    stop: () =>
      new Promise((resolve) => {
        // Someone who watches the health has a stream that never ends by itself.
        const timer = setTimeout(() => server.forceShutdown(), STOP_GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

/** An executor behind gRPC. Errors come back as the `WeftError<ExecutionErrorInfo>` they were. */
export function createGrpcExecutor(address: string): Executor & { close(): void } {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": STREAM_MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": STREAM_MESSAGE_BYTES_MAX,
    "grpc.enable_retries": 0,
    "grpc.max_reconnect_backoff_ms": 2_000,
  });
  const call = <Request, Response>(method: Method<Request, Response>, request: Request) =>
    unary({ client, address }, method, request);
  return {
    init: (request) => call(EXECUTION_SERVICE.init, request),
    executeBlock: (request) => call(EXECUTION_SERVICE.executeBlock, request),
    setFinality: (request) => call(EXECUTION_SERVICE.setFinality, request),
    getStatus: () => call(EXECUTION_SERVICE.getStatus, {}),
    prepareBundle: (request) => call(EXECUTION_SERVICE.prepareBundle, request),
    decideBundle: (request) => call(EXECUTION_SERVICE.decideBundle, request),
    close: () => client.close(),
  };
}

/** What an executor of level 0 answers. */
function refuseAtomic(): Promise<never> {
  return Promise.reject(
    new WeftError<ExecutionErrorInfo>(
      { code: "EXECUTION_ATOMIC_UNSUPPORTED" },
      "this executor offers level 0: legs of bundles are included together, not executed atomically",
    ),
  );
}

/** A request, or why the bytes that came are none. */
type Received<Request> = { readonly request: Request } | { readonly fault: string };

/** The library would answer INTERNAL to a request that cannot be read; the contract has a code for it. */
function received<Request, Response>(method: Method<Request, Response>) {
  return {
    ...method,
    requestSerialize: (): Buffer => {
      throw new RangeError("a server writes no requests");
    },
    requestDeserialize: (bytes: Buffer): Received<Request> => {
      try {
        return { request: method.requestDeserialize(bytes) };
      } catch (error) {
        if (!isWeftError(error)) throw error;
        return { fault: error.message };
      }
    },
  };
}

function serve<Request, Response>(handle: (request: Request) => Promise<Response>) {
  return (
    call: ServerUnaryCall<Received<Request>, Response>,
    callback: sendUnaryData<Response>,
  ): void => {
    void (async () => {
      try {
        if ("fault" in call.request) {
          throw new WeftError<ExecutionErrorInfo>(
            { code: "EXECUTION_INVALID_REQUEST" },
            call.request.fault,
          );
        }
        callback(null, await handle(call.request.request));
      } catch (error) {
        callback(toStatus(error));
      }
    })();
  };
}

function toStatus(error: unknown) {
  const metadata = new Metadata();
  const code = isExecutionError(error) ? error.info.code : "EXECUTION_INTERNAL";
  metadata.set(EXECUTION_ERROR_METADATA.code, code);
  if (isExecutionError(error)) {
    for (const field of ["expected", "got", "height"] as const) {
      const value: unknown = Object.entries(error.info).find(([name]) => name === field)?.[1];
      if (typeof value === "number") metadata.set(EXECUTION_ERROR_METADATA[field], String(value));
    }
  }
  const details = error instanceof Error ? error.message : "the executor failed";
  return { code: status[EXECUTION_GRPC_STATUS[code]], details, metadata };
}

function unary<Request, Response>(
  { client, address }: { readonly client: Client; readonly address: string },
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      { deadline: Date.now() + EXECUTE_TIMEOUT_MS },
      (error, response) => {
        if (error !== null) reject(fromStatus(error, address, method.path));
        else if (response !== undefined) resolve(response);
      },
    );
  });
}

/** Calls that executors of level 0 do not serve. */
const LEVEL_1_PATHS: ReadonlySet<string> = new Set([
  EXECUTION_SERVICE.prepareBundle.path,
  EXECUTION_SERVICE.decideBundle.path,
]);

/** The executor's own error again; what carries no known code is a failure of the connection. */
function fromStatus(
  error: ServiceError,
  address: string,
  path: string,
): WeftError<ExecutionErrorInfo> {
  const text = (key: string): string => String(error.metadata.get(key)[0] ?? "");
  const heightOf = (key: string): Height => Height(Number(text(key)) || 0);
  const code = text(EXECUTION_ERROR_METADATA.code);
  // Who never heard of a method says so in gRPC's own words: an executor of level 0, or a proxy without its executor.
  const isUnserved = error.code === status.UNIMPLEMENTED && !isExecutionCode(code);
  if (isUnserved && !LEVEL_1_PATHS.has(path)) {
    return new WeftError<ExecutionErrorInfo>(
      { code: "EXECUTION_CLOSED" },
      `what answers at ${address} is no executor (${error.details}); is the address right?`,
      { cause: error },
    );
  }
  const info: ExecutionErrorInfo = !isExecutionCode(code)
    ? { code: isUnserved ? "EXECUTION_ATOMIC_UNSUPPORTED" : "EXECUTION_CLOSED" }
    : code === "EXECUTION_HEIGHT_GAP"
      ? {
          code,
          expected: heightOf(EXECUTION_ERROR_METADATA.expected),
          got: heightOf(EXECUTION_ERROR_METADATA.got),
        }
      : code === "EXECUTION_CONFLICT" || code === "EXECUTION_HEIGHT_FORGOTTEN"
        ? { code, height: heightOf(EXECUTION_ERROR_METADATA.height) }
        : { code };
  return new WeftError<ExecutionErrorInfo>(info, error.details, { cause: error });
}

function isExecutionCode(code: string): code is ExecutionErrorInfo["code"] {
  return Object.hasOwn(EXECUTION_GRPC_STATUS, code);
}

function isExecutionError(error: unknown): error is WeftError<ExecutionErrorInfo> {
  return isWeftError(error) && isExecutionCode(error.code);
}
