import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../../../proto/bytes.ts";
import { isWeftError } from "../../../proto/errors.ts";
import {
  createPacketParser,
  PACKET_HEADER_BYTES_MAX,
  PING_PACKET,
  PONG_PACKET,
  writePacketHeader,
} from "./packet.ts";

type Seen = "ping" | "pong" | `${number}${"." | "+"}${string}`;

function packet(channelId: number, isLast: boolean, data: Uint8Array): Uint8Array {
  const header = new Uint8Array(PACKET_HEADER_BYTES_MAX);
  const length = writePacketHeader(header, channelId, isLast, data.length);
  return concatBytes(header.subarray(0, length), data);
}

function parse(...spans: readonly Uint8Array[]): Seen[] {
  return parseWith(1_024, ...spans);
}

function parseWith(payloadBytesMax: number, ...spans: readonly Uint8Array[]): Seen[] {
  const seen: Seen[] = [];
  const parser = createPacketParser(
    {
      ping: () => seen.push("ping"),
      pong: () => seen.push("pong"),
      data: (channelId, isLast, bytes, start, end) =>
        seen.push(`${channelId}${isLast ? "." : "+"}${toHex(bytes.subarray(start, end))}`),
    },
    payloadBytesMax,
  );
  for (const span of spans) parser.push(span, 0, span.length);
  return seen;
}

describe("packets", () => {
  test("are the bytes of CometBFT's Packet", () => {
    expect(toHex(PING_PACKET)).toBe("020a00");
    expect(toHex(PONG_PACKET)).toBe("021200");
    // Packet{packet_msg{channel_id 1, eof true, data "data"}}, as in p2p/conn/connection_test.go.
    expect(toHex(packet(1, true, fromHex("64617461")))).toBe("0c1a0a080110011a0464617461");
    expect(toHex(packet(0x22, false, new Uint8Array(0)))).toBe("041a020822");
    const full = packet(0x21, true, new Uint8Array(1_024));
    expect(toHex(full.subarray(0, 12))).toBe("8a081a8708082110011a8008");
    expect(full).toHaveLength(2 + 1_034);
  });

  test("are found again however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            channelId: fc.integer({ min: 0, max: 127 }),
            isLast: fc.boolean(),
            data: fc.uint8Array({ maxLength: 1_024 }),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 8 }),
        (packets, cuts) => {
          const stream = concatBytes(
            ...packets.map((p) => packet(p.channelId, p.isLast, p.data)),
            PONG_PACKET,
          );
          const spans: Uint8Array[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + (cuts[i % cuts.length] ?? 1);
            spans.push(stream.subarray(at, end));
            at = end;
          }
          expect(parse(...spans)).toEqual([
            ...packets.map((p) => `${p.channelId}${p.isLast ? "." : "+"}${toHex(p.data)}`),
            "pong",
          ]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each([127, 128, 1_024, 16_383, 16_384, 32_768])("hold %i bytes where allowed", (size) => {
    const data = new Uint8Array(size).fill(7);
    const stream = concatBytes(packet(0x21, true, data), packet(0x21, false, data), PING_PACKET);
    const expected = [`33.${toHex(data)}`, `33+${toHex(data)}`, "ping"];
    expect(parseWith(32_768, stream)).toEqual(expected);
    const halves = [stream.subarray(0, size + 9), stream.subarray(size + 9)];
    expect(parseWith(32_768, ...halves)).toEqual(expected);
  });

  test("unknown fields are skipped and the last oneof member counts", () => {
    // Unknown varint field 5 before, ping, then the message; unknown field 9 inside the message.
    expect(parse(fromHex("0f28070a001a0908014a01611a020102"))).toEqual(["1+0102"]);
    expect(parse(fromHex("020a00021200"))).toEqual(["ping", "pong"]);
  });

  test.each([
    ["an empty packet", "00"],
    ["a length over the limit", "8b08"],
    ["an endless length", "ffffff"],
    ["a member longer than the packet", "041a050801"],
    ["data longer than its message", "061a0408011a09"],
    ["a group", "020b00"],
    ["an endless varint", "0d1a0b08ffffffffffffffffffff"],
  ])("refuses %s", (_name, hex) => {
    expect(() => parse(fromHex(hex))).toThrow(/expected a packet with/);
  });

  test("random bytes are refused or skipped, never thrown on otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
        expect(outcome(bytes)).toMatch(/^(parsed|P2P_PACKET_MALFORMED)$/);
      }),
      { numRuns: 500 },
    );
  });
});

function outcome(bytes: Uint8Array): string {
  try {
    parse(bytes);
    return "parsed";
  } catch (error) {
    return isWeftError(error) ? error.code : String(error);
  }
}
