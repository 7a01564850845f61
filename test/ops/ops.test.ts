/** Metrics, dashboards, alerts and runbook must agree; promtool judges the rules. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, type TestContext } from "vitest";
import { createAdapterMetrics } from "../../rollup-adapter/metrics.ts";
import { ABCI_SPECS } from "../../sequencer/metrics/abci-specs.ts";
import { COMETBFT_SPECS } from "../../sequencer/metrics/cometbft-specs.ts";
import { createNodeMetrics } from "../../sequencer/metrics/metrics.ts";
import { createSignerProcessMetrics } from "../../sequencer/metrics/signer-specs.ts";
import type { AnySpec } from "../../sequencer/ports/prometheus.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OPS = new URL("../../ops/", import.meta.url);

interface Target {
  readonly expr: string;
  readonly datasource: { readonly type: string; readonly uid: string };
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly Target[];
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
}
interface Dashboard {
  readonly uid: string;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string }[];
  };
  readonly panels: readonly Panel[];
}
interface Generator {
  readonly dashboards: readonly { readonly file: string }[];
  render(dashboard: { readonly file: string }): Dashboard;
}

/** A metric as the doc line of its field declares it. */
interface Declared {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly where: string;
}

function text(path: string): string {
  return readFileSync(new URL(path, OPS), "utf8");
}

const ALERTS = text("prometheus/alerts.yml");
const ALERT_TESTS = text("prometheus/alerts.test.yml");
const RUNBOOK = text("runbook.md");
const ALERT_NAMES = [...ALERTS.matchAll(/- alert: (\w+)/g)].map((match) => match[1] ?? "");

const registry = createNodeMetrics(
  {
    homeDirectory: tmpdir(),
    version: "0",
    network: "n",
    moniker: "m",
    genesisTime: { seconds: 0n, nanos: 0 },
    poolTransactionsMax: 1,
    poolBytesMax: 1,
  },
  { health: () => ({ status: "ready", height: 0 }) },
).registry;
const adapterRegistry = createPrometheusRegistry({ hasProcessMetrics: false });
createAdapterMetrics(adapterRegistry);
const signerRegistry = createPrometheusRegistry({ hasProcessMetrics: false });
createSignerProcessMetrics(signerRegistry);
const SPECS: readonly AnySpec[] = [
  ...registry.specs(),
  ...adapterRegistry.specs(),
  ...signerRegistry.specs(),
  // A node or an application under CometBFT has these beside those that every node has.
  ...Object.values(ABCI_SPECS),
  ...Object.values(COMETBFT_SPECS),
];

/** Fields of all interfaces of instruments, read from the source. */
function declaredMetrics(): readonly Declared[] {
  const files = [
    ...["sequencer", "rollup-adapter"].flatMap((folder) =>
      readdirSync(`${ROOT}${folder}`).map((name) => `${folder}/${name}/metrics.ts`),
    ),
    "sequencer/metrics/process-metrics.ts",
    "sequencer/app/seal/metrics.ts",
    "sequencer/app/atomic/metrics.ts",
    "sequencer/app/auction/metrics.ts",
    "sequencer/app/bundles/metrics.ts",
    "sequencer/app/inclusion/metrics.ts",
  ].filter((file) => existsSync(`${ROOT}${file}`) && file !== "sequencer/metrics/metrics.ts");
  const field =
    /\/\*\*\s*`?([a-z][a-z0-9_]*)(?:\{[^}]*\})?`?\s*:\s*((?:(?!\*\/)[\s\S])*?)\s*\*\/\s*readonly (\w+): (Counter|Gauge|Histogram)(?:<([^>]*)>)?;/g;
  return files.flatMap((file) => {
    const source = readFileSync(`${ROOT}${file}`, "utf8");
    const found = [...source.matchAll(field)].map((match) => ({
      name: match[1] ?? "",
      help: (match[2] ?? "")
        .replace(/\s*\n\s*\*\s*/g, " ")
        .replaceAll("`", "")
        .replace(/\.$/, ""),
      type: (match[4] ?? "").toLowerCase(),
      labels: [...(match[5] ?? "").matchAll(/"(\w+)"/g)].map((label) => label[1] ?? ""),
      where: `${file} ${match[3] ?? ""}`,
    }));
    // A field without a well-formed doc line would go unseen.
    const fields = [...source.matchAll(/readonly \w+: (Counter|Gauge|Histogram)\b/g)].length;
    expect(found.length, `${file}: fields with a doc line "name: help"`).toBe(fields);
    return found;
  });
}

/** Expressions of alerts, each on one line. */
function alertExpressions(): readonly { readonly name: string; readonly expr: string }[] {
  const alert = /- alert: (\w+)\n\s+expr: (?:>-\n)?((?:.*\n)+?)\s+(?:for|labels):/g;
  return [...ALERTS.matchAll(alert)].map((match) => ({
    name: match[1] ?? "",
    expr: (match[2] ?? "").trim().replace(/\s*\n\s*/g, " "),
  }));
}

/** Each increase of a counter with labels: it is absent before its first event, and 1 or more from then on. */
function labelledIncreases(
  expression: string,
): readonly { readonly counter: string; readonly window: string }[] {
  const labelled = new Set(
    SPECS.filter(({ type, labels = [] }) => type === "counter" && labels.length > 0).map(
      ({ name }) => name,
    ),
  );
  return [...expression.matchAll(/increase\((\w+)(?:\{[^}]*\})?\[([$\w]+)\]\)/g)]
    .map((match) => ({ counter: match[1] ?? "", window: match[2] ?? "" }))
    .filter(({ counter }) => labelled.has(counter));
}

function dashboardFiles(): readonly { readonly file: string; readonly json: Dashboard }[] {
  const folder = `${ROOT}ops/grafana/dashboards`;
  return readdirSync(folder).map((file) => ({
    file,
    json: JSON.parse(readFileSync(`${folder}/${file}`, "utf8")) as Dashboard,
  }));
}

/** Names of metrics in an expression. */
function metricsIn(expression: string): readonly string[] {
  return [...expression.matchAll(/\b(?:cometbft|weft|nodejs|process)_[a-z0-9_]+/g)].map(
    ([name]) => name,
  );
}

/** All series names there are: a histogram has three. */
async function exportedNames(): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const series = (name: string, type: string) =>
    type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name];
  for (const { name, type } of SPECS) for (const one of series(name, type)) names.add(one);
  for (const match of (await registry.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    for (const one of series(match[1] ?? "", match[2] ?? "")) names.add(one);
  }
  return names;
}

const usedIn = {
  panels: () =>
    dashboardFiles().flatMap(({ json }) =>
      json.panels.flatMap((panel) => (panel.targets ?? []).flatMap(({ expr }) => metricsIn(expr))),
    ),
  rules: () => metricsIn(ALERTS.replace(/^\s*#.*$/gm, "")),
};

describe("metrics", () => {
  it("are exported under the name, type, labels and help that their fields declare", () => {
    const declared = new Map(declaredMetrics().map((one) => [one.name, one]));
    expect([...declared.keys()].sort()).toEqual(SPECS.map(({ name }) => name).sort());
    for (const spec of SPECS) {
      const wanted = declared.get(spec.name);
      expect([spec.type, spec.labels ?? []], wanted?.where).toEqual([wanted?.type, wanted?.labels]);
      expect(spec.help.toLowerCase(), wanted?.where).toBe(wanted?.help.toLowerCase());
    }
  });

  it("stand on a panel or in a rule, every one", () => {
    const used = new Set(
      [...usedIn.panels(), ...usedIn.rules()].map((name) =>
        name.replace(/_(bucket|sum|count)$/, ""),
      ),
    );
    expect(
      SPECS.map(({ name }) => name.replace(/_count$/, "")).filter((name) => !used.has(name)),
    ).toEqual([]);
  });

  it("are the only ones that panels and rules name", async () => {
    const names = await exportedNames();
    expect(usedIn.panels().length).toBeGreaterThan(100);
    expect(usedIn.rules().length).toBeGreaterThan(30);
    expect(usedIn.panels().filter((name) => !names.has(name))).toEqual([]);
    expect(usedIn.rules().filter((name) => !names.has(name))).toEqual([]);
  });
});

/** Titles of panels that share a cell of the grid. */
function overlaps(panels: readonly Panel[]): readonly string[] {
  const cells = new Set<string>();
  return panels
    .filter(({ gridPos: { x, y, w, h } }) => {
      const own = Array.from(
        { length: w * h },
        (_, i) => `${x + (i % w)}/${y + Math.floor(i / w)}`,
      );
      const isTaken = own.some((cell) => cells.has(cell));
      for (const cell of own) cells.add(cell);
      return isTaken;
    })
    .map(({ title }) => title);
}

describe("dashboards", () => {
  it("are what the generator writes", async () => {
    const url = new URL("grafana/generate.mjs", OPS).href;
    const generator = (await import(url)) as Generator;
    const files = new Map(dashboardFiles().map(({ file, json }) => [file, json]));
    expect([...files.keys()].sort()).toEqual(generator.dashboards.map(({ file }) => file).sort());
    for (const dashboard of generator.dashboards) {
      expect(files.get(dashboard.file)).toEqual(generator.render(dashboard));
    }
  });

  it("take their data source and nodes from variables, and panels do not overlap", () => {
    for (const { file, json } of dashboardFiles()) {
      const variables = json.templating.list.map(({ name }) => name);
      expect(variables, file).toEqual(["datasource", "job", "instance"]);
      const targets = json.panels.flatMap((panel) => panel.targets ?? []);
      expect(new Set(targets.map(({ datasource }) => datasource.uid))).toEqual(
        new Set(["${datasource}"]),
      );
      expect(targets.filter(({ expr }) => !expr.includes('instance=~"$instance"'))).toEqual([]);
      expect(overlaps(json.panels), file).toEqual([]);
      expect(new Set(json.panels.map(({ id }) => id)).size).toBe(json.panels.length);
    }
  });
});

describe("dashboards' expressions", () => {
  const expressions = dashboardFiles().flatMap(({ json }) =>
    json.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr)),
  );

  it("see the first event of a counter with labels, which increase() does not", () => {
    const increases = expressions.flatMap((expr) =>
      labelledIncreases(expr).map((found) => ({ expr, ...found })),
    );
    expect(increases.length).toBeGreaterThan(10);
    const at = '{job=~"$job",instance=~"$instance"}';
    for (const { expr, counter, window } of increases) {
      expect(expr).toContain(
        ` unless ${counter}${at} offset ${window} unless on (job, instance) up${at} offset ${window} == 0)`,
      );
    }
  });

  it("pass promtool", (context) => {
    skipWithoutPromtool(context);
    const folder = mkdtempSync(join(tmpdir(), "weft-ops-"));
    try {
      const rules = expressions.map((expr, i) => ({
        record: `panel:${i}`,
        expr: expr.replaceAll("$__rate_interval", "1m"),
      }));
      // JSON is YAML.
      const file = join(folder, "panels.yml");
      writeFileSync(file, JSON.stringify({ groups: [{ name: "panels", rules }] }));
      expect(promtool("check", "rules", file)).toContain(`${rules.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("alerts", () => {
  it("have a unit test that fires and one that does not, and a paragraph in the runbook", () => {
    expect(ALERT_NAMES.length).toBeGreaterThan(30);
    expect(new Set(ALERT_NAMES).size).toBe(ALERT_NAMES.length);
    const paragraphs = [...RUNBOOK.matchAll(/^### (\w+)\n(\S.{60,})/gm)].map(
      (match) => match[1] ?? "",
    );
    expect(paragraphs).toEqual(ALERT_NAMES);
    for (const name of ALERT_NAMES) {
      expect(ALERT_TESTS).toContain(`- name: "${name} fires"`);
      expect(ALERT_TESTS).toContain(`- name: "${name}: `);
      expect(ALERTS).toContain(`runbook: ops/runbook.md#${name.toLowerCase()}\n`);
    }
  });

  it("see the first event of a counter with labels, which increase() does not", () => {
    const increases = alertExpressions().flatMap(({ name, expr }) =>
      labelledIncreases(expr).map((found) => ({ name, expr, ...found })),
    );
    expect(increases.length).toBeGreaterThan(10);
    for (const { name, expr, counter, window } of increases) {
      expect(expr, name).toContain(
        ` unless ${counter} offset ${window} unless on (job, instance) up offset ${window} == 0)`,
      );
    }
  });

  it("pass promtool: rules, their unit tests, and the scrape configuration", (context) => {
    skipWithoutPromtool(context);
    expect(promtool("check", "rules", "alerts.yml")).toContain(`${ALERT_NAMES.length} rules found`);
    expect(promtool("test", "rules", "alerts.test.yml")).toContain("SUCCESS");
    expect(promtool("check", "config", "prometheus.yml")).toContain("is valid");
  });
});

/** What it prints; throws when it finds a fault. */
function promtool(...args: readonly string[]): string {
  const cwd = fileURLToPath(new URL("prometheus/", OPS));
  return execFileSync("promtool", args, { cwd, encoding: "utf8", stdio: "pipe" });
}

function skipWithoutPromtool(context: TestContext): void {
  if (hasPromtool()) return;
  const message = "promtool is missing; install the Debian package prometheus";
  if (process.env["CI"] !== undefined) throw new Error(message);
  context.skip(message);
}

function hasPromtool(): boolean {
  const folders = (process.env["PATH"] ?? "").split(":");
  return folders.some((folder) => existsSync(`${folder}/promtool`));
}
