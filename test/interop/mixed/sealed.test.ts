/** What is sealed is opened by validators of both engines, also when one of ours lies before those of Go. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import type { SealKeyState } from "../../../proto/codec/seal-state.ts";
import { createGrpcSequencerClient } from "../../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { SequencerClient } from "../../../rollup-adapter/client/sequencer-client.ts";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { type FilledStream, followFilled } from "../../support/filled-stream.ts";
import { keysOf, validatorOf } from "../../support/live-stake.ts";
import { mapSome, range, until, validatorAt } from "../../support/local-network.ts";
import {
  createMixedNetwork,
  type MixedNetwork,
  untilHeights,
} from "../../support/mixed-network.ts";
import { orderFault, sealOffences } from "../../support/seal-orders.ts";
import {
  blocksToOpen,
  SEAL_FAULTY,
  type SealWallet,
  sendSealed,
  untilKey,
} from "../../support/sealed-network.ts";

const TIMEOUT_MS = 300_000;
const ROLLUP = "alpha";
/** Points of this many items are 9,600 bytes of every extension. */
const ITEMS = 300;

describe.skipIf(isCometBftAway)("two validators of ours and two of Go's", () => {
  let network: MixedNetwork;
  let client: SequencerClient;
  let wallet: SealWallet;
  let stream: FilledStream;
  let sealKey: SealKeyState;
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "cometbft", "cometbft", "weft"],
      programs: { 3: SEAL_FAULTY },
      rollups: [ROLLUP],
      config: { "consensus.timeout_commit": "400ms" },
    });
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, 1, TIMEOUT_MS);
    const first = nodeAt(0);
    client = createGrpcSequencerClient(first.grpc ?? "");
    wallet = { client, key: network.owner };
    sealKey = await untilKey(network.validators);
    stream = await followFilled({ ...first, client }, ROLLUP);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await stream.close();
    client.close();
    await network.close();
  });

  const nodeAt = (index: number) => validatorAt(network, index);

  test("make one key, with a share for each", () => {
    expect(sealKey.threshold).toBe(3);
    expect(sealKey.dealers.map(toHex)).toEqual(
      sealKey.members.map(({ validator }) => toHex(validator)),
    );
    expect(sealKey.members).toHaveLength(4);
  });

  test(
    "open hundreds of items of a block, with extensions that CometBFT takes",
    async () => {
      const sent = await mapSome(range(1, ITEMS), (i) =>
        sendSealed(wallet, { rollup: ROLLUP, text: `item ${i}`, sealKey }),
      );
      const places = await Promise.all(sent.map(({ id }) => stream.place(id, TIMEOUT_MS)));
      expect(places.map(({ texts }) => texts[0])).toEqual(range(1, ITEMS).map((i) => `item ${i}`));
      const perBlock = new Map<number, number>();
      for (const { height } of places) perBlock.set(height, (perBlock.get(height) ?? 0) + 1);
      expect(Math.max(...perBlock.values())).toBeGreaterThan(50);
      for (const { height, filledHeight = 0 } of places) {
        expect(filledHeight - height).toBeLessThanOrEqual(4);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "open what is left while one of ours sends wrong shares, and all punish it in one chain",
    async () => {
      const liar = nodeAt(3);
      orderFault(liar, { fault: "wrongShares" });
      for (const text of ["one", "two", "three"]) {
        const request = { rollup: ROLLUP, text, sealKey };
        expect(await blocksToOpen(stream, wallet, request, TIMEOUT_MS), text).toBe(2);
      }
      expect(sealOffences(liar).length).toBeGreaterThan(0);
      const { consensusAddress } = keysOf(liar);
      for (const node of network.validators) {
        const { tokens } = await until(
          `${node.name} has the liar punished`,
          async () => {
            const state = await validatorOf(node, consensusAddress);
            return state.jailed && state;
          },
          TIMEOUT_MS,
        );
        expect(tokens, node.name).toBe(9_500_000n);
      }
      expect((await compareChains(network.validators)).heights).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );
});
