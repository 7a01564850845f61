/**
 * SHARES parts of vote extensions: what a validator answers to the `SealAsk` of a height, and how others check
 * it (docs/formats.md, "Sealed transactions"; spec/encrypted-mempool.md B.1, B.4). Strict mode: the whole answer, or none.
 */
import type { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import {
  type BatchShares,
  type DisputeShares,
  SHARES_CODEC,
  type Shares,
  type TicketShare,
} from "../../proto/codec/seal-block.ts";
import type { SealAsk, SealKeyState } from "../../proto/codec/seal-state.ts";
import { POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { startSignBytes } from "../../proto/codec/weft-basics.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { ADDRESS_BYTES } from "../../proto/limits.ts";
import { refusal } from "../../proto/refusal.ts";
import type {
  SealCompute,
  SealRefusal,
  SealRefusalCode,
  SharesToMake,
  SharesToVerify,
} from "./compute.ts";
import { publicShareAt, ticketsOfMember } from "./dkg.ts";

const CONTEXT_TAG = utf8ToBytes("weft/seal/shares/v1");

/** The key of that number; undefined when the state does not hold it. */
export type SealKeyOf = (key: number) => SealKeyState | undefined;

/** The secret x of a ticket, 32 bytes; undefined when it is lost or erased. */
export type TicketSecretOf = (key: number, ticket: number) => Uint8Array | undefined;

/** What proofs of shares are bound to, beside the ticket and what it is for. */
export interface SharesTerms {
  readonly chainId: string;
  /** Height that is voted on. */
  readonly height: Height;
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
}

/** The part of a `SealAsk` that one validator has to answer: keys in which it holds tickets. */
export interface AskedOfValidator {
  readonly batches: readonly {
    readonly height: Height;
    readonly key: number;
    /** U of each open item. */
    readonly points: Uint8Array;
    readonly tickets: readonly AskedTicket[];
  }[];
  readonly disputes: readonly {
    readonly height: Height;
    readonly index: number;
    readonly key: number;
    readonly point: Uint8Array;
    readonly tickets: readonly AskedTicket[];
  }[];
}

export interface AskedTicket {
  readonly ticket: number;
  /** X, 32 bytes. */
  readonly publicShare: Uint8Array;
}

/** What an item of a batch, or a dispute, is asked about. */
interface Subject {
  readonly key: number;
  readonly height: Height;
  /** Of a disputed item: its proof is one of its own. */
  readonly index?: number;
}

/**
 * lp("weft/seal/shares/v1") ‖ lp(chain id) ‖ u64 height voted on ‖ validator (20) ‖ u64 key ‖ u16 ticket ‖
 * u64 height of the batch, and ‖ u32 index for the single proof of a disputed item.
 */
export function sharesContext(
  { chainId, height, validator }: SharesTerms,
  { key, height: batchHeight, index }: Subject,
  ticket: number,
): Uint8Array {
  assert(validator.length === ADDRESS_BYTES, "a consensus address has 20 bytes");
  const { out, at } = startSignBytes(CONTEXT_TAG, chainId, 46 + (index === undefined ? 0 : 4));
  const view = new DataView(out.buffer);
  view.setBigUint64(at, BigInt(height));
  out.set(validator, at + 8);
  view.setBigUint64(at + 28, BigInt(key));
  view.setUint16(at + 36, ticket);
  view.setBigUint64(at + 38, BigInt(batchHeight));
  if (index !== undefined) view.setUint32(at + 46, index);
  return out;
}

/** Undefined when nothing is asked of the validator. A key that is gone asks nobody. */
export function askedOfValidator(
  ask: SealAsk | undefined,
  keyOf: SealKeyOf,
  validator: Uint8Array,
): AskedOfValidator | undefined {
  if (ask === undefined) return undefined;
  const byKey = new Map<number, readonly AskedTicket[]>();
  const ticketsIn = (key: number): readonly AskedTicket[] => {
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const tickets = askedTickets(keyOf(key), validator);
    byKey.set(key, tickets);
    return tickets;
  };
  const batches = [];
  for (const { height, key, points } of ask.batches) {
    const tickets = ticketsIn(key);
    if (tickets.length > 0) batches.push({ height, key, points, tickets });
  }
  const disputes = [];
  for (const { height, index, key, point } of ask.disputes) {
    const tickets = ticketsIn(key);
    if (tickets.length > 0) disputes.push({ height, index, key, point, tickets });
  }
  return batches.length + disputes.length === 0 ? undefined : { batches, disputes };
}

function askedTickets(
  key: SealKeyState | undefined,
  validator: Uint8Array,
): readonly AskedTicket[] {
  const held = key && ticketsOfMember(key.members, validator);
  if (key === undefined || held === undefined) return [];
  return Array.from({ length: held.count }, (_, i) => {
    const ticket = held.first + i;
    return { ticket, publicShare: publicShareAt(key, ticket) };
  });
}

/**
 * Content of the SHARES part; undefined when a secret is missing: all is answered, or nothing. The same
 * bytes whenever it is asked again.
 */
export async function makeShares(
  terms: SharesTerms,
  asked: AskedOfValidator,
  secretOf: TicketSecretOf,
  compute: Pick<SealCompute, "makeShares">,
): Promise<Uint8Array | undefined> {
  const wanted: SharesToMake[] = [];
  for (const { subject, points, tickets } of subjectsOf(asked)) {
    for (const { ticket, publicShare } of tickets) {
      const secret = secretOf(subject.key, ticket);
      if (secret === undefined) return undefined;
      wanted.push({ context: sharesContext(terms, subject, ticket), publicShare, points, secret });
    }
  }
  const made = await compute.makeShares(wanted);
  assert(made.length === wanted.length, "each ticket has shares");
  let at = 0;
  const next = ({ ticket }: AskedTicket) => {
    const one = made[at++];
    assert(one !== undefined, "there are as many as were asked for");
    return { ticket, points: one.shares, proof: one.proof };
  };
  const batches = asked.batches.map(
    ({ height, tickets }): BatchShares => ({ height, tickets: tickets.map(next) }),
  );
  const disputes = asked.disputes.map(
    ({ height, index, tickets }): DisputeShares => ({
      height,
      index,
      shares: tickets.map((asked): TicketShare => {
        const { ticket, points, proof } = next(asked);
        return { ticket, point: points, proof };
      }),
    }),
  );
  return SHARES_CODEC.encode({ batches, disputes });
}

/** The root that LISTS carries of a SHARES part. */
export function sharesRoot(content: Uint8Array): Uint8Array {
  return sha256(content);
}

/** A SHARES part of the right structure, and the proofs that are left to check. */
export interface CheckedShares {
  readonly shares: Shares;
  readonly proofs: readonly SharesToVerify[];
}

/** Structure: exactly what was asked for. */
export function checkShares(
  terms: SharesTerms,
  asked: AskedOfValidator,
  content: Uint8Array,
): CheckedShares | SealRefusal {
  let shares: Shares;
  try {
    shares = SHARES_CODEC.decode(content);
  } catch (error) {
    // The bytes are another validator's; to refuse them is the answer. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return refusal<SealRefusalCode>("SHARES_MALFORMED", error.message);
  }
  const given = [
    ...shares.batches.map(({ height, tickets }) => ({
      what: `batch ${height}`,
      height,
      index: undefined,
      tickets,
    })),
    ...shares.disputes.map(({ height, index, shares: tickets }) => ({
      what: `disputed item ${height}/${index}`,
      height,
      index,
      tickets: tickets.map(({ ticket, point, proof }) => ({ ticket, points: point, proof })),
    })),
  ];
  const wanted = subjectsOf(asked);
  if (
    shares.batches.length !== asked.batches.length ||
    shares.disputes.length !== asked.disputes.length
  ) {
    const { batches, disputes } = shares;
    return incomplete(
      `${asked.batches.length} batches and ${asked.disputes.length} disputes`,
      `${batches.length} and ${disputes.length}`,
    );
  }
  const proofs: SharesToVerify[] = [];
  for (const [i, { subject, points, tickets }] of wanted.entries()) {
    const answer = given[i];
    assert(answer !== undefined, "there are as many as were asked for");
    if (answer.height !== subject.height || answer.index !== subject.index) {
      return incomplete(`${subject.height}/${subject.index ?? "whole"}`, answer.what);
    }
    if (answer.tickets.length !== tickets.length) {
      return incomplete(`${tickets.length} tickets`, `${answer.tickets.length} for ${answer.what}`);
    }
    for (const [j, { ticket, publicShare }] of tickets.entries()) {
      const one = answer.tickets[j];
      if (one?.ticket !== ticket) {
        return incomplete(`ticket ${ticket}`, `${one?.ticket} for ${answer.what}`);
      }
      if (one.points.length !== points.length) {
        return incomplete(
          `${points.length / POINT_BYTES} points`,
          `${one.points.length / POINT_BYTES} for ${answer.what}`,
        );
      }
      const context = sharesContext(terms, subject, ticket);
      proofs.push({ context, publicShare, points, shares: one.points, proof: one.proof });
    }
  }
  return { shares, proofs };
}

/** Structure and proofs of a SHARES part. */
export async function verifyShares(
  terms: SharesTerms,
  asked: AskedOfValidator,
  content: Uint8Array,
  compute: Pick<SealCompute, "verifyShares">,
): Promise<Shares | SealRefusal> {
  const checked = checkShares(terms, asked, content);
  if ("code" in checked) return checked;
  const verdicts = await compute.verifyShares(checked.proofs);
  return proofFault(verdicts) ?? checked.shares;
}

/** `verdicts`: one for each of the proofs. */
export function proofFault(verdicts: readonly boolean[]): SealRefusal | undefined {
  if (verdicts.every((isValid) => isValid)) return undefined;
  return refusal(
    "SHARES_PROOF",
    `the proof of ${verdicts.filter((isValid) => !isValid).length} of ${verdicts.length} share vectors does not hold`,
  );
}

/** Batches, then disputes, as points under one proof for each ticket. */
export function subjectsOf({ batches, disputes }: AskedOfValidator): readonly {
  readonly subject: Subject;
  readonly points: Uint8Array;
  readonly tickets: readonly AskedTicket[];
}[] {
  return [
    ...batches.map(({ key, height, points, tickets }) => ({
      subject: { key, height },
      points,
      tickets,
    })),
    ...disputes.map(({ key, height, index, point, tickets }) => ({
      subject: { key, height, index },
      points: point,
      tickets,
    })),
  ];
}

function incomplete(expected: string, got: string): SealRefusal {
  return refusal("SHARES_INCOMPLETE", `expected ${expected}, got ${got}`);
}
