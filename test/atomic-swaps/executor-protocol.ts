/** What the harness and its executors say to each other, one JSON document a line. */

/**
 * Points of an executor's work about one bundle, each with what is on disk there:
 * `prepared`: what the leg would do, and no vote. `voted`: the vote, which is not signed. `sending`: the vote, signed; a
 * node may have it or not. `decided`: the decision, and not the block that carries it out. `reported`: that block and the
 * report, which is not signed.
 */
export const POINTS = ["prepared", "voted", "sending", "decided", "reported"] as const;
export type Point = (typeof POINTS)[number];

/** Said to an executor: send yourself this signal when you come to that point. It holds once. */
export interface Trap {
  readonly point: Point;
  readonly signal: "SIGKILL" | "SIGSTOP";
  /** Id in hex: not about any other bundle. Of `voted`, `sending` and `reported` only. */
  readonly bundle?: string;
  /** From the signature of the vote; of `sending` only. */
  readonly afterMs?: number;
}

/** A trap on its way; the number is the harness's. */
export interface NumberedTrap extends Trap {
  readonly id: number;
}

/** Said by an executor. */
export type ExecutorEvent =
  | { readonly kind: "ready"; readonly rpcUrl: string }
  /** It has executed the sequencer's blocks up to this one. */
  | { readonly kind: "height"; readonly height: number }
  /** The signal comes now. */
  | { readonly kind: "trapped"; readonly id: number }
  /** A node did not take its vote or report. `statement`: as in its store, v/ or r/, bundle, height. */
  | { readonly kind: "refused"; readonly statement: string; readonly reason: string };
