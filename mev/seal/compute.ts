/**
 * The port to the heavy arithmetic of sealed transactions. Who implements it decides where the work is done
 * (a node: on threads of its own; tests: at once), never what comes out: every answer is a function of what
 * is asked. Points, shares and labels are as in `tdh2.ts`.
 */
import type { SealedItemKind } from "../../proto/codec/seal-state.ts";
import type { Refusal } from "../../proto/refusal.ts";
import type { PlainContent } from "./open-plaintext.ts";

/** A statement that bytes alone decide. It stands beside the signatures of a transaction. */
export type SealProof =
  /** The ciphertext is well-formed and made by somebody who knows what is in it, for this label. */
  | {
      readonly kind: "ciphertext";
      readonly label: Uint8Array;
      readonly kem: Uint8Array;
      readonly body: Uint8Array;
    }
  /** Knowledge of the discrete logarithm of a point. */
  | {
      readonly kind: "possession";
      readonly context: Uint8Array;
      readonly point: Uint8Array;
      readonly proof: Uint8Array;
    }
  /** The proof of these shares holds, or does not: what evidence says of them. Bytes that are no points fail. */
  | { readonly kind: "shares"; readonly holds: boolean; readonly of: SharesToVerify };

/** Shares of one ticket for the open items of one batch. */
export interface SharesToVerify {
  readonly context: Uint8Array;
  /** X of the ticket. */
  readonly publicShare: Uint8Array;
  readonly points: Uint8Array;
  readonly shares: Uint8Array;
  readonly proof: Uint8Array;
}

export interface SharesToMake extends Omit<SharesToVerify, "shares" | "proof"> {
  /** x of the ticket, 32 bytes. */
  readonly secret: Uint8Array;
}

export interface MadeShares {
  readonly shares: Uint8Array;
  readonly proof: Uint8Array;
}

/** Shares of distinct tickets for the same points. */
export interface SharesToCombine {
  readonly threshold: number;
  readonly shares: readonly { readonly ticket: number; readonly points: Uint8Array }[];
}

export interface BatchToOpen {
  /** Y. */
  readonly publicKey: Uint8Array;
  readonly items: readonly {
    readonly label: Uint8Array;
    readonly kem: Uint8Array;
    readonly body: Uint8Array;
    readonly rollupIds: readonly Uint8Array[];
    readonly kind: SealedItemKind;
  }[];
  /** One Z for each item. */
  readonly points: Uint8Array;
}

export type OpenedItem =
  /** What each of its rollups gets. */
  | ({ readonly kind: "opened" } & PlainContent)
  /** Z is right, and what comes out is no content for these rollups. */
  | { readonly kind: "invalid"; readonly reason: string }
  /** Z does not belong to the ciphertext. */
  | { readonly kind: "failed" };

export interface SealCompute {
  check(proofs: readonly SealProof[]): Promise<readonly boolean[]>;
  makeShares(asked: readonly SharesToMake[]): Promise<readonly MadeShares[]>;
  verifyShares(asked: readonly SharesToVerify[]): Promise<readonly boolean[]>;
  /** Z of each point, flat; the shares have been verified. */
  combine(asked: SharesToCombine): Promise<Uint8Array>;
  open(batch: BatchToOpen): Promise<readonly OpenedItem[]>;
}

export type SealRefusalCode =
  /** Not one canonical `Shares`. */
  | "SHARES_MALFORMED"
  /** A SHARES part where nothing was asked of this validator, or none where LISTS promises one. */
  | "SHARES_UNEXPECTED"
  /** The root in LISTS is not the hash of the SHARES part. */
  | "SHARES_ROOT"
  /** Not exactly the batches, disputes, tickets and counts that were asked for. */
  | "SHARES_INCOMPLETE"
  /** A proof does not hold. */
  | "SHARES_PROOF";

export type SealRefusal = Refusal<SealRefusalCode>;
