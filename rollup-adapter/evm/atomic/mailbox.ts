/**
 * Messages between the legs of a bundle (docs/formats.md, "Messages between rollups"). A leg declares what it expects to
 * be told, and what it writes stands in its logs; both sides hash the messages of a pair in order, and the chain commits
 * only where the hashes are equal.
 */
import type { EVM } from "@ethereumjs/evm";
import { RLP } from "@ethereumjs/rlp";
import { createAddressFromString } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { Box } from "../../../proto/codec/atomic-tx.ts";
import { bytesEqual, compareBytes, concatBytes, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { isShallowRlpList } from "../payload.ts";
import type { StoredLog } from "../records.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { MAILBOX_ADDRESS } from "./predeploys.ts";

/** First byte of a leg's payload that is a declared message and no transaction. */
export const MESSAGE_TYPE = 0x6d;

/** One message, from `sender` on `source` to `receiver` on `destination`. */
export interface Message {
  /** Rollup ids, 32 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Addresses on their rollups; 20 bytes on an EVM rollup. */
  readonly sender: Uint8Array;
  readonly receiver: Uint8Array;
  /** 32 bytes each, chosen by the sender. */
  readonly session: Uint8Array;
  readonly label: Uint8Array;
  readonly data: Uint8Array;
}

/** Sent(bytes32,address,address,bytes32,bytes32,bytes) */
const SENT_TOPIC = keccak_256(utf8ToBytes("Sent(bytes32,address,address,bytes32,bytes32,bytes)"));
const MAILBOX = createAddressFromString(MAILBOX_ADDRESS);
const WORD = 32;
const BUNDLE_SLOT = new Uint8Array(WORD);

/** The message that a payload declares, to `destination`; undefined when it is not the one encoding of one. */
export function decodeMessage(payload: Uint8Array, destination: Uint8Array): Message | undefined {
  const body = payload.subarray(1);
  if (payload[0] !== MESSAGE_TYPE || !isShallowRlpList(body, 1)) return undefined;
  const fields = decodeList(body);
  const [source, sender, receiver, session, label, data] = fields ?? [];
  if (fields?.length !== 6 || !source || !sender || !receiver || !session || !label || !data) {
    return undefined;
  }
  const isSized =
    source.length === 32 &&
    sender.length <= 32 &&
    receiver.length === 20 &&
    session.length === 32 &&
    label.length === 32 &&
    data.length <= MESSAGE_BYTES_MAX;
  if (!isSized || !bytesEqual(RLP.encode(fields), body)) return undefined;
  return { source, destination, sender, receiver, session, label, data };
}

/** A declared message as a payload of a leg. */
export function encodeMessage(message: Omit<Message, "destination">): Uint8Array {
  const { source, sender, receiver, session, label, data } = message;
  return concatBytes(
    Uint8Array.of(MESSAGE_TYPE),
    RLP.encode([source, sender, receiver, session, label, data]),
  );
}

/** What stands in the logs of a leg, in order. `source`: the rollup that it was executed on. */
export function writtenMessages(logs: readonly StoredLog[], source: Uint8Array): Message[] {
  return logs.flatMap(({ address, topics, data }) => {
    const [topic, destination, sender, receiver] = topics;
    if (toHex(address) !== MAILBOX_ADDRESS.slice(2) || !topic || !bytesEqual(topic, SENT_TOPIC)) {
      return [];
    }
    if (!destination || !sender || !receiver) return [];
    // The mailbox's own code made this: session, label, offset, length, bytes.
    const length = Number(BigInt(`0x${toHex(data.subarray(3 * WORD, 4 * WORD))}`));
    return [
      {
        source,
        destination,
        sender: sender.slice(12),
        receiver: receiver.slice(12),
        session: data.slice(0, WORD),
        label: data.slice(WORD, 2 * WORD),
        data: data.slice(4 * WORD, 4 * WORD + length),
      },
    ];
  });
}

/** Of the messages to or from each other rollup, in order; by ascending id. */
export function boxes(
  messages: readonly Message[],
  side: "source" | "destination",
): readonly Box[] {
  const roots = new Map<string, Uint8Array>();
  for (const message of messages) {
    const other = toHex(message[side]);
    const before = roots.get(other) ?? new Uint8Array(32);
    roots.set(other, keccak_256(concatBytes(before, messageHash(message))));
  }
  return [...roots]
    .map(([other, root]) => ({ rollupId: new Uint8Array(Buffer.from(other, "hex")), root }))
    .toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
}

export function messageHash(message: Message): Uint8Array {
  const { source, destination, sender, receiver, session, label, data } = message;
  return keccak_256(
    RLP.encode([
      utf8ToBytes("weft/message/v1"),
      source,
      destination,
      sender,
      receiver,
      session,
      label,
      data,
    ]),
  );
}

/** What `read` of the mailbox looks a message up by. */
export function messageKey({ source, sender, receiver, session, label }: Message): Uint8Array {
  return keccak_256(concatBytes(source, word(sender), word(receiver), session, label));
}

/** Puts bundle and messages where the mailbox finds them during the next transaction. */
export function deliver(
  storage: EVM["transientStorage"],
  bundleId: Uint8Array,
  messages: readonly Message[],
): void {
  storage.clear();
  storage.put(MAILBOX, BUNDLE_SLOT, bundleId);
  for (const message of messages) {
    const key = BigInt(`0x${toHex(messageKey(message))}`);
    const { data } = message;
    storage.put(MAILBOX, slot(key), slot(BigInt(data.length + 1)));
    for (let at = 0; at < data.length; at += WORD) {
      const value = new Uint8Array(WORD);
      value.set(data.subarray(at, at + WORD));
      storage.put(MAILBOX, slot(key + 1n + BigInt(at / WORD)), value);
    }
  }
}

function decodeList(body: Uint8Array): Uint8Array[] | undefined {
  try {
    const fields = RLP.decode(body);
    if (!Array.isArray(fields)) return undefined;
    const flat = fields.filter((field) => field instanceof Uint8Array);
    return flat.length === fields.length ? flat : undefined;
  } catch {
    return undefined; // arbitrary bytes; what is wrong with them matters to nobody
  }
}

function word(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(WORD);
  padded.set(bytes, WORD - bytes.length);
  return padded;
}

function slot(value: bigint): Uint8Array {
  return word(
    new Uint8Array(Buffer.from(BigInt.asUintN(256, value).toString(16).padStart(64, "0"), "hex")),
  );
}
