import { describe, expect, test } from "vitest";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { createTranscript } from "./merlin.ts";

describe("merlin", () => {
  test("matches the reference vector of the Merlin specification", () => {
    const transcript = createTranscript("test protocol");
    transcript.append("some label", utf8ToBytes("some data"));
    expect(toHex(transcript.extract("challenge", 32))).toBe(
      "d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615",
    );
  });

  test("a message longer than the sponge rate changes the challenge in its last byte", () => {
    expect(challenge(1)).not.toBe(challenge(2));
    expect(challenge(1)).toBe(challenge(1));
  });
});

function challenge(last: number): string {
  const transcript = createTranscript("long");
  const message = new Uint8Array(1_000);
  message[999] = last;
  transcript.append("m", message);
  return toHex(transcript.extract("c", 200));
}
