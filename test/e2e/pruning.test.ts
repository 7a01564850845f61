/** A node that keeps few blocks: what it still serves, and what it says of the rest. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import {
  createTestNetwork,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";

const RETAINED = 15;

let network: TestNetwork;
let node: TestValidator;

beforeAll(async () => {
  network = await createTestNetwork({
    validators: 1,
    config: { "storage.retain_blocks": RETAINED, "consensus.timeout_commit": "20ms" },
  });
  const [first] = network.validators;
  if (first === undefined) throw new Error("there is no validator");
  node = first;
  // Evidence asks for blocks too; here it expires at once.
  const { genesisFile } = homeAt(node.home);
  const genesis = JSON.parse(readFileSync(genesisFile, "utf8")) as {
    consensus_params: { evidence: Record<string, string> };
  };
  genesis.consensus_params.evidence["max_age_num_blocks"] = "1";
  genesis.consensus_params.evidence["max_age_duration"] = "1";
  writeFileSync(genesisFile, JSON.stringify(genesis));
  await network.startAll();
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(await network.report());
});
afterAll(() => network.close());

/** Heights of the first blocks of a stream; rejects as the stream does. */
async function stream(from: number, count: number): Promise<number[]> {
  const abort = new AbortController();
  const heights: number[] = [];
  const blocks: AsyncIterable<RollupBlock> = node.client.blocks({
    rollupId: RollupId(toHex(rollupIdOfName("nobody"))),
    fromHeight: Height(from),
    level: "committed",
    signal: abort.signal,
  });
  for await (const block of blocks) {
    heights.push(block.height);
    if (heights.length === count) abort.abort();
  }
  return heights;
}

/** What the node says of what it keeps. */
async function kept() {
  const info = await until("blocks are pruned", async () => {
    const answer = await node.client.chainInfo();
    return answer.earliestHeight > 1 && answer;
  });
  const first = await stream(1, 1).catch((error: Error) => error.message);
  const block = await rpc(node, "block", { height: "1" }).catch((error: Error) => error.message);
  // The chain goes on meanwhile, and forgets: asked for anew.
  const from = (await node.client.chainInfo()).height - 5;
  return {
    blocks: info.height - info.earliestHeight + 1,
    first,
    block,
    streamed: (await stream(from, 8)).map((at) => at - from),
  };
}

const KEPT = {
  blocks: expect.toSatisfy((count: number) => count >= RETAINED && count < 3 * RETAINED),
  first: expect.stringMatching(/OUT_OF_RANGE: .*height 1 .* \d+/),
  block: expect.stringMatching(/height 1 is not available, lowest height is \d+/),
  streamed: [0, 1, 2, 3, 4, 5, 6, 7],
};

describe("a node that keeps few blocks", () => {
  it("serves what it keeps and says where that begins", async () => {
    await untilHeight([node], 4 * RETAINED);
    expect(await kept()).toEqual(KEPT);
  });

  it("goes on after a kill as one that keeps all", async () => {
    const { height } = await node.client.chainInfo();
    await network.end(node.name, "SIGKILL");
    network.start(node.name);
    await untilHeight([node], height + 2 * RETAINED);
    expect(await kept()).toEqual(KEPT);
  });
});
