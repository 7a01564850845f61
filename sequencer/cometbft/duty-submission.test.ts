import { expect, test } from "vitest";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { parseJson } from "../../proto/json-reader.ts";
import { EMPTY_TX_RESULT } from "../abci/empty-result.ts";
import { type Logger, NULL_LOGGER } from "../ports/logger.ts";
import { createDutySubmission } from "./duty-submission.ts";

test("behavior: a duty goes through the engine's RPC, and into the own pool while nobody of its chain answers there", async () => {
  const calls: unknown[] = [];
  const warnings: string[] = [];
  let isUp = true;
  let network = "ours";
  const logger: Logger = {
    ...NULL_LOGGER,
    warn: (_, fields) => warnings.push(String(fields?.["error"])),
  };
  const submit = createDutySubmission({
    client: {
      name: "tcp://engine",
      async call(method, params) {
        if (!isUp) throw new Error("nobody is there");
        if (method === "status") return parseJson(`{"node_info": {"network": "${network}"}}`);
        calls.push([method, params]);
        return parseJson('{"code": 4, "log": "no", "hash": "AB"}');
      },
    },
    chainId: "ours",
    checkTx: async (tx) => {
      calls.push(["own pool", tx.length]);
      return { ...EMPTY_TX_RESULT, log: "kept" };
    },
    logger,
  });
  expect(await submit(Uint8Array.of(1, 2))).toEqual({ code: 4, log: "no" });
  isUp = false;
  for (const tx of [EMPTY_BYTES, Uint8Array.of(3)]) {
    expect(await submit(tx)).toMatchObject({ code: 0, log: "kept" });
  }
  expect(warnings).toHaveLength(1);
  isUp = true;
  expect(await submit(Uint8Array.of(4))).toEqual({ code: 4, log: "no" });
  isUp = false;
  await submit(Uint8Array.of(5));
  expect(warnings).toHaveLength(2);
  isUp = true;
  await submit(Uint8Array.of(6));
  network = "theirs";
  expect(await submit(Uint8Array.of(7))).toMatchObject({ code: 0, log: "kept" });
  expect(warnings.slice(2)).toEqual([
    'Error: the node there is of chain "theirs", expected "ours"',
  ]);
  expect(calls).toEqual([
    ["broadcast_tx_sync", { tx: "AQI=" }],
    ["own pool", 0],
    ["own pool", 1],
    ["broadcast_tx_sync", { tx: "BA==" }],
    ["own pool", 1],
    ["broadcast_tx_sync", { tx: "Bg==" }],
    ["own pool", 1],
  ]);
});
