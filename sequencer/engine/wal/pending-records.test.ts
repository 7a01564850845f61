import { expect, test } from "vitest";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { PendingRecords } from "./pending-records.ts";
import { scanFrames } from "./record-frames.ts";

const texts = (bytes: Uint8Array): string[] =>
  scanFrames(bytes).payloads.map((payload) => Buffer.from(payload).toString("utf8"));

test("records come out framed and in order, however the payload's buffer is used afterwards", () => {
  const pending = new PendingRecords();
  const payload = utf8ToBytes("first");
  pending.append(payload);
  payload.fill(0);
  pending.append(utf8ToBytes("second"));
  expect(texts(pending.take())).toEqual(["first", "second"]);
  expect(pending.isEmpty).toBe(true);
});

test("what is appended while a batch is being written belongs to the next one", () => {
  const pending = new PendingRecords();
  for (let round = 0; round < 4; round++) {
    pending.append(utf8ToBytes(`${round} a`));
    const out = pending.take();
    pending.append(utf8ToBytes(`${round} b`));
    expect(texts(out)).toEqual([`${round} a`]);
    pending.giveBack(out);
    const rest = pending.take();
    expect(texts(rest)).toEqual([`${round} b`]);
    pending.giveBack(rest);
  }
});

test("large records make the buffer grow, and leave it whole", () => {
  const pending = new PendingRecords();
  const large = Array.from({ length: 5 }, (_, i) => new Uint8Array(1 << 20).fill(i + 1));
  for (const payload of large) pending.append(payload);
  const out = pending.take();
  expect(scanFrames(out).payloads.map((payload) => [payload.length, payload[0]])).toEqual(
    large.map((payload, i) => [payload.length, i + 1]),
  );
  pending.giveBack(out);
  pending.append(utf8ToBytes("after"));
  expect(texts(pending.take())).toEqual(["after"]);
});
