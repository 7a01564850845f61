/**
 * JSON-RPC over HTTP to one execution client's authenticated port: a fresh token for each request, a time limit for
 * each answer, and another try when nobody answers. All that is asked here may be asked twice.
 */
import { z } from "zod";
import type { Clock } from "../../sequencer/ports/clock.ts";
import { postJson, readText } from "../json-rpc/post.ts";
import { engineError } from "./engine-error.ts";
import { signToken } from "./jwt.ts";
import {
  ENGINE_ANSWER_BYTES_MAX,
  ENGINE_BATCH_CALLS_MAX,
  ENGINE_CALL_TIMEOUT_MS,
  ENGINE_CALL_TRIES,
  ENGINE_RETRY_MS,
} from "./limits.ts";
import type { EngineApiMetrics } from "./metrics.ts";
import { isWeftError } from "../../proto/errors.ts";

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface EngineRpc {
  /** The result as it came, to be checked by the caller. @throws WeftError<EngineApiErrorInfo> */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  /** Results in the order of the calls, in as few requests as limits allow; one error fails all. */
  batch(calls: readonly RpcCall[]): Promise<unknown[]>;
}

export interface EngineRpcOptions {
  /** http or https. */
  readonly url: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  /** Default: ENGINE_CALL_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

const answerSchema = z.object({
  id: z.number(),
  result: z.unknown().optional(),
  error: z
    .object({ code: z.number(), message: z.string(), data: z.unknown().optional() })
    .optional(),
});
type Answer = z.infer<typeof answerSchema>;

export function createEngineRpc(
  options: EngineRpcOptions,
  deps: { readonly clock: Clock; readonly metrics: EngineApiMetrics },
): EngineRpc {
  const { url, secret, timeoutMs = ENGINE_CALL_TIMEOUT_MS } = options;
  const { clock, metrics } = deps;

  async function send(body: string): Promise<unknown> {
    let pauseMs = ENGINE_RETRY_MS;
    for (let tries = 1; ; tries++) {
      try {
        return await sendOnce(body);
      } catch (error) {
        const isAway = isWeftError(error) && error.code === "ENGINE_API_UNREACHABLE";
        if (!isAway || tries >= ENGINE_CALL_TRIES) throw error;
        await new Promise<void>((resolve) => {
          clock.after(pauseMs, resolve);
        });
        pauseMs *= 2;
      }
    }
  }

  async function sendOnce(body: string): Promise<unknown> {
    const token = signToken(secret, Number(clock.now().seconds));
    const signal = AbortSignal.timeout(timeoutMs);
    let text: string;
    try {
      const headers = { authorization: `Bearer ${token}` };
      const response = await postJson(url, body, { headers, signal });
      // The status first: what comes with a refusal is prose.
      if (response.status !== 200) throw await statusError(response);
      text = await boundedText(response);
    } catch (error) {
      if (isWeftError(error)) throw error;
      if (signal.aborted) {
        throw engineError(
          { code: "ENGINE_API_TIMEOUT" },
          `${url} has not answered for ${timeoutMs} ms`,
          error,
        );
      }
      throw engineError({ code: "ENGINE_API_UNREACHABLE" }, `nobody answers at ${url}`, error);
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw engineError(
        { code: "ENGINE_API_BAD_ANSWER" },
        `${url} answers something else than JSON`,
        cause,
      );
    }
  }

  async function statusError(response: Response): Promise<Error> {
    const said = (await boundedText(response)).trim().slice(0, 200);
    if (response.status === 401 || response.status === 403) {
      return engineError(
        { code: "ENGINE_API_UNAUTHORIZED" },
        `${url} refuses the token (${said}): both sides need the same JWT secret and clocks that agree`,
      );
    }
    const { status } = response;
    return engineError(
      { code: "ENGINE_API_HTTP_STATUS", status },
      `${url} answers HTTP ${status}: ${said}`,
    );
  }

  function boundedText(response: Response): Promise<string> {
    let size = 0;
    return readText(response, (bytes) => {
      size += bytes;
      if (size <= ENGINE_ANSWER_BYTES_MAX) return;
      throw engineError(
        { code: "ENGINE_API_BAD_ANSWER" },
        `${url} answers with more than ${ENGINE_ANSWER_BYTES_MAX} bytes`,
      );
    });
  }

  function resultOf(answer: Answer, call: RpcCall): unknown {
    if (answer.error === undefined) return answer.result;
    const { code, message, data } = answer.error;
    const detail = detailOf(data);
    throw engineError(
      { code: "ENGINE_API_CALL_FAILED", rpcCode: code },
      `${call.method}: ${message}${detail === "" ? "" : ` (${detail})`}`,
    );
  }

  async function timed<T>(method: string, work: () => Promise<T>): Promise<T> {
    const start = clock.monotonicMs();
    try {
      return await work();
    } catch (error) {
      metrics.callFailures.inc({ method, code: isWeftError(error) ? error.code : "UNEXPECTED" });
      throw error;
    } finally {
      metrics.callSeconds.observe((clock.monotonicMs() - start) / 1_000, { method });
    }
  }

  function parse<T>(schema: z.ZodType<T>, json: unknown): T {
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    throw engineError(
      { code: "ENGINE_API_BAD_ANSWER" },
      `${url} answers something else than JSON-RPC: ${parsed.error.message}`,
    );
  }

  async function sendBatch(calls: readonly RpcCall[]): Promise<unknown[]> {
    const body = calls.map(({ method, params }, id) => ({ jsonrpc: "2.0", id, method, params }));
    const answers = parse(z.array(answerSchema), await send(JSON.stringify(body)));
    const byId = new Map(answers.map((answer) => [answer.id, answer]));
    return calls.map((call, id) => {
      const answer = byId.get(id);
      if (answer !== undefined) return resultOf(answer, call);
      throw engineError(
        { code: "ENGINE_API_BAD_ANSWER" },
        `${url} leaves out one answer of a batch`,
      );
    });
  }

  return {
    call: (method, params) =>
      timed(method, async () => {
        const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method, params });
        return resultOf(parse(answerSchema, await send(body)), { method, params });
      }),
    batch: (calls) =>
      timed("batch", async () => {
        const results: unknown[] = [];
        for (let at = 0; at < calls.length; at += ENGINE_BATCH_CALLS_MAX) {
          results.push(...(await sendBatch(calls.slice(at, at + ENGINE_BATCH_CALLS_MAX))));
        }
        return results;
      }),
  };
}

/** What clients put beside an error's message: geth's Engine API an object with the cause in `err`. */
function detailOf(data: unknown): string {
  if (typeof data === "string") return data;
  if (typeof data === "object" && data !== null && "err" in data && typeof data.err === "string") {
    return data.err;
  }
  return "";
}
