/**
 * A bundle is whole or not there at all: whatever senders send, replace and cancel, to whichever node, and however
 * sealed ones are opened, or not.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { RevertMode } from "../../proto/codec/mev-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { verifyBundles } from "../../proto/verify/bundle.ts";
import { type DeliveredEntry, FillStatus } from "../../proto/verify/manifest.ts";
import { bundleOf, cancelBelow, cancelKey, sealedBundleItem, version } from "../support/bundles.ts";
import {
  expectSupply,
  loseSecrets,
  type SealedChain,
  startSealedChain,
} from "../support/sealed-app.ts";
import {
  CHAIN_ID,
  type DecidedBlock,
  idOf,
  ROLLUPS,
  signedItem,
  unordered,
  wallet,
} from "../support/weft-app.ts";

const NAMES = [...ROLLUPS, "gamma", "shuffles"];
const NODES = 4;
const WALLETS = 3;
const KEYS = ["one", "two"];
/** After it, every sealed bundle is opened or expired. */
const SETTLED_AFTER = 20;

interface Send {
  readonly kind: "plain" | "sealed" | "cancelKey" | "cancelNonce";
  readonly sender: number;
  readonly node: number;
  readonly rollups: readonly string[];
  readonly tip: bigint;
  readonly key: string | undefined;
  readonly sequence: number;
  readonly nonce: number;
  /** Of its window, from the next block. */
  readonly from: number;
  readonly blocks: number;
}

const send: fc.Arbitrary<Send> = fc.record({
  kind: fc.constantFrom("plain", "plain", "sealed", "sealed", "sealed", "cancelKey", "cancelNonce"),
  sender: fc.nat(WALLETS - 1),
  node: fc.nat(NODES - 1),
  rollups: fc.subarray(NAMES, { minLength: 1 }),
  tip: fc.bigInt(0n, 1_000n),
  key: fc.option(fc.constantFrom(...KEYS), { nil: undefined }),
  sequence: fc.integer({ min: 1, max: 4 }),
  nonce: fc.nat(2),
  from: fc.nat(3),
  blocks: fc.nat(4),
});

const step = fc.record({
  sends: fc.array(send, { maxLength: 4 }),
  proposer: fc.nat(NODES - 1),
  /** From here on three validators give no shares, or all do again. */
  withholds: fc.option(fc.boolean(), { nil: undefined }),
});

function itemOf({ keys: [sealKey] }: SealedChain, one: Send, height: number, salt: string) {
  const sender = wallet(one.sender);
  const replay = unordered(500, salt);
  const until = height + 1 + one.from + one.blocks;
  if (one.kind === "cancelKey") {
    return signedItem(sender, replay, cancelKey(one.key ?? "one", one.sequence, until));
  }
  if (one.kind === "cancelNonce") {
    return signedItem(sender, replay, cancelBelow(BigInt(one.nonce + 1)));
  }
  const legs = one.rollups.map((rollup, at) => ({
    rollup,
    entries: [`${salt} for ${rollup}`],
    tip: one.tip,
    revertMode: Object.values(RevertMode)[at % 3] ?? RevertMode.ALLOW,
  }));
  const terms = {
    minHeight: height + 1 + one.from,
    maxHeight: until,
    replacement: one.key === undefined ? undefined : version(one.key, one.sequence),
    cancelNonce: BigInt(one.nonce),
  };
  if (one.kind === "plain") return signedItem(sender, replay, bundleOf(legs, terms));
  return sealedBundleItem(sender, replay, sealKey.state, legs, terms).item;
}

/** What is known of a bundle that stands in a block. */
interface Placed {
  readonly height: number;
  /** Rollups that it names, ascending by id, and its place in the list of each. */
  readonly places: ReadonlyMap<string, number>;
  readonly isSealed: boolean;
}

/** All bundles of a block, each checked to be whole. */
async function bundlesIn(chain: SealedChain["chain"], block: DecidedBlock) {
  const slices = await chain.app.blockSlices(block.txs, block.response);
  const entries = new Map<string, readonly DeliveredEntry[]>();
  for (const name of NAMES) {
    const slice = slices.slice(rollupIdOfName(name));
    entries.set(name, slice.kind === "presence" ? slice.entries : []);
  }
  const found = new Map<string, Placed>();
  const named = new Set<string>();
  for (const tx of block.txs) {
    const item = decodeItem(tx);
    if (item.kind !== "tx") continue;
    const { action } = item.tx.body;
    if (action.kind !== "bundle" && action.kind !== "sealedBundle") continue;
    const id = toHex(idOf(tx));
    named.add(id);
    const places = new Map<string, number>();
    const bundleIds = new Set<string>();
    for (const [leg, { rollupId }] of action.legs.entries()) {
      const name = NAMES.find((one) => toHex(rollupIdOfName(one)) === toHex(rollupId)) ?? "";
      const own = (entries.get(name) ?? []).filter(({ itemId }) => toHex(itemId) === id);
      expect(own).toMatchObject([{ leg, legs: action.legs.length }]);
      bundleIds.add(toHex(own[0]?.bundleId ?? new Uint8Array()));
      places.set(
        name,
        (entries.get(name) ?? []).findIndex(({ itemId }) => toHex(itemId) === id),
      );
    }
    expect(bundleIds.size, "one bundle id for all legs").toBe(1);
    found.set(id, { height: block.height, places, isSealed: action.kind === "sealedBundle" });
  }
  for (const [name, list] of entries) {
    // No leg is anywhere without its item, and every rollup can tell that it has all of them.
    const strays = list.filter((e) => e.bundleId !== undefined && !named.has(toHex(e.itemId)));
    expect(strays, `legs for ${name} without their bundle`).toEqual([]);
    const [manifest = new Uint8Array()] = block.txs;
    expect(verifyBundles(CHAIN_ID, rollupIdOfName(name), manifest, list)).toBeUndefined();
  }
  return { found, slices };
}

describe("bundles", () => {
  test("property: are whole in their block, open as a whole in a later one, and of each key one at most", async () => {
    let plain = 0;
    const outcomes = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 10 }), async (steps) => {
        const sealed = await startSealedChain({
          rollups: { alpha: {}, beta: {}, gamma: {}, shuffles: { ordering: "sealed_random" } },
        });
        const { chain } = sealed;
        const waiting = new Map<string, Placed>();
        const usedKeys = new Set<string>();
        let giveBack = (): void => {};
        let salt = 0;

        async function look(block: DecidedBlock): Promise<void> {
          const { found, slices } = await bundlesIn(chain, block);
          for (const tx of block.txs) {
            const item = decodeItem(tx);
            if (item.kind !== "tx") continue;
            const { action, publicKey } = item.tx.body;
            if (action.kind !== "bundle" && action.kind !== "sealedBundle") continue;
            if (action.replacement === undefined) continue;
            const key = `${toHex(publicKey)} ${toHex(action.replacement.key)}`;
            expect(usedKeys.has(key), "a key stands in blocks once").toBe(false);
            usedKeys.add(key);
          }
          for (const [id, { height, places }] of waiting) {
            const statuses = [...places].map(([name, position]) => {
              const fills = slices.fills(rollupIdOfName(name), height);
              return fills.find(({ fill }) => fill.position === position)?.fill.status;
            });
            expect(new Set(statuses).size, `one outcome for all legs of ${id}`).toBe(1);
            const [status] = statuses;
            if (status === undefined) continue;
            outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
            waiting.delete(id);
          }
          for (const [id, placed] of found) {
            if (placed.isSealed) waiting.set(id, placed);
            else plain++;
          }
          await expectSupply(chain);
        }

        for (const { sends, proposer, withholds } of steps) {
          if (withholds !== undefined) giveBack();
          if (withholds === true) giveBack = loseSecrets(chain, [0, 1, 2]);
          for (const one of sends) {
            await chain.submit(itemOf(sealed, one, chain.height, `${salt++}`), one.node);
          }
          await look(await chain.step(proposer));
        }
        for (let n = 0; n < SETTLED_AFTER && waiting.size > 0; n++) await look(await chain.step());
        expect(waiting.size, "every sealed bundle is opened or expired").toBe(0);
        const replayed = await chain.replay();
        expect(replayed.read.appHash()).toEqual(chain.app.read.appHash());
      }),
      { numRuns: 12, seed: 20261121 },
    );
    // It has seen what it is about.
    assert(plain > 0, "bundles in the clear");
    assert((outcomes.get(FillStatus.OPENED) ?? 0) > 0, "sealed ones that opened");
    assert((outcomes.get(FillStatus.EXPIRED) ?? 0) > 0, "sealed ones that nobody opened");
  }, 60_000);
});
