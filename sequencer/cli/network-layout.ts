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

/** The ports that the documentation names (design.md §9). */
export const DEFAULT_PORTS: BasePorts = {
  p2p: 26656,
  rpc: 26657,
  grpc: 9090,
  metrics: 26660,
  rollupRpc: 8545,
};

const STRIDE = 10;
const EVM_CHAIN_ID_FIRST = 4_242n;

export function validatorPlaces(root: string, count: number, ports: BasePorts): ValidatorPlace[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `validator-${i}`,
    home: join(root, `validator-${i}`),
    p2pPort: offset(ports.p2p, i * STRIDE),
    rpcPort: offset(ports.rpc, i * STRIDE),
    grpcPort: offset(ports.grpc, i * STRIDE),
    metricsPort: offset(ports.metrics, i * STRIDE),
  }));
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
