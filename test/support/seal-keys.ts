/** A set of validators that make keys for sealed transactions, without a chain. */
import { createSealArithmetic } from "../../mev/seal/arithmetic.ts";
import { type Dealing, encryptionKeyContext, ticketsOfMember } from "../../mev/seal/dkg.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import type { SealGenerationState } from "../../proto/codec/seal-state.ts";
import type { Complain, Deal } from "../../proto/codec/seal-tx.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import type { Failure } from "../../sequencer/app/codes.ts";
import {
  complain,
  complainCostlyFault,
  complainFault,
  deal,
  dealCostlyFault,
  dealFault,
  registerSealKey,
  registerSealKeyFault,
} from "../../sequencer/app/seal/keys/actions.ts";
import {
  dealingOf,
  endGeneration,
  generationOf,
  startGeneration,
  termsOf,
} from "../../sequencer/app/seal/keys/generation.ts";
import { forgetKeys, updateKeys } from "../../sequencer/app/seal/keys/keys.ts";
import type { StakingContext, StakingReader } from "../../sequencer/app/staking/context.ts";
import { endOfBlockUpdates, type PowerUpdate } from "../../sequencer/app/staking/epoch.ts";
import { namedBytes } from "./named-bytes.ts";
import type { StakingContextOptions, TestStakingContext } from "./staking-context.ts";
import { addValidator, createStakingChain, keyNumber, ONE } from "./staking-fixtures.ts";

const group = createGroup();
const { tdh2, dkg } = createSealArithmetic();

/** A validator and the secrets that its node has. */
export interface SealValidator {
  readonly number: number;
  readonly validator: string;
  readonly address: Uint8Array;
  readonly operator: string;
  /** Account of its application key, 40-hex. */
  readonly account: string;
}

export interface SealChain {
  readonly ctx: TestStakingContext;
  readonly validators: readonly SealValidator[];
  /** What the engine was told at the end of the last block. */
  readonly updates: readonly PowerUpdate[];
  /** The end of the block under way, as `endBlock` has it, and the begin of the next. */
  nextBlock(): void;
  /** Registers an encryption key; `turn` makes another one. */
  register(at: number, turn?: number): Failure | undefined;
  /** The generation under way, which has to be there. */
  generation(): SealGenerationState;
  /** An honest dealing. */
  dealing(at: number): Dealing;
  deal(at: number, dealing?: Dealing): Failure | undefined;
  /** An honest opening of what `dealer` dealt: the first wrong ticket of the member. */
  wrongTicket(at: number, dealer: number): number | undefined;
  complaint(at: number, dealer: number, ticket?: number): Complain;
  /** The member's first ticket of the generation under way. */
  firstTicket(at: number): number;
  /** What stands in the state of a dealer (40-hex), which has to be there. */
  dealt(key: number, dealer: string): Dealing;
  complain(complaint: Complain, by: number): Failure | undefined;
}

/** The secret of a validator's encryption key. */
export function encryptionSecret(at: number, turn = 0): Uint8Array {
  return group.scalars.reduceWide(namedBytes(`encryption ${at} ${turn}`, 64));
}

/** Validators with these tokens in WEFT, which is their power, in the first set; the height is its first one. */
export function createSealChain(
  powers: readonly bigint[],
  options: StakingContextOptions = {},
): SealChain {
  const ctx = createStakingChain({ ...options, params: { epochLength: 100, ...options.params } });
  const validators = powers
    .map((power, number) => {
      const created = addValidator(ctx, number, { selfDelegation: power * ONE });
      const account = toHex(accountAddress(keyNumber(number, "application")));
      return { ...created, number, account };
    })
    // In the order of the members.
    .sort((a, b) => (a.validator < b.validator ? -1 : 1));
  const chain = new MemoryChain(ctx, validators);
  chain.nextBlock();
  return chain;
}

class MemoryChain implements SealChain {
  readonly ctx: TestStakingContext;
  readonly validators: readonly SealValidator[];
  updates: readonly PowerUpdate[] = [];
  readonly #turns = new Map<number, number>();

  constructor(ctx: TestStakingContext, validators: readonly SealValidator[]) {
    this.ctx = ctx;
    this.validators = validators;
  }

  nextBlock(): void {
    const { ctx } = this;
    endGeneration(ctx);
    this.updates = endOfBlockUpdates(ctx);
    updateKeys(ctx, this.updates.length > 0);
    startGeneration(ctx);
    forgetKeys(ctx);
    ctx.checkSupply();
    ctx.advance({ blocks: 1, seconds: 1 });
  }

  register(at: number, turn = 0): Failure | undefined {
    const { address, account } = this.#validator(at);
    const secret = encryptionSecret(at, turn);
    const encryptionKey = group.mulBase(secret);
    const context = encryptionKeyContext(this.ctx.chainId, address);
    const possession = tdh2.provePossession(context, secret, encryptionKey);
    const action = {
      kind: "registerSealKey",
      validator: address,
      encryptionKey,
      possession,
    } as const;
    assert(
      tdh2.verifyPossession(context, encryptionKey, possession),
      "possession stands beside the signature",
    );
    const fault = registerSealKeyFault(this.ctx, account, action);
    if (fault !== undefined) return fault;
    registerSealKey(this.ctx, account, action);
    this.#turns.set(at, turn);
    return undefined;
  }

  generation(): SealGenerationState {
    const generation = generationOf(this.ctx);
    assert(generation !== undefined, "a generation is under way");
    return generation;
  }

  dealing(at: number): Dealing {
    const terms = termsOf(this.ctx, this.generation());
    return dkg.deal(terms, this.#validator(at).address, namedBytes(`seed ${at}`, 32));
  }

  deal(at: number, dealing = this.dealing(at)): Failure | undefined {
    const action: Deal = { kind: "deal", ...dealing };
    return perform(this.ctx, this.#validator(at).account, action, {
      fault: dealFault,
      costlyFault: dealCostlyFault,
      run: deal,
    });
  }

  wrongTicket(at: number, dealer: number): number | undefined {
    const terms = termsOf(this.ctx, this.generation());
    const { address } = this.#validator(at);
    return dkg.openDealing(terms, this.#dealtNow(dealer), address, this.#secret(at)).wrongTicket;
  }

  firstTicket(at: number): number {
    const { members } = this.generation();
    return ticketsOfMember(members, this.#validator(at).address)?.first ?? 0;
  }

  complaint(at: number, dealer: number, ticket = this.firstTicket(at)): Complain {
    const terms = termsOf(this.ctx, this.generation());
    const { address } = this.#validator(at);
    const dealing = this.#dealtNow(dealer);
    const made = dkg.complain(terms, dealing, address, ticket, this.#secret(at));
    return { kind: "complain", ...made };
  }

  complain(complaint: Complain, by: number): Failure | undefined {
    return perform(this.ctx, this.#validator(by).account, complaint, {
      fault: complainFault,
      costlyFault: complainCostlyFault,
      run: complain,
    });
  }

  dealt(key: number, dealer: string): Dealing {
    const dealing = dealingOf(this.ctx, key, dealer);
    assert(dealing !== undefined, `validator ${dealer} has dealt`);
    return dealing;
  }

  #dealtNow(dealer: number): Dealing {
    return this.dealt(this.generation().key, this.#validator(dealer).validator);
  }

  #secret(at: number): Uint8Array {
    return encryptionSecret(at, this.#turns.get(at) ?? 0);
  }

  #validator(at: number): SealValidator {
    const validator = this.validators[at];
    assert(validator !== undefined, `there is a validator ${at}`);
    return validator;
  }
}

interface Rules<A> {
  readonly fault: (reader: StakingReader, sender: string, action: A) => Failure | undefined;
  readonly costlyFault: (reader: StakingReader, action: A) => Failure | undefined;
  readonly run: (ctx: StakingContext, sender: string, action: A) => void;
}

function perform<A>(
  ctx: StakingContext,
  sender: string,
  action: A,
  { fault, costlyFault, run }: Rules<A>,
): Failure | undefined {
  const refused = fault(ctx, sender, action) ?? costlyFault(ctx, action);
  if (refused === undefined) run(ctx, sender, action);
  return refused;
}

/** A dealing that proves what it has to, in which the shares of one member are encrypted for nobody. */
export function badDealing(chain: SealChain, dealer: number, victim: number): Dealing {
  const generation = chain.generation();
  const victimAddress = chain.validators[victim]?.validator ?? "";
  const members = generation.members.map((member) =>
    toHex(member.validator) === victimAddress
      ? { ...member, encryptionKey: group.mulBase(encryptionSecret(999)) }
      : member,
  );
  const terms = { ...termsOf(chain.ctx, generation), members };
  const address = fromHex(chain.validators[dealer]?.validator ?? "");
  return dkg.deal(terms, address, namedBytes(`bad seed ${dealer}`, 32));
}
