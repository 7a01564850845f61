/**
 * Makes `traces.json.gz` of the ITF files that Quint writes (see README.md):
 * `node dist/test/conformance/malachite/reduce-traces.js FOLDER`, where FOLDER holds one folder of
 * `*.itf.json` per test module. Keeps what the runners compare, drops traces without a step.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type {
  KeeperTrace,
  MachineTrace,
  ModelProposal,
  ModelState,
  ModelVote,
  NetworkStep,
  NetworkTrace,
  Tagged,
  Trace,
} from "./trace-format.ts";

/* oxlint-disable typescript/no-unsafe-type-assertion -- the input is Quint's own output, read once */
type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type Fields = Readonly<Record<string, Json>>;

function main(folder: string): void {
  const traces: Trace[] = [];
  const seen = new Set<string>();
  for (const suite of readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()) {
    for (const file of readdirSync(join(folder, suite)).sort()) {
      const name = file.replace(/_\d+\.itf\.json$/, "");
      const itf = JSON.parse(readFileSync(join(folder, suite, file), "utf8")) as {
        readonly vars: readonly string[];
        readonly states: readonly Json[];
      };
      const trace = reduce(suite, name, itf.vars, itf.states.map(plain) as readonly Fields[]);
      // A module runs the tests of the modules it imports once more, alike.
      const key = JSON.stringify({ ...trace, suite: "" });
      if (trace === undefined || trace.steps.length === 0 || seen.has(key)) continue;
      seen.add(key);
      traces.push(trace);
    }
  }
  const lines = traces.map((trace) => JSON.stringify(trace));
  const bytes = gzipSync(`[${lines.join(",\n")}]\n`, { level: 9 });
  writeFileSync(
    new URL("../../../../test/conformance/malachite/traces.json.gz", import.meta.url),
    bytes,
  );
  console.log(`${traces.length} traces, ${bytes.length} bytes`);
}

function reduce(
  suite: string,
  name: string,
  vars: readonly string[],
  states: readonly Fields[],
): Trace | undefined {
  // Tests of pure functions have no states to speak of.
  const held = vars.filter((variable) => states[0] !== undefined && variable in states[0]);
  // Variables of an instance are named by the path to it.
  const at = (state: Fields, variable: string): Json | undefined =>
    state[held.find((v) => v === variable || v.endsWith(`::${variable}`)) ?? variable];
  if (held.some((v) => v.endsWith("_hist"))) return networkTrace(suite, name, states, at);
  if (held.some((v) => v.endsWith("lastEmitted"))) return keeperTrace(suite, name, states, at);
  if (held.some((v) => v.endsWith("output"))) return machineTrace(suite, name, states, at);
  return undefined;
}

type At = (state: Fields, variable: string) => Json | undefined;

function networkTrace(
  suite: string,
  name: string,
  states: readonly Fields[],
  at: At,
): NetworkTrace | undefined {
  const steps: NetworkStep[] = [];
  let powers: Readonly<Record<string, number>> = {};
  states.forEach((state, i) => {
    const system = new Map(at(state, "system") as readonly (readonly [string, Fields])[]);
    const before = states[i - 1];
    if (before === undefined) {
      for (const node of system.values()) {
        const { valset } = node["es"] as { readonly valset: readonly [string, number][] };
        powers = Object.fromEntries(valset);
      }
      return;
    }
    const old = new Map(at(before, "system") as readonly (readonly [string, Fields])[]);
    const hist = history(at(state, "_hist"));
    const isNew = JSON.stringify(hist) !== JSON.stringify(history(at(before, "_hist")));
    for (const [validator, node] of system) {
      const es = node["es"] as Fields;
      const oldNode = old.get(validator);
      const oldEs = oldNode?.["es"] as Fields;
      const isChanged = JSON.stringify(es) !== JSON.stringify(oldEs);
      const cs = es["cs"] as Fields;
      const isNewHeight = cs["height"] !== (oldEs["cs"] as Fields)["height"];
      if (!isChanged && !(isNew && hist.validator === validator)) continue;
      const isStart = es["started"] === true && oldEs["started"] === false;
      steps.push({
        validator,
        ...(isNewHeight ? {} : { input: driverInput(hist.input), output: output(hist.output) }),
        ...(isStart && oldNode !== undefined ? { preload: preloadOf(oldNode, cs["height"]) } : {}),
        state: modelState(cs),
        isQuiet:
          tag(es["pendingStepChange"]) === "NoStep" &&
          (es["pendingInputs"] as readonly Json[]).length === 0 &&
          (node["getValueRequests"] as readonly Json[]).every(
            (request) => JSON.stringify(request) !== JSON.stringify([cs["height"], cs["round"]]),
          ),
        decided: (es["chain"] as readonly Fields[]).map((entry) =>
          text((entry["decision"] as Fields)["proposal"]),
        ),
        equivocations: equivocations((es["bk"] as Fields)["evidence"]),
      });
    }
  });
  return { kind: "network", suite, name, powers, steps };
}

function history(hist: Json | undefined): { validator: string; input: Json; output: Json } {
  if (Array.isArray(hist)) {
    const [validator, input, out] = hist as readonly Json[];
    return { validator: text(validator), input: input ?? null, output: out ?? null };
  }
  const fields = hist as Fields;
  return {
    validator: text(fields["validator"]),
    input: fields["input"] ?? null,
    output: fields["output"] ?? null,
  };
}

function preloadOf(node: Fields, height: Json | undefined): NonNullable<NetworkStep["preload"]> {
  const votes = (node["incomingVotes"] as readonly Fields[]).map(vote);
  const certificates = (node["incomingCertificates"] as readonly (readonly Fields[])[]).map((c) =>
    c.map(vote),
  );
  return {
    votes: votes.filter((v) => v.height === height),
    certificates: certificates.filter((c) => c.every((v) => v.height === height)),
  };
}

function keeperTrace(suite: string, name: string, states: readonly Fields[], at: At): KeeperTrace {
  const first = at(states[0] ?? {}, "bookkeeper") as Fields | undefined;
  const powers = Object.fromEntries((first?.["validatorSet"] ?? []) as readonly [string, number][]);
  const steps = states.slice(1).flatMap((state, i) => {
    const weighted = at(state, "weightedVote") as readonly Json[];
    const isSame = JSON.stringify(state) === JSON.stringify(states[i]);
    if (weighted[0] !== "WV" || isSame) return [];
    const [rawVote, , currentRound] = weighted[1] as readonly [Fields, number, number];
    const made = vote(rawVote);
    const keeper = at(state, "bookkeeper") as Fields;
    const round = new Map(keeper["rounds"] as readonly (readonly [number, Fields])[]).get(
      made.round,
    );
    const count = round?.[made.type === "Prevote" ? "prevotes" : "precommits"] as Fields;
    return [
      {
        vote: made,
        currentRound,
        output: at(state, "lastEmitted") as unknown as Tagged,
        weights: Object.fromEntries(
          (count["valuesWeights"] as readonly [Json, number][]).map(([v, w]) => [
            valueOf(v) ?? "",
            w,
          ]),
        ),
        voters: [...(count["votesAddresses"] as readonly string[])].sort(),
        equivocations: equivocations(keeper["evidence"]),
      },
    ];
  });
  return { kind: "keeper", suite, name, powers, steps };
}

function machineTrace(
  suite: string,
  name: string,
  states: readonly Fields[],
  at: At,
): MachineTrace {
  const steps = states.slice(1).map((state) => ({
    input: machineInput(at(state, "input")),
    output: output(at(state, "output") ?? null),
    state: modelState(at(state, "state") as Fields),
  }));
  return { kind: "machine", suite, name, steps };
}

/** Without ITF's marks: bigints become numbers, tuples and sets arrays, sums `[tag, value]`. */
function plain(json: Json): Json {
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json !== "object" || json === null) return json;
  const fields = json as Fields;
  if ("#bigint" in fields) return Number(fields["#bigint"]);
  if ("#tup" in fields) return (fields["#tup"] as readonly Json[]).map(plain);
  if ("#set" in fields) return (fields["#set"] as readonly Json[]).map(plain);
  if ("#map" in fields) return (fields["#map"] as readonly Json[]).map(plain);
  if ("tag" in fields && "value" in fields)
    return [fields["tag"] ?? "", plain(fields["value"] ?? null)];
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => key !== "#meta")
      .map(([key, value]) => [key, plain(value)]),
  );
}

function text(json: Json | undefined): string {
  if (typeof json !== "string" && typeof json !== "number") throw new Error("expected a name");
  return `${json}`;
}

function tag(json: Json | undefined): string {
  return text((json as readonly Json[])[0]);
}

/** Undefined for nil. */
function valueOf(json: Json | undefined): string | undefined {
  const [kind, value] = json as readonly Json[];
  return kind === "Val" ? text(value) : undefined;
}

function vote(fields: Fields): ModelVote {
  const value = valueOf(fields["valueId"]);
  return {
    type: tag(fields["voteType"]) === "Prevote" ? "Prevote" : "Precommit",
    from: text(fields["srcAddress"]),
    height: Number(fields["height"]),
    round: Number(fields["round"]),
    ...(value === undefined ? {} : { value }),
  };
}

function proposal(fields: Fields): ModelProposal {
  return {
    from: text(fields["srcAddress"]),
    height: Number(fields["height"]),
    round: Number(fields["round"]),
    value: text(fields["proposal"]),
    validRound: Number(fields["validRound"]),
  };
}

function modelState(cs: Fields): ModelState {
  const lockedValue = valueOf(cs["lockedValue"]);
  const validValue = valueOf(cs["validValue"]);
  return {
    height: Number(cs["height"]),
    round: Number(cs["round"]),
    step: tag(cs["step"]),
    lockedRound: Number(cs["lockedRound"]),
    ...(lockedValue === undefined ? {} : { lockedValue }),
    validRound: Number(cs["validRound"]),
    ...(validValue === undefined ? {} : { validValue }),
  };
}

function equivocations(evidence: Json | undefined): readonly string[] {
  const names = (evidence as readonly (readonly Fields[])[]).map((votes) => {
    const [first] = votes;
    return first === undefined
      ? ""
      : `${text(first["srcAddress"])}/${tag(first["voteType"])}/${Number(first["round"])}`;
  });
  return [...new Set(names)].sort();
}

function driverInput(json: Json): Tagged {
  const [kind, value] = json as readonly [string, Json];
  switch (kind) {
    case "VoteDInput":
      return [kind, vote(value as Fields)];
    case "ProposalDInput":
      return [kind, proposal(value as Fields)];
    case "CertificateDInput":
      return [kind, (value as readonly Fields[]).map(vote)];
    case "TimeoutDInput":
      return [kind, tag(value)];
    case "PendingDInput":
      return [kind, tag(value)];
    case "ProposeValueDInput":
      return [kind, text(value)];
    default:
      return [kind];
  }
}

function machineInput(json: Json | undefined): Tagged {
  const [kind, value] = json as readonly [string, Json];
  const items = Array.isArray(value) ? (value as readonly Json[]) : [value];
  const flat = items.map((item) => (Array.isArray(item) ? (valueOf(item as Json) ?? null) : item));
  if (kind.startsWith("ProposalAndPolka")) return [kind, [valueOf(value) ?? valueOf(items[0])]];
  return [kind, flat];
}

function output(json: Json): Tagged {
  const [kind, value] = json as readonly [string, Json];
  switch (kind) {
    case "VoteOutput":
      return [kind, vote(value as Fields)];
    case "ProposalOutput":
      return [kind, proposal(value as Fields)];
    case "TimeoutOutput": {
      const [round, timeout] = value as readonly Json[];
      return [kind, { round, timeout: tag(timeout) }];
    }
    case "GetValueAndScheduleTimeoutOutput": {
      const [height, round, timeout] = value as readonly Json[];
      return [kind, { height, round, timeout: tag(timeout) }];
    }
    case "DecidedOutput": {
      const [round, decided] = value as readonly Json[];
      return [kind, { round, value: decided }];
    }
    case "SkipRoundOutput":
      return [kind, { round: value }];
    case "ErrorOutput":
      return [kind, value];
    default:
      return [kind];
  }
}

const folder = process.argv[2];
if (folder === undefined) {
  console.log("usage: reduce-traces FOLDER");
  process.exitCode = 2;
} else {
  main(folder);
}
