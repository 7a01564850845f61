import { describe, expect, it } from "vitest";
import { blockOf, headerOf, heightOf, refusalOf, submission } from "./comet-rpc.ts";

const TX = Buffer.from(`key=${"v".repeat(252)}`).toString("base64");

describe("submission", () => {
  it("is a request for the transaction, under the name that its block shows", () => {
    const { id, text } = submission(TX);
    expect(JSON.parse(text)).toEqual({
      jsonrpc: "2.0",
      id,
      method: "broadcast_tx_async",
      params: { tx: TX },
    });
    const block = {
      header: { height: "7", chain_id: "c" },
      data: { txs: ["AAAA", TX] },
      last_commit: { height: "6", round: 1 },
    };
    const answer = JSON.stringify({ jsonrpc: "2.0", id: "block", result: { block } });
    expect(blockOf(answer)).toEqual({ height: 7, round: 1, itemIds: ["AAAA", id] });
  });
});

describe("refusalOf", () => {
  const answer = (rest: object): Buffer =>
    Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: "tx-1", ...rest }));

  it("is nothing when the transaction was taken", () => {
    const result = { code: 0, data: "", log: "", codespace: "", hash: "AB" };
    expect(refusalOf(answer({ result }))).toBeUndefined();
  });

  it("names the transaction and the reason, without counts", () => {
    const error = {
      code: -32603,
      message: "Internal error",
      data: "mempool is full: number of txs 5000 (max: 5000)",
    };
    expect(refusalOf(answer({ error }))).toEqual({
      id: "tx-1",
      reason: "mempool is full: number of txs n (max: n)",
    });
    expect(refusalOf(answer({ result: { code: 3, log: "bad nonce" } }))).toEqual({
      id: "tx-1",
      reason: "bad nonce",
    });
  });
});

describe("headerOf", () => {
  const event = (dataHash: string): string =>
    JSON.stringify({
      jsonrpc: "2.0",
      id: "headers",
      result: {
        query: "tm.event='NewBlockHeader'",
        data: {
          type: "tendermint/event/NewBlockHeader",
          value: { header: { version: { block: "11" }, height: "42", data_hash: dataHash } },
        },
        events: { "tm.event": ["NewBlockHeader"] },
      },
    });

  it("tells the height, and a block of transactions from an empty one", () => {
    expect(headerOf(event("AB".repeat(32)))).toEqual({ height: 42, isEmpty: false });
    const empty = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    expect(headerOf(event(empty))).toEqual({ height: 42, isEmpty: true });
  });

  it("is nothing for the answer to the subscription", () => {
    expect(headerOf('{"jsonrpc":"2.0","id":"headers","result":{}}')).toBeUndefined();
  });
});

it("heightOf reads a status", () => {
  expect(heightOf('{"result":{"sync_info":{"latest_block_height":"12"}}}')).toBe(12);
});
