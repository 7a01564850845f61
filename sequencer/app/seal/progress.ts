/**
 * What became of sealed transactions and commits, from the events of blocks: each of them has its place at
 * once, and its content, or the reason why there is none, some blocks later.
 */
import type { Height } from "../../../proto/brands.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { BID_LOST, BID_WON } from "../auction/events.ts";
import {
  SEAL_COMMITTED,
  SEAL_DISPUTED,
  SEAL_EXPIRED,
  SEAL_INVALID,
  SEAL_OPENED,
  SEAL_ORDERED,
  SEAL_REVEALED,
  SEAL_VOID,
} from "./events.ts";

export type SealProgressState =
  /** It has its place; nobody can read it yet. */
  | "sealed"
  /** A proposer says that the shares do not open it: single shares will show who is right. */
  | "disputed"
  /** Its rollups have its content. */
  | "opened"
  /** What came out is no content for its rollups. */
  | "invalid"
  /** Nobody opened it in time: fee and bond went back. */
  | "expired"
  /** A commit that its sender did not reveal in time: the bond is lost. */
  | "void"
  /** A bid: its rollups execute it at the top of its block. */
  | "won"
  /** A bid: nobody executes it, and nothing but its fee is paid. */
  | "lost";

export interface SealProgress {
  readonly state: SealProgressState;
  /** Block that says so. */
  readonly height: Height;
  /** Why, for humans; empty when it is opened. */
  readonly reason: string;
  /** What a bid that has won pays, nweft. */
  readonly price?: bigint;
}

/** Progress by transaction id, 64 lower-case hex characters; the oldest are forgotten. */
export class SealProgressLog {
  readonly #countMax: number;
  readonly #byId = new Map<string, SealProgress>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get(id: string): SealProgress | undefined {
    return this.#byId.get(id);
  }

  /** Takes in the events of a block, of its items and its own. */
  record(height: Height, events: Iterable<AbciEvent>): void {
    for (const event of events) {
      const tell = TOLD[event.type];
      if (tell === undefined) continue;
      const attribute = (key: string): string =>
        event.attributes.find((one) => one.key === key)?.value ?? "";
      const id = attribute("id");
      // Moves to the end: what has just changed is asked for.
      this.#byId.delete(id);
      this.#byId.set(id, { height, ...tell(attribute) });
    }
    for (const oldest of this.#byId.keys()) {
      if (this.#byId.size <= this.#countMax) break;
      this.#byId.delete(oldest);
    }
  }
}

type Told = Pick<SealProgress, "state" | "reason" | "price">;

/** Why a bid does not win, for humans. */
const LOSSES: Readonly<Record<string, string>> = {
  OUTBID: "OUTBID: other bids are worth more together",
  RESERVE_NOT_MET: "RESERVE_NOT_MET: it offers less than the reserves of its rollups",
  UNBACKED:
    "UNBACKED: what the escrow of its account held at its block does not cover it; its bond is lost",
};

/** What each event says. */
const TOLD: Readonly<Record<string, (attribute: (key: string) => string) => Told>> = {
  [SEAL_ORDERED]: (of) => ({
    state: "sealed",
    reason: `sealed for key ${of("key")}; opened in two blocks, if validators do not stay away`,
  }),
  [SEAL_COMMITTED]: (of) => ({
    state: "sealed",
    reason: `reveal it up to block ${of("reveal_height")}`,
  }),
  [SEAL_DISPUTED]: (of) => ({
    state: "disputed",
    reason: `proposer ${of("proposer")} says that the shares do not open it`,
  }),
  [SEAL_OPENED]: () => ({ state: "opened", reason: "" }),
  [SEAL_INVALID]: (of) => ({ state: "invalid", reason: of("reason") }),
  [SEAL_EXPIRED]: (of) => ({ state: "expired", reason: of("reason") }),
  [SEAL_REVEALED]: (of) => ({
    state: of("outcome") === "opened" ? "opened" : "invalid",
    reason: of("reason"),
  }),
  [BID_WON]: (of) => ({ state: "won", reason: "", price: BigInt(of("price")) }),
  [BID_LOST]: (of) => ({ state: "lost", reason: LOSSES[of("reason")] ?? of("reason") }),
  [SEAL_VOID]: (of) => ({
    state: "void",
    reason: `it was not revealed in time; ${of("burned")} nweft are burned`,
  }),
};
