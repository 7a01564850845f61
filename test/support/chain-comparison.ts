/**
 * Whether nodes tell the same chain: `/block`, `/commit` and `/block_results` of each height, member by
 * member.
 *
 * What may differ is left out: at a node's last height `/commit` shows the precommits that this node saw
 * (`canonical: false`), and each saw others. One height later the proposer's choice stands in a block, and
 * all show that; so the last height of the shortest chain is not compared.
 */
import { isDeepStrictEqual } from "node:util";
import { rpc } from "./local-network.ts";
import { heightOf, type MixedNode } from "./mixed-network.ts";

interface BlockAnswer {
  readonly block_id: { readonly hash: string; readonly parts: { readonly total: number } };
  readonly block: {
    readonly header: { readonly time: string; readonly proposer_address: string };
    readonly last_commit: { readonly round: number };
  };
}
interface CommitAnswer {
  readonly canonical: boolean;
  readonly signed_header: {
    readonly commit: {
      readonly round: number;
      readonly signatures: readonly {
        readonly block_id_flag: number;
        readonly validator_address: string;
      }[];
    };
  };
}

export interface ChainSummary {
  /** Heights compared, from 1. */
  readonly heights: number;
  /** Blocks of more than one part, and the parts of the largest. */
  readonly multiPart: number;
  readonly partsMax: number;
  /** Blocks decided after round 0, and the latest round. */
  readonly lateRounds: number;
  readonly roundMax: number;
  /** Between two blocks' times. */
  readonly intervalMs: { readonly p50: number; readonly p95: number; readonly max: number };
  /** Blocks by the proposer's address, and commits by whose signature they hold. */
  readonly proposers: ReadonlyMap<string, number>;
  readonly signers: ReadonlyMap<string, number>;
}

const METHODS = ["block", "commit", "block_results"] as const;

/** Throws where two nodes differ. */
export async function compareChains(nodes: readonly MixedNode[]): Promise<ChainSummary> {
  const [first] = nodes;
  if (first === undefined) throw new Error("there is no node to compare");
  const heights = Math.min(...(await Promise.all(nodes.map(heightOf)))) - 1;
  const times: number[] = [];
  const rounds: number[] = [];
  const parts: number[] = [];
  const proposers = new Map<string, number>();
  const signers = new Map<string, number>();
  let commitBefore: unknown;
  for (let height = 1; height <= heights; height++) {
    const params = { height: String(height) };
    const answers = await Promise.all(
      nodes.map((node) => Promise.all(METHODS.map((method) => rpc(node, method, params)))),
    );
    for (const [i, answer] of answers.entries()) {
      for (const [m, method] of METHODS.entries()) {
        if (isDeepStrictEqual(answer[m], answers[0]?.[m])) continue;
        throw new Error(
          `/${method} of height ${height} differs: ${first.name} says ${JSON.stringify(answers[0]?.[m])}, ${nodes[i]?.name ?? "?"} says ${JSON.stringify(answer[m])}`,
        );
      }
    }
    const [told = []] = answers;
    const { block, block_id: id } = told[0] as BlockAnswer;
    const commit = told[1] as CommitAnswer;
    if (!commit.canonical) throw new Error(`/commit of height ${height} is not canonical`);
    if (commitBefore !== undefined && !isDeepStrictEqual(block.last_commit, commitBefore)) {
      throw new Error(`block ${height} has another last commit than /commit told`);
    }
    commitBefore = commit.signed_header.commit;
    times.push(Date.parse(block.header.time));
    rounds.push(commit.signed_header.commit.round);
    parts.push(id.parts.total);
    count(proposers, block.header.proposer_address);
    for (const { block_id_flag: flag, validator_address: address } of commit.signed_header.commit
      .signatures) {
      if (flag === 2) count(signers, address);
    }
  }
  // The first block's time is the genesis': the wait for the nodes is no interval.
  const intervals = times
    .slice(2)
    .map((time, i) => time - (times[i + 1] ?? time))
    .toSorted((a, b) => a - b);
  const quantile = (q: number) =>
    intervals[Math.min(intervals.length - 1, Math.floor(q * intervals.length))] ?? 0;
  return {
    heights,
    multiPart: parts.filter((total) => total > 1).length,
    partsMax: Math.max(0, ...parts),
    lateRounds: rounds.filter((round) => round > 0).length,
    roundMax: Math.max(0, ...rounds),
    intervalMs: { p50: quantile(0.5), p95: quantile(0.95), max: quantile(1) },
    proposers,
    signers,
  };
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
