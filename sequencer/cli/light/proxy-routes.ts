/** CometBFT's RPC as the verifying proxy of `weft light` serves it: the routes of a full node. */
import { Height } from "../../../proto/brands.ts";
import { assertNever, isWeftError } from "../../../proto/errors.ts";
import { toBase64, toHex } from "../../../proto/bytes.ts";
import { commitToJson, headerToJson, type Json, validatorToJson } from "../../../proto/json.ts";
import type { VerifiedRpc } from "../../../rollup-adapter/light/verified-rpc.ts";
import { resolvePage } from "../../rpc/environment.ts";
import { methodFailure, RpcError } from "../../rpc/errors.ts";
import { optional, param, type Args, type ParamSpec } from "../../rpc/params.ts";
import { type CallContext, type Route, route, type Routes } from "../../rpc/routes.ts";
import type { UpstreamSubscriptions } from "./upstream-subscriptions.ts";

const SEARCH: ParamSpec = {
  query: param("string"),
  prove: param("bool"),
  page: optional("int"),
  per_page: optional("int"),
  order_by: param("string"),
};
const BLOCK_SEARCH: ParamSpec = {
  query: param("string"),
  page: optional("int"),
  per_page: optional("int"),
  order_by: param("string"),
};
const TX: ParamSpec = { tx: param("bytes") };

/** What no header commits to: passed on, and marked as unverified. */
const PASSED_ON: Readonly<Record<string, ParamSpec>> = {
  net_info: {},
  genesis: {},
  genesis_chunked: { chunk: param("uint") },
  abci_info: {},
  consensus_state: {},
  dump_consensus_state: {},
  unconfirmed_txs: { limit: optional("int") },
  num_unconfirmed_txs: {},
  check_tx: TX,
  tx_search: SEARCH,
  block_search: BLOCK_SEARCH,
  broadcast_tx_sync: TX,
  broadcast_tx_async: TX,
  broadcast_tx_commit: TX,
  broadcast_evidence: { evidence: param("json") },
};

export function proxyRoutes(rpc: VerifiedRpc, subscriptions: UpstreamSubscriptions): Routes {
  const byHeight = { height: optional("int64") };
  const cacheByHeight = { cacheUnlessDefault: ["height"] };
  const routes: Record<string, Route> = {
    health: route({}, () => ({})),
    status: verified({}, () => rpc.status()),
    header: verified(
      byHeight,
      async ({ height }) => {
        const { signedHeader } = await rpc.lightBlock(heightOf(height));
        return { header: headerToJson(signedHeader.header) };
      },
      cacheByHeight,
    ),
    commit: verified(
      byHeight,
      async ({ height }) => {
        const { header, commit } = (await rpc.lightBlock(heightOf(height))).signedHeader;
        const signed = { header: headerToJson(header), commit: commitToJson(commit) };
        return { signed_header: signed, canonical: true };
      },
      cacheByHeight,
    ),
    validators: verified(
      { height: optional("int64"), page: optional("int"), per_page: optional("int") },
      async ({ height, page, per_page }) => {
        const { signedHeader, validatorSet } = await rpc.lightBlock(heightOf(height));
        const { validators } = validatorSet;
        const { skip, take } = resolvePage(page, per_page, validators.length);
        return {
          block_height: String(signedHeader.header.height),
          validators: validators.slice(skip, skip + take).map(validatorToJson),
          count: String(take),
          total: String(validators.length),
          // Witnesses have to agree on priorities, but no header commits to them.
          unverified: ["validators.proposer_priority"],
        };
      },
      cacheByHeight,
    ),
    block: verified(byHeight, ({ height }) => rpc.block(heightOf(height)), cacheByHeight),
    block_results: verified(
      byHeight,
      ({ height }) => rpc.blockResults(heightOf(height)),
      cacheByHeight,
    ),
    consensus_params: verified(
      byHeight,
      ({ height }) => rpc.consensusParams(heightOf(height)),
      cacheByHeight,
    ),
    block_by_hash: verified({ hash: param("bytes") }, ({ hash }) => rpc.blockByHash(hash)),
    header_by_hash: verified({ hash: param("hex") }, ({ hash }) => rpc.headerByHash(hash)),
    blockchain: verified(
      { minHeight: param("int64"), maxHeight: param("int64") },
      ({ minHeight, maxHeight }) => rpc.blockchain(bound(minHeight), bound(maxHeight)),
    ),
    tx: verified({ hash: param("bytes"), prove: param("bool") }, ({ hash, prove }) =>
      rpc.tx(hash, prove),
    ),
    abci_query: verified(
      {
        path: param("string"),
        data: param("hex"),
        height: param("int64"),
        prove: param("bool"),
      },
      ({ path, data, height }) => rpc.abciQuery(path, data, bound(height)),
    ),
    subscribe: subscribing({ query: param("string") }, ({ query }, { client, sink }) => {
      if (sink === undefined) throw new RpcError({ code: "RPC_METHOD_NOT_FOUND" }, "");
      return subscriptions.subscribe(client, query, sink(query));
    }),
    unsubscribe: subscribing({ query: param("string") }, ({ query }, { client }) =>
      subscriptions.unsubscribe(client, query),
    ),
    unsubscribe_all: subscribing({}, async (_args, { client }) => {
      subscriptions.dropClient(client);
    }),
  };
  for (const [method, params] of Object.entries(PASSED_ON)) {
    routes[method] = verified(params, (args) => rpc.passOn(method, wireArguments(params, args)));
  }
  return new Map(Object.entries(routes));
}

/** A route whose failures reach the client in their own words. */
function verified<S extends ParamSpec>(
  params: S,
  handler: (args: Args<S>) => Promise<Json>,
  options: { readonly cacheUnlessDefault?: readonly string[] } = {},
): Route {
  return route(params, (args) => inWords(() => handler(args)), options);
}

function subscribing<S extends ParamSpec>(
  params: S,
  handler: (args: Args<S>, context: CallContext) => Promise<void>,
): Route {
  const call = async (args: Args<S>, context: CallContext): Promise<Json> => {
    await inWords(() => handler(args, context));
    return {};
  };
  return route(params, call, { isWebSocketOnly: true });
}

async function inWords<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof RpcError || !isWeftError(error)) throw error;
    throw methodFailure(error.message, error);
  }
}

function heightOf(value: bigint | undefined): Height | undefined {
  if (value === undefined) return undefined;
  if (value <= 0n) throw methodFailure(`height must be greater than 0, but got ${value}`);
  return Height(bound(value));
}

function bound(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw methodFailure(`heights must be non-negative, but got ${value}`);
  }
  return Number(value);
}

/** Arguments as a node reads them. */
function wireArguments(
  params: ParamSpec,
  args: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const wire: Record<string, unknown> = {};
  for (const [name, { kind }] of Object.entries(params)) {
    const value = args[name];
    if (value === undefined) continue;
    switch (kind) {
      case "int64":
      case "int":
      case "uint":
        wire[name] = typeof value === "bigint" ? value.toString() : value;
        break;
      case "bytes":
        wire[name] = value instanceof Uint8Array ? toBase64(value) : value;
        break;
      case "hex":
        wire[name] = value instanceof Uint8Array ? toHex(value) : value;
        break;
      case "string":
      case "bool":
      case "json":
        wire[name] = value;
        break;
      default:
        assertNever(kind, "argument type");
    }
  }
  return wire;
}
