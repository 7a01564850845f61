/**
 * What is asked of a thread, and what it answers, as one buffer that is given away instead of copied.
 * Layout, little-endian: numbers are u32, byte strings a u32 length and the bytes, lists a u32 count and the
 * elements. Both sides are of one build: nothing is checked here.
 */
import type {
  BatchToOpen,
  MadeShares,
  OpenedItem,
  SealProof,
  SharesToCombine,
  SharesToMake,
  SharesToVerify,
} from "../../../mev/seal/compute.ts";
import { SealedItemKind } from "../../../proto/codec/seal-state.ts";

/** The functions of `SealCompute`. */
export type Operation = "check" | "makeShares" | "verifyShares" | "combine" | "open";

/** A message to the thread. */
export interface Task {
  readonly operation: Operation;
  readonly buffer: ArrayBuffer;
}

/** How values cross. */
export interface Packing<Value> {
  pack(value: Value): ArrayBuffer;
  /** Views into the buffer. */
  unpack(buffer: ArrayBuffer): Value;
}

const PROOF_KINDS = ["ciphertext", "possession", "shares"] as const;

export const PROOFS: Packing<readonly SealProof[]> = packing(
  (out, proofs) =>
    out.list(proofs, (proof) => {
      out.number(PROOF_KINDS.indexOf(proof.kind));
      if (proof.kind === "ciphertext") {
        out.bytes(proof.label).bytes(proof.kem).bytes(proof.body);
      } else if (proof.kind === "possession") {
        out.bytes(proof.context).bytes(proof.point).bytes(proof.proof);
      } else writeToVerify(out.number(proof.holds ? 1 : 0), proof.of);
    }),
  (from) =>
    from.list((): SealProof => {
      const kind = PROOF_KINDS[from.number()];
      if (kind === "ciphertext") {
        return { kind, label: from.bytes(), kem: from.bytes(), body: from.bytes() };
      }
      if (kind === "possession") {
        return { kind, context: from.bytes(), point: from.bytes(), proof: from.bytes() };
      }
      return { kind: "shares", holds: from.number() === 1, of: readToVerify(from) };
    }),
);

export const VERDICTS: Packing<readonly boolean[]> = packing(
  (out, verdicts) => out.bytes(Uint8Array.from(verdicts, (verdict) => (verdict ? 1 : 0))),
  (from) => Array.from(from.bytes(), (verdict) => verdict === 1),
);

export const TO_MAKE: Packing<readonly SharesToMake[]> = packing(
  (out, asked) =>
    out.list(asked, (one) => {
      out.bytes(one.context).bytes(one.publicShare).bytes(one.points).bytes(one.secret);
    }),
  (from) =>
    from.list(() => ({
      context: from.bytes(),
      publicShare: from.bytes(),
      points: from.bytes(),
      secret: from.bytes(),
    })),
);

export const MADE: Packing<readonly MadeShares[]> = packing(
  (out, made) => out.list(made, ({ shares, proof }) => out.bytes(shares).bytes(proof)),
  (from) => from.list(() => ({ shares: from.bytes(), proof: from.bytes() })),
);

export const TO_VERIFY: Packing<readonly SharesToVerify[]> = packing(
  (out, asked) => out.list(asked, (one) => writeToVerify(out, one)),
  (from) => from.list(() => readToVerify(from)),
);

export const TO_COMBINE: Packing<SharesToCombine> = packing(
  (out, { threshold, shares }) => {
    out.number(threshold).list(shares, ({ ticket, points }) => out.number(ticket).bytes(points));
  },
  (from) => ({
    threshold: from.number(),
    shares: from.list(() => ({ ticket: from.number(), points: from.bytes() })),
  }),
);

export const POINTS: Packing<Uint8Array> = packing(
  (out, points) => out.bytes(points),
  (from) => from.bytes(),
);

export const TO_OPEN: Packing<BatchToOpen> = packing(
  (out, { publicKey, items, points }) => {
    out.bytes(publicKey).bytes(points);
    out.list(items, ({ label, kem, body, rollupIds, kind }) => {
      out.number(kind);
      out.bytes(label).bytes(kem).bytes(body);
      out.list(rollupIds, (id) => out.bytes(id));
    });
  },
  (from) => ({
    publicKey: from.bytes(),
    points: from.bytes(),
    items: from.list(() => ({
      kind: readItemKind(from),
      label: from.bytes(),
      kem: from.bytes(),
      body: from.bytes(),
      rollupIds: from.list(() => from.bytes()),
    })),
  }),
);

const OPENED_KINDS = ["opened", "invalid", "failed"] as const;

export const OPENED: Packing<readonly OpenedItem[]> = packing(
  (out, opened) =>
    out.list(opened, (item) => {
      out.number(OPENED_KINDS.indexOf(item.kind));
      if (item.kind === "opened") {
        out.number(Number(item.amount >> 32n)).number(Number(item.amount & 0xffff_ffffn));
        out.list(item.payloads, (payload) => out.bytes(payload));
      }
      if (item.kind === "invalid") out.bytes(new TextEncoder().encode(item.reason));
    }),
  (from) =>
    from.list((): OpenedItem => {
      const kind = OPENED_KINDS[from.number()];
      if (kind === "opened") {
        const amount = (BigInt(from.number()) << 32n) | BigInt(from.number());
        return { kind, amount, payloads: from.list(() => from.bytes()) };
      }
      if (kind === "invalid") return { kind, reason: new TextDecoder().decode(from.bytes()) };
      return { kind: "failed" };
    }),
);

function readItemKind(from: Unpacker): SealedItemKind {
  const kind = from.number();
  if (kind === SealedItemKind.BUNDLE || kind === SealedItemKind.BID) return kind;
  return SealedItemKind.SEALED;
}

function writeToVerify(out: Packer, one: SharesToVerify): void {
  const { context, publicShare, points, shares, proof } = one;
  out.bytes(context).bytes(publicShare).bytes(points).bytes(shares).bytes(proof);
}

function readToVerify(from: Unpacker): SharesToVerify {
  return {
    context: from.bytes(),
    publicShare: from.bytes(),
    points: from.bytes(),
    shares: from.bytes(),
    proof: from.bytes(),
  };
}

function packing<Value>(
  write: (out: Packer, value: Value) => unknown,
  read: (from: Unpacker) => Value,
): Packing<Value> {
  return {
    pack(value) {
      const out = new Packer();
      write(out, value);
      return out.finish();
    },
    unpack: (buffer) => read(new Unpacker(buffer)),
  };
}

class Packer {
  readonly #parts: (number | Uint8Array)[] = [];
  #length = 0;

  number(value: number): this {
    this.#parts.push(value);
    this.#length += 4;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.number(value.length);
    this.#parts.push(value);
    this.#length += value.length;
    return this;
  }

  list<Value>(values: readonly Value[], write: (value: Value) => unknown): this {
    this.number(values.length);
    for (const value of values) write(value);
    return this;
  }

  finish(): ArrayBuffer {
    const buffer = new ArrayBuffer(this.#length);
    const bytes = new Uint8Array(buffer);
    const view = new DataView(buffer);
    let at = 0;
    for (const part of this.#parts) {
      if (typeof part === "number") {
        view.setUint32(at, part, true);
        at += 4;
      } else {
        bytes.set(part, at);
        at += part.length;
      }
    }
    return buffer;
  }
}

class Unpacker {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  number(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  bytes(): Uint8Array {
    const length = this.number();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  list<Value>(read: () => Value): Value[] {
    const values: Value[] = [];
    for (let left = this.number(); left > 0; left--) values.push(read());
    return values;
  }
}
