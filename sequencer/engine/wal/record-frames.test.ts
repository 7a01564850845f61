import { describe, expect, test } from "vitest";
import { concatBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import { WAL_PAYLOAD_BYTES_MAX } from "../limits.ts";
import { frameRecord, scanFrames } from "./record-frames.ts";

const good = frameRecord(utf8ToBytes("a record"));

describe("scanning the records of a log file", () => {
  test("tells a torn tail from damage that good records follow", () => {
    const torn = frameRecord(new Uint8Array(500).fill(7)).subarray(0, 300);
    expect(scanFrames(concatBytes(good, good))).toMatchObject({ end: "whole" });
    expect(scanFrames(concatBytes(good, torn))).toMatchObject({
      end: "tornTail",
      goodBytes: good.length,
    });
    const damaged = good.map((byte, i) => (i === 12 ? byte ^ 1 : byte));
    expect(scanFrames(concatBytes(good, damaged, good))).toMatchObject({ end: "corrupted" });
    expect(scanFrames(concatBytes(good, damaged, good, good))).toMatchObject({ end: "corrupted" });
    // A record inside the torn one proves nothing, unless the file ends with it.
    expect(scanFrames(concatBytes(good, damaged, good, torn))).toMatchObject({ end: "tornTail" });
  });

  test("a torn record full of headers that claim large records does not hold up the start", () => {
    // As a transaction may hold them: with every header summed up, this took the square of its size.
    const headers = new Uint8Array(1 << 20);
    const view = new DataView(headers.buffer);
    for (let at = 0; at + 8 <= headers.length; at += 8)
      view.setUint32(at + 4, WAL_PAYLOAD_BYTES_MAX / 2);
    const startMs = performance.now();
    expect(scanFrames(concatBytes(good, headers)).end).toBe("tornTail");
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});
