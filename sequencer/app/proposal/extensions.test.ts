import { describe, expect, test } from "vitest";
import { bytesEqual, EMPTY_BYTES } from "../../../proto/bytes.ts";
import { SHARES_CODEC } from "../../../proto/codec/seal-block.ts";
import { decodeLists, decodeVoteExtension } from "../../../proto/codec/weft-extension.ts";
import { sealText, startSealedChain } from "../../../test/support/sealed-app.ts";
import { unordered, wallet } from "../../../test/support/weft-app.ts";

type Started = Awaited<ReturnType<typeof startSealedChain>>["chain"];

/** A chain whose next height asks for shares of one item. */
async function asked(): Promise<Started> {
  const { chain, keys } = await startSealedChain({ wallets: 1 });
  await chain.step(0);
  const { item } = sealText(wallet(0), unordered(20), keys[0], "an order");
  expect(await chain.submit(item)).toBe(0);
  await chain.step(0);
  return chain;
}

/** What a node answers for a block of the next height. */
async function answer(chain: Started, node: number, salt = 0): Promise<Uint8Array> {
  const request = chain.processRequest(await chain.prepare(node));
  const hash = request.hash.map((byte) => byte ^ salt);
  return chain.node(node).app.extendVote({ ...request, hash });
}

function partsOf(extension: Uint8Array) {
  const [lists, shares] = decodeVoteExtension(extension).parts;
  return {
    says: decodeLists(lists?.content ?? EMPTY_BYTES).shares.kind,
    shares: shares?.content,
  };
}

describe("behavior: own shares", () => {
  test("are in the extension of the height after the item's, and in no other", async () => {
    const chain = await asked();
    const { says, shares } = partsOf(await answer(chain, 1));
    expect(says).toBe("root");
    const { batches } = SHARES_CODEC.decode(shares ?? EMPTY_BYTES);
    expect(batches.map(({ height, tickets }) => [height, tickets.length])).toEqual([[2, 1]]);
    const before = chain.lastVotes.map(({ voteExtension }) => partsOf(voteExtension).says);
    expect(before).toEqual(["abstain", "abstain", "abstain", "abstain"]);
    await chain.step(0);
    await chain.step(0);
    // Opened: nothing is asked any more.
    expect(partsOf(await answer(chain, 1)).says).toBe("abstain");
  });

  test("are the same for every block of a height, and after a crash", async () => {
    const chain = await asked();
    const [first, other] = [await answer(chain, 2), await answer(chain, 2, 1)];
    expect(bytesEqual(first, other)).toBe(false);
    expect(partsOf(first).shares).toEqual(partsOf(other).shares);
    await chain.restart(2);
    expect(await answer(chain, 2)).toEqual(first);
    expect(partsOf(await answer(chain, 2, 2)).shares).toEqual(partsOf(first).shares);
  });

  test("that are missing mean ABSTAIN; the chain goes on and opens with the others'", async () => {
    const chain = await asked();
    const { watch } = chain.node(3);
    watch.ticketSecretOf = () => undefined;
    // What was made ahead of the vote is from before the loss; the next life has nothing.
    await chain.restart(3);
    expect(partsOf(await answer(chain, 3)).says).toBe("abstain");
    await chain.step(0);
    const { height } = await chain.step(0);
    expect(height).toBe(4);
    expect(partsOf(await answer(chain, 1)).says).toBe("abstain");
  });

  test("that are wrong never leave the node: it abstains", async () => {
    const chain = await asked();
    chain.node(3).watch.ticketSecretOf = () => new Uint8Array(32).fill(3);
    await chain.restart(3);
    const extension = await answer(chain, 3);
    expect(partsOf(extension)).toEqual({ says: "abstain", shares: undefined });
    await chain.step(0);
  });

  test("that exceed what the signer takes are not sent", async () => {
    const chain = await asked();
    const whole = (await answer(chain, 3)).length;
    for (const [extensionBytesMax, says] of [
      [whole, "root"],
      [whole - 1, "abstain"],
    ] as const) {
      await chain.restart(2, undefined, { extensionBytesMax });
      // Another block of the height each time: what was answered once stays.
      expect(partsOf(await answer(chain, 2, extensionBytesMax % 251)).says).toBe(says);
    }
    await chain.step(0);
  });

  test("that fail to be made do not stop the vote", async () => {
    const chain = await asked();
    chain.node(3).watch.ticketSecretOf = () => {
      throw new Error("the disk is gone");
    };
    await chain.restart(3);
    expect(partsOf(await answer(chain, 3)).says).toBe("abstain");
  });
});
