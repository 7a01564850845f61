/** What a node may leave out, and what it may not hide in doing so: blocks, signatures, changes of the validator set. */
import { beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { Level, rollupBlock } from "../../proto/grpc/rollup-block.ts";
import { headerHash } from "../../proto/hashes.ts";
import type { Header } from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createRollupBlockSource } from "../../sequencer/grpc/rollup-block-source.ts";
import { blockContent } from "../../sequencer/grpc/stream-content.ts";
import { createChainBlocks } from "../../test/support/chain-blocks.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import { type LightChain, lightChain } from "../../test/support/light-chain.ts";
import { trustAfter } from "../../test/support/long-stream.ts";
import { buildQuietChain, QUIET_SET_CHANGE } from "../../test/support/quiet-chain.ts";
import { ALPHA, BETA, GAMMA } from "../../test/support/sealed-chain.ts";
import { createBlockVerifier } from "./block-verifier.ts";
import { createHeaderFollower, type HeaderUpdate } from "./header-follower.ts";
import { type OmittedBlock, readRollupBlock, type RollupBlock } from "./rollup-block.ts";

const signatures = createEd25519Verifier();
const form = { level: Level.COMMITTED, rollups: 1, omitsEmpty: true };
/** Blocks 33 to 39 hold nothing for alpha, block 40 does. */
const [FROM, HELD] = [33, 40];
let chain: readonly BuiltBlock[];

beforeAll(() => {
  chain = buildQuietChain();
});

/** The message that the node sends to whoever goes on from a height. */
async function messageFor(rollupId: Uint8Array, from = FROM, last = HELD): Promise<RollupBlock> {
  const { blocks, application } = createChainBlocks(chain);
  const source = createRollupBlockSource(blocks, application);
  const content = blockContent(source, [rollupId], Level.COMMITTED, true);
  const message = await content.begin(Height(from), Height(last)).complete();
  if (typeof message === "string") throw new Error("the chain is there");
  return readRollupBlock(message.encode(false, 0), form);
}

function verifierOf(rollupId: Uint8Array, omitsEmpty = true, from = FROM) {
  const below = chain[from - 2]?.block.header;
  const set = chain[from - 1]?.stateBefore.validators;
  if (below === undefined || set === undefined) throw new Error(`no block ${from}`);
  return createBlockVerifier(
    RollupId(toHex(rollupId)),
    {
      chainId: TEST_CHAIN_ID,
      height: Height(from - 1),
      blockHash: headerHash(below),
      time: below.time,
      nextValidatorsHash: validatorSetHash(set),
    },
    signatures,
    { omitsEmpty },
  );
}

async function refusalOf(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return "accepted";
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const info: { readonly code: string; readonly refusal?: string } = error.info;
    return info.refusal ?? info.code;
  }
}

describe("blocks that are left out", () => {
  it("behavior: are believed to be empty, and the next block to be what it is", async () => {
    const { header, omitted, entries, trusted } = await verifierOf(ALPHA).verify(
      await messageFor(ALPHA),
    );
    expect([header.height, trusted.height, entries.length]).toEqual([HELD, HELD, 1]);
    expect(omitted.map(({ hash }) => toHex(hash))).toEqual(
      chain.slice(FROM - 1, HELD - 1).map(({ block }) => toHex(headerHash(block.header))),
    );
  });

  it("attack: one that holds something cannot be among them", async () => {
    // Gamma's stream passes block 40 over; alpha's may not.
    const passed = await messageFor(GAMMA, FROM, HELD + 2);
    expect(passed.omitted.map(({ header }) => header.height)).toContain(HELD);
    expect(await refusalOf(verifierOf(GAMMA).verify(passed))).toBe("accepted");
    expect(await refusalOf(verifierOf(ALPHA).verify(passed))).toBe("MANIFEST_NOT_ABSENT");
    const own = passed.omitted.findIndex(({ header }) => header.height === HELD);
    const lies: [string, (block: OmittedBlock, other: OmittedBlock) => OmittedBlock][] = [
      ["MANIFEST_ITEM_UNPROVEN", ({ header }, other) => ({ ...other, header })],
      [
        "MANIFEST_ABSENCE_GAP",
        (block) => ({ ...block, absences: [{ kind: "absence", neighbours: [] }] }),
      ],
      ["OMITTED_ROLLUPS", (block) => ({ ...block, absences: [] })],
      [
        "OMITTED_ROLLUPS",
        (block) => ({ ...block, absences: [...block.absences, ...block.absences] }),
      ],
      // Its header, too, says that it is empty: then it is not the parent of the next one.
      [
        "VERIFY_PARENT",
        ({ header }, other) => ({
          ...other,
          header: { ...header, dataHash: other.header.dataHash },
        }),
      ],
    ];
    for (const [code, lie] of lies) {
      const empty = passed.omitted.find(({ header }) => header.height === HELD - 2);
      const block = passed.omitted[own];
      if (empty === undefined || block === undefined) throw new Error("expected both");
      const omitted = passed.omitted.with(own, lie(block, empty));
      const verifier = verifierOf(ALPHA);
      expect(await refusalOf(verifier.verify({ ...passed, omitted })), code).toBe(code);
      // The truth is believed after the lie.
      expect(await refusalOf(verifier.verify(await messageFor(ALPHA)))).toBe("accepted");
    }
  });

  it("attack: none may be missing, doubled, swapped or of elsewhere, and no message skips one", async () => {
    const message = await messageFor(ALPHA);
    const { omitted } = message;
    const [first, second] = omitted;
    if (first === undefined || second === undefined) throw new Error("expected some");
    const of = (changed: readonly OmittedBlock[]) =>
      refusalOf(verifierOf(ALPHA).verify({ ...message, omitted: changed }));
    expect(await of(omitted.slice(1))).toBe("VERIFY_HEIGHT");
    expect(await of(omitted.slice(0, -1))).toBe("VERIFY_HEIGHT");
    expect(await of([first, ...omitted])).toBe("VERIFY_HEIGHT");
    expect(await of([second, first, ...omitted.slice(2)])).toBe("VERIFY_HEIGHT");
    expect(await of(omitted.with(0, second))).toBe("VERIFY_HEIGHT");
    const later = await messageFor(ALPHA, FROM + 2);
    expect(await refusalOf(verifierOf(ALPHA).verify(later))).toBe("VERIFY_HEIGHT");
  });

  it("attack: they may not hide that the validator set changes", async () => {
    const last = QUIET_SET_CHANGE - 1;
    const [before, at, after] = [last - 1, last, last + 1].map((height) => chain[height - 1]);
    if (before === undefined || at === undefined || after === undefined)
      throw new Error("no block");
    // What an honest node sends ends with the last block of a set.
    const honest = await messageFor(GAMMA, last - 1, last + 1);
    expect([honest.height, honest.omitted.length]).toEqual([last, 1]);
    const update = ({ block: { header }, seenCommit }: BuiltBlock, headers: Header[]) => ({
      height: header.height,
      signedHeader: { header, commit: seenCommit },
      validatorSet: chain[header.height - 1]?.stateBefore.validators,
      headers,
    });
    const below = chain[last - 3]?.block.header;
    if (below === undefined) throw new Error("no block");
    const follow = (message: HeaderUpdate) =>
      createHeaderFollower(
        {
          chainId: TEST_CHAIN_ID,
          height: below.height,
          blockHash: headerHash(below),
          time: below.time,
          nextValidatorsHash: below.nextValidatorsHash,
        },
        signatures,
      ).verify(message);
    const headers = [before.block.header];
    expect(await refusalOf(follow(update(at, headers)))).toBe("accepted");
    expect(await refusalOf(follow(update(after, [...headers, at.block.header])))).toBe(
      "VERIFY_VALIDATORS",
    );
  });

  it("attack: nobody asked, nobody takes them", async () => {
    const message = await messageFor(ALPHA);
    expect(await refusalOf(verifierOf(ALPHA, false).verify(message))).toBe("VERIFY_HEIGHT");
    const { blocks, application } = createChainBlocks(chain);
    const source = createRollupBlockSource(blocks, application);
    const content = blockContent(source, [BETA], Level.COMMITTED, true);
    const built = await content.begin(Height(1), Height(20)).complete();
    if (typeof built === "string") throw new Error("the chain is there");
    const bytes = built.encode(false, 0);
    expect(rollupBlock.decode(bytes).omitted).toHaveLength(19);
    for (const other of [{ omitsEmpty: false }, { rollups: 2 }, { level: Level.FILLED }]) {
      expect(() => readRollupBlock(bytes, { ...form, ...other })).toThrow(
        expect.objectContaining({ code: "STREAM_MALFORMED" }),
      );
    }
  });
});

describe("headers without signatures", () => {
  const HONEST = [0, 1, 2, 3];
  const STRANGERS = [10, 11, 12, 13];
  let honest: LightChain;
  beforeAll(() => {
    honest = lightChain({ heights: 12, validators: () => HONEST });
  });

  /** Headers 6 to `height` - 1 without a commit, and `height` with one. */
  const message = (of: LightChain, height: number): HeaderUpdate => ({
    height: Height(height),
    ...of.at(height),
    headers: Array.from({ length: height - 6 }, (_, i) => of.at(6 + i).signedHeader.header),
  });
  const follow = (update: HeaderUpdate) =>
    refusalOf(createHeaderFollower(trustAfter(honest, 5), signatures).verify(update));
  const fork = (change: Partial<Parameters<typeof lightChain>[0]>) =>
    lightChain({ heights: 12, validators: () => HONEST, base: honest, forkHeight: 6, ...change });

  it("behavior: are believed with the one above that names them", async () => {
    expect(await follow(message(honest, 11))).toBe("accepted");
  });

  it("attack: strangers cannot sign for them, whoever announced those", async () => {
    const announced = fork({ validators: (height) => (height <= 6 ? HONEST : STRANGERS) });
    expect(await follow(message(announced, 7))).toBe("VERIFY_VALIDATORS");
    expect(await follow(message(announced, 9))).toBe("VERIFY_VALIDATORS");
    const signed = fork({ signers: () => STRANGERS });
    expect(await follow(message(signed, 9))).toBe("VERIFY_COMMIT");
    const few = fork({ signers: () => HONEST.slice(0, 2) });
    expect(await follow(message(few, 9))).toBe("VERIFY_COMMIT");
  });

  it("attack: a header is not that of another chain, and none is left over", async () => {
    const forged = fork({ change: (header) => ({ ...header, appHash: new Uint8Array(32) }) });
    const truth = message(honest, 9);
    const headers = truth.headers.with(1, forged.at(7).signedHeader.header);
    expect(await follow({ ...truth, headers })).toBe("VERIFY_PARENT");
    const last = truth.headers.with(2, forged.at(8).signedHeader.header);
    expect(await follow({ ...truth, headers: last })).toBe("VERIFY_PARENT");
    const verifier = createHeaderFollower(trustAfter(honest, 5), signatures);
    expect(await refusalOf(verifier.verify({ ...truth, headers: last }))).toBe("VERIFY_PARENT");
    expect(await refusalOf(verifier.verify(truth))).toBe("accepted");
    expect(verifier.trusted().height).toBe(9);
  });

  it("attack: a message cannot make a follower hold more than it may", async () => {
    const many = lightChain({ heights: 2_060, validators: () => [0] });
    const headers = Array.from({ length: 2_050 }, (_, i) => many.at(1 + i).signedHeader.header);
    const update = { height: Height(2_051), ...many.at(2_051), headers };
    const follower = createHeaderFollower(trustAfter(many, 0), signatures);
    expect(await refusalOf(follower.verify(update))).toBe("VERIFY_HEIGHT");
  });
});
