/**
 * A key that nobody holds, made of dealings that stand on the chain (spec encrypted-mempool B.5, after
 * Pedersen 1991 with Feldman's commitments): every member deals shares of a polynomial to all tickets,
 * encrypted for their holders; a wrong share is shown by opening it, and anybody can judge that.
 *
 * With H and Hs of `hashes.ts`, ctx = u32(length) ‖ chain id ‖ u64 key, d the dealer's address and v a
 * ticket of a member with encryption key E = dk G:
 *
 *     a_k  = Hs("deal-coefficient"; seed, ctx, d, u32 k),  k < t       f(x) = Σ a_k x^k
 *     C_k  = a_k G
 *     ρ    = Hs("deal-ephemeral"; seed, ctx, d),  R = ρG,  K = ρE = dk R
 *     c_v  = f(v) + Hs("deal-share"; ctx, d, u32 v, R, K)
 *     h    = Hs("deal-binding"; ctx, d, u32 t, C_0 … C_(t-1), R, c_1 … c_T)
 *     possession of a_0 + hρ under C_0 + hR, in the context lp(tag "deal") ‖ ctx ‖ d
 *
 * The one proof of possession is of a_0 and of ρ, because h follows from both points. Of a_0, so that nobody
 * can make the key out of the others' dealings; of ρ, so that nobody can deal with somebody else's R and have
 * members who complain show the K that opens that one's shares.
 *
 *     Y = Σ C_0,  X_v = Σ_k v^k (Σ C_k),  x_v = Σ f(v)               sums over the dealers that count
 */
import { bytesEqual, joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { type Complain, type Deal, POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import type { SealKeyState, SealMemberState } from "../../proto/codec/seal-state.ts";
import { assert } from "../../proto/errors.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";
import { type Group, GROUP_ORDER, SCALAR_BYTES, scalarFromBigint } from "./group/group.ts";
import { expandWeights, hashSeal, hashToScalar, prefixed, sealTag, u32, u64 } from "./hashes.ts";
import { hasIdentity, type Proofs } from "./proofs.ts";

/** Bytes that a dealing is made from. */
export const DEAL_SEED_BYTES = 32;

/** What dealings are for: a key generation, as the chain began it. */
export interface KeyTerms {
  readonly chainId: string;
  /** Number of the key. */
  readonly key: number;
  /** t. */
  readonly threshold: number;
  /** By address; their tickets follow each other from 1 on. */
  readonly members: readonly SealMemberState[];
}

/** One dealer's part of the key, as it stands in the state. */
export type Dealing = Omit<Deal, "kind">;

/** What a complaint shows: the member's K for one dealing. */
export type Complaint = Omit<Complain, "kind">;

export type DealRefusalCode =
  /** Not t commitments and one share for each ticket. */
  | "DEAL_SIZE"
  /** A point or scalar that is not canonical, or the identity. */
  | "DEAL_NOT_CANONICAL"
  /** The proof does not show that the dealer knows what it deals. */
  | "DEAL_PROOF";

/** Whose fault a complaint shows. */
export type ComplaintVerdict =
  /** The share does not lie on the dealer's polynomial. */
  | "dealer"
  /** It does. */
  | "member"
  /** Neither: this is not the member's K. */
  | "unproven";

/** x_v of one ticket. */
export interface TicketSecret {
  readonly ticket: number;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** A member's shares in one dealing. */
export interface OpenedDealing {
  /** f(v) of its tickets, in order, 32 bytes each. */
  readonly shares: Uint8Array;
  /** The first ticket whose share is wrong. */
  readonly wrongTicket: number | undefined;
}

export interface MadeKey {
  /** Y. */
  readonly publicKey: Uint8Array;
  /** X_1 … X_T. */
  readonly publicShares: Uint8Array;
}

export interface Dkg {
  /** A dealing out of 32 fresh secret bytes: the same bytes give the same dealing. `dealer` is a member. */
  deal(terms: KeyTerms, dealer: Uint8Array, seed: Uint8Array): Dealing;
  /** Why the dealing may not stand on the chain, or undefined. Shares are judged by their holders only. */
  dealingFault(terms: KeyTerms, dealing: Dealing): Refusal<DealRefusalCode> | undefined;
  /** Decrypts and checks what an accepted dealing has for a member. `secret`: of its encryption key. */
  openDealing(
    terms: KeyTerms,
    dealing: Dealing,
    member: Uint8Array,
    secret: Uint8Array,
  ): OpenedDealing;
  /** Shows a share of an accepted dealing to everybody, with all others of that member and dealer. */
  complain(
    terms: KeyTerms,
    dealing: Dealing,
    member: Uint8Array,
    ticket: number,
    secret: Uint8Array,
  ): Complaint;
  /** The dealing is the accepted one that the complaint names, the ticket the member's. */
  judge(terms: KeyTerms, dealing: Dealing, complaint: Complaint): ComplaintVerdict;
  /**
   * The key that accepted dealings make, at least one; undefined when a point of it is the identity, which
   * does not happen by chance.
   */
  makeKey(terms: KeyTerms, dealings: readonly Dealing[]): MadeKey | undefined;
  /**
   * What a member's tickets open shares with; undefined when it does not belong to the key, which happens
   * to a member that has not complained of a wrong share. `dealings`: of all dealers of the key.
   */
  sharesOfMember(
    terms: KeyTerms & Pick<MadeKey, "publicShares">,
    dealings: readonly Dealing[],
    member: Uint8Array,
    secret: Uint8Array,
  ): readonly TicketSecret[] | undefined;
}

/** Context of the proof that a validator (consensus address) knows the secret of its encryption key. */
export function encryptionKeyContext(chainId: string, validator: Uint8Array): Uint8Array {
  return joinBytes([TAG.encryptionKey, prefixed(utf8ToBytes(chainId)), validator]);
}

/** Tickets of a member: from `first` on so many; undefined for one that is none. */
export function ticketsOfMember(
  members: readonly SealMemberState[],
  validator: Uint8Array,
): { readonly first: number; readonly count: number } | undefined {
  let first = 1;
  for (const member of members) {
    if (bytesEqual(member.validator, validator)) return { first, count: member.tickets };
    first += member.tickets;
  }
  return undefined;
}

/** X of a ticket of the key. */
export function publicShareAt(
  { publicShares }: Pick<SealKeyState, "publicShares">,
  ticket: number,
): Uint8Array {
  return pointAt(publicShares, ticket - 1);
}

/** T. */
export function ticketCount(members: readonly SealMemberState[]): number {
  return members.reduce((sum, { tickets }) => sum + tickets, 0);
}

/** Keys are made with `group`, on its thread; nothing but its memory is shared between calls. */
export function createDkg(group: Group, proofs: Proofs): Dkg {
  return new GroupDkg(group, proofs);
}

const TAG = {
  coefficient: sealTag("deal-coefficient"),
  ephemeral: sealTag("deal-ephemeral"),
  share: sealTag("deal-share"),
  binding: sealTag("deal-binding"),
  weights: sealTag("deal-weights"),
  deal: sealTag("deal"),
  complaint: sealTag("complaint"),
  encryptionKey: sealTag("encryption-key"),
};
const ONE = scalarFromBigint(1n);

class GroupDkg implements Dkg {
  readonly #group: Group;
  readonly #proofs: Proofs;

  constructor(group: Group, proofs: Proofs) {
    this.#group = group;
    this.#proofs = proofs;
  }

  deal(terms: KeyTerms, dealer: Uint8Array, seed: Uint8Array): Dealing {
    assert(seed.length === DEAL_SEED_BYTES, `a dealing is made from ${DEAL_SEED_BYTES} bytes`);
    assert(ticketsOfMember(terms.members, dealer) !== undefined, "members deal");
    const group = this.#group;
    const { scalars } = group;
    const context = contextOf(terms);
    const polynomial = joinBytes(
      Array.from({ length: terms.threshold }, (_, k) =>
        hashToScalar(group, TAG.coefficient, seed, context, dealer, u32(k)),
      ),
    );
    const rho = hashToScalar(group, TAG.ephemeral, seed, context, dealer);
    const ephemeral = group.mulBase(rho);
    const encryptionKeys = joinBytes(terms.members.map(({ encryptionKey }) => encryptionKey));
    const sharedKeys = group.mulEach(rho, encryptionKeys);
    assert(sharedKeys !== undefined, "encryption keys were checked when they were registered");
    const shares: Uint8Array[] = [];
    for (const [at, { tickets }] of terms.members.entries()) {
      const sharedKey = pointAt(sharedKeys, at);
      for (let i = 0; i < tickets; i++) {
        const ticket = shares.length + 1;
        const mask = this.#mask(context, dealer, ticket, ephemeral, sharedKey);
        shares.push(scalars.add(scalars.evaluate(polynomial, ticket), mask));
      }
    }
    const unproven = {
      key: terms.key,
      dealer,
      commitments: group.mulBase(polynomial),
      ephemeral,
      shares: joinBytes(shares),
    };
    const binding = this.#binding(terms, unproven);
    const secret = scalars.mulAdd(binding, rho, polynomial.subarray(0, SCALAR_BYTES));
    const point = group.mulBase(secret);
    const possession = this.#proofs.provePossession(dealContext(terms, dealer), secret, point);
    for (const used of [polynomial, rho, sharedKeys, secret]) used.fill(0);
    return { ...unproven, possession };
  }

  dealingFault(terms: KeyTerms, dealing: Dealing): Refusal<DealRefusalCode> | undefined {
    const group = this.#group;
    const { commitments, ephemeral, shares, possession } = dealing;
    const count = ticketCount(terms.members);
    const isSized =
      commitments.length === terms.threshold * POINT_BYTES &&
      ephemeral.length === POINT_BYTES &&
      shares.length === count * SCALAR_BYTES;
    if (!isSized) {
      return refusal(
        "DEAL_SIZE",
        `expected ${terms.threshold} commitments and ${count} shares, got ${commitments.length} and ${shares.length} bytes`,
      );
    }
    if (!group.isCanonical(joinBytes([commitments, ephemeral]))) {
      return refusal("DEAL_NOT_CANONICAL", "a commitment or the ephemeral key is no point");
    }
    if (!group.scalars.areCanonical(shares)) {
      return refusal("DEAL_NOT_CANONICAL", "a share is no scalar");
    }
    const point = group.multiScalarMul(
      joinBytes([ONE, this.#binding(terms, dealing)]),
      joinBytes([pointAt(commitments, 0), ephemeral]),
    );
    const context = dealContext(terms, dealing.dealer);
    if (point !== undefined && this.#proofs.verifyPossession(context, point, possession)) {
      return undefined;
    }
    return refusal("DEAL_PROOF", "possession of the dealt secrets is not proven");
  }

  openDealing(
    terms: KeyTerms,
    dealing: Dealing,
    member: Uint8Array,
    secret: Uint8Array,
  ): OpenedDealing {
    const { first, count } = requireTickets(terms, member);
    const sharedKey = this.#sharedKey(dealing, secret);
    const shares = Array.from({ length: count }, (_, i) =>
      this.#decrypt(terms, dealing, first + i, sharedKey),
    );
    sharedKey.fill(0);
    return {
      shares: joinBytes(shares),
      wrongTicket: this.#firstWrong(dealing, first, shares, secret),
    };
  }

  complain(
    terms: KeyTerms,
    dealing: Dealing,
    member: Uint8Array,
    ticket: number,
    secret: Uint8Array,
  ): Complaint {
    const { key, dealer, ephemeral } = dealing;
    const sharedKey = this.#sharedKey(dealing, secret);
    const proof = this.#proofs.proveDleq(complaintContext(terms, dealer, member), secret, {
      base2: ephemeral,
      publicShare: encryptionKeyOf(terms, member),
      result: sharedKey,
    });
    return { key, member, dealer, ticket, sharedKey, proof };
  }

  judge(terms: KeyTerms, dealing: Dealing, complaint: Complaint): ComplaintVerdict {
    const { member, ticket, sharedKey, proof } = complaint;
    const context = complaintContext(terms, dealing.dealer, member);
    const statement = {
      base2: dealing.ephemeral,
      publicShare: encryptionKeyOf(terms, member),
      result: sharedKey,
    };
    if (!this.#proofs.verifyDleq(context, statement, proof)) return "unproven";
    const share = this.#decrypt(terms, dealing, ticket, sharedKey);
    return this.#isOnPolynomial(dealing, ticket, share) ? "member" : "dealer";
  }

  makeKey(terms: KeyTerms, dealings: readonly Dealing[]): MadeKey | undefined {
    assert(dealings.length > 0, "a key is made of dealings");
    const group = this.#group;
    const sum = group.linearCombinations(
      dealings.map(() => 1n),
      dealings.map(({ commitments }) => commitments),
    );
    assert(sum !== undefined, "commitments were checked when they were dealt");
    const publicKey = pointAt(sum, 0).slice();
    const publicShares = group.evaluateCommitmentsUpTo(sum, ticketCount(terms.members));
    assert(publicShares !== undefined, "sums of points are canonical");
    return hasIdentity(publicKey) || hasIdentity(publicShares)
      ? undefined
      : { publicKey, publicShares };
  }

  sharesOfMember(
    terms: KeyTerms & Pick<MadeKey, "publicShares">,
    dealings: readonly Dealing[],
    member: Uint8Array,
    secret: Uint8Array,
  ): readonly TicketSecret[] | undefined {
    const { scalars } = this.#group;
    const { first, count } = requireTickets(terms, member);
    const sums = Array.from({ length: count }, () => new Uint8Array(SCALAR_BYTES));
    for (const dealing of dealings) {
      const sharedKey = this.#sharedKey(dealing, secret);
      for (const [i, sum] of sums.entries()) {
        const share = this.#decrypt(terms, dealing, first + i, sharedKey);
        sum.set(scalars.add(sum, share));
        share.fill(0);
      }
      sharedKey.fill(0);
    }
    const own = terms.publicShares.subarray(
      (first - 1) * POINT_BYTES,
      (first - 1 + count) * POINT_BYTES,
    );
    if (!bytesEqual(this.#group.mulBase(joinBytes(sums)), own)) return undefined;
    return sums.map((sum, i) => ({ ticket: first + i, secret: sum }));
  }

  /** K, from the holder's side. */
  #sharedKey({ ephemeral }: Dealing, secret: Uint8Array): Uint8Array {
    const sharedKey = this.#group.mulEach(secret, ephemeral);
    assert(sharedKey !== undefined, "the ephemeral key was checked when it was dealt");
    return sharedKey;
  }

  #decrypt(
    terms: KeyTerms,
    { dealer, ephemeral, shares }: Dealing,
    ticket: number,
    sharedKey: Uint8Array,
  ): Uint8Array {
    const mask = this.#mask(contextOf(terms), dealer, ticket, ephemeral, sharedKey);
    const encrypted = shares.subarray((ticket - 1) * SCALAR_BYTES, ticket * SCALAR_BYTES);
    return this.#group.scalars.sub(encrypted, mask);
  }

  #mask(
    context: Uint8Array,
    dealer: Uint8Array,
    ticket: number,
    ephemeral: Uint8Array,
    sharedKey: Uint8Array,
  ): Uint8Array {
    const parts = [context, dealer, u32(ticket), ephemeral, sharedKey];
    return hashToScalar(this.#group, TAG.share, ...parts);
  }

  /** h: of everything but the proof. */
  #binding(terms: KeyTerms, dealing: Omit<Dealing, "possession">): Uint8Array {
    const { dealer, commitments, ephemeral, shares } = dealing;
    const parts = [dealer, u32(terms.threshold), commitments, ephemeral, shares];
    return hashToScalar(this.#group, TAG.binding, contextOf(terms), ...parts);
  }

  #isOnPolynomial({ commitments }: Dealing, ticket: number, share: Uint8Array): boolean {
    const expected = this.#group.evaluateCommitments(commitments, ticket);
    assert(expected !== undefined, "commitments were checked when they were dealt");
    return bytesEqual(this.#group.mulBase(share), expected);
  }

  /** Tests the shares of many tickets together first: one sum over the commitments instead of one each. */
  #firstWrong(
    dealing: Dealing,
    first: number,
    shares: readonly Uint8Array[],
    secret: Uint8Array,
  ): number | undefined {
    if (shares.length > 1 && this.#areOnPolynomial(dealing, first, shares, secret))
      return undefined;
    const wrong = shares.findIndex((share, i) => !this.#isOnPolynomial(dealing, first + i, share));
    return wrong < 0 ? undefined : first + wrong;
  }

  /** With weights that the dealer cannot know: they are hashed with the holder's secret. */
  #areOnPolynomial(
    { commitments, shares: encrypted }: Dealing,
    first: number,
    shares: readonly Uint8Array[],
    secret: Uint8Array,
  ): boolean {
    const group = this.#group;
    const seed = hashSeal(TAG.weights, secret, commitments, encrypted);
    const weights = expandWeights(seed, shares.length);
    let sum: Uint8Array = new Uint8Array(SCALAR_BYTES);
    const powers: bigint[] = [];
    for (const [i, share] of shares.entries()) {
      const weight = weights.subarray(i * SCALAR_BYTES, (i + 1) * SCALAR_BYTES);
      sum = group.scalars.mulAdd(weight, share, sum);
      powers.push(littleEndian(weight));
    }
    const factors: Uint8Array[] = [];
    for (let k = 0; k < commitments.length / POINT_BYTES; k++) {
      factors.push(scalarFromBigint(powers.reduce((all, power) => all + power, 0n)));
      for (const [i, power] of powers.entries()) {
        powers[i] = (power * BigInt(first + i)) % GROUP_ORDER;
      }
    }
    const expected = group.multiScalarMul(joinBytes(factors), commitments);
    assert(expected !== undefined, "commitments were checked when they were dealt");
    return bytesEqual(group.mulBase(sum), expected);
  }
}

/** ctx. */
function contextOf({ chainId, key }: KeyTerms): Uint8Array {
  return joinBytes([prefixed(utf8ToBytes(chainId)), u64(BigInt(key))]);
}

function dealContext(terms: KeyTerms, dealer: Uint8Array): Uint8Array {
  return joinBytes([TAG.deal, contextOf(terms), dealer]);
}

function complaintContext(terms: KeyTerms, dealer: Uint8Array, member: Uint8Array): Uint8Array {
  return joinBytes([TAG.complaint, contextOf(terms), dealer, member]);
}

function requireTickets({ members }: KeyTerms, member: Uint8Array) {
  const tickets = ticketsOfMember(members, member);
  assert(tickets !== undefined, "only members have shares");
  return tickets;
}

function encryptionKeyOf({ members }: KeyTerms, validator: Uint8Array): Uint8Array {
  const found = members.find((member) => bytesEqual(member.validator, validator));
  assert(found !== undefined, "only members have shares");
  return found.encryptionKey;
}

function pointAt(points: Uint8Array, at: number): Uint8Array {
  return points.subarray(at * POINT_BYTES, (at + 1) * POINT_BYTES);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
