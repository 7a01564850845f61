/** What happens to one node of a network, and how the rest and the node itself take it. */
import { rpc, until } from "../../support/local-network.ts";
import {
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../../support/mixed-network.ts";

/** `kill`: SIGKILL. `pause`: SIGSTOP. `cut`: every link held. `restart`: SIGTERM. */
export const FAULTS = ["kill", "pause", "cut", "restart"] as const;
export type Fault = (typeof FAULTS)[number];

export interface Recovery {
  readonly node: string;
  readonly fault: Fault;
  /** From the fault until the rest had some more blocks. */
  readonly goesOnMs: number;
  /** From its end until the node had the others' height, and until its signature stood in a commit. */
  readonly levelMs: number;
  readonly signsMs: number;
}

/** Blocks that the rest makes meanwhile. */
export const AWAY_BLOCKS = 3;
const RECOVERY_MS_MAX = 90_000;
/** Without one validator, when its turn to propose costs a timeout, on a machine that is busy otherwise. */
const BLOCK_MS_MAX = 5_000;

/** Three of four go on without the node; it comes back and signs again. */
export async function perturb(
  network: MixedNetwork,
  node: MixedNode,
  fault: Fault,
  awayBlocks = AWAY_BLOCKS,
): Promise<Recovery> {
  const others = network.validators.filter((one) => one !== node);
  const [witness] = others;
  if (witness === undefined) throw new Error("a network of one goes on with nobody");
  const begin = performance.now();
  if (fault === "kill") await node.end("SIGKILL");
  else if (fault === "restart") await node.end("SIGTERM");
  else if (fault === "pause") node.pause();
  else network.cutOff(node);
  const at = Math.max(...(await Promise.all(others.map(heightOf))));
  await untilHeights(others, at + awayBlocks, RECOVERY_MS_MAX + awayBlocks * BLOCK_MS_MAX);
  const over = performance.now();
  const goneUntil = await heightOf(witness);
  if (fault === "kill" || fault === "restart") await node.start();
  else if (fault === "pause") node.resume();
  else network.reconnect(node);
  await untilHeights([node], goneUntil, RECOVERY_MS_MAX);
  const level = performance.now();
  await untilSigns(witness, node, goneUntil);
  return {
    node: node.name,
    fault,
    goesOnMs: Math.round(over - begin),
    levelMs: Math.round(level - over),
    signsMs: Math.round(performance.now() - over),
  };
}

/** How long a network stands that is parted. */
const PARTED_MS = 3_000;

/**
 * Parts the kinds from each other, neither with a quorum: nobody decides; and joins them again.
 * @returns milliseconds from then until every node had two more blocks
 */
export async function part(network: MixedNetwork): Promise<number> {
  const { validators } = network;
  network.partKinds();
  // What was under way may still be decided by who had heard the others.
  const at = Math.max(...(await Promise.all(validators.map(heightOf)))) + 1;
  await new Promise((resolve) => {
    setTimeout(resolve, PARTED_MS);
  });
  const stood = Math.max(...(await Promise.all(validators.map(heightOf))));
  if (stood > at) throw new Error(`height ${stood} was decided without a quorum, after ${at}`);
  const begin = performance.now();
  network.joinKinds();
  await untilHeights(validators, stood + 2, RECOVERY_MS_MAX);
  return Math.round(performance.now() - begin);
}

interface CommitAnswer {
  readonly signed_header: {
    readonly header: { readonly height: string };
    readonly commit: {
      readonly signatures: readonly {
        readonly block_id_flag: number;
        readonly validator_address: string;
      }[];
    };
  };
}

/** Resolves when a commit after `height` holds the node's signature, as the witness has it. */
export async function untilSigns(
  witness: MixedNode,
  node: MixedNode,
  height: number,
): Promise<void> {
  let at = height;
  await until(
    `${node.name} signs again after ${height}`,
    async () => {
      // From the next height on, one by one: a commit that is skipped may be the one.
      const { signed_header: last } = await rpc<CommitAnswer>(witness, "commit", {
        height: String(at + 1),
      });
      at += 1;
      return last.commit.signatures.some(
        ({ block_id_flag: flag, validator_address: address }) =>
          flag === 2 && address === node.validatorAddress,
      );
    },
    RECOVERY_MS_MAX,
  );
}
