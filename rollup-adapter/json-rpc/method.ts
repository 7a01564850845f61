/** What a JSON-RPC method is, to whoever serves it. */

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

export type Params = readonly unknown[];

/** What a method may know of the request beside its parameters. */
export interface RequestContext {
  /** Remote address of the caller. */
  readonly address: string;
  /** Whom limits and quotas count for (`access.ts`). */
  readonly requester: string;
  /** The header X-Flashbots-Signature, `<address>:<signature>`; undefined without one, and on a WebSocket. */
  readonly signature: string | undefined;
  /** The whole body, which that header signs. */
  readonly body: string;
}

export type Method = (params: Params, context: RequestContext) => Json | Promise<Json>;
export type MethodTable = ReadonlyMap<string, Method>;

/**
 * One kind of eth_subscribe: checks its options, and tells `notify` of every event until the function that it returns is called.
 * `lose` says that no event will be told of any more: the caller's connection ends, so that it asks anew.
 * @throws RpcError
 */
export type Subscribe = (
  options: unknown,
  notify: (result: Json) => void,
  lose: () => void,
) => (() => void) | Promise<() => void>;

/** By the name that callers give. */
export type SubscriptionKinds = ReadonlyMap<string, Subscribe>;
