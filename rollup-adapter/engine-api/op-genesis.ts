/**
 * The genesis of a rollup on an OP Stack execution client, in geth's `genesis.json` form, for who has none.
 *
 * Every upgrade up to Jovian is active from block 0. What later blocks inherit from it, block by block: gas limit, fee
 * recipient, base fee rule. So this file is all that the nodes of a rollup have to share.
 */
import { concatBytes, fromHex } from "../../proto/bytes.ts";
import {
  BEACON_ROOTS_ADDRESS,
  BEACON_ROOTS_CODE,
  BLOCK_HASHES_ADDRESS,
  BLOCK_HASHES_CODE,
} from "../evm/predeploys.ts";
import { bytesToHex, quantity } from "../json-rpc/hex.ts";
import { type OpGenesis, type OpGenesisDocument, readOpGenesis } from "./genesis-file.ts";

export interface OpGenesisOptions {
  readonly chainId: bigint;
  /** Not after the first sequencer block that the rollup follows. */
  readonly timestampSeconds: bigint;
  /** Balances in wei by address (0x and 40 hex digits). */
  readonly alloc: Readonly<Record<string, bigint>>;
  /** Default: 30,000,000; a client must execute it several times within a second. */
  readonly gasLimit?: bigint;
  /** Receives the tips; default: the zero address. */
  readonly feeRecipient?: string;
  /** wei; default: 1 gwei. */
  readonly baseFee?: bigint;
  /** The base fee never falls below this, wei; default: 7. */
  readonly baseFeeMin?: bigint;
}

const GAS_LIMIT = 30_000_000n;
const BASE_FEE = 1_000_000_000n;
const BASE_FEE_MIN = 7n;
/** The base fee's rule: a block may use twice its target, the fee moves by an eighth at most (EIP-1559). */
const ELASTICITY = 2n;
const DENOMINATOR = 8n;
const JOVIAN_EXTRA_DATA = Uint8Array.of(1);
const ZERO_ADDRESS = `0x${"00".repeat(20)}`;
/** Contracts that the rules call in every block (EIP-4788, EIP-2935). */
const SYSTEM_CONTRACTS = [
  [BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE],
  [BLOCK_HASHES_ADDRESS, BLOCK_HASHES_CODE],
] as const;

export async function createOpGenesis(options: OpGenesisOptions): Promise<OpGenesis> {
  const {
    gasLimit = GAS_LIMIT,
    feeRecipient = ZERO_ADDRESS,
    baseFee = BASE_FEE,
    baseFeeMin = BASE_FEE_MIN,
  } = options;
  const extraData = concatBytes(
    JOVIAN_EXTRA_DATA,
    fromHex(DENOMINATOR.toString(16).padStart(8, "0")),
    fromHex(ELASTICITY.toString(16).padStart(8, "0")),
    fromHex(baseFeeMin.toString(16).padStart(16, "0")),
  );
  const document = {
    config: chainConfig(options.chainId),
    nonce: "0x0",
    timestamp: quantity(options.timestampSeconds),
    extraData: bytesToHex(extraData),
    gasLimit: quantity(gasLimit),
    difficulty: "0x0",
    mixHash: `0x${"00".repeat(32)}`,
    coinbase: feeRecipient,
    baseFeePerGas: quantity(baseFee),
    alloc: {
      ...Object.fromEntries(
        SYSTEM_CONTRACTS.map(([at, code]) => [at, { balance: "0x0", nonce: "0x1", code }]),
      ),
      ...Object.fromEntries(
        Object.entries(options.alloc).map(([at, wei]) => [
          at.toLowerCase(),
          { balance: quantity(wei) },
        ]),
      ),
    },
  };
  return readOpGenesis(document);
}

/** Ethereum's upgrades and the OP Stack's that imply them, all from the start. */
function chainConfig(chainId: bigint): OpGenesisDocument {
  return {
    chainId: Number(chainId),
    homesteadBlock: 0,
    eip150Block: 0,
    eip155Block: 0,
    eip158Block: 0,
    byzantiumBlock: 0,
    constantinopleBlock: 0,
    petersburgBlock: 0,
    istanbulBlock: 0,
    muirGlacierBlock: 0,
    berlinBlock: 0,
    londonBlock: 0,
    arrowGlacierBlock: 0,
    grayGlacierBlock: 0,
    mergeNetsplitBlock: 0,
    shanghaiTime: 0,
    cancunTime: 0,
    pragueTime: 0,
    bedrockBlock: 0,
    regolithTime: 0,
    canyonTime: 0,
    ecotoneTime: 0,
    fjordTime: 0,
    graniteTime: 0,
    holoceneTime: 0,
    isthmusTime: 0,
    jovianTime: 0,
    terminalTotalDifficulty: 0,
    optimism: {
      eip1559Elasticity: Number(ELASTICITY),
      eip1559Denominator: Number(DENOMINATOR),
      eip1559DenominatorCanyon: Number(DENOMINATOR),
    },
  };
}
