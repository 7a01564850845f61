/**
 * What a module needs of a metric. Each module lists its metrics as an interface of instruments;
 * `sequencer/metrics` makes the Prometheus ones, tests pass null objects.
 */
export interface Counter<Labels extends string = never> {
  inc(labels?: Readonly<Record<Labels, string>>, by?: number): void;
}

export interface Gauge<Labels extends string = never> {
  set(value: number, labels?: Readonly<Record<Labels, string>>): void;
}

export interface Histogram<Labels extends string = never> {
  observe(value: number, labels?: Readonly<Record<Labels, string>>): void;
}

export const NULL_COUNTER: Counter<string> = { inc: () => {} };
export const NULL_GAUGE: Gauge<string> = { set: () => {} };
export const NULL_HISTOGRAM: Histogram<string> = { observe: () => {} };
