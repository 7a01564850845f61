/** The model's validators as a real validator set, and values as real blocks. */
import { Height, Round } from "../../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import { sha256 } from "../../../proto/hash.ts";
import {
  type BlockId,
  NIL_BLOCK_ID,
  SignedMsgType,
  type ValidatorSet,
  type Vote,
} from "../../../proto/types.ts";
import { createValidatorSet } from "../../../proto/validator-set.ts";
import { makeVote, validatorAt } from "../../support/consensus-fixtures.ts";
import { Blocks } from "../../scenarios/scenario-text.ts";
import type { ModelVote } from "./trace-format.ts";

export interface Electorate {
  readonly set: ValidatorSet;
  readonly names: readonly string[];
  /** Index in the set. */
  indexOf(name: string): number;
  addressOf(name: string): Uint8Array;
  nameAt(index: number): string;
  /** A vote of the model as one on our wire; its signature differs for different votes. */
  vote(vote: ModelVote): Vote;
  blockId(height: number, value: string | undefined): BlockId;
  readonly blocks: Blocks;
}

/**
 * The model's proposer of round r is number r + 1 of its validators, by name; ours rotates by address
 * when powers are equal. So the names are given to addresses in the order of their turns.
 */
export function createElectorate(powers: Readonly<Record<string, number>>): Electorate {
  const names = Object.keys(powers).sort();
  const byTurn = [...names.slice(1), ...names.slice(0, 1)];
  const areEqual = new Set(Object.values(powers)).size === 1;
  const keys = byTurn.map((name) => sha256(utf8ToBytes(`validator ${name}`)));
  const drawn = createValidatorSet(
    keys.map((bytes, i) => ({
      publicKey: { type: "ed25519", bytes },
      votingPower: BigInt(powers[byTurn[i] ?? ""] ?? 0),
    })),
  );
  const nameByIndex = drawn.validators.map(({ publicKey }, index) => {
    const held = keys.findIndex((key) => bytesEqual(key, publicKey.bytes));
    return (areEqual ? byTurn[index] : byTurn[held]) ?? "";
  });
  const indexOf = (name: string): number => {
    const index = nameByIndex.indexOf(name);
    assert(index >= 0, `${name} is a validator of the model`);
    return index;
  };
  const blocks = new Blocks();
  const blockId = (height: number, value: string | undefined): BlockId =>
    value === undefined ? NIL_BLOCK_ID : blocks.get(height, value).blockId;
  return {
    set: drawn,
    names,
    indexOf,
    addressOf: (name) => validatorAt(drawn, indexOf(name)).address,
    nameAt: (index) => nameByIndex[index] ?? "",
    vote: ({ type, from, height, round, value }) =>
      makeVote(drawn, indexOf(from), {
        height: Height(ourHeight(height)),
        round: Round(round),
        type: type === "Prevote" ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT,
        blockId: blockId(ourHeight(height), value),
      }),
    blockId,
    blocks,
  };
}

/** The model counts heights from 0. */
export function ourHeight(height: number): number {
  return height + 1;
}
