/**
 * Key generations with whatever validators do: who is honest is never punished for it, who is shown to be wrong
 * always is, and a key that comes out belongs to the shares that its honest members hold.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSealArithmetic } from "../../mev/seal/arithmetic.ts";
import { ticketsOfMember } from "../../mev/seal/dkg.ts";
import { lagrangeAtZero } from "../../mev/seal/lagrange.ts";
import { quorumTickets } from "../../mev/seal/tickets.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { bytesEqual, fromHex, toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { Failure } from "../../sequencer/app/codes.ts";
import { generationOf } from "../../sequencer/app/seal/keys/generation.ts";
import { sealKey, sealState } from "../../sequencer/app/seal/reader.ts";
import { requireEpoch, requireValidator } from "../../sequencer/app/staking/validator-records.ts";
import { SEAL_DEALINGS } from "../../sequencer/app/state/tables.ts";
import {
  badDealing,
  createSealChain,
  encryptionSecret,
  type SealChain,
} from "../support/seal-keys.ts";
import { ONE } from "../support/staking-fixtures.ts";

const group = createGroup();
const { dkg } = createSealArithmetic();

/** What a validator does in every generation. */
const character = fc.record({
  power: fc.bigInt({ min: 1n, max: 40n }),
  deals: fc.constantFrom("well", "well", "well", "badly", "never"),
  /** Blocks that it takes for that. */
  late: fc.integer({ min: 0, max: 12 }),
  slanders: fc.constantFrom(false, false, false, true),
});

type Character = typeof character extends fc.Arbitrary<infer T> ? T : never;

const isHonest = ({ deals, slanders }: Character) => deals !== "badly" && !slanders;

describe("key generations", () => {
  test("behavior: punish who is wrong, and make keys that the honest can use", () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(fc.array(character, { minLength: 2, maxLength: 6 }), (given) => {
        const chain = createSealChain(given.map(({ power }) => power));
        const characters = chain.validators.map(({ number }) => given[number] as Character);
        for (const at of characters.keys()) chain.register(at);
        const wronged = new Set<string>();
        chain.nextBlock();
        for (let key = 1; key <= 2 && generationOf(chain.ctx) !== undefined; key++) {
          run(chain, characters, wronged);
        }
        outcomes.add(check(chain, characters, wronged));
      }),
      { numRuns: 50 },
    );
    expect([...outcomes].sort()).toEqual(["failed", "made"]);
  });
});

/** One generation, from its begin to its end. */
function run(chain: SealChain, characters: readonly Character[], wronged: Set<string>): void {
  const { key, startHeight } = chain.generation();
  const isMember = (at: number) =>
    chain.generation().members.some((one) => toHex(one.validator) === idOf(chain, at));
  const dealt = new Set<number>();
  /** Dealings that a member has opened. */
  const seen = new Set<string>();
  const taken = (refused: Failure | undefined, allowed: readonly string[]): boolean => {
    assert(refused === undefined || allowed.includes(refused.code), `${refused?.reason}`);
    return refused === undefined;
  };
  while (generationOf(chain.ctx)?.key === key) {
    for (const [at, { deals, late, slanders }] of characters.entries()) {
      if (!isMember(at)) continue;
      const isTime = chain.ctx.height > startHeight + late;
      if (deals !== "never" && isTime && !dealt.has(at)) {
        const victim = characters.findIndex((_, other) => other !== at && isMember(other));
        const isBad = deals === "badly" && victim >= 0;
        const refused = chain.deal(at, isBad ? badDealing(chain, at, victim) : undefined);
        if (taken(refused, ["SEAL_NOT_MEMBER", "SEAL_GENERATION_NONE"])) dealt.add(at);
      }
      for (const dealer of dealt) {
        if (seen.has(`${at} ${dealer}`)) continue;
        seen.add(`${at} ${dealer}`);
        const first = chain.wrongTicket(at, dealer);
        const ticket = first ?? (slanders ? chain.firstTicket(at) : undefined);
        if (ticket === undefined) continue;
        const refused = chain.complain(chain.complaint(at, dealer, ticket), at);
        const isTaken = taken(refused, ["SEAL_NOT_MEMBER", "SEAL_DONE"]);
        if (isTaken) wronged.add(idOf(chain, first === undefined ? at : dealer));
      }
    }
    chain.nextBlock();
  }
}

function check(
  chain: SealChain,
  characters: readonly Character[],
  wronged: ReadonlySet<string>,
): string {
  const { ctx } = chain;
  for (const [at, one] of characters.entries()) {
    const { jailed, tokens } = requireValidator(ctx, idOf(chain, at));
    const isWrong = wronged.has(idOf(chain, at));
    assert(tokens < one.power * ONE === isWrong, `validator ${at} loses stake when it is wrong`);
    assert(!isHonest(one) || !isWrong, `validator ${at} is honest`);
    // In time is who deals in the first ten blocks.
    const hasDealt = isHonest(one) && one.deals === "well" && one.late < 10;
    assert(!hasDealt || !jailed, `validator ${at} has dealt in time`);
  }
  const state = sealState(ctx);
  assert(generationOf(ctx) === undefined, "two generations are over");
  const made = sealKey(ctx, state.lastGeneration);
  if (made === undefined) {
    assert(state.activeKey === 0 && !state.isOpen, "without a key nothing is sealed");
    assert(ctx.records.keys(SEAL_DEALINGS).length === 0, "nothing is left of what failed");
    return "failed";
  }
  const dealings = made.dealers.map((dealer) => chain.dealt(made.number, toHex(dealer)));
  assert(ctx.records.keys(SEAL_DEALINGS).length === dealings.length, "what counts is kept");
  const terms = { ...made, chainId: ctx.chainId, key: made.number };
  const secrets = made.members.flatMap(({ validator }) => {
    const at = chain.validators.findIndex((one) => one.validator === toHex(validator));
    return dkg.sharesOfMember(terms, dealings, validator, encryptionSecret(at)) ?? [];
  });
  // Who was heard has complained of what was wrong, so that its shares fit.
  const held = new Set(secrets.map(({ ticket }) => ticket));
  for (const [at, one] of characters.entries()) {
    const tickets = ticketsOfMember(made.members, fromHex(idOf(chain, at)));
    const isServed = tickets === undefined || held.has(tickets.first);
    assert(!isHonest(one) || isServed, `validator ${at} has its shares`);
  }
  const { activePower } = requireEpoch(ctx);
  const holders = made.members.map(({ validator, tickets }) => ({
    power: requireValidator(ctx, toHex(validator)).power,
    tickets,
  }));
  const isCovered = quorumTickets(holders, activePower) >= made.threshold;
  assert(state.activeKey === made.number && state.isOpen === isCovered, "the key is in force");
  if (secrets.length < made.threshold) return "made";
  const chosen = secrets.slice(-made.threshold);
  const { numerators, denominator } = lagrangeAtZero(chosen.map(({ ticket }) => ticket));
  const points = chosen.map(({ secret }) => group.mulBase(secret));
  const sum = group.linearCombinations(numerators, points, denominator);
  assert(sum !== undefined && bytesEqual(sum, made.publicKey), "t shares make the key");
  return "made";
}

const idOf = (chain: SealChain, at: number) => chain.validators[at]?.validator ?? "";
