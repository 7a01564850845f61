/** The log of a node that does not run: verified, described, told to the core again. */
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import { testGenesis, testKeys } from "../../../test/support/chain-builder.ts";
import {
  createTestNode,
  FAST_TIMEOUTS,
  testNodeId,
  untilHeight,
} from "../../../test/support/engine-network.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import { describeEntry } from "./describe-entry.ts";
import { readLogFiles, type LogRecord } from "./log-reader.ts";
import { replayOffline } from "./offline-replay.ts";
import { frameRecord } from "./record-frames.ts";
import { verifyLog } from "./verify-log.ts";
import { decodeWalEntry, encodeWalEntry } from "./wal-entry.ts";

const OWN = { genesis: testGenesis(testKeys(1)), seed: sha256(utf8ToBytes("key 0")) };

let directory = "";
let logDirectory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-offline-log-"));
  logDirectory = join(directory, "data", "cs.wal");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A validator alone that has decided a few heights. */
async function someBlocks(walFileBytesMax?: number): Promise<void> {
  const node = await createTestNode(testNodeId(0), {
    directory,
    ...OWN,
    ...(walFileBytesMax === undefined ? {} : { engine: { walFileBytesMax } }),
  });
  await node.engine.start();
  await untilHeight(node.engine, 4);
  await node.close();
}

const verify = () => verifyLog(logDirectory, NODE_FILE_SYSTEM);

async function headRecords(): Promise<readonly LogRecord[]> {
  let records: readonly LogRecord[] = [];
  for await (const file of readLogFiles(logDirectory, NODE_FILE_SYSTEM)) records = file.records;
  return records;
}

async function damageHead(change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const path = join(logDirectory, "wal");
  await writeFile(path, change(new Uint8Array(await readFile(path))));
}

describe("verify", () => {
  test("a log that a node left is whole, over all of its files", async () => {
    await someBlocks(600);
    const report = await verify();
    expect(report).toMatchObject({ firstEndHeight: 0, faults: [] });
    expect(report.files).toBeGreaterThan(2);
    expect(report.lastEndHeight).toBeGreaterThanOrEqual(4);
  });

  test("names the byte of a flipped bit, of a torn tail, and tells which a start mends", async () => {
    await someBlocks();
    const records = await headRecords();
    const [second, last] = [records[1], records.at(-1)];
    await damageHead((bytes) => bytes.subarray(0, bytes.length - 1));
    expect((await verify()).faults).toMatchObject([
      { kind: "tornTail", offset: last?.offset, isHarmless: true },
    ]);
    await damageHead((bytes) =>
      bytes.map((byte, i) => (i === (second?.offset ?? 0) + 9 ? byte ^ 1 : byte)),
    );
    // Torn and damaged: what follows is no chain to the end any more, so all of it counts as the tail.
    expect((await verify()).faults).toMatchObject([{ offset: second?.offset }]);
  });

  test("a damaged record that good ones follow is corruption, not a tail", async () => {
    await someBlocks();
    const offset = (await headRecords())[1]?.offset ?? 0;
    await damageHead((bytes) => bytes.map((byte, i) => (i === offset + 9 ? byte ^ 1 : byte)));
    expect((await verify()).faults).toMatchObject([
      { kind: "corrupted", offset, isHarmless: false },
    ]);
  });

  test("records out of order, of an unknown kind, and a missing file", async () => {
    await someBlocks(600);
    await damageHead((bytes) => {
      const late = frameRecord(encodeWalEntry({ kind: "txsAvailable", height: Height(1) }));
      const unknown = frameRecord(new Uint8Array([0xfa, 0x01, 0x00]));
      return new Uint8Array([...bytes, ...late, ...unknown]);
    });
    expect((await verify()).faults.map(({ kind }) => kind)).toEqual(["order", "undecodable"]);
    await rename(join(logDirectory, "wal.001"), join(logDirectory, "elsewhere"));
    expect((await verify()).faults[0]).toMatchObject({
      kind: "missingFile",
      message: "expected the file after wal.000, got wal.002",
    });
  });
});

test("every kind of record that a node writes is described in one flat line", async () => {
  await someBlocks();
  const lines = (await headRecords()).map(({ payload }) => describeEntry(decodeWalEntry(payload)));
  const kinds = new Set(lines.map(({ kind }) => kind));
  expect(kinds).toEqual(
    new Set([
      "blockCreated",
      "blockValidated",
      "createdPart",
      "endHeight",
      "heightStarted",
      "proposalSigned",
      "voteSigned",
    ]),
  );
  for (const line of lines) {
    expect(Object.values(line).filter((value) => typeof value === "object")).toEqual([]);
  }
});

describe("replay", () => {
  test("ends where the node stood, with what it would ask for again; nothing is written", async () => {
    await someBlocks();
    const before = await readFile(join(logDirectory, "wal"));
    const node = await createTestNode(testNodeId(0), { directory, ...OWN });
    const { stateStore, blockStore, privValidator } = node.home;
    const state = await stateStore.load();
    const key = await privValidator?.publicKey();
    if (state === undefined || key === undefined) throw new Error("the node has state and key");
    const replayed = await replayOffline(
      {
        ownAddress: validatorAddress(key),
        timeouts: FAST_TIMEOUTS,
        createEmptyBlocks: true,
        createEmptyBlocksIntervalMs: 0,
        skipTimeoutCommit: false,
      },
      { walDirectory: logDirectory, fileSystem: NODE_FILE_SYSTEM, state, blockStore },
    );
    expect(replayed).toMatchObject({ height: state.lastBlockHeight + 1, isLogged: true });
    expect(replayed.steps[0]).toMatchObject({ input: { kind: "heightStarted" } });
    expect(replayed.outstanding.length).toBeGreaterThan(0);
    // A start tells the same inputs and stands at the same step.
    await node.engine.start();
    await untilHeight(node.engine, replayed.height);
    await node.close();
    const after = await readFile(join(logDirectory, "wal"));
    expect(after.subarray(0, before.length).equals(before)).toBe(true);
  });
});
