import { describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import type { CometRpcErrorInfo } from "../ports/comet-rpc/client.ts";
import { createCometChain } from "./chain-reader.ts";

function chainOf(answers: Readonly<Record<string, unknown>>) {
  return createCometChain({
    name: "test",
    async call(method) {
      const answer = answers[method];
      if (answer instanceof Error) throw answer;
      return new JsonNode(answer);
    },
    batch: () => Promise.reject(new Error("not asked for")),
    close: () => {},
  });
}
const refusal = (data: string) =>
  new WeftError<CometRpcErrorInfo>(
    { code: "COMET_RPC_REFUSED", url: "", number: -32603, text: "Internal error", data },
    data,
  );

describe("CometBFT's chain over its RPC", () => {
  it("behavior: results of items, with what Go leaves out", async () => {
    const chain = chainOf({
      block_results: {
        txs_results: [
          { code: 0, data: "AQI=", gas_wanted: "7", gas_used: "5", events: null },
          {
            code: 60,
            data: null,
            log: "too poor",
            codespace: "weft",
            gas_wanted: "0",
            gas_used: "0",
            events: [{ type: "tx", attributes: [{ key: "k", value: "v", index: true }] }],
          },
        ],
        finalize_block_events: [{ type: "block", attributes: [{ key: "k", value: "v" }] }],
      },
    });
    const outcome = await chain.results(Height(3));
    expect(outcome?.events).toEqual([
      { type: "block", attributes: [{ key: "k", value: "v", index: false }] },
    ]);
    expect(outcome?.txResults).toEqual([
      {
        code: 0,
        data: Uint8Array.of(1, 2),
        log: "",
        info: "",
        gasWanted: 7n,
        gasUsed: 5n,
        events: [],
        codespace: "",
      },
      {
        code: 60,
        data: new Uint8Array(0),
        log: "too poor",
        info: "",
        gasWanted: 0n,
        gasUsed: 0n,
        events: [{ type: "tx", attributes: [{ key: "k", value: "v", index: true }] }],
        codespace: "weft",
      },
    ]);
  });

  it("behavior: where consensus is, and whose votes of that round are there", async () => {
    const round = (n: number, prevotes: readonly string[]) => ({
      round: n,
      prevotes,
      precommits: ["nil-Vote", "nil-Vote"],
    });
    const chain = chainOf({
      consensus_state: {
        round_state: {
          "height/round/step": "12/1/4",
          height_vote_set: [
            round(0, ["nil-Vote", "nil-Vote"]),
            round(1, ["Vote{0:AB}", "nil-Vote"]),
          ],
        },
      },
    });
    expect(await chain.round()).toEqual({
      height: 12,
      round: 1,
      step: 4,
      prevotes: [true, false],
      precommits: [false, false],
    });
  });

  it("behavior: a height that is not there is undefined, any other refusal is told", async () => {
    for (const said of [
      "height 9 must be less than or equal to the current blockchain height 8",
      "height 1 is not available, lowest height is 5",
    ]) {
      expect(await chainOf({ block: refusal(said) }).block(Height(9)), said).toBeUndefined();
    }
    expect(await chainOf({ commit: null }).signedHeader(Height(1))).toBeUndefined();
    await expect(chainOf({ block: refusal("disk") }).block(Height(9))).rejects.toThrow("disk");
  });
});
