import { beforeAll, describe, expect, test } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { BETA, buildSealedChain, SEALED_CHAIN_HEIGHT } from "../../test/support/sealed-chain.ts";
import { startStreamNode } from "../../test/support/stream-node.ts";
import { BEHIND_BLOCKS_MAX } from "../limits.ts";
import { createFailoverClient, createMevFailover, type SubmitNode } from "./failover-client.ts";
import { createGrpcSequencerClient } from "./grpc-sequencer-client.ts";
import type { BundleOutcome, MevClient } from "./mev-client.ts";
import { createNodeTurn } from "./node-turn.ts";
import type { RollupBlock } from "./rollup-block.ts";

interface FakeNode extends SubmitNode {
  state: "up" | "down" | "behind";
  submissions: number;
  /** How often it was asked for its height. */
  asked: number;
}

/** Takes bundles, and no more. */
function fakeMev(name: string, taken: string[]): MevClient {
  const bytes = new Uint8Array(0);
  const unused = () => Promise.reject(new Error("not asked for here"));
  return {
    submitBundle(): Promise<BundleOutcome> {
      taken.push(name);
      const outcome = { id: bytes, hash: bytes, code: 0, codespace: "", reason: "" };
      return Promise.resolve({ ...outcome, isDuplicate: false, bundleId: bytes });
    },
    submitBid: unused,
    cancelBundles: unused,
    bundleStatus: unused,
    auction: unused,
    mevParams: unused,
    inclusionTally: unused,
    revenue: unused,
  };
}

function fakeNode(height: number): FakeNode {
  const answer = <T>(value: T): Promise<T> =>
    node.state === "down"
      ? Promise.reject(
          new WeftError(
            { code: "SEQUENCER_CALL_FAILED", status: "UNAVAILABLE" },
            `${height} is down`,
          ),
        )
      : Promise.resolve(value);
  const node: FakeNode = {
    state: "up",
    submissions: 0,
    asked: 0,
    rollup: () => Promise.reject(new Error("not asked for here")),
    entryProof: () => Promise.reject(new Error("not asked for here")),
    transactionStatus: () => Promise.reject(new Error("not asked for here")),
    blocks: () => {
      throw new Error("not asked for here");
    },
    sealKey: () => Promise.reject(new Error("not asked for here")),
    chainInfo() {
      node.asked += 1;
      return answer({
        chainId: "test",
        height: Height(height),
        initialHeight: Height(1),
        earliestHeight: Height(1),
        baseFeePerByte: 1n,
        unorderedWindow: 600,
        itemBytesMax: 1_000,
        isCatchingUp: node.state === "behind",
      });
    },
    submit: async () => {
      const bytes = new Uint8Array(0);
      await answer(undefined);
      node.submissions += 1;
      const outcome = { id: bytes, hash: bytes, code: 0, codespace: "", reason: "" };
      return { ...outcome, isDuplicate: false };
    },
  };
  return node;
}

describe("several nodes as one", () => {
  test("stays with a node that answers, leaves one that does not", async () => {
    const [a, b] = [fakeNode(1), fakeNode(2)];
    const client = createFailoverClient([a, b]);
    await client.submit(new Uint8Array(1));
    a.state = "down";
    await client.submit(new Uint8Array(1));
    a.state = "up";
    await client.submit(new Uint8Array(1));
    expect([a.submissions, b.submissions]).toEqual([1, 2]);
  });

  test("a node that is behind is asked only when there is no other", async () => {
    const [a, b] = [fakeNode(1), fakeNode(2)];
    const client = createFailoverClient([a, b]);
    a.state = "behind";
    expect((await client.chainInfo()).height).toBe(2);
    b.state = "down";
    expect((await client.chainInfo()).height).toBe(1);
  });

  test("a node that has stayed below what is verified is left, though it says that it is up", async () => {
    const [a, b] = [fakeNode(100), fakeNode(1_000)];
    const client = createFailoverClient([a, b]);
    expect((await client.chainInfo(100 + BEHIND_BLOCKS_MAX)).height).toBe(100);
    expect((await client.chainInfo(101 + BEHIND_BLOCKS_MAX)).height).toBe(1_000);
    await client.submit(new Uint8Array(1));
    expect([a.submissions, b.submissions]).toEqual([0, 1]);
    b.state = "down";
    expect((await client.chainInfo(1_000)).height).toBe(100);
  });

  test("whatever is asked for: bundles too leave a node that has stayed below what is verified", async () => {
    const nodes = [fakeNode(100), fakeNode(1_000)];
    const turn = createNodeTurn(nodes);
    const client = createFailoverClient(nodes, turn);
    const taken: string[] = [];
    const mev = createMevFailover([fakeMev("cut off", taken), fakeMev("up", taken)], turn);
    const submitAll = async () => {
      await mev.submitBundle(new Uint8Array(1));
      await client.submit(new Uint8Array(1));
    };
    turn.verified(100 + BEHIND_BLOCKS_MAX);
    await submitAll();
    turn.verified(101 + BEHIND_BLOCKS_MAX);
    await submitAll();
    expect(taken).toEqual(["cut off", "up"]);
    expect(nodes.map(({ submissions }) => submissions)).toEqual([1, 1]);
  });

  test("a node is asked for its height when the one that it told is too old, once for many calls", async () => {
    const nodes = [fakeNode(1_000), fakeNode(1_000)];
    const turn = createNodeTurn(nodes);
    const client = createFailoverClient(nodes, turn);
    const submit = () => client.submit(new Uint8Array(1));
    await submit();
    expect(nodes[0]?.asked).toBe(0);
    turn.verified(900);
    await Promise.all([submit(), submit(), submit()]);
    turn.verified(1_000);
    await submit();
    expect(nodes[0]?.asked).toBe(1);
    expect(nodes[1]?.asked).toBe(0);
  });

  test("all nodes are below what is verified: the first one has it", async () => {
    const [a, b] = [fakeNode(100), fakeNode(101)];
    const turn = createNodeTurn([a, b]);
    const client = createFailoverClient([a, b], turn);
    turn.verified(1_000);
    await client.submit(new Uint8Array(1));
    expect([a.submissions, b.submissions]).toEqual([1, 0]);
    b.state = "down";
    await client.submit(new Uint8Array(1));
    expect(a.submissions).toBe(2);
    a.state = "down";
    await expect(client.submit(new Uint8Array(1))).rejects.toThrow(/is down/);
  });

  test("error: none answers", async () => {
    const [a, b] = [fakeNode(1), fakeNode(2)];
    const client = createFailoverClient([a, b]);
    a.state = "down";
    b.state = "down";
    await expect(client.submit(new Uint8Array(1))).rejects.toThrow(/is down/);
    await expect(createFailoverClient([]).chainInfo()).rejects.toThrow(/at least one/);
  });
});

describe("what blocks hold of a rollup", () => {
  const rollupId = RollupId(toHex(BETA));
  const recorded: RollupBlock[] = [];
  beforeAll(async () => {
    const { address, stop } = await startStreamNode(buildSealedChain());
    const client = createGrpcSequencerClient(address);
    const { signal } = new AbortController();
    const untilHeight = Height(SEALED_CHAIN_HEIGHT);
    const fromHeight = Height(1);
    const request = { rollupId, fromHeight, untilHeight, level: "committed", signal } as const;
    for await (const block of client.blocks(request)) recorded.push(block);
    client.close();
    await stop();
  });

  /** Sends those of the blocks, then ends its stream, or fails; `asked`: how often. */
  function streaming(isSent: (height: number) => boolean, failure?: string) {
    const node = {
      ...fakeNode(1),
      asked: 0,
      async *blocks({ fromHeight }: { readonly fromHeight: Height }) {
        node.asked += 1;
        for (const block of recorded) {
          if (block.height >= fromHeight && isSent(block.height)) yield block;
        }
        if (failure !== undefined) throw new WeftError({ code: failure }, failure);
      },
    };
    return node;
  }

  test.each([
    ["is cut off, and silent then", (height: number) => height < 4, "SEQUENCER_STREAM_SILENT"],
    ["sends what is no block", (height: number) => height < 4, "STREAM_MALFORMED"],
    ["ends its stream early", (height: number) => height < 4, undefined],
    ["leaves a block out", (height: number) => height !== 4, undefined],
    ["begins later", (height: number) => height > 4, undefined],
    ["has nothing", () => false, undefined],
  ])(
    "comes from another node when one %s, which is not asked again",
    async (_, isSent, failure) => {
      const [bad, good] = [streaming(isSent, failure), streaming(() => true)];
      const whole = await createFailoverClient([good]).ordered(rollupId, 2, 8);
      expect(whole).not.toEqual([]);
      const client = createFailoverClient([bad, good]);
      expect(await client.ordered(rollupId, 2, 8)).toEqual(whole);
      expect(await client.ordered(rollupId, 2, 8)).toEqual(whole);
      expect(bad.asked).toBe(1);
    },
  );

  test("error: no node has all of it; what is no fault of a node", async () => {
    const half = streaming((height) => height < 4);
    await expect(createFailoverClient([half, half]).ordered(rollupId, 2, 8)).rejects.toMatchObject({
      code: "STREAM_INCOMPLETE",
      message: "expected blocks 2 to 8, block 4 did not come",
    });
    const [ours, other] = [streaming(() => true, "OURS"), streaming(() => true)];
    await expect(
      createFailoverClient([ours, other]).ordered(rollupId, 2, SEALED_CHAIN_HEIGHT + 1),
    ).rejects.toMatchObject({ code: "OURS" });
    expect(other.asked).toBe(0);
  });
});
