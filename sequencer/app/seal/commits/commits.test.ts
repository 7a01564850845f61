import { beforeEach, describe, expect, test } from "vitest";
import { commitHash } from "../../../../mev/seal/commit.ts";
import { encodeContent } from "../../../../mev/seal/content.ts";
import { itemBlockBytes } from "../../../../mev/lanes.ts";
import { Height } from "../../../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../../../proto/bytes.ts";
import type { SealState } from "../../../../proto/codec/seal-state.ts";
import { type Reveal, SEAL_BUCKETS, type SealCommit } from "../../../../proto/codec/seal-tx.ts";
import { encodeTxItem } from "../../../../proto/codec/weft-block.ts";
import {
  encodeTxBody,
  payloadHash,
  rollupData,
  type TxBody,
} from "../../../../proto/codec/weft-tx.ts";
import { sha256 } from "../../../../proto/hash.ts";
import { FillStatus } from "../../../../proto/verify/manifest.ts";
import type { StakingContextOptions } from "../../../../test/support/staking-context.ts";
import { StakeWorld, testAccount } from "../../../../test/support/stake-world.ts";
import { SEAL, SEAL_COMMITS, SEAL_UNREVEALED } from "../../state/tables.ts";
import { NO_SEAL_STATE } from "../reader.ts";
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
} from "./commits.ts";
import { COMMITS_PER_BLOCK_MAX } from "./limits.ts";
import { revealBytes, revealRoomBytes } from "./room.ts";

const ALICE = testAccount("alice");
const BOB = testAccount("bob");
const ROLLUPS = [sha256(utf8ToBytes("one")), sha256(utf8ToBytes("two"))].sort(compareBytes);
const BOND = 1_000n;
const MAX_FEE = 3n;
/** Of a commit with a bucket of 256. */
const REVEAL_BYTES = 512n;
const WINDOW = 16;
const SALT = new Uint8Array(32).fill(7);
const CONTENT = encodeContent(
  ROLLUPS.map((rollupId, i) => ({ rollupId, data: [utf8ToBytes(`order ${i}`)] })),
);

let world: StakeWorld;

beforeEach(() => {
  world = newWorld();
});

describe("a commit", () => {
  test("holds bond and fee of the reveal, and its sender alone gets them back", () => {
    const { height, id } = commit(ALICE);
    const held = BOND + REVEAL_BYTES * MAX_FEE;
    expect(world.ctx.pool("sealed")).toBe(held);
    world.nextBlock();
    expect(faultOf(BOB, revealOf(height, id))).toBe("SEAL_REVEAL_SENDER");
    show(ALICE, revealOf(height, id));
    expect(world.ctx.pool("sealed")).toBe(0n);
    expect(world.ctx.balance(ALICE)).toBe(10_000_000n);
    world.ctx.checkSupply();
  });

  test("shows each rollup its part, at the place that was committed to", () => {
    const { height, id } = commit(ALICE);
    world.nextBlock();
    show(ALICE, revealOf(height, id));
    const payloads = ROLLUPS.map((rollupId, i) => {
      return rollupData(rollupId, [utf8ToBytes(`order ${i}`)]).payload;
    });
    expect(world.ctx.fills).toEqual(
      ROLLUPS.map((rollupId, i) => ({
        rollupId,
        fill: {
          height,
          position: i + 3,
          status: FillStatus.OPENED,
          contentHash: payloadHash(payloads[i] ?? EMPTY_BYTES),
        },
        opener: { kind: "reveal" },
      })),
    );
  });

  test("is not revealed in its own block, twice, with other content, another salt, or more bytes", () => {
    const { height, id } = commit(ALICE);
    const good = revealOf(height, id);
    expect(faultOf(ALICE, good)).toBe("SEAL_COMMIT_UNKNOWN");
    world.nextBlock();
    const other = encodeContent([{ rollupId: ROLLUPS[0] ?? EMPTY_BYTES, data: [SALT] }]);
    expect(faultOf(ALICE, { ...good, content: other })).toBe("SEAL_REVEAL_HASH");
    expect(faultOf(ALICE, { ...good, salt: new Uint8Array(32) })).toBe("SEAL_REVEAL_HASH");
    expect(faultOf(ALICE, { ...good, content: new Uint8Array(257) })).toBe("SEAL_REVEAL_SIZE");
    expect(faultOf(ALICE, { ...good, id: SALT })).toBe("SEAL_COMMIT_UNKNOWN");
    expect(faultOf(ALICE, { ...good, height: Height(height + 1) })).toBe("SEAL_COMMIT_UNKNOWN");
    const { reason } = revealFault(world.ctx, ALICE, { ...good, salt: new Uint8Array(32) }) ?? {};
    expect(reason).toMatch(
      /salt and content hash to [0-9a-f]{64}, [0-9a-f]{64} committed to [0-9a-f]{64}/,
    );
    show(ALICE, good);
    expect(faultOf(ALICE, good)).toBe("SEAL_COMMIT_UNKNOWN");
    expect(revealFault(world.ctx, ALICE, good)?.reason).toContain(`weft query tx ${toHex(id)}`);
  });

  test("to content that is none is invalid at its place, and costs no bond", () => {
    const content = utf8ToBytes("no content");
    const { height, id } = commit(ALICE, { content });
    world.nextBlock();
    show(ALICE, { ...revealOf(height, id), content });
    expect(world.ctx.fills.map(({ fill }) => fill.status)).toEqual([
      FillStatus.INVALID,
      FillStatus.INVALID,
    ]);
    expect(world.ctx.balance(ALICE)).toBe(10_000_000n);
  });

  test("to content for other rollups than it names is invalid", () => {
    const content = encodeContent([{ rollupId: ROLLUPS[0] ?? EMPTY_BYTES, data: [SALT] }]);
    const { height, id } = commit(ALICE, { content });
    world.nextBlock();
    show(ALICE, { ...revealOf(height, id), content });
    expect(world.ctx.fills.map(({ fill }) => fill.status)).toEqual([
      FillStatus.INVALID,
      FillStatus.INVALID,
    ]);
  });

  test("may be revealed up to the last block of its window, and is void from then on", () => {
    const { height, id } = commit(ALICE);
    const late = commit(ALICE, { name: "late" });
    for (let i = 0; i < WINDOW; i++) endBlock();
    expect(world.ctx.height).toBe(height + WINDOW);
    show(ALICE, revealOf(height, id));
    const before = world.ctx.balance(ALICE);
    const shown = world.ctx.fills.length;
    endBlock();
    expect(world.ctx.fills.slice(shown).map(({ fill }) => [fill.height, fill.status])).toEqual([
      [height, FillStatus.VOID],
      [height, FillStatus.VOID],
    ]);
    expect(faultOf(ALICE, revealOf(late.height, late.id))).toBe("SEAL_COMMIT_UNKNOWN");
    expect(world.ctx.burned, "the bond").toBe(BOND);
    expect(world.ctx.balance(ALICE) - before, "the fee").toBe(REVEAL_BYTES * MAX_FEE);
    expect(world.ctx.pool("sealed")).toBe(0n);
    expect(world.ctx.records.keys(SEAL_COMMITS)).toEqual([]);
  });

  test("has the window that large sets need, and that of its own block", () => {
    const ctx = world.ctx;
    ctx.setParams({ sealRevealBlocks: 4 });
    const { height } = commit(ALICE);
    ctx.setParams({ sealRevealBlocks: 100 });
    const state = () => ctx.records.get(SEAL_COMMITS, ctx.records.keys(SEAL_COMMITS)[0] ?? "");
    expect(state()?.revealHeight).toBe(height + 4);
    for (let i = 0; i <= 4; i++) endBlock();
    expect(ctx.records.keys(SEAL_COMMITS)).toEqual([]);
  });
});

describe("what is held for the fee of a reveal", () => {
  const held = REVEAL_BYTES * MAX_FEE;

  test("is there for its sender's reveals of it, from the block after its own on", () => {
    const { height, id } = commit(ALICE);
    const good = revealOf(height, id);
    expect(heldForReveal(world.ctx, ALICE, good)).toBe(0n);
    world.nextBlock();
    expect(heldForReveal(world.ctx, ALICE, good)).toBe(held);
    expect(heldForReveal(world.ctx, ALICE, { ...good, content: SALT })).toBe(held);
    expect(heldForReveal(world.ctx, BOB, good)).toBe(0n);
    expect(heldForReveal(world.ctx, ALICE, { ...good, id: SALT })).toBe(0n);
    show(ALICE, good);
    expect(heldForReveal(world.ctx, ALICE, good)).toBe(0n);
  });

  test("goes back less what was drawn, with the reveal and without it", () => {
    const { height, id } = commit(ALICE);
    const late = commit(ALICE, { name: "late" });
    world.nextBlock();
    const before = world.ctx.balance(ALICE);
    drawRevealFee(world.ctx, ALICE, revealOf(height, id), held - 1n);
    drawRevealFee(world.ctx, ALICE, revealOf(late.height, late.id), held);
    expect(heldForReveal(world.ctx, ALICE, revealOf(height, id))).toBe(1n);
    expect(heldForReveal(world.ctx, ALICE, revealOf(late.height, late.id))).toBe(0n);
    expect(world.ctx.balance(ALICE) - before).toBe(2n * held - 1n);
    expect(() => drawRevealFee(world.ctx, ALICE, revealOf(height, id), 2n)).toThrow("2 of the 1");
    show(ALICE, revealOf(height, id));
    for (let i = 0; i <= WINDOW; i++) endBlock();
    expect(world.ctx.burned, "of the other one").toBe(BOND);
    expect(world.ctx.balance(ALICE) - before).toBe(2n * held + BOND);
    expect(world.ctx.pool("sealed")).toBe(0n);
    world.ctx.checkSupply();
  });

  test("covers any reveal that the bucket allows, framing in the block included", () => {
    const wide = (1n << 63n) - 1n;
    for (const bucket of SEAL_BUCKETS) {
      const body: TxBody = {
        publicKey: SALT,
        replay: {
          kind: "unordered",
          expiryHeight: Height(Number.MAX_SAFE_INTEGER),
          salt: new Uint8Array(16),
        },
        fee: { maxFeePerByte: wide, tipPerByte: wide },
        action: {
          kind: "reveal",
          height: Height(Number.MAX_SAFE_INTEGER),
          id: SALT,
          salt: SALT,
          content: new Uint8Array(bucket),
        },
      };
      const signature = new Uint8Array(64);
      const item = encodeTxItem({ bodyBytes: encodeTxBody(body), signature });
      expect(itemBlockBytes(item.length), `${bucket}`).toBeLessThanOrEqual(revealBytes({ bucket }));
    }
  });
});

describe("the bond", () => {
  test("doubles with each commit that lapsed, ten times at most, and halves with each that is revealed", () => {
    for (let lapsed = 1; lapsed <= 12; lapsed++) {
      commit(ALICE, { name: `${lapsed}` });
      for (let i = 0; i <= WINDOW; i++) endBlock();
      expect(commitBond(world.ctx, ALICE)).toBe(BOND << BigInt(Math.min(lapsed, 10)));
    }
    expect(commitBond(world.ctx, BOB)).toBe(BOND);
    for (let left = 11; left >= 0; left--) {
      const { height, id } = commit(ALICE, { name: `back ${left}` });
      endBlock();
      show(ALICE, revealOf(height, id));
      expect(commitBond(world.ctx, ALICE)).toBe(BOND << BigInt(Math.min(left, 10)));
    }
    expect(world.ctx.records.get(SEAL_UNREVEALED, ALICE)).toBeUndefined();
    world.ctx.checkSupply();
  });

  test("is refused to an account that cannot pay it with the fee", () => {
    const held = BOND + revealFee({ bucket: 256 }, MAX_FEE);
    const action = commitOf(ALICE);
    const terms = { sender: ALICE, held, balance: held };
    expect(sealCommitFault(world.ctx, action, terms)).toBeUndefined();
    const fault = sealCommitFault(world.ctx, action, { ...terms, balance: held - 1n });
    expect(fault?.code).toBe("SEAL_COMMIT_FUNDS");
  });
});

test("a commit above its last height fails", () => {
  const late = { ...commitOf(ALICE), maxHeight: Height(world.ctx.height - 1) };
  expect(sealCommitFault(world.ctx, late, NOTHING)?.code).toBe("SEAL_TOO_LATE");
});

describe("a block takes commits", () => {
  const at = (account: number) => testAccount(`account ${account}`);
  const fillWith = (count: number, perAccount: number) => {
    for (let i = 0; i < count; i++) {
      const sender = at(Math.floor(i / perAccount));
      world.fund(sender, 10_000n);
      commit(sender, { name: `${i}` });
    }
  };
  const faultOfNext = (bucket = 256, sender = BOB) =>
    sealCommitFault(world.ctx, { ...commitOf(sender), bucket }, { ...NOTHING, sender });

  test("as far as half of CONTROL has room for their reveals", () => {
    const room = revealRoomBytes(world.ctx);
    expect(room, "a twentieth of 4 MiB").toBe(Math.floor((4 << 20) / 40));
    const count = Math.floor(room / revealBytes({ bucket: 256 }));
    expect(faultOfNext(65_536)).toBeUndefined();
    fillWith(count - 1, 4);
    expect(faultOfNext(512)).toBeUndefined();
    expect(faultOfNext(1_024)).toMatchObject({
      code: "SEAL_COMMITS_FULL",
      reason: expect.stringContaining("its reveal may take 1280 bytes, 921 are left"),
    });
    commit(BOB, { name: "last" });
    expect(faultOfNext()?.code).toBe("SEAL_COMMITS_FULL");
    endBlock();
    expect(faultOfNext(65_536), "the next block has room of its own").toBeUndefined();
  });

  test("of one account, as far as half of what CONTROL takes of it", () => {
    for (let i = 0; i < 4; i++) commit(ALICE, { name: `${i}` });
    expect(faultOfNext(256, ALICE)).toMatchObject({
      code: "SEAL_COMMITS_FULL",
      reason: expect.stringContaining("at most 4 of one account"),
    });
    expect(faultOfNext(256, BOB)).toBeUndefined();
    world.ctx.setParams({ controlPerSignerMax: 1 });
    endBlock();
    expect(faultOfNext(256, ALICE)).toBeUndefined();
    commit(ALICE, { name: "one" });
    expect(faultOfNext(256, ALICE)?.reason).toContain("at most 1 of one account");
  });

  test("up to a number, however large it is", () => {
    world = newWorld({ blockBytesMax: 64 << 20 });
    world.ctx.setParams({ sealCommitBond: 0n });
    fillWith(COMMITS_PER_BLOCK_MAX - 1, 4);
    expect(faultOfNext()).toBeUndefined();
    commit(BOB);
    expect(faultOfNext(256, ALICE)?.reason).toContain("at most 1000");
  });

  test("for no more than one block could reveal", () => {
    world = newWorld({ blockBytesMax: 1_200_000 });
    expect(revealRoomBytes(world.ctx)).toBe(30_000);
    expect(faultOfNext(16_384)).toBeUndefined();
    const { code, reason } = faultOfNext(32_768) ?? {};
    expect(code).toBe("SEAL_COMMIT_SIZE");
    expect(reason).toContain("may take 33024 bytes, a block has 30000 for reveals");
  });
});

test("a commit is refused while a key is in force and the lane is open", () => {
  const { ctx } = world;
  const faultWith = (state: Partial<SealState>) => {
    ctx.records.set(SEAL, "", { ...NO_SEAL_STATE, ...state });
    return sealCommitFault(ctx, commitOf(ALICE), NOTHING);
  };
  expect(faultWith({ activeKey: 1, isOpen: false })).toBeUndefined();
  expect(faultWith({ activeKey: 1, isOpen: true })).toMatchObject({
    code: "SEAL_LANE_OPEN",
    reason: expect.stringContaining("key 1 is in force: send it sealed"),
  });
  const next = { isOpen: true, nextKey: 2, nextKeyHeight: Height(ctx.height + 1) };
  expect(faultWith(next), "before the first key").toBeUndefined();
  world.nextBlock();
  expect(faultWith(next)?.code).toBe("SEAL_LANE_OPEN");
});

/** Terms of a commit whose money nobody asks about. */
const NOTHING = { sender: ALICE, held: 0n, balance: 0n };

function newWorld(options: StakingContextOptions = {}): StakeWorld {
  const params = { sealCommitBond: BOND, sealRevealBlocks: WINDOW };
  const made = new StakeWorld({ ...options, params });
  made.addValidator("v", 5_000_000n);
  made.start();
  made.fund(ALICE, 10_000_000n);
  made.fund(BOB, 10_000_000n);
  return made;
}

function commitOf(sender: string, content = CONTENT): SealCommit {
  return {
    kind: "sealCommit",
    hash: commitHash(world.ctx.chainId, fromHex(sender), SALT, content),
    rollupIds: ROLLUPS,
    maxHeight: Height(1_000_000),
    bucket: 256,
  };
}

function commit(
  sender: string,
  { name = "commit", content = CONTENT }: { name?: string; content?: Uint8Array } = {},
): { readonly height: Height; readonly id: Uint8Array } {
  const { ctx } = world;
  const action = commitOf(sender, content);
  const id = sha256(utf8ToBytes(name));
  const held = commitBond(ctx, sender) + revealFee(action, MAX_FEE);
  const terms = { sender, held, balance: ctx.balance(sender) };
  expect(sealCommitFault(ctx, action, terms)).toBeUndefined();
  sealCommit(ctx, sender, action, MAX_FEE);
  const places = ROLLUPS.map((rollupId, i) => ({ rollupId, position: i + 3 }));
  placeCommit(ctx, { id, sender, action, maxFeePerByte: MAX_FEE, places });
  return { height: Height(ctx.height), id };
}

function revealOf(height: Height, id: Uint8Array): Reveal {
  return { kind: "reveal", height, id, salt: SALT, content: CONTENT };
}

function faultOf(sender: string, action: Reveal): string | undefined {
  return revealFault(world.ctx, sender, action)?.code;
}

function show(sender: string, action: Reveal): void {
  expect(faultOf(sender, action)).toBeUndefined();
  reveal(world.ctx, sender, action);
}

function endBlock(): void {
  voidCommits(world.ctx);
  world.nextBlock();
}
