/** What `test/e2e/staking-slash.test.ts` shows, on a network in which three of five validators are Go's. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGrpcSequencerClient } from "../../../rollup-adapter/client/grpc-sequencer-client.ts";
import { compareChains } from "../../support/chain-comparison.ts";
import { isCometBftAway } from "../../support/cometbft.ts";
import { DOUBLE_SIGNER } from "../../support/double-signer.ts";
import {
  CHAIN_ID,
  createMixedNetwork,
  type MixedNetwork,
  untilHeights,
} from "../../support/mixed-network.ts";
import {
  expectNoSecondSlash,
  expectNoWayBack,
  expectOthersGoOn,
  expectRewardsKept,
} from "../../support/slash-aftermath.ts";
import { type Cast, castSlash, SLASH_PARAMS } from "../../support/slash-network.ts";
import { expectCut, expectRemoved, playSlash, type SlashStory } from "../../support/slash-story.ts";

const TIMEOUT_MS = 300_000;

describe.skipIf(isCometBftAway)("a validator that signs twice before Go validators", () => {
  let network: MixedNetwork;
  let cast: Cast;
  let story: SlashStory;
  beforeAll(async () => {
    network = await createMixedNetwork({
      validators: ["weft", "cometbft", "cometbft", "cometbft", "weft"],
      programs: { 4: DOUBLE_SIGNER },
      params: SLASH_PARAMS,
    });
    const grpc = network.validators[0]?.grpc ?? "";
    cast = await castSlash({
      chainId: CHAIN_ID,
      nodes: network.validators,
      clients: [createGrpcSequencerClient(grpc)],
      owner: network.owner,
    });
    await Promise.all(network.validators.map((node) => node.start()));
    await untilHeights(network.validators, 1, TIMEOUT_MS);
    story = await playSlash(cast);
  }, TIMEOUT_MS);
  afterAll(async () => {
    for (const client of cast.clients) client.close();
    await network.close();
  });

  test("is told of once, and out of the set two heights later", async () => {
    await expect(expectRemoved(cast, story)).resolves.toBeUndefined();
  });

  test("loses what stood behind its votes, to the last nweft", async () => {
    await expect(expectCut(cast, story)).resolves.toBeUndefined();
  });

  test("keeps what it and others had earned", async () => {
    await expect(expectRewardsKept(cast, story)).resolves.toBeUndefined();
  });

  test("never comes back", async () => {
    await expect(expectNoWayBack(cast)).resolves.toBeUndefined();
  });

  test("loses nothing more for what else it has signed", async () => {
    await expect(expectNoSecondSlash(cast, story)).resolves.toBeUndefined();
  });

  test("is not missed: the others go on in one chain, and light clients follow", async () => {
    await expectOthersGoOn(cast, story);
    expect((await compareChains(network.validators)).heights).toBeGreaterThan(story.punished);
  });
});
