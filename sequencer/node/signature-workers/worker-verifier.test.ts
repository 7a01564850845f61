import { afterEach, describe, expect, test } from "vitest";
import { concatBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import {
  createEd25519Verifier,
  generateEd25519KeyPair,
  signEd25519,
  type SignedItem,
  verifyEd25519Sync,
} from "../../../proto/verify/ed25519.ts";
import { runSignatureSelfTest } from "../../../proto/verify/self-test.ts";
import { prefixedItems } from "../../../test/support/prefixed-signatures.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import {
  SIGNATURE_BATCH_BYTES,
  SIGNATURE_BATCH_MAX,
  SIGNATURES_CHECKED_HERE_BYTES_MAX,
} from "../limits.ts";
import { packItems, unpackItems } from "./packing.ts";
import { createWorkerVerifier, type WorkerVerifier } from "./worker-verifier.ts";

const key = generateEd25519KeyPair();
const verifiers: WorkerVerifier[] = [];

function start(logger = NULL_LOGGER): WorkerVerifier {
  const verifier = createWorkerVerifier(logger, () => {}, 0);
  verifiers.push(verifier);
  return verifier;
}

function signed(text: string, isGood = true): SignedItem {
  const message = utf8ToBytes(text);
  const signature = signEd25519(key, isGood ? message : utf8ToBytes("another"));
  return { publicKey: key.publicKey, message, signature };
}

afterEach(async () => {
  for (const verifier of verifiers.splice(0)) await verifier.stop();
});

describe("signatures on a worker", () => {
  test("packing: round trip, empty messages included", () => {
    const items = [signed(""), signed("one"), signed("x".repeat(70_000))];
    expect(unpackItems(packItems(items))).toEqual(items);
    expect(unpackItems(packItems([]))).toEqual([]);
  });

  test("a prefix is signed in front of the message, here and there", async () => {
    const [prefix, message] = [utf8ToBytes("domain"), utf8ToBytes("said")];
    const signature = signEd25519(key, utf8ToBytes("domainsaid"));
    const item = { publicKey: key.publicKey, prefix, message, signature };
    const joined = { publicKey: key.publicKey, message: utf8ToBytes("domainsaid"), signature };
    expect(unpackItems(packItems([item]))).toEqual([joined]);
    const other = { ...item, prefix: utf8ToBytes("another") };
    for (const verifier of [start(), createEd25519Verifier()]) {
      expect(await verifier.verifyBatch([item, other, joined])).toEqual([true, false, true]);
    }
  });

  test("prefixes of all lengths get the verdicts of prefix and message joined", async () => {
    const items = prefixedItems();
    const joined = items.map(({ publicKey, prefix, message, signature }) =>
      verifyEd25519Sync(publicKey, concatBytes(prefix ?? new Uint8Array(0), message), signature),
    );
    const verifier = start();
    expect(await verifier.verifyBatch(items)).toEqual(joined);
    // Each by itself.
    const oneByOne = await Promise.all(items.map((item) => verifier.verifyBatch([item])));
    expect(oneByOne.flat()).toEqual(joined);
  });

  /** Counts what crosses to the thread. */
  function counted(checkedHereMax: number) {
    const count = { sent: 0 };
    const verifier = createWorkerVerifier(
      NULL_LOGGER,
      (worker) => {
        const post = worker.postMessage.bind(worker);
        worker.postMessage = (...args: Parameters<typeof post>) => {
          count.sent += 1;
          post(...args);
        };
      },
      checkedHereMax,
    );
    verifiers.push(verifier);
    return { verifier, count };
  }

  test("a few good ones are checked here, bad and many ones there, with the same verdicts", async () => {
    const { verifier, count } = counted(2);
    expect(await verifier.verifyBatch([signed("a"), signed("b")])).toEqual([true, true]);
    expect(count.sent).toBe(0);
    const [good, bad] = await Promise.all([
      verifier.verifyBatch([signed("c")]),
      verifier.verifyBatch([signed("d", false)]),
    ]);
    expect([good, bad]).toEqual([[true], [false]]);
    expect(count.sent).toBe(1);
    const many = [signed("e"), signed("f"), signed("g")];
    expect(await verifier.verifyBatch(many)).toEqual([true, true, true]);
    expect(count.sent).toBe(2);
  });

  test("a few whose messages are long are checked there, prefixes included", async () => {
    const { verifier, count } = counted(2);
    const prefix = new Uint8Array(SIGNATURES_CHECKED_HERE_BYTES_MAX);
    const message = utf8ToBytes("m");
    const signature = signEd25519(key, concatBytes(prefix, message));
    const item = { publicKey: key.publicKey, prefix, message, signature };
    expect(await verifier.verifyBatch([item])).toEqual([true]);
    expect(count.sent).toBe(1);
    const shorter = prefix.subarray(1);
    const other = signEd25519(key, concatBytes(shorter, message));
    expect(await verifier.verifyBatch([{ ...item, prefix: shorter, signature: other }])).toEqual([
      true,
    ]);
    expect(count.sent).toBe(1);
  });

  test("what is too much for one batch crosses in several, whatever the size of its messages", async () => {
    const { verifier, count } = counted(0);
    const long = "x".repeat(SIGNATURE_BATCH_BYTES / 4);
    const items = [
      ...Array.from({ length: 9 }, (_, i) => signed(`${i}${long}`, i !== 4)),
      signed("y".repeat(SIGNATURE_BATCH_BYTES + 1)),
      ...Array.from({ length: 2 * SIGNATURE_BATCH_MAX }, (_, i) => signed(`${i}`, i % 90 !== 7)),
    ];
    const valid = items.map(({ publicKey, message, signature }) =>
      verifyEd25519Sync(publicKey, message, signature),
    );
    // 3 + 3 + 3, the largest by itself, 100 + 100; the same again in the buffers that came back.
    for (const sent of [6, 12, 18]) {
      expect(await verifier.verifyBatch(items)).toEqual(valid);
      expect(count.sent).toBe(sent);
    }
    expect(await Promise.all(items.map((item) => verifier.verifyBatch([item])))).toEqual(
      valid.map((isValid) => [isValid]),
    );
  });

  test("the rule is ZIP-215 there too", async () => {
    await expect(runSignatureSelfTest(start())).resolves.toBeUndefined();
  });

  test("each answer belongs to its question, whatever the batches, bad ones and wrong lengths included", async () => {
    const verifier = start();
    const requests = Array.from({ length: 60 }, (_, i) =>
      Array.from({ length: i % 7 }, (_, j) =>
        j === 3
          ? { ...signed(`${i}/${j}`), signature: new Uint8Array(3) }
          : signed(`${i}/${j}`, (i + j) % 3 !== 0),
      ),
    );
    const verdicts = await Promise.all(requests.map((items) => verifier.verifyBatch(items)));
    expect(verdicts).toEqual(
      requests.map((items, i) => items.map((_, j) => j !== 3 && (i + j) % 3 !== 0)),
    );
  });

  test("a thread that ends is reported, and checks go on without it", async () => {
    const errors: string[] = [];
    const logger = { ...NULL_LOGGER, error: (message: string) => void errors.push(message) };
    let end: () => void = () => {};
    const verifier = createWorkerVerifier(logger, (worker) => {
      end = () => void worker.terminate();
    });
    const asked = verifier.verifyBatch(Array.from({ length: 500 }, (_, i) => signed(`${i}`)));
    end();
    expect(await asked).toEqual(Array.from({ length: 500 }, () => true));
    const later = signed("later");
    expect(await verifier.verify(later.publicKey, later.message, later.signature)).toBe(true);
    expect(errors).toHaveLength(1);
  });
});
