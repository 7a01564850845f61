/**
 * A network of real processes in which a validator really signs twice when a test says so.
 *
 *     const network = await createDoubleSigningNetwork();          // five validators, the last one is it
 *     await network.startAll();
 *     const [doubleSigner] = network.doubleSigners;
 *     const { offence, height } = await provokeEvidence(doubleSigner, network.honest);
 *
 * Nobody reports anything: honest nodes find the two votes in their vote sets, make the evidence and commit
 * it. `offence` is what was signed, `height` that of the block with the evidence, the same on all `honest`
 * nodes; the application hears of it when that block is finalized. Whoever needs more control takes the steps
 * one by one: `signTwice` resolves when it was done, `untilEvidence` when a block holds it. An order says from
 * which height on, whether a prevote or a precommit, and which nodes get the second vote.
 *
 * In a network of both engines:
 *
 *     const network = await createMixedNetwork({
 *       validators: ["weft", "cometbft", "cometbft", "cometbft", "weft"],
 *       programs: { 4: DOUBLE_SIGNER },
 *     });
 *     const [doubleSigner] = network.validators.slice(4);
 *     ...
 *     await provokeEvidence(doubleSigner, network.validators);
 *
 * CometBFT cannot be told to sign twice. A Go validator does so all the same when another node, of either kind,
 * runs with its key (`shareKeys`, before that one's first start), at a time that nobody chooses.
 */
import { constants, copyFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { toBase64 } from "../../proto/bytes.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { type Offence, type OffenceOrder, readOffences, writeOrder } from "./double-signing.ts";
import {
  createTestNetwork,
  type TestNetwork,
  type TestNetworkOptions,
  range,
  rpc,
  type TestValidator,
  until,
} from "./local-network.ts";

/** Runs a validator as `weft` does, until it is told to sign twice. */
export const DOUBLE_SIGNER = fileURLToPath(
  new URL("../../dist/test/support/double-signer-main.js", import.meta.url),
);

export interface DoubleSigningNetwork extends TestNetwork {
  /** The last ones. */
  readonly doubleSigners: readonly [TestValidator, ...TestValidator[]];
  readonly honest: readonly TestValidator[];
}

/**
 * Starts nothing. A validator may be out of the set after its first offence: a test of several takes one
 * double signer for each.
 * @param options five validators when no other number is given, one of which signs twice
 */
export async function createDoubleSigningNetwork({
  doubleSigners = 1,
  ...options
}: Omit<TestNetworkOptions, "programs"> & {
  readonly doubleSigners?: number;
} = {}): Promise<DoubleSigningNetwork> {
  const count = options.validators ?? 5;
  const firstOfThem = count - doubleSigners;
  const network = await createTestNetwork({
    ...options,
    validators: count,
    programs: Object.fromEntries(range(firstOfThem, count - 1).map((i) => [i, DOUBLE_SIGNER])),
  });
  const [first, ...others] = network.validators.slice(firstOfThem);
  if (first === undefined) throw new Error("expected a double signer at least");
  return {
    ...network,
    doubleSigners: [first, ...others],
    honest: network.validators.slice(0, firstOfThem),
  };
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

/** Gives a node without keys those of a validator: both sign for it then. */
export function shareKeys(
  validator: { readonly home: string },
  twin: { readonly home: string },
): void {
  const [from, to] = [homeAt(validator.home), homeAt(twin.home)];
  copyFileSync(from.validatorKeyFile, to.validatorKeyFile, constants.COPYFILE_EXCL);
  copyFileSync(from.applicationKeyFile, to.applicationKeyFile, constants.COPYFILE_EXCL);
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
