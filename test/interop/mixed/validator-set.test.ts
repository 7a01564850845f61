/**
 * Validators of both kinds join a network of both kinds, change their power and leave it. Staking does not
 * exist yet, so the application is the key-value one of the tests, behind both engines.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../../sequencer/engine/consensus-params.ts";
import type { Genesis } from "../../../sequencer/engine/genesis.ts";
import { keyFromBytes } from "../../../sequencer/engine/privval/key-file.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../../sequencer/ports/system-clock.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { type KvNode, startKvNodes } from "../../support/kv-network.ts";
import { until } from "../../support/local-network.ts";
import type { EngineKind } from "../../support/mixed-network.ts";

const KINDS: readonly EngineKind[] = ["weft", "weft", "cometbft", "weft", "cometbft"];
/** The first so many are validators from the beginning. */
const FOUNDERS = 3;
const TIMEOUT_MS = 120_000;

describe.skipIf(isCometBftAway)("a validator set of both kinds", () => {
  let root = "";
  let nodes: readonly KvNode[] = [];

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "weft-kv-"));
    const seeds = KINDS.map((_, i) => new Uint8Array(32).fill(i + 1));
    nodes = await startKvNodes({
      root,
      genesis: genesisOf(seeds.slice(0, FOUNDERS)),
      nodes: KINDS.map((kind, i) => ({ kind, seed: seeds[i] ?? new Uint8Array(32) })),
      logger: NULL_LOGGER,
    });
    await until("all nodes have a block", async () => (await lowest()) >= 2, TIMEOUT_MS);
  }, TIMEOUT_MS);
  afterAll(async () => {
    for (const node of nodes) await node.close();
    rmSync(root, { recursive: true, force: true });
  });

  const lowest = async (): Promise<number> =>
    Math.min(...(await Promise.all(nodes.map((node) => node.height()))));
  const nodeAt = (index: number): KvNode => {
    const node = nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  };
  const addressOf = (node: KvNode): string => toHex(node.key.address);

  /** Orders the change through another node, and waits until commits tell of it at every node. */
  async function change(index: number, power: number, via: number): Promise<void> {
    const node = nodeAt(index);
    const from = await lowest();
    await nodeAt(via).submit(`validator:${toHex(node.key.publicKey.bytes)}=${power}`);
    await Promise.all(
      nodes.map((witness) => {
        let at = from;
        return until(
          `${witness.name} sees ${node.name} ${power > 0 ? "sign" : "gone"}`,
          async () => {
            // The last height's commit is not the chain's yet.
            if ((await witness.height()) < at + 2) return false;
            at += 1;
            const { signers } = await witness.block(at);
            return signers.includes(addressOf(node)) === power > 0;
          },
          TIMEOUT_MS,
        );
      }),
    );
  }

  test(
    "lets one of each kind join, weigh more, and leave, and stays one chain",
    async () => {
      // Told to a node of the other kind each time: it reaches the proposers by gossip.
      await change(3, 10, 2);
      await change(4, 10, 0);
      await nodeAt(1).submit(`validator:${toHex(nodeAt(4).key.publicKey.bytes)}=25`);
      await nodeAt(2).submit(`validator:${toHex(nodeAt(3).key.publicKey.bytes)}=17`);
      await change(0, 0, 4);
      await change(2, 0, 3);
      await change(0, 12, 4);
      await change(2, 8, 1);
      const end = (await lowest()) + 2;
      await until("two more blocks", async () => (await lowest()) > end, TIMEOUT_MS);
      const sets = new Set<string>();
      const rounds: number[] = [];
      for (let height = 1; height <= end; height++) {
        const told = await Promise.all(nodes.map((node) => node.block(height)));
        for (const [i, block] of told.entries()) {
          expect(block, `height ${height} at ${nodeAt(i).name}`).toEqual(told[0]);
        }
        sets.add(told[0]?.nextValidatorsHash ?? "");
        rounds.push(told[0]?.round ?? 0);
      }
      // Three founders; two joined; two weigh more, perhaps in one block, and that the block with which the
      // first one leaves; two left and came back.
      expect(sets.size).toBeGreaterThanOrEqual(7);
      process.stdout.write(
        `${JSON.stringify({ heights: end, sets: sets.size, lateRounds: rounds.filter((round) => round > 0).length })}\n`,
      );
    },
    4 * TIMEOUT_MS,
  );
});

function genesisOf(seeds: readonly Uint8Array[]): Genesis {
  return {
    genesisTime: createSystemClock().now(),
    chainId: "weft-kv",
    initialHeight: Height(1),
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      abci: { voteExtensionsEnableHeight: Height(1) },
    },
    validators: seeds.map((seed, i) => {
      const { publicKey, address } = keyFromBytes(seed);
      return { address, publicKey, power: 10n, name: `founder-${i}` };
    }),
    appHash: fromHex(""),
    appState: "{}",
  };
}
