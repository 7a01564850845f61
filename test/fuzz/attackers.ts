/**
 * Strangers that attack a node, in a process of their own, so that the loop of the node is measured and
 * not theirs: `fork(attackers.js, [id@host:port, hex of its NodeInfo, connections, seed])`.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate as atNextTurn } from "node:timers/promises";
import * as fc from "fast-check";
import { concatBytes, fromHex, joinBytes } from "../../proto/bytes.ts";
import { encodeConsensusMessage } from "../../proto/codec/consensus-messages.ts";
import { encodeEvidenceList } from "../../proto/codec/block.ts";
import {
  decodeNodeInfo,
  encodeAuthSigMessage,
  encodeNodeInfo,
} from "../../proto/codec/p2p-messages.ts";
import { encodeBlockSyncMessage, encodeTxsMessage } from "../../proto/codec/sync-messages.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { parsePeerAddress, type PeerAddress } from "../../sequencer/p2p/address.ts";
import { createEphemeralKey, deriveSession } from "../../sequencer/p2p/conn/key-schedule.ts";
import { openSecretConnection } from "../../sequencer/p2p/conn/secret-connection.ts";
import { P2pError } from "../../sequencer/p2p/errors.ts";
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";
import { upgradeConnection } from "../../sequencer/p2p/transport.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import * as any from "../support/arbitraries.ts";
import { packet } from "../support/p2p.ts";
import { Random } from "../support/random.ts";
import { ATTACKERS_AT_ONCE } from "./limits.ts";
import { mutate } from "./mutate.ts";
import { sealed } from "./targets/p2p.ts";

const MESSAGES_PER_PEER = 20;
const CHANNELS = [0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x40] as const;
const PATIENCE_MS = 500;

/** What the process sends before it ends. */
export interface AttackReport {
  readonly connections: number;
  readonly inputs: number;
}

class Attackers {
  connections = 0;
  inputs = 0;
  readonly #victim: PeerAddress;
  readonly #victimInfo: NodeInfo;
  readonly #random: Random;
  readonly #messages: ReadonlyMap<number, readonly Uint8Array[]>;

  constructor(victim: PeerAddress, victimInfo: NodeInfo, seed: number) {
    this.#victim = victim;
    this.#victimInfo = victimInfo;
    this.#random = new Random(seed);
    const sample = <T>(values: fc.Arbitrary<T>, encode: (value: T) => Uint8Array) =>
      fc.sample(values, { seed, numRuns: 30 }).map(encode);
    const consensus = sample(any.consensusMessages, encodeConsensusMessage);
    const txs = any.blocks.map((block) => ({ kind: "txs" as const, txs: block.txs }));
    this.#messages = new Map([
      [0x20, consensus],
      [0x21, consensus],
      [0x22, consensus],
      [0x23, consensus],
      [0x30, sample(txs, encodeTxsMessage)],
      [0x38, sample(fc.array(any.evidence, { maxLength: 2 }), encodeEvidenceList)],
      [0x40, sample(any.blockSyncMessages, encodeBlockSyncMessage)],
    ]);
  }

  async run(count: number): Promise<void> {
    const work = async (): Promise<void> => {
      while (this.connections < count) {
        this.connections += 1;
        await this.#attack();
      }
    };
    await Promise.all(Array.from({ length: ATTACKERS_AT_ONCE }, work));
  }

  async #attack(): Promise<void> {
    const random = this.#random;
    const { host, port } = this.#victim;
    // Strangers from everywhere: one alone may not knock so often.
    const localAddress = `127.${1 + random.below(250)}.${random.below(250)}.${1 + random.below(250)}`;
    const socket = connect({ host, port, localAddress, noDelay: true });
    socket.on("error", () => socket.destroy());
    try {
      await once(socket, "connect");
      const kind = random.below(10);
      if (kind === 0) await this.#sayFirst(socket);
      else if (kind === 1) await this.#authenticate(socket);
      else if (kind === 2) await this.#introduce(socket);
      else await this.#peer(socket);
    } catch {
      // To be thrown out is what a stranger has to expect.
    } finally {
      socket.destroy();
    }
  }

  #mutant(input: Uint8Array, others: readonly Uint8Array[] = [input]): Uint8Array {
    this.inputs += 1;
    const random = this.#random;
    return mutate(input, others, "protobuf", random, random.chance(95) ? 4_096 : 64 << 10);
  }

  /** A first message that is none. */
  async #sayFirst(socket: Socket): Promise<void> {
    const first = concatBytes(new Uint8Array([0x22, 0x0a, 0x20]), createEphemeralKey().publicKey);
    socket.write(this.#mutant(first));
    await untilClosed(socket);
  }

  /** An honest first message, then an authentication that is none. */
  async #authenticate(socket: Socket): Promise<void> {
    const ephemeral = createEphemeralKey();
    socket.write(concatBytes(new Uint8Array([0x22, 0x0a, 0x20]), ephemeral.publicKey));
    const theirs = await firstBytes(socket, 35);
    const session = deriveSession(ephemeral, theirs.subarray(3, 35));
    const key = createNodeKey();
    const auth = encodeAuthSigMessage({
      publicKey: { type: "ed25519", bytes: key.publicKey },
      signature: key.sign(session.challenge),
    });
    socket.write(sealed(this.#mutant(auth), session.sendKey));
    await untilClosed(socket);
  }

  /** A proven key, then a NodeInfo that is none. */
  async #introduce(socket: Socket): Promise<void> {
    const key = createNodeKey();
    const connection = await openSecretConnection(
      { socket },
      { signer: key, verifySignature: verifyEd25519Sync },
    );
    const info = { ...this.#victimInfo, nodeId: key.id };
    connection.send(this.#mutant(encodeNodeInfo(info)));
    await untilClosed(socket);
  }

  /** A peer like any other, whose packets or messages are not. */
  async #peer(socket: Socket): Promise<void> {
    const random = this.#random;
    const key = createNodeKey();
    const theirs = this.#victimInfo;
    const channels = random.chance(50) ? theirs.channels : Uint8Array.from(CHANNELS);
    const { connection } = await upgradeConnection(
      {
        socket,
        ourInfo: { ...theirs, nodeId: key.id, channels },
        expectedId: this.#victim.id,
        timeoutMs: 5_000,
      },
      { signer: key, verifySignature: verifyEd25519Sync, clock: createSystemClock() },
    );
    const goodbye = new Promise<void>((resolve) => connection.onClose(() => resolve()));
    // What the victim sends is of no interest, but must be taken.
    connection.stream(() => {});
    for (let i = 0; i < MESSAGES_PER_PEER && !socket.destroyed; i++) {
      const channel = random.pick(CHANNELS) ?? 0x20;
      const seeds = this.#messages.get(channel) ?? [];
      const seed = random.pick(seeds) ?? new Uint8Array(0);
      const bytes = random.chance(70)
        ? packets(channel, this.#mutant(seed, seeds))
        : this.#mutant(packets(channel, seed));
      connection.send(bytes);
      await atNextTurn();
    }
    await Promise.race([goodbye, afterPatience()]);
    connection.close(new P2pError("P2P_SOCKET_CLOSED", "done"));
  }
}

/** A message in packets of at most a kilobyte. */
function packets(channel: number, message: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < Math.max(1, message.length); at += 1_024) {
    const data = message.subarray(at, at + 1_024);
    pieces.push(packet(channel, data, at + 1_024 >= message.length));
  }
  return joinBytes(pieces);
}

async function firstBytes(socket: Socket, count: number): Promise<Uint8Array> {
  let received: Uint8Array = new Uint8Array(0);
  while (received.length < count) {
    const chunks: unknown[] = await once(socket, "data");
    const [chunk] = chunks;
    if (!(chunk instanceof Uint8Array)) throw new Error("a socket gives bytes");
    received = concatBytes(received, chunk);
  }
  return received;
}

/** The victim may wait for more, so patience ends. */
async function untilClosed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.destroyed) await Promise.race([once(socket, "close"), afterPatience()]);
}

function afterPatience(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS).unref();
  });
}

const [address, info, connections, seed] = process.argv.slice(2);
if (address === undefined || info === undefined)
  throw new Error("expected id@host:port, NodeInfo, connections, seed");
const attackers = new Attackers(
  parsePeerAddress(address),
  decodeNodeInfo(fromHex(info)),
  Number(seed),
);
await attackers.run(Number(connections));
const report: AttackReport = { connections: attackers.connections, inputs: attackers.inputs };
process.send?.(report);
process.disconnect?.();
