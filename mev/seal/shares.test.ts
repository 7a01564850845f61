import { describe, expect, test } from "vitest";
import { LOCAL_SEAL_COMPUTE } from "../../test/support/seal-compute.ts";
import { testSealKey } from "../../test/support/seal-key.ts";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { type Shares, SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import type { SealAsk } from "../../proto/codec/seal-state.ts";
import {
  decodeVoteExtension,
  encodeVoteExtension,
  PartType,
  partSignBytes,
} from "../../proto/codec/weft-extension.ts";
import {
  buildExtension,
  NOTHING_SAID,
  type ExtensionContext,
  verifyExtension,
} from "../extension.ts";
import { buildInjectedCommit, verifyInjectedCommit } from "../injected-commit.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import { commitVote, testValidators } from "../../test/support/application-keys.ts";
import {
  askedOfValidator,
  makeShares,
  sharesContext,
  type SharesTerms,
  verifyShares,
} from "./shares.ts";

const { validators, keyOf: applicationKeyOf, verify } = testValidators([10n, 10n, 10n, 10n, 10n]);
const [alice, bob, carol, dave, erin] = validators;
if (!alice || !bob || !carol || !dave || !erin) throw new Error("validators are missing");
// Erin joined later: she has no tickets.
const old = testSealKey(7, validators, [1, 1, 1, 1, 0], 3);
const current = testSealKey(8, validators, [1, 2, 1, 1, 0], 4);
const keyOf = (number: number) => [old, current].map(({ state }) => state)[number - 7];
const secretOf = (key: number, ticket: number) => (key === 7 ? old : current).secretOf(key, ticket);

const ask: SealAsk = {
  batches: [
    { height: Height(38), key: 7, points: old.points(2) },
    { height: Height(40), key: 8, points: current.points(3) },
  ],
  disputes: [{ height: Height(36), index: 5, key: 7, point: old.points(1, "disputed") }],
};

function termsOf(validator: { readonly address: Uint8Array }): SharesTerms {
  return { chainId: "weft-test", height: Height(41), validator: validator.address };
}

function askedOf(validator: { readonly address: Uint8Array }, of = ask) {
  const asked = askedOfValidator(of, keyOf, validator.address);
  if (asked === undefined) throw new Error("something is asked");
  return asked;
}

async function sharesOf(validator: { readonly address: Uint8Array }, of = ask) {
  const asked = askedOf(validator, of);
  const content = await makeShares(termsOf(validator), asked, secretOf, LOCAL_SEAL_COMPUTE);
  if (content === undefined) throw new Error("all secrets are there");
  return content;
}

async function verdict(
  content: Uint8Array,
  validator: { readonly address: Uint8Array } = bob as { readonly address: Uint8Array },
  change: Partial<SharesTerms> = {},
): Promise<string> {
  const terms = { ...termsOf(validator), ...change };
  const found = await verifyShares(terms, askedOf(validator), content, LOCAL_SEAL_COMPUTE);
  return "code" in found ? found.code : "accepted";
}

/** Bob's answer, changed and encoded again. */
async function changed(change: (shares: Shares) => Shares): Promise<Uint8Array> {
  return SHARES_CODEC.encode(change(SHARES_CODEC.decode(await sharesOf(bob ?? never()))));
}

type TicketShares = Shares["batches"][number]["tickets"][number];

/** Changes the shares of every ticket; `i`: number of the batch. */
function withTickets(change: (one: TicketShares, i: number) => TicketShares) {
  return ({ batches, disputes }: Shares): Shares => ({
    disputes,
    batches: batches.map((batch, i) => ({
      ...batch,
      tickets: batch.tickets.map((one) => change(one, i)),
    })),
  });
}

/** Of the disputed items. */
function withFlippedProofs({ batches, disputes }: Shares): Shares {
  return {
    batches,
    disputes: disputes.map((dispute) => ({
      ...dispute,
      shares: dispute.shares.map((one) => ({ ...one, proof: flipped(one.proof) })),
    })),
  };
}

function never(): never {
  throw new Error("no validator");
}

function flipped(bytes: Uint8Array, at = 3): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ 1);
}

describe("behavior: what a height asks of a validator", () => {
  test("keys in which it holds tickets, with all its tickets", () => {
    const asked = askedOf(bob);
    // Members stand by address, and their tickets follow each other.
    const tickets = asked.batches.map((batch) => batch.tickets.map(({ ticket }) => ticket));
    const members = current.state.members.findIndex((m) => bytesEqual(m.validator, bob.address));
    const before = current.state.members.slice(0, members).reduce((sum, m) => sum + m.tickets, 0);
    expect(tickets[1]).toEqual([before + 1, before + 2]);
    expect(tickets[0]).toHaveLength(1);
    expect(asked.disputes).toHaveLength(1);
  });

  test("nothing of who holds none, and nothing for a key that is gone", () => {
    expect(askedOfValidator(ask, keyOf, erin.address)).toBeUndefined();
    expect(askedOfValidator(undefined, keyOf, bob.address)).toBeUndefined();
    expect(askedOfValidator(ask, () => undefined, bob.address)).toBeUndefined();
  });
});

describe("behavior: the SHARES part", () => {
  test("answers the whole ask, and everybody accepts it", async () => {
    for (const validator of [alice, bob, carol, dave]) {
      expect(await verdict(await sharesOf(validator), validator)).toBe("accepted");
    }
  });

  test("is the same bytes whenever it is made", async () => {
    expect(toHex(await sharesOf(bob))).toBe(toHex(await sharesOf(bob)));
  });

  test("is not made when one secret is missing: all, or ABSTAIN", async () => {
    const [last] = askedOf(bob).batches[1]?.tickets.slice(-1) ?? [];
    const content = await makeShares(
      termsOf(bob),
      askedOf(bob),
      (key, ticket) => (key === 8 && ticket === last?.ticket ? undefined : secretOf(key, ticket)),
      LOCAL_SEAL_COMPUTE,
    );
    expect(content).toBeUndefined();
  });

  test("made with another secret is refused", async () => {
    const content = await makeShares(
      termsOf(bob),
      askedOf(bob),
      (key, ticket) => secretOf(key, ticket + (ticket > 1 ? -1 : 1)),
      LOCAL_SEAL_COMPUTE,
    );
    expect(await verdict(content ?? EMPTY_BYTES)).toBe("SHARES_PROOF");
  });

  test.each<[string, Partial<SharesTerms>]>([
    ["height", { height: Height(42) }],
    ["chain", { chainId: "weft-test-2" }],
    ["validator", { validator: alice.address }],
  ])("is bound to its %s", async (_, change) => {
    const asked = askedOf(bob);
    const terms = { ...termsOf(bob), ...change };
    const found = await verifyShares(terms, asked, await sharesOf(bob), LOCAL_SEAL_COMPUTE);
    expect(found).toHaveProperty("code", "SHARES_PROOF");
  });

  test.each<[string, (shares: Shares) => Shares, string]>([
    [
      "a share that is wrong",
      withTickets((one, i) => (i === 0 ? { ...one, points: one.points.toReversed() } : one)),
      "SHARES_PROOF",
    ],
    [
      "two entries of a batch swapped (spec B.9)",
      withTickets((one) => ({
        ...one,
        points: Uint8Array.from([
          ...one.points.subarray(32, 64),
          ...one.points.subarray(0, 32),
          ...one.points.subarray(64),
        ]),
      })),
      "SHARES_PROOF",
    ],
    [
      "the identity for a share",
      withTickets((one) => ({ ...one, points: new Uint8Array(one.points.length) })),
      "SHARES_PROOF",
    ],
    [
      "bytes that are no point",
      withTickets((one) => ({ ...one, points: new Uint8Array(one.points.length).fill(0xff) })),
      "SHARES_PROOF",
    ],
    ["a changed proof", withFlippedProofs, "SHARES_PROOF"],
    [
      "a batch left out",
      ({ batches, disputes }) => ({ batches: batches.slice(1), disputes }),
      "SHARES_INCOMPLETE",
    ],
    ["the dispute left out", ({ batches }) => ({ batches, disputes: [] }), "SHARES_INCOMPLETE"],
    [
      "a ticket left out",
      ({ batches, disputes }) => ({
        disputes,
        batches: batches.map((batch) => ({ ...batch, tickets: batch.tickets.slice(0, 1) })),
      }),
      "SHARES_INCOMPLETE",
    ],
    [
      "another ticket",
      withTickets((one) => ({ ...one, ticket: one.ticket + 9 })),
      "SHARES_INCOMPLETE",
    ],
    [
      "another height",
      ({ batches, disputes }) => ({
        disputes,
        batches: batches.map((batch) => ({ ...batch, height: Height(batch.height - 1) })),
      }),
      "SHARES_INCOMPLETE",
    ],
    [
      "a share less than there are items",
      withTickets((one) => ({ ...one, points: one.points.subarray(32) })),
      "SHARES_INCOMPLETE",
    ],
  ])("with %s is refused", async (_, change, code) => {
    expect(await verdict(await changed(change))).toBe(code);
  });

  test("that is not one canonical message is refused", async () => {
    const content = await sharesOf(bob);
    expect(await verdict(Uint8Array.from([...content, 0x7a, 1, 1]))).toBe("SHARES_MALFORMED");
    expect(await verdict(EMPTY_BYTES)).toBe("SHARES_INCOMPLETE");
  });

  test("proofs of a batch and of a single item have contexts of their own", () => {
    const contexts = [
      sharesContext(termsOf(bob), { key: 7, height: Height(36) }, 2),
      sharesContext(termsOf(bob), { key: 7, height: Height(36), index: 0 }, 2),
      sharesContext(termsOf(bob), { key: 7, height: Height(36), index: 1 }, 2),
      sharesContext(termsOf(bob), { key: 8, height: Height(36) }, 2),
      sharesContext(termsOf(bob), { key: 7, height: Height(37) }, 2),
      sharesContext(termsOf(bob), { key: 7, height: Height(36) }, 3),
    ].map(toHex);
    expect(new Set(contexts).size).toBe(contexts.length);
    expect(contexts[0]).toBe(
      [
        toHex(Uint8Array.of(19)),
        toHex(new TextEncoder().encode("weft/seal/shares/v1")),
        toHex(Uint8Array.of(9)),
        toHex(new TextEncoder().encode("weft-test")),
        "0000000000000029",
        toHex(bob.address),
        "0000000000000007",
        "0002",
        "0000000000000024",
      ].join(""),
    );
  });
});

describe("behavior: extensions with shares", () => {
  const context: ExtensionContext = {
    chainId: "weft-test",
    height: Height(41),
    blockHash: new Uint8Array(32).fill(7),
    blockBytesMax: 4_194_304,
    validatorCount: validators.length,
    seal: { ask, keyOf },
  };
  const ports = { verify, compute: LOCAL_SEAL_COMPUTE };

  async function extensionOf(validator: typeof bob, shares?: Uint8Array): Promise<Uint8Array> {
    return buildExtension(context, NOTHING_SAID, shares, (validator ?? never()).sign);
  }

  async function code(extension: Uint8Array, validator: typeof bob = bob): Promise<string> {
    const fault = await verifyExtension(context, extension, validator ?? never(), ports);
    return fault?.code ?? "accepted";
  }

  /** Bob's extension with parts changed, each signed again. */
  async function signedParts(
    change: (parts: readonly { type: PartType; content: Uint8Array }[]) => readonly {
      readonly type: PartType;
      readonly content: Uint8Array;
    }[],
  ): Promise<Uint8Array> {
    const { parts } = decodeVoteExtension(await extensionOf(bob, await sharesOf(bob ?? never())));
    const signed = [];
    for (const { type, content } of change([...parts])) {
      const { chainId, height, blockHash } = context;
      const signBytes = partSignBytes(chainId, height, blockHash, type, content);
      signed.push({ type, content, signature: await (bob ?? never()).sign(signBytes) });
    }
    return encodeVoteExtension({ parts: signed });
  }

  test("with shares, with ABSTAIN, and of who is asked for nothing, are accepted", async () => {
    expect(await code(await extensionOf(bob, await sharesOf(bob)))).toBe("accepted");
    expect(await code(await extensionOf(bob))).toBe("accepted");
    expect(await code(await extensionOf(erin), erin)).toBe("accepted");
  });

  test("of who is asked for nothing may not have shares", async () => {
    const extension = await extensionOf(erin, await sharesOf(bob));
    expect(await code(extension, erin)).toBe("SHARES_UNEXPECTED");
  });

  test("LISTS and SHARES belong together", async () => {
    expect(await code(await signedParts((parts) => parts.slice(0, 1)))).toBe("SHARES_UNEXPECTED");
    const abstaining = decodeVoteExtension(await extensionOf(bob)).parts;
    expect(await code(await signedParts((parts) => [...abstaining, ...parts.slice(1)]))).toBe(
      "SHARES_UNEXPECTED",
    );
    const other = await sharesOf(bob, { ...ask, disputes: [] });
    expect(
      await code(
        await signedParts((parts) =>
          parts.map((part) => (part.type === PartType.SHARES ? { ...part, content: other } : part)),
        ),
      ),
    ).toBe("SHARES_ROOT");
  });

  test("both parts are signed", async () => {
    const { parts } = decodeVoteExtension(await extensionOf(bob, await sharesOf(bob)));
    for (const damaged of [PartType.LISTS, PartType.SHARES]) {
      const extension = encodeVoteExtension({
        parts: parts.map((part) =>
          part.type === damaged ? { ...part, signature: flipped(part.signature) } : part,
        ),
      });
      expect(await code(extension)).toBe("EXTENSION_BAD_SIGNATURE");
    }
  });

  test("a proposer blanks bad shares of a late precommit, and has those of the others", async () => {
    const bad = await changed(withFlippedProofs);
    const votes = [
      commitVote(alice, await extensionOf(alice, await sharesOf(alice))),
      commitVote(bob, await extensionOf(bob, bad)),
      commitVote(carol, await extensionOf(carol)),
      commitVote(dave, EMPTY_BYTES, BlockIdFlag.ABSENT),
      commitVote(erin, await extensionOf(erin)),
    ];
    const { validatorCount: _, ...injected } = context;
    const built = await buildInjectedCommit(injected, votes, applicationKeyOf, ports);
    expect(
      built.blanks.map(({ validatorIndex, refusal }) => [validatorIndex, refusal.code]),
    ).toEqual([[1, "SHARES_PROOF"]]);
    expect(built.shares.map(({ validatorIndex }) => validatorIndex)).toEqual([0]);
    expect(built.shares[0]?.shares.batches).toHaveLength(2);
    // Of five validators three are no quorum: the rule is that of every blank.
    expect(built.hasQuorum).toBe(false);
    const four = [
      ...votes.slice(0, 3),
      commitVote(dave, await extensionOf(dave, await sharesOf(dave))),
      votes[4] ?? never(),
    ];
    const whole = await buildInjectedCommit(injected, four, applicationKeyOf, ports);
    const verdict = await verifyInjectedCommit(
      injected,
      whole.commit,
      four,
      applicationKeyOf,
      verify,
    );
    expect("code" in verdict ? verdict : verdict.map(({ lists }) => lists.shares.kind)).toEqual([
      "root",
      "abstain",
      "root",
      "abstain",
    ]);
  });

  test("an injected root of who is asked for nothing is no block", async () => {
    const { validatorCount: _, ...injected } = context;
    const votes = await Promise.all(
      [alice, bob, carol, dave].map(async (one) =>
        commitVote(one, await extensionOf(one, await sharesOf(one))),
      ),
    );
    const built = await buildInjectedCommit(injected, votes, applicationKeyOf, ports);
    const unasked = { ...injected, seal: undefined };
    expect(
      await verifyInjectedCommit(unasked, built.commit, votes, applicationKeyOf, verify),
    ).toHaveProperty("code", "INJECTED_BAD_ENTRY");
  });
});
