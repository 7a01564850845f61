import { beforeEach, describe, expect, test } from "vitest";
import {
  contradictingShares,
  faultyShares,
  type SeenShares,
  unaskedShares,
} from "../../../../mev/seal/share-evidence.ts";
import { checkShares } from "../../../../mev/seal/shares.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../../../proto/bytes.ts";
import { type Shares, SHARES_CODEC } from "../../../../proto/codec/seal-block.ts";
import { SEAL_ASK_CODEC, type SealAsk } from "../../../../proto/codec/seal-state.ts";
import type {
  ContradictingShares,
  FaultyShares,
  UnaskedShares,
} from "../../../../proto/codec/seal-tx.ts";
import { assert } from "../../../../proto/errors.ts";
import { LOCAL_SEAL_COMPUTE } from "../../../../test/support/seal-compute.ts";
import { SharesWorld } from "../../../../test/support/shares-world.ts";
import { testAccount } from "../../../../test/support/stake-world.ts";
import { numberKey, SEAL_ASKED, SEAL_KEYS, SLASHED, VALIDATORS } from "../../state/tables.ts";
import { updateValidator } from "../../staking/validator-records.ts";

const REPORTER = testAccount("reporter");
const HEIGHT = 3;

let world: SharesWorld;
let ask: SealAsk;

beforeEach(() => {
  world = new SharesWorld(["alice", "bob", "carol"], {
    params: { epochLength: 1_000, sealFaultSlashBps: 500, downtimeJailSeconds: 600 },
    evidenceMaxAgeBlocks: 50,
    evidenceMaxAgeSeconds: 1_000,
  });
  world.addKey(1, [2, 1, 1], 4);
  world.stake.ctx.advance({ blocks: 4 });
  ask = world.ask(HEIGHT, {
    batches: [{ height: 2, key: 1, items: 3 }],
    disputes: [{ height: 1, index: 4, key: 1 }],
  });
});

describe("a part with a wrong share", () => {
  test("of a batch or of a disputed item costs 5% and a jail, once for its height", async () => {
    for (const damage of [batchShare, disputeShare]) {
      const part = await damaged("alice", damage);
      const evidence = await evidenceOf("alice", part);
      expect(await world.refusal(evidence)).toBeUndefined();
    }
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    world.punish(evidence, REPORTER);
    expect(validator("alice")).toMatchObject({ jailed: true, tombstoned: false });
    expect(world.stake.ctx.burned).toBeGreaterThan(0n);
    expect(fractions("alice")).toEqual([500]);
    const again = await evidenceOf("alice", await damaged("alice", disputeShare, "round 1"));
    expect(await world.refusal(again)).toBe("EVIDENCE_KNOWN");
    world.stake.ctx.checkSupply();
  });

  test("whose bytes are no point at all is faulty too", async () => {
    const part = await damaged("bob", (shares) => overwriteBatch(shares, () => 0xff));
    expect(await world.refusal(await evidenceOf("bob", part))).toBeUndefined();
  });

  test("is nothing without the accused's signature, at another height, or under another ask", async () => {
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    const { signature } = world.signed("bob", HEIGHT, evidence.content);
    expect(await world.refusal({ ...evidence, signature })).toBe("TX_SIGNATURE");
    expect(await world.refusal({ ...evidence, height: Height(4) })).toBe("TX_SIGNATURE");
    const bobs = world.applicationKey("bob").publicKey;
    expect(await world.refusal({ ...evidence, signature, applicationKey: bobs })).toBe(
      "EVIDENCE_KEY",
    );
    const other = world.askOf({ batches: [{ height: 2, key: 1, items: 4 }] });
    const wrongAsk = { ...evidence, ask: SEAL_ASK_CODEC.encode(other) };
    expect(await world.refusal(wrongAsk)).toBe("EVIDENCE_ASK");
  });

  test("is nothing about a proof that holds, a ticket of somebody else, or another public share", async () => {
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    const held = { ...evidence.place, ticket: evidence.place.ticket + 1 };
    const asked = world.asked("alice", ask).batches[0]?.tickets;
    const [first, second] = asked ?? [];
    assert(first !== undefined && second !== undefined, "alice has two tickets");
    expect(
      await world.refusal({ ...evidence, place: held, publicShare: second.publicShare }),
      "this proof holds",
    ).toBe("TX_PROOF");
    expect(await world.refusal({ ...evidence, publicShare: second.publicShare })).toBe(
      "EVIDENCE_TICKET",
    );
    const absent = { ...evidence.place, batchHeight: Height(1) };
    expect(await world.refusal({ ...evidence, place: absent })).toBe("EVIDENCE_TICKET");
  });

  test("counts for as long as the state knows ask and key", async () => {
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    const { records } = world.stake.ctx;
    const key = records.get(SEAL_KEYS, numberKey(1));
    records.set(SEAL_KEYS, numberKey(1), undefined);
    expect(await world.refusal(evidence)).toBe("EVIDENCE_TICKET");
    records.set(SEAL_KEYS, numberKey(1), key);
    expect(await world.refusal(evidence)).toBeUndefined();
    records.set(SEAL_ASKED, numberKey(HEIGHT), undefined);
    expect(await world.refusal(evidence)).toBe("EVIDENCE_ASK");
  });

  test("counts under the key of its height after a rotation", async () => {
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    updateValidator(world.stake.ctx, toHex(evidence.validator), {
      applicationKey: new Uint8Array(32).fill(9),
      previousApplicationKey: evidence.applicationKey,
      applicationKeySince: Height(HEIGHT + 1),
    });
    expect(await world.refusal(evidence)).toBeUndefined();
  });

  test("that lacks a ticket is refused by others, and proves no fault", async () => {
    const shares = decoded(await world.part("alice", HEIGHT, ask));
    const [batch] = shares.batches;
    assert(batch !== undefined, "there is a batch");
    const short: Shares = {
      ...shares,
      batches: [{ ...batch, tickets: batch.tickets.slice(1) }],
    };
    const evidence = await evidenceOf("alice", await damaged("alice", batchShare));
    const { content, signature } = world.signed("alice", HEIGHT, SHARES_CODEC.encode(short));
    expect(await world.refusal({ ...evidence, content, signature })).toBe("EVIDENCE_NO_CONFLICT");
  });
});

describe("two parts of one height", () => {
  test("with different shares cost the place in the set for good, whoever is right", async () => {
    const honest = await world.part("alice", HEIGHT, ask, "round 0");
    for (const damage of [batchShare, disputeShare]) {
      const evidence = contradictionOf(honest, await damaged("alice", damage, "round 1"));
      expect(await world.refusal(evidence)).toBeUndefined();
    }
    const evidence = contradictionOf(honest, await damaged("alice", batchShare));
    world.punish(evidence, REPORTER);
    expect(validator("alice")).toMatchObject({ jailed: true, tombstoned: true });
    expect(await world.refusal(evidence)).toBe("VALIDATOR_TOMBSTONED");
  });

  test("with the same shares are what an honest validator signs in two rounds", async () => {
    const [first, second] = [
      await world.part("alice", HEIGHT, ask, "round 0"),
      await world.part("alice", HEIGHT, ask, "round 1"),
    ];
    expect(contradictingShares(second, first)).toBeUndefined();
    const evidence: ContradictingShares = {
      kind: "contradictingShares",
      validator: first.validator,
      applicationKey: first.applicationKey,
      height: first.height,
      first,
      second,
    };
    expect(await world.refusal(evidence)).toBe("EVIDENCE_NO_CONFLICT");
  });

  test("of two validators, or of two heights, contradict nothing", async () => {
    const alices = await world.part("alice", HEIGHT, ask);
    const bobs = await world.part("bob", HEIGHT, ask);
    const evidence = contradictionOf(alices, await damaged("alice", batchShare, "round 1"));
    const { blockHash, content, signature } = bobs;
    expect(await world.refusal({ ...evidence, second: { blockHash, content, signature } })).toBe(
      "TX_SIGNATURE",
    );
    const later = world.ask(5, { batches: [{ height: 2, key: 1, items: 2 }] });
    const next = await world.part("alice", 5, later);
    expect(await world.refusal({ ...evidence, second: next })).toBe("TX_SIGNATURE");
  });
});

describe("shares that nobody asked for", () => {
  test("cost the place in the set: early, of another batch, of other points", async () => {
    const { ctx } = world.stake;
    const early = await unaskedOf("alice", { height: 4, batchHeight: 4, items: 2 });
    expect(await world.refusal(early)).toBeUndefined();
    const asked = SEAL_ASK_CODEC.encode(ask);
    const beside = await unaskedOf("alice", { height: HEIGHT, batchHeight: 1, items: 2 }, asked);
    expect(await world.refusal(beside)).toBeUndefined();
    const more = await unaskedOf("alice", { height: HEIGHT, batchHeight: 2, items: 4 }, asked);
    expect(await world.refusal(more)).toBeUndefined();
    world.punish(more, REPORTER);
    expect(validator("alice")).toMatchObject({ jailed: true, tombstoned: true });
    expect(ctx.balance(REPORTER), "who found it is paid").toBeGreaterThan(0n);
    ctx.checkSupply();
  });

  test("were asked for after all", async () => {
    const asked = SEAL_ASK_CODEC.encode(ask);
    const evidence = await unaskedOf("alice", { height: HEIGHT, batchHeight: 2, items: 3 }, asked);
    expect(await world.refusal(evidence)).toBe("EVIDENCE_NO_CONFLICT");
    expect(await world.refusal({ ...evidence, ask: EMPTY_BYTES })).toBe("EVIDENCE_ASK");
  });

  test("need the ticket's secret, and a height that the state remembers", async () => {
    const { ctx } = world.stake;
    const evidence = await unaskedOf("alice", { height: 4, batchHeight: 4, items: 2 });
    const forged = { ...evidence, shares: evidence.points };
    expect(await world.refusal(forged)).toBe("TX_PROOF");
    const others = { ...evidence, validator: world.address("bob") };
    expect(await world.refusal(others)).toBe("TX_PROOF");
    const ahead = await unaskedOf("alice", { height: ctx.height + 1, batchHeight: 4, items: 2 });
    expect(await world.refusal(ahead)).toBe("EVIDENCE_HEIGHT");
    ctx.advance({ blocks: evidence.height + 49 - ctx.height });
    expect(await world.refusal(evidence)).toBeUndefined();
    ctx.advance({ blocks: 1 });
    expect(await world.refusal(evidence), "what was asked is forgotten with the next block").toBe(
      "EVIDENCE_TOO_OLD",
    );
  });

  test("prove nothing where others could know the secret without more than two thirds of the power", async () => {
    const { ctx } = world.stake;
    const evidence = await unaskedOf("carol", { height: 4, batchHeight: 4, items: 2 });
    expect(await world.refusal(evidence)).toBeUndefined();
    const { state } = world.key(1);
    const change = (changes: Partial<typeof state>) =>
      ctx.records.set(SEAL_KEYS, numberKey(1), { ...state, ...changes });
    // Alice and bob hold three tickets and two thirds of the power, no more.
    change({ threshold: 3 });
    expect(await world.refusal(evidence)).toBe("EVIDENCE_FORGEABLE");
    change({ dealers: [world.address("alice"), world.address("bob")] });
    expect(await world.refusal(evidence)).toBe("EVIDENCE_FORGEABLE");
    change({});
    for (const name of ["alice", "bob"]) {
      updateValidator(ctx, toHex(world.address(name)), { power: 0n });
    }
    expect(await world.refusal(evidence), "who has left holds tickets still").toBeUndefined();
    change({ threshold: 3 });
    expect(await world.refusal(evidence)).toBe("EVIDENCE_FORGEABLE");
  });

  test("in a vote become evidence with the points of the state", async () => {
    const early = world.askOf({ batches: [{ height: 4, key: 1, items: 2 }] });
    const part = await world.part("alice", 4, early);
    const batch = world.asked("alice", early).batches[0];
    const ticket = batch?.tickets[0];
    assert(batch !== undefined && ticket !== undefined, "alice has a ticket");
    const found = unaskedShares(part, undefined, {
      key: 1,
      points: batch.points,
      place: { batchHeight: Height(4), ticket: ticket.ticket, isDispute: false, index: 0 },
      publicShare: ticket.publicShare,
    });
    assert(found !== undefined, "the part has that share");
    expect(await LOCAL_SEAL_COMPUTE.verifyShares([found.proof])).toEqual([true]);
    expect(await world.refusal(found.evidence)).toBeUndefined();
  });
});

type Damage = (shares: Shares) => Shares;

const batchShare: Damage = (shares) => overwriteBatch(shares, (byte) => byte);

/** The first share of the first ticket becomes that of the second item, or bytes of another kind. */
function overwriteBatch(shares: Shares, change: (byte: number) => number): Shares {
  const [batch, ...rest] = shares.batches;
  const [ticket, ...others] = batch?.tickets ?? [];
  assert(batch !== undefined && ticket !== undefined, "there is a batch");
  const points = ticket.points.slice();
  points.set(points.subarray(32, 64).map(change), 0);
  const tickets = [{ ...ticket, points }, ...others];
  return { ...shares, batches: [{ ...batch, tickets }, ...rest] };
}

const disputeShare: Damage = (shares) => {
  const [dispute, ...rest] = shares.disputes;
  const [ticket, ...others] = dispute?.shares ?? [];
  const other = shares.batches[0]?.tickets[0]?.points.slice(0, 32);
  assert(dispute !== undefined && ticket !== undefined && other !== undefined, "it is disputed");
  return {
    ...shares,
    disputes: [{ ...dispute, shares: [{ ...ticket, point: other }, ...others] }, ...rest],
  };
};

function decoded({ content }: SeenShares): Shares {
  return SHARES_CODEC.decode(content);
}

async function damaged(name: string, damage: Damage, block = "block"): Promise<SeenShares> {
  const shares = damage(decoded(await world.part(name, HEIGHT, ask)));
  return world.signed(name, HEIGHT, SHARES_CODEC.encode(shares), block);
}

async function evidenceOf(name: string, part: SeenShares): Promise<FaultyShares> {
  const asked = world.asked(name, ask);
  const checked = checkShares(part, asked, part.content);
  assert(!("code" in checked), "its structure is right");
  const verdicts = await LOCAL_SEAL_COMPUTE.verifyShares(checked.proofs);
  const evidence = faultyShares(part, ask, asked, verdicts);
  assert(evidence !== undefined, "a proof fails");
  return evidence;
}

function contradictionOf(first: SeenShares, second: SeenShares): ContradictingShares {
  const evidence = contradictingShares(second, first);
  assert(evidence !== undefined, "the parts differ");
  return evidence;
}

/** What a validator makes that shows shares to somebody. */
async function unaskedOf(
  name: string,
  { height, batchHeight, items }: { height: number; batchHeight: number; items: number },
  asked: Uint8Array = EMPTY_BYTES,
): Promise<UnaskedShares> {
  const early = world.askOf({ batches: [{ height: batchHeight, key: 1, items }] });
  const shown = decoded(await world.part(name, height, early)).batches[0]?.tickets[0];
  const batch = world.asked(name, early).batches[0];
  const publicShare = batch?.tickets[0]?.publicShare;
  assert(shown !== undefined && batch !== undefined && publicShare !== undefined, "it has shares");
  const { ticket, points: shares, proof } = shown;
  return {
    kind: "unaskedShares",
    validator: world.address(name),
    height: Height(height),
    key: 1,
    place: { batchHeight: Height(batchHeight), ticket, isDispute: false, index: 0 },
    publicShare,
    points: batch.points,
    shares,
    proof,
    ask: asked,
  };
}

function validator(name: string) {
  return world.stake.ctx.records.get(VALIDATORS, toHex(world.address(name)));
}

function fractions(name: string): readonly number[] {
  const slashed = world.stake.ctx.records.get(SLASHED, toHex(world.address(name)));
  return slashed?.entries.map(({ fractionBps }) => fractionBps) ?? [];
}
