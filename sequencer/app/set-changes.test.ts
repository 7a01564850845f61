/** Whole applications while the set of validators changes, as an engine would change it. */
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { applicationKeySignBytes } from "../../proto/codec/staking-tx.ts";
import { pooledSupply } from "../../proto/codec/weft-state.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import {
  CHAIN_ID,
  consensusKey,
  type DecidedBlock,
  nonce,
  operator,
  signedItem,
  TestChain,
  transferTo,
  wallet,
} from "../../test/support/weft-app.ts";
import { CODES } from "./codes.ts";
import { APPLICATION_KEY_PAUSE_BLOCKS_MIN } from "./staking/limits.ts";

const MILLION = 1_000_000n;
const OPERATOR_BALANCE = 1_000n * MILLION;

function start(options: Parameters<typeof TestChain.start>[0] = {}): Promise<TestChain> {
  const { params, ...rest } = options;
  return TestChain.start({
    operatorBalance: OPERATOR_BALANCE,
    params: { epoch_length: 4, ...params },
    ...rest,
  });
}

/** Puts the actions of an account into the next block, which has to apply them. */
async function act(
  chain: TestChain,
  node: number,
  ...actions: readonly Action[]
): Promise<DecidedBlock> {
  const sender = operator(node);
  const { nonce: next } = chain.app.read.account(sender.address);
  for (const [at, action] of actions.entries()) {
    const item = signedItem(sender, nonce(next + BigInt(at)), action);
    for (const [index] of chain.nodes.entries()) expect(await chain.submit(item, index)).toBe(0);
  }
  const block = await chain.step(0);
  expect(block.response.txResults.filter(({ code }) => code !== 0)).toEqual([]);
  return block;
}

function proof(address: Uint8Array, key: Ed25519KeyPair): Uint8Array {
  return signEd25519(key, applicationKeySignBytes(CHAIN_ID, address, key.publicKey));
}

function createValidator(chain: TestChain, node: number, selfDelegation: bigint): Action {
  const { consensusAddress, applicationKey } = chain.node(node);
  return {
    kind: "createValidator",
    consensusKey: consensusKey(node).publicKey,
    applicationKey: applicationKey.publicKey,
    applicationKeyProof: proof(consensusAddress, applicationKey),
    moniker: `node ${node}`,
    website: "",
    details: "",
    rateBps: 500,
    maxRateBps: 1_000,
    maxChangeBps: 100,
    minSelfDelegation: MILLION,
    selfDelegation,
  };
}

/** Powers of the set that votes on the next block, by node. */
function powers(chain: TestChain): Readonly<Record<number, bigint>> {
  return Object.fromEntries(
    chain.nodes.flatMap(({ consensusAddress }, node) => {
      const found = chain.set.validators.find((v) => bytesEqual(v.address, consensusAddress));
      return found === undefined ? [] : [[node, found.votingPower]];
    }),
  );
}

/** Parts of extensions that a block brings, and those that it leaves blank. */
function injected({ txs }: DecidedBlock): { readonly there: number; readonly blank: number } {
  const item = decodeItem(txs[1] ?? new Uint8Array());
  const entries = item.kind === "injectedCommit" ? item.injectedCommit.entries : [];
  const blank = entries.filter(({ signature }) => signature.length === 0).length;
  return { there: entries.length - blank, blank };
}

async function expectConserved(chain: TestChain): Promise<void> {
  const supply = chain.app.read.supply();
  let balances = 0n;
  for (const index of chain.nodes.keys()) {
    balances += chain.app.read.account(operator(index).address).balance;
  }
  for (let n = 0; n < 8; n++) balances += chain.app.read.account(wallet(n).address).balance;
  expect(balances + pooledSupply(supply)).toBe(supply.total);
  const replayed = await chain.replay();
  expect(toHex(replayed.read.appHash())).toBe(toHex(chain.app.read.appHash()));
}

describe("changes of the set", () => {
  test("behavior: a newcomer votes two heights after the end of the epoch, and its part counts from then on", async () => {
    const chain = await start({ validators: 3, followers: 1 });
    const joined = await act(chain, 3, createValidator(chain, 3, 25n * MILLION));
    expect(joined.response.validatorUpdates).toEqual([]);
    const last = await chain.stepTo(4);
    expect(last.response.validatorUpdates).toEqual([
      { publicKey: { type: "ed25519", bytes: consensusKey(3).publicKey }, power: 25n },
    ]);
    expect(powers(chain)).toEqual({ 0: 10n, 1: 10n, 2: 10n });
    await chain.stepTo(5);
    expect(powers(chain)).toEqual({ 0: 10n, 1: 10n, 2: 10n, 3: 25n });
    // Block 6 is the first that it votes on; block 7 brings its part.
    expect(injected(await chain.step(3))).toEqual({ there: 3, blank: 0 });
    expect(injected(await chain.step(3))).toEqual({ there: 4, blank: 0 });
    expect(chain.app.read.supply().bonded).toBe(55n * MILLION);
    await expectConserved(chain);
  });

  test("behavior: stake moves power at the end of the epoch, and without stake a validator leaves", async () => {
    const chain = await start();
    const [first, second] = [chain.node(0).consensusAddress, chain.node(1).consensusAddress];
    await act(chain, 0, { kind: "delegate", validator: first, amount: 5n * MILLION + 1n });
    await act(chain, 1, { kind: "undelegate", validator: second, amount: 10n * MILLION });
    // It has gone below its minimum, so it is jailed and leaves at once.
    expect(chain.app.read.validator(second)).toMatchObject({ jailed: true, tokens: 0n });
    await chain.step();
    expect(powers(chain)).toEqual({ 0: 10n, 2: 10n, 3: 10n });
    await chain.stepTo(5);
    expect(powers(chain)).toEqual({ 0: 15n, 2: 10n, 3: 10n });
    expect(injected(await chain.step(0))).toEqual({ there: 3, blank: 0 });
    expect(chain.app.read.supply()).toMatchObject({
      bonded: 35n * MILLION + 1n,
      notBonded: 10n * MILLION,
    });
    await expectConserved(chain);
  });

  test("behavior: a rotated application key signs from the next height on, and the old one until then", async () => {
    const chain = await start();
    await chain.step();
    const { consensusAddress } = chain.node(2);
    const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(9));
    const rotate = (to: Ed25519KeyPair): Action => ({
      kind: "rotateApplicationKey",
      validator: consensusAddress,
      applicationKey: to.publicKey,
      applicationKeyProof: proof(consensusAddress, to),
    });
    // Its own block is signed with the old key; all of them accept that.
    await act(chain, 2, rotate(key));
    expect(chain.app.applicationKeyFault(consensusAddress)).toMatch(/registered is/);
    await chain.restart(2, key);
    expect(chain.node(2).app.applicationKeyFault(consensusAddress)).toBeUndefined();
    // The block that brings the part signed with the old key, and one with the new one.
    expect(injected(await chain.step(1))).toEqual({ there: 4, blank: 0 });
    expect(injected(await chain.step(2))).toEqual({ there: 4, blank: 0 });
    // One that has the next key beside its own goes on without a restart.
    const next = ed25519KeyPairFromSeed(new Uint8Array(32).fill(10));
    await chain.restart(2, key, {}, next);
    for (let i = 0; i < APPLICATION_KEY_PAUSE_BLOCKS_MIN; i++) await chain.step(i % 4);
    await act(chain, 2, rotate(next));
    expect(chain.node(2).app.applicationKeyFault(consensusAddress)).toBeUndefined();
    for (let i = 0; i < 3; i++) {
      expect(injected(await chain.step(i))).toEqual({ there: 4, blank: 0 });
    }
    await expectConserved(chain);
  });

  test("behavior: a registered key has to be proven, and nobody takes that of another", async () => {
    const chain = await start();
    const [own, other] = [chain.node(2), chain.node(1)];
    const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(11));
    const rotate = (applicationKey: Uint8Array, applicationKeyProof: Uint8Array): Uint8Array =>
      signedItem(operator(2), nonce(0), {
        kind: "rotateApplicationKey",
        validator: own.consensusAddress,
        applicationKey,
        applicationKeyProof,
      });
    const forged = rotate(key.publicKey, proof(other.consensusAddress, key));
    expect(await chain.submit(forged)).toBe(CODES.TX_SIGNATURE.number);
    const [manifest = new Uint8Array()] = await chain.prepare(0);
    expect(await chain.refusal([manifest, forged])).toMatch(/TX_SIGNATURE: item 1/);
    const { applicationKey } = other;
    const taken = rotate(applicationKey.publicKey, proof(own.consensusAddress, applicationKey));
    expect(await chain.submit(taken)).toBe(CODES.VALIDATOR_KEY_USED.number);
    const good = rotate(key.publicKey, proof(own.consensusAddress, key));
    expect(await chain.submit(good)).toBe(0);
  });

  test("behavior: who signs twice is slashed, tombstoned and out two heights later, for good", async () => {
    const chain = await start();
    await chain.stepTo(2);
    const { consensusAddress } = chain.node(3);
    await chain.step(0, [
      {
        type: "duplicateVote",
        validator: { address: consensusAddress, power: 10n },
        height: Height(2),
        time: chain.time(chain.height),
        totalVotingPower: 40n,
      },
    ]);
    expect(chain.app.read.validator(consensusAddress)).toMatchObject({
      jailed: true,
      tombstoned: true,
      tokens: 9_500_000n,
    });
    expect(chain.app.read.supply()).toMatchObject({ burned: 500_000n, notBonded: 9_500_000n });
    await chain.step();
    expect(powers(chain)).toEqual({ 0: 10n, 1: 10n, 2: 10n });
    const unjail = signedItem(operator(3), nonce(0), {
      kind: "unjail",
      validator: consensusAddress,
    });
    expect(await chain.submit(unjail)).toBe(CODES.VALIDATOR_TOMBSTONED.number);
    await chain.stepTo(10);
    expect(powers(chain)).toEqual({ 0: 10n, 1: 10n, 2: 10n });
    await expectConserved(chain);
  });

  test("behavior: a validator that stays down is jailed after the window, and comes back when it asks", async () => {
    const chain = await start({
      params: { signed_window: 10, downtime_jail_seconds: 20, downtime_jail_max_seconds: 100 },
    });
    chain.absent.add(1);
    const { consensusAddress } = chain.node(1);
    const isJailed = (): boolean | undefined => chain.app.read.validator(consensusAddress)?.jailed;
    for (let i = 0; i < 14 && isJailed() !== true; i++) await chain.step(0);
    expect(isJailed()).toBe(true);
    expect(chain.app.read.supply().burned).toBe(0n);
    await chain.step(0);
    expect(powers(chain)).toEqual({ 0: 10n, 2: 10n, 3: 10n });
    chain.absent.delete(1);
    const early = signedItem(operator(1), nonce(0), {
      kind: "unjail",
      validator: consensusAddress,
    });
    expect(await chain.submit(early)).toBe(CODES.UNJAIL_TOO_EARLY.number);
    chain.lateSeconds = 30;
    await chain.step(0);
    await act(chain, 1, { kind: "unjail", validator: consensusAddress });
    await chain.stepTo(Math.ceil((chain.height + 1) / 4) * 4 + 2);
    expect(powers(chain)).toEqual({ 0: 10n, 1: 10n, 2: 10n, 3: 10n });
    await expectConserved(chain);
  });

  test("behavior: the set shrinks to one validator and that one goes on", async () => {
    const chain = await start();
    for (const node of [1, 2, 3]) {
      const validator = chain.node(node).consensusAddress;
      await act(chain, node, { kind: "retireValidator", validator, retired: true });
    }
    await chain.stepTo(8);
    expect(powers(chain)).toEqual({ 0: 10n });
    expect(injected(await chain.step(0))).toEqual({ there: 1, blank: 0 });
    await act(chain, 0, {
      kind: "retireValidator",
      validator: chain.node(0).consensusAddress,
      retired: true,
    });
    await chain.stepTo(16);
    expect(powers(chain)).toEqual({ 0: 10n });
    await expectConserved(chain);
  });

  test("behavior: fees are shared, and what they earn can be taken out", async () => {
    const chain = await start();
    const item = signedItem(wallet(0), nonce(0), transferTo(wallet(1).address, 1n));
    for (const index of chain.nodes.keys()) await chain.submit(item, index);
    await chain.step(2);
    const fee = BigInt(item.length) * 2n;
    const before = chain.app.read.supply();
    expect(before.feePool).toBe(0n);
    expect(before.community).toBe((fee * 200n) / 10_000n);
    expect(before.rewards).toBe(fee - before.community);
    const validator = chain.node(2).consensusAddress;
    const had = chain.app.read.account(operator(2).address).balance;
    await act(chain, 2, { kind: "withdrawRewards", validator });
    expect(chain.app.read.supply().rewards).not.toBe(before.rewards);
    expect(had).toBe(OPERATOR_BALANCE);
    await expectConserved(chain);
  });
});
