/** Malachite's traces as they are kept here: what the runners need of each step, in plain JSON. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** A Quint sum type: its tag, then what it carries. */
export type Tagged = readonly [tag: string, value?: unknown];

export interface ModelVote {
  readonly type: "Prevote" | "Precommit";
  readonly from: string;
  readonly height: number;
  readonly round: number;
  /** Undefined: nil. */
  readonly value?: string;
}

export interface ModelProposal {
  readonly from: string;
  readonly height: number;
  readonly round: number;
  readonly value: string;
  readonly validRound: number;
}

/** The model's state of one validator. */
export interface ModelState {
  readonly height: number;
  readonly round: number;
  readonly step: string;
  readonly lockedRound: number;
  readonly lockedValue?: string;
  readonly validRound: number;
  readonly validValue?: string;
}

/** What the model put into a validator's vote keeper before the height began. */
export interface Preload {
  readonly votes: readonly ModelVote[];
  readonly certificates: readonly (readonly ModelVote[])[];
}

/** One action of one validator, and its state afterwards. */
export interface NetworkStep {
  readonly validator: string;
  /** Undefined: the environment sent the validator to the height of `state`. */
  readonly input?: Tagged;
  readonly output?: Tagged;
  readonly preload?: Preload;
  readonly state: ModelState;
  /** Nothing is left that the validator will do by itself. */
  readonly isQuiet: boolean;
  readonly decided: readonly string[];
  /** Two votes of one sender that exclude each other: `sender/type/round`, sorted. */
  readonly equivocations: readonly string[];
}

export interface NetworkTrace {
  readonly kind: "network";
  readonly suite: string;
  readonly name: string;
  readonly powers: Readonly<Record<string, number>>;
  readonly steps: readonly NetworkStep[];
}

export interface MachineTrace {
  readonly kind: "machine";
  readonly suite: string;
  readonly name: string;
  readonly steps: readonly {
    readonly input: Tagged;
    readonly output: Tagged;
    readonly state: ModelState;
  }[];
}

export interface KeeperTrace {
  readonly kind: "keeper";
  readonly suite: string;
  readonly name: string;
  readonly powers: Readonly<Record<string, number>>;
  readonly steps: readonly {
    readonly vote: ModelVote;
    readonly currentRound: number;
    readonly output: Tagged;
    /** Power by value ("" is nil) that the vote's set then holds. */
    readonly weights: Readonly<Record<string, number>>;
    readonly voters: readonly string[];
    readonly equivocations: readonly string[];
  }[];
}

export type Trace = NetworkTrace | MachineTrace | KeeperTrace;

/** A trace by which others name it. */
export function traceId(trace: Trace): string {
  return `${trace.suite}/${trace.name}`;
}

/** The traces of this folder. */
export function readTraces(): readonly Trace[] {
  const bytes = readFileSync(new URL(TRACES_FILE, import.meta.url));
  return JSON.parse(gunzipSync(bytes).toString("utf8")) as readonly Trace[];
}

/** Beside this file in the sources, and from the compiled copy as well. */
const TRACES_FILE = import.meta.url.endsWith(".ts")
  ? "./traces.json.gz"
  : "../../../../test/conformance/malachite/traces.json.gz";
