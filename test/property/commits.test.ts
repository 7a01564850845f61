/** Commit and reveal under any sequence: money adds up, and each place is settled once, in time, by one rule. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { commitHash } from "../../mev/seal/commit.ts";
import { encodeContent } from "../../mev/seal/content.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealCommit } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { FillStatus } from "../../proto/verify/manifest.ts";
import {
  commitBond,
  drawRevealFee,
  heldForReveal,
  placeCommit,
  reveal,
  revealFault,
  revealFee,
  sealCommit,
  sealCommitFault,
  voidCommits,
} from "../../sequencer/app/seal/commits/commits.ts";
import { commitsPerSenderMax } from "../../sequencer/app/seal/commits/room.ts";
import { SEAL_COMMITS } from "../../sequencer/app/state/tables.ts";
import { StakeWorld, testAccount } from "../support/stake-world.ts";

const ACCOUNTS = ["alice", "bob"].map(testAccount);
const ROLLUP = sha256(utf8ToBytes("rollup"));
const SALT = new Uint8Array(32).fill(1);
const START = 5_000_000n;
const CONTENTS = [
  encodeContent([{ rollupId: ROLLUP, data: [utf8ToBytes("order")] }]),
  utf8ToBytes("no content"),
];

type Step =
  | { readonly kind: "commit"; readonly account: number; readonly content: number }
  /** Of the commits so far, by whom, with which content. */
  | {
      readonly kind: "reveal";
      readonly commit: number;
      readonly by: number;
      readonly content: number;
    }
  /** A reveal, by whom, whose fee takes so many nweft of what is held for it. */
  | { readonly kind: "draw"; readonly commit: number; readonly by: number; readonly nweft: number }
  | { readonly kind: "block" }
  | { readonly kind: "window"; readonly blocks: number };

const pick = fc.nat(1);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("commit"), account: pick, content: pick }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("reveal"),
      commit: fc.nat(20),
      by: pick,
      content: pick,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("draw"),
      commit: fc.nat(20),
      by: pick,
      nweft: fc.nat(4_000),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("block") }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("window"), blocks: fc.integer({ min: 4, max: 9 }) }),
  },
);

/** What the rules should know, kept another way. */
interface Commit {
  readonly height: number;
  readonly until: number;
  readonly id: Uint8Array;
  readonly account: number;
  readonly content: number;
  held: bigint;
  readonly bond: bigint;
  status: FillStatus | undefined;
}

test("behavior: every commit ends opened, invalid or void, and nweft neither come nor go", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { minLength: 5, maxLength: 60 }), (steps) => {
      const world = new StakeWorld({ params: { sealCommitBond: 10_000n, sealRevealBlocks: 4 } });
      world.addValidator("v", 5_000_000n);
      world.start();
      for (const account of ACCOUNTS) world.fund(account, START);
      const { ctx } = world;
      const commits: Commit[] = [];
      const lapsed = [0, 0];
      let burned = 0n;

      const endBlock = (): void => {
        voidCommits(ctx);
        for (const one of commits) {
          if (one.status !== undefined || ctx.height < one.until) continue;
          one.status = FillStatus.VOID;
          burned += one.bond;
          lapsed[one.account] = (lapsed[one.account] ?? 0) + 1;
        }
        world.nextBlock();
      };
      const run = (step: Step): void => {
        switch (step.kind) {
          case "commit": {
            const sender = ACCOUNTS[step.account] ?? "";
            const content = CONTENTS[step.content] ?? SALT;
            const action: SealCommit = {
              kind: "sealCommit",
              hash: commitHash(ctx.chainId, fromHex(sender), SALT, content),
              rollupIds: [ROLLUP],
              maxHeight: Height(ctx.height),
              bucket: 256,
            };
            const bond = commitBond(ctx, sender);
            const doublings = Math.min(lapsed[step.account] ?? 0, 10);
            assert(bond === 10_000n << BigInt(doublings), `${doublings} doublings, not ${bond}`);
            const held = bond + revealFee(action, 7n);
            const balance = ctx.balance(sender);
            const fault = sealCommitFault(ctx, action, { sender, held, balance });
            const own = commits.filter(
              (one) => one.height === ctx.height && one.account === step.account,
            );
            // Two accounts do not fill the block.
            const isTaken = balance >= held && own.length < commitsPerSenderMax(ctx);
            assert((fault === undefined) === isTaken, `a commit: ${fault?.reason ?? "taken"}`);
            if (fault !== undefined) return;
            sealCommit(ctx, sender, action, 7n);
            const id = sha256(utf8ToBytes(`commit ${commits.length}`));
            const places = [{ rollupId: ROLLUP, position: commits.length }];
            placeCommit(ctx, { id, sender, action, maxFeePerByte: 7n, places });
            const until = ctx.height + ctx.params.sealRevealBlocks;
            const { account, content: shown } = step;
            const status = undefined;
            const { height } = ctx;
            commits.push({ height, until, id, account, content: shown, held, bond, status });
            return;
          }
          case "reveal": {
            const one = commits[step.commit];
            const sender = ACCOUNTS[step.by] ?? "";
            const action = {
              kind: "reveal",
              height: Height(one?.height ?? 1),
              id: one?.id ?? SALT,
              salt: SALT,
              content: CONTENTS[step.content] ?? SALT,
            } as const;
            const isDue =
              one !== undefined &&
              one.status === undefined &&
              one.height < ctx.height &&
              one.account === step.by &&
              one.content === step.content;
            const fault = revealFault(ctx, sender, action);
            assert((fault === undefined) === isDue, `a reveal: ${fault?.reason ?? "taken"}`);
            if (!isDue) return;
            reveal(ctx, sender, action);
            one.status = step.content === 0 ? FillStatus.OPENED : FillStatus.INVALID;
            lapsed[step.by] = Math.max(0, (lapsed[step.by] ?? 0) - 1);
            return;
          }
          case "draw": {
            const one = commits[step.commit];
            const sender = ACCOUNTS[step.by] ?? "";
            const { height = 1, id = SALT } = one ?? {};
            const content = SALT;
            const action = {
              kind: "reveal",
              height: Height(height),
              id,
              salt: SALT,
              content,
            } as const;
            const isWaiting =
              one !== undefined &&
              one.status === undefined &&
              one.height < ctx.height &&
              one.account === step.by;
            const held = heldForReveal(ctx, sender, action);
            assert(held === (isWaiting ? one.held - one.bond : 0n), `${held} are held`);
            if (!isWaiting) return;
            const nweft = BigInt(step.nweft) < held ? BigInt(step.nweft) : held;
            drawRevealFee(ctx, sender, action, nweft);
            one.held -= nweft;
            return;
          }
          case "block":
            return endBlock();
          case "window":
            // Parameters change between two blocks.
            endBlock();
            return ctx.setParams({ sealRevealBlocks: step.blocks });
        }
      };

      for (const step of steps) {
        run(step);
        const open = commits.filter(({ status }) => status === undefined);
        expect(ctx.pool("sealed")).toBe(open.reduce((sum, { held }) => sum + held, 0n));
        expect(ctx.burned).toBe(burned);
        ctx.checkSupply();
      }
      for (let i = 0; i < 10; i++) endBlock();
      expect(ctx.records.keys(SEAL_COMMITS)).toEqual([]);
      const filled = ctx.fills.map(({ rollupId, fill }) => [
        toHex(rollupId),
        fill.height,
        fill.position,
        fill.status,
      ]);
      expect(filled.sort(byPosition)).toEqual(
        commits.map(({ height, status }, position) => [toHex(ROLLUP), height, position, status]),
      );
    }),
    { numRuns: 100 },
  );
});

function byPosition(a: readonly unknown[], b: readonly unknown[]): number {
  return Number(a[2]) - Number(b[2]);
}
