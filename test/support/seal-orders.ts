/** How a test tells a validator of its own process which fault to commit, and what it has committed: files of its home. */
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { MevFault } from "./mev-faults.ts";
import type { SealFault } from "./seal-faults.ts";

export interface SealOrder {
  readonly fault: SealFault | MevFault;
  /** Public key, in hex, of the account whose transactions are not wanted. */
  readonly censored?: string;
  /** Key file of who pays for what the validator sends itself. */
  readonly payerKeyFile?: string;
  /** No height below this; 1 when it is not given. */
  readonly fromHeight?: number;
}

export interface SealOffence {
  readonly fault: SealFault | MevFault;
  /** Of a proposal: what every honest validator answers; undefined: it is valid. */
  readonly refusal?: string;
  /** That was voted on, or proposed. */
  readonly height: number;
}

/** In force from the next height on that the validator votes on, until it is replaced or taken back. */
export function orderFault({ home }: { readonly home: string }, order: SealOrder): void {
  const file = orderFile(home);
  writeFileSync(`${file}.new`, JSON.stringify(order));
  renameSync(`${file}.new`, file);
}

export function takeBack({ home }: { readonly home: string }): void {
  rmSync(orderFile(home), { force: true });
}

export function readOrder(home: string): SealOrder | undefined {
  const file = orderFile(home);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8")) as SealOrder;
}

export function recordOffence(home: string, offence: SealOffence): void {
  appendFileSync(offencesFile(home), `${JSON.stringify(offence)}\n`);
}

/** Oldest first. */
export function sealOffences({ home }: { readonly home: string }): readonly SealOffence[] {
  const file = offencesFile(home);
  if (!existsSync(file)) return [];
  // What follows the last line end is being written.
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as SealOffence);
}

function orderFile(home: string): string {
  return join(home, "seal-fault.json");
}

function offencesFile(home: string): string {
  return join(home, "seal-faults.jsonl");
}
