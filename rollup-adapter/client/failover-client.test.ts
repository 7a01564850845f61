import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import { createFailoverClient, type SubmitNode } from "./failover-client.ts";

interface FakeNode extends SubmitNode {
  state: "up" | "down" | "behind";
  submissions: number;
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
    rollup: () => Promise.reject(new Error("not asked for here")),
    entryProof: () => Promise.reject(new Error("not asked for here")),
    transactionStatus: () => Promise.reject(new Error("not asked for here")),
    blocks: () => {
      throw new Error("not asked for here");
    },
    sealKey: () => Promise.reject(new Error("not asked for here")),
    chainInfo: () =>
      answer({
        chainId: "test",
        height: Height(height),
        initialHeight: Height(1),
        earliestHeight: Height(1),
        baseFeePerByte: 1n,
        unorderedWindow: 600,
        itemBytesMax: 1_000,
        isCatchingUp: node.state === "behind",
      }),
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

  test("error: none answers", async () => {
    const [a, b] = [fakeNode(1), fakeNode(2)];
    const client = createFailoverClient([a, b]);
    a.state = "down";
    b.state = "down";
    await expect(client.submit(new Uint8Array(1))).rejects.toThrow(/is down/);
    await expect(createFailoverClient([]).chainInfo()).rejects.toThrow(/at least one/);
  });
});
