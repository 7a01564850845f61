// What panels are described with: expressions over the chosen nodes, kinds of panels.

/** Grafana's own placeholder: the chosen nodes. */
export const AT = 'job=~"$job",instance=~"$instance"';
export const RANGE = "$__rate_interval";

export const gauge = (name) => `${name}{${AT}}`;
export const increase = (name) => `increase(${name}{${AT}}[${RANGE}])`;
export const rate = (name) => `rate(${name}{${AT}}[${RANGE}])`;
/**
 * The increase of a counter with labels, to be summed. Such a counter is shown from its first event on, which `increase()`
 * does not see: what was not there a range ago counts as a whole, unless the node did not answer then.
 */
export const events = (name) =>
  `(${gauge(name)} unless ${gauge(name)} offset ${RANGE} unless on (job, instance) ${gauge("up")} offset ${RANGE} == 0)` +
  ` or ${increase(name)}`;
export const sumBy = (by, expr) => `sum by (${by}) (${expr})`;
export const quantile = (q, name, by = "instance") =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${name}_bucket{${AT}}[${RANGE}])))`;
export const mean = (name) => `${rate(`${name}_sum`)} / ${rate(`${name}_count`)}`;

/** A panel: title, unit, then pairs of expression and legend. */
export const panel = (title, unit, ...targets) => ({ title, unit, targets, type: "timeseries" });
export const stat = (title, unit, ...targets) => ({ title, unit, targets, type: "stat" });
export const table = (title, ...targets) => ({ title, unit: "short", targets, type: "table" });

export const NODE = "{{instance}}";
