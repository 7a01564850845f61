import { describe, expect, it } from "vitest";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import { WeftError } from "../../proto/errors.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import { EMPTY_TX_RESULT } from "../abci/empty-result.ts";
import type { CometRpcErrorInfo } from "../ports/comet-rpc/client.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createHandover } from "./handover.ts";
import { HANDOVER_BYTES_MAX } from "./limits.ts";
import { NULL_COMETBFT_METRICS } from "./metrics.ts";

const OK: CheckTxResponse = EMPTY_TX_RESULT;
const refused = (text: string) =>
  new WeftError<CometRpcErrorInfo>(
    { code: "COMET_RPC_REFUSED", url: "", number: -32603, text, data: text },
    text,
  );

/** An application that refuses transactions beginning with 0xff, and a CometBFT that answers as told. */
function createFixture(batchMax = 2, bodyBytesMax = 1 << 20) {
  const checked: string[] = [];
  const batches: string[][] = [];
  let answer: () => unknown = () => new JsonNode({});
  const handover = createHandover(
    { batchMax, bodyBytesMax },
    {
      client: {
        async batch(_method, params) {
          batches.push(
            params.map((one) => Buffer.from(String(one["tx"]), "base64").toString("hex")),
          );
          return params.map(() => answer() as JsonNode);
        },
      },
      async checkTx({ tx }) {
        checked.push(Buffer.from(tx).toString("hex"));
        return { ...OK, code: tx[0] === 0xff ? 7 : 0 };
      },
      clock: createManualClock(),
      logger: NULL_LOGGER,
      metrics: NULL_COMETBFT_METRICS,
    },
  );
  const settled = () =>
    new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  return { handover, checked, batches, settled, answers: (make: () => unknown) => (answer = make) };
}

const tx = (...bytes: number[]) => Uint8Array.from(bytes);

describe("handover of submitted transactions", () => {
  it("behavior: what the application takes goes to CometBFT in order, what it refuses does not", async () => {
    const { handover, batches, settled } = createFixture();
    handover.up([]);
    expect((await handover.submit(tx(0xff)))?.code).toBe(7);
    for (const n of [1, 2, 3]) expect((await handover.submit(tx(n)))?.code).toBe(0);
    await settled();
    expect(batches.flat()).toEqual(["01", "02", "03"]);
  });

  it("behavior: no request is larger than CometBFT takes, but for one transaction alone", async () => {
    const { handover, batches, settled } = createFixture(64, 10_000);
    const sized = (n: number, bytes: number): Uint8Array => new Uint8Array(bytes).fill(n);
    handover.up([sized(1, 3_000), sized(2, 3_000), sized(3, 3_000), sized(4, 9_000), sized(5, 9)]);
    await settled();
    expect(batches.map((batch) => batch.map((hex) => hex.slice(0, 2)))).toEqual([
      ["01", "02"],
      ["03"],
      ["04"],
      ["05"],
    ]);
  });

  it("behavior: CometBFT's question about one is answered once without another check", async () => {
    const { handover, checked } = createFixture();
    handover.up([]);
    await handover.submit(tx(1));
    expect((await handover.checkTx({ tx: tx(1), type: "new" })).code).toBe(0);
    expect(checked).toEqual(["01"]);
    await handover.checkTx({ tx: tx(1), type: "new" });
    await handover.checkTx({ tx: tx(1), type: "recheck" });
    expect(checked).toEqual(["01", "01", "01"]);
  });

  it("behavior: what waits while CometBFT is away is told by the application when it is back", async () => {
    const { handover, batches, settled } = createFixture();
    await handover.submit(tx(1));
    handover.down();
    await settled();
    expect(batches).toEqual([]);
    handover.up([tx(1), tx(2), tx(3)]);
    await settled();
    expect(batches).toEqual([["01", "02"], ["03"]]);
  });

  it("behavior: one that CometBFT has already, or has no room for, is checked again when it asks", async () => {
    const { handover, checked, answers, settled } = createFixture();
    answers(() => refused("Internal error: tx already exists in cache"));
    handover.up([]);
    await handover.submit(tx(1));
    await settled();
    await handover.checkTx({ tx: tx(1), type: "new" });
    expect(checked).toEqual(["01", "01"]);
  });

  it("behavior: when too much waits nothing more is checked, and the caller is told", async () => {
    const { handover, checked } = createFixture();
    const large = new Uint8Array(HANDOVER_BYTES_MAX);
    await handover.submit(large);
    expect(await handover.submit(tx(1))).toBeUndefined();
    expect(checked).toHaveLength(1);
  });
});
