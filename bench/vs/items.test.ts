import { describe, expect, it } from "vitest";
import { asCometFrames, createKvMaker } from "./items.ts";

describe("createKvMaker", () => {
  it.each([256, 25_600])(
    "makes different transactions of %i bytes that the application takes",
    async (bytes) => {
      const items = await createKvMaker(bytes).sign(50, 0);
      const texts = items.map(({ item }) => Buffer.from(item).toString("latin1"));
      expect(new Set(texts).size).toBe(50);
      expect(new Set(texts.map((text) => text.split("=", 1)[0])).size).toBe(50);
      for (const text of texts) {
        expect(text.length).toBe(bytes);
        // Exactly one separator, not at either end: abci/example/kvstore of CometBFT v0.38.
        expect(text).toMatch(/^[^=:]+=[^=:]+$/);
      }
    },
  );
});

describe("asCometFrames", () => {
  it("gives every transaction a name of its own", async () => {
    const items = await asCometFrames(createKvMaker(256)).sign(100, 0);
    expect(new Set(items.map(({ id }) => id)).size).toBe(100);
    for (const { id, item } of items) {
      expect(Buffer.from(item).toString("latin1")).toContain(`"id":"${id}"`);
    }
  });
});
