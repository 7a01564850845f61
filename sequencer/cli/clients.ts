/** Talking to a running node from the command line. */
import { isWeftError } from "../../proto/errors.ts";
import type { GrpcCaller } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { cliError } from "./cli-error.ts";

/** Runs `use` with a gRPC client of a node and closes it; failures to reach it exit with UNREACHABLE. */
export async function withSequencer<T>(
  address: string,
  use: (client: SequencerClient) => Promise<T>,
): Promise<T> {
  // gRPC takes longer to load than most commands take to run.
  const { createGrpcSequencerClient } = await import(
    "../../rollup-adapter/client/grpc-sequencer-client.ts"
  );
  return withClient(createGrpcSequencerClient(address), use);
}

/** The same for any service of a node: `use` calls its methods. */
export async function withCaller<T>(
  address: string,
  use: (call: GrpcCaller["call"]) => Promise<T>,
): Promise<T> {
  const { createGrpcCaller } = await import("../../rollup-adapter/client/grpc-sequencer-client.ts");
  return withClient(createGrpcCaller(address), ({ call }) => use(call));
}

async function withClient<Client extends { close(): void }, T>(
  client: Client,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  try {
    return await use(client);
  } catch (error) {
    if (isWeftError(error) && error.code === "SEQUENCER_CALL_FAILED") {
      const { status }: { readonly code: string; readonly status?: string } = error.info;
      const code =
        status === "NOT_FOUND" || status === "OUT_OF_RANGE"
          ? "NOT_FOUND"
          : status === "INVALID_ARGUMENT"
            ? "USAGE"
            : "UNREACHABLE";
      const isAway = status === "UNAVAILABLE" || status === "DEADLINE_EXCEEDED";
      throw cliError(
        code,
        isAway ? `${error.message} Name another with --node host:port` : error.message,
      );
    }
    throw error;
  } finally {
    client.close();
  }
}

/** Calls a method of CometBFT's JSON-RPC and gives its result. */
export async function callRpc(
  url: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  let body: unknown;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(10_000),
    });
    body = await response.json();
  } catch (cause) {
    throw cliError(
      "UNREACHABLE",
      `no node answers at ${url}; is it running? Name another with --rpc`,
      cause,
    );
  }
  if (!isRecord(body)) throw cliError("UNREACHABLE", `${url} is not a node's RPC`);
  const { error, result } = body as { readonly error?: unknown; readonly result?: unknown };
  if (isRecord(error)) {
    // CometBFT's message is only the class of the error; the data says what it is.
    const text = [error["data"], error["message"]].find(
      (part) => typeof part === "string" && part !== "",
    );
    throw cliError("NOT_FOUND", `${method}: ${String(text)}`);
  }
  if (!isRecord(result))
    throw cliError("UNREACHABLE", `${url} answered ${method} without a result`);
  return result;
}

/**
 * An application query as JSON: what the state's own encoding says, in words of the application.
 * @param absence "or nothing": undefined for what is not there, instead of a refusal
 */
export async function queryJson(
  rpc: string,
  path: string,
  absence?: "or nothing",
): Promise<unknown> {
  const answer = await callRpc(rpc, "abci_query", { path, data: "", prove: false });
  const { response } = answer as {
    readonly response?: { readonly code?: number; readonly info?: string; readonly log?: string };
  };
  const isFound = (response?.code ?? 0) === 0;
  if (!isFound && absence !== undefined) return undefined;
  if (!isFound || response?.info === undefined || response.info === "") {
    throw cliError("NOT_FOUND", `${path}: ${response?.log ?? "the node gave no answer"}`);
  }
  return JSON.parse(response.info) as unknown;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
