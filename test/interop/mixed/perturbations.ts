/** What happens to one node of a network, and how the rest and the node itself take it. */
import { until } from "../../support/local-network.ts";
import {
  call,
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
  /** From the fault until the rest had three more blocks. */
  readonly goesOnMs: number;
  /** From its end until the node had the others' height, and until its signature stood in a commit. */
  readonly levelMs: number;
  readonly signsMs: number;
}

const BLOCKS_WITHOUT = 3;
const RECOVERY_MS_MAX = 90_000;

/** Three of four go on without the node; it comes back and signs again. */
export async function perturb(
  network: MixedNetwork,
  node: MixedNode,
  fault: Fault,
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
  await untilHeights(others, at + BLOCKS_WITHOUT, RECOVERY_MS_MAX);
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
      const { signed_header: last } = await call<CommitAnswer>(witness, "commit", {
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
