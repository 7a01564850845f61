/**
 * Links between nodes, at the level of reactors: `Peer` objects whose messages arrive as events. A link
 * is a connection as TCP gives it (nothing lost, each channel in order) unless the seed draws worse.
 */
import type { NodeId } from "../../proto/brands.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { P2pError } from "../../sequencer/p2p/errors.ts";
import type { Peer, PeerStatus, Reactor } from "../../sequencer/p2p/reactor.ts";
import type { Random } from "../support/random.ts";
import type { Life } from "./life.ts";
import { HELD_MESSAGES_MAX } from "./limits.ts";
import type { Scheduler } from "./scheduler.ts";

export interface NetworkFaults {
  /** Least and most time on the way, in ms. */
  readonly delayMs: readonly [number, number];
  /** Messages of 100 that take up to ten times as long, with those of their channel behind them. */
  readonly clogPercent: number;
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  /** Messages of 100 that do not wait for those sent before. */
  readonly reorderPercent: number;
}

/** What a healthy network does. */
export const NO_FAULTS: NetworkFaults = {
  delayMs: [1, 10],
  clogPercent: 0,
  lossPercent: 0,
  duplicatePercent: 0,
  reorderPercent: 0,
};

/** Changes, drops or adds to what a node sends. */
export type Outgoing = (
  channelId: number,
  message: Uint8Array,
  to: number,
) => readonly Uint8Array[];

/** A node's end of the network, for one life. */
export interface Endpoint {
  readonly index: number;
  readonly life: Life;
  readonly nodeInfo: NodeInfo;
  readonly reactors: readonly Reactor[];
  readonly outgoing: Outgoing;
}

export interface NetworkCounts {
  sent: number;
  lost: number;
  duplicated: number;
  reordered: number;
  disconnects: number;
}

const REDIAL_MS_MAX = 2_000;

export class SimNetwork {
  faults: NetworkFaults = NO_FAULTS;
  readonly counts: NetworkCounts = {
    sent: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    disconnects: 0,
  };
  /** A reactor dropped a peer. */
  onDropped: (by: number, peer: number, reason: P2pError) => void = () => {};
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #endpoints = new Map<number, Endpoint>();
  readonly #links = new Map<string, Link>();
  readonly #cut = new Set<string>();
  readonly #jammed = new Set<string>();

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  join(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.index, endpoint);
    for (const other of this.#endpoints.values()) {
      if (other !== endpoint) this.#dial(endpoint, other, this.#random.below(100));
    }
  }

  /** The node is gone; the others notice when their sockets say so. */
  leave(index: number): void {
    this.#endpoints.delete(index);
    for (const link of this.#links.values()) {
      if (link.has(index))
        this.#scheduler.after(this.#random.below(50), "socket closed", () =>
          this.#end(link, closed()),
        );
    }
  }

  /** From now on nothing that `from` sends reaches `to`; what it sends waits. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Ends all cuts, and jams. `resets`: connections that were cut are lost, with what waited in them. */
  mend(resets: boolean): void {
    const cuts = [...this.#cut];
    this.#cut.clear();
    this.#jammed.clear();
    for (const link of this.#links.values()) {
      if (resets && cuts.some((cut) => link.isCutBy(cut))) this.#end(link, closed());
      else link.release();
    }
  }

  /** From now on nothing that `from` sends to `to` on one channel arrives; what it sends waits. */
  jam(from: number, to: number, channelId: number): void {
    this.#jammed.add(`${from}>${to}/${channelId}`);
  }

  /** Ends one jam; what waited goes on its way. */
  unjam(from: number, to: number, channelId: number): void {
    this.#jammed.delete(`${from}>${to}/${channelId}`);
    for (const link of this.#links.values()) {
      if (link.has(from) && link.has(to)) link.release();
    }
  }

  /** Ends all connections, as those that lost what they carried end sooner or later. */
  resetAll(): void {
    for (const link of this.#links.values()) this.#end(link, closed());
  }

  isCut(from: number, to: number): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  #isHeld(from: number, to: number, channelId: number): boolean {
    return this.isCut(from, to) || this.#jammed.has(`${from}>${to}/${channelId}`);
  }

  /** Sends from a node to those of its peers that `isMeant` names, whatever its reactors think. */
  sendFrom(
    index: number,
    channelId: number,
    message: Uint8Array,
    isMeant: (to: number) => boolean,
  ): void {
    for (const link of this.#links.values()) link.sendFrom(index, channelId, message, isMeant);
  }

  #dial(a: Endpoint, b: Endpoint, delayMs: number): void {
    const [first, second] = a.index < b.index ? [a, b] : [b, a];
    const key = `${first.index}-${second.index}`;
    this.#scheduler.after(delayMs, `dial ${key}`, () => {
      if (first.life.isOver || second.life.isOver || this.#links.has(key)) return;
      if (this.isCut(first.index, second.index) || this.isCut(second.index, first.index)) {
        this.#dial(first, second, REDIAL_MS_MAX);
        return;
      }
      const link = new Link(key, [first, second], {
        scheduler: this.#scheduler,
        random: this.#random,
        counts: this.counts,
        faults: () => this.faults,
        isHeld: (from, to, channelId) => this.#isHeld(from, to, channelId),
        close: (by, reason) => {
          this.onDropped(by, by === first.index ? second.index : first.index, reason);
          this.#end(link, reason);
        },
      });
      this.#links.set(key, link);
      link.open();
    });
  }

  #end(link: Link, reason: P2pError): void {
    if (this.#links.get(link.key) !== link) return;
    this.#links.delete(link.key);
    this.counts.disconnects += 1;
    link.end(reason);
    // A node that is back already found the old link in its way.
    const [a, b] = link.ends.map(({ index }) => this.#endpoints.get(index));
    if (a !== undefined && b !== undefined) {
      this.#dial(a, b, 100 + this.#random.below(REDIAL_MS_MAX));
    }
  }
}

interface LinkContext {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly counts: NetworkCounts;
  readonly faults: () => NetworkFaults;
  readonly isHeld: (from: number, to: number, channelId: number) => boolean;
  readonly close: (by: number, reason: P2pError) => void;
}

class Link {
  readonly key: string;
  readonly ends: readonly [Endpoint, Endpoint];
  readonly #sides: readonly [Side, Side];

  constructor(key: string, ends: readonly [Endpoint, Endpoint], context: LinkContext) {
    this.key = key;
    this.ends = ends;
    const [a, b] = ends;
    const sides: readonly [Side, Side] = [new Side(a, b, context), new Side(b, a, context)];
    sides[0].other = sides[1];
    sides[1].other = sides[0];
    this.#sides = sides;
  }

  open(): void {
    for (const side of this.#sides) {
      for (const reactor of side.own.reactors) reactor.addPeer(side);
    }
  }

  sendFrom(
    index: number,
    channelId: number,
    message: Uint8Array,
    isMeant: (to: number) => boolean,
  ): void {
    const side = this.#sides.find(({ own }) => own.index === index);
    if (side !== undefined && isMeant(side.remote.index)) side.send(channelId, message);
  }

  has(index: number): boolean {
    return this.ends.some((end) => end.index === index);
  }

  isCutBy(cut: string): boolean {
    const [a, b] = this.ends;
    return cut === `${a.index}>${b.index}` || cut === `${b.index}>${a.index}`;
  }

  release(): void {
    for (const side of this.#sides) side.release();
  }

  end(reason: P2pError): void {
    for (const side of this.#sides) side.isClosed = true;
    for (const side of this.#sides) {
      if (side.own.life.isOver) continue;
      for (const reactor of side.own.reactors) reactor.removePeer(side, reason);
    }
  }
}

/** One node's view of a link: the peer that its reactors know. */
class Side implements Peer {
  readonly own: Endpoint;
  readonly remote: Endpoint;
  other: Side | undefined;
  isClosed = false;
  readonly #context: LinkContext;
  /** Messages on the way by channel, and when the last of them arrives. */
  readonly #queues = new Map<number, { waiting: number; lastAtMs: number; isRefused: boolean }>();
  #held: { readonly channelId: number; readonly message: Uint8Array }[] = [];
  #bytesReceived = 0;

  constructor(own: Endpoint, remote: Endpoint, context: LinkContext) {
    this.own = own;
    this.remote = remote;
    this.#context = context;
  }

  get id(): NodeId {
    return this.remote.nodeInfo.nodeId;
  }

  get nodeInfo(): NodeInfo {
    return this.remote.nodeInfo;
  }

  get isOutbound(): boolean {
    return this.own.index < this.remote.index;
  }

  get isPersistent(): boolean {
    return true;
  }

  get remoteAddress(): string {
    return this.remote.nodeInfo.listenAddress;
  }

  trySend(channelId: number, message: Uint8Array): boolean {
    if (this.isClosed || this.own.life.isOver) return false;
    if (!this.remote.nodeInfo.channels.includes(channelId)) return false;
    const queue = this.#queue(channelId);
    if (queue.waiting >= this.#queueMax(channelId)) {
      queue.isRefused = true;
      return false;
    }
    for (const bytes of this.own.outgoing(channelId, message, this.remote.index)) {
      this.send(channelId, bytes);
    }
    return true;
  }

  sendRoom(channelId: number): number {
    return this.isClosed
      ? 0
      : Math.max(0, this.#queueMax(channelId) - this.#queue(channelId).waiting);
  }

  close(reason: P2pError): void {
    // As the switch does: not from within the call of the reactor that asks for it.
    this.own.life.after(0, "close peer", () => {
      if (!this.isClosed) this.#context.close(this.own.index, reason);
    });
  }

  status(): PeerStatus {
    return { connectedMs: 0, bytesSent: 0, bytesReceived: this.#bytesReceived, channels: [] };
  }

  /** Puts a message on its way, whatever the queue holds. */
  send(channelId: number, message: Uint8Array): void {
    const { random, counts, faults, isHeld } = this.#context;
    const { lossPercent, duplicatePercent } = faults();
    counts.sent += 1;
    if (random.chance(lossPercent)) {
      counts.lost += 1;
      return;
    }
    const copies = random.chance(duplicatePercent) ? 2 : 1;
    counts.duplicated += copies - 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#queue(channelId).waiting += 1;
      if (!isHeld(this.own.index, this.remote.index, channelId)) {
        this.#transmit(channelId, message);
      } else if (this.#held.length < HELD_MESSAGES_MAX) {
        this.#held.push({ channelId, message });
      }
    }
  }

  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const each of held) {
      const { channelId, message } = each;
      if (this.#context.isHeld(this.own.index, this.remote.index, channelId)) this.#held.push(each);
      else this.#transmit(channelId, message);
    }
  }

  #transmit(channelId: number, message: Uint8Array): void {
    const { scheduler, random, counts, faults } = this.#context;
    const { delayMs, clogPercent, reorderPercent } = faults();
    const queue = this.#queue(channelId);
    const [least, most] = delayMs;
    let takesMs = least + random.below((most - least) * 100 + 1) / 100;
    if (random.chance(clogPercent)) takesMs *= 1 + random.below(9);
    let atMs = scheduler.nowMs + takesMs;
    if (random.chance(reorderPercent)) counts.reordered += 1;
    else {
      atMs = Math.max(atMs, queue.lastAtMs);
      queue.lastAtMs = atMs;
    }
    const label = `${this.own.index}>${this.remote.index} ${channelId} ${message.length}`;
    scheduler.after(atMs - scheduler.nowMs, label, () => this.#arrive(channelId, message));
  }

  #arrive(channelId: number, message: Uint8Array): void {
    const queue = this.#queue(channelId);
    queue.waiting -= 1;
    if (this.isClosed) return;
    // A message that was sent before the crash may still arrive.
    if (!this.remote.life.isOver && this.other !== undefined)
      this.other.receive(channelId, message);
    if (!queue.isRefused || this.isClosed || this.own.life.isOver) return;
    queue.isRefused = false;
    this.#reactor(this.own, channelId)?.onSendable?.(channelId, this);
  }

  receive(channelId: number, message: Uint8Array): void {
    this.#bytesReceived += message.length;
    try {
      this.#reactor(this.own, channelId)?.receive(channelId, this, message.slice());
    } catch (error) {
      if (!(error instanceof P2pError)) throw error;
      this.close(error);
    }
  }

  #queue(channelId: number) {
    let queue = this.#queues.get(channelId);
    if (queue === undefined) {
      queue = { waiting: 0, lastAtMs: 0, isRefused: false };
      this.#queues.set(channelId, queue);
    }
    return queue;
  }

  #queueMax(channelId: number): number {
    const reactor = this.#reactor(this.own, channelId);
    const channel = reactor?.channels.find(({ id }) => id === channelId);
    return channel?.sendQueueMessagesMax ?? 0;
  }

  #reactor(endpoint: Endpoint, channelId: number): Reactor | undefined {
    return endpoint.reactors.find(({ channels }) => channels.some(({ id }) => id === channelId));
  }
}

function closed(): P2pError {
  return new P2pError("P2P_SOCKET_CLOSED", "the other side is gone");
}
