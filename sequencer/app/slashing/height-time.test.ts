import { expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { duplicateProposal } from "../../../test/support/duplicate-proposal.ts";
import {
  CHAIN_ID,
  consensusKey,
  nonce,
  operator,
  signedItem,
  TestChain,
} from "../../../test/support/weft-app.ts";

test("behavior: fresh evidence is taken before every block, those that leave their time too, and stays in the pool", async () => {
  const chain = await TestChain.start({ operatorBalance: 1_000_000_000n });
  const { app } = chain.node(0);
  const evidence = signedItem(
    operator(0),
    nonce(0n),
    duplicateProposal(CHAIN_ID, consensusKey(3), Height(50)),
  );
  while (chain.height < 98) await chain.step(0);
  const { code, data } = await app.checkTx({ tx: evidence, type: "new" });
  expect(code).toBe(0);
  // Node 1 proposes and does not have it; after block 99 comes one that leaves its time.
  await chain.step(1);
  expect(chain.height).toBe(99);
  expect(app.transactionStatus(data)).toMatchObject({ state: "pending" });
  const other = signedItem(
    operator(1),
    nonce(0n),
    duplicateProposal(CHAIN_ID, consensusKey(2), Height(98)),
  );
  expect(await app.dryRun(other)).toMatchObject({ code: 0 });
});
