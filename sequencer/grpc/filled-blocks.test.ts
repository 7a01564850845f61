/** From a chain with sealed transactions to what a rollup executes: served, sent, verified. */
import { assert, asyncProperty, integer, nat } from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { encodeSignedHeader } from "../../proto/codec/block.ts";
import { isWeftError } from "../../proto/errors.ts";
import type { RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { FillStatus } from "../../proto/verify/manifest.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import { decodeRollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import { createChainBlocks } from "../../test/support/chain-blocks.ts";
import {
  ALPHA,
  BETA,
  buildSealedChain,
  DELTA,
  EXECUTED,
  GAMMA,
  SEALED_CHAIN_HEIGHT,
} from "../../test/support/sealed-chain.ts";
import {
  createRollupBlockSource,
  type RollupBlockSource,
  withoutHeaders,
  withoutValidatorSet,
} from "./rollup-block-source.ts";

const signatures = createEd25519Verifier();
let chain: readonly BuiltBlock[] = [];
let trust: TrustedState;
let source: RollupBlockSource;

beforeAll(() => {
  chain = buildSealedChain();
  const [first] = chain;
  if (first === undefined) throw new Error("no chain");
  trust = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
  const { blocks, application } = createChainBlocks(chain);
  source = createRollupBlockSource(blocks, application);
});

async function filled(height: number, rollupId = ALPHA, from = source): Promise<RollupBlock> {
  const built = await from.fillUp(Height(height), rollupId).complete();
  if (built === undefined) throw new Error(`block ${height} is not filled`);
  return built.message;
}

/** What a stream sends: no set and no header that an earlier message held. */
async function streamed(rollupId: Uint8Array): Promise<RollupBlock[]> {
  const messages: RollupBlock[] = [];
  let lastHeader = 0;
  let lastSet: Uint8Array = EMPTY_BYTES;
  for (let height = 1; height <= SEALED_CHAIN_HEIGHT; height++) {
    const message = await filled(height, rollupId);
    const first = withoutHeaders(message, lastHeader);
    lastHeader = Math.max(lastHeader, height + (message.filling?.headers.length ?? 0));
    messages.push(bytesEqual(message.validatorSet, lastSet) ? withoutValidatorSet(first) : first);
    lastSet = message.validatorSet;
  }
  return messages;
}

/** Through the wire, as a rollup gets it. */
async function verifyAll(rollupId: Uint8Array, messages: readonly RollupBlock[]) {
  const verifier = createBlockVerifier(RollupId(toHex(rollupId)), trust, signatures);
  const executed: string[][] = [];
  for (const message of messages) {
    const bytes = ROLLUP_SERVICE.getBlock.responseSerialize(message);
    const decoded = decodeRollupBlock(ROLLUP_SERVICE.getBlock.responseDeserialize(bytes));
    const { payloads } = await verifier.verifyFilled(decoded);
    executed.push(payloads.map((payload) => Buffer.from(payload).toString()));
  }
  return executed;
}

/** Alpha's blocks 1 and 2, the second one changed. */
async function refusalOf(change: (message: RollupBlock) => RollupBlock): Promise<string> {
  return await refusal(ALPHA, [await filled(1), change(await filled(2))]);
}

async function refusal(rollupId: Uint8Array, messages: readonly RollupBlock[]): Promise<string> {
  try {
    await verifyAll(rollupId, messages);
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const info: { readonly code: string; readonly fault?: string; readonly refusal?: string } =
      error.info;
    return [info.code, info.fault ?? info.refusal].filter(Boolean).join(" ");
  }
  return "accepted";
}

type Filling = NonNullable<RollupBlock["filling"]>;

function withFilling(change: (filling: Filling) => Partial<Filling>) {
  return refusalOf((message) => {
    const { filling } = message;
    if (filling === undefined) throw new Error("expected a filling");
    return { ...message, filling: { ...filling, ...change(filling) } };
  });
}

describe("blocks at level FILLED", () => {
  it.each(["alpha", "beta", "gamma", "delta"] as const)(
    "behavior: %s executes opened contents at their places, and nothing that was not opened",
    async (name) => {
      const rollupId = { alpha: ALPHA, beta: BETA, gamma: GAMMA, delta: DELTA }[name];
      const expected = EXECUTED[name].map((texts) => [...texts]);
      expect(await verifyAll(rollupId, await streamed(rollupId))).toEqual(expected);
      // Each message alone says as much to a reader that has just come.
      let trusted = trust;
      for (const [index, texts] of expected.entries()) {
        const verifier = createBlockVerifier(RollupId(toHex(rollupId)), trusted, signatures);
        const message = await filled(index + 1, rollupId);
        const block = await verifier.verifyFilled(decodeRollupBlock(message));
        expect(block.payloads.map((payload) => Buffer.from(payload).toString())).toEqual(texts);
        ({ trusted } = block);
      }
    },
  );

  it("behavior: what became of each entry is told with its content", async () => {
    const verifier = createBlockVerifier(RollupId(toHex(ALPHA)), trust, signatures);
    await verifier.verifyFilled(decodeRollupBlock(await filled(1)));
    const block = await verifier.verifyFilled(decodeRollupBlock(await filled(2)));
    expect(block.filled.map(({ fill }) => fill?.status)).toEqual([
      undefined,
      FillStatus.OPENED,
      FillStatus.INVALID,
      undefined,
    ]);
    expect(block.trusted.height).toBe(2);
  });

  it("behavior: at level COMMITTED the order is there at once, and the payloads are not", async () => {
    const verifier = createBlockVerifier(RollupId(toHex(ALPHA)), trust, signatures);
    const messages = await Promise.all(
      [1, 2, 3, 4].map(async (height) => (await source.build(Height(height), ALPHA)).message),
    );
    const blocks = [];
    for (const message of messages) blocks.push(await verifier.verify(decodeRollupBlock(message)));
    expect(blocks.map(({ payloads }) => payloads?.length)).toEqual([1, undefined, 0, undefined]);
    expect(blocks[1]?.entries).toHaveLength(4);
    expect(blocks[3]?.fills.map(({ height, position }) => [height, position])).toEqual([
      [2, 1],
      [2, 2],
    ]);
    expect(await refusal(ALPHA, messages)).toBe("VERIFY_FILLING FILL_MISSING");
  });

  it("behavior: a block is not filled before the last of its entries is", async () => {
    const node = createChainBlocks(chain, 2);
    const growing = createRollupBlockSource(node.blocks, node.application);
    const beta = growing.fillUp(Height(2), BETA);
    const alpha = growing.fillUp(Height(2), ALPHA);
    for (const height of [2, 3, 4, 5]) {
      node.grow(height);
      expect([
        (await alpha.complete()) !== undefined,
        (await beta.complete()) !== undefined,
      ]).toEqual([height >= 4, height >= 5]);
    }
    // However many wait and however often they ask.
    expect([...node.reads.values()]).toEqual([1, 1, 1, 1]);
  });

  it("behavior: a rollup without sealed entries waits for nobody", async () => {
    const node = createChainBlocks(chain, 2);
    const growing = createRollupBlockSource(node.blocks, node.application);
    expect((await filled(2, GAMMA, growing)).filling).toBeUndefined();
    expect((await filled(1, ALPHA, growing)).filling).toBeUndefined();
  });

  it("behavior: each header goes over a stream as one that follows at most once", async () => {
    const messages = await streamed(BETA);
    expect(messages.map(({ filling }) => filling?.headers.length)).toEqual([
      undefined,
      3,
      undefined,
      undefined,
      undefined,
      2,
      undefined,
      undefined,
      undefined,
    ]);
    const sets = messages.flatMap(({ filling }) => filling?.headers ?? []);
    // The set changes at block 4, and only there a following header has one.
    expect(sets.map(({ validatorSet }) => validatorSet.length > 0)).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe("attack: fillings that are refused", () => {
  it("one that is left out", async () => {
    expect(await refusalOf((message) => ({ ...message, filling: undefined }))).toBe(
      "VERIFY_FILLING FILL_MISSING",
    );
  });

  it("blocks that fill: left out, doubled, another height, without their header", async () => {
    expect(await withFilling(() => ({ blocks: [] }))).toBe("VERIFY_FILLING FILL_MISSING");
    expect(await withFilling(({ blocks }) => ({ blocks: [...blocks, ...blocks] }))).toBe(
      "VERIFY_FILLING FILL_TWICE",
    );
    for (const height of [1, 2, 5, 9]) {
      expect(
        await withFilling(({ blocks }) => ({
          blocks: blocks.map((block) => ({ ...block, height: Height(height) })),
        })),
      ).toBe("VERIFY_FILLING FILL_HEADER_MISSING");
    }
    expect(
      await withFilling(({ blocks }) => ({
        blocks: blocks.map((block) => ({ ...block, height: Height(3) })),
      })),
    ).toBe("VERIFY_FILLING MANIFEST_ITEM_UNPROVEN");
    expect(await withFilling(({ headers }) => ({ headers: headers.slice(0, 1) }))).toBe(
      "VERIFY_FILLING FILL_HEADER_MISSING",
    );
  });

  it("a block that fills nothing of this one", async () => {
    const [seven] = (await filled(4)).filling?.blocks ?? [];
    if (seven === undefined) throw new Error("block 7 fills block 4");
    const { headers } = (await filled(4)).filling ?? { headers: [] };
    expect(
      await withFilling((own) => ({
        headers: [...own.headers, ...headers],
        blocks: [...own.blocks, seven],
      })),
    ).toBe("VERIFY_FILLING FILL_BLOCK_UNUSED");
  });

  it("headers: left out, swapped, of another chain of blocks, unsigned, with another set", async () => {
    const signed = (height: number) => {
      const built = chain[height - 1];
      if (built === undefined) throw new Error(`no block ${height}`);
      return { header: built.block.header, commit: built.seenCommit };
    };
    const withHeaders = (change: (headers: Filling["headers"]) => Filling["headers"]) =>
      withFilling(({ headers }) => ({ headers: change(headers) }));
    expect(await withHeaders((headers) => headers.slice(1))).toBe("VERIFY_HEIGHT");
    expect(await withHeaders((headers) => headers.toReversed())).toBe("VERIFY_HEIGHT");
    const third = signed(3);
    const forged = encodeSignedHeader({
      header: { ...third.header, dataHash: new Uint8Array(32) },
      commit: third.commit,
    });
    const with3 = (signedHeader: Uint8Array) =>
      withHeaders((headers) => headers.with(0, { signedHeader, validatorSet: EMPTY_BYTES }));
    expect(await with3(forged)).toBe("VERIFY_HEADER_HASH");
    const unsigned = { ...third.commit, signatures: third.commit.signatures.slice(0, 2) };
    expect(await with3(encodeSignedHeader({ header: third.header, commit: unsigned }))).toMatch(
      /^VERIFY_COMMIT /,
    );
    // Block 4 has another set than block 3: it has to come, and to be the one that block 3 announced.
    expect(
      await withHeaders((headers) =>
        headers.map(({ signedHeader }) => ({ signedHeader, validatorSet: EMPTY_BYTES })),
      ),
    ).toBe("VERIFY_VALIDATORS");
    const first = (await filled(1)).validatorSet;
    expect(
      await withHeaders((headers) => headers.map((header) => ({ ...header, validatorSet: first }))),
    ).toBe("VERIFY_VALIDATORS");
  });

  it("fills: left out, doubled, swapped, and every field of each", async () => {
    const withFills = (change: (fills: Filling["blocks"][number]["fills"]) => readonly object[]) =>
      withFilling(({ blocks }) => ({
        // What a liar may send: not always fills.
        blocks: blocks.map((block) => ({
          ...block,
          fills: change(block.fills) as typeof block.fills,
        })),
      }));
    expect(await withFills((fills) => fills.slice(1))).toBe("VERIFY_FILLING MANIFEST_FILL_COUNT");
    expect(await withFills((fills) => [...fills, ...fills])).toBe(
      "VERIFY_FILLING MANIFEST_FILL_COUNT",
    );
    for (const change of [
      { status: FillStatus.EXPIRED },
      { status: FillStatus.VOID },
      { height: Height(1) },
      { position: 0 },
      { contentHash: new Uint8Array(32) },
    ]) {
      const verdict = await withFills(([first, ...rest]) => [{ ...first, ...change }, ...rest]);
      expect(verdict).toBe("VERIFY_FILLING MANIFEST_FILLS_DIFFER");
    }
    for (const change of [{ position: 7 }, { contentHash: new Uint8Array(31) }]) {
      const verdict = await withFills(([first, ...rest]) => [{ ...first, ...change }, ...rest]);
      expect(verdict).toBe("VERIFY_FILLING MANIFEST_FILL_MALFORMED");
    }
    expect(await withFills((fills) => fills.toReversed())).toBe(
      "VERIFY_FILLING MANIFEST_FILL_MALFORMED",
    );
  });

  it("leaves: another rollup's, other bytes, another proof", async () => {
    const [betas] = (await filled(2, BETA)).filling?.blocks ?? [];
    if (betas === undefined) throw new Error("block 4 fills beta's entry");
    const withBlock = (change: Partial<Filling["blocks"][number]>) =>
      withFilling(({ blocks }) => ({ blocks: blocks.map((block) => ({ ...block, ...change })) }));
    const { leaf, proof, manifest, manifestProof } = betas;
    expect(await withBlock({ leaf, proof })).toBe("VERIFY_FILLING MANIFEST_LEAF_OTHER_ROLLUP");
    expect(await withBlock({ leaf })).toBe("VERIFY_FILLING MANIFEST_LEAF_UNPROVEN");
    expect(await withBlock({ proof })).toBe("VERIFY_FILLING MANIFEST_LEAF_UNPROVEN");
    expect(await withBlock({ proof: { ...proof, total: 3 } })).toBe(
      "VERIFY_FILLING MANIFEST_LEAF_COUNT",
    );
    expect(await withBlock({ manifest: manifest.subarray(1) })).toBe(
      "VERIFY_FILLING MANIFEST_ITEM_UNPROVEN",
    );
    expect(await withBlock({ manifestProof: { ...manifestProof, index: 1 } })).toBe(
      "VERIFY_FILLING MANIFEST_ITEM_UNPROVEN",
    );
  });

  it("contents: left out, altered, added, doubled, at another place", async () => {
    const payload = Uint8Array.of(0x12, 1, 7);
    const withContents = (change: (contents: Filling["contents"]) => Filling["contents"]) =>
      withFilling(({ contents }) => ({ contents: change(contents) }));
    expect(await withContents(() => [])).toBe("VERIFY_FILLING FILL_CONTENT_MISSING");
    expect(await withContents(([one]) => [{ position: one?.position ?? 0, payload }])).toBe(
      "VERIFY_FILLING FILL_CONTENT_DIFFERS",
    );
    expect(await withContents((contents) => [...contents, { position: 2, payload }])).toBe(
      "VERIFY_FILLING FILL_CONTENT_UNEXPECTED",
    );
    expect(await withContents((contents) => [...contents, ...contents])).toBe(
      "VERIFY_FILLING FILL_CONTENT_UNEXPECTED",
    );
    expect(await withContents(([one]) => [{ position: 2, payload: one?.payload ?? payload }])).toBe(
      "VERIFY_FILLING FILL_CONTENT_MISSING",
    );
  });

  it("a filling for a block that has no sealed entries", async () => {
    const { filling } = await filled(2);
    const contents = filling?.contents ?? [];
    const message = await filled(1);
    const lying = { ...message, filling: { headers: [], blocks: [], contents, order: [] } };
    expect(await refusal(ALPHA, [lying])).toBe("VERIFY_FILLING FILL_CONTENT_UNEXPECTED");
  });

  it("a block that is another one than its header was when it filled an earlier one", async () => {
    const messages = await streamed(ALPHA);
    const third = chain[2];
    if (third === undefined) throw new Error("no block 3");
    const { header, commit } = { header: third.block.header, commit: third.seenCommit };
    const other = { ...header, appHash: new Uint8Array(32) };
    const signedHeader = encodeSignedHeader({ header: other, commit });
    const forged = messages.map((message) =>
      message.height === 3 ? { ...message, signedHeader } : message,
    );
    expect(await refusal(ALPHA, forged)).toBe("VERIFY_HEADER_HASH");
  });

  it("mutation: a message with any byte changed is refused, or says the same", async () => {
    const before = decodeRollupBlock(await filled(1));
    const honest = ROLLUP_SERVICE.getBlock.responseSerialize(await filled(2));
    await assert(
      asyncProperty(
        nat({ max: honest.length - 1 }),
        integer({ min: 1, max: 255 }),
        async (position, flip) => {
          const bytes = Buffer.from(honest);
          bytes[position] = (bytes[position] ?? 0) ^ flip;
          const verifier = createBlockVerifier(RollupId(toHex(ALPHA)), trust, signatures);
          await verifier.verifyFilled(before);
          let payloads: readonly Uint8Array[];
          try {
            const message = ROLLUP_SERVICE.getBlock.responseDeserialize(bytes);
            payloads = (await verifier.verifyFilled(decodeRollupBlock(message))).payloads;
          } catch (error) {
            if (!isWeftError(error)) throw error;
            return;
          }
          const texts = payloads.map((payload) => Buffer.from(payload).toString());
          expect(texts).toEqual(EXECUTED.alpha[1]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
