/** An MConnection whose other end says only what a test says, and that records what leaves. */
import { createMConnection, type MConnection } from "../../sequencer/p2p/conn/mconnection.ts";
import type { SecretConnection } from "../../sequencer/p2p/conn/secret-connection.ts";
import type { P2pError } from "../../sequencer/p2p/errors.ts";
import type { ChannelDescriptor } from "../../sequencer/p2p/reactor.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";

const unused = (): never => {
  throw new Error("not part of this test");
};

export interface QuietConnection {
  readonly mconnection: MConnection;
  /** Second byte of each header and control packet, as it was written. */
  readonly sent: readonly { readonly atMs: number; readonly byte: number }[];
  /** Writes that had something to write, with the messages that began in each. */
  readonly flushes: readonly { readonly atMs: number; readonly messages: number }[];
  readonly ends: readonly P2pError[];
  readonly hear: (packet: Uint8Array) => void;
}

/** Started; both sides have `channels`. */
export function createQuietConnection(
  clock: Clock,
  channels: readonly ChannelDescriptor[] = [],
): QuietConnection {
  const sent: { atMs: number; byte: number }[] = [];
  const flushes: { atMs: number; messages: number }[] = [];
  let unflushed = 0;
  let sink: (bytes: Uint8Array, start: number, end: number) => void = () => {};
  const ends: P2pError[] = [];
  const connection: SecretConnection = {
    remotePublicKey: new Uint8Array(32),
    writer: {
      hasRoom: () => true,
      bytesInFlight: 0,
      write: (bytes, start) => {
        unflushed += 1;
        sent.push({ atMs: clock.monotonicMs(), byte: bytes[start + 1] ?? 0 });
      },
      flush: () => {
        // A message is a header and its bytes.
        if (unflushed > 0) flushes.push({ atMs: clock.monotonicMs(), messages: unflushed / 2 });
        unflushed = 0;
      },
      useLargeFrames: unused,
    },
    bytesSent: 0,
    bytesReceived: 0,
    send: unused,
    readDelimited: unused,
    stream: (to) => {
      sink = to;
    },
    useLargeFrames: unused,
    setRoomListener: () => {},
    pause: () => {},
    resume: () => {},
    close: (reason) => void ends.push(reason),
    onClose: () => {},
  };
  const mconnection = createMConnection(
    {
      channels,
      peerChannels: channels.map(({ id }) => id),
      packetPayloadBytesMax: 1_024,
      sendRateBytesPerSecond: 0,
      receiveRateBytesPerSecond: 0,
      pingIntervalMs: 60_000,
      pongTimeoutMs: 45_000,
      heartbeatIntervalMs: 500,
      silenceTimeoutMs: 3_000,
    },
    {
      connection,
      clock,
      turns: { hasTime: () => true, later: unused },
      handler: { message: unused, sendable: unused },
    },
  );
  mconnection.start();
  return { mconnection, sent, flushes, ends, hear: (packet) => sink(packet, 0, packet.length) };
}
