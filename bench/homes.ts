/** Home directories of a network under test, on ports that were free a moment ago. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accountAddress } from "../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../proto/verify/ed25519.ts";
import type { ValidatorPlace } from "../sequencer/cli/network-layout.ts";
import { createTestnet, type TestnetOptions } from "../sequencer/cli/testnet-files.ts";
import { createSystemClock } from "../sequencer/ports/system-clock.ts";
import { ACCOUNTS, EXPIRY_AHEAD, EXPIRY_MARGIN } from "./limits.ts";
import { benchAccount, MAX_FEE_PER_BYTE, ROLLUP_NAMES } from "./load/shape.ts";
import { freePorts } from "./ports.ts";

export const CHAIN_ID = "weft-bench";
/** The built command line. */
export const ENTRY = fileURLToPath(new URL("../sequencer/cli/main.js", import.meta.url));
/** Of each account that signs, in nweft. */
export const BALANCE = 100_000_000_000_000_000n;

/** Parameters of the chain beside the defaults. */
export const GENESIS_PARAMS = {
  // Blocks are full for as long as a run lasts: the base fee rises to its cap and stays.
  base_fee_max: MAX_FEE_PER_BYTE.toString(),
  // What is signed before a window is still valid after many small blocks.
  unordered_window: EXPIRY_AHEAD + EXPIRY_MARGIN,
} as const;

/** Configuration beside the defaults; printed with every result. */
export const NODE_CONFIG: Readonly<Record<string, unknown>> = {
  "consensus.timeout_commit": "0s",
  "mempool.size": 50_000,
  "mempool.max_txs_bytes": 256 << 20,
  "tx_index.indexer": "null",
  log_level: "warn",
};

export async function placesIn(root: string, names: readonly string[]): Promise<ValidatorPlace[]> {
  const ports = await freePorts(names.length * 4);
  return names.map((name, i) => {
    const port = (kind: number): number => ports[i * 4 + kind] ?? 0;
    return {
      name,
      home: join(root, name),
      p2pPort: port(0),
      rpcPort: port(1),
      grpcPort: port(2),
      metricsPort: port(3),
    };
  });
}

/** A network of these validators, whose accounts can pay for any run. */
export async function writeHomes(
  validators: readonly ValidatorPlace[],
  config: Readonly<Record<string, unknown>>,
  params: TestnetOptions["params"] = {},
  rollups: readonly string[] = ROLLUP_NAMES,
): Promise<void> {
  const owner = generateEd25519KeyPair();
  await createTestnet({
    chainId: CHAIN_ID,
    genesisTime: createSystemClock().now(),
    validators,
    accounts: Array.from({ length: ACCOUNTS }, (_, i) => ({
      address: accountAddress(benchAccount(i).publicKey),
      balance: BALANCE,
    })),
    rollups: rollups.map((name) => ({ name, ownerKey: owner.publicKey })),
    params: { ...GENESIS_PARAMS, ...params },
    config: { ...NODE_CONFIG, ...config },
    host: () => "127.0.0.1",
  });
}
