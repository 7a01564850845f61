/**
 * One process of the reference pipeline (`pipeline.ts`): what any CometBFT-shaped engine has to do for a
 * block, and nothing else. No mempool, application, evidence, rounds or catch-up, so it is an upper bound.
 */
import { hash, randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { merkleRootOfHashes } from "../../proto/merkle.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import { sha256 } from "../../proto/hash.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import { type Link, openLink, type Sealing } from "./wire.ts";

export interface ReferenceNodeOptions {
  readonly index: number;
  readonly ports: readonly number[];
  readonly txsPerBlock: number;
  readonly txBytes: number;
  readonly sealing: Sealing;
  readonly folder: string;
}

/** Sent to the parent for each block that is on disk. */
export interface ReferenceBlock {
  readonly kind: "block";
  readonly height: number;
}

const PROPOSAL = 1;
const PART = 2;
const VOTE = 3;
const PREVOTE = 1;
const PRECOMMIT = 2;
const HASH_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Tag and length of one transaction in the block's bytes. */
const TX_HEADER_BYTES = 3;

/** What is known of one height. */
interface HeightState {
  proposal:
    | { readonly hash: Buffer; readonly partsRoot: Buffer; readonly total: number }
    | undefined;
  readonly parts: Buffer[];
  partCount: number;
  block: Buffer | undefined;
  readonly votes: readonly [Set<number>, Set<number>];
  voted: number;
}

export async function runReferenceNode(options: ReferenceNodeOptions): Promise<void> {
  const { index, ports, txsPerBlock, txBytes, folder } = options;
  const count = ports.length;
  const quorum = Math.floor((count * 2) / 3) + 1;
  const keys = ports.map((_, i) => ed25519KeyPairFromSeed(sha256(utf8ToBytes(`reference ${i}`))));
  const wal = openSync(join(folder, `wal-${index}`), "a");
  const store = openSync(join(folder, `blocks-${index}`), "a");
  const record = Buffer.alloc(200);
  const txPool = randomBytes(txBytes * txsPerBlock * 2);
  const states = new Map<number, HeightState>();
  let height = 1;
  let links: readonly Link[] = [];

  const syncWal = (): void => {
    writeSync(wal, record);
    fdatasyncSync(wal);
  };
  const stateOf = (at: number): HeightState => {
    let state = states.get(at);
    if (state === undefined) {
      state = {
        proposal: undefined,
        parts: [],
        partCount: 0,
        block: undefined,
        votes: [new Set(), new Set()],
        voted: 0,
      };
      states.set(at, state);
    }
    return state;
  };
  const broadcast = (type: number, body: Uint8Array): void => {
    for (const link of links) link.send(type, body);
  };

  function propose(): void {
    const block = makeBlock();
    const blockHash = hashBlock(block);
    const { header, parts } = splitIntoParts(block);
    syncWal();
    const key = keys[index];
    if (key === undefined) return;
    const signed = Buffer.concat([heightBytes(height), blockHash, header.hash]);
    const total = Buffer.from([header.total & 0xff, header.total >>> 8]);
    broadcast(PROPOSAL, Buffer.concat([signed, total, signEd25519(key, signed)]));
    for (const part of parts) {
      const place = Buffer.from([part.index & 0xff, part.index >>> 8]);
      broadcast(PART, Buffer.concat([heightBytes(height), place, part.bytes]));
    }
    const state = stateOf(height);
    state.proposal = { hash: blockHash, partsRoot: Buffer.from(header.hash), total: header.total };
    state.block = block;
  }

  /** Transactions from another place of the pool each time, as a protobuf list. */
  function makeBlock(): Buffer {
    const block = Buffer.allocUnsafe(txsPerBlock * (TX_HEADER_BYTES + txBytes));
    const shift = (height * 7_919) % (txBytes * txsPerBlock);
    let at = 0;
    for (let i = 0; i < txsPerBlock; i++) {
      block[at] = 0x0a;
      block[at + 1] = (txBytes & 0x7f) | 0x80;
      block[at + 2] = txBytes >>> 7;
      const from = shift + i * txBytes;
      txPool.copy(block, at + TX_HEADER_BYTES, from, from + txBytes);
      at += TX_HEADER_BYTES + txBytes;
    }
    return block;
  }

  /** data_hash stands for the header: both sides build the transaction tree. */
  function hashBlock(block: Buffer): Buffer {
    const txs: Uint8Array[] = [];
    for (let at = 0; at < block.length; at += TX_HEADER_BYTES + txBytes) {
      txs.push(block.subarray(at + TX_HEADER_BYTES, at + TX_HEADER_BYTES + txBytes));
    }
    return Buffer.from(merkleRootOfHashes(txs));
  }

  function vote(type: number, blockHash: Buffer): void {
    const key = keys[index];
    if (key === undefined) return;
    syncWal();
    const signed = Buffer.concat([heightBytes(height), Buffer.from([type]), blockHash]);
    stateOf(height).votes[type - 1]?.add(index);
    broadcast(VOTE, Buffer.concat([signed, Buffer.from([index]), signEd25519(key, signed)]));
  }

  function commit(block: Buffer): void {
    writeSync(store, block);
    fdatasyncSync(store);
    syncWal();
    states.delete(height);
    const done: ReferenceBlock = { kind: "block", height };
    process.send?.(done);
    height += 1;
  }

  /** Does what the state of the height allows, until it allows nothing more. */
  function advance(): void {
    for (;;) {
      const state = stateOf(height);
      if (height % count === index && state.proposal === undefined) propose();
      const { proposal, block } = state;
      if (proposal === undefined || block === undefined) return;
      const [prevotes, precommits] = state.votes;
      if (state.voted === 0) {
        state.voted = PREVOTE;
        vote(PREVOTE, proposal.hash);
      }
      if (state.voted === PREVOTE && prevotes.size >= quorum) {
        state.voted = PRECOMMIT;
        vote(PRECOMMIT, proposal.hash);
      }
      if (state.voted !== PRECOMMIT || precommits.size < quorum) return;
      commit(block);
    }
  }

  function receive(type: number, body: Buffer): void {
    const at = body.readUInt32LE(0);
    if (at < height) return;
    const state = stateOf(at);
    if (type === PROPOSAL) onProposal(state, at, body);
    else if (type === PART) onPart(state, body);
    else onVote(state, body);
    if (at === height) advance();
  }

  function onProposal(state: HeightState, at: number, body: Buffer): void {
    const signedBytes = 4 + 2 * HASH_BYTES;
    const signed = body.subarray(0, signedBytes);
    const leader = keys[at % count];
    const signature = body.subarray(signedBytes + 2, signedBytes + 2 + SIGNATURE_BYTES);
    if (leader === undefined || !verifyEd25519Sync(leader.publicKey, signed, signature)) {
      throw new Error("bad proposal");
    }
    state.proposal = {
      hash: body.subarray(4, 4 + HASH_BYTES),
      partsRoot: body.subarray(4 + HASH_BYTES, signedBytes),
      total: body.readUInt16LE(signedBytes),
    };
    complete(state);
  }

  function onPart(state: HeightState, body: Buffer): void {
    state.parts[body.readUInt16LE(4)] = body.subarray(6);
    state.partCount += 1;
    complete(state);
  }

  function complete(state: HeightState): void {
    const { proposal, parts } = state;
    if (proposal === undefined || state.partCount < proposal.total) return;
    const block = Buffer.concat(parts);
    const partsRoot = Buffer.from(splitIntoParts(block).header.hash);
    if (!partsRoot.equals(proposal.partsRoot) || !hashBlock(block).equals(proposal.hash)) {
      throw new Error("bad block");
    }
    state.block = block;
  }

  function onVote(state: HeightState, body: Buffer): void {
    const signedBytes = 5 + HASH_BYTES;
    const voter = body[signedBytes] ?? 0;
    const key = keys[voter];
    const signature = body.subarray(signedBytes + 1);
    const signed = body.subarray(0, signedBytes);
    if (key === undefined || !verifyEd25519Sync(key.publicKey, signed, signature)) {
      throw new Error("bad vote");
    }
    state.votes[(body[4] ?? 1) - 1]?.add(voter);
  }

  links = await connectAll(options, receive);
  process.once("disconnect", () => {
    closeSync(wal);
    closeSync(store);
    process.exit(0);
  });
  await new Promise<void>((resolve) => {
    process.once("message", () => resolve());
    process.send?.({ kind: "ready" });
  });
  advance();
}

/** A full mesh: each dials those before it and accepts those after. */
async function connectAll(
  options: ReferenceNodeOptions,
  receive: (type: number, body: Buffer) => void,
): Promise<readonly Link[]> {
  const { index, ports, sealing } = options;
  // No handshake: it is not part of the steady state. Same key on both ends, counters per direction.
  const key = new Uint8Array(Buffer.from(hash("sha256", "reference pipeline"), "hex"));
  const accepted = new Promise<Socket[]>((resolve) => {
    const sockets: Socket[] = [];
    const wanted = ports.length - 1 - index;
    const server = createServer((socket) => {
      sockets.push(socket);
      if (sockets.length === wanted) resolve(sockets);
    });
    server.listen(ports[index], "127.0.0.1", () => {
      if (wanted === 0) resolve(sockets);
    });
  });
  const dialed = ports.slice(0, index).map((port) => dial(port));
  const sockets = [...(await Promise.all(dialed)), ...(await accepted)];
  return sockets.map((socket) => openLink(socket, { sealing, key }, receive));
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(socket));
    // Not listening yet: all start at once.
    socket.once("error", () => {
      setTimeout(() => resolve(dial(port)), 20);
    });
  });
}

function heightBytes(height: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(height, 0);
  return bytes;
}

const [optionsJson] = process.argv.slice(2);
if (optionsJson !== undefined) {
  await runReferenceNode(JSON.parse(optionsJson) as ReferenceNodeOptions);
}
