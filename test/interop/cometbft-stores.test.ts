/**
 * Our stores and CometBFT's, converted into each other: against what a real CometBFT v0.38.25 left when it
 * was killed between its precommit and the commit of block 9 (`node scripts/capture-cometbft-home.mjs`).
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClassicLevel } from "classic-level";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { createEd25519Verifier, verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { decodeCometLogMessage } from "../../sequencer/cometbft/stores/comet-log-message.ts";
import {
  type ConversionOptions,
  convertFromComet,
  convertToComet,
} from "../../sequencer/cometbft/stores/convert.ts";
import { heightAfter, replayHeight } from "../../sequencer/cometbft/stores/height-under-way.ts";
import { endInCometLog, recordsAfterEnd } from "../../sequencer/cometbft/stores/log-tail.ts";
import { openEngineHome } from "../../sequencer/engine/engine-home.ts";
import { parseGenesis } from "../../sequencer/engine/genesis.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { entriesToHeight } from "../../sequencer/engine/replay.ts";
import { frameRecord, scanFrames } from "../../sequencer/engine/wal/record-frames.ts";
import { decodeWalEntry, endHeightOf } from "../../sequencer/engine/wal/wal-entry.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { checkStores } from "../../sequencer/store/check-stores.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { conversionOptions } from "../support/conversion.ts";

const CAPTURED = fileURLToPath(new URL("cometbft-home/", import.meta.url));
const verifier = createEd25519Verifier();
const genesis = parseGenesis(readFileSync(join(CAPTURED, "genesis.json"), "utf8"));
const [only] = genesis.validators;
if (only === undefined) throw new Error("the captured chain has a validator");
const ownAddress = validatorAddress(only.publicKey);
/** What the signer signed last: the block of height 9 is locked. */
const UNDER_WAY = 9;

let root: string;
let comet: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weft-comet-stores-"));
  comet = join(root, "comet");
  // Reading a database writes to its folder.
  cpSync(join(CAPTURED, "data"), comet, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function options(from: string, to: string): ConversionOptions {
  return {
    ...conversionOptions(ownAddress),
    from,
    to: join(root, to),
  };
}

async function fromComet() {
  const converted = await convertFromComet(options(comet, "ours"), { verify: verifyEd25519Sync });
  return { converted, ours: join(root, "ours") };
}

const openOurs = (dataDirectory: string) =>
  openEngineHome({ dataDirectory, privValidatorKeyPath: undefined });

describe("CometBFT's data as ours", () => {
  it("behavior: every block, commit, validator set and answer fits together in our stores", async () => {
    const { converted, ours } = await fromComet();
    expect(converted).toMatchObject({ base: 1, height: 8, stateHeight: 8 });
    const home = await openOurs(ours);
    try {
      const check = await checkStores({ from: 1 }, { ...home, verifier });
      expect(check.faults).toEqual([]);
      expect(check).toMatchObject({ blocks: 8, height: 8, stateHeight: 8 });
      const parts = await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map(async (height) => home.blockStore.meta(Height(height))),
      );
      // A block of two parts lies in our append-only files.
      expect(parts.some((meta) => (meta?.blockId.partSetHeader.total ?? 0) > 1)).toBe(true);
      expect(await home.blockStore.extendedCommit(Height(2))).toBeUndefined();
      expect((await home.blockStore.extendedCommit(Height(3)))?.height).toBe(3);
    } finally {
      await home.close();
    }
  });

  it("behavior: the lock, the votes and the block of the height under way are not forgotten", async () => {
    const { converted, ours } = await fromComet();
    expect(converted.logRecords).toBeGreaterThan(5);
    const home = await openOurs(ours);
    try {
      const state = await home.stateStore.load();
      if (state === undefined) throw new Error("a state was converted");
      const { payloads } = scanFrames(readFileSync(join(ours, "cs.wal", "wal")));
      const at = payloads.findIndex((payload) => endHeightOf(payload) === UNDER_WAY - 1);
      const entries = payloads.slice(at + 1).map(decodeWalEntry);
      const { consensus } = options("", "");
      const height = await heightAfter(state, home.blockStore, consensus);
      const core = replayHeight(height, entriesToHeight(entries, Height(UNDER_WAY)));
      expect(core.view).toMatchObject({ height: UNDER_WAY, round: 0, lockedRound: 0 });
      const own = core.view.votes(core.view.round, 2)?.voteAt(0);
      expect(own && toHex(own.blockId.hash)).toBe(
        toHex(core.view.lockedBlockId?.hash ?? ownAddress),
      );
      // With its own precommit the only validator has decided: what remains is to commit.
      expect(core.outstanding().map(({ kind }) => kind)).toContain("commitBlock");
    } finally {
      await home.close();
    }
  });

  it("behavior: our signer reads what CometBFT's signed last", async () => {
    const file = await openSignStateFile(
      join(comet, "priv_validator_state.json"),
      false,
      NODE_FILE_SYSTEM,
    );
    expect(file.state).toMatchObject({ height: UNDER_WAY, round: 0, step: 3 });
    await file.close();
  });

  it("error: a missing part is named", async () => {
    const blocks = openView(join(comet, "blockstore.db"));
    await blocks.del(new TextEncoder().encode("P:4:0"));
    await blocks.close();
    await expect(fromComet()).rejects.toMatchObject({
      code: "STORE_COMETBFT_DAMAGED",
      info: { place: "P:4:0" },
    });
  });

  it("error: stores older than the log are refused", async () => {
    const log = join(comet, "cs.wal", "wal");
    const end = new Uint8Array([10, 0, 18, 4, 34, 2, 8, UNDER_WAY]);
    expect(decodeCometLogMessage(end)).toEqual({ kind: "endHeight", height: UNDER_WAY });
    writeFileSync(log, Buffer.concat([readFileSync(log), frameRecord(end)]));
    await expect(fromComet()).rejects.toMatchObject({ code: "WAL_NOT_CONVERTIBLE" });
  });

  it("error: a precommit without what led to it is not carried over", async () => {
    const log = join(comet, "cs.wal", "wal");
    const { payloads } = scanFrames(readFileSync(log));
    const kept = payloads.filter((payload) => {
      const logged = decodeCometLogMessage(payload);
      const isProposal = logged.kind === "message" && logged.message.kind === "proposal";
      return !(isProposal && logged.message.proposal.height === UNDER_WAY);
    });
    expect(kept.length).toBeLessThan(payloads.length);
    writeFileSync(log, Buffer.concat(kept.map(frameRecord)));
    await expect(fromComet()).rejects.toMatchObject({ code: "WAL_NOT_CONVERTIBLE" });
  });

  it("error: damage in the height under way is refused, damage before it is not", async () => {
    const log = join(comet, "cs.wal", "wal");
    const bytes = readFileSync(log);
    const damagedAt = (at: number): Uint8Array => {
      const damaged = new Uint8Array(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      return damaged;
    };
    const { payloads } = scanFrames(bytes);
    const last = payloads.at(-3);
    if (last === undefined) throw new Error("the captured log has records");
    writeFileSync(log, damagedAt(last.byteOffset - bytes.byteOffset));
    await expect(fromComet()).rejects.toMatchObject({ code: "WAL_NOT_CONVERTIBLE" });
    rmSync(join(root, "ours"), { recursive: true });

    // In a file of its own, as a full one is, what is older than the last end does not matter.
    writeFileSync(join(comet, "cs.wal", "wal.000"), damagedAt(100));
    writeFileSync(log, bytes);
    expect((await fromComet()).converted.logRecords).toBeGreaterThan(5);
  });
});

describe("our data as CometBFT's", () => {
  it("behavior: what came from CometBFT goes back to it byte by byte", async () => {
    const { ours } = await fromComet();
    const back = options(ours, "back");
    expect(await convertToComet(back, { verify: verifyEd25519Sync })).toMatchObject({
      height: 8,
      stateHeight: 8,
    });
    for (const name of ["blockstore", "state", "evidence"]) {
      const [before, after] = await Promise.all(
        [comet, back.to].map((folder) => contents(join(folder, `${name}.db`))),
      );
      // CometBFT keeps a copy of the genesis file, and writes both at its next start.
      for (const own of ["genesisDoc", "offlineStateSyncHeightKey"]) before?.delete(own);
      expect(after, name).toEqual(before);
    }
    expect(existsSync(join(back.to, "cs.wal", "wal"))).toBe(true);
  });

  it("behavior: the log goes back with the same messages of ours, in order", async () => {
    const { ours } = await fromComet();
    const back = options(ours, "back");
    await convertToComet(back, { verify: verifyEd25519Sync });
    const said = async (folder: string) => {
      const tail = await recordsAfterEnd(
        join(folder, "cs.wal"),
        Height(UNDER_WAY - 1),
        endInCometLog,
        NODE_FILE_SYSTEM,
      );
      return (tail ?? [])
        .map(decodeCometLogMessage)
        .filter((logged) => logged.kind === "message" || logged.kind === "timeout")
        .map((logged) => (logged.kind === "timeout" ? { ...logged, durationNanos: 0n } : logged));
    };
    const before = await said(comet);
    expect(before.length).toBeGreaterThan(4);
    expect(await said(back.to)).toEqual(before);
  });
});

function openView(path: string) {
  const view = { keyEncoding: "view", valueEncoding: "view" } as const;
  return new ClassicLevel<Uint8Array, Uint8Array>(path, view);
}

async function contents(path: string): Promise<Map<string, string>> {
  const database = openView(path);
  const found = new Map<string, string>();
  for await (const [key, value] of database.iterator()) {
    found.set(Buffer.from(key).toString("latin1"), toHex(value));
  }
  await database.close();
  return found;
}
