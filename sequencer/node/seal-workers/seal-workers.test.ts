import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { LOCAL_SEAL_COMPUTE } from "../../../test/support/seal-compute.ts";
import { scalarOf, testSealKey } from "../../../test/support/seal-key.ts";
import { testValidators } from "../../../test/support/application-keys.ts";
import { SealedItemKind } from "../../../proto/codec/seal-state.ts";
import { concatBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import type {
  BatchToOpen,
  SealCompute,
  SealProof,
  SharesToMake,
  SharesToVerify,
} from "../../../mev/seal/compute.ts";
import { encodeContent, padContent } from "../../../mev/seal/content.ts";
import { createGroup } from "../../../mev/seal/group/group.ts";
import { createTdh2 } from "../../../mev/seal/tdh2.ts";
import type { Logger } from "../../ports/logger.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSealWorkers, type SealWorkers } from "./seal-workers.ts";

const tdh2 = createTdh2(createGroup());
const { validators } = testValidators([1n, 1n, 1n, 1n]);
const key = testSealKey(1, validators, [1, 1, 1, 1], 3);
const rollupIds = [rollupIdOfName("alpha")];
const context = utf8ToBytes("context");
const opened: SealWorkers[] = [];

afterEach(async () => {
  for (const workers of opened.splice(0)) await workers.stop();
});

interface Watched {
  readonly workers: SealWorkers;
  readonly threads: Worker[];
  readonly errors: string[];
  /** Work that was done on the main loop. */
  readonly here: string[];
}

function start(threads: number, incomingWaitingMax = 1_000): Watched {
  const started: Worker[] = [];
  const errors: string[] = [];
  const here: string[] = [];
  const logger: Logger = { ...NULL_LOGGER, error: (message) => errors.push(message) };
  const workers = createSealWorkers(
    { threads, incomingWaitingMax },
    { local: watched(here), logger, onStarted: (worker) => started.push(worker) },
  );
  opened.push(workers);
  return { workers, threads: started, errors, here };
}

function watched(here: string[]): SealCompute {
  return {
    check: (proofs) => (here.push("check"), LOCAL_SEAL_COMPUTE.check(proofs)),
    makeShares: (asked) => (here.push("make"), LOCAL_SEAL_COMPUTE.makeShares(asked)),
    verifyShares: (asked) => (here.push("verify"), LOCAL_SEAL_COMPUTE.verifyShares(asked)),
    combine: (asked) => (here.push("combine"), LOCAL_SEAL_COMPUTE.combine(asked)),
    open: (batch) => (here.push("open"), LOCAL_SEAL_COMPUTE.open(batch)),
  };
}

function ciphertext(index: number): SealProof & { readonly kind: "ciphertext" } {
  const label = utf8ToBytes(`label ${index}`);
  const content = encodeContent([
    { rollupId: rollupIds[0] ?? context, data: [utf8ToBytes(`order ${index}`)] },
  ]);
  const randomness = {
    seed: scalarOf(`seed ${index}`),
    nonce: concatBytes(scalarOf(`a ${index}`), scalarOf(`b ${index}`)),
  };
  const sealed = tdh2.encrypt(key.state.publicKey, label, padContent(content), randomness);
  return { kind: "ciphertext", label, ...sealed };
}

function sharesToMake(ticket: number, points: Uint8Array): SharesToMake {
  const publicShare = key.state.publicShares.subarray((ticket - 1) * 32, ticket * 32);
  const secret = key.secretOf(1, ticket);
  if (secret === undefined) throw new Error("the ticket has a secret");
  return { context, publicShare, points, secret };
}

describe("behavior: sealed arithmetic on threads", () => {
  test("answers as the same work on this thread does, the whole way", async () => {
    const { workers, here } = start(2);
    const items = Array.from({ length: 150 }, (_, i) => ciphertext(i));
    for (const compute of [workers.compute, workers.incoming]) {
      const bad = items.map((item, i) => (i === 140 ? { ...item, label: context } : item));
      const possession: SealProof = {
        kind: "possession",
        context,
        point: key.state.publicShares.subarray(0, 32),
        proof: new Uint8Array(64),
      };
      const verdicts = await compute.check([...bad, possession]);
      expect(verdicts).toEqual([...items.map((_, i) => i !== 140), false]);

      const points = concatBytes(...items.map(({ kem }) => kem.slice(0, 32)));
      const asked = [1, 2, 4].map((ticket) => sharesToMake(ticket, points));
      const made = await compute.makeShares(asked);
      expect(made).toEqual(await LOCAL_SEAL_COMPUTE.makeShares(asked));
      const toVerify = asked.map((one, i): SharesToVerify => {
        const { shares, proof } = made[i] ?? { shares: context, proof: context };
        return { ...one, shares, proof };
      });
      const damaged = toVerify.map((one, i) => (i === 1 ? { ...one, context: points } : one));
      expect(await compute.verifyShares(damaged)).toEqual([true, false, true]);
      const proofs = damaged.map((of): SealProof => ({ kind: "shares", holds: false, of }));
      expect(await compute.check(proofs)).toEqual([false, true, false]);

      const z = await compute.combine({
        threshold: 3,
        shares: [1, 2, 4].map((ticket, i) => ({ ticket, points: made[i]?.shares ?? points })),
      });
      const batch: BatchToOpen = {
        publicKey: key.state.publicKey,
        items: items.map(({ label, kem, body }, i) => ({
          label,
          kem,
          body,
          kind: SealedItemKind.SEALED,
          rollupIds: i === 149 ? [rollupIdOfName("beta")] : rollupIds,
        })),
        points: z.with(0, (z[0] ?? 0) ^ 1),
      };
      const found = await compute.open(batch);
      expect(found).toEqual(await LOCAL_SEAL_COMPUTE.open(batch));
      expect(found.map(({ kind }) => kind)).toEqual([
        "failed",
        ...Array.from({ length: 148 }, () => "opened"),
        "invalid",
      ]);
    }
    expect(here).toEqual([]);
  });

  test("starts no thread before there is work for one", async () => {
    const { workers, threads } = start(2);
    expect(threads).toHaveLength(0);
    await workers.compute.check([ciphertext(1)]);
    expect(threads).toHaveLength(2);
  });

  test("what consensus waits for goes before what waits for the pool", async () => {
    const { workers } = start(1);
    const items = [ciphertext(1)];
    const order: string[] = [];
    const points = items[0]?.kem.slice(0, 32) ?? context;
    const first = workers.incoming.check(
      Array.from({ length: 200 }, () => items[0] ?? ciphertext(1)),
    );
    await Promise.all([
      first.then(() => order.push("pool")),
      workers.compute.makeShares([sharesToMake(1, points)]).then(() => order.push("block")),
    ]);
    expect(order).toEqual(["block", "pool"]);
  });

  test("a thread that ends is told of once; its work is done, and the others go on", async () => {
    const { workers, threads, errors } = start(2);
    const item = ciphertext(3);
    await workers.compute.check([item]);
    const underWay = Array.from({ length: 8 }, () => workers.compute.check(Array(100).fill(item)));
    await threads[0]?.terminate();
    for (const verdicts of await Promise.all(underWay))
      expect(verdicts).toEqual(Array(100).fill(true));
    expect(errors).toHaveLength(1);
    expect(await workers.compute.check([item])).toEqual([true]);
  });

  test("without any thread the work is done here, and right", async () => {
    const { workers, threads, errors, here } = start(1);
    const item = ciphertext(4);
    await workers.compute.check([item]);
    await threads[0]?.terminate();
    expect(await workers.compute.check([item, { ...item, body: context }])).toEqual([true, false]);
    expect(await workers.incoming.check([item])).toEqual([true]);
    expect(here.length).toBeGreaterThan(0);
    expect(errors).toHaveLength(1);
  });

  test("so many submitted proofs may wait, and no more", async () => {
    const { workers } = start(1, 200);
    const item = ciphertext(5);
    const many = Array.from({ length: 200 }, () => item);
    const first = workers.incoming.check(many);
    await expect(workers.incoming.check([item])).rejects.toMatchObject({
      code: "SEAL_COMPUTE_BUSY",
    });
    // Blocks and votes are bounded by themselves.
    expect(await workers.compute.check([item])).toEqual([true]);
    expect(await first).toHaveLength(many.length);
    expect(await workers.incoming.check([item])).toEqual([true]);
  });
});
