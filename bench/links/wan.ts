/** Validators far from each other: steady commits over links that delay and lose. */
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { DEFAULT_PORTS } from "../../sequencer/cli/network-layout.ts";
import { EXPIRY_AHEAD, PAYLOAD_BYTES } from "../limits.ts";
import { createItemFactory } from "../load/shape.ts";
import { sumByLabel } from "../measure/prometheus.ts";
import { type Quantiles, quantiles } from "../measure/statistics.ts";
import { startLinkHub } from "./link-hub.ts";
import type { NodeNamespace } from "./namespaces.ts";
import { LINKS_CHAIN_ID, startSpreadNetwork } from "./spread-network.ts";

export interface WanOptions {
  readonly nodes: readonly NodeNamespace[];
  readonly seconds: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}

export interface WanReport {
  readonly validators: number;
  readonly seconds: number;
  /** One-way delay of the links, in ms; each link has its own. */
  readonly delayMs: readonly [least: number, most: number];
  readonly loss: number;
  readonly frames: { readonly carried: number; readonly lost: number };
  readonly blocks: number;
  /** Time between blocks as the first validator committed them. */
  readonly intervalMs: Quantiles;
  /** From the first validator's commit of a height to the last one's. */
  readonly spreadMs: Quantiles;
  /** From submission at a validator to its answer that the transaction is committed. */
  readonly latencyMs: Quantiles;
  readonly blocksOfLaterRounds: number;
  /** Connections that ended during the run, all validators together. */
  readonly disconnects: number;
}

const DELAY_MS = [50, 150] as const;
const LOSS = 0.01;
/** One transaction each, at the validators in turn. */
const SUBMIT_EVERY_MS = 500;
const SUBMIT_TIMEOUT_MS = 30_000;
/** Connections settle before the window. */
const WARMUP_BLOCKS = 10;

export async function runWan(
  options: WanOptions,
  progress: (text: string) => void,
): Promise<WanReport> {
  const { nodes, seconds } = options;
  const [least, most] = DELAY_MS;
  const hub = await startLinkHub({
    nodes,
    // The same both ways, spread evenly over the pairs.
    shape: (from, to) => ({
      delayMs: least + pairShare(from, to, nodes.length) * (most - least),
      loss: LOSS,
    }),
    random: Math.random,
  });
  const network = await startSpreadNetwork(options);
  const everybody = nodes.map((_, i) => i);
  try {
    progress("connected; warming up");
    await network.until("warm up", () => network.height(0) >= WARMUP_BLOCKS, 120_000);
    const disconnectsBefore = await disconnects();
    const before = { ...hub.frames };
    const fromMs = performance.now();
    const latencies = await submitFor(nodes, seconds * 1_000);
    const toMs = performance.now();
    const seen = network.seen.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
    const own = seen.filter(({ node }) => node === 0);
    const intervals = own.slice(1).map((one, i) => one.atMs - (own[i]?.atMs ?? one.atMs));
    const spreads = own.flatMap(({ height }) => {
      const times = seen.filter((one) => one.height === height).map(({ atMs }) => atMs);
      return times.length === nodes.length ? [Math.max(...times) - Math.min(...times)] : [];
    });
    return {
      validators: nodes.length,
      seconds,
      delayMs: DELAY_MS,
      loss: LOSS,
      frames: {
        carried: hub.frames.carried - before.carried,
        lost: hub.frames.lost - before.lost,
      },
      blocks: intervals.length,
      intervalMs: quantiles(intervals),
      spreadMs: quantiles(spreads),
      latencyMs: quantiles(latencies),
      blocksOfLaterRounds: own.filter(({ round = 0 }) => round > 0).length,
      disconnects: (await disconnects()) - disconnectsBefore,
    };
  } finally {
    await network.stop();
    hub.close();
  }

  async function disconnects(): Promise<number> {
    const pages = await Promise.all(everybody.map((i) => network.metrics(i)));
    return pages.reduce((total, page) => {
      const by = sumByLabel(page, "weft_p2p_dropped_total", "reason");
      return total + (by["peer_error"] ?? 0) + (by["peer_silent"] ?? 0);
    }, 0);
  }
}

/** Milliseconds from submission to commit, of transactions sent one by one for that long. */
async function submitFor(nodes: readonly NodeNamespace[], forMs: number): Promise<number[]> {
  const make = createItemFactory({
    chainId: LINKS_CHAIN_ID,
    payloadsPerItem: 1,
    payloadBytes: PAYLOAD_BYTES,
    accounts: 1,
  });
  const client = createGrpcSequencerClient(
    `${nodes[0]?.controlAddress ?? ""}:${DEFAULT_PORTS.grpc}`,
  );
  const { height } = await client.chainInfo();
  client.close();
  const latencies: number[] = [];
  const open = new Set<Promise<void>>();
  const endMs = performance.now() + forMs;
  for (let i = 0; performance.now() < endMs; i++) {
    const { item } = make(height + EXPIRY_AHEAD);
    const submitted = submit(nodes[i % nodes.length]?.controlAddress ?? "", item)
      .then((ms) => void latencies.push(ms))
      .finally(() => open.delete(submitted));
    open.add(submitted);
    await new Promise((resolve) => {
      setTimeout(resolve, SUBMIT_EVERY_MS);
    });
  }
  await Promise.all(open);
  return latencies;
}

async function submit(address: string, item: Uint8Array): Promise<number> {
  const startMs = performance.now();
  const response = await fetch(`http://${address}:${DEFAULT_PORTS.rpc}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "broadcast_tx_commit",
      params: { tx: Buffer.from(item).toString("base64") },
    }),
    signal: AbortSignal.timeout(SUBMIT_TIMEOUT_MS),
  });
  const answer = (await response.json()) as {
    result?: { check_tx: { code?: number }; tx_result: { code?: number } };
  };
  const { result } = answer;
  if (result === undefined || (result.check_tx.code ?? 0) + (result.tx_result.code ?? 0) > 0) {
    throw new Error(`a transaction was refused: ${JSON.stringify(answer)}`);
  }
  return performance.now() - startMs;
}

/** A number in [0, 1] for an unordered pair; the pairs divide the range evenly. */
function pairShare(one: number, other: number, count: number): number {
  const [low, high] = one < other ? [one, other] : [other, one];
  const index = low * count - (low * (low + 1)) / 2 + (high - low - 1);
  const pairs = (count * (count - 1)) / 2;
  return pairs <= 1 ? 0 : index / (pairs - 1);
}
