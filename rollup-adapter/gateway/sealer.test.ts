import { describe, expect, it } from "vitest";
import { createGroup } from "../../mev/seal/group/group.ts";
import { labelOfSealed, sealedContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2, kemPoint } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { rollupData, rollupIdOfName, type TxBody } from "../../proto/codec/weft-tx.ts";
import { sha512Concat } from "../../proto/hash.ts";
import type { GetSealKeyResponse, SealKeyInfo } from "../../proto/grpc/seal-key.ts";
import { SEALED_BATCH_BYTES_MAX } from "../limits.ts";
import { createSealer } from "./sealer.ts";

const group = createGroup();
const tdh2 = createTdh2(group);
const SECRET = group.scalars.reduceWide(sha512Concat(utf8ToBytes("secret")));
const KEY: SealKeyInfo = {
  number: 3,
  publicKey: group.mulBase(SECRET),
  threshold: 3,
  activeHeight: Height(5),
  retiredHeight: Height(0),
  holders: [],
};
const NEXT: SealKeyInfo = { ...KEY, number: 4, activeHeight: Height(20) };
const KEYS: GetSealKeyResponse = {
  open: true,
  reason: "",
  key: KEY,
  next: undefined,
  bond: 1n,
  commitBond: 1n,
  revealBlocks: 16,
  height: Height(10),
};

function sealerOf(keys: Partial<GetSealKeyResponse>) {
  const asked = { count: 0 };
  const sealer = createSealer({
    keys: () => {
      asked.count += 1;
      return Promise.resolve({ ...KEYS, ...keys });
    },
  });
  return { sealer, asked };
}

describe("the key to seal for", () => {
  it("behavior: is the one in force, and ends where the next one begins", async () => {
    const { number, publicKey } = KEY;
    const inForce = { number, publicKey, fromHeight: 5 };
    expect(await sealerOf({}).sealer.key()).toEqual({ ...inForce, endHeight: undefined });
    const { sealer } = sealerOf({ next: NEXT });
    expect(await sealer.key()).toEqual({ ...inForce, endHeight: 20 });
  });

  it("behavior: is asked for again when it is not the one in force, not each time", async () => {
    const { sealer, asked } = sealerOf({});
    await sealer.key();
    await sealer.key();
    expect(asked.count).toBe(1);
    await sealer.key(true);
    expect(asked.count).toBe(2);
  });

  it("behavior: is taken as soon as there is one, however lately there was none", async () => {
    const answers = [{ ...KEYS, open: false, key: undefined, reason: "no key was made" }, KEYS];
    const sealer = createSealer({ keys: () => Promise.resolve(answers.shift() ?? KEYS) });
    await expect(sealer.key()).rejects.toThrow("no key was made");
    expect(await sealer.key()).toMatchObject({ number: KEY.number });
  });

  it("behavior: says why there is none", async () => {
    const refusal = async (keys: Partial<GetSealKeyResponse>) =>
      sealerOf(keys)
        .sealer.key()
        .catch((error: unknown) => String(error));
    expect(await refusal({ key: undefined, open: false, reason: "no key was made" })).toContain(
      "takes none now: no key was made; try again later",
    );
    expect(await refusal({ open: false, reason: "too few hold shares" })).toContain(
      "too few hold shares",
    );
  });
});

describe("a sealed payload", () => {
  it("behavior: is a valid ciphertext for exactly its transaction, and opens to its rollup's data", async () => {
    const { sealer } = sealerOf({});
    const rollupId = rollupIdOfName("alpha");
    const terms: Pick<TxBody, "publicKey" | "replay" | "fee"> = {
      publicKey: new Uint8Array(32).fill(7),
      replay: { kind: "unordered", expiryHeight: Height(30), salt: new Uint8Array([1]) },
      fee: { maxFeePerByte: 2n, tipPerByte: 0n },
    };
    const seal = () =>
      sealer.seal({
        ...terms,
        chainId: "weft-test",
        key: KEY,
        parts: [{ rollupId, data: [utf8ToBytes("one"), utf8ToBytes("two")] }],
        maxHeight: Height(29),
      });
    const action = seal();
    const label = labelOfSealed("weft-test", terms, action);
    expect(tdh2.checkCiphertexts([{ label, kem: action.kem, body: action.body }])).toEqual([true]);
    const point = tdh2.makeShares(SECRET, kemPoint(action.kem));
    expect(sealedContent("weft-test", terms, action, { kind: "point", point })).toEqual({
      kind: "content",
      payloads: [rollupData(rollupId, [utf8ToBytes("one"), utf8ToBytes("two")]).payload],
      amount: 0n,
    });
    const largest = [new Uint8Array(SEALED_BATCH_BYTES_MAX - 6)];
    const full = sealer.seal({
      ...terms,
      chainId: "weft-test",
      key: KEY,
      parts: [{ rollupId, data: largest }],
      maxHeight: Height(29),
    });
    expect(full.body.length).toBe(65_536 + 16);
    // Nothing of it is ever the same again.
    expect(seal().kem).not.toEqual(action.kem);
  });
});
