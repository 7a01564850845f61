/** The primary and the witnesses of a light client, and who of them is to be asked. */
import type { Height } from "../../brands.ts";
import { timeToMs } from "../../time.ts";
import type { LightBlock } from "../../types.ts";
import type { LightClock } from "./clock.ts";
import type { WitnessVerdict } from "./detector.ts";
import { lightClientError } from "./errors.ts";
import { PROVIDER_REST_MS_FIRST, PROVIDER_REST_MS_MAX } from "./limits.ts";
import { fetchLightBlock, type LightBlockProvider, providerErrorCode } from "./provider.ts";

/** What happens to providers: for logs and metrics. */
export type ProviderEvent =
  | {
      readonly kind: "primaryReplaced";
      readonly from: string;
      readonly to: string;
      readonly isForGood: boolean;
      readonly reason: string;
    }
  /** It lied or broke the format. */
  | { readonly kind: "witnessRemoved"; readonly witness: string; readonly reason: string }
  /** It did not answer and rests for a while; it is asked meanwhile where nobody else is left, without further news. */
  | {
      readonly kind: "witnessSilent";
      readonly witness: string;
      readonly reason: string;
      readonly restMs: number;
    };

/**
 * One primary, at least one witness. Who lies is removed for good, unless nobody would be left to
 * cross-check; who does not answer rests, twice as long each time, and is asked again when all rest.
 */
export class ProviderSet {
  #primary: LightBlockProvider;
  #witnesses: readonly LightBlockProvider[];
  readonly #rests = new Map<LightBlockProvider, { restMs: number; untilMs: number }>();
  readonly #chainId: string;
  readonly #clock: LightClock;
  readonly #onEvent: (event: ProviderEvent) => void;

  constructor(
    chainId: string,
    primary: LightBlockProvider,
    witnesses: readonly LightBlockProvider[],
    clock: LightClock,
    onEvent: (event: ProviderEvent) => void,
  ) {
    this.#chainId = chainId;
    this.#primary = primary;
    this.#witnesses = witnesses;
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  get primary(): LightBlockProvider {
    return this.#primary;
  }

  get witnesses(): readonly LightBlockProvider[] {
    return this.#witnesses;
  }

  /** The witnesses to ask now: those that do not rest, or all when all rest. */
  awake(): readonly LightBlockProvider[] {
    const nowMs = timeToMs(this.#clock.now());
    const awake = this.#witnesses.filter((w) => (this.#rests.get(w)?.untilMs ?? 0) <= nowMs);
    return awake.length === 0 ? this.#witnesses : awake;
  }

  /** Draws the consequences of a cross-check. */
  judge(verdicts: readonly WitnessVerdict[]): void {
    for (const verdict of verdicts) {
      if (verdict.kind === "lies") this.#remove(verdict.witness, verdict.reason);
      else if (verdict.kind === "silent") {
        // A chain that stands holds every verification up for as long as it is given time.
        const leastMs = verdict.isLagging ? PROVIDER_REST_MS_MAX : PROVIDER_REST_MS_FIRST;
        this.#rest(verdict.witness, verdict.reason, leastMs);
      } else this.#rests.delete(verdict.witness);
    }
  }

  /**
   * Makes the first witness that has the block the primary. A primary that lied is dropped; one that
   * only failed becomes a witness. @returns the block of the new primary. @throws `failure` when no
   * witness has the block, LIGHT_NO_WITNESSES when none would be left
   */
  async replacePrimary(
    height: Height | "latest",
    failure: Error,
    isForGood: boolean,
    signal: AbortSignal,
  ): Promise<LightBlock> {
    const old = this.#primary;
    if (isForGood && this.#witnesses.length < 2) {
      throw lightClientError(
        { code: "LIGHT_NO_WITNESSES" },
        `the primary is not to be trusted and nobody would be left to cross-check its replacement; add witnesses. The reason: ${failure.message}`,
        failure,
      );
    }
    const asked = this.awake();
    const answers = await Promise.allSettled(
      asked.map((witness) => fetchLightBlock(witness, this.#chainId, height, signal)),
    );
    signal.throwIfAborted();
    let found: { readonly witness: LightBlockProvider; readonly block: LightBlock } | undefined;
    for (const [i, answer] of answers.entries()) {
      const witness = asked[i];
      if (witness === undefined) continue;
      if (answer.status === "fulfilled") found ??= { witness, block: answer.value };
      else this.#judgeFailure(witness, answer.reason);
    }
    if (found === undefined) throw failure;
    const { witness, block } = found;
    const rest = this.#witnesses.filter((other) => other !== witness);
    this.#witnesses = isForGood ? rest : [...rest, old];
    this.#primary = witness;
    this.#onEvent({
      kind: "primaryReplaced",
      from: old.name,
      to: witness.name,
      isForGood,
      reason: failure.message,
    });
    return block;
  }

  #judgeFailure(witness: LightBlockProvider, error: unknown): void {
    const code = providerErrorCode(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    if (code === "PROVIDER_BAD_BLOCK") this.#remove(witness, error.message);
    else if (code === "PROVIDER_NO_RESPONSE") this.#rest(witness, error.message);
  }

  #remove(witness: LightBlockProvider, reason: string): void {
    if (this.#witnesses.length < 2) {
      // The last one stays, so that a later try can still be cross-checked; it confirmed nothing.
      this.#rest(witness, reason);
      return;
    }
    this.#witnesses = this.#witnesses.filter((other) => other !== witness);
    this.#onEvent({ kind: "witnessRemoved", witness: witness.name, reason });
  }

  #rest(witness: LightBlockProvider, reason: string, leastMs = PROVIDER_REST_MS_FIRST): void {
    const nowMs = timeToMs(this.#clock.now());
    const before = this.#rests.get(witness);
    // It was asked because all rest: neither news nor a reason for a longer rest.
    if (before !== undefined && nowMs < before.untilMs) return;
    const restMs = Math.min(Math.max(2 * (before?.restMs ?? 0), leastMs), PROVIDER_REST_MS_MAX);
    this.#rests.set(witness, { restMs, untilMs: nowMs + restMs });
    this.#onEvent({ kind: "witnessSilent", witness: witness.name, reason, restMs });
  }
}
