/** A method: its arguments, where it may be called from, and what it does. */
import type { Json, RawJson } from "./amino-json.ts";
import type { Args, ParamSpec } from "./params.ts";
import type { EventSink, JsonEvent } from "./subscriptions.ts";

/** Who calls. */
export interface CallContext {
  /** `ip:port` of the connection; subscriptions are counted by it. */
  readonly client: string;
  /** Aborts when the connection closes or the server stops. */
  readonly signal: AbortSignal;
  /** Makes the receiver of a subscription, given its query as sent; only a WebSocket has one. */
  readonly sink: ((query: string) => EventSink<JsonEvent>) | undefined;
}

export interface Route {
  readonly params: ParamSpec;
  readonly isWebSocketOnly: boolean;
  /**
   * Whether a success may be cached for a day: never, or when none of these arguments has its
   * default, because then the answer does not depend on the height of the day.
   */
  readonly cacheUnlessDefault: readonly string[] | undefined;
  call(args: Record<string, unknown>, context: CallContext): Promise<Json | RawJson>;
}

export type Routes = ReadonlyMap<string, Route>;

interface RouteOptions {
  readonly isWebSocketOnly?: boolean;
  readonly cacheUnlessDefault?: readonly string[];
}

/** A route whose handler gets its arguments typed as `params` declares them. */
export function route<S extends ParamSpec>(
  params: S,
  handler: (args: Args<S>, context: CallContext) => Promise<Json | RawJson> | Json | RawJson,
  options: RouteOptions = {},
): Route {
  return {
    params,
    isWebSocketOnly: options.isWebSocketOnly ?? false,
    cacheUnlessDefault: options.cacheUnlessDefault,
    // The values were made by `argsFromJson` or `argsFromUri` after the very same spec.
    call: async (args, context) => handler(args as Args<S>, context),
  };
}

/** Whether the answer to a call may be cached. */
export function isCacheable(one: Route, args: Record<string, unknown>): boolean {
  return (
    one.cacheUnlessDefault !== undefined &&
    one.cacheUnlessDefault.every((name) => {
      const value = args[name];
      return value !== undefined && value !== 0n && value !== "" && value !== false;
    })
  );
}
