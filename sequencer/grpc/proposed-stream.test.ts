/** Proposals before anybody has decided, over a real listener. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Height } from "../../proto/brands.ts";
import type { ProposedRollupBlock } from "../../proto/grpc/mev-service.ts";
import { rollupDataEntries, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createGrpcMevClient } from "../../rollup-adapter/client/grpc-mev-client.ts";
import { createChainBlocks } from "../../test/support/chain-blocks.ts";
import { TEST_CHAIN_ID } from "../../test/support/chain-builder.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import {
  dataFor,
  nonce,
  signedItem,
  TestChain,
  unordered,
  wallet,
} from "../../test/support/weft-app.ts";
import type { BlockSlices } from "../app/block-slices.ts";
import type { ProposedBlock } from "../app/weft-application.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";
import type { GrpcApplication } from "./ports.ts";
import { createGrpcServer } from "./server.ts";

const ALPHA = rollupIdOfName("alpha");
const cleanups: (() => Promise<void> | void)[] = [];
let chain: TestChain;

beforeEach(async () => {
  chain = await TestChain.start({ validators: 1 });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** What a reader has been sent, and why it ended. */
async function read(onProposed: GrpcApplication["onProposed"], rollupId = ALPHA) {
  const { blocks, application } = createChainBlocks([]);
  let readers = 0;
  const server = createGrpcServer(
    { host: "127.0.0.1", port: 0, streamsMax: 4, streamsOfPeerMax: 4 },
    {
      node: {
        chainId: TEST_CHAIN_ID,
        initialHeight: Height(1),
        version: "test",
        isCatchingUp: () => false,
      },
      blocks,
      application: {
        ...application,
        onProposed: (listener) => {
          const stop = onProposed(listener);
          readers += 1;
          return () => {
            readers -= 1;
            stop();
          };
        },
      },
      clock: createManualClock(),
      logger: NULL_LOGGER,
      metrics: NULL_GRPC_METRICS,
    },
  );
  const client = createGrpcMevClient(`127.0.0.1:${await server.start()}`);
  const abort = new AbortController();
  const sent: ProposedRollupBlock[] = [];
  const reading = (async () => {
    for await (const block of client.proposedBlocks(rollupId, abort.signal)) sent.push(block);
  })();
  reading.catch(() => {});
  cleanups.push(
    () => server.stop(),
    () => client.close(),
    () => abort.abort(),
  );
  return { sent, reading, stop: () => abort.abort(), readers: () => readers };
}

const textsOf = ({ entries }: ProposedRollupBlock): readonly string[] =>
  entries.flatMap(({ payload }) =>
    rollupDataEntries(payload).map((one) => Buffer.from(one).toString()),
  );

describe("proposed blocks", () => {
  it("behavior: a proposal is shown when it is accepted, marked unsafe, and once more when another one comes", async () => {
    const { sent, readers } = await read((listener) => chain.app.onProposed(listener));
    await vi.waitFor(() => expect(readers()).toBe(1));
    await chain.submit(signedItem(wallet(0), nonce(0), dataFor("alpha", "first")));
    const first = chain.processRequest(await chain.prepare(0));
    expect(await chain.app.processProposal(first)).toEqual({ accept: true });
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({
      height: 1,
      blockHash: new Uint8Array(first.hash),
      proposer: new Uint8Array(first.proposerAddress),
      unsafe: true,
    });
    expect(sent.map(textsOf)).toEqual([["first"]]);
    await chain.submit(signedItem(wallet(1), unordered(9), dataFor("alpha", "second")));
    await chain.decide(await chain.prepare(0));
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent.map(({ height }) => height)).toEqual([1, 1]);
    expect(new Set(sent.map(({ blockHash }) => Buffer.from(blockHash).toString("hex"))).size).toBe(
      2,
    );
    expect(sent[1] && [...textsOf(sent[1])].sort()).toEqual(["first", "second"]);
  });

  it("behavior: what is refused is not shown, and nothing before the verdict", async () => {
    const shown: ProposedBlock[] = [];
    const stop = chain.app.onProposed((block) => shown.push(block));
    const txs = await chain.prepare(0);
    const refused = chain.processRequest([...txs, ...txs]);
    expect(await chain.app.processProposal(refused)).toMatchObject({ accept: false });
    const accepted = chain.processRequest(txs);
    expect(await chain.app.processProposal(accepted)).toEqual({ accept: true });
    expect(shown).toEqual([]);
    await vi.waitFor(() => expect(shown).toHaveLength(1));
    expect(shown[0]?.hash).toEqual(accepted.hash);
    stop();
    await chain.step(0);
    await chain.step(0);
    expect(shown).toHaveLength(1);
  });

  it("behavior: while one is taken apart, only the newest of those that come is kept", async () => {
    let show: (block: ProposedBlock) => void = () => {};
    const { sent, readers } = await read((listener) => {
      show = listener;
      return () => {};
    });
    await vi.waitFor(() => expect(readers()).toBe(1));
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const block = (height: number, wait: Promise<void>): ProposedBlock => ({
      height: Height(height),
      hash: new Uint8Array(32).fill(height),
      proposerAddress: new Uint8Array(20),
      time: { seconds: 0n, nanos: 0 },
      slices: async () => {
        await wait;
        const slice: BlockSlices["slice"] = () => ({ kind: "absence", neighbours: [] });
        return { slice } as BlockSlices;
      },
    });
    show(block(1, held));
    await new Promise((resolve) => setImmediate(resolve));
    for (const height of [2, 3, 4]) show(block(height, Promise.resolve()));
    finish();
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    expect(sent.map(({ height }) => height)).toEqual([1, 4]);
    expect(sent.map(({ entries }) => entries)).toEqual([[], []]);
  });

  it("behavior: a wrong id is refused, and a reader that goes is forgotten", async () => {
    const wrong = await read((listener) => chain.app.onProposed(listener), new Uint8Array(3));
    await expect(wrong.reading).rejects.toThrow(/INVALID_ARGUMENT: .*32 bytes/);
    const { readers, reading, stop } = await read((listener) => chain.app.onProposed(listener));
    await vi.waitFor(() => expect(readers()).toBe(1));
    stop();
    await reading;
    await vi.waitFor(() => expect(readers()).toBe(0));
  });
});
