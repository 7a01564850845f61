/**
 * The node's gRPC listener: `weft.rollup.v1.RollupService`, `weft.staking.v1.StakingService`, `weft.mev.v1.MevService`,
 * health and reflection. Constructed with ports, started once, stopped with a grace for its streams.
 */
import { setMaxListeners } from "node:events";
import {
  type handleUnaryCall,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { Height } from "../../proto/brands.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { ROLLUP_DATA_ENTRIES_MAX } from "../../proto/codec/rollup-data.ts";
import { EXECUTOR_KEYS_MAX } from "../../proto/codec/rollup-policy.ts";
import { rollupIdOfName, SALT_BYTES_MAX } from "../../proto/codec/weft-tx.ts";
import type { StreamHeadersRequest } from "../../proto/grpc/header-update.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import {
  type GetAccountResponse,
  type GetBlockRequest,
  type GetChainInfoResponse,
  type GetRollupRequest,
  type GetRollupResponse,
  type GetTransactionStatusResponse,
  type GetValidatorSetResponse,
  ROLLUP_SERVICE,
  ROLLUP_SERVICE_NAME,
  type StreamBlocksRequest,
  TransactionState,
} from "../../proto/grpc/rollup-service.ts";
import type {
  GetBlocksRequest,
  GetEntryProofRequest,
  GetTransactionProofRequest,
} from "../../proto/grpc/block-queries.ts";
import {
  type GetSealKeyRequest,
  type GetSealKeyResponse,
  type SealKeyInfo,
  SealingState,
} from "../../proto/grpc/seal-key.ts";
import {
  type AuctionInfo,
  type BundleStatus,
  type GetBundleStatusRequest,
  MEV_SERVICE,
  MEV_SERVICE_NAME,
  type ProposedRollupBlock,
  type StreamAuctionsRequest,
  type StreamBundleStatusRequest,
  type StreamProposedBlocksRequest,
} from "../../proto/grpc/mev-service.ts";
import { STAKING_SERVICE, STAKING_SERVICE_NAME } from "../../proto/grpc/staking-service.ts";
import { weftFileDescriptors } from "../../proto/grpc/wire.ts";
import { CODESPACE } from "../app/codes.ts";
import type { SealProgressState } from "../app/seal/progress.ts";
import { sealKeyReport } from "../app/seal/report.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { checkHeight, createBlockQueries, notFilled } from "./block-queries.ts";
import { type BlockStreamCall, createBlockStreams } from "./block-stream.ts";
import { createGetBodies } from "./body-service.ts";
import { bundleStatus } from "./bundle-status.ts";
import { grpcError, statusOf } from "./grpc-error.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_OF_PEER_MAX,
  REQUEST_BYTES_MAX,
  RESPONSE_BYTES_MAX,
  STOP_GRACE_MS,
  STREAM_UNREAD_BYTES_MAX,
  STREAMS_PER_CONNECTION_MAX,
  UNREAD_BYTES_MAX,
  UNREAD_BYTES_OF_CONNECTION_MAX,
} from "./limits.ts";
import { createListener } from "./listener.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcApplication, GrpcBlocks, GrpcNodeInfo } from "./ports.ts";
import { checkHash, createMevQueries } from "./mev-service.ts";
import { streamAuctions, streamBundleStatus } from "./mev-streams.ts";
import { streamProposedBlocks } from "./proposed-stream.ts";
import { checkReadable, markingUnreadable } from "./received-requests.ts";
import { checkLevel, checkRollupId, checkRollupIds } from "./request-checks.ts";
import { createRollupBlockSource } from "./rollup-block-source.ts";
import { blockContent, createHeaderContent } from "./stream-content.ts";
import { createStreamSlots } from "./stream-slots.ts";
import { createStakingQueries } from "./staking-service.ts";
import { eagerAnswers } from "./eager-answers.ts";
import { createSubmit, submitStream } from "./submissions.ts";
import { createUnreadAnswers } from "./unread-answers.ts";

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Streams at once, in all and of one address. */
  readonly streamsMax: number;
  readonly streamsOfPeerMax: number;
  /** Connections at once, in all and of one address; by `limits.ts` when left out. */
  readonly connectionsMax?: number;
  readonly connectionsOfPeerMax?: number;
  /** What one connection may leave unread before it is given no more blocks; by `limits.ts` when left out. */
  readonly unreadBytesMax?: number;
  /** What all of them may leave unread before calls are reset. */
  readonly allUnreadBytesMax?: number;
}

export interface GrpcServerDependencies {
  readonly node: GrpcNodeInfo;
  readonly blocks: GrpcBlocks;
  readonly application: GrpcApplication;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GrpcMetrics;
}

export interface GrpcServer {
  /** Resolves with the port. @throws WeftError<GrpcListenErrorInfo> */
  start(): Promise<number>;
  /** What the health service says; NOT_SERVING while the node catches up. */
  setServing(isServing: boolean): void;
  stop(): Promise<void>;
}

export function createGrpcServer(
  options: GrpcServerOptions,
  deps: GrpcServerDependencies,
): GrpcServer {
  const { node, blocks, application, clock, logger, metrics } = deps;
  const {
    unreadBytesMax: bytesMax = UNREAD_BYTES_OF_CONNECTION_MAX,
    allUnreadBytesMax: allBytesMax = UNREAD_BYTES_MAX +
      options.streamsMax * STREAM_UNREAD_BYTES_MAX,
  } = options;
  const unread = createUnreadAnswers(
    { bytesMax, allBytesMax },
    { clock, metrics, outgoing: (peer) => listener.outgoing(peer) },
  );
  const server = new Server({
    "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
    "grpc.max_send_message_length": RESPONSE_BYTES_MAX,
    "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    interceptors: [unread.interceptor, eagerAnswers],
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createListener(
    {
      host: options.host,
      port: options.port,
      connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
      connectionsOfPeerMax: options.connectionsOfPeerMax ?? CONNECTIONS_OF_PEER_MAX,
    },
    { take: (socket) => injector.injectConnection(socket), clock, logger, metrics },
  );
  const health = new HealthImplementation({
    "": "NOT_SERVING",
    [ROLLUP_SERVICE_NAME]: "NOT_SERVING",
    [STAKING_SERVICE_NAME]: "NOT_SERVING",
    [MEV_SERVICE_NAME]: "NOT_SERVING",
  });
  const stopping = new AbortController();
  // Every stream listens to it.
  setMaxListeners(0, stopping.signal);
  const source = createRollupBlockSource(blocks, application);
  const queries = createBlockQueries({ chainId: node.chainId, blocks, application, source });
  const submit = createSubmit(application, metrics);
  const headerContent = createHeaderContent(blocks);
  const streams = createBlockStreams({
    blocks,
    clock,
    metrics,
    stopped: stopping.signal,
  });
  const sourceInTurns = source.inTurns((height) => streams.turn(height));
  const slots = createStreamSlots(
    { max: options.streamsMax, maxPerPeer: options.streamsOfPeerMax },
    metrics,
  );

  /**
   * A unary method from a function of the request, and of the caller's address, that returns or throws.
   * @param hasBlocks whether its answers are large, and given only to who has read those before
   */
  function unary<Request, Response>(
    method: string,
    handle: (request: Request, caller: string) => Response | Promise<Response>,
    hasBlocks = false,
  ): handleUnaryCall<Request, Response> {
    return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
      const start = clock.monotonicMs();
      const finish = (code: status): void => {
        metrics.calls.inc({ method, status: status[code] });
        metrics.callSeconds.observe((clock.monotonicMs() - start) / 1_000, { method });
      };
      void (async () => {
        try {
          checkReadable(call.request);
          if (hasBlocks) unread.check(call);
          const answer = await handle(call.request, callerOf(call));
          // Others' answers may have come before it.
          if (hasBlocks) unread.check(call);
          callback(null, answer);
          finish(status.OK);
        } catch (error) {
          callback(answerFor(method, error));
          finish(statusOf(error).code);
        }
      })();
    };
  }

  /** Its address without the port, of which it has as many as it likes. */
  function callerOf(call: Pick<ServerUnaryCall<unknown, unknown>, "getPeer">): string {
    return call.getPeer().replace(/:\d+$/, "");
  }

  /** Every failure ends as a status; what nobody foresaw is logged where an operator looks. */
  function answerFor(method: string, error: unknown) {
    const answer = statusOf(error);
    if (answer.code === status.INTERNAL) {
      logger.error("a gRPC call failed", { method, error: describe(error) });
    }
    return answer;
  }

  /** A method whose answers are a stream, from a function that ends with it or throws. */
  function streaming<Request, Response>(
    method: string,
    serve: (call: ServerWritableStream<Request, Response>) => Promise<void>,
  ) {
    return (call: ServerWritableStream<Request, Response>): void => {
      void (async () => {
        let code: status = status.OK;
        try {
          checkReadable(call.request);
          // What was sent and not read keeps its slot until the stream is closed.
          call.once("close", slots.take(callerOf(call)));
          await serve(call);
          call.end();
        } catch (error) {
          const answer = answerFor(method, error);
          code = answer.code;
          call.emit("error", answer);
        } finally {
          metrics.calls.inc({ method, status: status[code] });
        }
      })();
    };
  }

  async function openBlockStream(call: BlockStreamCall<StreamBlocksRequest>): Promise<void> {
    const { rollupId, moreRollupIds = [], level, omitEmpty = false } = call.request;
    const rollupIds = [rollupId, ...moreRollupIds];
    checkRollupIds(rollupIds);
    checkLevel(level);
    await streams.serve(call, blockContent(sourceInTurns, rollupIds, level, omitEmpty));
  }

  async function openHeaderStream(call: BlockStreamCall<StreamHeadersRequest>): Promise<void> {
    await streams.serve(call, headerContent(call.request.sparseCommits ?? false));
  }

  function statusOfBundle(id: Uint8Array): Promise<BundleStatus> {
    checkHash("id", id);
    return bundleStatus(id, { application, blocks, source });
  }

  // Their messages come encoded.
  const encoded = { responseSerialize: (bytes: Buffer) => bytes };
  server.addService(
    markingUnreadable({
      ...ROLLUP_SERVICE,
      streamBlocks: { ...ROLLUP_SERVICE.streamBlocks, ...encoded },
      streamHeaders: { ...ROLLUP_SERVICE.streamHeaders, ...encoded },
    }),
    {
      submit: unary("Submit", ({ item }: { readonly item: Uint8Array }) => submit(item)),
      submitStream: (call: Parameters<typeof submitStream>[0]) => {
        submitStream(call, submit, (error) => {
          call.emit("error", answerFor("SubmitStream", error));
        });
      },
      getTransactionStatus: unary("GetTransactionStatus", ({ id }: { readonly id: Uint8Array }) =>
        transactionStatus(application, id),
      ),
      getAccount: unary("GetAccount", ({ address }: { readonly address: Uint8Array }) =>
        account(application, blocks, address),
      ),
      getRollup: unary("GetRollup", (request: GetRollupRequest) =>
        rollup(application, blocks, request),
      ),
      getChainInfo: unary("GetChainInfo", () => chainInfo(node, application, blocks)),
      getValidatorSet: unary("GetValidatorSet", ({ height }: { readonly height: Height }) =>
        validatorSet(blocks, height),
      ),
      getSealKey: unary("GetSealKey", ({ number }: GetSealKeyRequest) =>
        sealKey(application, blocks, number),
      ),
      streamBlocks: streaming("StreamBlocks", openBlockStream),
      streamHeaders: streaming("StreamHeaders", openHeaderStream),
      getBlock: unary(
        "GetBlock",
        async ({ rollupId, height, level }: GetBlockRequest) => {
          checkRollupId(rollupId);
          if (level !== Level.UNSPECIFIED) checkLevel(level);
          checkHeight(blocks, height);
          if (level !== Level.FILLED) return (await source.build(height, rollupId)).message;
          const filled = await source.fillUp(height, rollupId).complete();
          if (filled !== undefined) return filled.message;
          throw notFilled(height);
        },
        true,
      ),
      getBlocks: unary(
        "GetBlocks",
        (request: GetBlocksRequest) => {
          checkRollupId(request.rollupId);
          if (request.level !== Level.UNSPECIFIED) checkLevel(request.level);
          return queries.getBlocks(request);
        },
        true,
      ),
      getEntryProof: unary("GetEntryProof", (request: GetEntryProofRequest) => {
        checkRollupId(request.rollupId);
        return queries.getEntryProof(request);
      }),
      getTransactionProof: unary("GetTransactionProof", (request: GetTransactionProofRequest) => {
        checkHash("id", request.id);
        return queries.getTransactionProof(request);
      }),
    },
  );
  const staking = createStakingQueries(application.read);
  server.addService(markingUnreadable(STAKING_SERVICE), {
    getValidators: unary("GetValidators", staking.getValidators),
    getValidator: unary("GetValidator", staking.getValidator),
    getValidatorDelegations: unary("GetValidatorDelegations", staking.getValidatorDelegations),
    getDelegations: unary("GetDelegations", staking.getDelegations),
    getUnbondings: unary("GetUnbondings", staking.getUnbondings),
    getRedelegations: unary("GetRedelegations", staking.getRedelegations),
    getRewards: unary("GetRewards", staking.getRewards),
    getParams: unary("GetParams", staking.getParams),
    getSupply: unary("GetSupply", staking.getSupply),
    getEpoch: unary("GetEpoch", staking.getEpoch),
    getEvidence: unary("GetEvidence", staking.getEvidence),
    getProposals: unary("GetProposals", staking.getProposals),
    getProposal: unary("GetProposal", staking.getProposal),
    getTally: unary("GetTally", staking.getTally),
    getVotes: unary("GetVotes", staking.getVotes),
    getDeposits: unary("GetDeposits", staking.getDeposits),
    getPlans: unary("GetPlans", staking.getPlans),
  });
  const mev = createMevQueries(application, node.chainId, submit);
  const ofStreams = { blocks, metrics, clock, stopped: stopping.signal };
  server.addService(markingUnreadable(MEV_SERVICE), {
    submitBundle: unary("SubmitBundle", mev.submit("bundle")),
    submitBid: unary("SubmitBid", mev.submit("bid")),
    cancelBundles: unary("CancelBundles", mev.submit("cancellation")),
    getBundleStatus: unary("GetBundleStatus", ({ id }: GetBundleStatusRequest) =>
      statusOfBundle(id),
    ),
    streamBundleStatus: streaming(
      "StreamBundleStatus",
      (call: ServerWritableStream<StreamBundleStatusRequest, BundleStatus>) =>
        streamBundleStatus(call, { ...ofStreams, status: statusOfBundle }),
    ),
    getAuction: unary("GetAuction", mev.getAuction),
    streamAuctions: streaming(
      "StreamAuctions",
      (call: ServerWritableStream<StreamAuctionsRequest, AuctionInfo>) =>
        streamAuctions(call, { ...ofStreams, auction: mev.settledAuction }),
    ),
    getMevParams: unary("GetMevParams", mev.getMevParams),
    getInclusionTally: unary("GetInclusionTally", mev.getInclusionTally),
    getRevenue: unary("GetRevenue", mev.getRevenue),
    streamProposedBlocks: streaming(
      "StreamProposedBlocks",
      (call: ServerWritableStream<StreamProposedBlocksRequest, ProposedRollupBlock>) => {
        checkRollupId(call.request.rollupId);
        return streamProposedBlocks(call, {
          application,
          clock,
          metrics,
          stopped: stopping.signal,
        });
      },
    ),
    getBodies: unary("GetBodies", createGetBodies(application.bodies, clock)),
  });
  health.addToServer(server);
  // The descriptors hold what rollups serve as well (weft.execution.v1); a node does not.
  const services = [ROLLUP_SERVICE_NAME, STAKING_SERVICE_NAME, MEV_SERVICE_NAME];
  new ReflectionService(
    {
      "weft.rollup.v1": {
        format: "Protocol Buffer 3 DescriptorProto",
        type: {},
        fileDescriptorProtos: weftFileDescriptors(),
      },
    },
    { services },
  ).addToServer(server);

  return {
    async start() {
      return await listener.start();
    },
    setServing(isServing) {
      const serving = isServing ? "SERVING" : "NOT_SERVING";
      health.setStatus("", serving);
      health.setStatus(ROLLUP_SERVICE_NAME, serving);
      health.setStatus(STAKING_SERVICE_NAME, serving);
      health.setStatus(MEV_SERVICE_NAME, serving);
    },
    async stop() {
      stopping.abort();
      listener.stop();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          // Sessions wait for what was sent to be taken.
          listener.destroy();
        }, STOP_GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      listener.destroy();
      streams.stop();
      unread.stop();
    },
  };
}

function transactionStatus(
  application: GrpcApplication,
  id: Uint8Array,
): GetTransactionStatusResponse {
  if (id.length !== 32) {
    throw grpcError("GRPC_INVALID_ARGUMENT", `a transaction id has 32 bytes, got ${id.length}`);
  }
  const known = application.transactionStatus(id);
  const empty = {
    height: Height(0),
    index: 0,
    code: 0,
    codespace: "",
    reason: "",
    hash: new Uint8Array(0),
    sealing: undefined,
  };
  switch (known.state) {
    case "unknown":
      return {
        ...empty,
        state: TransactionState.UNKNOWN,
        reason:
          "this node has not seen the transaction, or has forgotten it; a committed one is found in the index, by the hash that its submission answered: RPC /tx?hash=0x...",
      };
    case "pending":
      return {
        ...empty,
        state: TransactionState.PENDING,
        reason: known.reason ?? "",
        hash: known.hash,
      };
    case "committed":
    case "failed": {
      const state = known.state === "failed" ? TransactionState.FAILED : TransactionState.COMMITTED;
      const { height, index, code, reason, hash, sealing } = known;
      const codespace = code === 0 ? "" : CODESPACE;
      return {
        state,
        height,
        index,
        code,
        codespace,
        reason,
        hash,
        sealing: sealing && { ...sealing, state: SEALING_STATES[sealing.state] },
      };
    }
    case "rejected":
      return { ...empty, ...coded(known), state: TransactionState.REJECTED };
    case "expired":
      return { ...empty, ...coded(known), state: TransactionState.EXPIRED };
    case "evicted":
      return { ...empty, ...coded(known), state: TransactionState.EVICTED };
  }
}

const SEALING_STATES: Readonly<Record<SealProgressState, SealingState>> = {
  sealed: SealingState.SEALED,
  disputed: SealingState.DISPUTED,
  opened: SealingState.OPENED,
  invalid: SealingState.INVALID,
  expired: SealingState.EXPIRED,
  void: SealingState.VOID,
  won: SealingState.OPENED,
  lost: SealingState.LOST,
};

function coded(known: {
  readonly code: number;
  readonly reason: string;
  readonly hash: Uint8Array;
}) {
  return { code: known.code, codespace: CODESPACE, reason: known.reason, hash: known.hash };
}

function account(
  application: GrpcApplication,
  blocks: GrpcBlocks,
  address: Uint8Array,
): GetAccountResponse {
  if (address.length !== 20) {
    throw grpcError(
      "GRPC_INVALID_ARGUMENT",
      `an account address has 20 bytes, got ${address.length}`,
    );
  }
  const { balance, nonce } = application.read.account(address);
  return { balance, nonce, height: blocks.height() };
}

function rollup(
  application: GrpcApplication,
  blocks: GrpcBlocks,
  request: GetRollupRequest,
): GetRollupResponse {
  const id = request.kind === "id" ? request.id : rollupIdOfName(request.name);
  checkRollupId(id);
  const found = application.read.rollup(id);
  if (found === undefined) {
    throw grpcError(
      "GRPC_NOT_FOUND",
      request.kind === "name"
        ? `no rollup is registered under the name ${request.name}`
        : "no rollup has this id",
    );
  }
  return {
    id,
    name: found.name,
    ownerKey: found.ownerKey,
    policy: found.policy,
    pending:
      found.pending === undefined
        ? undefined
        : { policy: found.pending.policy, height: found.pending.effectiveHeight },
    registeredHeight: found.registeredHeight,
    deposit: found.deposit,
    height: blocks.height(),
  };
}

function chainInfo(
  node: GrpcNodeInfo,
  application: GrpcApplication,
  blocks: GrpcBlocks,
): GetChainInfoResponse {
  const { read } = application;
  const chain = read.chain();
  if (chain === undefined)
    throw grpcError("GRPC_UNAVAILABLE", "the chain has not begun; try again");
  const params = read.params();
  return {
    chainId: node.chainId,
    height: blocks.height(),
    appVersion: 1n,
    baseFeePerByte: read.baseFeePerByte(),
    unorderedWindow: params.unorderedWindow,
    initialHeight: node.initialHeight,
    limits: {
      blockBytesMax: chain.blockBytesMax,
      itemBytesMax: params.txBytesMax,
      rollupDataEntriesMax: ROLLUP_DATA_ENTRIES_MAX,
      saltBytesMax: SALT_BYTES_MAX,
      executorKeysMax: EXECUTOR_KEYS_MAX,
    },
    earliestHeight: blocks.base(),
    nodeVersion: node.version,
    catchingUp: node.isCatchingUp(),
  };
}

function sealKey(
  { read }: GrpcApplication,
  blocks: GrpcBlocks,
  number: number,
): GetSealKeyResponse {
  if (read.chain() === undefined) {
    throw grpcError("GRPC_UNAVAILABLE", "the chain has not begun; try again");
  }
  const { isOpen, key, next, ...rest } = sealKeyReport(read.staking(), number);
  if (number !== 0 && key === undefined) {
    throw grpcError("GRPC_NOT_FOUND", `key ${number} is not final, or is not needed any more`);
  }
  return {
    open: isOpen,
    key: key && sealKeyInfo(key),
    next: next && sealKeyInfo(next),
    ...rest,
    height: blocks.height(),
  };
}

function sealKeyInfo(key: SealKeyState): SealKeyInfo {
  const { number, publicKey, threshold, activeHeight, retiredHeight, members } = key;
  const holders = members.map(({ validator, tickets }) => ({ validator, tickets }));
  return { number, publicKey, threshold, activeHeight, retiredHeight, holders };
}

async function validatorSet(blocks: GrpcBlocks, asked: Height): Promise<GetValidatorSetResponse> {
  const height = asked === 0 ? Height(blocks.height() + 1) : asked;
  const set = await blocks.validators(height);
  if (set === undefined) {
    throw grpcError("GRPC_OUT_OF_RANGE", `the validator set of height ${height} is not known here`);
  }
  return { height, validatorSet: encodeValidatorSet(set) };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : "unknown";
}
