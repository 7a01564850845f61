/** Every vote that left a trace in the homes of stopped nodes, and whether any two contradict. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import type { Vote } from "../../proto/types.ts";
import { decodeCometLogMessage } from "../../sequencer/cometbft/stores/comet-log-message.ts";
import { scanFrames } from "../../sequencer/engine/wal/record-frames.ts";
import { decodeWalEntry } from "../../sequencer/engine/wal/wal-entry.ts";
import { homeAt } from "../../sequencer/node/home.ts";

export interface VoteTraces {
  /** Distinct (validator, height, round, type) that were voted on. */
  readonly places: number;
  /** Votes seen, copies included. */
  readonly votes: number;
  /** Descriptions of places with more than one vote; the empty list is the safe one. */
  readonly conflicts: readonly string[];
  /** Signatures by place, lower-case hex. */
  readonly signatures: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Reads the write-ahead logs of the homes: own votes and those received from peers. */
export function votesInLogs(homes: readonly string[]): VoteTraces {
  const byPlace = new Map<string, Map<string, string>>();
  let votes = 0;
  for (const home of homes) {
    for (const vote of votesOf(home)) {
      votes += 1;
      const place = placeOf(toHex(vote.validatorAddress), vote.height, vote.round, vote.type);
      const seen = byPlace.get(place) ?? new Map<string, string>();
      // A vote is what was signed: the block, and the time that stands in the sign bytes.
      const time = `${vote.timestamp.seconds}.${vote.timestamp.nanos}`;
      seen.set(`${toHex(vote.blockId.hash) || "nil"} at ${time}`, toHex(vote.signature));
      byPlace.set(place, seen);
    }
  }
  return {
    places: byPlace.size,
    votes,
    conflicts: [...byPlace]
      .filter(([, seen]) => seen.size > 1)
      .map(([place, seen]) => `${place}: ${[...seen.keys()].join(" and ")}`),
    signatures: new Map([...byPlace].map(([place, seen]) => [place, new Set(seen.values())])),
  };
}

/** A name for what a validator may vote on once. `type`: 1 prevote, 2 precommit. */
export function placeOf(address: string, height: number, round: number, type: number): string {
  return `${address.toLowerCase()} ${height}/${round}/${type}`;
}

/** What the signer of a home says it signed last, as CometBFT's file has it. */
export function lastSigned(home: string): {
  readonly height: number;
  readonly round: number;
  readonly step: number;
  readonly signature: string;
} {
  const json = JSON.parse(readFileSync(homeAt(home).validatorStateFile, "utf8")) as {
    readonly height: string;
    readonly round: number;
    readonly step: number;
    readonly signature: string;
  };
  return {
    height: Number(json.height),
    round: json.round,
    step: json.step,
    signature: Buffer.from(json.signature, "base64").toString("hex"),
  };
}

/** The log of either engine, and of what a change of engine put aside. */
function votesOf(home: string): Vote[] {
  const { dataDir, cometbftDir } = homeAt(home);
  const ours = [dataDir, ...foldersIn(join(dataDir, "retired"))];
  const comets = [cometbftDir, ...foldersIn(join(cometbftDir, "retired"))];
  return [
    ...ours.flatMap((folder) => recordsIn(join(folder, "cs.wal")).flatMap(voteOfOurRecord)),
    ...comets.flatMap((folder) =>
      recordsIn(join(folder, "data", "cs.wal")).flatMap(voteOfCometRecord),
    ),
  ];
}

function foldersIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
}

function recordsIn(directory: string): readonly Uint8Array[] {
  return foldersIn(directory)
    .filter((file) => /wal(\.\d+)?$/.test(file))
    .flatMap((file) => scanFrames(readFileSync(file)).payloads);
}

function voteOfOurRecord(payload: Uint8Array): Vote[] {
  const entry = decodeWalEntry(payload);
  if (entry.kind !== "voteReceived" && entry.kind !== "voteSigned") return [];
  return entry.vote === undefined ? [] : [entry.vote];
}

function voteOfCometRecord(payload: Uint8Array): Vote[] {
  const logged = decodeCometLogMessage(payload);
  if (logged.kind !== "message" || logged.message.kind !== "vote") return [];
  return [logged.message.vote];
}
