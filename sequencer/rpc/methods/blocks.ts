/** Blocks and what they caused (`rpc/core/blocks.go`). */
import type { Height as HeightType } from "../../../proto/brands.ts";
import { Height } from "../../../proto/brands.ts";
import {
  blockMetaToJson,
  blockWithIdToJson,
  commitToJson,
  headerToJson,
} from "../../../proto/json.ts";
import type { Json } from "../amino-json.ts";
import { bytes, integer } from "../amino-json.ts";
import {
  eventsToJson,
  paramUpdatesToJson,
  txResultToJson,
  validatorUpdatesToJson,
} from "../abci-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { resolveHeight, resolvePage } from "../environment.ts";
import { methodFailure } from "../errors.ts";
import { BLOCKCHAIN_HEADERS_MAX, QUERY_LENGTH_MAX } from "../limits.ts";
import { optional, param } from "../params.ts";
import { parseQuery } from "../query/query.ts";
import type { Route } from "../routes.ts";
import { route } from "../routes.ts";

export function blockRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  const byHeight = { height: optional("int64") };
  const cacheByHeight = { cacheUnlessDefault: ["height"] };
  const heightOf = (wanted: bigint | undefined) => resolveHeight(env, env.blocks.height(), wanted);
  return {
    blockchain: route(
      { minHeight: param("int64"), maxHeight: param("int64") },
      ({ minHeight, maxHeight }) => blockchain(env, minHeight, maxHeight),
      { cacheUnlessDefault: ["minHeight", "maxHeight"] },
    ),
    block: route(byHeight, ({ height }) => blockAt(env, heightOf(height)), cacheByHeight),
    block_by_hash: route(
      { hash: param("bytes") },
      async ({ hash }) => {
        const height = await env.blocks.heightByHash(hash);
        return height === undefined ? blockWithIdToJson(undefined) : blockAt(env, height);
      },
      { cacheUnlessDefault: [] },
    ),
    header: route(byHeight, async ({ height }) => headerOf(env, heightOf(height)), cacheByHeight),
    header_by_hash: route(
      { hash: param("hex") },
      async ({ hash }) => headerOf(env, await env.blocks.heightByHash(hash)),
      { cacheUnlessDefault: [] },
    ),
    commit: route(byHeight, ({ height }) => commitAt(env, heightOf(height)), cacheByHeight),
    block_results: route(byHeight, ({ height }) => resultsAt(env, heightOf(height)), cacheByHeight),
    block_search: route(
      {
        query: param("string"),
        page: optional("int"),
        per_page: optional("int"),
        order_by: param("string"),
      },
      (args) => blockSearch(env, args),
    ),
  };
}

/** Both ends of a search's order. */
export function isDescending(orderBy: string, fallback: "asc" | "desc"): boolean {
  const order = orderBy === "" ? fallback : orderBy;
  if (order === "desc") return true;
  if (order === "asc") return false;
  throw methodFailure("expected order_by to be either `asc` or `desc` or empty");
}

async function blockchain(env: RpcEnvironment, low: bigint, high: bigint): Promise<Json> {
  const base = BigInt(env.blocks.base());
  const height = BigInt(env.blocks.height());
  if (low < 0n || high < 0n) throw methodFailure("heights must be non-negative");
  const max = high === 0n || high > height ? height : high;
  const wanted = [low === 0n ? 1n : low, base, max - BigInt(BLOCKCHAIN_HEADERS_MAX) + 1n];
  const min = wanted.reduce((a, b) => (a > b ? a : b));
  if (min > max) {
    throw methodFailure(`min height ${min} can't be greater than max height ${max}`);
  }
  const heights = Array.from({ length: Number(max - min) + 1 }, (_, i) => Number(max) - i);
  const metas = await Promise.all(heights.map((one) => env.blocks.meta(Height(one))));
  return {
    last_height: integer(height),
    block_metas: metas.flatMap((meta) => (meta === undefined ? [] : [blockMetaToJson(meta)])),
  };
}

async function blockAt(env: RpcEnvironment, height: HeightType): Promise<Json> {
  const [block, meta] = await Promise.all([env.blocks.block(height), env.blocks.meta(height)]);
  return blockWithIdToJson(block, meta?.blockId);
}

async function headerOf(env: RpcEnvironment, height: HeightType | undefined): Promise<Json> {
  const meta = height === undefined ? undefined : await env.blocks.meta(height);
  return { header: meta === undefined ? null : headerToJson(meta.header) };
}

async function commitAt(env: RpcEnvironment, height: HeightType): Promise<Json> {
  // Asked first: once the next block is in, the canonical commit is there too.
  const isLast = height === env.blocks.height();
  const [meta, commit] = await Promise.all([
    env.blocks.meta(height),
    isLast ? env.blocks.seenCommit(height) : env.blocks.commit(height),
  ]);
  if (meta === undefined) return null;
  return {
    signed_header: {
      header: headerToJson(meta.header),
      commit: commit === undefined ? null : commitToJson(commit),
    },
    canonical: !isLast,
  };
}

async function resultsAt(env: RpcEnvironment, height: HeightType): Promise<Json> {
  const results = await env.states.finalizeBlockResponse(height);
  if (results === undefined) throw methodFailure(`could not find results for height #${height}`);
  const updates = validatorUpdatesToJson(results.validatorUpdates);
  return {
    height: integer(height),
    txs_results: results.txResults.length === 0 ? null : results.txResults.map(txResultToJson),
    finalize_block_events: eventsToJson(results.events),
    validator_updates: updates.length === 0 ? null : updates,
    consensus_param_updates: paramUpdatesToJson(results.consensusParamUpdates),
    app_hash: bytes(results.appHash),
  };
}

async function blockSearch(
  env: RpcEnvironment,
  args: {
    readonly query: string;
    readonly page: bigint | undefined;
    readonly per_page: bigint | undefined;
    readonly order_by: string;
  },
): Promise<Json> {
  if (env.index === undefined) throw methodFailure("block indexing is disabled");
  if (Buffer.byteLength(args.query) > QUERY_LENGTH_MAX) {
    throw methodFailure("maximum query length exceeded");
  }
  const query = parseQuery(args.query);
  const isReversed = isDescending(args.order_by, "desc");
  const found = await env.index.searchBlocks(query);
  const { skip, take } = resolvePage(args.page, args.per_page, found.length);
  const ordered = isReversed ? found.toReversed() : found;
  const blocks: Json[] = [];
  for (const height of ordered.slice(skip, skip + take)) {
    const [block, meta] = await Promise.all([env.blocks.block(height), env.blocks.meta(height)]);
    if (block !== undefined && meta !== undefined) {
      blocks.push(blockWithIdToJson(block, meta.blockId));
    }
  }
  return { blocks, total_count: integer(found.length) };
}
