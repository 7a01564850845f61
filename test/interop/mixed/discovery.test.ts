/**
 * Validators that know nobody but a seed of the other kind, and full nodes of both kinds that fetch the chain
 * from whom they find.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { rpc, until } from "../../support/local-network.ts";
import {
  createMixedNetwork,
  heightOf,
  type MixedNetwork,
  type MixedNode,
  untilHeights,
} from "../../support/mixed-network.ts";

const TIMEOUT_MS = 240_000;
const SEED = { "p2p.seed_mode": true } as const;

describe.skipIf(isCometBftAway)("nodes of both kinds that know a seed of the other kind", () => {
  let network: MixedNetwork;
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "cometbft", "weft", "cometbft"],
      config: { "p2p.pex": true },
      // Nobody is told of a peer; the seeds know each other.
      seeds: [
        { name: "weft-seed", kind: "weft", config: SEED },
        { name: "cometbft-seed", kind: "cometbft", config: SEED },
      ],
      followers: [
        { name: "weft-full", kind: "weft" },
        { name: "cometbft-full", kind: "cometbft" },
      ],
    });
  });
  afterAll(() => network.close());

  const peersOf = async (node: MixedNode): Promise<readonly string[]> => {
    const { peers } = await rpc<{ peers: readonly { node_info: { moniker: string } }[] }>(
      node,
      "net_info",
    );
    return peers.map(({ node_info: { moniker } }) => moniker);
  };

  test(
    "validators find each other and decide",
    async () => {
      await Promise.all(network.seeds.map((node) => node.start()));
      await Promise.all(network.validators.map((node) => node.start()));
      await untilHeights(network.validators, 4, TIMEOUT_MS);
      // Three of four decide: each kind has found the other.
      for (const node of network.validators) {
        const kinds = (await peersOf(node)).map((name) => name.split("-")[0]);
        expect(kinds, `peers of ${node.name}`).not.toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "full nodes fetch the chain and follow it, and tell the same of every height",
    async () => {
      await Promise.all(network.followers.map((node) => node.start()));
      const at = await heightOf(network.validators[0] ?? never());
      await untilHeights(network.followers, at + 3, TIMEOUT_MS);
      for (const node of network.followers) {
        await until(`${node.name} has caught up`, async () => {
          const { sync_info: info } = await rpc<{ sync_info: { catching_up: boolean } }>(
            node,
            "status",
          );
          return !info.catching_up;
        });
      }
      const { heights } = await compareChains([...network.validators, ...network.followers]);
      expect(heights).toBeGreaterThan(at);
    },
    TIMEOUT_MS,
  );
});

function never(): never {
  throw new Error("a network has a validator");
}
