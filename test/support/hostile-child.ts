/**
 * A process that attacks the p2p port of a node for a while, in every way at once, and then says what
 * became of it. Arguments: port, seconds, address of a validator in hex.
 */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { Height, Round } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../proto/codec/consensus-messages.ts";
import { encodePexMessage } from "../../proto/codec/p2p-messages.ts";
import {
  encodeBlockSyncMessage,
  encodeStateSyncMessage,
  encodeTxsMessage,
} from "../../proto/codec/sync-messages.ts";
import { type BlockId, SignedMsgType } from "../../proto/types.ts";
import { createPacketParser } from "../../sequencer/p2p/conn/packet.ts";
import { P2pError } from "../../sequencer/p2p/errors.ts";
import { open, sendAll, shakeHands } from "./attacks.ts";
import { packet } from "./p2p.ts";

const [port = 0, seconds = 0] = process.argv.slice(2, 4).map(Number);
const validator = fromHex(process.argv[4] ?? "");
const endMs = performance.now() + seconds * 1_000;
const isOver = (): boolean => performance.now() > endMs;
const count = { peers: 0, messages: 0, refused: 0, connections: 0, dripping: 0 };

const BLOCK_ID: BlockId = {
  hash: new Uint8Array(32).fill(1),
  partSetHeader: { total: 1, hash: new Uint8Array(32).fill(2) },
};
const round = Round(0);

/** One message of each kind, well formed and of the height under way. */
const VALID: readonly [channel: number, make: (height: Height) => Uint8Array][] = [
  [
    0x20,
    (height) =>
      encodeConsensusMessage({
        kind: "newRoundStep",
        height,
        round,
        step: 3,
        secondsSinceStartTime: 1,
        lastCommitRound: height === 1 ? Round(-1) : round,
      }),
  ],
  [
    0x20,
    (height) =>
      encodeConsensusMessage({
        kind: "hasVote",
        height,
        round,
        type: SignedMsgType.PREVOTE,
        index: 0,
      }),
  ],
  [
    // Each is to be answered.
    0x20,
    (height) =>
      encodeConsensusMessage({
        kind: "voteSetMaj23",
        height,
        round,
        type: SignedMsgType.PREVOTE,
        blockId: BLOCK_ID,
      }),
  ],
  [
    0x21,
    (height) =>
      encodeConsensusMessage({
        kind: "blockPart",
        height,
        round,
        part: {
          index: 0,
          bytes: new Uint8Array(randomBytes(1_000)),
          proof: { total: 1, index: 0, leafHash: new Uint8Array(randomBytes(32)), aunts: [] },
        },
      }),
  ],
  [
    // A signature that has to be checked to be refused.
    0x22,
    (height) =>
      encodeConsensusMessage({
        kind: "vote",
        vote: {
          type: SignedMsgType.PREVOTE,
          height,
          round,
          blockId: BLOCK_ID,
          timestamp: { seconds: 1_700_000_000n, nanos: 0 },
          validatorAddress: validator,
          validatorIndex: 0,
          signature: new Uint8Array(randomBytes(64)),
          extension: new Uint8Array(0),
          extensionSignature: new Uint8Array(0),
        },
      }),
  ],
  [0x30, () => encodeTxsMessage({ kind: "txs", txs: [new Uint8Array(randomBytes(300))] })],
  [0x40, () => encodeBlockSyncMessage({ kind: "statusRequest" })],
  [0x40, (height) => encodeBlockSyncMessage({ kind: "blockRequest", height: Height(height - 1) })],
  [0x60, () => encodeStateSyncMessage({ kind: "snapshotsRequest" })],
  [0x61, (height) => encodeStateSyncMessage({ kind: "chunkRequest", height, format: 1, index: 0 })],
  [0x00, () => encodePexMessage({ kind: "pexRequest" })],
];

/** Peers that send the same kind of message as fast as they are let, and come back when thrown out. */
async function flood(channel: number, make: (height: Height) => Uint8Array): Promise<void> {
  await again(async () => {
    const { connection, socket } = await shakeHands(port);
    count.peers += 1;
    let height = Height(2);
    const parser = createPacketParser({
      ping: () => {},
      pong: () => {},
      data(id, isLast, bytes, start, end) {
        if (id !== 0x20 || !isLast) return;
        const message = decodeConsensusMessage(bytes.slice(start, end));
        if (message.kind === "newRoundStep") height = Height(Math.max(2, message.height));
      },
    });
    connection.stream((bytes, start, end) => parser.push(bytes, start, end));
    while (!isOver() && !socket.destroyed) {
      const batch = Array.from({ length: BATCH }, () => packet(channel, make(height)));
      await sendAll(connection, batch);
      count.messages += batch.length;
      await pause(1);
    }
    socket.destroy();
  });
}

/** A message that is longer than any channel takes. */
async function oversize(channel: number): Promise<void> {
  await again(async () => {
    const { connection, socket } = await shakeHands(port);
    count.peers += 1;
    connection.stream(() => {});
    const chunk = packet(channel, new Uint8Array(1_024), false);
    for (let sent = 0; sent < OVERSIZE_BYTES && !isOver() && !socket.destroyed; ) {
      await sendAll(connection, Array<Uint8Array>(BATCH).fill(chunk));
      sent += BATCH * 1_024;
      await pause(1);
    }
    socket.destroy();
  });
}

/** A peer that begins a frame and never ends it: one byte now and then. */
async function drip(): Promise<void> {
  await again(async () => {
    const { socket } = await shakeHands(port);
    count.dripping += 1;
    while (!isOver() && !socket.destroyed) {
      socket.write(Uint8Array.of(1));
      await pause(100);
    }
    socket.destroy();
  });
}

/** Connections by the hundred that say a byte or nothing. */
async function crowd(): Promise<void> {
  await again(async () => {
    const sockets = Array.from({ length: CROWD }, (_, i) => {
      const socket = connect({ port, host: "127.0.0.1" }, () => {
        if (i % 2 === 0) socket.write(Uint8Array.of(0x22));
      });
      socket.on("error", () => socket.destroy());
      socket.resume();
      return socket;
    });
    count.connections += CROWD;
    await pause(CROWD_STAYS_MS);
    for (const socket of sockets) socket.destroy();
  });
}

/** Noise in the handshake. */
async function noise(): Promise<void> {
  await again(async () => {
    const socket = await open(port);
    socket.on("error", () => socket.destroy());
    socket.resume();
    socket.write(Buffer.concat([Uint8Array.of(0x22, 0x0a, 0x20), randomBytes(40_000)]));
    await pause(50);
    socket.destroy();
  });
}

async function again(attack: () => Promise<void>): Promise<void> {
  while (!isOver()) {
    try {
      await attack();
    } catch (error) {
      // Refused, or thrown out in the middle: what one expects.
      if (!(error instanceof P2pError) && !(error instanceof Error && "code" in error)) throw error;
      count.refused += 1;
    }
    await pause(AGAIN_MS);
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

const BATCH = 50;
const CROWD = 250;
const CROWD_STAYS_MS = 300;
const AGAIN_MS = 50;
const OVERSIZE_BYTES = 128 << 20;
const DRIPPING = 5;

await Promise.all([
  ...VALID.map(([channel, make]) => flood(channel, make)),
  ...[0x00, 0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x60].map((channel) => oversize(channel)),
  ...[0x00, 0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x40, 0x60, 0x61].map((channel) =>
    flood(channel, () => new Uint8Array(randomBytes(300))),
  ),
  ...Array.from({ length: DRIPPING }, drip),
  crowd(),
  noise(),
]);
process.stdout.write(`${JSON.stringify(count)}\n`);
process.exit(0);
