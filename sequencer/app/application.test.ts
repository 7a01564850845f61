import { MemoryLevel } from "memory-level";
import { describe, expect, test, vi } from "vitest";
import {
  CHAIN_ID,
  dataFor,
  finalize,
  idOf,
  nonce,
  operator,
  signedItem,
  START_BALANCE,
  startNode,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../test/support/weft-app.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import { rollupDataEntries, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import type { Misbehavior } from "../abci/application.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { blockSlices } from "./block-slices.ts";
import { CODES } from "./codes.ts";

describe("application", () => {
  test("behavior: an application without a state, as while a snapshot is restored, has nothing pending", async () => {
    const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
    const app = await startNode(level, operator(0).key);
    expect(app.poolItems(10)).toEqual([]);
    await app.stop();
  });

  test("behavior: empty blocks are made, checked and committed by all", async () => {
    const chain = await TestChain.start();
    const first = await chain.step();
    expect(first.txs).toHaveLength(1);
    const second = await chain.step();
    expect(second.txs).toHaveLength(2);
    expect(chain.app.read.lastBlock()?.height).toBe(2);
    expect(
      (
        await chain.app.info({
          version: "",
          blockVersion: 11n,
          p2pVersion: 8n,
          abciVersion: "2.0.0",
        })
      ).lastBlockHeight,
    ).toBe(2);
  });

  test("behavior: whom the evidence of blocks names is counted when they are committed", async () => {
    const chain = await TestChain.start();
    const named = (type: Misbehavior["type"], node: number): Misbehavior => ({
      type,
      validator: { address: chain.node(node).consensusAddress, power: 10n },
      height: Height(1),
      time: chain.time(1),
      totalVotingPower: 40n,
    });
    await chain.step();
    await chain.step(1, [named("duplicateVote", 2), named("lightClientAttack", 3)]);
    const request = chain.processRequest(await chain.prepare(0, [named("duplicateVote", 3)]), 0, [
      named("duplicateVote", 3),
    ]);
    const counted = () => [...chain.node(0).watch.misbehavior];
    await chain.app.processProposal(request);
    await chain.app.finalizeBlock(finalize(request));
    await chain.app.finalizeBlock(finalize(request));
    expect(counted()).toEqual([
      ["duplicateVote", 1],
      ["lightClientAttack", 1],
    ]);
    await chain.app.commit();
    expect(counted()).toEqual([
      ["duplicateVote", 2],
      ["lightClientAttack", 1],
    ]);
  });

  test("behavior: a transfer moves its amount and its fee, and nothing else", async () => {
    const chain = await TestChain.start();
    const item = signedItem(wallet(0), nonce(0), transferTo(wallet(1).address, 500n));
    expect(await chain.submit(item)).toBe(0);
    expect(chain.app.transactionStatus(idOf(item)).state).toBe("pending");
    const block = await chain.step(0);
    const fee = BigInt(item.length) * 2n;
    expect(chain.app.read.account(wallet(0).address)).toEqual({
      nonce: 1n,
      balance: START_BALANCE - fee - 500n,
    });
    expect(chain.app.read.account(wallet(1).address).balance).toBe(START_BALANCE + 500n);
    // Nobody else sent anything: the fee is all that is shared.
    const { feePool, rewards, community } = chain.app.read.supply();
    expect({ feePool, shared: rewards + community }).toEqual({ feePool: 0n, shared: fee });
    expect(chain.app.transactionStatus(idOf(item))).toMatchObject({
      state: "committed",
      height: block.height,
      index: 1,
    });
    expect(chain.app.poolSize()).toEqual({ count: 0, bytes: 0 });
  });

  test("behavior: an action that fails pays its fee and adds nothing to the manifest", async () => {
    const chain = await TestChain.start();
    await chain.step();
    // What the pool refuses, a proposer may still propose.
    const item = signedItem(wallet(0), nonce(0), dataFor("nobody", "x"));
    expect(await chain.submit(item)).toBe(CODES.ROLLUP_UNKNOWN.number);
    const [manifest, injected] = await chain.prepare(0);
    const block = await chain.decide([manifest, injected, item].filter((x) => x !== undefined));
    expect(block.response.txResults[2]?.code).toBe(CODES.ROLLUP_UNKNOWN.number);
    expect(chain.app.read.account(wallet(0).address).nonce).toBe(1n);
    const { rewards, community } = chain.app.read.supply();
    expect(rewards + community).toBe(BigInt(item.length) * 2n);
    expect(chain.app.transactionStatus(idOf(item)).state).toBe("failed");
    const slices = await blockSlices(CHAIN_ID, block.txs, block.response, yieldToLoop);
    expect(slices.slice(rollupIdOfName("nobody")).kind).toBe("absence");
  });

  test("behavior: rollup data comes back from the stored block, in order, with its proof", async () => {
    const chain = await TestChain.start();
    await chain.submit(signedItem(wallet(0), nonce(0), dataFor("alpha", "a", "b")));
    await chain.submit(signedItem(wallet(0), nonce(1), dataFor("beta", "c")));
    await chain.submit(signedItem(wallet(0), nonce(2), dataFor("alpha", "d")));
    const block = await chain.step(0);
    const slices = await blockSlices(CHAIN_ID, block.txs, block.response, yieldToLoop);
    expect(slices.rollupIds).toHaveLength(2);
    const slice = slices.slice(rollupIdOfName("alpha"));
    expect(slice.kind).toBe("presence");
    const texts =
      slice.kind === "presence"
        ? slice.entries.flatMap(({ payload }) =>
            rollupDataEntries(payload).map((entry) => new TextDecoder().decode(entry)),
          )
        : [];
    expect(texts).toEqual(["a", "b", "d"]);
  });

  test("behavior: a nonce is used once, an unordered transaction is in one block only", async () => {
    const chain = await TestChain.start({ params: { unordered_window: 10 } });
    const ordered = signedItem(wallet(0), nonce(0), dataFor("alpha", "n"));
    const free = signedItem(wallet(0), unordered(5), dataFor("alpha", "u"));
    expect(await chain.submit(ordered)).toBe(0);
    expect(await chain.submit(free)).toBe(0);
    expect((await chain.step(0)).txs).toHaveLength(3);
    expect(await chain.submit(ordered)).toBe(CODES.TX_KNOWN.number);
    expect(await chain.submit(free)).toBe(CODES.TX_KNOWN.number);
    // A node that has forgotten the fate still knows the state.
    await chain.restart(1);
    expect(await chain.submit(ordered, 1)).toBe(CODES.NONCE_USED.number);
    expect(await chain.submit(free, 1)).toBe(CODES.UNORDERED_SEEN.number);
    const [manifest, injected] = await chain.prepare(1);
    const system = [manifest, injected].filter((x) => x !== undefined);
    expect(await chain.refusal([...system, ordered])).toMatch(/NONCE_USED/);
    expect(await chain.refusal([...system, free])).toMatch(/UNORDERED_SEEN/);
    while (chain.height < 4) await chain.step();
    expect(await chain.refusal([...(await chain.prepare(0)), free])).toMatch(/UNORDERED_EXPIRED/);
    await chain.step();
    // Expired: the record is gone, and the expiry alone keeps it out.
    expect((await chain.app.query(storeQuery("unordered/0000000000000001"))).value).toHaveLength(0);
    expect(await chain.refusal([...(await chain.prepare(0)), free])).toMatch(/UNORDERED_EXPIRED/);
  });

  test("behavior: the same unordered transaction does not fit twice into one block", async () => {
    const chain = await TestChain.start();
    const free = signedItem(wallet(0), unordered(5), dataFor("alpha", "u"));
    await chain.submit(free);
    const [manifest, item] = await chain.prepare(0);
    const twice = [manifest, item, item].filter((x) => x !== undefined);
    expect(await chain.refusal(twice)).toMatch(/UNORDERED_SEEN/);
  });

  test("behavior: a proposal is refused for a wrong manifest, order, signature, chain or last commit", async () => {
    const chain = await TestChain.start();
    await chain.step();
    const data = signedItem(wallet(0), nonce(0), dataFor("alpha", "x"));
    const [empty, injected] = await chain.prepare(0);
    await chain.submit(data);
    const good = await chain.prepare(0);
    expect(await chain.refusal(good)).toBeUndefined();
    const [manifest, , item] = good;
    if (
      empty === undefined ||
      injected === undefined ||
      manifest === undefined ||
      item === undefined
    ) {
      throw new TypeError("a proposal has three items");
    }
    expect(await chain.refusal([empty, injected, item])).toMatch(/manifest/);
    expect(await chain.refusal([manifest, injected])).toMatch(/manifest/);
    expect(await chain.refusal([injected, manifest, item])).toMatch(/LANE_SYSTEM_ITEMS/);
    expect(await chain.refusal([manifest, item])).toMatch(/LANE_SYSTEM_ITEMS/);
    expect(await chain.refusal([manifest, injected, item, item])).toMatch(/NONCE_USED/);
    expect(await chain.refusal([manifest, injected, manifest])).toMatch(/LANE_SYSTEM_ITEMS/);
    expect(await chain.refusal([manifest, injected, item, manifest])).toMatch(/TX_KIND/);
    expect(await chain.refusal([])).toMatch(/LANE_SYSTEM_ITEMS/);
    expect(await chain.refusal([manifest, injected, utf8ToBytes("junk")])).toMatch(/TX_MALFORMED/);
    const broken = item.with(item.length - 1, (item.at(-1) ?? 0) ^ 1);
    expect(await chain.refusal([manifest, injected, broken])).toMatch(/TX_SIGNATURE/);
    const foreign = signedItem(wallet(0), nonce(0), dataFor("alpha", "x"), { chainId: "other" });
    expect(await chain.refusal([manifest, injected, foreign])).toMatch(/TX_SIGNATURE/);
    const votes = chain.lastVotes;
    chain.lastVotes = votes.slice(0, 3);
    expect(await chain.refusal(good)).toMatch(/INJECTED_INCOMPLETE/);
    chain.lastVotes = votes;
    expect(await chain.refusal(good)).toBeUndefined();
  });

  test("behavior: a validator's unusable extension is left blank, and the block is still valid", async () => {
    const chain = await TestChain.start();
    await chain.step();
    const [first, ...others] = chain.lastVotes;
    if (first === undefined) throw new TypeError("four validators vote");
    chain.lastVotes = [{ ...first, voteExtension: utf8ToBytes("late and unverified") }, ...others];
    const block = await chain.step();
    const item = decodeItem(block.txs[1] ?? new Uint8Array());
    expect(item.kind === "injectedCommit" && item.injectedCommit.entries[0]?.lists.length).toBe(0);
    expect(item.kind === "injectedCommit" && item.injectedCommit.entries).toHaveLength(4);
  });

  test("behavior: extensions of others, for another block or of strangers are refused", async () => {
    const chain = await TestChain.start();
    const request = chain.processRequest(await chain.prepare(0));
    const { app, consensusAddress } = chain.node(1);
    const voteExtension = await app.extendVote(request);
    const base = {
      hash: request.hash,
      validatorAddress: consensusAddress,
      height: request.height,
      voteExtension,
    };
    const accepts = async (change: Partial<typeof base>) =>
      (await chain.app.verifyVoteExtension({ ...base, ...change })).accept;
    expect(await accepts({})).toBe(true);
    expect(await accepts({ height: Height(2) })).toBe(false);
    expect(await accepts({ hash: new Uint8Array(32) })).toBe(false);
    expect(await accepts({ validatorAddress: chain.node(2).consensusAddress })).toBe(false);
    expect(await accepts({ validatorAddress: new Uint8Array(20) })).toBe(false);
    expect(await accepts({ voteExtension: new Uint8Array() })).toBe(false);
    expect(await accepts({ voteExtension: voteExtension.with(3, 9) })).toBe(false);
  });

  test("behavior: a validator answers the same extension after a crash", async () => {
    const chain = await TestChain.start();
    const request = chain.processRequest(await chain.prepare(0));
    const before = await chain.node(1).app.extendVote(request);
    await chain.restart(1);
    expect(await chain.node(1).app.extendVote(request)).toEqual(before);
    expect(await chain.node(1).level.keys({ gte: "x", lt: "y" }).all()).toHaveLength(1);
    await chain.step();
    await chain.step();
    expect(await chain.node(1).level.keys({ gte: "x", lt: "y" }).all()).toHaveLength(0);
  });

  test("behavior: an extension that a block's own bytes prevent costs no other block its vote", async () => {
    const chain = await TestChain.start();
    const request = chain.processRequest(await chain.prepare(0));
    const { app } = chain.node(1);
    const odd = { ...request, hash: new Uint8Array(0) };
    await app.processProposal(odd);
    await expect(app.extendVote(odd)).rejects.toThrow(/block hash: expected 32 bytes/);
    expect(await app.processProposal(request)).toEqual({ accept: true });
    expect((await app.extendVote(request)).length).toBeGreaterThan(0);
  });

  test("error: after an extension that could not be stored none is made", async () => {
    const chain = await TestChain.start();
    const request = chain.processRequest(await chain.prepare(0));
    const { app, level } = chain.node(1);
    const batch = vi.spyOn(level, "batch").mockImplementationOnce(() => {
      throw new Error("disk full");
    });
    await app.processProposal(request);
    await expect(app.extendVote(request)).rejects.toThrow("disk full");
    expect(batch).toHaveBeenCalledTimes(1);
    const other = { ...request, hash: request.hash.toReversed() };
    await expect(app.processProposal(other)).rejects.toThrow("disk full");
    await expect(app.extendVote(other)).rejects.toThrow("disk full");
    expect(batch).toHaveBeenCalledTimes(1);
  });

  test("behavior: says why a node must not start as a validator", async () => {
    const chain = await TestChain.start();
    const { app, consensusAddress } = chain.node(1);
    expect(app.applicationKeyFault(consensusAddress)).toBeUndefined();
    expect(app.applicationKeyFault(chain.node(2).consensusAddress)).toMatch(/registered is/);
    expect(app.applicationKeyFault(new Uint8Array(20))).toMatch(/no application key/);
  });

  test("error: another chain is refused by both names, before its genesis is read", async () => {
    const chain = await TestChain.start({ validators: 1 });
    await expect(chain.initChain(chain.node(0), "some-other-chain")).rejects.toMatchObject({
      code: "APP_OTHER_CHAIN",
      message: expect.stringMatching(/chain some-other-chain, but .* genesis of weft-test; give/),
    });
  });

  test("behavior: a crash between any two phases loses nothing and changes nothing", async () => {
    const chain = await TestChain.start();
    await chain.submit(signedItem(wallet(0), nonce(0), dataFor("alpha", "x")));
    const crash = async (): Promise<void> => {
      await chain.restart(1);
    };
    // Before the first block: InitChain comes again.
    await crash();
    await chain.initChain(chain.node(1));
    const request = chain.processRequest(await chain.prepare(0));
    const node = () => chain.node(1).app;
    expect(await node().processProposal(request)).toEqual({ accept: true });
    const { appHash } = await node().finalizeBlock(finalize(request));
    await crash();
    const info = { version: "", blockVersion: 11n, p2pVersion: 8n, abciVersion: "2.0.0" };
    expect((await node().info(info)).lastBlockHeight).toBe(0);
    await chain.initChain(chain.node(1));
    const again = await node().finalizeBlock(finalize(request));
    expect(toHex(again.appHash)).toBe(toHex(appHash));
    // Finalized twice without a commit in between, as after a failed round of replay.
    expect(toHex((await node().finalizeBlock(finalize(request))).appHash)).toBe(toHex(appHash));
    await node().commit();
    await crash();
    expect(await node().info(info)).toMatchObject({
      lastBlockHeight: 1,
      lastBlockAppHash: appHash,
    });
  });

  test("behavior: a proposer leaves out what exceeds a quota or a count, and takes it next time", async () => {
    const chain = await TestChain.start({
      blockBytesMax: 65_536,
      params: {
        unordered_per_block_max: 2,
        rollup_quota_bps: 500,
        rollup_quota_bytes_floor: 1_024,
      },
    });
    for (let n = 0; n < 3; n++) {
      expect(await chain.submit(signedItem(wallet(n), unordered(50), dataFor("alpha", "u")))).toBe(
        0,
      );
    }
    // 5% of 65,536 bytes are 3,276.
    for (let n = 3; n < 6; n++) {
      const big = dataFor("beta", "x".repeat(1_400));
      expect(await chain.submit(signedItem(wallet(n), nonce(0), big))).toBe(0);
    }
    expect((await chain.step(0)).txs).toHaveLength(1 + 2 + 2);
    expect((await chain.step(0)).txs).toHaveLength(2 + 1 + 1);
    expect(chain.node(0).watch.fallbacks).toBe(0);
  });

  test("behavior: what begins to fail while it waits is proposed, pays, and adds nothing", async () => {
    const chain = await TestChain.start({ validators: 2, params: { policy_delay: 1 } });
    const data = signedItem(wallet(1), nonce(0), dataFor("alpha", "too late"));
    expect(await chain.submit(data, 0)).toBe(0);
    const policy = {
      ...PLAIN_POLICY,
      sealedOnly: true,
      auction: false,
      reserve: 0n,
      revenueShareBps: 0,
      executorKeys: [],
    } as const;
    const rollupId = rollupIdOfName("alpha");
    const seal = { kind: "updateRollup", rollupId, policy, newOwnerKey: new Uint8Array() } as const;
    expect(await chain.submit(signedItem(wallet(0), nonce(0), seal), 1)).toBe(0);
    await chain.step(1);
    const block = await chain.step(0);
    expect(block.response.txResults.at(-1)?.code).toBe(CODES.ROLLUP_SEALED_ONLY.number);
    expect(chain.app.transactionStatus(idOf(data)).state).toBe("failed");
    expect(chain.node(0).watch.fallbacks).toBe(0);
    const slices = await blockSlices(CHAIN_ID, block.txs, block.response, yieldToLoop);
    expect(slices.rollupIds).toEqual([]);
  });

  test("behavior: a signature is verified once per node, whatever calls it passes through", async () => {
    const chain = await TestChain.start({ validators: 2 });
    const item = signedItem(wallet(0), nonce(0), dataFor("alpha", "x"));
    const codes = await Promise.all([chain.submit(item), chain.submit(item), chain.submit(item)]);
    expect(codes.sort((a, b) => a - b)).toEqual([0, CODES.TX_KNOWN.number, CODES.TX_KNOWN.number]);
    await chain.step(0);
    expect(chain.node(0).watch.signatures).toBe(1);
    // The other node has met it in the proposal only.
    expect(chain.node(1).watch.signatures).toBe(1);
  });

  test("attack: a block full of bad signatures is refused after a few of them", async () => {
    const chain = await TestChain.start({ wallets: 2 });
    await chain.step();
    const [manifest, injected] = await chain.prepare(0);
    const items = Array.from({ length: 600 }, (_, n) => {
      const item = signedItem(wallet(0), nonce(n), transferTo(wallet(1).address, 1n));
      item[item.length - 1] = (item[item.length - 1] ?? 0) ^ 1;
      return item;
    });
    const txs = [manifest, injected, ...items].filter((x) => x !== undefined);
    expect(await chain.refusal(txs, 1)).toMatch(/TX_SIGNATURE: item 2/);
    expect(chain.node(1).watch.signatures).toBeLessThanOrEqual(128);
  });

  test("behavior: an own proposal that fails its check gives way to the minimal block", async () => {
    const chain = await TestChain.start();
    await chain.step();
    await chain.submit(signedItem(wallet(0), nonce(0), dataFor("alpha", "x")));
    // The extensions pass when the block is built and fail when it is checked: a broken machine.
    chain.node(0).watch.failAfter = 1;
    const txs = await chain.prepare(0);
    expect(txs).toHaveLength(2);
    expect(chain.node(0).watch.fallbacks).toBe(1);
    await chain.decide(txs);
    expect(await chain.prepare(0)).toHaveLength(3);
  });

  test("behavior: a decided block that is invalid stops the node", async () => {
    const chain = await TestChain.start();
    const request = chain.processRequest([utf8ToBytes("junk")]);
    await expect(chain.app.finalizeBlock(finalize(request))).rejects.toMatchObject({
      info: { code: "APP_BLOCK_INVALID" },
    });
  });

  test("behavior: a rollup is registered with a deposit, and its policy changes after the delay", async () => {
    const chain = await TestChain.start({ params: { policy_delay: 2, rollup_deposit: "700" } });
    const owner = wallet(3);
    const policy = {
      ...PLAIN_POLICY,
      sealedOnly: false,
      auction: false,
      reserve: 0n,
      revenueShareBps: 9_000,
      executorKeys: [wallet(5).key.publicKey],
    } as const;
    await chain.submit(
      signedItem(wallet(2), nonce(0), {
        kind: "registerRollup",
        name: "gamma",
        policy,
        ownerKey: owner.key.publicKey,
      }),
    );
    await chain.step(0);
    const rollupId = rollupIdOfName("gamma");
    expect(chain.app.read.rollup(rollupId)).toMatchObject({ name: "gamma", deposit: 700n, policy });
    expect(chain.app.read.supply().deposits).toBe(700n);
    const update = {
      kind: "updateRollup",
      rollupId,
      policy: { ...policy, sealedOnly: true },
      newOwnerKey: wallet(4).key.publicKey,
    } as const;
    expect(await chain.submit(signedItem(wallet(2), nonce(1), update))).toBe(
      CODES.ROLLUP_NOT_OWNER.number,
    );
    expect(await chain.submit(signedItem(owner, nonce(0), update))).toBe(0);
    const block = await chain.step(0);
    expect(chain.app.read.rollup(rollupId)).toMatchObject({
      ownerKey: wallet(4).key.publicKey,
      policy: { sealedOnly: false },
      pending: { effectiveHeight: block.height + 2, policy: { sealedOnly: true } },
    });
    expect(await chain.submit(signedItem(wallet(0), nonce(0), dataFor("gamma", "x")))).toBe(0);
    await chain.step(0);
    expect(chain.app.read.rollup(rollupId)?.policy.sealedOnly).toBe(true);
    expect(await chain.submit(signedItem(wallet(0), nonce(1), dataFor("gamma", "x")))).toBe(
      CODES.ROLLUP_SEALED_ONLY.number,
    );
    expect((await chain.app.read.rollups()).map(({ name }) => name).sort()).toEqual([
      "alpha",
      "beta",
      "gamma",
    ]);
  });

  test("behavior: queries answer state with proofs, refuse other heights and unknown paths", async () => {
    const chain = await TestChain.start();
    await chain.step();
    const text = toHex(wallet(0).address);
    const account = await chain.app.query({
      path: `/account/${text}`,
      data: new Uint8Array(),
      height: Height(1),
      prove: true,
    });
    expect(account).toMatchObject({ code: 0, height: 1, proofOps: [{ type: "ics23:smt" }] });
    expect(JSON.parse(account.info)).toMatchObject({
      balance: START_BALANCE.toString(),
      nonce: "0",
    });
    expect((await chain.app.query(storeQuery("params"))).value.length).toBeGreaterThan(10);
    const codeOf = async (path: string, height = 0) =>
      (
        await chain.app.query({
          path,
          data: new Uint8Array(),
          height: Height(height),
          prove: false,
        })
      ).code;
    expect(await codeOf("/rollup/alpha")).toBe(0);
    expect(await codeOf("/rollup/omega")).toBe(CODES.QUERY_NOT_FOUND.number);
    expect(await codeOf("/nothing")).toBe(CODES.QUERY_PATH.number);
    expect(await codeOf("/account/xyz")).toBe(CODES.QUERY_PATH.number);
    expect(await codeOf("/validator/zz")).toBe(CODES.QUERY_PATH.number);
    expect(await codeOf("/params", 7)).toBe(CODES.QUERY_HEIGHT.number);
    for (const path of ["/chain", "/params", "/supply", "/fees", "/last_block"]) {
      expect(await codeOf(path), path).toBe(0);
    }
  });

  test("behavior: the base fee rises when blocks are full and falls back when they are empty", async () => {
    const chain = await TestChain.start({
      params: { block_bytes_target: 1_024, base_fee_min: "100" },
    });
    const terms = { maxFeePerByte: 100_000n, tipPerByte: 0n };
    for (let n = 0; n < 3; n++) {
      await chain.submit(
        signedItem(wallet(0), nonce(n), dataFor("alpha", "x".repeat(2_000)), terms),
      );
      await chain.step(0);
    }
    // 100, 112, 126, 141: each time an eighth, rounded down.
    expect(chain.app.read.baseFeePerByte()).toBe(141n);
    for (let n = 0; n < 8; n++) await chain.step();
    expect(chain.app.read.baseFeePerByte()).toBe(100n);
  });
});

function storeQuery(key: string) {
  return { path: "/store", data: utf8ToBytes(key), height: Height(0), prove: true };
}
