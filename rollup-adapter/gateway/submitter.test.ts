import { afterEach, describe, expect, it, vi } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { bytesEqual, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupDataEntries, rollupIdOfName, txId } from "../../proto/codec/weft-tx.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import {
  createFailoverClient,
  type SubmitClient,
  type SubmitNode,
} from "../client/failover-client.ts";
import type { ChainInfo, SubmitOutcome } from "../client/sequencer-client.ts";
import {
  BEHIND_BLOCKS_MAX,
  CHAIN_INFO_AGE_MS,
  RESEND_BLOCKS,
  SEAL_TRIES_MAX,
  SEALED_BATCH_BYTES_MAX,
} from "../limits.ts";
import { NULL_GATEWAY_METRICS } from "./metrics.ts";
import type { Sealer, SealerErrorInfo, SealingKey } from "./sealer.ts";
import { createSubmitter, type Submitter } from "./submitter.ts";

const ROLLUP = RollupId(toHex(rollupIdOfName("alpha")));
const CHAIN: ChainInfo = {
  chainId: "weft-test",
  height: Height(10),
  initialHeight: Height(1),
  earliestHeight: Height(1),
  baseFeePerByte: 1n,
  unorderedWindow: 600,
  itemBytesMax: 1 << 20,
  isCatchingUp: false,
};
const CODE_KEY_OLD = 221;

const stops: Submitter[] = [];
afterEach(() => {
  for (const submitter of stops.splice(0)) submitter.stop();
  vi.restoreAllMocks();
});

/** A sequencer that takes all, unless `codeOf` says otherwise; `sealing`: the key that the gateway knows. */
function createFixture(options: {
  readonly sealing?: { key: SealingKey | string };
  readonly codeOf?: (count: number) => number;
  /** Left out: one that takes all. */
  readonly client?: SubmitClient;
}) {
  const items: { readonly id: Uint8Array; readonly action: ReturnType<typeof actionOf> }[] = [];
  const { sealing } = options;
  const asked: boolean[] = [];
  const sealer: Sealer = {
    key(isFresh = false) {
      asked.push(isFresh);
      const key = sealing?.key ?? "no key";
      if (typeof key !== "string") return Promise.resolve(key);
      const info: SealerErrorInfo = { code: "GATEWAY_SEAL_CLOSED" };
      return Promise.reject(new WeftError<SealerErrorInfo>(info, key));
    },
    // What it hides is another test's matter: here one sees what would be in it.
    seal: ({ key, parts, maxHeight }): Sealed => ({
      kind: "sealed",
      key: key.number,
      rollupIds: parts.map(({ rollupId }) => rollupId),
      maxHeight,
      kem: new Uint8Array(192),
      body: new Uint8Array(272).fill(parts[0]?.data.length ?? 0),
    }),
    sealBundle: unused,
    sealBid: unused,
  };
  const submitter = createSubmitter(
    { rollupId: ROLLUP, coalesceMs: 0, expiryBlocks: 60, tipPerByte: 0n },
    {
      client: options.client ?? {
        chainInfo: () => Promise.resolve(CHAIN),
        ordered: () => Promise.resolve([]),
        submit(item): Promise<SubmitOutcome> {
          const decoded = decodeItem(item);
          if (decoded.kind !== "tx") throw new Error("expected a transaction");
          const id = txId(CHAIN.chainId, decoded.tx.bodyBytes);
          const isDuplicate = items.some((one) => bytesEqual(one.id, id));
          if (!isDuplicate) items.push({ id, action: actionOf(item) });
          const code = options.codeOf?.(items.length) ?? 0;
          const reason = code === 0 ? "" : `code ${code}`;
          const outcome = { id, hash: id, code, codespace: "weft", reason, isDuplicate };
          return Promise.resolve(outcome);
        },
      },
      key: { publicKey: new Uint8Array(32).fill(7), sign: () => new Uint8Array(64) },
      sealer: sealing === undefined ? undefined : sealer,
      logger: NULL_LOGGER,
      metrics: NULL_GATEWAY_METRICS,
    },
  );
  stops.push(submitter);
  return { submitter, items, asked };
}

function unused(): never {
  throw new Error("not asked for here");
}

function actionOf(item: Uint8Array) {
  const decoded = decodeItem(item);
  if (decoded.kind !== "tx") throw new Error("expected a transaction");
  return decoded.tx.body.action;
}

function keyAt(number: number, changes: Partial<SealingKey> = {}): SealingKey {
  return {
    number,
    publicKey: new Uint8Array(32).fill(number),
    fromHeight: Height(1),
    endHeight: undefined,
    ...changes,
  };
}

const payload = utf8ToBytes("payload");
const block = (height: number, itemIds: readonly Uint8Array[] = []) => ({
  height: Height(height),
  itemIds,
  unopenedIds: [],
});

describe("a gateway that does not seal", () => {
  it("behavior: payloads that come together are one submission, settled once it is ordered", async () => {
    const { submitter, items } = createFixture({});
    await Promise.all([submitter.submit(payload), submitter.submit(utf8ToBytes("second"))]);
    const [sent] = items;
    if (sent?.action.kind !== "rollupData") throw new Error("expected rollup data");
    expect(
      rollupDataEntries(sent.action.payload).map((entry) => Buffer.from(entry).toString()),
    ).toEqual(["payload", "second"]);
    expect(submitter.pendingCount()).toBe(2);
    submitter.blockOrdered(block(11, [sent.id]));
    expect(submitter.pendingCount()).toBe(0);
  });
});

describe("a gateway on a chain that is faster than it asks", () => {
  it("behavior: what expired before a node took it is signed anew, and the old one is void", async () => {
    const { submitter, items } = createFixture({ codeOf: (count) => (count === 1 ? 22 : 0) });
    await submitter.submit(payload);
    expect(items).toHaveLength(2);
    submitter.blockOrdered(
      block(
        11,
        items.slice(1).map(({ id }) => id),
      ),
    );
    expect(submitter.pendingCount()).toBe(0);
  });
});

describe("a node that is cut off from its peers", () => {
  it("behavior: what it took is sent to one that is up, as it was", async () => {
    const now = vi.spyOn(performance, "now");
    const sent: { readonly node: string; readonly item: string }[] = [];
    let head = 10;
    const nodeAt = (node: string, height: () => number): SubmitNode => ({
      chainInfo: () => Promise.resolve({ ...CHAIN, height: Height(height()) }),
      submit(item) {
        sent.push({ node, item: toHex(item) });
        const bytes = new Uint8Array(32);
        const taken = { id: bytes, hash: bytes, code: 0, codespace: "", reason: "" };
        return Promise.resolve({ ...taken, isDuplicate: false });
      },
      blocks: unused,
      entryProof: unused,
      rollup: unused,
      sealKey: unused,
      transactionStatus: unused,
    });
    const nodes = [nodeAt("cut off", () => 10), nodeAt("up", () => head)];
    const { submitter } = createFixture({ client: createFailoverClient(nodes) });
    await submitter.submit(payload);
    for (; head <= 10 + BEHIND_BLOCKS_MAX + RESEND_BLOCKS; head++) {
      now.mockReturnValue(head * CHAIN_INFO_AGE_MS * 2);
      submitter.blockOrdered(block(head));
    }
    await vi.waitFor(() => expect(sent.at(-1)?.node).toBe("up"));
    expect(sent[0]?.node).toBe("cut off");
    expect(new Set(sent.map(({ item }) => item)).size).toBe(1);
  });
});

describe("submissions of one gateway that a block may hold together", () => {
  it.each([
    ["plain", {}],
    ["sealed", { sealing: { key: keyAt(1) } }],
  ])("behavior: %s ones stand in it in the order in which they were made", async (_, options) => {
    const { submitter, items } = createFixture(options);
    for (let i = 0; i < 6; i++) await submitter.submit(utf8ToBytes(`payload ${i}`));
    const ids = items.map(({ id }) => toHex(id));
    expect(new Set(ids).size).toBe(6);
    // Of one price the lower id comes first.
    expect(ids).toEqual(ids.toSorted());
  });
});

describe("a gateway that seals", () => {
  it("behavior: submits nothing in the clear", async () => {
    const { submitter, items } = createFixture({ sealing: { key: keyAt(1) } });
    await Promise.all([submitter.submit(payload), submitter.submit(utf8ToBytes("other"))]);
    expect(items).toHaveLength(1);
    expect(items[0]?.action).toMatchObject({ kind: "sealed", key: 1, maxHeight: 69 });
    const action = items[0]?.action;
    expect(action?.kind === "sealed" && action.body[0]).toBe(2);
  });

  it("behavior: where nothing sealed is taken the wallet is told why, and nothing is sent", async () => {
    const { submitter, items } = createFixture({ sealing: { key: "the network has no key" } });
    await expect(submitter.submit(payload)).rejects.toThrow("the network has no key");
    await expect(submitter.submit(payload)).rejects.toMatchObject({ code: "GATEWAY_SEAL_CLOSED" });
    expect([items.length, submitter.pendingCount()]).toEqual([0, 0]);
  });

  it("behavior: what is refused for its key is sealed again for the key in force", async () => {
    const { submitter, items, asked } = createFixture({
      sealing: { key: keyAt(1) },
      codeOf: (count) => (count === 1 ? CODE_KEY_OLD : 0),
    });
    await submitter.submit(payload);
    expect([items.length, asked]).toEqual([2, [false, true]]);
    // Only the second one counts.
    submitter.blockOrdered(
      block(
        11,
        items.slice(0, 1).map(({ id }) => id),
      ),
    );
    expect(submitter.pendingCount()).toBe(1);
    submitter.blockOrdered(
      block(
        12,
        items.slice(1).map(({ id }) => id),
      ),
    );
    expect(submitter.pendingCount()).toBe(0);

    const refused = createFixture({ sealing: { key: keyAt(1) }, codeOf: () => CODE_KEY_OLD });
    await expect(refused.submitter.submit(payload)).rejects.toMatchObject({
      code: "GATEWAY_REFUSED",
    });
    expect([refused.items.length, refused.submitter.pendingCount()]).toEqual([SEAL_TRIES_MAX, 0]);
  });

  it("behavior: a submission ends with its key", async () => {
    const { submitter, items } = createFixture({
      sealing: { key: keyAt(1, { endHeight: Height(20) }) },
    });
    await submitter.submit(payload);
    expect(items[0]?.action).toMatchObject({ maxHeight: 19 });
    submitter.blockOrdered(block(19));
    expect(items).toHaveLength(1);
    submitter.blockOrdered(block(20));
    await vi.waitFor(() => expect(items).toHaveLength(2));
  });

  it("behavior: what waits when its key is replaced is sealed for the next one, long before it expires", async () => {
    const sealing = { key: keyAt(1) };
    const { submitter, items } = createFixture({ sealing });
    await submitter.submit(payload);
    sealing.key = keyAt(2, { fromHeight: Height(15) });
    submitter.blockOrdered(block(14));
    // The gateway learns of the key beside its work.
    await vi.waitFor(() => {
      submitter.blockOrdered(block(15));
      expect(items.map(({ action }) => action.kind === "sealed" && action.key)).toEqual([1, 2]);
    });
    expect(submitter.pendingCount()).toBe(1);
  });

  it("behavior: what was ordered and never opened is sent again", async () => {
    const { submitter, items } = createFixture({ sealing: { key: keyAt(1) } });
    await submitter.submit(payload);
    const ids = items.map(({ id }) => id);
    submitter.blockOrdered({ ...block(11, ids), unopenedIds: ids });
    await vi.waitFor(() => expect(items).toHaveLength(2));
    submitter.blockOrdered(
      block(
        30,
        items.slice(1).map(({ id }) => id),
      ),
    );
    expect(submitter.pendingCount()).toBe(0);
  });

  it("behavior: a payload fits the largest bucket or is refused at once", async () => {
    const { submitter, items } = createFixture({ sealing: { key: keyAt(1) } });
    const largest = new Uint8Array(SEALED_BATCH_BYTES_MAX - 6);
    await submitter.submit(largest);
    await expect(submitter.submit(new Uint8Array(largest.length + 1))).rejects.toMatchObject({
      code: "GATEWAY_PAYLOAD_TOO_LARGE",
    });
    await Promise.all([submitter.submit(largest.fill(1)), submitter.submit(payload)]);
    expect(items).toHaveLength(3);
  });
});
