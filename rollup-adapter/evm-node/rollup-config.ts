/** `rollup.json`: what an EVM rollup node follows, serves and starts from. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import type { TrustedState } from "../client/header-chain.ts";
import { GATEWAY_SECTION, RPC_SECTION } from "../gateway/gateway-config.ts";

export type RollupConfigErrorInfo =
  /** The file cannot be read or is not a configuration; the message names every problem. */
  { readonly code: "CONFIG_ROLLUP_INVALID"; readonly path: string };

const hostPort = z.string().regex(/^[^\s:]+:\d{1,5}$/, "expected host:port");
const hash = z.string().regex(/^[0-9a-fA-F]{64}$/, "expected 32 bytes in hex");

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
  /** Ethereum JSON-RPC over HTTP and WebSocket. */
  rpc: RPC_SECTION,
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
  /** The rollup's genesis, as `parseEvmGenesis` takes it. */
  genesis: z.record(z.string(), z.unknown()),
});

/** What one writes into rollup.json. */
export type RollupConfigDocument = z.input<typeof schema>;
export type RollupConfig = z.output<typeof schema>;

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
  const parsed = schema.safeParse(json);
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
