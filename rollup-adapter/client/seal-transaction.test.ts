import { describe, expect, it } from "vitest";
import { scalarOf } from "../../test/support/seal-key.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { labelOfSealed, sealedContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { GetSealKeyResponse } from "../../proto/grpc/seal-key.ts";
import { sha256 } from "../../proto/hash.ts";
import { ed25519KeyPairFromSeed, signEd25519 } from "../../proto/verify/ed25519.ts";
import { sealingTerms, sealTransaction } from "./seal-transaction.ts";

const GROUP = createGroup();
const TDH2 = createTdh2(GROUP);
const PAIR = ed25519KeyPairFromSeed(sha256(utf8ToBytes("sender")));
const SIGNER = {
  publicKey: PAIR.publicKey,
  sign: (message: Uint8Array) => signEd25519(PAIR, message),
};
const KEY = {
  number: 3,
  publicKey: GROUP.mulBase(scalarOf("sdk")),
  threshold: 3,
  activeHeight: Height(40),
  retiredHeight: Height(0),
  holders: [],
};
const ANSWER: GetSealKeyResponse = {
  open: true,
  reason: "",
  key: KEY,
  next: undefined,
  bond: 1n,
  commitBond: 2n,
  revealBlocks: 16,
  height: Height(50),
};

describe("terms of sealing", () => {
  it("behavior: end with the key, as soon as that is known", () => {
    expect(sealingTerms(ANSWER)).toEqual({ key: KEY, maxHeight: 150 });
    const next = { ...KEY, number: 4, activeHeight: Height(60) };
    expect(sealingTerms({ ...ANSWER, next }).maxHeight).toBe(59);
    const ending = { ...KEY, retiredHeight: Height(55) };
    expect(sealingTerms({ ...ANSWER, key: ending }).maxHeight).toBe(54);
    expect(sealingTerms(ANSWER, 5).maxHeight).toBe(55);
  });

  it("behavior: there are none while the lane is closed, and the reason is told", () => {
    const closed = { ...ANSWER, open: false, reason: "there is no key yet" };
    expect(() => sealingTerms(closed)).toThrow(/there is no key yet; try again later/);
  });
});

describe("a sealed transaction", () => {
  it("behavior: opens to what was sealed, with its seed, in its own transaction alone", () => {
    const data = [utf8ToBytes("first"), utf8ToBytes("second")];
    const rollupId = rollupIdOfName("alpha");
    const terms = {
      chainId: "weft-test",
      ...sealingTerms(ANSWER),
      replay: { kind: "nonce", value: 7n } as const,
      fee: { maxFeePerByte: 5n, tipPerByte: 1n },
    };
    const { item, seed } = sealTransaction(
      { ...terms, parts: [{ rollupId, data }] },
      { tdh2: TDH2, signer: SIGNER },
    );
    expect(Buffer.from(item).includes("first")).toBe(false);
    const decoded = decodeItem(item);
    if (decoded.kind !== "tx" || decoded.tx.body.action.kind !== "sealed") throw new Error("kind");
    const { body } = decoded.tx;
    const action = decoded.tx.body.action;
    const label = labelOfSealed("weft-test", body, action);
    expect(TDH2.checkCiphertexts([{ label, ...action }])).toEqual([true]);
    expect(sealedContent("weft-test", body, action, { kind: "seed", seed })).toEqual({
      kind: "content",
      payloads: [rollupData(rollupId, data).payload],
      amount: 0n,
    });
    const other = { ...body, replay: { kind: "nonce", value: 8n } as const };
    const elsewhere = labelOfSealed("weft-test", other, action);
    expect(TDH2.checkCiphertexts([{ label: elsewhere, ...action }])).toEqual([false]);
  });

  it("behavior: data that no bucket holds is refused", () => {
    const parts = [{ rollupId: rollupIdOfName("alpha"), data: [new Uint8Array(65_536)] }];
    const replay = { kind: "nonce", value: 0n } as const;
    const fee = { maxFeePerByte: 5n, tipPerByte: 1n };
    const request = { chainId: "weft-test", ...sealingTerms(ANSWER), replay, fee, parts };
    expect(() => sealTransaction(request, { tdh2: TDH2, signer: SIGNER })).toThrow(/at most/);
  });
});
