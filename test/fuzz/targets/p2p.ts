/** What comes over a peer's connection below the messages: packets, frames, NodeInfo, the handshake. */
import {
  decodeBodiesMessage,
  encodeBodiesMessage,
} from "../../../sequencer/p2p/bodies/messages.ts";
import {
  decodeCompactPart,
  decodeWantedPart,
  encodeCompactPart,
  encodeWantedPart,
} from "../../../sequencer/p2p/compact-parts/messages.ts";
import { createCipheriv } from "node:crypto";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import * as any from "../../support/arbitraries.ts";
import * as fc from "fast-check";
import { concatBytes, EMPTY_BYTES } from "../../../proto/bytes.ts";
import { bytesToDigest } from "../../../proto/hash.ts";
import { Height, NodeId, Round } from "../../../proto/brands.ts";
import {
  encodeAuthSigMessage,
  encodeNodeInfo,
  encodePacket,
} from "../../../proto/codec/p2p-messages.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
} from "../../../proto/verify/ed25519.ts";
import { parseHostPort, parsePeerAddress } from "../../../sequencer/p2p/address.ts";
import { createFrameReader } from "../../../sequencer/p2p/conn/frame-reader.ts";
import { createNonce, FRAME_PLAIN_BYTES } from "../../../sequencer/p2p/conn/frame-writer.ts";
import { createEphemeralKey, deriveSession } from "../../../sequencer/p2p/conn/key-schedule.ts";
import { createPacketParser } from "../../../sequencer/p2p/conn/packet.ts";
import { openSecretConnection } from "../../../sequencer/p2p/conn/secret-connection.ts";
import { decodeNeighbours, encodeNeighbours } from "../../../sequencer/p2p/consensus/neighbours.ts";
import { P2pError } from "../../../sequencer/p2p/errors.ts";
import { readNodeInfo } from "../../../sequencer/p2p/node-info.ts";
import { parseBook } from "../../../sequencer/p2p/pex/address-book-file.ts";
import { ipGroup, parseIp } from "../../../sequencer/p2p/pex/ip-address.ts";
import { formatSignerAddress, parseSignerAddress } from "../../../sequencer/signer/address.ts";
import {
  attempt,
  attemptAsync,
  codec,
  coded,
  Finding,
  lenientCodec,
  plainDecoder,
  type Target,
  toText,
} from "../target.ts";
import { sampled } from "./chain.ts";

const P2P = coded("P2P_");

const compactParts = fc.record({
  height: fc.nat().map(Height),
  round: fc.nat().map(Round),
  part: any.parts.map((part) => ({ ...part, bytes: EMPTY_BYTES })),
  pieces: fc.array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.record({
        key: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToDigest),
        start: fc.nat(100),
        end: fc.integer({ min: 101, max: 5_000 }),
      }),
    ),
    { maxLength: 5 },
  ),
});

export const P2P_TARGETS: readonly Target[] = [
  packetStream(),
  frames("frames of CometBFT", false),
  frames("Weft frames", true),
  handshake("handshake: first message", "ephemeral"),
  handshake("handshake: authentication", "auth"),
  lenientCodec({
    name: "neighbours",
    covers: ["sequencer/p2p/consensus/neighbours.ts#decodeNeighbours"],
    decode: decodeNeighbours,
    encode: (ids) => encodeNeighbours([...ids]),
    seeds: sampled(
      fc.array(fc.stringMatching(/^[0-9a-f]{40}$/).map(NodeId), { maxLength: 5 }),
      encodeNeighbours,
    ),
    isRefusal: (error) => codec(error) || P2P(error),
  }),
  plainDecoder({
    name: "message of the bodies channel",
    covers: ["sequencer/p2p/bodies/messages.ts#decodeBodiesMessage"],
    format: "protobuf",
    decode: decodeBodiesMessage,
    seeds: sampled(
      fc.oneof(
        fc
          .array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 4 })
          .map((ids) => ({ kind: "wanted" as const, ids })),
        fc
          .array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 4 })
          .map((items) => ({ kind: "bodies" as const, items })),
      ),
      encodeBodiesMessage,
    ),
    isRefusal: (error) => codec(error) || P2P(error),
  }),
  plainDecoder({
    name: "compact part of a block",
    covers: ["sequencer/p2p/compact-parts/messages.ts#decodeCompactPart"],
    format: "protobuf",
    decode: decodeCompactPart,
    seeds: sampled(compactParts, encodeCompactPart),
    isRefusal: (error) => codec(error) || P2P(error),
  }),
  plainDecoder({
    name: "wanted part of a block",
    covers: ["sequencer/p2p/compact-parts/messages.ts#decodeWantedPart"],
    format: "protobuf",
    decode: decodeWantedPart,
    seeds: sampled(
      fc.record({
        height: fc.integer({ min: 1 }).map(Height),
        round: fc.nat().map(Round),
        index: fc.nat(1_600),
      }),
      encodeWantedPart,
    ),
    isRefusal: (error) => codec(error) || P2P(error),
  }),
  plainDecoder({
    name: "NodeInfo of a peer",
    covers: ["sequencer/p2p/node-info.ts#readNodeInfo"],
    format: "protobuf",
    decode: readNodeInfo,
    seeds: sampled(
      any.nodeInfos.map((info) => ({
        ...info,
        listenAddress: "tcp://127.0.0.1:26656",
        moniker: "node",
        version: "0.38.25",
      })),
      encodeNodeInfo,
    ),
    isRefusal: P2P,
  }),
  plainDecoder({
    name: "peer address",
    covers: ["sequencer/p2p/address.ts#parsePeerAddress", "sequencer/p2p/address.ts#parseHostPort"],
    format: "text",
    decode: (bytes) => {
      const text = toText(bytes);
      return attempt(() => parseHostPort(text), P2P) === "accepted" ? text : parsePeerAddress(text);
    },
    seeds: () =>
      [
        "tcp://127.0.0.1:26656",
        `${"ab".repeat(20)}@host.example:1`,
        `${"cd".repeat(20)}@[::1]:26656`,
      ].map((text) => new TextEncoder().encode(text)),
    isRefusal: P2P,
    bytesMax: 4_096,
  }),
];

export const ADDRESS_TARGETS: readonly Target[] = [
  plainDecoder({
    name: "signer address",
    covers: ["sequencer/signer/address.ts#parseSignerAddress"],
    format: "text",
    decode: (bytes) => {
      const address = parseSignerAddress(toText(bytes));
      if (
        formatSignerAddress(parseSignerAddress(formatSignerAddress(address))) !==
        formatSignerAddress(address)
      ) {
        throw new Finding("an address has two forms");
      }
    },
    seeds: () =>
      ["tcp://127.0.0.1:26659", `tcp://${"ab".repeat(20)}@[::1]:1`, "unix:///run/signer.sock"].map(
        (text) => new TextEncoder().encode(text),
      ),
    isRefusal: coded("SIGNER_"),
    bytesMax: 4_096,
  }),
  {
    name: "IP address",
    covers: ["sequencer/p2p/pex/ip-address.ts#parseIp"],
    format: "text",
    bytesMax: 200,
    seeds: () =>
      ["127.0.0.1", "::1", "2001:db8::1:2", "::ffff:10.0.0.1", "fe80::1%eth0"].map((text) =>
        new TextEncoder().encode(text),
      ),
    run: (bytes) => {
      const ip = parseIp(toText(bytes));
      if (ip === undefined) return "refused ";
      if (ip.length !== 16) throw new Finding(`an address of ${ip.length} bytes`);
      ipGroup(ip, true);
      return "accepted";
    },
  },
  plainDecoder({
    name: "address book",
    covers: ["sequencer/p2p/pex/address-book-file.ts#parseBook"],
    format: "json",
    decode: (bytes) => parseBook(toText(bytes)),
    seeds: bookSeeds,
    // Whatever is wrong, the file is set aside.
    isRefusal: (error) =>
      error instanceof SyntaxError ||
      (error instanceof RangeError && !error.message.includes("call stack")),
    weight: 0.3,
  }),
];

export function bookSeeds(): readonly Uint8Array[] {
  const addr = { id: "ab".repeat(20), ip: "10.1.2.3", port: 26_656 };
  const entry = {
    addr,
    src: { ...addr, id: "cd".repeat(20) },
    buckets: [3],
    attempts: 1,
    bucket_type: 2,
    last_attempt: "2024-01-01T00:00:00Z",
    last_success: "2024-01-01T00:00:00Z",
    last_ban_time: "0001-01-01T00:00:00Z",
  };
  return [
    { key: "0a0b", addrs: [entry, entry] },
    { key: "0a", addrs: null },
  ].map((book) => new TextEncoder().encode(JSON.stringify(book)));
}

/** A stream of packets in spans of all lengths: the same packets whatever the spans. */
function packetStream(): Target {
  const read = (bytes: Uint8Array, spans: number): string => {
    const seen: string[] = [];
    const parser = createPacketParser(
      {
        ping: () => void seen.push("ping"),
        pong: () => void seen.push("pong"),
        data: (channel, isLast, data, start, end) => {
          if (start > end || end > data.length)
            throw new Finding(`a span of ${start} to ${end} of ${data.length}`);
          seen.push(
            `${channel} ${String(isLast)} ${end - start} ${start < end ? (data[start] ?? 0) : ""}`,
          );
        },
      },
      1_024,
    );
    try {
      for (let at = 0; at < bytes.length; at += spans)
        parser.push(bytes, at, Math.min(bytes.length, at + spans));
    } catch (error) {
      if (!(error instanceof P2pError)) throw error;
      seen.push(error.code);
    }
    return seen.join("\n");
  };
  return {
    name: "packet stream",
    covers: [],
    format: "protobuf",
    seeds: (seed) => {
      const packets = fc
        .sample(any.packets, { seed, numRuns: 30 })
        .map((packet) => encodePacket(packet));
      return packets.map((packet, i) =>
        concatBytes(packet, packets[(i + 1) % packets.length] ?? packet),
      );
    },
    run: (bytes) => {
      const whole = read(bytes, bytes.length + 1);
      const cut = read(bytes, 1 + (bytes.length % 7));
      if (whole !== cut)
        throw new Finding(
          `cut in spans it reads ${cut.slice(0, 200)}, whole ${whole.slice(0, 200)}`,
        );
      return whole.includes("P2P_") ? "refused " : "accepted";
    },
  };
}

const KEY = new Uint8Array(32).fill(7);

/** The input is what a peer with the right key seals: length field and data, or the sealed bytes themselves. */
function frames(name: string, isLarge: boolean): Target {
  return {
    name,
    covers: [],
    format: "binary",
    weight: 0.2,
    bytesMax: 8_192,
    seeds: () =>
      [0, 1, 100, 1_024].map((length) => {
        const plain = new Uint8Array(4 + length).fill(9);
        new DataView(plain.buffer).setUint32(0, length, true);
        return plain;
      }),
    run: (bytes) => {
      let length = 0;
      const reader = createFrameReader(
        { key: KEY },
        {
          sink: (slab, start, end) => {
            if (start > end || end > slab.length) throw new Finding(`a span of ${start} to ${end}`);
            length += end - start;
            return true;
          },
        },
      );
      if (isLarge) reader.useLargeFrames();
      const wire = (bytes.length & 1) === 0 ? seal(bytes, isLarge) : bytes;
      return attempt(() => {
        for (let at = 0; at < wire.length; at += 700) {
          const chunk = wire.slice(at, at + 700);
          if (reader.push(chunk, 0) !== chunk.length) throw new Finding("bytes are left over");
        }
        if (length > wire.length)
          throw new Finding(`${length} bytes of plaintext in ${wire.length}`);
      }, P2P);
    },
  };
}

function seal(bytes: Uint8Array, isLarge: boolean): Uint8Array {
  if (isLarge) {
    const head = bytes.subarray(0, 4);
    return concatBytes(head, encrypt(bytes.subarray(4), head, createNonce().bytes, KEY));
  }
  return sealedFrames(bytes, FRAME_PLAIN_BYTES, KEY, (data) => data);
}

/** CometBFT's frames over pieces of `bytes`, made into plaintext by `toPlain`. */
function sealedFrames(
  bytes: Uint8Array,
  pieceBytes: number,
  key: Uint8Array,
  toPlain: (piece: Uint8Array) => Uint8Array,
): Uint8Array {
  const nonce = createNonce();
  const frames: Uint8Array[] = [];
  for (let at = 0; at < Math.max(1, bytes.length); at += pieceBytes) {
    const plain = new Uint8Array(FRAME_PLAIN_BYTES);
    plain.set(toPlain(bytes.subarray(at, at + pieceBytes)));
    frames.push(encrypt(plain, undefined, nonce.bytes, key));
    nonce.increment();
  }
  return concatBytes(...frames);
}

function encrypt(
  plain: Uint8Array,
  associated: Uint8Array | undefined,
  nonce: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  if (associated !== undefined) cipher.setAAD(associated, { plaintextLength: plain.length });
  const body = cipher.update(plain);
  return concatBytes(body, cipher.final(), cipher.getAuthTag());
}

/** The other end of a connection, as a script: what it writes, given what it reads. */
class ScriptedSocket extends Duplex {
  readonly #answer: (received: Uint8Array, socket: ScriptedSocket) => void;
  #received: Uint8Array = new Uint8Array(0);

  constructor(answer: (received: Uint8Array, socket: ScriptedSocket) => void) {
    super();
    this.#answer = answer;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#received = concatBytes(this.#received, chunk);
    done();
    this.#answer(this.#received, this);
  }
}

/** A handshake with a peer that knows the protocol, but whose message is the input. */
function handshake(name: string, stage: "ephemeral" | "auth"): Target {
  const own = ed25519KeyPairFromSeed(new Uint8Array(32).fill(1));
  const peer = ed25519KeyPairFromSeed(new Uint8Array(32).fill(2));
  const ephemeral = createEphemeralKey(new Uint8Array(32).fill(3));
  const theirs = createEphemeralKey(new Uint8Array(32).fill(4));
  const session = deriveSession(theirs, ephemeral.publicKey);
  const first = concatBytes(new Uint8Array([0x22, 0x0a, 0x20]), theirs.publicKey);
  const auth = encodeAuthSigMessage({
    publicKey: { type: "ed25519", bytes: peer.publicKey },
    signature: signEd25519(peer, session.challenge),
  });
  return {
    name,
    covers: ["sequencer/p2p/conn/secret-connection.ts#openSecretConnection"],
    format: "protobuf",
    weight: 0.02,
    bytesMax: 4_096,
    seeds: () => [stage === "ephemeral" ? first : auth],
    run: (bytes) => {
      let isAnswered = false;
      const socket = new ScriptedSocket((received, self) => {
        if (received.length < 35 || isAnswered) return;
        isAnswered = true;
        self.push(stage === "ephemeral" ? bytes : first);
        self.push(sealed(stage === "auth" ? bytes : auth, session.sendKey));
        // A socket whose other end is gone closes by itself.
        self.once("end", () => self.destroy());
        self.push(null);
      });
      const opened = openSecretConnection(
        // What the handshake uses of a socket is a duplex stream and `setNoDelay`.
        { socket: socket as unknown as Socket, ephemeralKey: ephemeral },
        {
          signer: { publicKey: own.publicKey, sign: (message) => signEd25519(own, message) },
          verifySignature: verifyEd25519Sync,
        },
      );
      return attemptAsync(async () => {
        const connection = await opened;
        if (Buffer.compare(connection.remotePublicKey, peer.publicKey) !== 0) {
          throw new Finding("authenticated as somebody else");
        }
        connection.close(new P2pError("P2P_SOCKET_CLOSED", "done"));
      }, P2P);
    },
  };
}

/** A message in CometBFT's frames, as the first ones sealed with a key. */
export function sealed(message: Uint8Array, key: Uint8Array): Uint8Array {
  return sealedFrames(message, FRAME_PLAIN_BYTES - 4, key, (data) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, data.length, true);
    return concatBytes(length, data);
  });
}
