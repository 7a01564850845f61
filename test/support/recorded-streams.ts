/**
 * Streams as nodes send them, byte for byte, of chains with everything in them that a stream can hold: and ways to alter
 * them, of which a verifier has to refuse each one.
 */
import { Height, RollupId } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { encodeSignedHeader } from "../../proto/codec/block.ts";
import { encodeValidatorSet } from "../../proto/codec/types.ts";
import { assert, isWeftError } from "../../proto/errors.ts";
import {
  Level,
  rollupBlock,
  type RollupBlock as WireRollupBlock,
} from "../../proto/grpc/rollup-block.ts";
import { hashedValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { EntryKind, FillStatus } from "../../proto/verify/manifest.ts";
import {
  type BlockVerifier,
  createBlockVerifier,
} from "../../rollup-adapter/client/block-verifier.ts";
import type { TrustedState } from "../../rollup-adapter/client/header-chain.ts";
import { readRollupBlock, type RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import {
  createMessageTrim,
  createRollupBlockSource,
} from "../../sequencer/grpc/rollup-block-source.ts";
import { ALPHA as BUNDLED, buildBundleBlock } from "./bundle-block.ts";
import { createChainBlocks } from "./chain-blocks.ts";
import { TEST_CHAIN_ID } from "./chain-builder.ts";
import { buildOrderedChain, ORDERED_ROLLUP } from "./ordered-chain.ts";
import {
  ALPHA,
  BETA,
  buildSealedChain,
  DELTA,
  GAMMA,
  SEALED_CHAIN_HEIGHT,
} from "./sealed-chain.ts";

export interface RecordedStream {
  readonly name: string;
  readonly rollupId: RollupId;
  readonly level: Level;
  /** Before the first message. */
  readonly trust: TrustedState;
  readonly messages: readonly Buffer[];
}

/**
 * Committed and filled: data, sealed transactions opened, garbage, expired and void, a commit, shuffled entries with their
 * order, a rollup without anything, a change of the validator set, a bundle of two legs, bids won and lost.
 */
export async function recordStreams(): Promise<readonly RecordedStream[]> {
  const chain = buildSealedChain();
  const [first] = chain;
  assert(first !== undefined, "a chain has blocks");
  const trust: TrustedState = {
    chainId: TEST_CHAIN_ID,
    height: Height(0),
    blockHash: undefined,
    time: undefined,
    nextValidatorsHash: validatorSetHash(first.stateBefore.validators),
  };
  const { blocks, application } = createChainBlocks(chain);
  const source = createRollupBlockSource(blocks, application);
  const streams: RecordedStream[] = [];
  for (const [name, rollupId, level] of [
    ["alpha filled", ALPHA, Level.FILLED],
    ["beta filled", BETA, Level.FILLED],
    ["delta filled, shuffled", DELTA, Level.FILLED],
    ["gamma filled, absent", GAMMA, Level.FILLED],
    ["alpha committed", ALPHA, Level.COMMITTED],
  ] as const) {
    const trim = createMessageTrim();
    const messages: Buffer[] = [];
    for (let height = 1; height <= SEALED_CHAIN_HEIGHT; height++) {
      const built =
        level === Level.FILLED
          ? await source.fillUp(Height(height), rollupId).complete()
          : await source.build(Height(height), rollupId);
      assert(built !== undefined, "the chain fills all its blocks");
      messages.push(rollupBlock.encode(trim(built)));
    }
    streams.push({ name, rollupId: RollupId(toHex(rollupId)), level, trust, messages });
  }
  const bundle = await buildBundleBlock();
  streams.push({
    name: "bundle committed",
    rollupId: RollupId(toHex(BUNDLED)),
    level: Level.COMMITTED,
    trust: bundle.trust,
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
  streams.push({
    name: "bids filled",
    rollupId: RollupId(toHex(ORDERED_ROLLUP)),
    level: Level.FILLED,
    trust: ordered.trust,
    messages: [rollupBlock.encode(toWire(ordered.message, Level.FILLED))],
  });
  return streams;
}

function toWire({ slice, filling, ...block }: RollupBlock, level: Level): WireRollupBlock {
  return {
    height: block.height,
    level,
    ...headerToWire(block),
    ...slice,
    filling: filling && { ...filling, headers: filling.headers.map(headerToWire) },
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

const signatures = createEd25519Verifier();

/** A reader of a recorded stream. */
export interface StreamReader {
  /** Whether the message is believed at its place. A refusal leaves the reader where it was. */
  accepts(message: Buffer): Promise<boolean>;
}

/** One that has read the first `count` messages. */
export async function readerAfter(stream: RecordedStream, count: number): Promise<StreamReader> {
  const verifier = createBlockVerifier(stream.rollupId, stream.trust, signatures);
  for (const message of stream.messages.slice(0, count)) await read(verifier, stream, message);
  return {
    async accepts(message) {
      try {
        await read(verifier, stream, message);
        return true;
      } catch (error) {
        // Anything else than a refusal is a bug of the verifier.
        if (!isWeftError(error)) throw error;
        return false;
      }
    },
  };
}

async function read(
  verifier: BlockVerifier,
  { level }: RecordedStream,
  bytes: Buffer,
): Promise<void> {
  const block = readRollupBlock(bytes, level);
  if (level === Level.FILLED) await verifier.verifyFilled(block);
  else await verifier.verify(block);
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

/** One field of a message on the wire, with its tag. */
interface Field {
  readonly number: number;
  readonly tag: Buffer;
  /** Of a field with a length: what it holds. */
  readonly value: Buffer;
  readonly hasLength: boolean;
}

/** Fields that hold messages, by the path to them, as rollup.proto has them; bytes that hold messages too. */
const NESTED: ReadonlySet<string> = new Set([
  "3",
  "3.1",
  "3.2",
  "3.2.3",
  "3.2.4",
  "4",
  "4.1",
  "4.2",
  "6",
  "7",
  "7.2",
  "7.3",
  "7.3.9",
  "7.3.9.3",
  "7.4",
  "7.5",
  "7.6",
  "7.6.2",
  "8",
  "8.1",
  "8.1.2",
  "9",
  "9.1",
  "9.1.1",
  "9.1.1.1",
  "9.1.1.2",
  "9.1.1.2.4",
  "9.2",
  "9.2.3",
  "9.2.5",
  "9.2.6",
  "9.2.7",
  "9.3",
]);

/** The message with its fields, at any depth, left out, doubled, moved or joined by ones that do not exist. */
export function* altered(message: Buffer, path = ""): Generator<{ what: string; bytes: Buffer }> {
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
    if (!field.hasLength || !NESTED.has(where(field))) continue;
    for (const inner of altered(field.value, `${where(field)}.`)) {
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
