import { describe, expect, test } from "vitest";
import { Height } from "../brands.ts";
import { ROLLUP_SERVICE, TransactionState } from "./rollup-service.ts";
import { type GetSealKeyResponse, type SealKeyInfo, SealingState } from "./seal-key.ts";

const KEY: SealKeyInfo = {
  number: 3,
  publicKey: new Uint8Array(32).fill(1),
  threshold: 5,
  activeHeight: Height(40),
  retiredHeight: Height(90),
  holders: [
    { validator: new Uint8Array(20).fill(2), tickets: 4 },
    { validator: new Uint8Array(20).fill(3), tickets: 1 },
  ],
};

describe("sealed transactions over gRPC", () => {
  const { getSealKey, getTransactionStatus } = ROLLUP_SERVICE;

  test.each<[string, GetSealKeyResponse["key"], GetSealKeyResponse["next"]]>([
    ["no key", undefined, undefined],
    ["a key", KEY, undefined],
    ["a key and the next one", KEY, { ...KEY, number: 4, holders: [], retiredHeight: Height(0) }],
  ])("behavior: %s comes as it was sent", (_, key, next) => {
    const answer: GetSealKeyResponse = {
      open: key !== undefined,
      reason: key === undefined ? "there is none" : "",
      key,
      next,
      bond: (1n << 63n) - 1n,
      commitBond: 7n,
      revealBlocks: 16,
      height: Height(77),
    };
    expect(getSealKey.responseDeserialize(getSealKey.responseSerialize(answer))).toEqual(answer);
    const request = { number: 2 ** 40 };
    expect(getSealKey.requestDeserialize(getSealKey.requestSerialize(request))).toEqual(request);
  });

  test("behavior: what became of a content stands beside the status, where there is one", () => {
    const status = {
      state: TransactionState.COMMITTED,
      height: Height(9),
      index: 2,
      code: 0,
      codespace: "",
      reason: "",
      hash: new Uint8Array(32).fill(4),
    };
    const { responseSerialize: write, responseDeserialize: read } = getTransactionStatus;
    for (const state of Object.values(SealingState)) {
      const sealing = { state, height: Height(11), reason: "why" };
      expect(read(write({ ...status, sealing }))).toEqual({ ...status, sealing });
    }
    expect(read(write({ ...status, sealing: undefined }))).toEqual({
      ...status,
      sealing: undefined,
    });
    // sealing = { state: 9 }: a state that a later version adds.
    const later = Buffer.concat([write({ ...status, sealing: undefined }), Buffer.of(66, 2, 8, 9)]);
    expect(read(later).sealing).toEqual({
      state: SealingState.UNSPECIFIED,
      height: 0,
      reason: "",
    });
  });
});
