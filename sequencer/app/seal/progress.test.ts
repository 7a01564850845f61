import { describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { committedEvent, revealedEvent, voidEvent } from "./events.ts";
import { SealProgressLog } from "./progress.ts";

const ID = new Uint8Array(32).fill(5);
const TEXT = "05".repeat(32);
const COMMIT = {
  id: ID,
  sender: new Uint8Array(20),
  hash: new Uint8Array(32),
  bucket: 256,
  places: [],
  fee: 1n,
  bond: 9n,
};

describe("progress of sealed transactions", () => {
  test("behavior: the last block that says something counts, with its reason", () => {
    const log = new SealProgressLog(10);
    const tell = (height: number, type: string, ...attributes: [string, string][]) => {
      const all = [indexed("id", TEXT), ...attributes.map(([key, value]) => plain(key, value))];
      log.record(Height(height), [event("other", []), event(type, all)]);
      return log.get(TEXT);
    };
    expect(tell(7, "seal_ordered", ["key", "2"])).toMatchObject({ state: "sealed", height: 7 });
    expect(tell(9, "seal_disputed", ["proposer", "AB"])).toMatchObject({
      state: "disputed",
      height: 9,
      reason: expect.stringContaining("AB"),
    });
    expect(tell(11, "seal_invalid", ["reason", "why"])).toEqual({
      state: "invalid",
      height: 11,
      reason: "why",
    });
    expect(tell(12, "seal_opened")).toEqual({ state: "opened", height: 12, reason: "" });
    expect(tell(13, "seal_expired", ["reason", "late"])).toMatchObject({ state: "expired" });
    expect(log.get("00".repeat(32))).toBeUndefined();
  });

  test("behavior: commits are told of likewise", () => {
    const log = new SealProgressLog(10);
    log.record(Height(3), [committedEvent(COMMIT, 19)]);
    expect(log.get(TEXT)).toMatchObject({ state: "sealed", reason: "reveal it up to block 19" });
    log.record(Height(5), [revealedEvent(ID, 3)]);
    expect(log.get(TEXT)).toEqual({ state: "opened", height: 5, reason: "" });
    log.record(Height(5), [revealedEvent(ID, 3, "no content")]);
    expect(log.get(TEXT)).toEqual({ state: "invalid", height: 5, reason: "no content" });
    log.record(Height(20), [voidEvent(COMMIT, 3)]);
    expect(log.get(TEXT)).toMatchObject({
      state: "void",
      reason: expect.stringContaining("9 nweft"),
    });
  });

  test("behavior: the oldest are forgotten", () => {
    const log = new SealProgressLog(2);
    for (const byte of ["01", "02", "03"]) {
      const id = byte.repeat(32);
      log.record(Height(1), [event("seal_opened", [indexed("id", id)])]);
    }
    expect(log.get("01".repeat(32))).toBeUndefined();
    expect(log.get("03".repeat(32))).toBeDefined();
  });
});
