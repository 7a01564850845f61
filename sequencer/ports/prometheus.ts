/**
 * Prometheus behind the instruments of `instruments.ts`. A module's metrics are a table of specs,
 * one per field of its interface; `createInstruments` makes the whole interface from it.
 */
import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from "prom-client";
import type { Counter, Gauge, Histogram } from "./instruments.ts";

/** Distinct label sets one metric may have; a further one is counted under "other". */
export const LABEL_SETS_MAX = 1_000;
/** Bytes of one label value; a longer one is cut. */
export const LABEL_VALUE_LENGTH_MAX = 128;
/** What stands for label values beyond the limit. */
const OTHER = "other";

interface Spec<Type extends string, Labels extends string> {
  readonly type: Type;
  /** Prometheus name, base unit last. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Labels[];
}

export type CounterSpec<Labels extends string> = Spec<"counter", Labels>;

export interface GaugeSpec<Labels extends string> extends Spec<"gauge", Labels> {
  /** Read at each scrape instead of being set. */
  readonly collect?: () => number | Promise<number>;
}

export interface HistogramSpec<Labels extends string> extends Spec<"histogram", Labels> {
  /** Upper bounds in the metric's unit, ascending. */
  readonly buckets: readonly number[];
}

export type AnySpec = CounterSpec<string> | GaugeSpec<string> | HistogramSpec<string>;

/** The spec that an instrument needs. */
type SpecOf<I> =
  I extends Counter<infer L>
    ? CounterSpec<L>
    : I extends Gauge<infer L>
      ? GaugeSpec<L>
      : I extends Histogram<infer L>
        ? HistogramSpec<L>
        : never;

/** One spec per field of an interface of instruments. */
export type SpecsOf<M> = { readonly [K in keyof M]: SpecOf<M[K]> };

/** Ready-made buckets, from a hundred microseconds to ten seconds. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
export const MILLISECONDS_BUCKETS: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];
/** From 256 bytes to 16 MiB. */
export const BYTES_BUCKETS: readonly number[] = Array.from({ length: 9 }, (_, i) => 256 * 4 ** i);

/** Metrics of one node or adapter: never prom-client's global registry. */
export interface PrometheusRegistry {
  /** Makes all instruments of an interface; a name that exists already throws. */
  createInstruments<M>(specs: SpecsOf<M>): M;
  /** Everything, in the text format. */
  text(): Promise<string>;
  readonly contentType: string;
  /** Specs of all metrics made here, Node's own excepted. */
  specs(): readonly AnySpec[];
}

/**
 * A registry with Node's own metrics (memory, CPU, garbage collection, lag of the event loop at
 * 10 ms precision) unless `hasProcessMetrics` is false.
 */
export function createPrometheusRegistry(
  options: { readonly hasProcessMetrics?: boolean } = {},
): PrometheusRegistry {
  const register = new Registry();
  const specs: AnySpec[] = [];
  if (options.hasProcessMetrics !== false) {
    collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 10 });
  }
  return {
    createInstruments<M>(wanted: SpecsOf<M>): M {
      const instruments = Object.entries<AnySpec>(wanted).map(([field, spec]) => {
        specs.push(spec);
        return [field, createInstrument(register, spec)];
      });
      // Each field was made after its own spec, whose type follows from the interface.
      return Object.fromEntries(instruments) as M;
    },
    text: () => register.metrics(),
    contentType: register.contentType,
    specs: () => specs,
  };
}

type LabelValues = Readonly<Record<string, string>>;

function createInstrument(register: Registry, spec: AnySpec): unknown {
  const config = {
    name: spec.name,
    help: spec.help,
    labelNames: spec.labels ?? [],
    registers: [register],
  };
  const bound = labelBounds(spec.labels ?? []);
  switch (spec.type) {
    case "counter": {
      const counter = new PromCounter(config);
      return {
        inc: (labels?: LabelValues, by = 1) =>
          labels === undefined || config.labelNames.length === 0
            ? counter.inc(by)
            : counter.inc(bound(labels), by),
      } satisfies Counter<string>;
    }
    case "gauge": {
      const { collect } = spec;
      const gauge = new PromGauge({
        ...config,
        ...(collect === undefined
          ? {}
          : {
              async collect(this: PromGauge) {
                this.set(await collect());
              },
            }),
      });
      return {
        set: (value: number, labels?: LabelValues) =>
          labels === undefined ? gauge.set(value) : gauge.set(bound(labels), value),
      } satisfies Gauge<string>;
    }
    case "histogram": {
      const histogram = new PromHistogram({ ...config, buckets: [...spec.buckets] });
      return {
        observe: (value: number, labels?: LabelValues) =>
          labels === undefined ? histogram.observe(value) : histogram.observe(bound(labels), value),
      } satisfies Histogram<string>;
    }
  }
}

/** Keeps the label sets of one metric bounded: what comes too late is "other". */
function labelBounds(names: readonly string[]): (labels: LabelValues) => Record<string, string> {
  const known = new Map<string, Record<string, string>>();
  const other = Object.fromEntries(names.map((name) => [name, OTHER]));
  return (labels) => {
    let key = "";
    for (const name of names) key += `${labels[name] ?? ""}\u0000`;
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= LABEL_SETS_MAX) return other;
    const values = Object.fromEntries(
      names.map((name) => [name, (labels[name] ?? "").slice(0, LABEL_VALUE_LENGTH_MAX)]),
    );
    known.set(key, values);
    return values;
  };
}
