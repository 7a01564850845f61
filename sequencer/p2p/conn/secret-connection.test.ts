import { createCipheriv, createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../../../proto/bytes.ts";
import { createSocketPair, eventually, type SocketPair } from "../../../test/support/loopback.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { verifyEd25519Sync as verifySignature } from "../../../proto/verify/ed25519.ts";
import type { P2pError } from "../errors.ts";
import { createFrameReader } from "./frame-reader.ts";
import { createFrameWriter, FRAME_SEALED_BYTES } from "./frame-writer.ts";
import { createNodeKey } from "../node-key.ts";
import { openSecretConnection, type SecretConnection } from "./secret-connection.ts";

const pairs: SocketPair[] = [];
afterEach(async () => {
  for (const pair of pairs.splice(0)) await pair.close();
});

async function socketPair(): Promise<SocketPair> {
  const pair = await createSocketPair();
  pairs.push(pair);
  return pair;
}

async function securePair(): Promise<readonly [SecretConnection, SecretConnection]> {
  const { dialed, accepted } = await socketPair();
  const open = (socket: Socket): Promise<SecretConnection> =>
    openSecretConnection({ socket }, { signer: createNodeKey(), verifySignature });
  return Promise.all([open(dialed), open(accepted)]);
}

function closed(connection: SecretConnection): Promise<P2pError> {
  return new Promise((resolve) => connection.onClose(resolve));
}

/** Sends `bytes` through the writer as its owner must: in pieces, waiting for room. */
function pour(connection: SecretConnection, bytes: Uint8Array): void {
  let at = 0;
  const more = (): void => {
    while (at < bytes.length) {
      const end = Math.min(at + 1_036, bytes.length);
      if (!connection.writer.hasRoom(end - at)) return;
      connection.writer.write(bytes, at, end);
      at = end;
    }
    connection.writer.flush();
  };
  connection.setRoomListener(more);
  more();
}

describe("secret connection", () => {
  test("proves each side's key to the other and carries handshake messages", async () => {
    const { dialed, accepted } = await socketPair();
    const [keyA, keyB] = [createNodeKey(), createNodeKey()];
    const [a, b] = await Promise.all([
      openSecretConnection({ socket: dialed }, { signer: keyA, verifySignature }),
      // The side that was dialed may wait; what is derived is the same.
      openSecretConnection(
        { socket: accepted, waitsForRemote: true },
        { signer: keyB, verifySignature },
      ),
    ]);
    expect(toHex(a.remotePublicKey)).toBe(toHex(keyB.publicKey));
    expect(toHex(b.remotePublicKey)).toBe(toHex(keyA.publicKey));
    a.send(concatBytes(new Uint8Array([3, 1, 2, 3, 2]), new Uint8Array([9, 9])));
    expect(toHex(await b.readDelimited(100))).toBe("03010203");
    expect(toHex(await b.readDelimited(100))).toBe("020909");
  });

  test.each([false, true])(
    "carries 3 MB each way unchanged (large frames: %s)",
    async (isLarge) => {
      const [a, b] = await securePair();
      if (isLarge) for (const connection of [a, b]) connection.useLargeFrames();
      const payloads = [randomBytes(3_000_000), randomBytes(3_000_000)] as const;
      const hashes = [createHash("sha256"), createHash("sha256")] as const;
      const counts = [0, 0];
      for (const [i, connection] of [a, b].entries()) {
        connection.stream((bytes, start, end) => {
          hashes[i === 0 ? 0 : 1].update(bytes.subarray(start, end));
          counts[i] = (counts[i] ?? 0) + end - start;
        });
      }
      pour(a, payloads[0]);
      pour(b, payloads[1]);
      await eventually(() => counts.every((count) => count === 3_000_000), "both streams arrive");
      expect(hashes[1].digest("hex")).toBe(createHash("sha256").update(payloads[0]).digest("hex"));
      expect(hashes[0].digest("hex")).toBe(createHash("sha256").update(payloads[1]).digest("hex"));
      expect(a.writer.bytesInFlight).toBe(0);
      expect(b.bytesReceived).toBe(a.bytesSent);
      expect(a.bytesSent / 3_000_000).toBeLessThan(isLarge ? 1.002 : 1.05);
    },
  );

  test("a stream that begins late gets what came before it", async () => {
    const [a, b] = await securePair();
    a.send(new Uint8Array([1, 7, 42, 43]));
    expect(toHex(await b.readDelimited(10))).toBe("0107");
    const seen: number[] = [];
    b.stream((bytes, start, end) => seen.push(...bytes.subarray(start, end)));
    a.send(new Uint8Array([44]));
    await eventually(() => seen.length === 3, "three bytes");
    expect(seen).toEqual([42, 43, 44]);
  });

  test("refuses a signature by another key", async () => {
    const { dialed, accepted } = await socketPair();
    const [honest, other] = [createNodeKey(), createNodeKey()];
    const liar = {
      publicKey: other.publicKey,
      sign: (message: Uint8Array) => honest.sign(message),
    };
    const results = await Promise.allSettled([
      openSecretConnection({ socket: dialed }, { signer: liar, verifySignature }),
      openSecretConnection({ socket: accepted }, { signer: honest, verifySignature }),
    ]);
    expect(results[1]).toMatchObject({
      status: "rejected",
      reason: { code: "P2P_HANDSHAKE_BAD_SIGNATURE" },
    });
  });

  test.each([
    ["a low-order point", `220a20${"00".repeat(32)}`, "P2P_HANDSHAKE_LOW_ORDER_POINT"],
    ["another message", "220a21".padEnd(70, "0"), "P2P_HANDSHAKE_MALFORMED"],
    ["HTTP", toHex(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")), "P2P_HANDSHAKE_MALFORMED"],
  ])("refuses %s as ephemeral key", async (_name, hex, code) => {
    const { dialed, accepted } = await socketPair();
    dialed.write(fromHex(hex));
    await expect(
      openSecretConnection({ socket: accepted }, { signer: createNodeKey(), verifySignature }),
    ).rejects.toMatchObject({ code });
    await eventually(() => accepted.destroyed, "the socket is destroyed");
  });

  test("closes on a frame that does not authenticate", async () => {
    const { dialed, accepted } = await socketPair();
    const open = (socket: Socket): Promise<SecretConnection> =>
      openSecretConnection({ socket }, { signer: createNodeKey(), verifySignature });
    const [, b] = await Promise.all([open(dialed), open(accepted)]);
    b.stream(() => {});
    dialed.write(randomBytes(FRAME_SEALED_BYTES));
    expect((await closed(b)).code).toBe("P2P_FRAME_TAMPERED");
  });

  test("a handshake message over its limit closes the connection", async () => {
    const [a, b] = await securePair();
    a.send(new Uint8Array([0x80, 0x80, 0x04]));
    await expect(b.readDelimited(10_240)).rejects.toMatchObject({
      code: "P2P_HANDSHAKE_MALFORMED",
    });
    expect((await closed(b)).code).toBe("P2P_HANDSHAKE_MALFORMED");
  });

  test("a peer that sends while we do not read is held back", async () => {
    const [a, b] = await securePair();
    pour(a, new Uint8Array(4_000_000));
    // Nothing reads at b: the socket pauses, so the flood stops in the kernel and memory is flat.
    await eventually(() => b.bytesReceived > 0 && !a.writer.hasRoom(1_036), "back-pressure");
    expect(b.bytesReceived).toBeLessThan(1_000_000);
  });
});

describe("frames", () => {
  const key = new Uint8Array(32).fill(7);
  const seal = (isLarge: boolean, ...messages: readonly Uint8Array[]): Uint8Array[] => {
    const sealed: Uint8Array[] = [];
    const writer = createFrameWriter(
      { key },
      { sink: (bytes) => sealed.push(bytes.slice()), onRoom: () => {} },
    );
    if (isLarge) writer.useLargeFrames();
    for (const message of messages) {
      writer.write(message, 0, message.length);
      writer.flush();
    }
    return sealed;
  };
  const open = (isLarge: boolean, ...chunks: readonly Uint8Array[]): string => {
    let plain = "";
    const reader = createFrameReader(
      { key },
      {
        sink: (bytes, start, end) => {
          plain += toHex(bytes.subarray(start, end));
          return true;
        },
      },
    );
    if (isLarge) reader.useLargeFrames();
    for (const chunk of chunks) reader.push(chunk, 0);
    return plain;
  };
  const [one, two] = [new Uint8Array([1, 2]), new Uint8Array([3])];

  test.each([false, true])("open in order, byte by byte too (large: %s)", (isLarge) => {
    const sealed = concatBytes(...seal(isLarge, one, two));
    expect(open(isLarge, sealed)).toBe("010203");
    expect(open(isLarge, ...Array.from(sealed, (byte) => new Uint8Array([byte])))).toBe("010203");
  });

  test.each([false, true])("a replayed or reordered frame is refused (large: %s)", (isLarge) => {
    const [first, second] = seal(isLarge, one, two);
    if (first === undefined || second === undefined) throw new Error("two frames were sealed");
    expect(() => open(isLarge, first, first)).toThrow(/does not authenticate/);
    expect(() => open(isLarge, second, first)).toThrow(/does not authenticate/);
  });

  test.each([false, true])("any flipped bit is refused (large: %s)", (isLarge) => {
    const sealed = concatBytes(...seal(isLarge, one));
    const places = isLarge ? [0, 4, 5, 6, sealed.length - 1] : [0, 5, 1_000, sealed.length - 1];
    for (const at of places) {
      const flipped = sealed.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      // A changed clear length either fails to authenticate or waits for bytes that never come.
      expect(
        outcome(() => open(isLarge, flipped)),
        `byte ${at}`,
      ).toMatch(/^(P2P_FRAME_TAMPERED)?$/);
    }
  });

  test("a small frame is 1,044 bytes, padded with zeros", () => {
    const [frame] = seal(false, one);
    expect(frame).toHaveLength(1_044);
  });

  test("an authentic frame that claims more than 1,024 bytes is refused", () => {
    const plain = new Uint8Array(1_028);
    plain[1] = 5;
    const cipher = createCipheriv("chacha20-poly1305", key, new Uint8Array(12), {
      authTagLength: 16,
    });
    const sealed = concatBytes(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    expect(() => open(false, sealed)).toThrow(/claims 1280/);
    expect(() => open(true, new Uint8Array([1, 0, 1, 0]))).toThrow(/claims 65537/);
  });
});

/** What `attempt` returns, or the code it fails with. */
function outcome(attempt: () => string): string {
  try {
    return attempt();
  } catch (error) {
    return isWeftError(error) ? error.code : String(error);
  }
}
