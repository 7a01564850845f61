import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { postRpc, startTestNode, type TestNode } from "../../test/support/rpc-node.ts";

interface Recorded {
  readonly post?: unknown;
  readonly get?: string;
  readonly status: number;
  readonly answer: unknown;
  /** The `data` of the answer is the wording of Go's own packages, and not compared. */
  readonly isDataFree?: boolean;
}

/** Requests to a running CometBFT v0.38.25 and what it answered. */
const RECORDED = readFileSync(new URL("./testdata/errors.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
  for (let i = 0; i < 3; i++) await node.chain.commitBlock([]);
  node.mempool.commits = false;
  for (const tx of ["a=b", "c=b", "k=v"]) await node.mempool.submit(utf8ToBytes(tx));
  await node.indexer.caughtUp(node.chain.blocks.height());
});
afterAll(() => node.stop());

async function ask(one: Recorded): Promise<{ readonly status: number; readonly text: string }> {
  if (one.get === undefined) return postRpc(node, one.post);
  const response = await fetch(node.url + one.get);
  return { status: response.status, text: await response.text() };
}

function comparable(answer: unknown, isDataFree: boolean | undefined): unknown {
  const text = JSON.stringify(answer).replace(/blockchain height \d+/, "blockchain height N");
  const json: unknown = JSON.parse(text);
  if (isDataFree === true && typeof json === "object" && json !== null && "error" in json) {
    delete (json.error as { data?: string }).data;
  }
  return json;
}

describe("refusals", () => {
  it("behavior: status, code, message and data are CometBFT's", async () => {
    expect(RECORDED.length).toBeGreaterThan(70);
    for (const one of RECORDED) {
      const what = JSON.stringify(one.get ?? one.post);
      const { status, text } = await ask(one);
      expect(status, what).toBe(one.status);
      const answer: unknown = text === "" ? null : JSON.parse(text);
      expect(comparable(answer, one.isDataFree), what).toEqual(
        comparable(one.answer, one.isDataFree),
      );
    }
  });

  it("behavior: a large id is written digit by digit, as Go writes what its float64 holds", async () => {
    const { text } = await postRpc(
      node,
      '{"jsonrpc":"2.0","id":1234567890123456789,"method":"health","params":{}}',
    );
    expect(text).toBe('{"jsonrpc":"2.0","id":1234567890123456768,"result":{}}');
  });

  it("behavior: missing params are defaults, where CometBFT fails", async () => {
    const { status, text } = await postRpc(node, { jsonrpc: "2.0", id: 1, method: "block" });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ result: { block: { header: { height: "3" } } } });
  });

  it("behavior: an unexpected failure tells the client nothing and the log everything", async () => {
    const lines: unknown[] = [];
    const logger = {
      error: (message: string, fields?: unknown) => void lines.push([message, fields]),
      warn: () => {},
      info: () => {},
      debug: () => {},
      child: () => logger,
    };
    const broken = await startTestNode(
      {},
      {
        logger,
        genesis: {
          get json(): string {
            throw new TypeError("secret detail");
          },
        },
      },
    );
    const { text } = await postRpc(broken, { jsonrpc: "2.0", id: 1, method: "genesis" });
    await broken.stop();
    expect(JSON.parse(text)).toMatchObject({
      error: { code: -32603, data: "unexpected failure, see the log of the node" },
    });
    expect(lines).toHaveLength(1);
  });
});
