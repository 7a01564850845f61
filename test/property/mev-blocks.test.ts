/**
 * Every prepared block is accepted by every node: whatever its pool holds, whatever lists and damaged or late
 * extensions came, after restarts between the two calls, and beside blocks of other rounds.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { Lists } from "../../proto/codec/weft-extension.ts";
import { assertNever } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import type { ProcessProposalRequest } from "../../sequencer/abci/application.ts";
import {
  bidItem,
  bundleItem,
  cancelKeyItem,
  cancelNonceItem,
  depositItem,
  MEV_ROLLUP_NAMES,
  replacementOf,
  sealedBundleItem,
  startMevChain,
  withdrawItem,
} from "../support/mev-chain.ts";
import { actionOf } from "../support/mev-blocks.ts";
import { armedOf, dueIdsOf } from "../support/mev-due.ts";
import { withLists } from "../support/mev-faults.ts";
import { expectSupply, type SealedChain, sealText } from "../support/sealed-app.ts";
import { shareBodies } from "../support/shared-bodies.ts";
import {
  type Altered,
  CHAIN_ID,
  dataFor,
  idOf,
  nonce,
  signedItem,
  type TestChain,
  transferTo,
  unordered,
  wallet,
} from "../support/weft-app.ts";

const WALLETS = 5;
const NODES = 4;
const BLOCK_BYTES = 40_000;
/** What an account has to hold that bids. */
const ESCROW_MIN = 100_000_000n;
const FLOOD_MAX = 160;

const draft = fc.record({
  sender: fc.nat(WALLETS - 1),
  kind: fc.constantFrom(
    "data",
    "data",
    "priced",
    "transfer",
    "bundle",
    "bundle",
    "sealed",
    "sealedBundle",
    "bid",
    "bid",
    "cancelKey",
    "cancelNonce",
    "deposit",
    "withdraw",
  ),
  tip: fc.bigInt(0n, 40n),
  isOrdered: fc.boolean(),
  bytes: fc.integer({ min: 1, max: 1_500 }),
  rollups: fc.subarray([...MEV_ROLLUP_NAMES], { minLength: 1, maxLength: 3 }),
  window: fc.integer({ min: 1, max: 12 }),
  delay: fc.integer({ min: 0, max: 3 }),
  key: fc.nat(2),
  /** Nodes that hear of it. */
  holders: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
});
type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;

/** What one validator does with its extension. */
const voter = fc.constantFrom(
  "honest",
  "honest",
  "honest",
  "honest",
  "absent",
  "late",
  "damaged",
  "lateDamaged",
  "withdraws",
  "junk",
);
type Voter = typeof voter extends fc.Arbitrary<infer T> ? T : never;

const block = fc.record({
  drafts: fc.array(draft, { maxLength: 7 }),
  proposer: fc.nat(NODES - 1),
  /** Who proposes in earlier rounds of the height; nobody decides what they propose. */
  others: fc.subarray([0, 1, 2, 3], { maxLength: 2 }),
  /** Who restarts between what is prepared and what is checked. */
  restarted: fc.subarray([0, 1, 2, 3], { maxLength: 1 }),
  isRestart: fc.nat(5),
  /** One at most: more than two thirds are to be had. */
  voter: fc.tuple(fc.nat(NODES - 1), voter),
});

type Block = typeof block extends fc.Arbitrary<infer T> ? T : never;

function itemOf({ chain, keys }: SealedChain, each: Draft, salt: string): Uint8Array {
  const sender = wallet(each.sender);
  const { nonce: next } = chain.app.read.pendingAccount(sender.address);
  const height = chain.height;
  const replay = each.isOrdered ? nonce(next) : unordered(height + 20, salt);
  const terms = { tipPerByte: each.tip };
  const text = `${salt}${"x".repeat(each.bytes)}`;
  const [first = "alpha"] = each.rollups;
  const replacement = replacementOf(`key ${each.key}`, height);
  switch (each.kind) {
    case "data":
      return signedItem(sender, replay, dataFor(first, text), terms);
    case "priced":
      return signedItem(sender, replay, dataFor("gamma", text), terms);
    case "transfer":
      return signedItem(sender, replay, transferTo(wallet(0).address, 5n), terms);
    case "bundle":
      return bundleItem(
        sender,
        replay,
        each.rollups.map((rollup) => ({ rollup, text: `${rollup} ${text}`, tip: each.tip })),
        {
          ...terms,
          minHeight: height + each.delay,
          maxHeight: height + each.delay + each.window,
          ...(each.key === 0 ? {} : { replacement }),
        },
      );
    case "sealed":
      return sealText(sender, replay, keys[0], text.slice(0, 900), {
        ...terms,
        rollups: each.rollups,
      }).item;
    case "sealedBundle":
      return sealedBundleItem(
        sender,
        replay,
        keys[0],
        each.rollups.map((rollup) => ({ rollup, text: text.slice(0, 300), tip: each.tip })),
        { ...terms, maxHeight: height + each.window, ...(each.key === 0 ? {} : { replacement }) },
      );
    case "bid":
      return bidItem(sender, replay, keys[0], {
        ...terms,
        amount: 2_000n * BigInt(each.bytes),
        legs: (each.key === 0 ? ["alpha", "beta"] : ["beta"]).map((rollup) => ({
          rollup,
          text: salt,
        })),
        maxHeight: height + each.window,
      });
    case "cancelKey":
      return cancelKeyItem(sender, replay, replacement, height + each.window);
    case "cancelNonce":
      return cancelNonceItem(sender, replay, BigInt(each.key + 1));
    case "deposit":
      return depositItem(sender, replay, ESCROW_MIN + BigInt(each.bytes));
    case "withdraw":
      return withdrawItem(sender, replay, BigInt(each.bytes));
    default:
      return assertNever(each.kind, "kind of draft");
  }
}

/** The extension as others get it; undefined: as it is. */
function altered(
  chain: TestChain,
  index: number,
  how: Voter,
  request: ProcessProposalRequest,
  extension: Uint8Array,
): Altered | undefined {
  const lists = (change: (lists: Lists) => Lists): Altered | undefined => {
    const changed = withLists(
      {
        chainId: CHAIN_ID,
        applicationKey: chain.node(index).applicationKey,
        validatorCount: NODES,
        blockBytesMax: BLOCK_BYTES,
      },
      request,
      extension,
      change,
    );
    return changed && { extension: changed };
  };
  switch (how) {
    case "honest":
    case "absent":
      return undefined;
    case "late":
      return { extension, isLate: true };
    case "damaged":
      return { extension: extension.with(20, (extension[20] ?? 0) ^ 1) };
    case "lateDamaged":
      return { extension: extension.slice(0, -1), isLate: true };
    case "withdraws": {
      const armed = armedOf(chain.app).slice(0, 16);
      const withdrawn = [...new Set(armed.map(({ id }) => id))].toSorted().map(fromHex);
      const gone = new Set(withdrawn.map(toHex));
      return lists(({ listed, ...rest }) => ({
        ...rest,
        listed: listed.filter(({ id }) => !gone.has(toHex(id))),
        withdrawn,
      }));
    }
    case "junk":
      return lists((all) => ({
        ...all,
        listed: Array.from({ length: 40 }, (_, n) => ({
          id: sha256(utf8ToBytes(`junk ${request.height}/${n}`)),
          receivedAgoMs: n,
          size: 100 + n,
        })).toSorted((a, b) => compareBytes(a.id, b.id)),
      }));
    default:
      return assertNever(how, "what a voter does");
  }
}

/** More than some blocks hold, at the lowest price: what waits long enough falls due. */
async function submitCheap(chain: TestChain, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const action = dataFor("epsilon", `cheap ${n} ${"x".repeat(1_400)}`);
    const replay = unordered(300, `cheap ${n}`);
    const item = signedItem(wallet(WALLETS - 1), replay, action, { tipPerByte: 0n });
    for (let node = 0; node < NODES; node++) await chain.submit(item, node);
  }
}

/** Kinds of transactions that blocks held, over all runs: none may be left out by mistake. */
const included = new Map<string, number>();
let obligated = 0;

async function step(sealed: SealedChain, each: Block, salt: string): Promise<void> {
  const { chain } = sealed;
  for (const [n, one] of each.drafts.entries()) {
    const item = itemOf(sealed, one, `${salt}/${n} `);
    for (const holder of one.holders) await chain.submit(item, holder);
  }
  const [index, how] = each.voter;
  chain.absent.clear();
  if (how === "absent") chain.absent.add(index);
  chain.alter = (node, request, extension) =>
    node === index ? altered(chain, index, how, request, extension) : undefined;
  // Blocks of earlier rounds, which nobody decides.
  for (const proposer of each.others) {
    const txs = await chain.prepare(proposer);
    const request = chain.processRequest(txs, proposer);
    for (const [n, { app }] of chain.nodes.entries()) {
      const verdict = await app.processProposal(request);
      expect(verdict.accept ? "" : verdict.reason, `node ${n}, block of ${proposer}`).toBe("");
    }
  }
  const due = dueIdsOf(chain.app);
  const txs = await chain.prepare(each.proposer);
  if (each.isRestart === 0) for (const n of each.restarted) await chain.restart(n);
  // Throws when one of them refuses it.
  await chain.decide(txs, each.proposer);
  for (const item of txs) {
    const kind = actionOf(item)?.kind;
    if (kind === undefined) continue;
    included.set(kind, (included.get(kind) ?? 0) + 1);
    if (due.has(toHex(idOf(item)))) obligated++;
  }
  await expectSupply(chain);
}

describe("prepared blocks", () => {
  test("property: every node accepts every prepared block, whatever it knows itself", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { minLength: 8, maxLength: 14 }),
        // CometBFT's own part of a block, header and commit, leaves as much.
        fc.integer({ min: 30_000, max: 38_000 }),
        fc.integer({ min: 0, max: FLOOD_MAX }),
        async (blocks, maxTxBytes, flood) => {
          // One more node that validates nothing and hears of nothing.
          const sealed = await startMevChain({
            validators: NODES,
            followers: 1,
            wallets: WALLETS,
            maxTxBytes,
            blockBytesMax: BLOCK_BYTES,
          });
          shareBodies(sealed.chain);
          for (let n = 0; n < WALLETS - 1; n++) {
            const replay = unordered(20, "first");
            await sealed.chain.submit(depositItem(wallet(n), replay, ESCROW_MIN), 0);
          }
          await sealed.chain.step(0);
          await submitCheap(sealed.chain, flood);
          for (const [n, each] of blocks.entries()) await step(sealed, each, `block ${n}`);
          const { chain } = sealed;
          // Not by giving way, which would hide a bad builder.
          for (const { watch } of chain.nodes) expect(watch.fallbacks).toBe(0);
          const replayed = await chain.replay();
          expect(replayed.read.appHash()).toEqual(chain.app.read.appHash());
        },
      ),
      { numRuns: RUNS },
    );
    for (const kind of EXPECTED) expect(included.get(kind), kind).toBeGreaterThan(0);
    expect(obligated, "transactions that were due").toBeGreaterThan(0);
  }, 300_000);

  test.each([
    ["the minimal block", 1],
    ["one without CONTROL", 2],
  ])(
    "a proposer whose own check fails gives way to %s, which everybody accepts",
    async (_, steps) => {
      const { chain } = await startMevChain({ validators: NODES, wallets: WALLETS });
      await chain.step(1);
      const item = signedItem(wallet(0), nonce(0), dataFor("epsilon", "text"));
      const control = cancelNonceItem(wallet(1), nonce(0), 1n);
      for (const each of [item, control]) await chain.submit(each, 0);
      const { watch } = chain.node(0);
      // The first batch is what it makes of the votes, those after it are its checks of its own block.
      watch.failAfter = 1;
      watch.failsFor = steps;
      const { txs } = await chain.step(0);
      expect(watch.fallbacks).toBe(steps);
      const kinds = txs.flatMap((each) => actionOf(each)?.kind ?? []);
      expect(kinds).toEqual(steps === 1 ? ["cancelBundles"] : []);
      delete watch.failAfter;
      // What it left out stands in its next block.
      expect((await chain.step(0)).txs).toContainEqual(item);
      expect(watch.fallbacks).toBe(steps);
    },
  );
});

const RUNS = Number(process.env["WEFT_MEV_RUNS"] ?? 6);
const EXPECTED: readonly string[] = [
  "rollupData",
  "transfer",
  "bundle",
  "sealed",
  "sealedBundle",
  "bid",
  "cancelBundles",
  "depositEscrow",
  "withdrawEscrow",
];
