import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { removeDirectory, temporaryDirectory } from "../../test/support/evm-rollup.ts";
import { signerOf } from "../../test/support/traffic.ts";
import { BATCH_PREFIX } from "../gateway/batch.ts";
import { openSequenceStore } from "../gateway/bundles/sequences.ts";
import { openJournalStore } from "../gateway/journal/journal-store.ts";
import { createAdapterMetrics } from "../metrics.ts";
import { loadRollupConfig, type RollupConfigDocument } from "../node/rollup-config.ts";
import type { RollupNode } from "../node/rollup-node.ts";
import { startEvmRollupNode } from "./evm-rollup-node.ts";

/** Nobody listens there: a node starts, and waits for its sequencer. */
const NO_SEQUENCER = "127.0.0.1:1";
const KEY = signerOf(ed25519KeyPairFromSeed(new Uint8Array(32).fill(7)));

let directory: string;
const listeners: Server[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(async () => {
  for (const listener of listeners.splice(0)) listener.close();
  await removeDirectory(directory);
});

function start(more: Partial<RollupConfigDocument> = {}): Promise<RollupNode> {
  const document: RollupConfigDocument = {
    sequencer: {
      chain_id: "test",
      nodes: [NO_SEQUENCER],
      start_height: 1,
      trust: { height: 0, next_validators_hash: "00".repeat(32) },
    },
    rpc: { port: 0 },
    atomic: {},
    genesis: { rollup: "alpha", chainId: "7001", timestamp: "1700000000", alloc: {} },
    ...more,
  };
  const file = join(directory, "rollup.json");
  writeFileSync(file, JSON.stringify(document));
  return startEvmRollupNode(
    {
      config: loadRollupConfig(file),
      dataDirectory: join(directory, "data"),
      clientVersion: "weft/test",
    },
    {
      gatewayKey: KEY,
      executorKey: KEY,
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: createAdapterMetrics(createPrometheusRegistry()),
    },
  );
}

async function takenPort(): Promise<number> {
  const listener = createServer();
  listeners.push(listener);
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("expected a port");
  return address.port;
}

/** Fails where a failed start has left a database open: one process opens it once. */
async function expectStarts(): Promise<void> {
  const node = await start();
  expect(node.readiness().status).toBe("syncing");
  await node.stop();
}

describe("a node of an EVM rollup that does not start leaves nothing open", () => {
  const record = { type: "put", key: `${BATCH_PREFIX}aa`, value: Buffer.from("{}") } as const;

  test("when its journal is damaged", async () => {
    const path = join(directory, "data", "gateway");
    const damaged = await openJournalStore(path);
    await damaged.write([record], true);
    await damaged.close();
    await expect(start()).rejects.toMatchObject({ code: "GATEWAY_JOURNAL_DAMAGED" });
    const mended = await openJournalStore(path);
    await mended.write([{ type: "del", key: record.key }], true);
    await mended.close();
    await expectStarts();
  });

  test("when another process has the searchers' sequences", async () => {
    const other = await openSequenceStore(join(directory, "data", "bundles"));
    await expect(start()).rejects.toThrow("bundles");
    await other.close();
    await expectStarts();
  });

  test("when the port of its RPC, or of the execution service, is taken", async () => {
    const port = await takenPort();
    await expect(start({ rpc: { port } })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await expect(start({ execution: { host: "127.0.0.1", port } })).rejects.toThrow(
      "cannot serve the executor",
    );
    await expectStarts();
  });

  test("when the store of its votes is damaged", async () => {
    const path = join(directory, "data", "executor");
    const damaged = await openJournalStore(path);
    await damaged.write([record], true);
    await damaged.close();
    await expect(start()).rejects.toMatchObject({ code: "VOTER_STORE_INVALID" });
    const mended = await openJournalStore(path);
    await mended.write([{ type: "del", key: record.key }], true);
    await mended.close();
    await expectStarts();
  });
});
