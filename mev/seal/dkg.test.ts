import { describe, expect, it } from "vitest";
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { namedBytes } from "../../test/support/named-bytes.ts";
import { createDkg, type Dealing, type KeyTerms, ticketCount, ticketsOfMember } from "./dkg.ts";
import { createGroup } from "./group/group.ts";
import { createTdh2 } from "./tdh2.ts";

const group = createGroup();
const tdh2 = createTdh2(group);
const dkg = createDkg(group, tdh2);

const address = (at: number) => new Uint8Array(20).fill(at + 1);
const secretOf = (at: number) => group.scalars.reduceWide(namedBytes(`member ${at}`, 64));

function termsOf(tickets: readonly number[], threshold: number): KeyTerms {
  const members = tickets.map((count, at) => ({
    validator: address(at),
    encryptionKey: group.mulBase(secretOf(at)),
    tickets: count,
  }));
  return { chainId: "weft-dkg", key: 3, threshold, members };
}

const dealAll = (terms: KeyTerms) =>
  terms.members.map(({ validator }, at) =>
    dkg.deal(terms, validator, namedBytes(`seed ${at}`, 32)),
  );

/** A dealing that proves what it has to, and encrypts the shares of a ticket's holder for somebody else. */
function withWrongShare(terms: KeyTerms, dealer: number, ticket: number): Dealing {
  const seed = namedBytes(`seed ${dealer}`, 32);
  const other = { ...terms, members: swapped(terms, ticket) };
  return dkg.deal(other, address(dealer), seed);
}

/** Terms in which the holder of a ticket has another encryption key: what is dealt by them is wrong for it. */
function swapped({ members }: KeyTerms, ticket: number) {
  return members.map((member) => {
    const { first, count } = ticketsOfMember(members, member.validator) ?? { first: 0, count: 0 };
    const isHolder = ticket >= first && ticket < first + count;
    return isHolder ? { ...member, encryptionKey: group.mulBase(secretOf(99)) } : member;
  });
}

const equal = termsOf([1, 1, 1, 1], 3);
const weighted = termsOf([3, 1, 4], 5);

describe("key generation", () => {
  it.each([
    ["equal members", equal],
    ["members with several tickets", weighted],
    ["one member", termsOf([1], 1)],
  ])("makes a key whose tickets open what is sealed for it: %s", (_, terms) => {
    const dealings = dealAll(terms);
    for (const dealing of dealings) expect(dkg.dealingFault(terms, dealing)).toBeUndefined();
    const made = dkg.makeKey(terms, dealings);
    if (made === undefined) throw new Error("no point is the identity");
    const finished = { ...terms, publicShares: made.publicShares };
    const tickets = terms.members.flatMap(({ validator }, at) => {
      for (const dealing of dealings) {
        const opened = dkg.openDealing(terms, dealing, validator, secretOf(at));
        expect(opened.wrongTicket).toBeUndefined();
      }
      return dkg.sharesOfMember(finished, dealings, validator, secretOf(at)) ?? [];
    });
    expect(tickets.map(({ ticket }) => ticket)).toEqual(
      Array.from({ length: ticketCount(terms.members) }, (_unused, i) => i + 1),
    );

    const label = utf8ToBytes("label");
    const seed = namedBytes("seed", 32);
    const nonce = namedBytes("nonce", 64);
    const item = { label, ...tdh2.encrypt(made.publicKey, label, seed, { seed, nonce }) };
    const shares = tickets.map(({ ticket, secret }) => ({
      ticket,
      points: tdh2.makeShares(secret, item.kem.subarray(0, 32)),
    }));
    const enough = shares.slice(-terms.threshold);
    const z = tdh2.combine(enough, terms.threshold);
    expect(tdh2.open(made.publicKey, [item], z)).toEqual([seed]);
    // One share less, with a wrong one to fill up, opens nothing.
    const [replaced, ...rest] = enough;
    if (replaced === undefined) throw new Error("there is at least one ticket");
    const wrong = { ...replaced, points: group.base };
    expect(
      tdh2.open(made.publicKey, [item], tdh2.combine([...rest, wrong], terms.threshold)),
    ).toEqual([undefined]);
  });

  it("is the same from the same bytes, and another one for another key or chain", () => {
    const dealing = dkg.deal(equal, address(0), namedBytes("seed 0", 32));
    expect(dkg.deal(equal, address(0), namedBytes("seed 0", 32))).toEqual(dealing);
    const later = dkg.deal({ ...equal, key: 4 }, address(0), namedBytes("seed 0", 32));
    expect(later.commitments).not.toEqual(dealing.commitments);
    expect(dkg.dealingFault({ ...equal, key: 4 }, dealing)?.code).toBe("DEAL_PROOF");
    expect(dkg.dealingFault({ ...equal, chainId: "other" }, dealing)?.code).toBe("DEAL_PROOF");
  });

  it("refuses dealings that are malformed, not canonical, or changed in any part", () => {
    const dealing = dkg.deal(equal, address(1), namedBytes("seed 1", 32));
    const fault = (changes: Partial<Dealing>) =>
      dkg.dealingFault(equal, { ...dealing, ...changes })?.code;
    const flipped = (part: Uint8Array) => part.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
    expect(fault({ commitments: dealing.commitments.subarray(32) })).toBe("DEAL_SIZE");
    expect(fault({ shares: dealing.shares.subarray(32) })).toBe("DEAL_SIZE");
    expect(fault({ ephemeral: new Uint8Array(0) })).toBe("DEAL_SIZE");
    expect(fault({ ephemeral: new Uint8Array(32) })).toBe("DEAL_NOT_CANONICAL");
    expect(fault({ ephemeral: new Uint8Array(32).fill(255) })).toBe("DEAL_NOT_CANONICAL");
    expect(fault({ shares: new Uint8Array(128).fill(255) })).toBe("DEAL_NOT_CANONICAL");
    expect(fault({ shares: flipped(dealing.shares) })).toBe("DEAL_PROOF");
    expect(fault({ ephemeral: group.base })).toBe("DEAL_PROOF");
    expect(fault({ dealer: address(2) })).toBe("DEAL_PROOF");
    expect(fault({ possession: flipped(dealing.possession) })).toBe("DEAL_PROOF");
    expect(fault({ possession: dealing.possession.subarray(1) })).toBe("DEAL_PROOF");
  });

  it("has no dealer take another one's ephemeral key or secret over", () => {
    const honest = dkg.deal(equal, address(0), namedBytes("seed 0", 32));
    // All that the thief knows of them is public; its own polynomial it knows.
    const thief = dkg.deal(equal, address(1), namedBytes("seed 1", 32));
    const stolen = { ...thief, ephemeral: honest.ephemeral };
    expect(dkg.dealingFault(equal, stolen)?.code).toBe("DEAL_PROOF");
    expect(dkg.dealingFault(equal, { ...honest, dealer: address(1) })?.code).toBe("DEAL_PROOF");
  });

  it.each([
    ["a member with one ticket", equal, 2, 3],
    ["a member with several", weighted, 2, 7],
  ])("finds a wrong share and has everybody see it: %s", (_, terms, holder, ticket) => {
    const member = address(holder);
    const first = ticketsOfMember(terms.members, member)?.first ?? 0;
    // Shares are not judged when they are dealt: their holders do that.
    const bad = withWrongShare(terms, 1, ticket);
    const proven = dkg.dealingFault({ ...terms, members: swapped(terms, ticket) }, bad);
    expect(proven).toBeUndefined();
    expect(dkg.dealingFault(terms, bad)).toBeUndefined();
    const opened = dkg.openDealing(terms, bad, member, secretOf(holder));
    expect(opened.wrongTicket).toBe(first);

    const complaint = dkg.complain(terms, bad, member, first, secretOf(holder));
    expect(dkg.judge(terms, bad, complaint)).toBe("dealer");
    // Others got right shares.
    expect(dkg.openDealing(terms, bad, address(0), secretOf(0)).wrongTicket).toBeUndefined();
    expect(dkg.judge(terms, bad, dkg.complain(terms, bad, address(0), 1, secretOf(0)))).toBe(
      "member",
    );
  });

  it("finds the one wrong share among many of a member", () => {
    const good = dkg.deal(weighted, address(0), namedBytes("seed 0", 32));
    const shares = good.shares.slice();
    const at = 6 * 32;
    const one = joinBytes([Uint8Array.of(1), new Uint8Array(31)]);
    shares.set(group.scalars.add(shares.subarray(at, at + 32), one), at);
    const opened = dkg.openDealing(weighted, { ...good, shares }, address(2), secretOf(2));
    expect(opened.wrongTicket).toBe(7);
  });

  it("tells a false complaint from one that proves nothing", () => {
    const good = dkg.deal(equal, address(1), namedBytes("seed 1", 32));
    const complaint = dkg.complain(equal, good, address(2), 3, secretOf(2));
    expect(dkg.judge(equal, good, complaint)).toBe("member");
    const judged = (changes: object) => dkg.judge(equal, good, { ...complaint, ...changes });
    expect(judged({ sharedKey: group.base })).toBe("unproven");
    expect(judged({ sharedKey: new Uint8Array(32) })).toBe("unproven");
    expect(judged({ sharedKey: new Uint8Array(32).fill(255) })).toBe("unproven");
    expect(judged({ proof: new Uint8Array(64) })).toBe("unproven");
    expect(judged({ proof: new Uint8Array(64).fill(255) })).toBe("unproven");
    expect(judged({ member: address(3) })).toBe("unproven");
    expect(dkg.judge({ ...equal, chainId: "other" }, good, complaint)).toBe("unproven");
  });

  it("gives nothing to a member whose shares do not belong to the key", () => {
    const dealings = [...dealAll(equal).slice(0, 3), withWrongShare(equal, 3, 1)];
    const made = dkg.makeKey(equal, dealings);
    const terms = { ...equal, publicShares: made?.publicShares ?? new Uint8Array(0) };
    expect(dkg.sharesOfMember(terms, dealings, address(0), secretOf(0))).toBeUndefined();
    expect(dkg.sharesOfMember(terms, dealings, address(1), secretOf(1))).toHaveLength(1);
    expect(dkg.sharesOfMember(terms, dealings, address(1), secretOf(2))).toBeUndefined();
  });

  it("makes no key whose point is the identity", () => {
    const dealing = dkg.deal(equal, address(0), namedBytes("seed 0", 32));
    const minus = group.mulEach(
      group.scalars.sub(new Uint8Array(32), joinBytes([Uint8Array.of(1), new Uint8Array(31)])),
      dealing.commitments,
    );
    const opposite = { ...dealing, commitments: minus ?? new Uint8Array(0) };
    expect(dkg.makeKey(equal, [dealing, opposite])).toBeUndefined();
  });
});
