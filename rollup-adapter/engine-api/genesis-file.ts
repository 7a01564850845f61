/**
 * Reads a `genesis.json` as geth takes it, this driver's own or a team's (op-deployer's, say), and works out the hash of
 * block 0, so that a client of another chain is told apart before it is fed anything. Refuses chains whose blocks this
 * driver does not know how to ask for.
 */
import { genesisMPTStateRoot, MerklePatriciaTrie } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import { KECCAK256_RLP, KECCAK256_RLP_ARRAY } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { z } from "zod";
import { fromHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { quantity } from "../json-rpc/hex.ts";
import { feeRuleOf } from "./block-builder.ts";
import { engineError } from "./engine-error.ts";

export type OpGenesisDocument = Readonly<Record<string, unknown>>;

export interface OpGenesis {
  /** What `geth init` takes. */
  readonly document: OpGenesisDocument;
  /** Hash of block 0, 32 bytes. */
  readonly hash: Uint8Array;
  readonly chainId: bigint;
}

/** Upgrades that have to be active in block 0. */
const NEEDED_TIMES = ["shanghaiTime", "cancunTime", "pragueTime", "holoceneTime", "isthmusTime"];
/** Those that may be: what they change, this driver or nobody has to know. */
const KNOWN_TIMES = new Set([
  ...NEEDED_TIMES,
  "regolithTime",
  "canyonTime",
  "ecotoneTime",
  "fjordTime",
  "graniteTime",
  "jovianTime",
  // A change of blobs' fees on L1 that op-geth reads and OP Stack chains do not have.
  "pectraBlobScheduleTime",
]);
/** Its storage root stands in the header in place of withdrawals (Isthmus specs, "L2ToL1MessagePasser"). */
const MESSAGE_PASSER = `0x42${"0".repeat(36)}16` as const;

/** As geth reads numbers: 0x, decimal text, or a JSON number that is exact. */
const numeric = z
  .union([
    z.int().nonnegative(),
    z.string().regex(/^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/, "a number as 0x or decimal text"),
  ])
  .transform((value) => BigInt(value));
const hexText = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/, "0x and an even number of hex digits")
  .transform((text) => `0x${text.slice(2).toLowerCase()}` as const);
const hexBytes = hexText.transform((text) => fromHex(text.slice(2)));
const sized = (length: number) =>
  hexBytes.refine((value) => value.length === length, `${length} bytes`);
const word = z
  .string()
  .regex(/^(0x)?([0-9a-fA-F]{2}){0,32}$/, "up to 32 bytes in hex")
  .transform((text) => `0x${text.replace(/^0x/, "").toLowerCase().padStart(64, "0")}` as const);
const address = z
  .string()
  .regex(/^(0x)?[0-9a-fA-F]{40}$/, "an address")
  .transform((text) => `0x${text.replace(/^0x/, "").toLowerCase()}` as const);

const accountSchema = z.object({
  balance: numeric,
  nonce: numeric.default(0n),
  code: hexText.default("0x"),
  storage: z.record(word, word).nullish(),
});
const genesisSchema = z.looseObject({
  config: z.looseObject({ chainId: numeric, optimism: z.looseObject({}) }),
  nonce: numeric.default(0n),
  timestamp: numeric.default(0n),
  extraData: hexBytes.default(new Uint8Array(0)),
  gasLimit: numeric,
  difficulty: numeric,
  mixHash: sized(32).default(new Uint8Array(32)),
  coinbase: sized(20).default(new Uint8Array(20)),
  number: numeric.default(0n),
  gasUsed: numeric.default(0n),
  parentHash: sized(32).default(new Uint8Array(32)),
  baseFeePerGas: numeric.nullish().transform((fee) => fee ?? 1_000_000_000n),
  excessBlobGas: numeric.nullish().transform((gas) => gas ?? 0n),
  blobGasUsed: numeric.nullish().transform((gas) => gas ?? 0n),
  alloc: z.record(address, accountSchema),
});
type Genesis = z.output<typeof genesisSchema>;

/** @throws WeftError<EngineApiErrorInfo> ENGINE_API_GENESIS_INVALID, which names every problem */
export async function readOpGenesis(document: unknown): Promise<OpGenesis> {
  const parsed = genesisSchema.safeParse(document);
  if (!parsed.success) {
    throw invalid(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  }
  const genesis = parsed.data;
  const problems = problemsOf(genesis);
  if (problems.length > 0) throw invalid(problems);
  return {
    document: document as OpGenesisDocument,
    hash: keccak_256(RLP.encode(await headerOf(genesis))),
    chainId: genesis.config.chainId,
  };
}

function problemsOf(genesis: Genesis): readonly string[] {
  const { config, timestamp } = genesis;
  const activeAt = (name: string): bigint | undefined => {
    const at = numeric.safeParse(config[name]);
    return at.success ? at.data : undefined;
  };
  const isActive = (name: string): boolean => (activeAt(name) ?? timestamp + 1n) <= timestamp;
  const missing = NEEDED_TIMES.filter((name) => !isActive(name));
  const later = [...KNOWN_TIMES].filter(
    (name) => activeAt(name) !== undefined && !isActive(name) && !NEEDED_TIMES.includes(name),
  );
  const unknown = Object.keys(config).filter(
    (name) => name.endsWith("Time") && !KNOWN_TIMES.has(name) && activeAt(name) !== undefined,
  );
  const rule = feeRuleOf(genesis.extraData);
  const fork = isActive("jovianTime") ? "jovian" : "isthmus";
  return [
    ...missing.map((name) => `config.${name}: must be active in block 0`),
    ...later.map((name) => `config.${name}: an upgrade after block 0 is not supported`),
    ...unknown.map((name) => `config.${name}: this driver does not know that upgrade`),
    ...(rule?.fork === fork
      ? []
      : [`extraData: expected version, denominator and elasticity of ${fork} (EIP-1559 rule)`]),
    ...(activeAt("bedrockBlock") === 0n ? [] : ["config.bedrockBlock: must be 0"]),
    ...(genesis.number === 0n ? [] : ["number: must be 0"]),
    ...("stateHash" in genesis ? ["stateHash: the state has to stand in alloc"] : []),
  ];
}

async function headerOf(genesis: Genesis) {
  const passer = genesis.alloc[MESSAGE_PASSER];
  return [
    genesis.parentHash,
    KECCAK256_RLP_ARRAY, // uncles
    genesis.coinbase,
    await genesisMPTStateRoot(stateOf(genesis)),
    KECCAK256_RLP, // transactions
    KECCAK256_RLP, // receipts
    new Uint8Array(256), // bloom
    genesis.difficulty,
    genesis.number,
    genesis.gasLimit,
    genesis.gasUsed,
    genesis.timestamp,
    genesis.extraData,
    genesis.mixHash,
    fromHex(genesis.nonce.toString(16).padStart(16, "0")),
    genesis.baseFeePerGas,
    // Withdrawals (Isthmus): zeros where there is no message passer.
    passer === undefined ? new Uint8Array(32) : await storageRoot(passer.storage),
    genesis.blobGasUsed, // the DA footprint (Jovian)
    genesis.excessBlobGas,
    new Uint8Array(32), // parent beacon block root
    sha256(new Uint8Array(0)), // requests (EIP-7685): none
  ];
}

function stateOf({ alloc }: Genesis): Parameters<typeof genesisMPTStateRoot>[0] {
  const state: Parameters<typeof genesisMPTStateRoot>[0] = {};
  for (const [at, { balance, code, nonce, storage }] of Object.entries(alloc)) {
    state[`0x${at.slice(2)}`] = [quantity(balance), code, slotsOf(storage), quantity(nonce)];
  }
  return state;
}

type Word = z.output<typeof word>;
type Storage = z.output<typeof accountSchema>["storage"];

/** A slot with 0 is one that is not there. */
function slotsOf(storage: Storage): [Word, Word][] {
  const slots: [Word, Word][] = [];
  for (const [slot, value] of Object.entries(storage ?? {})) {
    if (BigInt(value) !== 0n) slots.push([`0x${slot.slice(2)}`, value]);
  }
  return slots;
}

async function storageRoot(storage: Storage): Promise<Uint8Array> {
  const trie = new MerklePatriciaTrie({ useKeyHashing: true });
  for (const [slot, value] of slotsOf(storage)) {
    await trie.put(fromHex(slot.slice(2)), RLP.encode(BigInt(value)));
  }
  return trie.root();
}

function invalid(problems: readonly string[]): Error {
  return engineError(
    { code: "ENGINE_API_GENESIS_INVALID" },
    `this genesis.json cannot be fed by this driver:\n  ${problems.join("\n  ")}`,
  );
}
