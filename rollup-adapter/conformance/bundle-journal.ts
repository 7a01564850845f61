/** What a run has done with atomic bundles: what has to be open, and what a second instance is told. */
import { AtomicOutcome } from "../../proto/codec/atomic-tx.ts";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import type {
  DecideBundleRequest,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../execution.ts";

/** A leg that was prepared. */
export interface Prepared {
  readonly request: PrepareBundleRequest;
  readonly response: PrepareBundleResponse;
  /** Whether it must leave nothing behind, so that the second instance never hears of it. */
  readonly isTraceless: boolean;
}

/** A bundle that was decided. */
export interface Decided {
  readonly request: DecideBundleRequest;
  readonly prepared: Prepared;
}

export type BundleStep =
  | ({ readonly kind: "prepare" } & Prepared)
  | ({ readonly kind: "decide" } & Decided);

export class BundleJournal {
  readonly #steps: BundleStep[] = [];
  /** Prepared and not decided, in that order. */
  #open: readonly Prepared[] = [];
  #count = 0;

  get open(): readonly Prepared[] {
    return this.#open;
  }

  /** A number that no bundle before had. */
  nextNumber(): number {
    return this.#count++;
  }

  prepared(prepared: Prepared): void {
    this.#steps.push({ kind: "prepare", ...prepared });
    this.#open = [...this.#open, prepared];
  }

  decided(decided: Decided): void {
    this.#steps.push({ kind: "decide", ...decided });
    const { bundleId } = decided.request;
    this.#open = this.#open.filter(({ request }) => !bytesEqual(request.bundleId, bundleId));
  }

  /** Payloads of each leg that is committed at that height. */
  commitsAt(height: Height): readonly (readonly Uint8Array[])[] {
    return this.#steps.flatMap((step) =>
      step.kind === "decide" &&
      step.request.sequencerHeight === height &&
      step.request.outcome === AtomicOutcome.COMMIT
        ? [step.prepared.request.payloads]
        : [],
    );
  }

  /** What came before `executeBlock` of that height, without what must leave no trace. */
  stepsAt(height: Height): readonly BundleStep[] {
    return this.#steps.filter((step) => {
      const isTraceless = step.kind === "prepare" ? step.isTraceless : step.prepared.isTraceless;
      return step.request.sequencerHeight === height && !isTraceless;
    });
  }
}
