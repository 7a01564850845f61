import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { needVectors, vectorsFolder } from "../support/vectors.ts";

const run = promisify(execFile);
const ENTRY = resolve("dist/sequencer/cli/main.js");

describe("replay of mainnet block 24476005 through a network", () => {
  beforeEach(needVectors);

  test("109 raw transactions, sequenced by four validators, verified and executed, give the block's own gas and receipts", async () => {
    const { stdout } = await run(process.execPath, [
      ENTRY,
      "replay",
      resolve(vectorsFolder(), "ethereum/block24476005.json"),
      resolve(vectorsFolder(), "ethereum/block24476005State.json"),
      "--json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      block: 24476005,
      transactions: 109,
      gasUsed: "8091915",
      receiptsRoot: "0x5f2a5fdc60d9aa57ae216a362e39735996422c02908e227ba9946642187601ef",
      differences: [],
    });
  });
});
