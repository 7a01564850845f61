/**
 * `SealCompute` on this thread: in a worker, in tests, in the simulator, and in a node whose threads have
 * ended. Large work pauses between slices of a few milliseconds.
 */
import { concatBytes } from "../../proto/bytes.ts";
import { assertNever } from "../../proto/errors.ts";
import type {
  BatchToOpen,
  MadeShares,
  OpenedItem,
  SealCompute,
  SealProof,
  SharesToMake,
  SharesToVerify,
} from "./compute.ts";
import { POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { openPlaintext } from "./open-plaintext.ts";
import type { Ciphertext, Tdh2 } from "./tdh2.ts";

/** Ciphertexts that are checked or opened at once, and points that shares are made of: 1 to 7 ms. */
const ITEMS_PER_SLICE = 96;

/** @param pause lets others run between slices; without it all is done at once, as on a thread of its own */
export function createLocalCompute(tdh2: Tdh2, pause?: () => Promise<void>): SealCompute {
  const sliceItems = pause === undefined ? Infinity : ITEMS_PER_SLICE;

  async function* slices<One>(items: readonly One[]) {
    for (let at = 0; at < items.length; at += sliceItems) {
      if (at > 0) await pause?.();
      yield items.slice(at, at + sliceItems);
    }
  }

  async function makeOne(one: SharesToMake): Promise<MadeShares> {
    const { context, publicShare, points, secret } = one;
    const made: Uint8Array[] = [];
    const sliceBytes = sliceItems * POINT_BYTES;
    for (let at = 0; at < points.length; at += sliceBytes) {
      if (at > 0) await pause?.();
      made.push(tdh2.makeShares(secret, points.subarray(at, at + sliceBytes)));
    }
    const shares = concatBytes(...made);
    return { shares, proof: tdh2.proveShares(context, secret, publicShare, points, shares) };
  }

  return {
    async check(proofs) {
      const verdicts: boolean[] = [];
      for await (const slice of slices(proofs)) verdicts.push(...checkSlice(tdh2, slice));
      return verdicts;
    },

    async makeShares(asked) {
      const made: MadeShares[] = [];
      for (const one of asked) made.push(await makeOne(one));
      return made;
    },

    async verifyShares(asked) {
      const verdicts: boolean[] = [];
      for (const one of asked) {
        if (verdicts.length > 0) await pause?.();
        verdicts.push(holds(tdh2, one));
      }
      return verdicts;
    },

    async combine({ threshold, shares }) {
      return tdh2.combine(shares, threshold);
    },

    async open({ publicKey, items, points }) {
      const opened: OpenedItem[] = [];
      for await (const slice of slices(items)) {
        const at = opened.length * POINT_BYTES;
        const end = at + slice.length * POINT_BYTES;
        opened.push(...openSlice(tdh2, publicKey, slice, points.subarray(at, end)));
      }
      return opened;
    },
  };
}

/** Ciphertexts together, which costs half as much for each. */
function checkSlice(tdh2: Tdh2, proofs: readonly SealProof[]): readonly boolean[] {
  const ciphertexts: Ciphertext[] = [];
  for (const proof of proofs) if (proof.kind === "ciphertext") ciphertexts.push(proof);
  const valid = tdh2.checkCiphertexts(ciphertexts);
  let at = 0;
  return proofs.map((proof) => {
    switch (proof.kind) {
      case "ciphertext":
        return valid[at++] === true;
      case "possession":
        return tdh2.verifyPossession(proof.context, proof.point, proof.proof);
      case "shares":
        return holds(tdh2, proof.of) === proof.holds;
      default:
        return assertNever(proof, "proof");
    }
  });
}

/** Lengths first: they may come from anybody. */
function holds(tdh2: Tdh2, asked: SharesToVerify): boolean {
  const { context, publicShare, points, shares, proof } = asked;
  if (points.length === 0 || points.length % POINT_BYTES !== 0) return false;
  return tdh2.verifyShares(context, publicShare, points, shares, proof);
}

function openSlice(
  tdh2: Tdh2,
  publicKey: Uint8Array,
  items: BatchToOpen["items"],
  points: Uint8Array,
): readonly OpenedItem[] {
  const seeds = tdh2.open(publicKey, items, points);
  return items.map(({ label, kem, body, rollupIds, kind }, i): OpenedItem => {
    const seed = seeds[i];
    if (seed === undefined) return { kind: "failed" };
    const plaintext = tdh2.decrypt(label, kem, seed, body);
    if (plaintext === undefined) {
      return { kind: "invalid", reason: "the body does not belong to its key" };
    }
    const content = openPlaintext(kind, plaintext, rollupIds);
    return content.kind === "content" ? { ...content, kind: "opened" } : content;
  });
}
