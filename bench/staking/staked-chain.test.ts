import { expect, test } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import { undelegate } from "../../sequencer/app/staking/delegations.ts";
import type { WorkingState } from "../../sequencer/app/state/working-state.ts";
import { delegatorOf, StakedChain } from "./staked-chain.ts";

/** Looks into the committed state while a block begins and ends. */
async function workOfBlock(
  delegations: number,
  items?: (working: WorkingState, chain: StakedChain) => void,
) {
  const chain = await StakedChain.create({
    validators: 10,
    delegationsFirst: delegations / 2,
    delegationsOthers: delegations / 2,
    params: { epochLength: 1_000 },
  });
  await chain.commit();
  const read = new Set<string>();
  const { committed } = chain;
  const record = committed.record.bind(committed);
  committed.record = (type, key) => {
    read.add(type.prefix + key);
    return record(type, key);
  };
  const working = chain.branch();
  chain.begin(working, chain.votes());
  items?.(working, chain);
  chain.end(working);
  return { reads: read.size, writes: working.records.changes().size };
}

test("a block that changes nothing reads the same with ten times the stake, and writes no record", async () => {
  const few = await workOfBlock(180);
  const many = await workOfBlock(1_800);
  expect(few.writes).toBe(0);
  expect(many).toEqual(few);
  // Of each validator what is asked about it, and a few of the chain.
  expect(many.reads).toBeLessThan(10 * 5);
});

test("a block pays for the delegations that change, not for those there are", async () => {
  const unbond = (count: number) => (working: WorkingState, chain: StakedChain) => {
    const validator = fromHex(chain.validators[0] ?? "");
    for (let k = 1; k <= count; k++) {
      undelegate(working, delegatorOf(0, k), { kind: "undelegate", validator, amount: 1n });
    }
  };
  const one = await workOfBlock(1_800, unbond(1));
  const eleven = await workOfBlock(1_800, unbond(11));
  expect(eleven.writes - one.writes).toBeLessThan(10 * 5);
  expect(await workOfBlock(180, unbond(1))).toEqual(one);
});
