/** What votes decide for whole applications: an emergency halt, an upgrade that is due, other parameters. */
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { VoteOption } from "../../proto/codec/governance-tx.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import {
  dataFor,
  finalize,
  idOf,
  nonce,
  operator,
  signedItem,
  TestChain,
  wallet,
} from "../../test/support/weft-app.ts";
import { CODES } from "./codes.ts";

const MILLION = 1_000_000n;

/** One transaction of each operator, all in one block. */
async function all(chain: TestChain, action: (node: number) => Action): Promise<void> {
  for (const node of chain.nodes.keys()) {
    const sender = operator(node);
    const { nonce: next } = chain.app.read.account(sender.address);
    const item = signedItem(sender, nonce(next), action(node));
    for (const index of chain.nodes.keys()) expect(await chain.submit(item, index)).toBe(0);
  }
  const { response } = await chain.step(0);
  expect(response.txResults.filter(({ code }) => code !== 0)).toEqual([]);
}

describe("halt", () => {
  test("behavior: a halted chain is not voted on until its operators say so, and followed if others go on", async () => {
    const chain = await TestChain.start({ operatorBalance: 1_000n * MILLION });
    await chain.step();
    await all(chain, (node) => ({
      kind: "voteHalt",
      validator: chain.node(node).consensusAddress,
      halt: true,
    }));
    const halted = chain.height;
    const refused = {
      accept: false,
      reason: expect.stringContaining(`--resume-after-halt ${halted}`),
    };
    const minimal = await chain.prepare(0);
    expect(await chain.node(1).app.processProposal(chain.processRequest(minimal))).toEqual(refused);
    expect(chain.node(1).app.standstill()).toEqual({
      kind: "halted",
      height: halted,
      reason: refused.reason,
    });
    await chain.restart(0, undefined, { resumeAfterHalt: halted - 1 });
    expect(await chain.node(0).app.processProposal(chain.processRequest(minimal))).toEqual(refused);
    for (const index of [0, 1, 2]) {
      await chain.restart(index, undefined, { resumeAfterHalt: halted });
    }
    // One that was not told proposes what the others may accept.
    const decided = chain.processRequest(await chain.prepare(3));
    expect(chain.node(0).app.standstill()).toBeUndefined();
    expect(await chain.node(2).app.processProposal(decided)).toEqual({ accept: true });
    expect(await chain.node(3).app.processProposal(decided)).toEqual(refused);
    // The last node was not told, and still takes the block that the others decide.
    const followed = await chain.node(3).app.finalizeBlock(finalize(decided));
    const { appHash } = await chain.node(0).app.finalizeBlock(finalize(decided));
    expect(followed.appHash).toEqual(appHash);
  });

  test("behavior: from the height of an upgrade on, software without it does nothing at all", async () => {
    const chain = await TestChain.start({
      operatorBalance: 1_000n * MILLION,
      params: {
        proposal_deposit_min: "1000000",
        voting_period_seconds: 3,
        timelock_seconds: 0,
      },
    });
    const content = { kind: "upgrade", name: "lanes-2", height: Height(12), info: "v2" } as const;
    const item = signedItem(operator(0), nonce(0), {
      kind: "submitProposal",
      title: "Lanes, second edition",
      summary: "",
      content,
      deposit: MILLION,
    });
    expect(await chain.submit(item)).toBe(0);
    expect((await chain.step(0)).response.txResults[1]?.code).toBe(0);
    await all(chain, () => ({ kind: "vote", proposal: 1, option: VoteOption.YES }));
    await chain.stepTo(11);
    const request = chain.processRequest([]);
    const refused = { accept: false, reason: expect.stringContaining('"lanes-2" (v2)') };
    expect(await chain.node(1).app.processProposal(request)).toEqual(refused);
    expect(chain.node(1).app.standstill()?.kind).toBe("upgradeNeeded");
    await expect(chain.node(1).app.finalizeBlock(finalize(request))).rejects.toMatchObject({
      code: "APP_UPGRADE_NEEDED",
    });
    for (const index of chain.nodes.keys()) {
      await chain.restart(index, undefined, { knownUpgrades: new Set(["lanes-2"]) });
    }
    expect((await chain.step()).height).toBe(12);
  });
});

describe("parameters", () => {
  test("behavior: what a vote makes too large leaves the pool, and the next block goes by the new parameters", async () => {
    const chain = await TestChain.start({
      operatorBalance: 1_000n * MILLION,
      params: {
        proposal_deposit_min: "1000000",
        voting_period_seconds: 3,
        timelock_seconds: 0,
        tx_bytes_max: 300_000,
      },
      // So small that the large one waits while the vote goes on.
      maxTxBytes: 2_000,
    });
    const changes = [{ name: "txBytesMax", value: 262_144n }];
    const item = signedItem(operator(0), nonce(0), {
      kind: "submitProposal",
      title: "Smaller transactions",
      summary: "",
      content: { kind: "parameters", changes },
      deposit: MILLION,
    });
    const large = signedItem(wallet(0), nonce(0), dataFor("alpha", "x".repeat(280_000)));
    const small = signedItem(wallet(1), nonce(0), dataFor("alpha", "x"));
    expect(await chain.submit(large)).toBe(0);
    expect(await chain.submit(item)).toBe(0);
    await chain.step(0);
    await all(chain, () => ({ kind: "vote", proposal: 1, option: VoteOption.YES }));
    while (chain.app.read.params().txBytesMax !== 262_144 && chain.height < 12) {
      expect(chain.app.poolSize().count).toBe(1);
      await chain.step();
    }
    expect(chain.app.read.params().txBytesMax).toBe(262_144);
    expect(chain.app.poolSize().count).toBe(0);
    expect(chain.app.transactionStatus(idOf(large))).toMatchObject({
      state: "evicted",
      code: CODES.TX_TOO_LARGE.number,
    });
    expect(await chain.submit(large)).toBe(CODES.TX_TOO_LARGE.number);
    expect(await chain.submit(small)).toBe(0);
    expect((await chain.step(0)).response.txResults.at(-1)?.code).toBe(0);
  });
});
