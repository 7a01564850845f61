/**
 * `npm run bench -- --dkg`: what a key generation costs each validator, beside the spec's figures (B.5), for
 * committees of 4, 20 and 100 with equal powers, and for the largest that a chain may have.
 */
import { randomBytes } from "node:crypto";
import { createDkg, type Dealing, type Dkg, type KeyTerms } from "../../mev/seal/dkg.ts";
import { createGroup, type Group } from "../../mev/seal/group/group.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { allotTickets } from "../../mev/seal/tickets.ts";
import { DEAL_CODEC, TICKETS_MAX } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { calibrate } from "../measure/calibration.ts";
import { median } from "../measure/statistics.ts";
import { machine } from "../report.ts";

export interface DkgReport {
  readonly machine: ReturnType<typeof machine>;
  readonly calibration: ReturnType<typeof calibrate>;
  readonly committees: readonly CommitteeReport[];
}

export interface CommitteeReport {
  readonly name: string;
  readonly members: number;
  readonly tickets: number;
  readonly threshold: number;
  /** Of one dealing, as it stands in a transaction and in the state. */
  readonly dealingBytes: number;
  /** CPU time of one thread, ms. */
  readonly steps: readonly StepReport[];
  /** All that a validator of the committee does for one key, once each, ms. */
  readonly totalMs: number;
  /** Sizes and CPU by the spec, on another machine; undefined where it says nothing. */
  readonly spec: { readonly dealingBytes: number; readonly totalMs: number } | undefined;
}

export interface StepReport {
  readonly name: string;
  /** How often a validator does it for one key; 0 for what only a fault causes. */
  readonly times: number;
  readonly ms: number;
}

const ROUNDS = 5;
/** CPU time of a sample at least: other programs of the machine do not count, its clock does. */
const SAMPLE_MS = 20;
const POWER = 1_000n;

const COMMITTEES = [
  { name: "4 members", members: 4, ticketsEach: 1, spec: { dealingBytes: 384, totalMs: 3 } },
  { name: "20 members", members: 20, ticketsEach: 1, spec: { dealingBytes: 1_250, totalMs: 11 } },
  { name: "100 members", members: 100, ticketsEach: 1, spec: { dealingBytes: 5_500, totalMs: 91 } },
  {
    name: `100 members, ${TICKETS_MAX} tickets`,
    members: 100,
    ticketsEach: TICKETS_MAX / 100,
    spec: undefined,
  },
] as const;

/** About fifteen seconds of one core. */
export function runDkg(progress: (text: string) => void): DkgReport {
  const group = createGroup();
  const dkg = createDkg(group, createTdh2(group));
  const committees = COMMITTEES.map(({ name, members, ticketsEach, spec }) => {
    progress(name);
    return { name, spec, ...measure(group, dkg, members, ticketsEach) };
  });
  return { machine: machine(), calibration: calibrate(), committees };
}

export function dkgText({ machine: host, calibration, committees }: DkgReport): string {
  const lines = [
    `${host["cores"]} × ${host["cpu"]}, ${host["memoryGib"]} GiB, Node ${host["node"]}; CPU time of one thread, median of ${ROUNDS}`,
    `ed25519 checks ${Math.round(calibration.verifySodiumPerSecond)}/s (26,300 on the machine of the spec)`,
  ];
  for (const committee of committees) {
    const { name, threshold, tickets, dealingBytes, steps, totalMs, spec } = committee;
    const said = (value: number | undefined) => (value === undefined ? "" : ` (spec ${value})`);
    lines.push("", `${name}: t = ${threshold} of ${tickets}`);
    lines.push(`  a dealing has ${dealingBytes} bytes${said(spec?.dealingBytes)}`);
    for (const { name: step, times, ms } of steps) {
      const often = times === 0 ? "only after a fault" : `× ${times}`;
      lines.push(`  ${step.padEnd(44)} ${ms.toFixed(2).padStart(8)} ms  ${often}`);
    }
    lines.push(`  a validator, all together: ${totalMs.toFixed(1)} ms${said(spec?.totalMs)}`);
  }
  return lines.join("\n");
}

function measure(
  group: Group,
  dkg: Dkg,
  count: number,
  ticketsEach: number,
): Omit<CommitteeReport, "name" | "spec"> {
  const powers = Array.from({ length: count }, () => POWER);
  const total = POWER * BigInt(count);
  const allotment = allotTickets(powers, total);
  assert(allotment !== undefined, "equal members have tickets");
  const secrets = powers.map(() => group.scalars.reduceWide(new Uint8Array(randomBytes(64))));
  const terms: KeyTerms = {
    chainId: "weft-bench",
    key: 1,
    threshold: allotment.threshold * ticketsEach,
    members: secrets.map((secret, at) => {
      const validator = new Uint8Array(20);
      new DataView(validator.buffer).setUint32(0, at);
      return { validator, encryptionKey: group.mulBase(secret), tickets: ticketsEach };
    }),
  };
  const member = terms.members[0]?.validator;
  const secret = secrets[0];
  assert(member !== undefined && secret !== undefined, "a committee has members");
  const dealings: Dealing[] = terms.members.map(({ validator }) =>
    dkg.deal(terms, validator, new Uint8Array(randomBytes(32))),
  );
  const dealing = dealings[1];
  assert(dealing !== undefined, "there are at least two dealers");
  const complaint = dkg.complain(terms, dealing, member, 1, secret);
  const made = dkg.makeKey(terms, dealings);
  assert(made !== undefined, "the dealings are random");
  const finished = { ...terms, publicShares: made.publicShares };

  const step = (name: string, times: number, work: () => boolean): StepReport => {
    const ms: number[] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const begun = process.cpuUsage();
      let repeats = 0;
      let spentMs = 0;
      while (spentMs < SAMPLE_MS) {
        assert(work(), `${name} gives the wrong answer`);
        repeats++;
        const { user, system } = process.cpuUsage(begun);
        spentMs = (user + system) / 1_000;
      }
      if (round >= 0) ms.push(spentMs / repeats);
    }
    return { name, times, ms: median(ms) };
  };
  const seed = new Uint8Array(randomBytes(32));
  const steps = [
    step("split power into tickets", 1, () => allotTickets(powers, total) !== undefined),
    step("deal", 1, () => dkg.deal(terms, member, seed).shares.length > 0),
    step("accept a dealing (in a block)", count, () => {
      return dkg.dealingFault(terms, dealing) === undefined;
    }),
    step("decrypt and check own shares of a dealing", count, () => {
      return dkg.openDealing(terms, dealing, member, secret).wrongTicket === undefined;
    }),
    step("make Y and X of all tickets (in a block)", 1, () => {
      return dkg.makeKey(terms, dealings) !== undefined;
    }),
    step("add up own shares of all dealings", 1, () => {
      return dkg.sharesOfMember(finished, dealings, member, secret)?.length === ticketsEach;
    }),
    step("complain", 0, () => dkg.complain(terms, dealing, member, 1, secret).ticket === 1),
    step("judge a complaint (in a block)", 0, () => {
      return dkg.judge(terms, dealing, complaint) === "member";
    }),
  ];
  return {
    members: count,
    tickets: count * ticketsEach,
    threshold: terms.threshold,
    dealingBytes: DEAL_CODEC.encode(dealing).length,
    steps,
    totalMs: steps.reduce((sum, { times, ms }) => sum + times * ms, 0),
  };
}
