/** Blocks that the chain itself has put a stop to: an emergency halt, an upgrade that is due. */
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { VoteOption } from "../../proto/codec/governance-tx.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { finalize, nonce, operator, signedItem, TestChain } from "../../test/support/weft-app.ts";

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
    await expect(chain.prepare(0)).rejects.toMatchObject({ code: "APP_HALTED" });
    const request = chain.processRequest([]);
    await expect(chain.node(1).app.processProposal(request)).rejects.toThrow(
      `--resume-after-halt ${halted}`,
    );
    await chain.restart(0, undefined, { resumeAfterHalt: halted - 1 });
    await expect(chain.prepare(0)).rejects.toMatchObject({ code: "APP_HALTED" });
    for (const index of [0, 1, 2]) {
      await chain.restart(index, undefined, { resumeAfterHalt: halted });
    }
    const txs = await chain.prepare(0);
    const decided = chain.processRequest(txs);
    expect(await chain.node(2).app.processProposal(decided)).toEqual({ accept: true });
    await expect(chain.node(3).app.processProposal(decided)).rejects.toThrow(/halted the chain/);
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
    await expect(chain.prepare(0)).rejects.toMatchObject({ code: "APP_UPGRADE_NEEDED" });
    await expect(chain.node(1).app.processProposal(request)).rejects.toThrow(/"lanes-2" \(v2\)/);
    await expect(chain.node(1).app.finalizeBlock(finalize(request))).rejects.toMatchObject({
      code: "APP_UPGRADE_NEEDED",
    });
    for (const index of chain.nodes.keys()) {
      await chain.restart(index, undefined, { knownUpgrades: new Set(["lanes-2"]) });
    }
    expect((await chain.step()).height).toBe(12);
  });
});
