/**
 * A network of real processes in which one validator really signs twice when a test says so.
 *
 *     const network = await createDoubleSigningNetwork();          // five validators, the last one is it
 *     await network.startAll();
 *     const { offence, height } = await provokeEvidence(network.doubleSigner, network.honest);
 *
 * Nobody reports anything: honest nodes find the two votes in their vote sets, make the evidence and commit
 * it. `offence` is what was signed, `height` that of the block with the evidence, the same on all `honest`
 * nodes; the application hears of it when that block is finalized. Whoever needs more control takes the steps
 * one by one: `signTwice` resolves when it was done, `untilEvidence` when a block holds it. In a network of
 * both engines `DOUBLE_SIGNER` is the program of a validator (`createMixedNetwork`, `programs`).
 */
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { toBase64 } from "../../proto/bytes.ts";
import { type Offence, type OffenceOrder, readOffences, writeOrder } from "./double-signing.ts";
import {
  createTestNetwork,
  type TestNetwork,
  type TestNetworkOptions,
  rpc,
  type TestValidator,
  until,
} from "./local-network.ts";

/** Runs a validator as `weft` does, until it is told to sign twice. */
export const DOUBLE_SIGNER = fileURLToPath(
  new URL("../../dist/test/support/double-signer-main.js", import.meta.url),
);

export interface DoubleSigningNetwork extends TestNetwork {
  readonly doubleSigner: TestValidator;
  readonly honest: readonly TestValidator[];
}

/** Five validators when no other number is given, of which the last one signs twice; started by `startAll`. */
export async function createDoubleSigningNetwork(
  options: Omit<TestNetworkOptions, "programs"> = {},
): Promise<DoubleSigningNetwork> {
  const count = options.validators ?? 5;
  const network = await createTestNetwork({
    ...options,
    validators: count,
    programs: { [count - 1]: DOUBLE_SIGNER },
  });
  const doubleSigner = network.validators.at(-1);
  if (doubleSigner === undefined) throw new Error("a network has validators");
  return { ...network, doubleSigner, honest: network.validators.slice(0, -1) };
}

/** A place where one can be asked for blocks. */
export interface RpcPlace {
  readonly name: string;
  readonly rpc: string;
}

/** Tells the validator in `home` to sign twice; resolves when both votes have left. */
export async function signTwice(
  { home }: { readonly home: string },
  order: OffenceOrder = {},
): Promise<Offence> {
  const before = readOffences(home).length;
  writeOrder(home, order);
  return await until(
    "the validator has signed twice",
    async () => readOffences(home)[before],
    OFFENCE_TIMEOUT_MS,
  );
}

export interface CommittedEvidence {
  /** Of the block that holds it, and its hash in hex. */
  readonly height: number;
  readonly hash: string;
  /** Upper-case hex of the proposer's address. */
  readonly proposer: string;
  /** As `/block` tells it. */
  readonly evidence: unknown;
}

/**
 * Resolves with the block that holds evidence of this offence, when all of `nodes` have it; undefined when
 * none of the `BLOCKS_MAX` blocks after the offence does. Throws when the nodes differ.
 */
export async function untilEvidence(
  nodes: readonly RpcPlace[],
  offence: Offence,
): Promise<CommittedEvidence | undefined> {
  const found = await Promise.all(nodes.map((node) => searchBlocks(node, offence)));
  const [told] = found;
  for (const [i, other] of found.entries()) {
    if (isDeepStrictEqual(other, told)) continue;
    const [one, another] = [told, other].map((answer) => JSON.stringify(answer));
    throw new Error(`${nodes[0]?.name ?? "?"} has ${one}, ${nodes[i]?.name ?? "?"} ${another}`);
  }
  return told;
}

/**
 * Has the validator sign twice until a block holds the evidence. The first time is the rule; a second is
 * needed when the votes came to every node after it had moved on, where nobody looks at them any more.
 */
export async function provokeEvidence(
  doubleSigner: { readonly home: string },
  nodes: readonly RpcPlace[],
  order: OffenceOrder = {},
): Promise<CommittedEvidence & { readonly offence: Offence }> {
  for (let i = 0; i < OFFENCES_MAX; i++) {
    const offence = await signTwice(doubleSigner, order);
    const committed = await untilEvidence(nodes, offence);
    if (committed !== undefined) return { ...committed, offence };
  }
  throw new Error(`no block holds evidence of any of ${OFFENCES_MAX} offences`);
}

interface BlockAnswer {
  readonly block_id: { readonly hash: string };
  readonly block: {
    readonly header: { readonly proposer_address: string };
    readonly evidence: { readonly evidence: readonly EvidenceAnswer[] };
  };
}
interface EvidenceAnswer {
  readonly value: {
    readonly vote_a?: { readonly signature: string };
    readonly vote_b?: { readonly signature: string };
  };
}

async function searchBlocks(
  node: RpcPlace,
  { first, second }: Offence,
): Promise<CommittedEvidence | undefined> {
  // Which of the two comes first in the evidence, their block ids say; their signatures name them.
  const signatures = [first, second].map(({ signature }) => toBase64(signature));
  for (let height = first.height + 1; height <= first.height + BLOCKS_MAX; height++) {
    const { block, block_id: id } = await until(
      `${node.name} has block ${height}`,
      async () => await rpc<BlockAnswer>(node, "block", { height: String(height) }),
      BLOCK_TIMEOUT_MS,
    );
    for (const evidence of block.evidence.evidence) {
      const { vote_a: a, vote_b: b } = evidence.value;
      if (!signatures.every((one) => one === a?.signature || one === b?.signature)) continue;
      return { height, hash: id.hash, proposer: block.header.proposer_address, evidence };
    }
  }
  return undefined;
}

/** The finder proposes it when its turn comes, and its peers when they have heard of it. */
const BLOCKS_MAX = 12;
const OFFENCES_MAX = 5;
const OFFENCE_TIMEOUT_MS = 60_000;
const BLOCK_TIMEOUT_MS = 60_000;
