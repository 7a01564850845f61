/**
 * Frames of the reference pipeline: a byte stream cut into SecretConnection-shaped frames of 1,024
 * data bytes (spec §16.1), written without any of the node's own code so that it does not move with it.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Socket } from "node:net";
import sodium from "sodium-native";

/** Which library seals: `openssl` is what limits.md measured, `sodium` the cheapest way known. */
export type Sealing = "openssl" | "sodium";

const DATA = 1_024;
const PLAIN = 4 + DATA;
const TAG = 16;
const SEALED = PLAIN + TAG;
const MESSAGE_HEADER = 5;
const ALGORITHM = "chacha20-poly1305";

export interface Link {
  /** Queues a message; all of a turn leave together. */
  send(type: number, body: Uint8Array): void;
}

/** Both directions of one socket. `receive` gets each message; its body is its own. */
export function openLink(
  socket: Socket,
  options: { readonly sealing: Sealing; readonly key: Uint8Array },
  receive: (type: number, body: Buffer) => void,
): Link {
  socket.setNoDelay(true);
  const seal = createSealer(options.sealing, options.key);
  const open = createOpener(options.sealing, options.key);
  let out: Uint8Array[] = [];
  let outBytes = 0;
  let isScheduled = false;

  const flush = (): void => {
    isScheduled = false;
    const plain = Buffer.concat(out, outBytes);
    out = [];
    outBytes = 0;
    const frames = Math.ceil(plain.length / DATA);
    const sealed = Buffer.allocUnsafe(frames * SEALED);
    const frame = Buffer.alloc(PLAIN);
    for (let i = 0; i < frames; i++) {
      const data = plain.subarray(i * DATA, (i + 1) * DATA);
      if (data.length < DATA) frame.fill(0);
      frame.writeUInt32LE(data.length, 0);
      frame.set(data, 4);
      seal(frame, sealed.subarray(i * SEALED, (i + 1) * SEALED));
    }
    socket.write(sealed);
  };

  let pending: Buffer = Buffer.alloc(0);
  const message = createAssembler(receive);
  const plain = Buffer.alloc(PLAIN);
  socket.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    for (; pending.length - at >= SEALED; at += SEALED) {
      open(pending.subarray(at, at + SEALED), plain);
      message(plain.subarray(4, 4 + plain.readUInt32LE(0)));
    }
    pending = pending.subarray(at);
  });

  return {
    send(type, body) {
      const header = Buffer.allocUnsafe(MESSAGE_HEADER);
      header.writeUInt32LE(body.length, 0);
      header[4] = type;
      out.push(header, body);
      outBytes += MESSAGE_HEADER + body.length;
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(flush);
    },
  };
}

/** Takes plaintext as it comes and gives whole messages. */
function createAssembler(receive: (type: number, body: Buffer) => void): (bytes: Buffer) => void {
  const header = Buffer.alloc(MESSAGE_HEADER);
  let headerFill = 0;
  let body: Buffer = Buffer.alloc(0);
  let fill = 0;
  return (bytes) => {
    let at = 0;
    while (at < bytes.length) {
      if (headerFill < MESSAGE_HEADER) {
        const count = Math.min(MESSAGE_HEADER - headerFill, bytes.length - at);
        bytes.copy(header, headerFill, at, at + count);
        headerFill += count;
        at += count;
        if (headerFill < MESSAGE_HEADER) return;
        body = Buffer.allocUnsafeSlow(header.readUInt32LE(0));
        fill = 0;
      }
      const count = Math.min(body.length - fill, bytes.length - at);
      bytes.copy(body, fill, at, at + count);
      fill += count;
      at += count;
      if (fill < body.length) return;
      headerFill = 0;
      receive(header[4] ?? 0, body);
    }
  };
}

function createSealer(sealing: Sealing, key: Uint8Array): (plain: Buffer, out: Buffer) => void {
  const nonce = createNonce();
  if (sealing === "sodium") {
    return (plain, out) => {
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(out, plain, null, null, nonce(), key);
    };
  }
  return (plain, out) => {
    const cipher = createCipheriv(ALGORITHM, key, nonce(), { authTagLength: TAG });
    out.set(cipher.update(plain), 0);
    cipher.final();
    out.set(cipher.getAuthTag(), PLAIN);
  };
}

function createOpener(sealing: Sealing, key: Uint8Array): (sealed: Buffer, out: Buffer) => void {
  const nonce = createNonce();
  if (sealing === "sodium") {
    return (sealed, out) => {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(out, null, sealed, null, nonce(), key);
    };
  }
  return (sealed, out) => {
    const decipher = createDecipheriv(ALGORITHM, key, nonce(), { authTagLength: TAG });
    decipher.setAuthTag(sealed.subarray(PLAIN));
    out.set(decipher.update(sealed.subarray(0, PLAIN)), 0);
    decipher.final();
  };
}

/** Counts up; the returned bytes are valid until the next call. */
function createNonce(): () => Uint8Array {
  const bytes = Buffer.alloc(12);
  let count = 0;
  return () => {
    bytes.writeUInt32LE(count, 4);
    count += 1;
    return bytes;
  };
}
