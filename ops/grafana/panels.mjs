// What panels are described with: expressions over the chosen nodes, kinds of panels.

/** Grafana's own placeholder: the chosen nodes. */
export const AT = 'job=~"$job",instance=~"$instance"';
export const RANGE = "$__rate_interval";

export const gauge = (name, labels = "") => `${name}{${AT}${labels}}`;
export const increase = (name) => `increase(${name}{${AT}}[${RANGE}])`;
export const rate = (name, labels = "") => `rate(${name}{${AT}${labels}}[${RANGE}])`;
export const sumBy = (by, expr) => `sum by (${by}) (${expr})`;
export const quantile = (q, name, by = "instance") =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${name}_bucket{${AT}}[${RANGE}])))`;
export const mean = (name) => `${rate(`${name}_sum`)} / ${rate(`${name}_count`)}`;

/** A panel: title, unit, then pairs of expression and legend. */
export const panel = (title, unit, ...targets) => ({ title, unit, targets, type: "timeseries" });
export const stat = (title, unit, ...targets) => ({ title, unit, targets, type: "stat" });
export const table = (title, ...targets) => ({ title, unit: "short", targets, type: "table" });

export const NODE = "{{instance}}";
