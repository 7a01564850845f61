import { type ControlKey, itemBlockBytes, Lane, orderControl } from "../../../mev/lanes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { PREPARE_MISFITS_MAX } from "../limits.ts";
import type { Selection } from "../pool/selection.ts";

/**
 * Which CONTROL transactions stand in a proposal: those that pay best, as far as the lane has room. Whether one is
 * valid shows at its place only, in canonical order. One that is not gives its room back to be drawn for again; or an
 * account could fill the lane with transactions of which only one can be valid, and pay for that one.
 */
export class ControlDraw {
  readonly #selection: Selection;
  readonly #perSignerMax: number;
  readonly #chosen = new Map<DecodedTx, ControlKey>();
  readonly #ofSigner = new Map<string, number>();
  /** Accounts of which something was not valid: nothing more is drawn of them. */
  readonly #barred = new Set<string>();
  /** Drawn when there was too little room for them, best price first. */
  #passedOver: readonly DecodedTx[] = [];
  /** Bytes of the block that are left. */
  #room: number;
  #draws = 0;
  #isRoomNew = true;

  constructor(selection: Selection, room: number, perSignerMax: number) {
    this.#selection = selection;
    this.#room = room;
    this.#perSignerMax = perSignerMax;
  }

  /** What is chosen, in the order of the lane. */
  chosen(): readonly DecodedTx[] {
    const all = [...this.#chosen].map(([tx, control]) => ({ tx, control }));
    return orderControl(all, this.#perSignerMax).map(({ tx }) => tx);
  }

  /** One that is chosen is not valid at its place: it has none. */
  refuse(tx: DecodedTx): void {
    this.#chosen.delete(tx);
    this.#barred.add(tx.sender);
    this.#room += itemBlockBytes(tx.item.length);
    this.#isRoomNew = true;
  }

  /**
   * Chooses as many as there is room for; returns whether there are more than before. Room that was given back goes
   * to one transaction of an account at a time: two may exclude each other again.
   */
  draw(): boolean {
    if (!this.#isRoomNew) return false;
    this.#isRoomNew = false;
    const each = this.#draws++ === 0 ? this.#perSignerMax : 1;
    const ofDraw = new Map<string, number>();
    const waiting = [...this.#passedOver];
    const passedOver: DecodedTx[] = [];
    let misfits = 0;
    while (misfits < PREPARE_MISFITS_MAX) {
      const tx = waiting.shift() ?? this.#selection.next(Lane.CONTROL)?.tx;
      const control = tx?.laneUse(false).control;
      if (tx === undefined || control === undefined) break;
      const [signed, drawn] = [this.#ofSigner.get(tx.sender) ?? 0, ofDraw.get(tx.sender) ?? 0];
      if (signed >= this.#perSignerMax || drawn >= each || this.#barred.has(tx.sender)) continue;
      const bytes = itemBlockBytes(tx.item.length);
      if (bytes > this.#room) {
        passedOver.push(tx);
        misfits++;
        continue;
      }
      this.#ofSigner.set(tx.sender, signed + 1);
      ofDraw.set(tx.sender, drawn + 1);
      this.#chosen.set(tx, control);
      this.#selection.placed(tx);
      this.#room -= bytes;
      misfits = 0;
    }
    this.#passedOver = [...passedOver, ...waiting];
    return ofDraw.size > 0;
  }
}
