/** The labels safe and finalized. */
import type { Check } from "./check.ts";
import { answered, expectSameBlock, expectSameStatus, type Session } from "./session.ts";
import type { ExecutedBlock } from "../execution.ts";
import { gibberish } from "./payloads.ts";

const REGRESSION = "EXECUTION_FINALITY_REGRESSION";

export const FINALITY_CHECKS: readonly Check[] = [
  {
    id: "finality",
    title: "SetFinality moves the labels to the blocks that it names, and GetStatus shows them",
    rule: "setfinality",
    why: "wallets and bridges would release money on blocks that nobody has called final",
    async run(session) {
      const [first, second] = [await session.makeBlock(), await session.makeBlock()];
      await setLabels(session, first, first);
      await setLabels(session, second, first);
      await setLabels(session, second, second);
    },
  },
  {
    id: "finality-again",
    title: "SetFinality with the same blocks changes nothing",
    rule: "setfinality",
    why: "a driver repeats the call that its crash cut off",
    async run(session) {
      const block = await session.makeBlock();
      await setLabels(session, block, block);
      const before = await session.status();
      await setLabels(session, block, block);
      expectSameStatus(before, await session.status(), "SetFinality again");
    },
  },
  {
    id: "finality-regression",
    title: "Neither label moves back",
    rule: "setfinality",
    why: "what was final must stay so",
    async run(session) {
      const [first, second] = [await session.makeBlock(), await session.makeBlock()];
      await setLabels(session, second, first);
      const { genesisHash } = await session.status();
      const back = [
        [first.hash, first.hash, "safe moves back"],
        [second.hash, genesisHash, "finalized moves back"],
        [genesisHash, genesisHash, "both move back to genesis"],
      ] as const;
      for (const [safeHash, finalizedHash, what] of back) {
        const ask = () => session.target.setFinality({ safeHash, finalizedHash });
        await session.refuses(`SetFinality: ${what}`, ask, REGRESSION);
      }
    },
  },
  {
    id: "finalized-above-safe",
    title: "A finalized block above the safe one is refused",
    rule: "setfinality",
    why: "a block is final only if it is safe",
    async run(session) {
      const [first, second] = [await session.makeBlock(), await session.makeBlock()];
      const labels = { safeHash: first.hash, finalizedHash: second.hash };
      const ask = () => session.target.setFinality(labels);
      await session.refuses("SetFinality: finalized above safe", ask, REGRESSION);
    },
  },
  {
    id: "finality-unknown",
    title: "Blocks that there are not, and hashes that are none, are refused",
    rule: "setfinality",
    why: "a driver of another chain would label blocks of this one",
    async run(session) {
      const { head } = await session.status();
      const { hash } = head;
      const unknown = gibberish("no such block", 32);
      for (const [safeHash, finalizedHash] of [
        [unknown, hash],
        [hash, unknown],
      ] as const) {
        const ask = () => session.target.setFinality({ safeHash, finalizedHash });
        await session.refuses("SetFinality of an unknown block", ask, "EXECUTION_BLOCK_UNKNOWN");
      }
      for (const short of [new Uint8Array(0), hash.subarray(1)]) {
        const ask = () => session.target.setFinality({ safeHash: hash, finalizedHash: short });
        const what = `SetFinality with a hash of ${short.length} bytes`;
        await session.refuses(what, ask, "EXECUTION_INVALID_REQUEST");
      }
    },
  },
];

async function setLabels(
  session: Session,
  safe: ExecutedBlock,
  finalized: ExecutedBlock,
): Promise<void> {
  const request = { safeHash: safe.hash, finalizedHash: finalized.hash };
  const what = `SetFinality(safe ${safe.number}, finalized ${finalized.number})`;
  const answer = answered(await session.target.setFinality(request), what);
  expectSameBlock(safe, answer.safe, `${what}: safe`);
  expectSameBlock(finalized, answer.finalized, `${what}: finalized`);
  const status = await session.status();
  expectSameBlock(safe, status.safe, `${what}: safe of GetStatus`);
  expectSameBlock(finalized, status.finalized, `${what}: finalized of GetStatus`);
}
