/**
 * A sequencer of applications without an engine, with a key for what is sealed, its gRPC listener, and the Ethereum
 * JSON-RPC of a rollup with a gateway of searchers: all real but consensus, so that a test says when a block comes.
 *
 *     const node = await startSearcherNode();
 *     await node.call("eth_sendBundle", { txs: [await node.transfer(0)] });
 *     await node.step();
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PrivateKeyAccount } from "viem/accounts";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { Block, BlockId, Commit } from "../../proto/types.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import {
  createFailoverClient,
  createMevFailover,
} from "../../rollup-adapter/client/failover-client.ts";
import { createNodeTurn } from "../../rollup-adapter/client/node-turn.ts";
import { createGrpcMevClient } from "../../rollup-adapter/client/grpc-mev-client.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { createEvmRollup } from "../../rollup-adapter/evm/evm-rollup.ts";
import { NULL_EVM_METRICS } from "../../rollup-adapter/evm/metrics.ts";
import { createBundleGateway } from "../../rollup-adapter/gateway/bundles/bundle-gateway.ts";
import { OPEN_ACCESS } from "../../rollup-adapter/json-rpc/access.ts";
import {
  createRateLimit,
  type RateLimitOptions,
} from "../../rollup-adapter/json-rpc/rate-limit.ts";
import {
  openSequences,
  openSequenceStore,
} from "../../rollup-adapter/gateway/bundles/sequences.ts";
import { startGatewayRpc } from "../../rollup-adapter/gateway/rpc/gateway-rpc.ts";
import { NULL_GATEWAY_METRICS } from "../../rollup-adapter/gateway/metrics.ts";
import { createSealer } from "../../rollup-adapter/gateway/sealer.ts";
import { NULL_GRPC_METRICS } from "../../sequencer/grpc/metrics.ts";
import type { GrpcBlocks } from "../../sequencer/grpc/ports.ts";
import { createGrpcServer } from "../../sequencer/grpc/server.ts";
import { createGrpcApplication } from "../../sequencer/node/grpc-ports.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { ALICE, BOB, PAUPER, signed, TEST_CHAIN_ID, testGenesis } from "./evm-rollup.ts";
import { type SealedChain, type SealedChainOptions, startSealedChain } from "./sealed-app.ts";
import { CHAIN_ID, type DecidedBlock, wallet } from "./weft-app.ts";

/** Account of the gateway: an index of `wallet`. */
export const GATEWAY_WALLET = 7;
/** The rollup whose JSON-RPC it is; another one stands beside it. */
export const OWN_ROLLUP = "test";
export const OTHER_ROLLUP = "beta";
const OWN_ID = `0x${toHex(rollupIdOfName(OWN_ROLLUP))}`;

export interface SearcherNodeOptions extends SealedChainOptions {
  readonly spendMax?: bigint;
  readonly cancelNonce?: bigint;
  readonly rate?: RateLimitOptions;
  /** Believed from X-Forwarded-For. */
  readonly proxyHops?: number;
  /** The rollup is executed by another process, and the JSON-RPC stands in front of its own. */
  readonly isElsewhere?: boolean;
}

/** An answer of the JSON-RPC. */
export interface RpcAnswer {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: { readonly code: string; readonly reason: string; readonly chainCode?: number };
  };
}

export interface SearcherNode extends SealedChain {
  /** host:port of the gRPC listener. */
  readonly grpc: string;
  /** Of the JSON-RPC. */
  readonly url: string;
  /** One block, by node 0. */
  step(): Promise<DecidedBlock>;
  /** A raw transaction of the own rollup, in 0x hex. */
  transfer(nonce: number, from?: PrivateKeyAccount): Promise<string>;
  /** One call with plain HTTP; with `signer`, signed as Flashbots' clients do. */
  call(method: string, params?: unknown, signer?: PrivateKeyAccount): Promise<RpcAnswer>;
  /** The result of a call that has one. */
  result(
    method: string,
    params?: unknown,
    signer?: PrivateKeyAccount,
  ): Promise<Record<string, unknown>>;
  /** Starts the gateway again, as after a crash. */
  restartGateway(): Promise<void>;
  close(): Promise<void>;
}

export const SEARCHERS = { ALICE, BOB, PAUPER };

export async function startSearcherNode(options: SearcherNodeOptions = {}): Promise<SearcherNode> {
  const sealed = await startSealedChain({
    validators: 4,
    rollups: { [OWN_ROLLUP]: { auction: true }, [OTHER_ROLLUP]: { auction: true } },
    ...options,
  });
  const { chain } = sealed;
  const clock = createSystemClock();
  const folder = await mkdtemp(join(tmpdir(), "weft-searcher-"));
  const decided: DecidedBlock[] = [];
  const listeners = new Set<(height: Height) => void>();
  const blocks: GrpcBlocks = {
    base: () => Height(1),
    height: () => Height(decided.length),
    block: async (height) => {
      const block = decided[height - 1];
      return block && { header: headerAt(height), txs: block.txs };
    },
    header: async (height) => (decided[height - 1] === undefined ? undefined : headerAt(height)),
    seenCommit: async (height) => commitAt(height),
    validators: async () => chain.set,
    hashedValidators: async () => hashedValidatorSet(chain.set),
    results: async (height) => decided[height - 1]?.response,
    onBlock(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const server = createGrpcServer(
    { host: "127.0.0.1", port: 0, streamsMax: 16, streamsOfPeerMax: 16 },
    {
      node: {
        chainId: CHAIN_ID,
        initialHeight: Height(1),
        version: "test",
        isCatchingUp: () => false,
      },
      blocks,
      application: createGrpcApplication(chain.app, (tx) => chain.app.checkTx({ tx, type: "new" })),
      clock,
      logger: NULL_LOGGER,
      metrics: NULL_GRPC_METRICS,
    },
  );
  const grpc = `127.0.0.1:${await server.start()}`;
  server.setServing(true);

  async function startGateway() {
    const client = createGrpcSequencerClient(grpc);
    const mev = createGrpcMevClient(grpc);
    const turn = createNodeTurn([client]);
    const submit = createFailoverClient([client], turn);
    const sequences = await openSequences(await openSequenceStore(join(folder, "bundles")));
    const { key } = wallet(GATEWAY_WALLET);
    const sealKey = () => client.sealKey();
    const gateway = createBundleGateway(
      {
        tipPerByte: 1n,
        spendMax: options.spendMax ?? 0n,
        cancelNonce: options.cancelNonce ?? 0n,
      },
      {
        client: submit,
        mev: createMevFailover([mev], turn),
        isRollup: async (id) =>
          await client.rollup(id).then(
            () => true,
            () => false,
          ),
        key: { publicKey: key.publicKey, sign: (message) => signEd25519(key, message) },
        sealer: createSealer({ keys: sealKey }),
        sequences,
        logger: NULL_LOGGER,
        metrics: NULL_GATEWAY_METRICS,
      },
    );
    const searchers = {
      gateway,
      limit: createRateLimit(options.rate ?? { perSecond: 0, burst: 1 }, () => clock.monotonicMs()),
      sealKey,
      chainId: CHAIN_ID,
      rollupId: fromHex(OWN_ID.slice(2)),
    };
    const notTried = () => Promise.reject(new Error("wallets' transactions are not tried here"));
    const rollup = await createEvmRollup(
      {
        dataDirectory: join(folder, "evm"),
        genesis: testGenesis({ rollup: OWN_ROLLUP }),
        rpc: { port: 0, access: { ...OPEN_ACCESS, proxyHops: options.proxyHops ?? 0 } },
      },
      {
        submit: notTried,
        searchers: options.isElsewhere === true ? undefined : searchers,
        clock,
        logger: NULL_LOGGER,
        metrics: NULL_EVM_METRICS,
      },
    );
    const front =
      options.isElsewhere === true
        ? await startGatewayRpc(
            {
              chainId: BigInt(TEST_CHAIN_ID),
              hardfork: "prague",
              rpc: { port: 0 },
              executor: { http: rollup.rpc.url },
              clientVersion: "weft/test",
            },
            {
              submit: notTried,
              searchers,
              readiness: () => Promise.resolve({ isReady: true }),
              clock,
              logger: NULL_LOGGER,
              metrics: NULL_EVM_METRICS,
            },
          )
        : undefined;
    return {
      url: (front ?? rollup).rpc.url,
      async close() {
        await front?.close();
        await rollup.close();
        await sequences.close();
        client.close();
        mev.close();
      },
    };
  }

  let gateway = await startGateway();
  const post = async (
    method: string,
    params: unknown,
    signer: PrivateKeyAccount | undefined,
  ): Promise<RpcAnswer> => {
    const list = params === undefined ? [] : Array.isArray(params) ? params : [params];
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: list });
    const response = await fetch(gateway.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(signer === undefined ? {} : { "X-Flashbots-Signature": await signBody(signer, body) }),
      },
      body,
    });
    return (await response.json()) as RpcAnswer;
  };
  return {
    ...sealed,
    grpc,
    get url() {
      return gateway.url;
    },
    async step() {
      const block = await chain.step(0);
      decided.push(block);
      for (const listener of listeners) listener(block.height);
      return block;
    },
    transfer: async (nonce, from = ALICE) =>
      `0x${toHex(await signed(from, { nonce, chainId: TEST_CHAIN_ID }))}`,
    call: post,
    async result(method, params, signer) {
      const { result, error } = await post(method, params, signer);
      if (result === undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return result;
    },
    async restartGateway() {
      await gateway.close();
      gateway = await startGateway();
    },
    async close() {
      await gateway.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As Flashbots' clients sign: the personal signature of the text of the body's hash. */
export async function signBody(signer: PrivateKeyAccount, body: string): Promise<string> {
  const { keccak256, stringToBytes } = await import("viem");
  const message = keccak256(stringToBytes(body));
  return `${signer.address}:${await signer.signMessage({ message })}`;
}

const HASH = new Uint8Array(32).fill(1);
const BLOCK_ID: BlockId = { hash: HASH, partSetHeader: { total: 1, hash: HASH } };

/** Nobody verifies headers here. */
function headerAt(height: Height): Block["header"] {
  return {
    version: { block: 11n, app: 1n },
    chainId: CHAIN_ID,
    height,
    time: { seconds: 1_700_000_000n + BigInt(height), nanos: 0 },
    lastBlockId: BLOCK_ID,
    lastCommitHash: HASH,
    dataHash: HASH,
    validatorsHash: HASH,
    nextValidatorsHash: HASH,
    consensusHash: HASH,
    appHash: HASH,
    lastResultsHash: HASH,
    evidenceHash: EMPTY_BYTES,
    proposerAddress: new Uint8Array(20),
  };
}

function commitAt(height: Height): Commit {
  return { height, round: Round(0), blockId: BLOCK_ID, signatures: [] };
}
