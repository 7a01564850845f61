/** `weft light`: a light client, and a server of CometBFT's RPC whose answers it has verified. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Height } from "../../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { headerHash } from "../../../proto/hashes.ts";
import { evidenceToJson } from "../../../proto/json.ts";
import type { TrustLevel } from "../../../proto/verify/commit.ts";
import { isLightClientError, type LightClientEvent } from "../../../proto/verify/light/client.ts";
import { pause } from "../../../proto/verify/light/clock.ts";
import type { LightClientError } from "../../../proto/verify/light/errors.ts";
import { behindText, openLightClient } from "../../../rollup-adapter/light/open-light-client.ts";
import { createVerifiedRpc } from "../../../rollup-adapter/light/verified-rpc.ts";
import { createLightMetrics } from "../../../rollup-adapter/metrics.ts";
import { queryKey } from "../../app/query.ts";
import { createMetricsServer } from "../../metrics/http-server.ts";
import { RPC_SPECS } from "../../metrics/rpc-specs.ts";
import type { Logger } from "../../ports/logger.ts";
import { createPrometheusRegistry } from "../../ports/prometheus.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { RpcMetrics } from "../../rpc/metrics.ts";
import { createRouteServer } from "../../rpc/rpc-server.ts";
import { LIGHT_UPDATE_MS } from "../limits.ts";
import { toJson } from "../output.ts";
import { stopInTime, untilStopped } from "../stop-signal.ts";
import { proxyRoutes } from "./proxy-routes.ts";
import { UpstreamSubscriptions } from "./upstream-subscriptions.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface LightOptions {
  readonly chainId: string;
  readonly home: string;
  readonly primary: string;
  readonly witnesses: readonly string[];
  readonly trust: { readonly height: Height; readonly hash: Uint8Array } | undefined;
  readonly trustingPeriodNanos: bigint;
  readonly trustLevel: TrustLevel;
  readonly isSequential: boolean;
  readonly listen: Address;
  readonly metrics: Address | undefined;
}

/** Runs until it is told to stop. @throws LIGHT_ATTACK when it detects one; the evidence is in its home */
export async function runLight(
  options: LightOptions,
  logger: Logger,
  isJson: boolean,
): Promise<void> {
  const { home } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  const clock = createSystemClock();
  const registry = createPrometheusRegistry();
  const metrics = createLightMetrics(registry);
  const rpcMetrics = registry.createInstruments<RpcMetrics>(RPC_SPECS);
  let reportAttack: (error: LightClientError) => void = () => {};
  const attacked = new Promise<LightClientError>((resolve) => (reportAttack = resolve));
  let health: Health = { height: 0, problem: undefined };

  const onEvent = (event: LightClientEvent): void => {
    if (event.kind === "verified") {
      health = { height: Math.max(health.height, event.height), problem: undefined };
    } else if (event.kind === "primaryBehind") {
      health = { ...health, problem: behindText(event) };
    } else if (event.kind === "attack") reportAttack(event.error);
  };
  const opened = await openLightClient(
    { ...options, folder: join(home, "headers") },
    { clock, logger, metrics, onEvent },
  ).catch(async (error: unknown) => {
    if (isAttack(error)) await writeEvidence(home, error);
    throw error;
  });
  const rpc = createVerifiedRpc({
    light: opened.light,
    primary: () => opened.primaryRpc(),
    stateKey: keyOfQuery,
    clock,
    metrics,
  });
  const webSocketUrl = (): string => `${opened.primaryRpc().name.replace(/^http/, "ws")}/websocket`;
  const subscriptions = new UpstreamSubscriptions(webSocketUrl);
  const server = createRouteServer(options.listen, {
    routes: proxyRoutes(rpc, subscriptions),
    hub: subscriptions,
    clock,
    logger,
    metrics: rpcMetrics,
  });
  const metricsServer =
    options.metrics === undefined
      ? undefined
      : createMetricsServer(options.metrics, {
          registry,
          health: () => {
            const { height, problem } = health;
            return problem === undefined
              ? { status: "ready", height }
              : { status: "syncing", height, reason: problem };
          },
          clock,
          logger,
        });

  /** Keeps the newest trusted header within the trusting period while nobody asks for anything. */
  async function follow({ signal }: AbortController): Promise<void> {
    while (!signal.aborted) {
      try {
        await opened.light.update();
      } catch (error) {
        if (signal.aborted || isAttack(error)) return;
        if (!isWeftError(error)) throw error;
        const { message: reason } = error;
        if (reason !== health.problem) logger.warn("no newer header verified", { reason });
        health = { ...health, problem: reason };
      }
      // Only the end of the process cuts it short.
      await pause(clock, LIGHT_UPDATE_MS, signal).catch(() => undefined);
    }
  }

  const stopping = new AbortController();
  try {
    const metricsAt = await metricsServer?.start();
    const { header } = (await opened.light.latestTrusted()).signedHeader;
    health = { ...health, height: header.height };
    const url = urlOf(await server.start());
    const ready = {
      chainId: options.chainId,
      height: header.height,
      hash: toHex(headerHash(header)).toUpperCase(),
      rpc: url,
      ...(metricsAt === undefined ? {} : { metrics: `${urlOf(metricsAt)}/metrics` }),
    };
    process.stdout.write(
      isJson
        ? `${toJson(ready)}\n`
        : `light client ready  chain ${ready.chainId}  height ${ready.height}  JSON-RPC ${url}\n`,
    );
    const following = follow(stopping).then(() => attacked);
    const end = await Promise.race([untilStopped(), attacked, following]);
    if (typeof end !== "string") {
      await writeEvidence(home, end);
      throw end;
    }
    logger.info("stopping", { reason: end });
  } finally {
    stopping.abort();
    await stopInTime(async () => {
      subscriptions.stop();
      await server.stop();
      await metricsServer?.stop();
      await opened.close();
    });
  }
}

interface Health {
  readonly height: number;
  readonly problem: string | undefined;
}

function urlOf({ host, port }: Address): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function isAttack(error: unknown): error is LightClientError {
  return isLightClientError(error) && error.code === "LIGHT_ATTACK";
}

async function writeEvidence(home: string, { info }: LightClientError): Promise<void> {
  if (info.code !== "LIGHT_ATTACK") return;
  const json = JSON.stringify(info.evidence.map(evidenceToJson), undefined, 2);
  await writeFile(join(home, `attack-${info.height}.json`), `${json}\n`, { mode: 0o600 });
}

/** The key that the application's query is about; undefined when it is about none. */
function keyOfQuery(path: string, data: Uint8Array): Uint8Array | undefined {
  try {
    const key = queryKey(path, data);
    return key === undefined ? undefined : utf8ToBytes(key);
  } catch (error) {
    // Arguments that are no address or id name no key.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
