/** The executor's own JSON-RPC over HTTP: what it answers is passed on, errors with their codes. */
import { isShallowJson } from "../../../proto/json-reader.ts";
import { limitExceeded, RPC_CODE, RpcError } from "../../json-rpc/errors.ts";
import type { Json } from "../../json-rpc/method.ts";
import { postJson, readText } from "../../json-rpc/post.ts";
import {
  UPSTREAM_ANSWER_BYTES_MAX,
  UPSTREAM_CALLS_MAX,
  UPSTREAM_READING_BYTES_MAX,
  UPSTREAM_TIMEOUT_MS,
} from "./limits.ts";

export interface Upstream {
  /**
   * @throws RpcError what the executor answered, RESOURCE_UNAVAILABLE when it does not answer, LIMIT_EXCEEDED when too many
   * calls are under way
   */
  call(method: string, params: readonly unknown[]): Promise<Json>;
}

/** What a caller is told then. */
export function away(): RpcError {
  return new RpcError(
    RPC_CODE.RESOURCE_UNAVAILABLE,
    "the rollup's executor does not answer; try again later",
  );
}

/** @param url http or https; not shown to callers */
export function createUpstream(url: string): Upstream {
  let underWay = 0;
  let lastId = 0;
  const reading: Reading = { bytes: 0 };

  async function answer(method: string, params: readonly unknown[]): Promise<unknown> {
    lastId += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params });
    const signal = AbortSignal.timeout(UPSTREAM_TIMEOUT_MS);
    return parseAnswer(await readAnswer(await postJson(url, body, { signal }), reading));
  }

  return {
    async call(method, params) {
      if (underWay >= UPSTREAM_CALLS_MAX) {
        throw limitExceeded(`${UPSTREAM_CALLS_MAX} calls wait for the executor already`);
      }
      underWay += 1;
      try {
        return resultOf(await answer(method, params));
      } catch (cause) {
        if (cause instanceof RpcError) throw cause;
        throw away();
      } finally {
        underWay -= 1;
      }
    },
  };
}

/** Of all answers that are on their way. */
interface Reading {
  bytes: number;
}

async function readAnswer(response: Response, reading: Reading): Promise<string> {
  let bytes = 0;
  try {
    return await readText(response, (taken) => {
      bytes += taken;
      reading.bytes += taken;
      if (bytes > UPSTREAM_ANSWER_BYTES_MAX) {
        throw limitExceeded(`the answer has more than ${UPSTREAM_ANSWER_BYTES_MAX} bytes`);
      }
      if (reading.bytes > UPSTREAM_READING_BYTES_MAX) {
        throw limitExceeded("too much is being read from the executor; try again later");
      }
    });
  } finally {
    reading.bytes -= bytes;
  }
}

/** Throws whatever is wrong with the text: to its caller that is an executor that does not answer. */
export function parseAnswer(text: string): unknown {
  if (!isShallowJson(text)) throw new RangeError("nested too deep");
  return JSON.parse(text);
}

/** The result of a JSON-RPC answer; throws its error. */
export function resultOf(answer: unknown): Json {
  if (typeof answer !== "object" || answer === null) throw new RangeError("not an object");
  const { result, error } = answer as { readonly result?: Json; readonly error?: unknown };
  if (error === undefined || error === null) return result ?? null;
  const { code, message, data } = error as Readonly<Record<string, unknown>>;
  throw new RpcError(
    typeof code === "number" ? code : RPC_CODE.SERVER,
    typeof message === "string" ? message : "the executor refused the call",
    data as Json | undefined,
  );
}
