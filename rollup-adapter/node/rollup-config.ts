/** `rollup.json`: what a rollup node follows, serves and starts from, or what executes its blocks. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { isHostPort } from "../../proto/host-port.ts";
import type { TrustedState } from "../client/header-chain.ts";
import { GATEWAY_SECTION, RPC_SECTION } from "../gateway/gateway-config.ts";

export type RollupConfigErrorInfo =
  /** The file cannot be read or is not a configuration; the message names every problem. */
  { readonly code: "CONFIG_ROLLUP_INVALID"; readonly path: string };

const hostPort = z.string().refine(isHostPort, "expected host:port, of IPv6 [host]:port");
const hash = z.string().regex(/^[0-9a-fA-F]{64}$/, "expected 32 bytes in hex");

const url = (scheme: string) =>
  z.string().regex(new RegExp(`^${scheme}s?://[^\\s]+$`), `expected ${scheme}:// or ${scheme}s://`);

const rollupName = z.string().regex(/^[a-z0-9-]{1,64}$/, "a rollup's name: [a-z0-9-]{1,64}");

/** Anything that serves weft.execution.v1 (docs/execution.md). */
const grpcSection = z.strictObject({
  kind: z.literal("grpc"),
  /** The name that the rollup is registered under. */
  rollup: rollupName,
  /** Where the executor is called. */
  address: hostPort,
});

/** An OP Stack execution client, fed through the Engine API. */
const engineSection = z.strictObject({
  kind: z.literal("engine"),
  /** The name that the rollup is registered under. */
  rollup: rollupName,
  /** EIP-155 chain id of the client's genesis. */
  chain_id: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  /** Hash of the client's block 0. */
  genesis_hash: hash,
  /** The client's authenticated port, and the secret it shares with it; a relative path starts at this file's folder. */
  engine_url: url("http"),
  jwt_file: z.string().min(1).default("jwt.hex"),
  /** The client's own RPC, for what is passed on; without ws_url there are no subscriptions to blocks and logs. */
  rpc_url: url("http"),
  ws_url: url("ws").optional(),
});

const RPC_PORT = 8_545;

const schema = z.strictObject({
  sequencer: z.strictObject({
    /** Chain id of the sequencer network. */
    chain_id: z.string().min(1).max(50),
    /** gRPC addresses of nodes, tried in turn. */
    nodes: z.array(hostPort).min(1).max(16),
    /** First sequencer height whose payloads belong to the rollup. */
    start_height: z.number().int().min(1),
    /** Where trust begins: a height below start_height, its block's hash, and the set after it. */
    trust: z.strictObject({
      height: z.number().int().min(0),
      /** Left out only when height lies before the chain's first block. */
      block_hash: hash.optional(),
      next_validators_hash: hash,
    }),
    /** Without a new block for this long the node is not ready; 0: never for that reason. */
    silence_seconds: z.number().int().min(0).max(86_400).default(20),
  }),
  /** Ethereum JSON-RPC over HTTP and WebSocket; none in front of an executor of kind grpc. */
  rpc: RPC_SECTION.prefault({ port: RPC_PORT }),
  /** weft.execution.v1 for an external driver; without it the node drives itself only. */
  execution: z
    .strictObject({ host: z.string(), port: z.number().int().min(0).max(65_535) })
    .optional(),
  /** /metrics and health; left out: off. */
  metrics: z
    .strictObject({ host: z.string(), port: z.number().int().min(0).max(65_535) })
    .optional(),
  /** How the node's own account carries transactions into the order. */
  gateway: GATEWAY_SECTION.prefault({}),
  /** This node is an executor of the rollup: it votes about legs of atomic bundles with a key of the rollup's policy; left out: it follows. */
  atomic: z
    .strictObject({
      /** The executor's key, relative to the folder of this file; its account pays and holds the bond. */
      key_file: z.string().min(1).default("executor_key.json"),
      tip_per_byte: z.number().int().min(0).default(0),
    })
    .optional(),
  /** What executes the blocks; left out: the EVM of this process, from `genesis`. */
  executor: z.discriminatedUnion("kind", [engineSection, grpcSection]).optional(),
  /** The rollup's genesis, as `parseEvmGenesis` takes it; not with `executor`, which has its own. */
  genesis: z.record(z.string(), z.unknown()).optional(),
});

const documentSchema = schema
  .refine(({ executor, genesis }) => (executor === undefined) !== (genesis === undefined), {
    path: ["genesis"],
    message: "expected either genesis or executor",
  })
  .refine(({ executor, atomic }) => executor === undefined || atomic === undefined, {
    path: ["atomic"],
    message: "an executor elsewhere executes no legs atomically",
  });

/** What one writes into rollup.json. */
export type RollupConfigDocument = z.input<typeof schema>;
export type RollupConfig = z.output<typeof schema>;
export type EngineSection = z.output<typeof engineSection>;
export type GrpcExecutorSection = z.output<typeof grpcSection>;

/** @throws WeftError<RollupConfigErrorInfo> */
export function loadRollupConfig(path: string): RollupConfig {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new WeftError<RollupConfigErrorInfo>(
      { code: "CONFIG_ROLLUP_INVALID", path },
      `cannot read ${path}; make one with "weft rollup init"`,
      { cause },
    );
  }
  const parsed = documentSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new WeftError<RollupConfigErrorInfo>(
    { code: "CONFIG_ROLLUP_INVALID", path },
    `${path} has ${problems.length} problem(s):\n  ${problems.join("\n  ")}`,
  );
}

/** The configured trust, in the verifier's terms. */
export function configuredTrust(config: RollupConfig): TrustedState {
  const { chain_id: chainId, trust } = config.sequencer;
  return {
    chainId,
    height: Height(trust.height),
    blockHash: trust.block_hash === undefined ? undefined : fromHex(trust.block_hash),
    time: undefined,
    nextValidatorsHash: fromHex(trust.next_validators_hash),
  };
}
