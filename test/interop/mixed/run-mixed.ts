/**
 * One run of a mixed network: blocks of several parts, each validator harmed in turn, and at the end all
 * chains compared and all votes looked through.
 */
import { compareChains, type ChainSummary } from "../../support/chain-comparison.ts";
import {
  createMixedNetwork,
  type EngineKind,
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../../support/mixed-network.ts";
import { startMixedTraffic } from "../../support/mixed-traffic.ts";
import { votesInLogs } from "../../support/vote-evidence.ts";
import { type Fault, part, perturb, type Recovery } from "./perturbations.ts";

export interface MixedRunOptions {
  readonly validators: readonly EngineKind[];
  /** At least so many, besides those that the faults take. */
  readonly blocks: number;
  /** Whom, by index of the validator, and what. */
  readonly faults: readonly (readonly [index: number, fault: Fault])[];
  /** Blocks that the rest makes while a node is away. */
  readonly awayBlocks?: number;
  /** Whether the kinds are parted from each other as well; then neither may have a quorum. */
  readonly isParted?: boolean;
  /** See `MixedNetworkOptions`. */
  readonly isSupervised?: boolean;
  /** Of each transaction. */
  readonly txBytes?: number;
  /** Configuration of every node by dotted path. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly onProgress?: (line: string) => void;
}

export interface MixedRunResult {
  /** What each validator did, by its name. */
  readonly shares: Readonly<Record<string, { readonly proposed: number; readonly signed: number }>>;
  readonly chain: ChainSummary;
  readonly recoveries: readonly Recovery[];
  /** From the end of the partition until all had new blocks. */
  readonly joinedMs: number | undefined;
  /** Transactions that a node took, all of them in blocks. */
  readonly txs: number;
  readonly votes: number;
  /** Places with two votes of one validator; empty when nobody signed twice. */
  readonly conflicts: readonly string[];
}

const START_TIMEOUT_MS = 180_000;
const ROLLUP = "alpha";
/** With their envelopes, two of them fill more than one part. */
const TX_BYTES = 40_000;
const TXS_IN_FLIGHT = 6;

export async function runMixed(options: MixedRunOptions): Promise<MixedRunResult> {
  const network = await createMixedNetwork({
    validators: options.validators,
    rollups: [ROLLUP],
    isSupervised: options.isSupervised ?? false,
    ...(options.config === undefined ? {} : { config: options.config }),
  });
  try {
    return await run(network, options);
  } catch (error) {
    process.stderr.write(await network.report());
    throw error;
  } finally {
    await network.close();
  }
}

async function run(network: MixedNetwork, options: MixedRunOptions): Promise<MixedRunResult> {
  const { validators } = network;
  const tell = options.onProgress ?? (() => {});
  await Promise.all(validators.map((node) => node.start()));
  await untilHeights(validators, 2, START_TIMEOUT_MS);
  const traffic = startMixedTraffic({
    nodes: validators,
    owner: network.owner,
    rollup: ROLLUP,
    bytes: options.txBytes ?? TX_BYTES,
    inFlight: TXS_IN_FLIGHT,
  });
  const half = Math.ceil(options.blocks / 2);
  await untilHeights(validators, half, blocksTimeoutMs(half));
  const recoveries: Recovery[] = [];
  for (const [index, fault] of options.faults) {
    const node = validators[index];
    if (node === undefined) throw new Error(`there is no validator ${index}`);
    const recovery = await perturb(network, node, fault, options.awayBlocks);
    recoveries.push(recovery);
    tell(JSON.stringify(recovery));
  }
  const joinedMs = options.isParted === true ? await part(network) : undefined;
  if (joinedMs !== undefined) tell(JSON.stringify({ joinedMs }));
  const rest = options.blocks - half;
  const at = Math.max(...(await Promise.all(validators.map(heightOf))));
  await untilHeights(validators, at + rest, blocksTimeoutMs(rest));
  const settled = await traffic.stop();
  // Two more, so that the last transaction's block is compared too.
  const last = Math.max(...settled.values());
  await untilHeights(validators, last + 2);
  const chain = await compareChains(validators);
  await Promise.all(validators.map((node) => node.end("SIGTERM")));
  const homes = validators.filter(({ kind }) => kind === "weft").map(({ home }) => home);
  const { votes, conflicts } = votesInLogs(homes);
  return {
    chain,
    shares: sharesOf(validators, chain),
    recoveries,
    joinedMs,
    txs: settled.size,
    votes,
    conflicts,
  };
}

function sharesOf(validators: readonly MixedNode[], chain: ChainSummary) {
  return Object.fromEntries(
    validators.map(({ name, validatorAddress: address = "" }) => [
      name,
      { proposed: chain.proposers.get(address) ?? 0, signed: chain.signers.get(address) ?? 0 },
    ]),
  );
}

/** A machine that is busy otherwise takes several times of what an idle one does. */
function blocksTimeoutMs(blocks: number): number {
  return 60_000 + blocks * 3_000;
}
