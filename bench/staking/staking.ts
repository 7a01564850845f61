/**
 * `npm run bench -- --staking`: what begin and end of a block cost a validator whose chain has much stake. The state
 * is a node's own, in a database in memory; every sample is a block of its own on top of the same state.
 */
import { fromHex } from "../../proto/bytes.ts";
import { Height } from "../../proto/brands.ts";
import type { Misbehavior } from "../../sequencer/abci/application.ts";
import { undelegate } from "../../sequencer/app/staking/delegations.ts";
import { VALIDATORS } from "../../sequencer/app/state/tables.ts";
import type { WorkingState } from "../../sequencer/app/state/working-state.ts";
import { type Quantiles, quantiles } from "../measure/statistics.ts";
import { delegatorOf, StakedChain, timeOf } from "./staked-chain.ts";

const VALIDATORS_COUNT = 100;
const DELEGATIONS = 100_000;
const ENTRIES = 10_000;
const UNBONDING_SECONDS = 172_900;
const WARMUP_SAMPLES = 50;
const SAMPLES = 500;
const SLOW_SAMPLES = 30;
const UNBONDED = 1_000_000n;

export interface StakingResult {
  readonly name: string;
  readonly milliseconds: Quantiles;
  /** Mean CPU time of the process, collection of garbage included: what a busy machine does not change. */
  readonly cpuMilliseconds: number;
  /** Records of the state that one block writes. */
  readonly writes: number;
}

export async function runStaking(isJson: boolean, progress: (text: string) => void): Promise<void> {
  progress(
    `${VALIDATORS_COUNT} validators, ${DELEGATIONS} delegations, ${ENTRIES} unbonding entries`,
  );
  const chain = await stakedChain(DELEGATIONS);
  const results = [
    measure("nothing changes", chain, () => undefined),
    measure("one validator misses a block", chain, () => undefined, { absent: 1 }),
    measure("all validators miss a block", chain, () => undefined, { absent: VALIDATORS_COUNT }),
    measure("one delegation changes", chain, (working) => unbond(working, chain, 1, 1)),
    measure("100 delegations change", chain, (working) => {
      for (let k = 1; k <= 100; k++) unbond(working, chain, 1, k);
    }),
    measure(`a slash takes from ${ENTRIES} entries`, chain, () => undefined, {
      misbehavior: [doubleSigning(chain)],
      samples: SLOW_SAMPLES,
    }),
  ];
  progress("a fortieth of the delegations, no unbonding entries");
  const small = await stakedChain(DELEGATIONS / 40);
  results.push(measure("nothing changes, 2,500 delegations, no entries", small, () => undefined));
  progress("an epoch that ends with each block");
  const epochs = await stakedChain(DELEGATIONS / 40, 1);
  results.push(
    measure("an epoch ends, nothing changed", epochs, () => undefined),
    measure("an epoch ends, every power changed", epochs, changeAllPowers(epochs)),
  );
  progress(`${ENTRIES} entries that are due`);
  await chain.commit(() => undefined, UNBONDING_SECONDS);
  results.push(
    measure("1,000 entries mature, 9,000 wait", chain, () => undefined, { samples: SLOW_SAMPLES }),
  );
  if (isJson) process.stdout.write(`${JSON.stringify({ staking: results })}\n`);
  else print(results);
}

/** Two blocks in: liveness has begun, and with enough delegations entries wait, all of the first validator. */
async function stakedChain(delegations: number, epochLength = 20_000): Promise<StakedChain> {
  const delegationsFirst = Math.min(ENTRIES + 1, delegations / 2);
  const chain = await StakedChain.create({
    validators: VALIDATORS_COUNT,
    delegationsFirst,
    delegationsOthers: delegations - delegationsFirst,
    params: { epochLength, unbondingSeconds: UNBONDING_SECONDS },
  });
  await chain.commit();
  await chain.commit((working) => {
    if (delegations < DELEGATIONS) return;
    for (let k = 1; k <= ENTRIES; k++) unbond(working, chain, 0, k);
  });
  return chain;
}

interface Shape {
  readonly absent?: number;
  readonly misbehavior?: readonly Misbehavior[];
  readonly samples?: number;
}

/** Begin, what the block does, end; what it does is not timed. */
function measure(
  name: string,
  chain: StakedChain,
  items: (working: WorkingState) => void,
  { absent = 0, misbehavior = [], samples = SAMPLES }: Shape = {},
): StakingResult {
  const votes = chain.votes(absent);
  const times: number[] = [];
  let cpuMicros = 0;
  let writes = 0;
  for (let i = -Math.min(WARMUP_SAMPLES, samples); i < samples; i++) {
    const working = chain.branch();
    const begin = timed(() => chain.begin(working, votes, misbehavior));
    items(working);
    const end = timed(() => chain.end(working));
    writes = working.records.changes().size;
    if (i < 0) continue;
    times.push(begin.milliseconds + end.milliseconds);
    cpuMicros += begin.cpuMicros + end.cpuMicros;
  }
  const cpuMilliseconds = cpuMicros / samples / 1_000;
  return { name, milliseconds: quantiles(times), cpuMilliseconds, writes };
}

function timed(work: () => void) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  work();
  const milliseconds = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  return { milliseconds, cpuMicros: user + system };
}

function unbond(working: WorkingState, chain: StakedChain, i: number, k: number): void {
  const validator = chain.validators[i];
  if (validator === undefined) throw new RangeError(`there is no validator ${i}`);
  const action = { validator: fromHex(validator), amount: UNBONDED };
  undelegate(working, delegatorOf(i, k), { kind: "undelegate", ...action });
}

function changeAllPowers(chain: StakedChain): (working: WorkingState) => void {
  return (working) => {
    for (let i = 0; i < VALIDATORS_COUNT; i++) unbond(working, chain, i, 1);
  };
}

/** By the first validator, before anything of its stake left. */
function doubleSigning(chain: StakedChain): Misbehavior {
  const [validator = ""] = chain.validators;
  const state = chain.branch().records.get(VALIDATORS, validator);
  if (state === undefined) throw new Error("the first validator is there");
  return {
    type: "duplicateVote",
    validator: { address: fromHex(validator), power: state.power },
    height: Height(1),
    time: timeOf(1),
    totalVotingPower: state.power,
  };
}

function print(results: readonly StakingResult[]): void {
  const width = Math.max(...results.map(({ name }) => name.length));
  for (const { name, milliseconds, cpuMilliseconds, writes } of results) {
    const times = [milliseconds.p50, milliseconds.p99, cpuMilliseconds]
      .map((value, i) => `${["p50", "p99", "cpu"][i]} ${value.toFixed(2).padStart(7)} ms`)
      .join("   ");
    process.stdout.write(`${name.padEnd(width)}   ${times}   ${writes} records written\n`);
  }
}
