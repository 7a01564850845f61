/**
 * A middleware on a correct node that makes its validator sign twice: when an order lies in the node's
 * home, the vote that the node sends is followed by another one for the same height, round and type,
 * signed with the same key behind the back of the signer's guard. Everything else the node does is right.
 * `double-signer.ts` writes orders and reads what was done.
 */
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../proto/codec/consensus-messages.ts";
import { decodeVote, encodeVote } from "../../proto/codec/votes.ts";
import { sha256 } from "../../proto/hash.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { type BlockId, NIL_BLOCK_ID, SignedMsgType, type Vote } from "../../proto/types.ts";
import { type Ed25519KeyPair, ed25519Address, signEd25519 } from "../../proto/verify/ed25519.ts";
import type { RoundStateView } from "../../sequencer/consensus/round-state.ts";
import { DATA_CHANNEL, VOTE_CHANNEL } from "../../sequencer/p2p/consensus/consensus-channels.ts";
import type { P2pError } from "../../sequencer/p2p/errors.ts";
import type { Peer, Reactor } from "../../sequencer/p2p/reactor.ts";

/** When to sign twice, and whom to tell. */
export interface OffenceOrder {
  /** No vote below this height; 1 when it is not given. */
  readonly fromHeight?: number;
  /** A precommit of nil is left alone: the other one would need a vote extension. */
  readonly type?: "prevote" | "precommit";
  /**
   * Only in a round that it proposes in, which is what happens when it is not given: its block follows the
   * two prevotes, so that nobody has moved on before they come. False: in the first round from
   * `fromHeight` on; who is behind with everything then tells nobody in time.
   */
  readonly whenProposing?: boolean;
  /** Ids of the nodes that get the second vote too; all when it is not given. */
  readonly secondTo?: readonly string[];
}

/** What the validator signed at one height, round and type, in the order sent. */
export interface Offence {
  readonly first: Vote;
  readonly second: Vote;
}

function readOrder(home: string): OffenceOrder | undefined {
  const file = orderFile(home);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, "utf8")) as OffenceOrder;
}

/** Replaces an order that was not carried out. */
export function writeOrder(home: string, order: OffenceOrder): void {
  const file = orderFile(home);
  writeFileSync(`${file}.new`, JSON.stringify(order));
  renameSync(`${file}.new`, file);
}

/** What was signed twice so far, oldest first. */
export function readOffences(home: string): readonly Offence[] {
  const file = offencesFile(home);
  if (!existsSync(file)) return [];
  // What follows the last line end is being written.
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const { first, second } = JSON.parse(line) as { first: string; second: string };
    return { first: decodeVote(fromHex(first)), second: decodeVote(fromHex(second)) };
  });
}

function orderFile(home: string): string {
  return join(home, "double-sign.json");
}

function offencesFile(home: string): string {
  return join(home, "double-signed.jsonl");
}

export interface DoubleSigningOptions {
  readonly home: string;
  readonly chainId: string;
  readonly key: Ed25519KeyPair;
}

/** @param view of the node that the reactors belong to; asked when a vote leaves */
export function createDoubleSigning(
  options: DoubleSigningOptions,
  view: () => RoundStateView,
): (reactors: readonly Reactor[]) => readonly Reactor[] {
  const offender = new Offender(options, view);
  return (reactors) =>
    reactors.map((reactor) =>
      reactor.channels.includes(VOTE_CHANNEL)
        ? new TappedReactor(reactor, (peer) => offender.between(peer))
        : reactor,
    );
}

class Offender {
  readonly #options: DoubleSigningOptions;
  readonly #address: Uint8Array;
  readonly #view: () => RoundStateView;
  /** By height, round and type: every peer hears of the same two, whenever it is sent the first. */
  readonly #offences = new Map<string, Offence & { readonly to: readonly string[] | undefined }>();
  /** Proposals and parts that wait for the votes. */
  readonly #held = new Map<Peer, readonly Uint8Array[]>();

  constructor(options: DoubleSigningOptions, view: () => RoundStateView) {
    this.#options = options;
    this.#address = ed25519Address(options.key.publicKey);
    this.#view = view;
  }

  /** A peer that is told more than the node tells it. */
  between(peer: Peer): Peer {
    return {
      id: peer.id,
      nodeInfo: peer.nodeInfo,
      isOutbound: peer.isOutbound,
      isPersistent: peer.isPersistent,
      remoteAddress: peer.remoteAddress,
      get isClosed() {
        return peer.isClosed;
      },
      trySend: (channelId, message, mayWait) => {
        if (channelId === DATA_CHANNEL.id && this.#isHeld(peer, message)) return true;
        const isQueued = peer.trySend(channelId, message, mayWait);
        if (isQueued && channelId === VOTE_CHANNEL.id) this.#sent(peer, message);
        return isQueued;
      },
      sendRoom: (channelId) => peer.sendRoom(channelId),
      close: (reason) => peer.close(reason),
      status: () => peer.status(),
    };
  }

  /** A vote, ours or relayed, was queued for a peer: a second one of ours goes right behind it. */
  #sent(peer: Peer, message: Uint8Array): void {
    const decoded = decodeConsensusMessage(message);
    if (decoded.kind !== "vote" || !bytesEqual(decoded.vote.validatorAddress, this.#address))
      return;
    const { vote } = decoded;
    const place = placeOf(vote);
    if (!this.#offences.has(place)) this.#consider(vote, place);
    const offence = this.#offences.get(place);
    if (offence === undefined) return;
    if (offence.to?.includes(peer.id) !== false) {
      const { second } = offence;
      peer.trySend(VOTE_CHANNEL.id, encodeConsensusMessage({ kind: "vote", vote: second }));
    }
    const held = this.#held.get(peer) ?? [];
    this.#held.delete(peer);
    for (const data of held) peer.trySend(DATA_CHANNEL.id, data);
  }

  /** Keeps our proposal and its parts until the peer has been sent the two prevotes of the round. */
  #isHeld(peer: Peer, message: Uint8Array): boolean {
    const order = readOrder(this.#options.home);
    if (order === undefined || order.type === "precommit" || order.whenProposing === false) {
      return false;
    }
    const { height, round, proposer } = this.#view();
    if (height < (order.fromHeight ?? 1) || !bytesEqual(proposer, this.#address)) return false;
    const data = decodeConsensusMessage(message);
    const of = data.kind === "proposal" ? data.proposal : data;
    if (!("height" in of && "round" in of) || of.height !== height || of.round !== round)
      return false;
    this.#held.set(peer, [...(this.#held.get(peer) ?? []), message]);
    return true;
  }

  #consider(first: Vote, place: string): void {
    const { home, chainId, key } = this.#options;
    const order = readOrder(home);
    if (order === undefined || !this.#isMeant(order, first)) return;
    const body: Vote = {
      ...first,
      blockId: isNilBlockId(first.blockId) ? NO_BLOCK : NIL_BLOCK_ID,
      extension: EMPTY_BYTES,
      extensionSignature: EMPTY_BYTES,
    };
    const second = { ...body, signature: signEd25519(key, voteSignBytes(chainId, body)) };
    this.#offences.set(place, { first, second, to: order.secondTo });
    const line = { first: toHex(encodeVote(first)), second: toHex(encodeVote(second)) };
    appendFileSync(offencesFile(home), `${JSON.stringify(line)}\n`);
    rmSync(orderFile(home));
  }

  #isMeant(order: OffenceOrder, { height, round, type, blockId }: Vote): boolean {
    const wanted = order.type === "precommit" ? SignedMsgType.PRECOMMIT : SignedMsgType.PREVOTE;
    if (type !== wanted || height < (order.fromHeight ?? 1)) return false;
    if (type === SignedMsgType.PRECOMMIT && isNilBlockId(blockId)) return false;
    if (order.whenProposing === false) return true;
    const now = this.#view();
    return now.height === height && now.round === round && bytesEqual(now.proposer, this.#address);
  }
}

function placeOf({ height, round, type }: Vote): string {
  return `${height}/${round}/${type}`;
}

/** A block that nobody made. */
const NO_BLOCK: BlockId = {
  hash: sha256(utf8ToBytes("a block that nobody made")),
  partSetHeader: { total: 1, hash: sha256(utf8ToBytes("its only part")) },
};

/** A reactor that has other peers than the switch. */
class TappedReactor implements Reactor {
  readonly #reactor: Reactor;
  readonly #between: (peer: Peer) => Peer;
  readonly #peers = new WeakMap<Peer, Peer>();

  constructor(reactor: Reactor, between: (peer: Peer) => Peer) {
    this.#reactor = reactor;
    this.#between = between;
  }

  get name() {
    return this.#reactor.name;
  }

  get channels() {
    return this.#reactor.channels;
  }

  addPeer(peer: Peer): void {
    this.#reactor.addPeer(this.#tapped(peer));
  }

  removePeer(peer: Peer, reason: P2pError): void {
    this.#reactor.removePeer(this.#tapped(peer), reason);
  }

  receive(channelId: number, peer: Peer, message: Uint8Array): void {
    this.#reactor.receive(channelId, this.#tapped(peer), message);
  }

  onSendable(channelId: number, peer: Peer): void {
    this.#reactor.onSendable?.(channelId, this.#tapped(peer));
  }

  #tapped(peer: Peer): Peer {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const tapped = this.#between(peer);
    this.#peers.set(peer, tapped);
    return tapped;
  }
}
