/**
 * A validator of a running network really signs twice. Honest nodes find it, and it costs what was worked out
 * by hand: its own stake, its delegators', what was leaving it, what had been moved away.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDoubleSigningNetwork, type DoubleSigningNetwork } from "../support/double-signer.ts";
import { metric } from "../support/local-network.ts";
import {
  expectNoSecondSlash,
  expectNoWayBack,
  expectOthersGoOn,
  expectRewardsKept,
} from "../support/slash-aftermath.ts";
import { type Cast, castSlash, SLASH_PARAMS } from "../support/slash-network.ts";
import { expectCut, expectRemoved, playSlash, type SlashStory } from "../support/slash-story.ts";

const TIMEOUT_MS = 240_000;

let network: DoubleSigningNetwork;
let cast: Cast;
let story: SlashStory;
beforeAll(async () => {
  network = await createDoubleSigningNetwork({ params: SLASH_PARAMS });
  const { validators, honest, owner } = network;
  cast = await castSlash({
    chainId: "weft-e2e",
    nodes: validators,
    clients: honest.map(({ client }) => client),
    owner,
  });
  await network.startAll();
  story = await playSlash(cast);
}, TIMEOUT_MS);
afterAll(() => network.close());

it(
  "is told of once, and out of the set two heights later",
  async () => {
    await expect(expectRemoved(cast, story)).resolves.toBeUndefined();
  },
  TIMEOUT_MS,
);

it(
  "loses what stood behind its votes, to the last nweft",
  async () => {
    await expect(expectCut(cast, story)).resolves.toBeUndefined();
  },
  TIMEOUT_MS,
);

it("is counted by every node", async () => {
  for (const { name, metrics } of network.validators) {
    const reason = 'reason="duplicate-vote"';
    expect(await metric(metrics, "weft_staking_slashes_total", reason), name).toBe(1);
    expect(await metric(metrics, "weft_staking_slashed_nweft_total", reason), name).toBe(1_450_000);
  }
});

it(
  "keeps what it and others had earned",
  async () => {
    await expect(expectRewardsKept(cast, story)).resolves.toBeUndefined();
  },
  TIMEOUT_MS,
);

it(
  "never comes back",
  async () => {
    await expect(expectNoWayBack(cast)).resolves.toBeUndefined();
  },
  TIMEOUT_MS,
);

it(
  "loses nothing more for what else it has signed",
  async () => {
    await expect(expectNoSecondSlash(cast, story)).resolves.toBeUndefined();
  },
  TIMEOUT_MS,
);

it(
  "is not missed: the others go on, and light clients follow",
  async () => {
    await expect(expectOthersGoOn(cast, story)).resolves.toBeUndefined();
    expect(network.validators.every(({ name }) => network.isRunning(name))).toBe(true);
  },
  TIMEOUT_MS,
);
