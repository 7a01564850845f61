/** What `weft wal` does. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { describeEntry } from "../engine/wal/describe-entry.ts";
import { openLogFiles } from "../engine/wal/log-files.ts";
import { readLogFiles } from "../engine/wal/log-reader.ts";
import { replayOffline, type ReplayedStep } from "../engine/wal/offline-replay.ts";
import { verifyLog, type LogReport } from "../engine/wal/verify-log.ts";
import { decodeWalEntry, inputToWalEntries } from "../engine/wal/wal-entry.ts";
import { loadConfig } from "../node/config.ts";
import { consensusOptions } from "../node/consensus-options.ts";
import type { Home } from "../node/home.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { checkHomeEngine } from "../node/home-engine.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { cliError } from "./cli-error.ts";
import { ownAddress, withLockedHome, withOpenHome } from "./offline-home.ts";
import { printResult, toJson } from "./output.ts";

export async function dumpLog(root: string, only: number | undefined): Promise<void> {
  const faults = await withLockedHome(root, async (home) => {
    await checkHomeEngine(home, "embedded");
    requireLog(home);
    const found: string[] = [];
    /** What is being decided: one above the last end that was seen. */
    let deciding: number | undefined;
    for await (const file of readLogFiles(home.walDir, NODE_FILE_SYSTEM)) {
      for (const { offset, payload } of file.records) {
        const at = { file: file.name, offset, bytes: payload.length, deciding };
        let line: Readonly<Record<string, unknown>>;
        try {
          const entry = decodeWalEntry(payload);
          line = { ...at, ...describeEntry(entry) };
          if (entry.kind === "endHeight") deciding = entry.height + 1;
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          line = { ...at, kind: "undecodable", reason };
          found.push(`${file.path} at byte ${offset}: ${reason}`);
        }
        if (only === undefined || at.deciding === only) await writeLine(toJson(line));
      }
      if (file.end !== "whole") {
        found.push(`${file.path} at byte ${file.goodBytes}: no whole record (${file.end})`);
      }
    }
    return found;
  });
  if (faults.length === 0) return;
  throw cliError(
    "VERIFICATION",
    `the log is not whole; see weft wal verify:\n  ${faults.join("\n  ")}`,
  );
}

export async function verifyLogCommand(
  root: string,
  isCut: boolean,
  isJson: boolean,
): Promise<void> {
  const report = await withLockedHome(root, async (home) => {
    await checkHomeEngine(home, "embedded");
    requireLog(home);
    if (isCut) await cutLog(home.walDir);
    return verifyLog(home.walDir, NODE_FILE_SYSTEM);
  });
  const { faults, ...figures } = report;
  printResult({ ...figures, faults }, isJson);
  const serious = faults.filter(({ isHarmless }) => !isHarmless);
  if (serious.length > 0) throw cliError("VERIFICATION", adviceFor(serious));
}

function adviceFor(faults: LogReport["faults"]): string {
  const list = faults.map(({ file, offset, message }) => `${file} at byte ${offset}: ${message}`);
  return `the log has ${faults.length} fault(s):\n  ${list.join("\n  ")}\nCheck the disk and restore the data directory; or cut the damaged files to their good prefix with: weft wal verify --cut. What is cut off is not decided blocks, only how far the height under way had come; the signer's state guards against signing twice`;
}

/** As a start with a log that is cut does it: copies first. */
async function cutLog(directory: string): Promise<void> {
  const files = await openLogFiles(
    { directory, onCorruption: "truncate" },
    { fileSystem: NODE_FILE_SYSTEM, logger: NULL_LOGGER },
  );
  try {
    // Reading a file is what looks at it.
    for await (const payloads of files.filesNewestFirst()) void payloads;
  } finally {
    await files.close();
  }
}

export async function replayLog(
  root: string,
  environment: Readonly<Record<string, string | undefined>>,
  isJson: boolean,
): Promise<void> {
  const replayed = await withOpenHome(root, async (home, { stateStore, blockStore }) => {
    await checkHomeEngine(home, "embedded");
    requireLog(home);
    const state = await stateStore.load();
    if (state === undefined) throw cliError("NOT_FOUND", "the node has not begun its chain yet");
    const config = loadConfig(home.configFile, {}, environment);
    return replayOffline(
      { ownAddress: ownAddress(home), ...consensusOptions(config) },
      { walDirectory: home.walDir, fileSystem: NODE_FILE_SYSTEM, state, blockStore },
    );
  });
  const { steps, ...end } = replayed;
  for (const step of steps) await writeLine(isJson ? toJson(describeStep(step)) : textOf(step));
  const last = steps.at(-1);
  printResult({ ...end, round: last?.round, step: last?.step, inputs: steps.length }, isJson);
}

function describeStep({ input, round, step, effects }: ReplayedStep) {
  // A block of ours is logged as its parts and what ends them; that alone says it all.
  const entry = inputToWalEntries(input).at(-1);
  return { input: entry && describeEntry(entry), round, step, effects };
}

function textOf(replayed: ReplayedStep): string {
  const { input, round, step, effects } = describeStep(replayed);
  const fields = Object.entries(input ?? {}).filter(([, value]) => value !== undefined);
  const told = fields.map(([key, value]) => (key === "kind" ? value : `${key}=${value}`)).join(" ");
  const asked = effects.length === 0 ? "" : `  -> ${effects.join(", ")}`;
  return `${round}/${step.slice("RoundStep".length)}  ${told}${asked}`;
}

function requireLog(home: Home): void {
  if (existsSync(home.walDir)) return;
  throw cliError("NOT_FOUND", `there is no write-ahead log in ${home.walDir}`);
}

async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}
