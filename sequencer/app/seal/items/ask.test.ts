import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { itemBlockBytes, Lane, laneBytesMax } from "../../../../mev/lanes.ts";
import { ticketsOfMember } from "../../../../mev/seal/dkg.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../../proto/bytes.ts";
import {
  DISPUTES_ASKED_MAX,
  OPENINGS_CODEC,
  SHARES_CODEC,
} from "../../../../proto/codec/seal-block.ts";
import {
  SEAL_ASK_CODEC,
  type SealAsk,
  type SealedItemState,
  type SealKeyState,
  SealedItemKind,
} from "../../../../proto/codec/seal-state.ts";
import type { SealEvidence } from "../../../../proto/codec/seal-tx.ts";
import { encodeTxItem, LISTS_BYTES_MAX } from "../../../../proto/codec/weft-block.ts";
import { encodeTxBody } from "../../../../proto/codec/weft-tx.ts";
import {
  EXTENSION_BYTES_MAX,
  encodeVoteExtension,
  PartType,
} from "../../../../proto/codec/weft-extension.ts";
import { sha256 } from "../../../../proto/hash.ts";
import { StakeWorld } from "../../../../test/support/stake-world.ts";
import { DEFAULT_PARAMS, laneParams } from "../../params.ts";
import {
  EPOCH,
  numberKey,
  SEAL,
  SEAL_ASK,
  SEAL_ASKED,
  SEAL_KEYS,
  SEALED,
} from "../../state/tables.ts";
import { NO_SEAL_STATE } from "../reader.ts";
import { askFor, recordAsk } from "./ask.ts";
import { expireItems } from "./expiry.ts";
import { itemsWaitingMax, openingBlocks, openingBytesMax, SealedRoom } from "./room.ts";

const BLOCK_BYTES = 4 << 20;
const bytes = (length: number, byte = 1): Uint8Array => new Uint8Array(length).fill(byte);

let world: StakeWorld;

beforeEach(() => {
  world = new StakeWorld({ evidenceMaxAgeBlocks: 20 });
  world.addValidator("v", 5_000_000n);
  world.start();
});

function setKey(number: number, tickets: readonly number[], threshold: number): SealKeyState {
  const total = tickets.reduce((sum, count) => sum + count, 0);
  const key: SealKeyState = {
    number,
    publicKey: bytes(32),
    threshold,
    publicShares: bytes(total * 32),
    members: tickets.map((count, n) => ({
      validator: bytes(20, n + 1),
      encryptionKey: bytes(32),
      tickets: count,
    })),
    dealers: [bytes(20)],
    activeHeight: Height(1),
    retiredHeight: Height(0),
  };
  world.ctx.records.set(SEAL_KEYS, numberKey(number), key);
  return key;
}

/** Items of a block; those at `disputed` have been disputed two blocks later. */
function setBatch(height: number, count: number, { key = 1, disputed = 0 } = {}): void {
  const items = Array.from({ length: count }, (_, index): SealedItemState => {
    const isDisputed = index < disputed;
    return {
      index,
      id: bytes(32, index & 255),
      sender: bytes(20),
      kem: bytes(192, index & 255),
      body: bytes(272),
      label: bytes(100),
      places: [{ rollupId: bytes(32), position: index }],
      fee: 10n,
      bond: 5n,
      disputedHeight: Height(isDisputed ? height + 2 : 0),
      disputedBy: isDisputed ? bytes(20) : EMPTY_BYTES,
      kind: SealedItemKind.SEALED,
      tips: [],
      group: EMPTY_BYTES,
      proposer: EMPTY_BYTES,
    };
  });
  world.ctx.records.set(SEALED, numberKey(height), { key, items });
}

const heightsOf = ({ batches }: SealAsk): readonly number[] => batches.map(({ height }) => height);

describe("what is asked for", () => {
  test("behavior: a batch one block after its own and every second one, as long as an answer opens it in time", () => {
    setKey(1, [1, 1, 1, 1], 3);
    setBatch(10, 2);
    const asked: number[] = [];
    for (let height = 10; height < 40; height++) {
      if (heightsOf(askFor(world.ctx, height, BLOCK_BYTES)).includes(10)) asked.push(height);
    }
    // The answer of the votes on 25 stands in block 26, the last but one that the items see.
    expect(asked).toEqual([11, 13, 15, 17, 19, 21, 23, 25]);
  });

  test("behavior: a disputed item from the block after its dispute on, without the others of its batch", () => {
    setKey(1, [1, 1, 1, 1], 3);
    setBatch(10, 3, { disputed: 2 });
    const ask = askFor(world.ctx, 13, BLOCK_BYTES);
    expect(ask.batches).toMatchObject([{ height: 10, key: 1, points: { length: 32 } }]);
    expect(ask.disputes).toMatchObject([
      { height: 10, index: 0 },
      { height: 10, index: 1 },
    ]);
    expect(askFor(world.ctx, 14, BLOCK_BYTES)).toEqual({ batches: [], disputes: [] });
    expect(askFor(world.ctx, 27, BLOCK_BYTES).disputes).toHaveLength(2);
    expect(askFor(world.ctx, 27, BLOCK_BYTES).batches).toEqual([]);
    expect(askFor(world.ctx, 29, BLOCK_BYTES).disputes).toEqual([]);
  });

  test("attack: all of a full batch that a proposer disputes is asked for before any of it expires", () => {
    setKey(1, [1, 1, 1, 1], 3);
    const room = itemsWaitingMax(4, 1, BLOCK_BYTES);
    setBatch(10, room, { disputed: room });
    const left = new Set(Array.from({ length: room }, (_, index) => index));
    for (let height = 13; height < 12 + 1 + openingBlocks(world.ctx); height += 2) {
      for (const { index } of askFor(world.ctx, height, BLOCK_BYTES).disputes) left.delete(index);
      const batch = world.ctx.records.get(SEALED, numberKey(10));
      const items = batch?.items.filter(({ index }) => left.has(index)) ?? [];
      world.ctx.records.set(
        SEALED,
        numberKey(10),
        items.length === 0 ? undefined : { key: 1, items },
      );
    }
    expect(left.size).toBe(0);
  });

  test("behavior: the ask of a height stands until a block has used the answers, its hash as long as evidence counts", () => {
    setKey(1, [1, 1, 1, 1], 3);
    const { ctx } = world;
    const first = ctx.height;
    setBatch(first, 1);
    const ask = askFor(ctx, first + 1, BLOCK_BYTES);
    const kept = () => ctx.records.keys(SEAL_ASK).map(Number);
    recordAsk(ctx, BLOCK_BYTES);
    expect(kept()).toEqual([first + 1]);
    expect(ctx.records.get(SEAL_ASKED, numberKey(first + 1))?.hash).toEqual(
      sha256(SEAL_ASK_CODEC.encode(ask)),
    );
    world.nextBlock();
    recordAsk(ctx, BLOCK_BYTES);
    expect(kept()).toEqual([first + 1]);
    world.nextBlock();
    recordAsk(ctx, BLOCK_BYTES);
    expect(kept()).toEqual([first + 3]);
    ctx.records.set(SEALED, numberKey(first), undefined);
    while (ctx.height < first + 40) {
      world.nextBlock();
      recordAsk(ctx, BLOCK_BYTES);
    }
    expect(kept()).toEqual([]);
    expect(ctx.records.keys(SEAL_ASKED)).toEqual([]);
  });
});

describe("sizes", () => {
  test("behavior: the room is what the design says, and less where a member holds very many tickets", () => {
    expect(itemsWaitingMax(4, 1, BLOCK_BYTES)).toBe(1_000);
    expect(itemsWaitingMax(100, 1, BLOCK_BYTES)).toBe(110);
    expect(itemsWaitingMax(4, 3, BLOCK_BYTES)).toBe(500);
    expect(itemsWaitingMax(4, 300, BLOCK_BYTES)).toBe(3);
    expect(itemsWaitingMax(1, 600, BLOCK_BYTES)).toBe(0);
    expect(itemsWaitingMax(4, 1, 1 << 20)).toBe(526);
    expect(itemsWaitingMax(4, 1, 65_536)).toBe(14);
    expect(itemsWaitingMax(4, 1, 30_000)).toBe(0);
  });

  test("behavior: large sets have longer", () => {
    expect(openingBlocks(world.ctx)).toBe(16);
    const epoch = world.ctx.records.get(EPOCH, "");
    if (epoch !== undefined) {
      world.ctx.records.set(EPOCH, "", { ...epoch, followingSetSize: 100 });
    }
    expect(openingBlocks(world.ctx)).toBe(70);
  });

  test("property: a proposer that disputes all that a block has room for cannot let any of it lapse", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 4, maxLength: 30 }),
        fc.constantFrom(65_536, 1 << 20, BLOCK_BYTES),
        (tickets, blockBytes) => {
          const { ctx } = world;
          const total = tickets.reduce((sum, count) => sum + count, 0);
          setKey(1, tickets, Math.floor((total * 2) / 3) + 1);
          ctx.records.set(SEAL, "", { ...NO_SEAL_STATE, activeKey: 1, isOpen: true });
          for (const height of ctx.records.keys(SEALED)) {
            ctx.records.set(SEALED, height, undefined);
          }
          let waiting = SealedRoom.of(ctx, blockBytes).itemsLeft;
          const disputedHeight = 12;
          const last = disputedHeight + openingBlocks(ctx);
          for (let height = disputedHeight + 1; height <= last && waiting > 0; height++) {
            setBatch(10, waiting, { disputed: waiting });
            waiting -= askFor(ctx, height, blockBytes).disputes.length;
          }
          expect(waiting).toBeLessThanOrEqual(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("property: whatever waits, every answer fits an extension, its openings and what proves it wrong their parts of a block", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.record({ count: fc.integer({ min: 1, max: 1_000 }), disputed: fc.nat(20) }), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.constantFrom(65_536, 1 << 20, BLOCK_BYTES),
        (tickets, batches, blockBytes) => {
          const total = tickets.reduce((sum, count) => sum + count, 0);
          fc.pre(total <= 600);
          const key = setKey(1, tickets, Math.floor((total * 2) / 3) + 1);
          for (const height of world.ctx.records.keys(SEALED)) {
            world.ctx.records.set(SEALED, height, undefined);
          }
          for (const [at, { count, disputed }] of batches.entries()) {
            setBatch(2 * at + 2, count, { disputed: Math.min(count, disputed) });
          }
          const height = 2 * batches.length + 5;
          const ask = askFor(world.ctx, height, blockBytes);
          expect(ask.disputes.length).toBeLessThanOrEqual(DISPUTES_ASKED_MAX);
          const most = Math.max(...tickets);
          const holder = key.members.find((member) => member.tickets === most)?.validator;
          expect(extensionBytes(ask, key, holder ?? EMPTY_BYTES)).toBeLessThanOrEqual(
            EXTENSION_BYTES_MAX,
          );
          expect(openingBytes(ask, key)).toBeLessThanOrEqual(2 * openingBytesMax(blockBytes));
          const lane = laneBytesMax(laneParams(DEFAULT_PARAMS, blockBytes), Lane.CONTROL) ?? 0;
          for (const evidence of evidenceOf(ask, key, holder ?? EMPTY_BYTES)) {
            const length = evidenceItemBytes(evidence);
            expect(itemBlockBytes(length), evidence.kind).toBeLessThanOrEqual(lane);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  function extensionBytes(ask: SealAsk, key: SealKeyState, validator: Uint8Array): number {
    if (ask.batches.length + ask.disputes.length === 0) return 0;
    const content = answer(ask, key, validator);
    const signature = bytes(64);
    return encodeVoteExtension({
      parts: [
        { type: PartType.LISTS, content: bytes(LISTS_BYTES_MAX), signature },
        { type: PartType.SHARES, content, signature },
      ],
    }).length;
  }

  function answer(ask: SealAsk, key: SealKeyState, validator: Uint8Array): Uint8Array {
    const { first, count } = ticketsOfMember(key.members, validator) ?? { first: 1, count: 0 };
    const tickets = Array.from({ length: count }, (_, n) => first + n);
    return SHARES_CODEC.encode({
      batches: ask.batches.map(({ height, points }) => ({
        height,
        tickets: tickets.map((ticket) => ({ ticket, points, proof: bytes(64) })),
      })),
      disputes: ask.disputes.map(({ height, index }) => ({
        height,
        index,
        shares: tickets.map((ticket) => ({ ticket, point: bytes(32), proof: bytes(64) })),
      })),
    });
  }

  /** Whatever its answer could be evidence of. */
  function evidenceOf(
    ask: SealAsk,
    key: SealKeyState,
    validator: Uint8Array,
  ): readonly SealEvidence[] {
    const [batch] = ask.batches;
    if (batch === undefined) return [];
    const { first: ticket } = ticketsOfMember(key.members, validator) ?? { first: 1 };
    const content = answer(ask, key, validator);
    const signed = { blockHash: bytes(32), content, signature: bytes(64) };
    const encoded = SEAL_ASK_CODEC.encode(ask);
    const { height, points } = batch;
    const place = { batchHeight: height, ticket, isDispute: false, index: 0 };
    const about = { validator, applicationKey: bytes(32), height: Height(1_000_000) };
    const publicShare = bytes(32);
    return [
      { kind: "faultyShares", ...about, ...signed, ask: encoded, place, publicShare },
      { kind: "contradictingShares", ...about, first: signed, second: signed },
      {
        kind: "unaskedShares",
        ...about,
        key: key.number,
        place,
        publicShare,
        points,
        shares: points,
        proof: bytes(64),
        ask: encoded,
      },
    ];
  }

  function evidenceItemBytes(evidence: SealEvidence): number {
    const bodyBytes = encodeTxBody({
      publicKey: bytes(32),
      replay: { kind: "unordered", expiryHeight: Height(1_000_000), salt: EMPTY_BYTES },
      fee: { maxFeePerByte: 0n, tipPerByte: 0n },
      action: { kind: "submitEvidence", evidence },
    });
    return encodeTxItem({ bodyBytes, signature: bytes(64) }).length;
  }

  function openingBytes(ask: SealAsk, key: SealKeyState): number {
    if (ask.batches.length + ask.disputes.length === 0) return 0;
    return OPENINGS_CODEC.encode({
      batches: ask.batches.map(({ height, points }) => ({ height, points })),
      disputes: ask.disputes.map(({ height, index }) => ({
        height,
        index,
        shares: Array.from({ length: key.threshold }, (_, n) => ({
          ticket: n + 1,
          point: bytes(32),
          proof: bytes(64),
        })),
      })),
    }).length;
  }
});

describe("expiry", () => {
  test("behavior: gives fee and bond back, a disputed item later than the others of its batch", () => {
    setKey(1, [1, 1, 1, 1], 3);
    const { ctx } = world;
    const first = ctx.height;
    setBatch(first, 3, { disputed: 1 });
    ctx.mintPool("sealed", 45n);
    const sender = "01".repeat(20);
    const balances: bigint[] = [];
    for (let n = 0; n < 24; n++) {
      expireItems(ctx);
      balances.push(ctx.balance(sender));
      world.nextBlock();
    }
    expect(balances.indexOf(30n)).toBe(17);
    expect(balances.indexOf(45n)).toBe(19);
    expect(ctx.pool("sealed")).toBe(0n);
    expect(ctx.records.keys(SEALED)).toEqual([]);
    expect(ctx.fills).toHaveLength(3);
    ctx.checkSupply();
  });
});
