/**
 * CometBFT's RPC with answers that are verified before they are given (`light/rpc/client.go`). Whatever
 * a header commits to is checked against headers of the light client and written anew from what was
 * checked; what nothing commits to is named in the member `unverified`, or refused.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toBase64, toHex } from "../../proto/bytes.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import { isWeftError } from "../../proto/errors.ts";
import { consensusParamsHash, headerHash, resultsHash, txHash } from "../../proto/hashes.ts";
import {
  blockFromJson,
  blockIdToJson,
  blockToJson,
  bytesJson,
  consensusParamsFromJson,
  consensusParamsToJson,
  headerFromJson,
  headerToJson,
  hexJson,
  type Json,
  merkleProofToJson,
} from "../../proto/json.ts";
import type { JsonNode } from "../../proto/json-reader.ts";
import { verifyMerkleProof } from "../../proto/merkle.ts";
import { formatTime } from "../../proto/time.ts";
import type { Header, LightBlock } from "../../proto/types.ts";
import { blockIdsEqual, validateBlock } from "../../proto/validate-basic.ts";
import { stateProofFault } from "../../proto/verify/ics23.ts";
import type { LightClient } from "../../proto/verify/light/client.ts";
import { type LightClock, pause } from "../../proto/verify/light/clock.ts";
import { providerErrorCode } from "../../proto/verify/light/provider.ts";
import {
  type CallOptions,
  type CometRpcClient,
  isCometRpcError,
} from "../../sequencer/ports/comet-rpc/client.ts";
import { BLOCK_ANSWER_BYTES_MAX } from "../../sequencer/ports/comet-rpc/limits.ts";
import {
  hashedResultFromJson,
  marked,
  queryAnswerFromJson,
  txAnswerFromJson,
  txResultJson,
  UNVERIFIED_OF_RESULT,
  verifiedRpcError,
} from "./answers.ts";
import {
  BLOCKCHAIN_HEADERS_MAX,
  BROADCAST_TIMEOUT_MS,
  HEIGHTS_AHEAD_MAX,
  NEXT_HEADER_POLL_MS,
  NEXT_HEADER_WAIT_MS,
} from "./limits.ts";
import { type LightMetrics, NULL_LIGHT_METRICS } from "./metrics.ts";

/** The name of proofs of Weft's state. */
const STATE_PROOF = "ics23:smt";
const ALL = ["*"];
/** Answers that may be as large as a block, and those that wait for one. */
const BLOCK_ANSWER: CallOptions = { answerBytesMax: BLOCK_ANSWER_BYTES_MAX, timeoutMs: 30_000 };

export interface VerifiedRpcDependencies {
  readonly light: LightClient;
  /** The RPC of the light client's primary at the moment. */
  readonly primary: () => CometRpcClient;
  /** The key of the state that a query is about; undefined when it is about none. */
  readonly stateKey: (path: string, data: Uint8Array) => Uint8Array | undefined;
  readonly clock: LightClock;
  readonly metrics?: LightMetrics | undefined;
}

/** Heights left out mean the latest one. Every method throws what verification and calls throw. */
export interface VerifiedRpc {
  /** The verified header, its commit and its validators. */
  lightBlock(height?: Height): Promise<LightBlock>;
  headerByHash(hash: Uint8Array): Promise<Json>;
  block(height?: Height): Promise<Json>;
  blockByHash(hash: Uint8Array): Promise<Json>;
  /** 0 leaves an end open. */
  blockchain(low: number, high: number): Promise<Json>;
  blockResults(height?: Height): Promise<Json>;
  consensusParams(height?: Height): Promise<Json>;
  tx(hash: Uint8Array, isProofWanted: boolean): Promise<Json>;
  abciQuery(path: string, data: Uint8Array, height: number): Promise<Json>;
  status(): Promise<Json>;
  /** The answer as the primary gives it, marked. */
  passOn(method: string, params: Readonly<Record<string, unknown>>): Promise<Json>;
}

export function createVerifiedRpc(dependencies: VerifiedRpcDependencies): VerifiedRpc {
  const { light, primary, stateKey, clock, metrics = NULL_LIGHT_METRICS } = dependencies;

  async function lightBlock(height?: Height): Promise<LightBlock> {
    return height === undefined ? light.update() : light.verifyAt(height);
  }

  async function headerAt(height?: Height): Promise<Header> {
    return (await lightBlock(height)).signedHeader.header;
  }

  /** The header after a height, which holds what its block led to; it may be on its way. */
  async function headerAfter(height: Height): Promise<Header> {
    const rounds = Math.ceil(NEXT_HEADER_WAIT_MS / NEXT_HEADER_POLL_MS);
    for (let left = rounds; ; left--) {
      try {
        return await headerAt(Height(height + 1));
      } catch (error) {
        const isEarly = providerErrorCode(error) === "PROVIDER_HEIGHT_TOO_HIGH";
        if (!isEarly || left === 0) throw error;
        // What claims to be of a height far ahead is not worth waiting for.
        const { height: known } = (await light.latestTrusted()).signedHeader.header;
        if (height > known + HEIGHTS_AHEAD_MAX) throw error;
      }
      await pause(clock, NEXT_HEADER_POLL_MS);
    }
  }

  /**
   * Calls the primary and reads its answer; `check` throws through `refuse` or as readers do when the
   * answer does not hold.
   */
  async function verified<T>(
    method: string,
    params: Readonly<Record<string, unknown>>,
    check: (answer: JsonNode, refuse: (why: string) => never) => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    const rpc = primary();
    const refuse = (why: string, cause?: unknown): never => {
      metrics.answers.inc({ method, outcome: "refused" });
      const info = { code: "VERIFY_ANSWER", method, provider: rpc.name } as const;
      const message = `${rpc.name}: the answer to ${method} does not verify: ${why}`;
      throw verifiedRpcError(info, message, cause);
    };
    const answer = await call(rpc, method, params, options);
    try {
      const result = await check(answer, refuse);
      metrics.answers.inc({ method, outcome: "verified" });
      return result;
    } catch (error) {
      if (isWeftError(error) && /^(JSON_SHAPE$|INVALID_)/.test(error.code)) {
        refuse(error.message, error);
      }
      throw error;
    }
  }

  async function block(height?: Height): Promise<Json> {
    const { signedHeader } = await lightBlock(height);
    const params = { height: String(signedHeader.header.height) };
    return verified(
      "block",
      params,
      (answer, refuse) => checkBlock(answer, signedHeader, refuse),
      BLOCK_ANSWER,
    );
  }

  async function checkBlock(
    answer: JsonNode,
    { header, commit }: LightBlock["signedHeader"],
    refuse: (why: string) => never,
  ): Promise<Json> {
    const found = answer.get("block");
    if (found.isAbsent) throw notFound("block", `block ${header.height}`);
    const block = blockFromJson(found);
    validateBlock(block);
    requireSame(headerHash(block.header), headerHash(header), "the hash of its header", refuse);
    // The hash of the last commit covers its signatures; what they sign has to follow from the header.
    const { lastCommit } = block;
    const isFirst = isNilBlockId(header.lastBlockId);
    const isForParent = blockIdsEqual(lastCommit.blockId, header.lastBlockId);
    if (!isForParent || lastCommit.height !== (isFirst ? 0 : header.height - 1)) {
      refuse("its last commit is not for the block before");
    }
    const shown = { block_id: blockIdToJson(commit.blockId), block: blockToJson(block) };
    return marked(shown, ["block.last_commit.round"]);
  }

  async function blockByHash(hash: Uint8Array): Promise<Json> {
    const params = { hash: toBase64(hash) };
    return verified(
      "block_by_hash",
      params,
      async (answer, refuse) => {
        const found = answer.get("block");
        if (found.isAbsent) throw notFound("block_by_hash", `block ${hexJson(hash)}`);
        const { signedHeader } = await light.verifyAt(found.get("header").get("height").height());
        requireSame(headerHash(signedHeader.header), hash, "the hash of its height", refuse);
        return checkBlock(answer, signedHeader, refuse);
      },
      BLOCK_ANSWER,
    );
  }

  async function headerByHash(hash: Uint8Array): Promise<Json> {
    return verified("header_by_hash", { hash: toHex(hash) }, async (answer, refuse) => {
      const found = answer.get("header");
      if (found.isAbsent) throw notFound("header_by_hash", `header ${hexJson(hash)}`);
      const header = await headerAt(found.get("height").height());
      requireSame(headerHash(header), hash, "the hash of its height", refuse);
      return { header: headerToJson(header) };
    });
  }

  async function blockchain(low: number, high: number): Promise<Json> {
    const latest = await headerAt();
    const top = high === 0 || high > latest.height ? latest.height : Height(high);
    const bottom = Math.max(low, 1, top - BLOCKCHAIN_HEADERS_MAX + 1);
    const params = { minHeight: String(bottom), maxHeight: String(top) };
    return verified("blockchain", params, async (answer, refuse) => {
      const metas = answer.get("block_metas").items();
      const above = await lightBlock(top);
      let blockId = above.signedHeader.commit.blockId;
      const shown: Json[] = [];
      for (const [i, meta] of metas.entries()) {
        const header = headerFromJson(meta.get("header"));
        if (header.height !== top - i || header.height < bottom) {
          refuse(`header ${header.height} stands where ${top - i} belongs`);
        }
        // Each header names the one below it, so that only the top needs signatures.
        requireSame(
          headerHash(header),
          blockId.hash,
          `the hash of header ${header.height}`,
          refuse,
        );
        shown.push({
          block_id: blockIdToJson(blockId),
          block_size: String(meta.get("block_size").count()),
          header: headerToJson(header),
          num_txs: String(meta.get("num_txs").count()),
        });
        blockId = header.lastBlockId;
      }
      // The first block of a chain names none below it.
      const missing = top - metas.length;
      if (missing >= bottom && blockId.hash.length > 0) {
        refuse(
          `headers from ${bottom} to ${missing} are missing: it has pruned them, or hides them; ask for minHeight ${missing + 1} or above, or another primary`,
        );
      }
      const answered = { last_height: String(latest.height), block_metas: shown };
      return marked(answered, ["block_metas.block_size", "block_metas.num_txs"]);
    });
  }

  async function blockResults(wanted?: Height): Promise<Json> {
    const latest = wanted ?? (await headerAt()).height;
    // The results of the last block are proven by the next header only: show those before it.
    const height = wanted ?? Height(Math.max(1, latest - 1));
    return verified(
      "block_results",
      { height: String(height) },
      async (answer, refuse) => {
        if (answer.get("height").height() !== height) refuse("it is of another height");
        const next = await headerAfter(height);
        const items = answer.get("txs_results").items();
        const root = resultsHash(items.map(hashedResultFromJson));
        requireSame(root, next.lastResultsHash, "the hash of its results", refuse);
        requireSame(answer.get("app_hash").base64(), next.appHash, "its app hash", refuse);
        const rest = ["finalize_block_events", "validator_updates", "consensus_param_updates"];
        const shown = {
          height: String(height),
          txs_results: items.length === 0 ? null : items.map(txResultJson),
          ...Object.fromEntries(rest.map((name) => [name, answer.get(name).raw as Json])),
          app_hash: toBase64(next.appHash),
        };
        const ofResults = UNVERIFIED_OF_RESULT.map((name) => `txs_results.${name}`);
        return marked(shown, [...ofResults, ...rest]);
      },
      BLOCK_ANSWER,
    );
  }

  async function consensusParams(wanted?: Height): Promise<Json> {
    const header = await headerAt(wanted);
    const params = { height: String(header.height) };
    return verified("consensus_params", params, async (answer, refuse) => {
      const found = consensusParamsFromJson(answer.get("consensus_params"));
      const hash = consensusParamsHash(found);
      requireSame(hash, header.consensusHash, "the hash of its parameters", refuse);
      const shown = {
        block_height: String(header.height),
        consensus_params: consensusParamsToJson(found),
      };
      return marked(
        shown,
        ["evidence", "validator", "version", "abci"].map((group) => `consensus_params.${group}`),
      );
    });
  }

  async function tx(hash: Uint8Array, isProofWanted: boolean): Promise<Json> {
    const params = { hash: toBase64(hash), prove: true };
    return verified("tx", params, async (answer, refuse) => {
      const found = txAnswerFromJson(answer);
      const height = Height(found.height);
      requireSame(txHash(found.tx), hash, "the hash of the transaction", refuse);
      const { dataHash } = await headerAt(height);
      const isAtIndex = found.proof.index === found.index;
      if (!isAtIndex || !verifyMerkleProof(found.proof, dataHash, hash)) {
        refuse(`it is not proven to be item ${found.index} of block ${height}`);
      }
      const result = await resultAt(height, found.index);
      const isSame = bytesEqual(resultsHash([found.result]), resultsHash([result]));
      if (!isSame) refuse(`its result is not that of item ${found.index} of block ${height}`);
      const shown = {
        hash: hexJson(hash),
        height: String(height),
        index: found.index,
        tx_result: txResultJson(answer.get("tx_result")),
        tx: toBase64(found.tx),
      };
      const proof = {
        root_hash: hexJson(dataHash),
        data: toBase64(found.tx),
        proof: merkleProofToJson(found.proof),
      };
      const unverified = UNVERIFIED_OF_RESULT.map((name) => `tx_result.${name}`);
      return marked(isProofWanted ? { ...shown, proof } : shown, unverified);
    });
  }

  /** One verified result of a block: the header commits to all of them together. */
  async function resultAt(
    height: Height,
    index: number,
  ): Promise<ReturnType<typeof hashedResultFromJson>> {
    return verified(
      "block_results",
      { height: String(height) },
      async (answer, refuse) => {
        const results = answer.get("txs_results").items().map(hashedResultFromJson);
        const { lastResultsHash } = await headerAfter(height);
        requireSame(resultsHash(results), lastResultsHash, "the hash of its results", refuse);
        return results[index] ?? refuse(`block ${height} has no item ${index}`);
      },
      BLOCK_ANSWER,
    );
  }

  async function abciQuery(path: string, data: Uint8Array, height: number): Promise<Json> {
    const key = stateKey(path, data);
    if (key === undefined) {
      throw verifiedRpcError(
        { code: "VERIFY_NOT_PROVABLE", method: "abci_query" },
        `the application proves nothing under ${JSON.stringify(path)}; ask for keys of its state`,
      );
    }
    const params = { path, data: toHex(data), height: String(height), prove: true };
    return verified("abci_query", params, async (answer, refuse) => {
      const found = queryAnswerFromJson(answer.get("response"));
      if (found.code !== 0) {
        const words = `${path}: refused with code ${found.code}: ${found.log}`;
        throw verifiedRpcError({ code: "VERIFY_NOT_FOUND", method: "abci_query" }, words);
      }
      if (found.height < 1 || (height !== 0 && found.height !== height)) {
        refuse(`it is of height ${found.height}`);
      }
      requireSame(found.key, key, "its key", refuse);
      const [op] = found.proofOps;
      if (op === undefined || found.proofOps.length !== 1 || op.type !== STATE_PROOF) {
        const types = found.proofOps.map(({ type }) => type).join(", ");
        return refuse(`expected one proof of type ${STATE_PROOF}, got ${types || "none"}`);
      }
      const { appHash } = await headerAfter(Height(found.height));
      const value = found.value.length === 0 ? undefined : found.value;
      const fault = stateProofFault(appHash, key, value, op.data);
      if (fault !== undefined) refuse(fault.reason);
      const ops = [{ type: op.type, key: toBase64(key), data: toBase64(op.data) }];
      return {
        response: {
          code: 0,
          // What the application says in words is no part of its state.
          log: "",
          info: "",
          index: "0",
          key: toBase64(key),
          value: bytesJson(found.value),
          proofOps: { ops },
          height: String(found.height),
          codespace: "",
        },
      };
    });
  }

  async function status(): Promise<Json> {
    const { header } = (await lightBlock()).signedHeader;
    const answer = await call(primary(), "status", {});
    const sync = answer.get("sync_info").raw as Readonly<Record<string, Json>>;
    const shown = {
      ...(answer.raw as Readonly<Record<string, Json>>),
      sync_info: {
        ...sync,
        latest_block_hash: hexJson(headerHash(header)),
        latest_app_hash: hexJson(header.appHash),
        latest_block_height: String(header.height),
        latest_block_time: formatTime(header.time),
      },
    };
    metrics.answers.inc({ method: "status", outcome: "verified" });
    const earliest = ["hash", "height", "time"].map((name) => `sync_info.earliest_block_${name}`);
    return marked(shown, [
      "node_info",
      "validator_info",
      ...earliest,
      "sync_info.earliest_app_hash",
      "sync_info.catching_up",
    ]);
  }

  async function passOn(method: string, params: Readonly<Record<string, unknown>>): Promise<Json> {
    const isBroadcast = method === "broadcast_tx_commit";
    const timeoutMs = isBroadcast ? BROADCAST_TIMEOUT_MS : undefined;
    const answer = await call(primary(), method, params, { ...BLOCK_ANSWER, timeoutMs });
    metrics.answers.inc({ method, outcome: "passed_on" });
    return marked(answer.raw, ALL);
  }

  return {
    lightBlock,
    headerByHash,
    block,
    blockByHash,
    blockchain,
    blockResults,
    consensusParams,
    tx,
    abciQuery,
    status,
    passOn,
  };
}

/** What a node refuses cannot be verified either way: its words are passed on as its own. */
async function call(
  rpc: CometRpcClient,
  method: string,
  params: Readonly<Record<string, unknown>>,
  options?: CallOptions,
): Promise<JsonNode> {
  try {
    return await rpc.call(method, params, options);
  } catch (error) {
    if (!isCometRpcError(error) || error.info.code !== "COMET_RPC_REFUSED") throw error;
    throw verifiedRpcError({ code: "VERIFY_NOT_FOUND", method }, error.message, error);
  }
}

function notFound(method: string, what: string): Error {
  const message = `the node has no ${what}; that there is none cannot be verified`;
  return verifiedRpcError({ code: "VERIFY_NOT_FOUND", method }, message);
}

function requireSame(
  got: Uint8Array,
  expected: Uint8Array,
  what: string,
  refuse: (why: string) => never,
): void {
  if (bytesEqual(got, expected)) return;
  const [wanted, found] = [expected, got].map((bytes) => hexJson(bytes) || "nothing");
  refuse(`${what} is ${found}, expected ${wanted}`);
}
