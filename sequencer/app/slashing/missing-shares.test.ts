import { expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { eventsOf, sealText, startSealedChain } from "../../../test/support/sealed-app.ts";
import { SharesWorld } from "../../../test/support/shares-world.ts";
import { nonce, wallet } from "../../../test/support/weft-app.ts";
import { SEAL_SHARES_MISSING } from "../seal/events.ts";
import { SIGNING } from "../state/tables.ts";
import { missingShares } from "./missing-shares.ts";

const ABSTAINS = { listed: [], withdrawn: [], shares: { kind: "abstain" } } as const;
const SHARES = {
  listed: [],
  withdrawn: [],
  shares: { kind: "root", root: new Uint8Array(32) },
} as const;

test("who holds tickets of an asked key and abstains owes shares; nobody else does", () => {
  const world = new SharesWorld(["alice", "bob", "carol"]);
  world.addKey(1, [2, 1, 0], 2);
  world.addKey(2, [1, 0, 1], 2);
  const reader = world.stake.ctx;
  world.ask(10, { batches: [{ height: 9, key: 1, items: 1 }] });
  world.ask(11, { batches: [], disputes: [{ height: 9, index: 0, key: 2 }] });
  const said = (lists: typeof ABSTAINS | typeof SHARES, ...names: readonly string[]) =>
    names.map((name) => ({ address: world.address(name), power: 10n, lists }));
  const abstainers = said(ABSTAINS, "alice", "bob", "carol");
  // Somebody with as much power as all of them answers.
  const answers = { address: new Uint8Array(20), power: 30n, lists: SHARES };
  const missing = (
    height: number,
    injected: readonly (typeof answers | (typeof abstainers)[number])[] = [...abstainers, answers],
  ) => [...missingShares(reader, height, injected)];
  const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => toHex(world.address(name)));
  expect(missing(10)).toEqual([alice, bob]);
  expect(missing(11)).toEqual([alice, carol]);
  expect(missing(10, [...said(SHARES, "alice"), ...said(ABSTAINS, "bob")])).toEqual([bob]);
  expect(
    missing(10, [...said(ABSTAINS, "bob"), answers]),
    "a part that was left out says nothing",
  ).toEqual([bob]);
  expect(missing(12), "nothing was asked").toEqual([]);
});

test("nobody is blamed when most of the power abstains: the set must not shrink to the rest", () => {
  const world = new SharesWorld(["alice", "bob", "carol"]);
  world.addKey(1, [1, 1, 1], 3);
  world.ask(10, { batches: [{ height: 9, key: 1, items: 1 }] });
  const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) => world.address(name));
  const missing = (powers: readonly [bigint, bigint, bigint]) =>
    missingShares(world.stake.ctx, 10, [
      { address: alice ?? new Uint8Array(), power: powers[0], lists: ABSTAINS },
      { address: bob ?? new Uint8Array(), power: powers[1], lists: ABSTAINS },
      { address: carol ?? new Uint8Array(), power: powers[2], lists: SHARES },
    ]).size;
  expect(missing([10n, 10n, 20n])).toBe(2);
  expect(missing([10n, 11n, 20n])).toBe(0);
});

test("behavior: a validator that lost its shares votes on and counts as missing, in the blocks that asked it", async () => {
  const { chain, keys } = await startSealedChain({ withoutSecrets: [3] });
  const validator = toHex(chain.nodes[3]?.consensusAddress ?? new Uint8Array(0));
  const { item } = sealText(wallet(0), nonce(0), keys[0], "hidden");
  expect(await chain.submit(item)).toBe(0);
  const ordered = await chain.step(0);
  const between = await chain.step(0);
  const opened = await chain.step(0);
  expect(eventsOf(between, SEAL_SHARES_MISSING)).toEqual([]);
  expect(eventsOf(opened).map(({ type }) => type)).toEqual(["seal_opened", "seal_fills"]);
  expect(eventsOf(opened, SEAL_SHARES_MISSING)).toEqual([
    {
      type: SEAL_SHARES_MISSING,
      validator: validator.toUpperCase(),
      height: String(ordered.height + 1),
    },
  ]);
  for (let i = 0; i < 3; i++) {
    expect(eventsOf(await chain.step(0), SEAL_SHARES_MISSING)).toEqual([]);
  }
  const missed = chain.nodes.map(
    ({ consensusAddress }) =>
      chain.app.read.staking().records.get(SIGNING, toHex(consensusAddress))?.missed ?? 0,
  );
  expect(missed).toEqual([0, 0, 0, 1]);
  expect((await chain.replay()).read.appHash()).toEqual(chain.app.read.appHash());
});
