/**
 * What byzantine validators could read of sealed transactions, and when. It hears every vote that an honest
 * validator sends, to whomever, has the secrets of all byzantine ones, and tries what they make together on
 * every sealed transaction that any client has made. Whatever it can read must have its final place already.
 */
import type { BatchToOpen, SealCompute } from "../../mev/seal/compute.ts";
import { publicShareAt } from "../../mev/seal/dkg.ts";
import { kemPoint } from "../../mev/seal/tdh2.ts";
import { SealedItemKind } from "../../proto/codec/seal-state.ts";
import { toHex } from "../../proto/bytes.ts";
import { type BatchShares, SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { decodeVoteExtension, PartType } from "../../proto/codec/weft-extension.ts";
import { SignedMsgType, type Vote } from "../../proto/types.ts";
import { SimulationFailure } from "./checkers.ts";

export interface MadeItem
  extends Pick<BatchToOpen["items"][number], "label" | "kem" | "body" | "rollupIds"> {
  /** Transaction id. */
  readonly id: Uint8Array;
  readonly key: number;
}

export interface SealWatchDependencies {
  readonly compute: Pick<SealCompute, "makeShares" | "combine" | "open">;
  /** A key that is final. */
  readonly keyOf: (key: number) => SealKeyState | undefined;
  /** Secrets of all byzantine validators together, by ticket. */
  readonly secretsOf: (key: number) => ReadonlyMap<number, Uint8Array>;
  /** Told of each transaction that the byzantine could read now; its place is final. */
  readonly onRead: (item: MadeItem, height: number) => void;
}

interface WatchedItem extends MadeItem {
  /** Of the block that holds it, once that is decided. */
  height: number | undefined;
  /** Shares of the byzantine validators. */
  own: Promise<ReadonlyMap<number, Uint8Array>> | undefined;
}

/** Shares that honest validators gave for one batch in votes of one height, by ticket. */
type Heard = Map<number, Uint8Array>;

export class SealWatch {
  readonly #deps: SealWatchDependencies;
  /** Those that could not be read so far, by id. */
  readonly #unread = new Map<string, WatchedItem>();
  readonly #heard = new Map<string, Heard>();
  readonly #votes = new Set<string>();

  constructor(deps: SealWatchDependencies) {
    this.#deps = deps;
  }

  /** A client made it; from now on anybody may have it. */
  made(item: MadeItem): void {
    this.#unread.set(toHex(item.id), { ...item, height: undefined, own: undefined });
  }

  /** A block that holds it was decided: its place is final. */
  decided(id: Uint8Array, height: number): void {
    const item = this.#unread.get(toHex(id));
    if (item !== undefined) item.height ??= height;
  }

  /**
   * An honest validator sends a vote.
   * @throws SimulationFailure when what is known now opens something whose order is not final
   */
  async sent(vote: Vote): Promise<void> {
    if (vote.type !== SignedMsgType.PRECOMMIT || vote.extension.length === 0) return;
    const name = toHex(vote.extensionSignature);
    if (this.#votes.has(name)) return;
    this.#votes.add(name);
    const { parts } = decodeVoteExtension(vote.extension);
    const part = parts.find(({ type }) => type === PartType.SHARES);
    if (part === undefined) return;
    for (const batch of SHARES_CODEC.decode(part.content).batches) {
      await this.#listen(vote.height, batch);
    }
  }

  async #listen(height: number, batch: BatchShares): Promise<void> {
    const place = `${height}/${batch.height}`;
    const heard: Heard = this.#heard.get(place) ?? new Map<number, Uint8Array>();
    this.#heard.set(place, heard);
    for (const { ticket, points } of batch.tickets) heard.set(ticket, points);
    for (const item of this.#unread.values()) {
      // What stands in another block has shares of its own.
      if (item.height !== undefined && item.height !== batch.height) continue;
      if (!(await this.#opens(item, heard))) continue;
      if (item.height === undefined) {
        throw new SimulationFailure(
          `front-running: votes of height ${height} open ${toHex(item.id)}, which is in no decided block`,
        );
      }
      this.#unread.delete(toHex(item.id));
      this.#deps.onRead(item, item.height);
    }
  }

  /** Whatever place in the batch it has. */
  async #opens(item: WatchedItem, heard: Heard): Promise<boolean> {
    const { compute, keyOf } = this.#deps;
    const key = keyOf(item.key);
    if (key === undefined) return false;
    const { threshold, publicKey } = key;
    item.own ??= this.#ownShares(item, key);
    const own = await item.own;
    const tickets = [...new Set([...own.keys(), ...heard.keys()])].slice(0, threshold);
    if (tickets.length < threshold) return false;
    const [any] = heard.values();
    const count = (any?.length ?? 0) / POINT_BYTES;
    const toOpen = { ...item, kind: SealedItemKind.SEALED };
    for (let i = 0; i < count; i++) {
      const shares = tickets.map((ticket) => {
        const at = i * POINT_BYTES;
        const points = own.get(ticket) ?? heard.get(ticket)?.subarray(at, at + POINT_BYTES);
        if (points?.length !== POINT_BYTES) throw new SimulationFailure("a batch has one length");
        return { ticket, points };
      });
      const points = await compute.combine({ threshold, shares });
      const [opened] = await compute.open({ publicKey, items: [toOpen], points });
      if (opened?.kind === "opened") return true;
    }
    return false;
  }

  async #ownShares(item: MadeItem, key: SealKeyState): Promise<ReadonlyMap<number, Uint8Array>> {
    const points = kemPoint(item.kem);
    const secrets = [...this.#deps.secretsOf(item.key)];
    const made = await this.#deps.compute.makeShares(
      secrets.map(([ticket, secret]) => ({
        context: new Uint8Array(0),
        secret,
        publicShare: publicShareAt(key, ticket),
        points,
      })),
    );
    return new Map(
      secrets.flatMap(([ticket], i) => {
        const shares = made[i]?.shares;
        return shares === undefined ? [] : [[ticket, shares] as const];
      }),
    );
  }
}
