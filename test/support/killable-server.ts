/** An executor served so that a test can kill it as a machine does, and serve it worse than ours would. */
import { Metadata, type sendUnaryData, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { isWeftError } from "../../proto/errors.ts";
import { EXECUTION_ERROR_METADATA, EXECUTION_SERVICE } from "../../proto/grpc/execution-service.ts";
import {
  EXECUTION_GRPC_STATUS,
  type ExecutionErrorInfo,
  type Executor,
} from "../../rollup-adapter/execution.ts";

export interface ServerFaults {
  readonly isHealthMissing?: boolean;
  readonly isMetadataMissing?: boolean;
  readonly areHeightsMissing?: boolean;
  /** Every refusal has this gRPC status. */
  readonly status?: keyof typeof status;
  /** The library's default of 4 MiB stays in force. */
  readonly isReceiveLimitKept?: boolean;
}

export interface KillableServer {
  readonly address: string;
  /** Cuts every connection and every call, then serves again at the same port. */
  restart(): Promise<void>;
  kill(): void;
}

export async function serveKillable(
  executor: Executor,
  faults: ServerFaults = {},
): Promise<KillableServer> {
  let server = build(executor, faults);
  const port = await listen(server, 0);
  return {
    address: `127.0.0.1:${port}`,
    async restart() {
      server.forceShutdown();
      server = build(executor, faults);
      await listen(server, port);
    },
    kill: () => server.forceShutdown(),
  };
}

function build(executor: Executor, faults: ServerFaults): Server {
  const server = new Server(
    faults.isReceiveLimitKept === true ? {} : { "grpc.max_receive_message_length": -1 },
  );
  const serve =
    <Request, Response>(handle: (request: Request) => Promise<Response>) =>
    (call: { readonly request: Request }, callback: sendUnaryData<Response>): void => {
      void (async () => {
        let response: Response;
        try {
          response = await handle(call.request);
        } catch (error) {
          return callback(refusalOf(error, faults));
        }
        callback(null, response);
      })();
    };
  server.addService(
    {
      init: tolerant(EXECUTION_SERVICE.init),
      executeBlock: tolerant(EXECUTION_SERVICE.executeBlock),
      setFinality: tolerant(EXECUTION_SERVICE.setFinality),
      getStatus: EXECUTION_SERVICE.getStatus,
    },
    {
      init: serve(readable(executor.init.bind(executor))),
      executeBlock: serve(readable(executor.executeBlock.bind(executor))),
      setFinality: serve(readable(executor.setFinality.bind(executor))),
      getStatus: serve(() => executor.getStatus()),
    },
  );
  // Without a handler the library says UNIMPLEMENTED.
  const prepare = executor.prepareBundle?.bind(executor);
  if (prepare !== undefined) {
    server.addService(
      { prepareBundle: tolerant(EXECUTION_SERVICE.prepareBundle) },
      { prepareBundle: serve(readable(prepare)) },
    );
  }
  const decide = executor.decideBundle?.bind(executor);
  if (decide !== undefined) {
    server.addService(
      { decideBundle: tolerant(EXECUTION_SERVICE.decideBundle) },
      { decideBundle: serve(readable(decide)) },
    );
  }
  if (faults.isHealthMissing !== true) {
    new HealthImplementation({ "": "SERVING" }).addToServer(server);
  }
  return server;
}

/** A request, or nothing where the bytes that came are none. */
interface Received<Request> {
  readonly request?: Request;
}

function tolerant<Request, Definition extends { requestDeserialize: (bytes: Buffer) => Request }>(
  definition: Definition,
): Omit<Definition, "requestDeserialize"> & {
  requestDeserialize: (bytes: Buffer) => Received<Request>;
} {
  return {
    ...definition,
    requestDeserialize: (bytes) => {
      try {
        return { request: definition.requestDeserialize(bytes) };
      } catch (error) {
        if (isWeftError(error)) return {};
        throw error;
      }
    },
  };
}

function readable<Request, Response>(handle: (request: Request) => Promise<Response>) {
  return async ({ request }: Received<Request>): Promise<Response> => {
    if (request !== undefined) return handle(request);
    throw Object.assign(new Error("no request"), { info: { code: "EXECUTION_INVALID_REQUEST" } });
  };
}

function refusalOf(error: unknown, faults: ServerFaults) {
  const info: object =
    error instanceof Error && "info" in error && typeof error.info === "object"
      ? (error.info ?? {})
      : {};
  const fields = new Map<string, unknown>(Object.entries(info));
  const named = fields.get("code");
  const code = typeof named === "string" ? named : "EXECUTION_INTERNAL";
  const metadata = new Metadata();
  if (faults.isMetadataMissing !== true) metadata.set(EXECUTION_ERROR_METADATA.code, code);
  if (faults.areHeightsMissing !== true) {
    for (const key of ["expected", "got", "height"] as const) {
      const value = fields.get(key);
      if (typeof value === "number") metadata.set(EXECUTION_ERROR_METADATA[key], String(value));
    }
  }
  const name = isCode(code) ? EXECUTION_GRPC_STATUS[code] : "INTERNAL";
  return { code: status[faults.status ?? name], details: String(error), metadata };
}

function isCode(code: string): code is ExecutionErrorInfo["code"] {
  return Object.hasOwn(EXECUTION_GRPC_STATUS, code);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
}
