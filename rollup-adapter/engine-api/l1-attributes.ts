/**
 * The one deposit transaction that this driver makes: the "L1 attributes" that OP Stack clients expect at the head of
 * every block (OP Stack specs, "L1 Attributes Deposited Transaction", and the Isthmus and Jovian upgrades'
 * versions of it). Weft takes the place of L1: number, time and hash are those of the last sequencer block that the rollup
 * block gathers. So a rollup block names the place in the order that it stands for, and the driver finds its own
 * place again from the client alone.
 *
 * All fees that OP Stack chains charge for L1 are 0 here: ordering is paid by the gateway.
 */
import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { Height } from "../../proto/brands.ts";
import { concatBytes, copyBytes, fromHex } from "../../proto/bytes.ts";
import { DEPOSIT_GAS } from "./limits.ts";

/** The newest rules of the OP Stack that a block runs under, of those that a driver has to know. */
export type OpFork = "isthmus" | "jovian";

/** The place in the sequencer's order that a rollup block stands for. */
export interface SequencerPlace {
  /** The first and the last sequencer block that it gathers. */
  readonly heightFirst: Height;
  readonly height: Height;
  /** Hash of the last, 32 bytes. */
  readonly blockHash: Uint8Array;
  /** BFT time of the last, whole seconds. */
  readonly seconds: bigint;
}

/** Type of deposit transactions; anything else of this type is a forgery. */
export const DEPOSIT_TYPE = 0x7e;

const DEPOSITOR = fromHex("deaddeaddeaddeaddeaddeaddeaddeaddead0001");
const L1_BLOCK = fromHex("4200000000000000000000000000000000000015");
const SELECTORS: Readonly<Record<OpFork, Uint8Array>> = {
  isthmus: fromHex("098999be"),
  jovian: fromHex("3db6be2b"),
};
const LENGTHS: Readonly<Record<OpFork, number>> = { isthmus: 176, jovian: 178 };
/** Source of L1 attributes, as opposed to user deposits (0) and upgrades (2). */
const SOURCE_DOMAIN = 1n;

/** The canonical encoding of the deposit that opens the block for `place`. `rollupId`: 32 bytes. */
export function encodeDeposit(
  place: SequencerPlace,
  fork: OpFork,
  rollupId: Uint8Array,
): Uint8Array {
  const gathered = BigInt(place.height - place.heightFirst);
  const source = keccak_256(
    concatBytes(
      uint(SOURCE_DOMAIN, 32),
      keccak_256(concatBytes(place.blockHash, uint(gathered, 32))),
    ),
  );
  const fields = [
    source,
    DEPOSITOR,
    L1_BLOCK,
    0n, // mint
    0n, // value
    DEPOSIT_GAS,
    0n, // no system transaction: those ended with Regolith
    encodeAttributes(place, fork, rollupId),
  ];
  return concatBytes(Uint8Array.of(DEPOSIT_TYPE), RLP.encode(fields));
}

/** The deposit's call data, packed: fees first, then the block, then what later upgrades added. */
export function encodeAttributes(
  place: SequencerPlace,
  fork: OpFork,
  rollupId: Uint8Array,
): Uint8Array {
  return concatBytes(
    SELECTORS[fork],
    new Uint8Array(8), // scalars of base fee and blob base fee: ordering costs the sender nothing here
    uint(BigInt(place.height - place.heightFirst), 8),
    uint(place.seconds, 8),
    uint(BigInt(place.height), 8),
    new Uint8Array(64), // base fee and blob base fee of L1
    place.blockHash,
    rollupId,
    new Uint8Array(12), // operator fee: scalar and constant
    new Uint8Array(fork === "jovian" ? 2 : 0), // DA footprint: not limited, Weft's own limits hold
  );
}

/** The place that a block's deposit names; undefined when it is not one of ours for `rollupId`. */
export function decodeAttributes(
  data: Uint8Array,
  rollupId: Uint8Array,
): SequencerPlace | undefined {
  const fork = (["isthmus", "jovian"] as const).find(
    (one) => data.length === LENGTHS[one] && startsWith(data, SELECTORS[one]),
  );
  if (fork === undefined || !startsWith(data.subarray(132), rollupId)) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [gathered, height] = [view.getBigUint64(12), view.getBigUint64(28)];
  if (height > BigInt(Number.MAX_SAFE_INTEGER) || gathered >= height) return undefined;
  return {
    heightFirst: Height(Number(height - gathered)),
    height: Height(Number(height)),
    blockHash: copyBytes(data.subarray(100, 132)),
    seconds: view.getBigUint64(20),
  };
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, at) => bytes[at] === byte);
}

function uint(value: bigint, size: number): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * size, "0"));
}
