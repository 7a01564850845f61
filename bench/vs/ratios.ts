/** Ours by CometBFT's with its key-value application. Pure. */
import type { Figures } from "./figures.ts";
import { KEY, type Scenario } from "./scenarios.ts";

/** Undefined where a scenario of it was not run. */
export interface Ratios {
  /** Committed single transactions per second, both over the same WebSocket interface. */
  readonly single: number | undefined;
  /** Committed payloads per second in signed batches of 100, by CometBFT's single transactions per second. */
  readonly batch100: number | undefined;
  /** Latency p50 of single transactions at light load, both over WebSocket; below 1 is better. */
  readonly latency: number | undefined;
  /** As `single` and `latency`, ours over its gRPC stream. */
  readonly singleGrpc: number | undefined;
  readonly latencyGrpc: number | undefined;
  /** As `latencyGrpc`, at the lower rate. */
  readonly latencyLowRate: number | undefined;
  /** As `batch100`, by CometBFT's fed with values as large as a batch. */
  readonly batch100ByLargeValues: number | undefined;
  /** CometBFT's CPU time for one transaction by ours, validators and generator: `single` without the noise of others. */
  readonly singleByCpu: number | undefined;
  readonly batch100ByCpu: number | undefined;
}

export function ratios(
  results: readonly { readonly name: string; readonly median: Figures }[],
): Ratios {
  const ratio = (
    over: Scenario,
    under: Scenario,
    value: (figures: Figures) => number,
  ): number | undefined => {
    const [a, b] = [over, under].map(
      ({ name }) => results.find((result) => result.name === name)?.median,
    );
    if (a === undefined || b === undefined) return undefined;
    return value(b) > 0 ? value(a) / value(b) : undefined;
  };
  const rate = (one: Figures): number => one.payloadsPerSecond;
  const p50 = (one: Figures): number => one.latencyMs.p50;
  const cpu = (one: Figures): number => one.validatorsCpuMicros + one.generatorCpuMicros;
  return {
    single: ratio(KEY.weftSingleWebSocket, KEY.kvstoreSingle, rate),
    batch100: ratio(KEY.weftBatch100, KEY.kvstoreSingle, rate),
    latency: ratio(KEY.weftLightWebSocket, KEY.kvstoreLight, p50),
    singleGrpc: ratio(KEY.weftSingle, KEY.kvstoreSingle, rate),
    latencyGrpc: ratio(KEY.weftLight, KEY.kvstoreLight, p50),
    latencyLowRate: ratio(KEY.weftLow, KEY.kvstoreLow, p50),
    batch100ByLargeValues: ratio(KEY.weftBatch100, KEY.kvstoreLargeValues, rate),
    singleByCpu: ratio(KEY.kvstoreSingle, KEY.weftSingleWebSocket, cpu),
    batch100ByCpu: ratio(KEY.kvstoreSingle, KEY.weftBatch100, cpu),
  };
}
