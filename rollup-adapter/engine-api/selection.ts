/**
 * Which of the payloads that a second gathered may be given to the client, and why the others not: design.md §8. A
 * pure function of the payloads in their order, the accounts of their senders in the parent's state, and what the
 * block offers; so all nodes of a rollup leave out the same.
 *
 * Every transaction must be one that the client cannot refuse, whatever those before it do: a sender's nonce is
 * counted on, and its balance is taken to shrink by the most that its transactions can cost. What it receives in the
 * same block does not count.
 */
import type { Common } from "@ethereumjs/common";
import { Account, type Address, KECCAK256_NULL } from "@ethereumjs/util";
import { authoritiesOf, roomObjection, senderObjection } from "../evm/admission.ts";
import { createPacer } from "../evm/pacer.ts";
import type {
  DecodedTransaction,
  ParsedTransaction,
  PayloadDecoder,
  SkipReason,
} from "../evm/payload.ts";
import type { SkippedPayload } from "../execution.ts";
import type { ClientAccount } from "./engine-client.ts";
import {
  BLOCK_TRANSACTION_BYTES_MAX,
  ENGINE_SLICE_MS,
  SIGNATURES_PER_TRANSFER,
  TRANSACTION_GAS_MAX,
} from "./limits.ts";

/** Why a payload did not become part of a block here. Never renamed. */
export type EngineSkipReason =
  | SkipReason
  /** The second brought so many transactions before it that their signatures alone would take too long. */
  | "BLOCK_SIGNATURES_EXHAUSTED"
  /** The block has no room for its bytes. */
  | "BLOCK_BYTES_EXHAUSTED"
  /** The block held too many transactions that others made impossible; those that others can touch wait for a further one. */
  | "DELEGATION_HELD_BACK";

export interface Candidate {
  /** Index among the payloads. */
  readonly index: number;
  readonly raw: Uint8Array;
  /** Keccak-256 of it. */
  readonly hash: Uint8Array;
  /**
   * Whether transactions before it in the block can make it impossible in a way that cannot be foreseen here: its sender
   * delegates to code (EIP-7702), or it makes others delegate.
   */
  readonly isAlterable: boolean;
  readonly gasLimit: bigint;
  /** 0x address. */
  readonly sender: string;
  /** Accounts that it may make delegate, and whose nonce it may use up; recovered when asked for, which takes time. */
  readonly authorities: () => readonly string[];
}

export interface Selection {
  readonly candidates: readonly Candidate[];
  readonly skipped: readonly SkippedPayload[];
}

export interface SelectionRoom {
  /** What the block offers to transactions other than the driver's own. */
  readonly gasLimit: bigint;
  readonly baseFeePerGas: bigint;
}

interface Decoded {
  readonly index: number;
  readonly decoded: DecodedTransaction;
}

/** What is read of the chain. */
export interface SelectionReader {
  /** The senders' accounts (0x addresses) in the parent's state, in order. */
  accountsOf(addresses: readonly string[]): Promise<readonly ClientAccount[]>;
  /** Who sent transactions, in order; undefined for one whose signature names nobody. */
  sendersOf(transactions: readonly ParsedTransaction[]): Promise<readonly (Address | undefined)[]>;
}

const TYPE_SET_CODE = 4;
const TRANSFER_GAS = 21_000n;

export async function selectTransactions(
  payloads: readonly Uint8Array[],
  room: SelectionRoom,
  chain: { readonly common: Common; readonly decoder: PayloadDecoder },
  reader: SelectionReader,
): Promise<Selection> {
  const skipped: SkippedPayload[] = [];
  const decoded = await decodeAll(payloads, room, chain.decoder, reader, skipped);
  const addresses = [...new Set(decoded.map((one) => one.decoded.sender.toString()))];
  const accounts = addresses.length === 0 ? [] : await reader.accountsOf(addresses);
  const ledger = new Map(addresses.map((address, i) => [address, entryOf(accounts[i])]));
  const candidates: Candidate[] = [];
  const pacer = createPacer(ENGINE_SLICE_MS);
  let bytes = 0;
  for (const one of decoded) {
    if (pacer.isDue()) await pacer.rest();
    const entry = ledger.get(one.decoded.sender.toString());
    const reason =
      (await objection(one.decoded, entry, room, chain.common)) ??
      (bytes + one.decoded.raw.length > BLOCK_TRANSACTION_BYTES_MAX
        ? "BLOCK_BYTES_EXHAUSTED"
        : undefined);
    if (reason !== undefined || entry === undefined) {
      skipped.push({ index: one.index, reason: reason ?? "NONCE_TOO_HIGH" });
      continue;
    }
    bytes += one.decoded.raw.length;
    candidates.push(toCandidate(one, entry));
    charge(one.decoded, entry, room);
  }
  return { candidates, skipped: skipped.toSorted((a, b) => a.index - b.index) };
}

/** Those that are transactions of somebody's; the others are added to `skipped`. */
async function decodeAll(
  payloads: readonly Uint8Array[],
  room: SelectionRoom,
  decoder: PayloadDecoder,
  reader: SelectionReader,
  skipped: SkippedPayload[],
): Promise<readonly Decoded[]> {
  const signaturesMax = Number(room.gasLimit / TRANSFER_GAS) * SIGNATURES_PER_TRANSFER;
  const indexes: number[] = [];
  const parsed: ParsedTransaction[] = [];
  const pacer = createPacer(ENGINE_SLICE_MS);
  for (const [index, payload] of payloads.entries()) {
    if (parsed.length >= signaturesMax) {
      skipped.push({ index, reason: "BLOCK_SIGNATURES_EXHAUSTED" });
      continue;
    }
    if (pacer.isDue()) await pacer.rest();
    const one = decoder.parse(payload);
    if (one.kind === "skip") {
      skipped.push({ index, reason: one.reason });
      continue;
    }
    indexes.push(index);
    parsed.push(one.parsed);
  }
  const senders = parsed.length === 0 ? [] : await reader.sendersOf(parsed);
  return parsed.flatMap((one, i) => {
    const [sender, index = 0] = [senders[i], indexes[i]];
    if (sender !== undefined) return [{ index, decoded: { ...one, sender } }];
    skipped.push({ index, reason: "BAD_SIGNATURE" });
    return [];
  });
}

/** What is left of a sender's account after its transactions so far. */
interface LedgerEntry {
  nonce: bigint;
  balance: bigint;
  readonly code: Uint8Array;
}

function entryOf(account: ClientAccount | undefined): LedgerEntry {
  return {
    nonce: account?.nonce ?? 0n,
    balance: account?.balance ?? 0n,
    code: account?.code ?? new Uint8Array(0),
  };
}

async function objection(
  { transaction }: DecodedTransaction,
  entry: LedgerEntry | undefined,
  room: SelectionRoom,
  common: Common,
): Promise<EngineSkipReason | undefined> {
  if (entry === undefined) return undefined;
  const { code } = entry;
  const account = new Account(
    entry.nonce,
    entry.balance,
    undefined,
    code.length === 0 ? KECCAK256_NULL : CODE_THERE,
  );
  const gasLimit = room.gasLimit < TRANSACTION_GAS_MAX ? room.gasLimit : TRANSACTION_GAS_MAX;
  return (
    (await senderObjection(transaction, account, () => Promise.resolve(code), common)) ??
    roomObjection(
      transaction,
      {
        gasLimit,
        // How much gas those before it use, only the client can tell: it refuses what finds too little.
        gasLeft: gasLimit,
        blobGasLeft: 0n,
        baseFeePerGas: room.baseFeePerGas,
        blobBaseFee: 0n,
      },
      common,
    )
  );
}

/** Stands for the hash of any code; what it is, `code` says. */
const CODE_THERE = new Uint8Array(32);

function charge(
  { transaction }: DecodedTransaction,
  entry: LedgerEntry,
  room: SelectionRoom,
): void {
  const { baseFeePerGas } = room;
  const price = baseFeePerGas + transaction.getEffectivePriorityFee(baseFeePerGas);
  entry.nonce += 1n;
  entry.balance -= transaction.gasLimit * price + transaction.value;
}

function toCandidate({ index, decoded }: Decoded, entry: LedgerEntry): Candidate {
  const { transaction } = decoded;
  return {
    index,
    raw: decoded.raw,
    hash: decoded.hash,
    isAlterable: entry.code.length > 0 || transaction.type === TYPE_SET_CODE,
    gasLimit: transaction.gasLimit,
    sender: decoded.sender.toString(),
    authorities: () => authoritiesOf(transaction).map(String),
  };
}
