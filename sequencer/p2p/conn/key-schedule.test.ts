import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { createEphemeralKey, deriveSession, deriveTrafficKeys } from "./key-schedule.ts";

const vectors = join(process.env["WEFT_VECTORS"] ?? "../shared/vectors", "p2p/derive-secrets.csv");

describe("key schedule", () => {
  test.skipIf(!existsSync(vectors) && process.env["CI"] === undefined)(
    "derives the keys of all 32 golden lines of CometBFT",
    () => {
      const lines = readFileSync(vectors, "utf8").trim().split("\n");
      expect(lines).toHaveLength(32);
      for (const line of lines) {
        const [secret, isOursLower, receiveKey, sendKey] = line.split(",");
        const keys = deriveTrafficKeys(fromHex(secret ?? ""), isOursLower === "true");
        expect(toHex(keys.receiveKey), line).toBe(receiveKey);
        expect(toHex(keys.sendKey), line).toBe(sendKey);
      }
    },
  );

  test("derives one line of the golden file (CometBFT p2p/conn/testdata) without it", () => {
    const keys = deriveTrafficKeys(
      fromHex("9fe4a5a73df12dbd8659b1d9280873fe993caefec6b0ebc2686dd65027148e03"),
      true,
    );
    expect(toHex(keys.receiveKey)).toBe(
      "80a83ad6afcb6f8175192e41973aed31dd75e3c106f813d986d9567a4865eb2f",
    );
    expect(toHex(keys.sendKey)).toBe(
      "96362a04f628a0666d9866147326898bb0847b8db8680263ad19e6336d4eed9e",
    );
  });

  test("both sides derive the challenge and mirrored keys of spec §22.2", () => {
    const a = createEphemeralKey(new Uint8Array(32).fill(0x11));
    const b = createEphemeralKey(new Uint8Array(32).fill(0x22));
    expect(toHex(a.publicKey)).toMatch(/^7b4e909b.*3f13$/);
    expect(toHex(b.publicKey)).toMatch(/^0faa684e.*0f20$/);
    expect(toHex(a.agree(b.publicKey))).toBe(
      "9e004098efc091d4ec2663b4e9f5cfd4d7064571690b4bea97ab146ab9f35056",
    );
    const [atA, atB] = [deriveSession(a, b.publicKey), deriveSession(b, a.publicKey)];
    const challenge = "aeeeddd30d4776bbd049fa4791562a50a2a2c939bb34f5f8d5984d3de1b8eaef";
    expect(toHex(atA.challenge)).toBe(challenge);
    expect(toHex(atB.challenge)).toBe(challenge);
    expect(toHex(atA.receiveKey)).toBe(
      "046e79fb404e1f3be86e88d9087a970c88ae4d7b68d3577f84c5f20e6fd9852f",
    );
    expect(toHex(atA.sendKey)).toBe(
      "92cae06ce47b2e2a1750c53b950bd310b2b272169fb7fffa38cfd121de33c1f1",
    );
    expect(toHex(atB.receiveKey)).toBe(toHex(atA.sendKey));
    expect(toHex(atB.sendKey)).toBe(toHex(atA.receiveKey));
  });

  test.each(["00".repeat(32), `01${"00".repeat(31)}`])("refuses the low-order point %s", (hex) => {
    expect(() => createEphemeralKey().agree(fromHex(hex))).toThrow(/full order/);
  });
});
