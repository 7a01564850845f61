/**
 * Ports and folders of a network on one machine: `weft dev` and `weft testnet` lay it out alike.
 * Validator i listens on the defaults plus 10 i, so that the first one has the documented ports.
 */
import { join } from "node:path";

export interface ValidatorPlace {
  readonly name: string;
  readonly home: string;
  readonly p2pPort: number;
  readonly rpcPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
}

export interface RollupPlace {
  readonly name: string;
  readonly home: string;
  readonly evmChainId: bigint;
  readonly rpcPort: number;
  readonly metricsPort: number;
}

/** First ports of each kind; 0 anywhere means "any free port" and is kept for every node. */
export interface BasePorts {
  readonly p2p: number;
  readonly rpc: number;
  readonly grpc: number;
  readonly metrics: number;
  readonly rollupRpc: number;
}

/** The ports that the README names. */
export const DEFAULT_PORTS: BasePorts = {
  p2p: 26656,
  rpc: 26657,
  grpc: 9090,
  metrics: 26660,
  rollupRpc: 8545,
};

const STRIDE = 10;
const VALIDATOR_POWER = 10n;
const EVM_CHAIN_ID_FIRST = 4_242n;

/** @param hosts of each validator; those that share one get ports 10 apart. Default: all share one */
export function validatorPlaces(
  root: string,
  count: number,
  ports: BasePorts,
  hosts?: readonly string[],
): ValidatorPlace[] {
  return Array.from({ length: count }, (_, i) => {
    const before = hosts?.slice(0, i).filter((host) => host === hosts[i]).length ?? i;
    return {
      name: `validator-${i}`,
      home: join(root, `validator-${i}`),
      p2pPort: offset(ports.p2p, before * STRIDE),
      rpcPort: offset(ports.rpc, before * STRIDE),
      grpcPort: offset(ports.grpc, before * STRIDE),
      metricsPort: offset(ports.metrics, before * STRIDE),
    };
  });
}

/**
 * Where `weft abci` of a home listens, and where it finds its CometBFT: beside the RPC's port, as CometBFT's
 * own ports are. @returns nothing where the RPC has any port, and so the defaults
 */
export function abciSettings(rpcPort: number): Readonly<Record<string, string>> {
  if (rpcPort === 0) return {};
  return {
    proxy_app: `tcp://127.0.0.1:${offset(rpcPort, 1)}`,
    engine_rpc: `tcp://127.0.0.1:${rpcPort}`,
  };
}

/** Two listeners of one host that would have the same port, as people say it; undefined when none would. */
export function findSharedPort(
  places: readonly ValidatorPlace[],
  hosts?: readonly string[],
): string | undefined {
  const owners = new Map<string, string>();
  for (const [i, place] of places.entries()) {
    const { name, p2pPort: p2p, rpcPort: rpc, grpcPort: grpc, metricsPort: metrics } = place;
    for (const [kind, port] of Object.entries({ p2p, rpc, grpc, metrics })) {
      const key = `${hosts?.[i] ?? ""} ${port}`;
      const other = owners.get(key);
      if (port !== 0 && other !== undefined) {
        return `${other} and ${name}'s ${kind} would both have port ${port}`;
      }
      owners.set(key, `${name}'s ${kind}`);
    }
  }
  return undefined;
}

/** The documented ports, or others, each higher by `by`: for a second network on one machine. */
export function portsFrom(by: number, base: BasePorts = DEFAULT_PORTS): BasePorts {
  return {
    p2p: offset(base.p2p, by),
    rpc: offset(base.rpc, by),
    grpc: offset(base.grpc, by),
    metrics: offset(base.metrics, by),
    rollupRpc: offset(base.rollupRpc, by),
  };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}

export function rollupPlaces(
  root: string,
  names: readonly string[],
  validators: number,
  ports: BasePorts,
): RollupPlace[] {
  return names.map((name, i) => ({
    name,
    home: join(root, `rollup-${name}`),
    evmChainId: EVM_CHAIN_ID_FIRST + BigInt(i),
    rpcPort: offset(ports.rollupRpc, i),
    metricsPort: offset(ports.metrics, (validators + i) * STRIDE),
  }));
}

function offset(base: number, by: number): number {
  return base === 0 ? 0 : base + by;
}

/** Voting power of a validator of a network that is asked for; without `powers` all have the same. */
export function powerOfValidator(powers: readonly bigint[] | undefined, index: number): bigint {
  return powers?.[index] ?? VALIDATOR_POWER;
}
