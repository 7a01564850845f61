/**
 * Whole committees: keys that validators make in blocks, shares in their votes, openings in their proposals,
 * and what byzantine ones do to all of it.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { bytesEqual, toHex } from "../../../proto/bytes.ts";
import { PartType, decodeVoteExtension } from "../../../proto/codec/weft-extension.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import { CommitteeChain, type SentItem } from "../../../test/support/committee-chain.ts";
import { damagedExtension, type SealFault } from "../../../test/support/seal-faults.ts";
import {
  CHAIN_ID,
  type DecidedBlock,
  idOf,
  START_BALANCE,
  wallet,
} from "../../../test/support/weft-app.ts";
import { FillStatus } from "../../../proto/verify/manifest.ts";
import { readFillsEvents } from "./fills.ts";
import { sealedBatch, sealState } from "./reader.ts";

let committee: CommitteeChain;

/** Orders an item; the block that holds it. */
async function ordered(
  text = "hidden",
  sender = wallet(0),
): Promise<SentItem & { block: DecidedBlock }> {
  const sent = await committee.sendSealed(sender, text);
  const block = await committee.chain.step();
  const isThere = block.txs.some((tx) => {
    const item = decodeItem(tx);
    return item.kind === "tx" && bytesEqual(idOf(tx), sent.id);
  });
  expect(isThere, "the next block holds it").toBe(true);
  return { ...sent, block };
}

/** Blocks until something is told of the items of a block: how many after it, and what. */
async function filled(
  { height }: DecidedBlock,
  blocksMax = 20,
): Promise<{ readonly after: number; readonly statuses: readonly FillStatus[] }> {
  for (let after = 1; after <= blocksMax; after++) {
    const block = await committee.chain.step();
    const fills = readFillsEvents(block.response.events).filter(
      ({ fill }) => fill.height === height,
    );
    if (fills.length > 0) return { after, statuses: fills.map(({ fill }) => fill.status) };
  }
  throw new Error(`nothing is told of block ${height} within ${blocksMax} blocks`);
}

const OPENED = [FillStatus.OPENED];

/** From now on these nodes do so, whenever they share. */
function misbehave(
  nodes: readonly number[],
  fault: Exclude<SealFault, "withholdOpenings">,
  isLate = false,
): void {
  committee.chain.alter = (voter, request, own) => {
    if (!nodes.includes(voter)) return undefined;
    const { applicationKey } = committee.chain.node(voter);
    const extension = damagedExtension({ chainId: CHAIN_ID, applicationKey }, request, own, fault);
    return extension && { extension, isLate };
  };
}

function behave(): void {
  committee.chain.alter = () => undefined;
}

describe.each([
  { validators: 4, threshold: 3 },
  { validators: 7, threshold: 5 },
])("a committee of $validators, $threshold of whom open", ({ validators, threshold }) => {
  const last = validators - 1;
  beforeAll(async () => {
    committee = await CommitteeChain.start({ validators });
    await committee.makeKey();
  });
  afterEach(() => {
    behave();
    committee.chain.absent.clear();
  });

  test("behavior: makes a key in blocks, and opens with it two blocks later", async () => {
    const { key } = committee;
    expect(key).toMatchObject({ number: 1, threshold });
    expect(sealState(committee.state)).toMatchObject({ activeKey: 1, isOpen: true });
    for (const node of committee.chain.nodes.keys()) {
      expect(committee.ticketsOf(node), `node ${node}`).toHaveLength(1);
    }
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
    expect(committee.chain.app.read.supply().sealed).toBe(0n);
  });

  test("behavior: one that does not vote delays nothing", async () => {
    committee.chain.absent.add(last);
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
  });

  test("attack: one with wrong shares delays nothing, while as many are away as a quorum leaves room for", async () => {
    if (validators > 4) committee.chain.absent.add(last);
    misbehave([0], "wrongShares");
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
  });

  test.each(["wrongShares", "wrongProof"] as const)(
    "attack: one with %s has no vote, and delays nothing",
    async (fault) => {
      misbehave([last], fault);
      const { block } = await ordered();
      await committee.chain.step();
      expect(committee.chain.refusedExtensions.get(last)).toMatch(/^SHARES_PROOF/);
      behave();
      expect(await filled(block)).toEqual({ after: 1, statuses: OPENED });
    },
  );

  test("attack: wrong shares that nobody checked before the proposer had them spoil nothing", async () => {
    // Of the tickets that a proposer takes first.
    misbehave([0], "wrongShares", true);
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
  });

  test("attack: junk in a late vote spoils nothing", async () => {
    committee.chain.alter = (voter) =>
      voter === 0 ? { extension: new Uint8Array(70_000).fill(7), isLate: true } : undefined;
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
  });

  test("behavior: one that abstains while another is away costs two blocks", async () => {
    const { chain } = committee;
    misbehave(validators === 4 ? [0] : [0, 1], "abstain");
    chain.absent.add(last);
    const { block } = await ordered();
    await chain.step();
    chain.absent.delete(last);
    behave();
    expect(await filled(block)).toEqual({ after: 3, statuses: OPENED });
  });

  test("behavior: blocks go on while more than a third abstain, and open when shares return", async () => {
    misbehave([0, 1, 2].slice(0, validators - threshold + 1), "abstain");
    const { block } = await ordered();
    for (let i = 0; i < 5; i++) await committee.chain.step();
    expect(sealedBatch(committee.state, block.height)?.items).toHaveLength(1);
    const next = await ordered("another", wallet(1));
    behave();
    expect(await filled(next.block)).toEqual({ after: 2, statuses: OPENED });
    expect(sealedBatch(committee.state, block.height)).toBeUndefined();
  });

  test("behavior: what nobody opens in time expires, and costs its sender nothing", async () => {
    misbehave([0, 1, 2].slice(0, validators - threshold + 1), "abstain");
    const { block } = await ordered("never read", wallet(5));
    expect(committee.chain.app.read.supply().sealed).toBeGreaterThan(0n);
    expect(await filled(block)).toEqual({ after: 17, statuses: [FillStatus.EXPIRED] });
    expect(committee.chain.app.read.account(wallet(5).address).balance).toBe(START_BALANCE);
    behave();
    const next = await ordered("another", wallet(1));
    expect(await filled(next.block)).toEqual({ after: 2, statuses: OPENED });
  });

  test("behavior: a validator that restarts between its share and the opening gives the same again", async () => {
    const { chain } = committee;
    const { block } = await ordered();
    // The block that shares: every application answers for it, dies, and answers again.
    const txs = await chain.prepare(0);
    const request = chain.processRequest(txs, 0);
    const before = await Promise.all(chain.nodes.map(({ app }) => app.extendVote(request)));
    for (const node of chain.nodes.keys()) await chain.restart(node);
    const after = await Promise.all(chain.nodes.map(({ app }) => app.extendVote(request)));
    expect(after.map(toHex)).toEqual(before.map(toHex));
    // For another block of the height the part is signed anew, and the shares are the same.
    const other = { ...request, hash: new Uint8Array(32).fill(9) };
    const others = await Promise.all(chain.nodes.map(({ app }) => app.extendVote(other)));
    expect(others.map(sharesOf)).toEqual(before.map(sharesOf));
    expect(others.map(sharesOf)).not.toContain(undefined);
    await chain.decide(txs, 0);
    expect(await filled(block)).toEqual({ after: 1, statuses: OPENED });
  });

  test("attack: a proposer that withholds the opening has no block", async () => {
    const { chain } = committee;
    const { block } = await ordered();
    await chain.step();
    const txs = await chain.prepare(1);
    expect(txs.map((tx) => decodeItem(tx).kind)).toContain("openings");
    const without = txs.filter((tx) => decodeItem(tx).kind !== "openings");
    for (const node of [0, 2, 3]) {
      expect(await chain.refusal(without, node)).toMatch(/opened|opening/);
    }
    await chain.decide(txs, 1);
    expect(sealedBatch(committee.state, block.height)).toBeUndefined();
  });

  test("behavior: a validator that lost its shares abstains, and votes on", async () => {
    committee.forget(last);
    const { block } = await ordered();
    expect(await filled(block)).toEqual({ after: 2, statuses: OPENED });
    expect(committee.chain.refusedExtensions.size).toBe(0);
  });
});

function sharesOf(extension: Uint8Array): string | undefined {
  const { parts } = decodeVoteExtension(extension);
  const part = parts.find(({ type }) => type === PartType.SHARES);
  return part && toHex(part.content);
}
