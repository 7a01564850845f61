import { tmpdir } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { eventually } from "../../test/support/loopback.ts";
import type { Counter, Gauge, Histogram } from "../ports/instruments.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createPrometheusRegistry, LABEL_SETS_MAX } from "../ports/prometheus.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { createEngineHealth } from "./engine-health.ts";
import type { HealthReport } from "./health.ts";
import type { MetricsServer } from "./http-server.ts";
import { createMetricsServer } from "./http-server.ts";
import { createNodeMetrics } from "./metrics.ts";

interface Sample {
  readonly calls: Counter<"method">;
  readonly depth: Gauge;
  readonly age: Gauge;
  readonly took: Histogram<"step">;
}

function sampleRegistry() {
  const registry = createPrometheusRegistry({ hasProcessMetrics: false });
  const metrics = registry.createInstruments<Sample>({
    calls: { type: "counter", name: "calls_total", help: "Calls", labels: ["method"] },
    depth: { type: "gauge", name: "depth", help: "Depth" },
    age: { type: "gauge", name: "age_seconds", help: "Age", collect: () => 42 },
    took: {
      type: "histogram",
      name: "took_seconds",
      help: "Took",
      labels: ["step"],
      buckets: [1, 2],
    },
  });
  return { registry, metrics };
}

function options() {
  return {
    homeDirectory: tmpdir(),
    version: "1.2.3",
    network: "weft-test",
    moniker: "m",
    genesisTime: { seconds: 1_700_000_000n, nanos: 500_000_000 },
    poolTransactionsMax: 5_000,
    poolBytesMax: 1 << 26,
    hasProcessMetrics: false,
  };
}

describe("instruments on Prometheus", () => {
  it("behavior: counts, sets, observes and collects", async () => {
    const { registry, metrics } = sampleRegistry();
    metrics.calls.inc({ method: "a" });
    metrics.calls.inc({ method: "a" }, 2);
    metrics.depth.set(7);
    metrics.took.observe(1.5, { step: "x" });
    const text = await registry.text();
    expect(text).toContain('calls_total{method="a"} 3');
    expect(text).toContain("\ndepth 7");
    expect(text).toContain("\nage_seconds 42");
    expect(text).toContain('took_seconds_bucket{le="2",step="x"} 1');
    expect(text).toContain('took_seconds_bucket{le="1",step="x"} 0');
  });

  it("behavior: label sets beyond the limit are counted under other", async () => {
    const { registry, metrics } = sampleRegistry();
    for (let i = 0; i < LABEL_SETS_MAX + 50; i++) metrics.calls.inc({ method: `m${i}` });
    metrics.calls.inc({ method: "m0" });
    const text = await registry.text();
    expect(text.match(/^calls_total\{/gm)).toHaveLength(LABEL_SETS_MAX + 1);
    expect(text).toContain('calls_total{method="other"} 50');
    expect(text).toContain('calls_total{method="m0"} 2');
  });

  it("error: a name is taken once per registry, and registries share nothing", () => {
    const { registry } = sampleRegistry();
    expect(() =>
      registry.createInstruments<Pick<Sample, "depth">>({
        depth: { type: "gauge", name: "depth", help: "Depth" },
      }),
    ).toThrow("already been registered");
    expect(() => sampleRegistry()).not.toThrow();
  });
});

describe("node metrics", () => {
  it("behavior: two nodes in one process keep their numbers apart", async () => {
    const health = (): HealthReport => ({ status: "syncing", height: 5 });
    const [a, b] = [
      createNodeMetrics(options(), { health }),
      createNodeMetrics(options(), { health }),
    ];
    a.engine.height.set(9);
    b.engine.height.set(4);
    expect(await a.registry.text()).toContain("\ncometbft_consensus_height 9");
    const text = await b.registry.text();
    expect(text).toContain("\ncometbft_consensus_height 4");
    expect(text).toContain('weft_node_info{version="1.2.3",network="weft-test",moniker="m"} 1');
    expect(text).toContain("\ncometbft_blocksync_syncing 1");
    expect(text).toContain("\nweft_node_genesis_time_seconds 1700000000.5");
    expect(text).toContain("\nweft_node_ready 0");
    expect(text).toContain("\nweft_pool_transactions_max 5000");
    expect(Number(/^weft_node_disk_free_bytes (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  });

  it("behavior: names carry a unit or a count, and one prefix", () => {
    const metrics = createNodeMetrics(options(), {
      health: () => ({ status: "ready", height: 0 }),
    });
    const specs = metrics.registry.specs();
    for (const spec of specs) {
      expect(spec.name).toMatch(/^(cometbft|weft)_[a-z0-9_]+$/);
      expect(spec.help).toMatch(/^[A-Z0-9+].*[^.]$/);
    }
    // Counters of ours end in _total; CometBFT's keep the names that dashboards know.
    const counters = specs.filter(
      ({ type, name }) => type === "counter" && name.startsWith("weft_"),
    );
    expect(counters.map(({ name }) => name).filter((name) => !name.endsWith("_total"))).toEqual([]);
  });

  it("behavior: Node's own metrics are there, the lag of the event loop too", async () => {
    const metrics = createNodeMetrics(
      { ...options(), hasProcessMetrics: true },
      { health: () => ({ status: "ready", height: 0 }) },
    );
    const text = await metrics.registry.text();
    expect(text).toContain("nodejs_eventloop_lag_p99_seconds");
    expect(text).toContain("process_resident_memory_bytes");
  });
});

describe("health of an engine", () => {
  it("behavior: starting, syncing, ready, stalled, failed", () => {
    let stall: string | undefined;
    const status = {
      height: Height(7),
      catchingUp: true,
      haltReason: undefined as string | undefined,
      publicKey: undefined,
      heightStartTime: { seconds: 0n, nanos: 0 },
    };
    let halt: string | undefined;
    const health = createEngineHealth({
      status: () => status,
      stall: () => stall,
      halt: () => halt,
    });
    expect(health.report().status).toBe("starting");
    health.started();
    expect(health.report().status).toBe("syncing");
    status.catchingUp = false;
    expect(health.report()).toEqual({ status: "ready", height: 7 });
    stall = "no block since yesterday";
    expect(health.report()).toEqual({ status: "stalled", height: 7, reason: stall });
    halt = "halted after block 7";
    expect(health.report()).toEqual({ status: "halted", height: 7, reason: halt });
    status.haltReason = "two commits for one height";
    expect(health.report()).toEqual({
      status: "failed",
      height: 7,
      reason: "two commits for one height",
    });
  });
});

describe("metrics server", () => {
  let server: MetricsServer | undefined;
  afterEach(() => server?.stop());

  async function start(health: () => HealthReport, registry = sampleRegistry().registry) {
    server = createMetricsServer(
      { host: "127.0.0.1", port: 0 },
      { registry, health, clock: createSystemClock(), logger: NULL_LOGGER },
    );
    const { host, port } = await server.start();
    return async (path: string, method = "GET") => {
      const response = await fetch(`http://${host}:${port}${path}`, { method });
      return { status: response.status, text: await response.text(), headers: response.headers };
    };
  }

  it("behavior: /metrics is what Prometheus reads", async () => {
    const get = await start(() => ({ status: "ready", height: 1 }));
    const { status, text, headers } = await get("/metrics");
    expect([status, headers.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    expect(text).toContain("# TYPE calls_total counter");
    expect((await get("/metrics", "HEAD")).text).toBe("");
    expect((await get("/metrics", "POST")).status).toBe(405);
    expect((await get("/nope")).status).toBe(404);
  });

  it.each([
    ["starting", 503, 503],
    ["syncing", 206, 503],
    ["stalled", 503, 503],
    ["halted", 200, 200],
    ["ready", 200, 200],
    ["failed", 503, 503],
  ] as const)("behavior: a node that is %s", async (status, health, ready) => {
    const get = await start(() => ({ status, height: 12, reason: "because" }));
    const answer = await get("/health");
    expect(answer.status).toBe(health);
    expect(JSON.parse(answer.text)).toEqual({ status, height: 12, reason: "because" });
    expect((await get("/readyz")).status).toBe(ready);
    expect((await get("/livez")).status).toBe(200);
  });

  it("behavior: scrapes at one time share the work", async () => {
    let scrapes = 0;
    let asked = 0;
    let finish = (_text: string) => {};
    const { registry } = sampleRegistry();
    const slow = {
      ...registry,
      text: () => {
        scrapes++;
        return new Promise<string>((resolve) => (finish = resolve));
      },
    };
    const get = await start(() => {
      asked++;
      return { status: "ready", height: 1 };
    }, slow);
    const answers = [get("/metrics"), get("/metrics"), get("/metrics")];
    await eventually(() => asked === 3, "three requests");
    finish("done");
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(["done", "done", "done"]);
    expect(scrapes).toBe(1);
  });

  it("behavior: a scrape that fails is answered, and the next one is tried", async () => {
    const { registry } = sampleRegistry();
    let fails = true;
    const text = () => (fails ? Promise.reject(new Error("no")) : registry.text());
    const get = await start(() => ({ status: "ready", height: 1 }), { ...registry, text });
    expect((await get("/metrics")).status).toBe(500);
    fails = false;
    expect((await get("/metrics")).status).toBe(200);
  });
});
