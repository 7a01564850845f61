/**
 * Streams as nodes send them, byte for byte, of chains with everything in them that a stream can hold: and ways to alter
 * them, of which a verifier has to refuse each one.
 */
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { assert, isWeftError } from "../../proto/errors.ts";
import {
  Level,
  rollupBlock,
  type RollupBlock as WireRollupBlock,
} from "../../proto/grpc/rollup-block.ts";
import { headerHash } from "../../proto/hashes.ts";
import { hashedValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { EntryKind, FillStatus } from "../../proto/verify/manifest.ts";
import { createBlocksVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import {
  createHeaderFollower,
  readHeaderUpdate,
} from "../../rollup-adapter/client/header-follower.ts";
import {
  readRollupBlock,
  type RollupBlock,
  type StreamForm,
} from "../../rollup-adapter/client/rollup-block.ts";
import { createRollupBlockSource } from "../../sequencer/grpc/rollup-block-source.ts";
import {
  blockContent,
  createHeaderContent,
  type StreamContent,
} from "../../sequencer/grpc/stream-content.ts";
import { ALPHA as BUNDLED, buildBundleBlock } from "./bundle-block.ts";
import { createChainBlocks } from "./chain-blocks.ts";
import { type BuiltBlock, TEST_CHAIN_ID } from "./chain-builder.ts";
import { buildOrderedChain, ORDERED_ROLLUP } from "./ordered-chain.ts";
import { buildQuietChain, QUIET_SET_CHANGE } from "./quiet-chain.ts";
import { ALPHA, BETA, buildSealedChain, DELTA, GAMMA } from "./sealed-chain.ts";

const signatures = createEd25519Verifier();

export interface RecordedStream {
  readonly name: string;
  readonly messages: readonly Buffer[];
  /** Fields of a message that hold messages, by the path to them, as rollup.proto has them; bytes that hold messages too. */
  readonly nested: ReadonlySet<string>;
  /** Reads and verifies one message after the other; throws a WeftError at what is none or does not hold. */
  readonly follow: () => (message: Buffer) => Promise<unknown>;
}

/**
 * Committed and filled: data, sealed transactions opened, garbage, expired and void, a commit, shuffled entries with their
 * order, a rollup without anything, a change of the validator set, a bundle of two legs, bids won and lost; empty heights
 * left out, four rollups in one stream, and headers alone, with a commit each and with few.
 */
export async function recordStreams(): Promise<readonly RecordedStream[]> {
  const sealed = servedChain(buildSealedChain());
  // Data for both rollups, and another validator set.
  const quiet = servedChain(buildQuietChain(), 36, QUIET_SET_CHANGE + 2);
  const all = [ALPHA, BETA, GAMMA, DELTA].sort(compareBytes);
  const streams: RecordedStream[] = [];
  for (const [name, rollupIds, level] of [
    ["alpha filled", [ALPHA], Level.FILLED],
    ["beta filled", [BETA], Level.FILLED],
    ["delta filled, shuffled", [DELTA], Level.FILLED],
    ["gamma filled, absent", [GAMMA], Level.FILLED],
    ["alpha committed", [ALPHA], Level.COMMITTED],
    ["four rollups filled", all, Level.FILLED],
  ] as const) {
    streams.push(await sealed.blocks(name, rollupIds, level));
  }
  const bundle = await buildBundleBlock();
  const bundled = { level: Level.COMMITTED, rollups: 1, omitsEmpty: false };
  streams.push({
    ...blockReader([RollupId(toHex(BUNDLED))], bundle.trust, bundled),
    name: "bundle committed",
    messages: [rollupBlock.encode(toWire(bundle.message, Level.COMMITTED))],
  });
  const entry = (kind: EntryKind, status: FillStatus, filledAt: number) => ({
    kind,
    status,
    filledAt,
  });
  const ordered = buildOrderedChain(
    [
      entry(EntryKind.BID, FillStatus.OPENED, 3),
      entry(EntryKind.BID, FillStatus.LOST, 3),
      entry(EntryKind.ROLLUP_DATA, FillStatus.OPENED, 0),
      entry(EntryKind.SHUFFLED, FillStatus.OPENED, 2),
      entry(EntryKind.SHUFFLED, FillStatus.OPENED, 3),
      entry(EntryKind.BUNDLE_LEG, FillStatus.OPENED, 0),
    ],
    [[4, 3]],
  );
  const ofBids = { level: Level.FILLED, rollups: 1, omitsEmpty: false };
  streams.push({
    ...blockReader([RollupId(toHex(ORDERED_ROLLUP))], ordered.trust, ofBids),
    name: "bids filled",
    messages: [rollupBlock.encode(toWire(ordered.message, Level.FILLED))],
  });
  const [first, second] = [ALPHA, BETA].sort(compareBytes);
  assert(first !== undefined && second !== undefined, "two rollups");
  streams.push(
    await sealed.blocks("alpha filled, empty omitted", [ALPHA], Level.FILLED, true),
    await quiet.blocks("beta committed, empty omitted", [BETA], Level.COMMITTED, true),
    await quiet.blocks("two rollups, empty omitted", [first, second], Level.FILLED, true),
    await sealed.headers("headers", false),
    await quiet.headers("headers, sparse commits", true),
  );
  return streams;
}

/** Streams of a chain as its node sends them, of blocks `from` to `until`. */
function servedChain(chain: readonly BuiltBlock[], from = 1, until = chain.length) {
  const first = chain[from - 1];
  assert(first !== undefined, "a chain has blocks");
  const below = chain[from - 2]?.block.header;
  const trust: TrustedState = {
    chainId: TEST_CHAIN_ID,
    height: Height(from - 1),
    blockHash: below && headerHash(below),
    time: below?.time,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
  const { blocks, application } = createChainBlocks(chain);
  const source = createRollupBlockSource(blocks, application);
  const headerContent = createHeaderContent(blocks);

  async function record(content: StreamContent): Promise<readonly Buffer[]> {
    const messages: Buffer[] = [];
    let lastSet = EMPTY_BYTES;
    let lastHeader = 0;
    for (let height = from; height <= until; ) {
      const last = content.lastOf(Height(height), until);
      const message = await content.begin(Height(height), last).complete();
      assert(typeof message !== "string", "the chain fills all its blocks");
      messages.push(message.encode(bytesEqual(lastSet, message.validatorsHash), lastHeader));
      lastSet = message.validatorsHash;
      lastHeader = Math.max(lastHeader, message.lastHeader);
      height = message.height + 1;
    }
    return messages;
  }

  return {
    async blocks(
      name: string,
      rollupIds: readonly Uint8Array[],
      level: Level,
      omitsEmpty = false,
    ): Promise<RecordedStream> {
      const messages = await record(blockContent(source, rollupIds, level, omitsEmpty));
      const ids = rollupIds.map((id) => RollupId(toHex(id)));
      const form = { level, rollups: ids.length, omitsEmpty };
      return { ...blockReader(ids, trust, form), name, messages };
    },
    async headers(name: string, isSparse: boolean): Promise<RecordedStream> {
      const messages = await record(headerContent(isSparse));
      return {
        name,
        messages,
        nested: NESTED_IN_HEADERS,
        follow() {
          const follower = createHeaderFollower(trust, signatures);
          return async (bytes) => await follower.verify(readHeaderUpdate(bytes, isSparse));
        },
      };
    },
  };
}

function blockReader(
  rollupIds: readonly RollupId[],
  trust: TrustedState,
  form: StreamForm,
): Pick<RecordedStream, "nested" | "follow"> {
  return {
    nested: NESTED_IN_BLOCKS,
    follow() {
      const { omitsEmpty, level } = form;
      const verifier = createBlocksVerifier(rollupIds, trust, signatures, { omitsEmpty });
      return async (bytes) => {
        const block = readRollupBlock(bytes, form);
        if (level === Level.FILLED) await verifier.verifyFilled(block);
        else await verifier.verify(block);
      };
    },
  };
}

function toWire({ slice, filling, ...block }: RollupBlock, level: Level): WireRollupBlock {
  return {
    height: block.height,
    level,
    ...headerToWire(block),
    ...slice,
    filling: filling && { ...filling, headers: filling.headers.map(headerToWire) },
    omitted: [],
    more: [],
  };
}

function headerToWire({
  signedHeader,
  validatorSet,
}: Pick<RollupBlock, "signedHeader" | "validatorSet">) {
  return {
    signedHeader: encodeSignedHeader(signedHeader),
    validatorSet:
      validatorSet === undefined
        ? EMPTY_BYTES
        : encodeValidatorSet(hashedValidatorSet(validatorSet)),
  };
}

/** A reader of a recorded stream. */
export interface StreamReader {
  /** Whether the message is believed at its place. A refusal leaves the reader where it was. */
  accepts(message: Buffer): Promise<boolean>;
}

/** One that has read the first `count` messages. */
export async function readerAfter(stream: RecordedStream, count: number): Promise<StreamReader> {
  const read = stream.follow();
  for (const message of stream.messages.slice(0, count)) await read(message);
  return {
    async accepts(message) {
      try {
        await read(message);
        return true;
      } catch (error) {
        // Anything else than a refusal is a bug of the verifier.
        if (!isWeftError(error)) throw error;
        return false;
      }
    },
  };
}

/** What was believed although it was altered. */
export interface BelievedLie {
  readonly stream: string;
  readonly message: number;
  readonly what: string;
}

/**
 * Alters each byte in the ways that `flipsOf` names for its position, one at a time, and puts each to a reader that has
 * read what comes before; after all lies it has to believe the truth.
 */
export async function believedFlips(
  stream: RecordedStream,
  flipsOf: (position: number) => readonly number[],
): Promise<{ readonly lies: number; readonly believed: readonly BelievedLie[] }> {
  const believed: BelievedLie[] = [];
  let lies = 0;
  for (const [index, honest] of stream.messages.entries()) {
    let reader = await readerAfter(stream, index);
    for (let position = 0; position < honest.length; position++) {
      for (const flip of flipsOf(position)) {
        const altered = Buffer.from(honest);
        altered[position] = (altered[position] ?? 0) ^ flip;
        lies += 1;
        if (!(await reader.accepts(altered))) continue;
        const what = `byte ${position} of ${honest.length} ^ ${flip}`;
        believed.push({ stream: stream.name, message: index, what });
        reader = await readerAfter(stream, index);
      }
    }
    assert(await reader.accepts(honest), "the truth is believed after all lies");
  }
  return { lies, believed };
}

/** The same with fields that are left out, doubled, moved or added; one of so many is tried. */
export async function believedChanges(
  stream: RecordedStream,
  oneOf = 1,
): Promise<{ readonly lies: number; readonly believed: readonly BelievedLie[] }> {
  const believed: BelievedLie[] = [];
  let lies = 0;
  for (const [index, honest] of stream.messages.entries()) {
    let reader = await readerAfter(stream, index);
    let changes = index;
    for (const { what, bytes } of altered(honest, stream.nested)) {
      changes += 1;
      if (changes % oneOf !== 0) continue;
      lies += 1;
      if (!(await reader.accepts(bytes))) continue;
      believed.push({ stream: stream.name, message: index, what });
      reader = await readerAfter(stream, index);
    }
    assert(await reader.accepts(honest), "the truth is believed after all lies");
  }
  return { lies, believed };
}

/** One field of a message on the wire, with its tag. */
interface Field {
  readonly number: number;
  readonly tag: Buffer;
  /** Of a field with a length: what it holds. */
  readonly value: Buffer;
  readonly hasLength: boolean;
}

const under = (path: string, inner: readonly string[]): readonly string[] => [
  path,
  ...inner.map((one) => `${path}.${one}`),
];
const HEADER = ["1", "4", "5", "5.2"];
const SIGNED_HEADER = [...under("1", HEADER), ...under("2", ["3", "4"])];
const SET = ["1", "2"];
const PRESENCE = ["2", ...under("3", ["9", "9.3"]), "4", "5", ...under("6", ["2"])];
const ABSENCE = ["1", "1.2"];
const FILLING = [
  ...under("1", [...under("1", SIGNED_HEADER), ...under("2", SET)]),
  ...under("2", ["3", "5", "6", "7"]),
  "3",
];
const NESTED_IN_BLOCKS: ReadonlySet<string> = new Set([
  ...under("3", SIGNED_HEADER),
  ...under("4", SET),
  "6",
  ...under("7", PRESENCE),
  ...under("8", ABSENCE),
  ...under("9", FILLING),
  ...under("10", [...under("1", HEADER), "3", ...under("4", ABSENCE)]),
  ...under("11", [...under("1", PRESENCE), ...under("2", ABSENCE), ...under("3", FILLING)]),
]);
const NESTED_IN_HEADERS: ReadonlySet<string> = new Set([
  ...under("2", SIGNED_HEADER),
  ...under("3", SET),
  ...under("4", HEADER),
]);

/** The message with its fields, at any depth, left out, doubled, moved or joined by ones that do not exist. */
function* altered(
  message: Buffer,
  nested: ReadonlySet<string>,
  path = "",
): Generator<{ what: string; bytes: Buffer }> {
  const fields = parse(message);
  const where = (field: Field | undefined): string => `${path}${field?.number ?? "?"}`;
  for (const [index, field] of fields.entries()) {
    yield { what: `${where(field)} left out`, bytes: join(fields.toSpliced(index, 1)) };
    yield { what: `${where(field)} doubled`, bytes: join(fields.toSpliced(index, 0, field)) };
    const next = fields[index + 1];
    if (next !== undefined && !join([field]).equals(join([next]))) {
      const swapped = fields.toSpliced(index, 2, next, field);
      yield { what: `${where(field)} swapped with ${where(next)}`, bytes: join(swapped) };
    }
    if (!field.hasLength || !nested.has(where(field))) continue;
    for (const inner of altered(field.value, nested, `${where(field)}.`)) {
      const changed = fields.with(index, { ...field, value: inner.bytes });
      yield { what: inner.what, bytes: join(changed) };
    }
  }
  yield { what: `${path}unknown field`, bytes: Buffer.concat([message, Buffer.from([0x78, 1])]) };
}

function parse(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      assert(byte !== undefined, "the recording is a message");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    const afterTag = at;
    const hasLength = tag % 8 === 2;
    if (hasLength) {
      const length = varint();
      const value = message.subarray(at, at + length);
      at += length;
      fields.push({
        number: tag >> 3,
        tag: message.subarray(start, afterTag),
        value,
        hasLength,
      });
    } else {
      if (tag % 8 === 1) at += 8;
      else varint();
      fields.push({
        number: tag >> 3,
        tag: message.subarray(start, afterTag),
        value: message.subarray(afterTag, at),
        hasLength,
      });
    }
  }
  return fields;
}

function join(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ tag, value, hasLength }) =>
      hasLength ? [tag, varintOf(value.length), value] : [tag, value],
    ),
  );
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  return Buffer.from([...bytes, left]);
}
