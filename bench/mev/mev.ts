/**
 * `npm run bench -- --mev`: what it costs a validator to prepare and to process a full block with something in every
 * lane: 64 transactions that are due, 1,000 sealed bids for twelve rollups of one group, 200 bundles, data up to
 * four MiB, above the settlement of the 1,000 bids of two blocks before.
 */
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { txId } from "../../proto/codec/weft-tx.ts";
import { compareBytes } from "../../proto/bytes.ts";
import type { ListedTx } from "../../proto/codec/weft-extension.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import { type Calibration, calibrate } from "../measure/calibration.ts";
import { median } from "../measure/statistics.ts";
import { SHARES_RECEIVED_MAX } from "../../sequencer/app/seal/items/limits.ts";
import { type Cost, timed } from "./cost.ts";
import { type BenchReport, machine } from "../report.ts";
import { CHAIN_ID, MevBenchChain } from "./mev-chain.ts";
import { bids, bundles, cancellations, data, deposits, genesisOfLoad } from "./mev-load.ts";

const BIDS = 1_000;
const BUNDLES = 200;
const DUE = 64;
const CANCELLATIONS = 50;
/** More than a block has room for. */
const DATA_ITEMS = 3_600;
const SAMPLES = 5;
/** A fifth of a block of one second. */
const GOAL_MS = 200;
/** By the application that prepares, those that measure a first time, and one that has no pool. */
const APPLICATIONS = 4;

/** The first time, on an application of its own: no block of the height was made or checked before. */
export interface FirstCost {
  /** Votes of all validators for the block below: shares checked, and opened what they open. */
  readonly votes: Cost;
  /** With transactions in the pool and votes verified, as in a node. */
  readonly prepare: Cost;
  readonly process: Cost;
  /** Where no transaction was seen before. */
  readonly coldProcess: Cost;
}

export interface LaneCost {
  readonly name: string;
  /** Items of the block so far. */
  readonly items: number;
  readonly bytes: number;
  /** Medians of some runs with what was made before at hand. */
  readonly prepare: Cost;
  readonly process: Cost;
}

export interface MevRun {
  readonly validators: number;
  readonly bids: number;
  readonly items: number;
  readonly bytes: number;
  readonly full: FirstCost;
  /** Of a block that opens and settles the bids of one before, and holds nothing else. */
  readonly opened: FirstCost;
  /** Each row holds what the rows above it hold, and more. */
  readonly rows: readonly LaneCost[];
}

export interface MevReport {
  readonly machine: BenchReport["machine"];
  readonly startedAt: string;
  readonly calibrationBefore: Calibration;
  readonly calibrationAfter: Calibration;
  readonly runs: readonly MevRun[];
}

export async function runMev(
  validators: readonly number[],
  progress: (text: string) => void,
): Promise<MevReport> {
  const startedAt = new Date().toISOString();
  const calibrationBefore = calibrate();
  const runs: MevRun[] = [];
  for (const count of validators) runs.push(await runWith(count, progress));
  const calibrationAfter = calibrate();
  return { machine: machine(), startedAt, calibrationBefore, calibrationAfter, runs };
}

async function runWith(validators: number, progress: (text: string) => void): Promise<MevRun> {
  progress(`${validators} validators: a chain`);
  const chain = await MevBenchChain.start({
    validators,
    applications: APPLICATIONS,
    ...genesisOfLoad(),
  });
  const [app, preparing, processing, cold] = chain.apps;
  if (!app || !preparing || !processing || !cold) throw new RangeError("four applications");
  const warm = [app, preparing, processing];
  const submit = (items: readonly Uint8Array[]): Promise<void> => submitTo(warm, items);
  // What would wait for room would stand in blocks that are meant to be empty.
  const offered = Math.min(BIDS, Math.floor(SHARES_RECEIVED_MAX / validators));
  const rows: LaneCost[] = [];
  const measured = async (name: string): Promise<void> => {
    rows.push({ name, ...(await measure(chain, app)) });
    progress(`${validators} validators: ${name}`);
  };
  const propose = (): Promise<readonly Uint8Array[]> => app.prepareProposal(chain.prepareRequest());

  // Heights 1 to 6: what is listed with the first is due in the last.
  const due = data(DUE, "due");
  await submit(deposits());
  await chain.decide(await propose(), listing(due));
  await submit(bids(offered, "first", chain.sealKey, 40));
  await chain.decide(await propose(), listing(data(DUE, "nobody has these")));
  await measured(`lists of ${validators} validators, ${DUE} new ids`);
  await chain.decide(await propose());
  const { txs: _, ...opened } = await first(chain, preparing, processing, cold);
  await measured("openings and settlement of the bids of one block");
  await submit(bids(offered, "second", chain.sealKey, 40));
  await chain.decide(await propose());
  await measured("an empty block");
  await chain.decide(await propose());
  await submit(due);
  await measured(`the same settlement and OBLIGATED, ${DUE} due`);
  await submit(cancellations(CANCELLATIONS));
  await measured(`and CONTROL, ${CANCELLATIONS} cancellations`);
  await submit(bids(offered, "third", chain.sealKey, 40));
  const before = await propose();
  await measured("and SEALED, bids");
  const sealed = countOf(before, "bid");
  await submit(bundles(BUNDLES, 40));
  await measured(`and ATOMIC, ${BUNDLES} bundles`);
  await submit(data(DATA_ITEMS, "data"));
  await measured("and DEFAULT, data up to 4 MiB");

  const { txs, ...full } = await first(chain, preparing, processing, cold);
  expectFull(txs);
  const run: MevRun = {
    validators,
    bids: sealed,
    items: txs.length,
    bytes: bytesOf(txs),
    full,
    opened,
    rows,
  };
  await chain.stop();
  return run;
}

async function first(
  chain: MevBenchChain,
  preparing: WeftApplication,
  processing: WeftApplication,
  cold: WeftApplication,
): Promise<FirstCost & { readonly txs: readonly Uint8Array[] }> {
  const { votesCost: votes } = chain;
  const prepared = await timed(() => preparing.prepareProposal(chain.prepareRequest()));
  const txs = prepared.result;
  const request = chain.processRequest(txs);
  const checked = await accepted(processing, request);
  const coldProcess = await accepted(cold, request);
  return { txs, votes, prepare: prepared.cost, process: checked, coldProcess };
}

/** Prepares and processes what the pool makes of the next block, some times; another time makes another block. */
async function measure(
  chain: MevBenchChain,
  app: WeftApplication,
): Promise<Omit<LaneCost, "name">> {
  const prepares: Cost[] = [];
  const processes: Cost[] = [];
  let txs: readonly Uint8Array[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const seconds = 2 * sample + 1;
    const prepared = await timed(() => app.prepareProposal(chain.prepareRequest(seconds)));
    txs = prepared.result;
    prepares.push(prepared.cost);
    processes.push(await accepted(app, chain.processRequest(txs, seconds + 1)));
  }
  return {
    items: txs.length,
    bytes: bytesOf(txs),
    prepare: medianCost(prepares),
    process: medianCost(processes),
  };
}

function medianCost(costs: readonly Cost[]): Cost {
  return { ms: median(costs.map(({ ms }) => ms)), cpuMs: median(costs.map(({ cpuMs }) => cpuMs)) };
}

async function accepted(
  app: WeftApplication,
  request: Parameters<WeftApplication["processProposal"]>[0],
): Promise<Cost> {
  const { result: verdict, cost } = await timed(() => app.processProposal(request));
  if (!verdict.accept) throw new Error(`a block of the benchmark is refused: ${verdict.reason}`);
  return cost;
}

async function submitTo(
  apps: readonly WeftApplication[],
  items: readonly Uint8Array[],
): Promise<void> {
  for (const app of apps) {
    for (const tx of items) {
      const { code, log } = await app.checkTx({ tx, type: "new" });
      if (code !== 0) throw new Error(`a transaction of the benchmark is refused: ${code} ${log}`);
    }
  }
}

function listing(items: readonly Uint8Array[]): readonly ListedTx[] {
  return items
    .map((bytes) => {
      const item = decodeItem(bytes);
      if (item.kind !== "tx") throw new Error("transactions are listed");
      return { id: txId(CHAIN_ID, item.tx.bodyBytes), receivedAgoMs: 1_500, size: bytes.length };
    })
    .toSorted((a, b) => compareBytes(a.id, b.id));
}

function countOf(txs: readonly Uint8Array[], kind: string): number {
  return txs.filter((bytes) => {
    const item = decodeItem(bytes);
    return item.kind === "tx" && item.tx.body.action.kind === kind;
  }).length;
}

function expectFull(txs: readonly Uint8Array[]): void {
  for (const kind of ["bid", "bundle", "cancelBundles", "rollupData"]) {
    if (countOf(txs, kind) === 0) throw new Error(`the block holds no ${kind}`);
  }
}

function bytesOf(txs: readonly Uint8Array[]): number {
  return txs.reduce((sum, { length }) => sum + length, 0);
}

export function mevText(report: MevReport): string {
  const { machine: of, calibrationBefore, calibrationAfter } = report;
  return [
    `${of["cores"]} × ${of["cpu"]}, ${of["memoryGib"]} GiB, Node ${of["node"]}`,
    `ed25519 checks ${Math.round(calibrationBefore.verifySodiumPerSecond)}/s before, ${Math.round(calibrationAfter.verifySodiumPerSecond)}/s after`,
    ...report.runs.flatMap(runLines),
  ].join("\n");
}

function firstLines(name: string, { votes, prepare, process: checked, coldProcess }: FirstCost) {
  return [
    `    ${name}: votes before it ${said(votes)}; prepare ${said(prepare)}; process ${said(checked)}; process where no transaction was seen before ${said(coldProcess)}`,
  ];
}

function said({ ms, cpuMs }: Cost): string {
  const verdict = ms < GOAL_MS ? "" : ` (over ${GOAL_MS})`;
  return `${ms.toFixed(0)} ms${verdict}, ${cpuMs.toFixed(0)} ms of CPU`;
}

function runLines(run: MevRun): readonly string[] {
  const both = ({ ms, cpuMs }: Cost): string =>
    `${ms.toFixed(1)} / ${cpuMs.toFixed(1)}`.padStart(17);
  const size = (run.bytes / 2 ** 20).toFixed(2);
  return [
    "",
    `${run.validators} validators; ${run.items} items, ${size} MiB, ${run.bids} bids (a block of so many validators has room for ${run.bids}, goal ${BIDS})`,
    "  the first time, on an application of its own",
    ...firstLines("all of it", run.full),
    ...firstLines("openings and settlement alone", run.opened),
    `  medians of clock / CPU, ms; each row holds what is above it, from the fourth on`,
    ...run.rows.map(({ name, items, bytes, prepare, process: checked }) => {
      const what = `${name.padEnd(52)}${String(items).padStart(6)} items${(bytes / 1_024).toFixed(0).padStart(6)} KiB`;
      return `  ${what}  prepare${both(prepare)}  process${both(checked)}`;
    }),
  ];
}
