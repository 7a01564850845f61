import { status } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { createChainBlocks } from "../../test/support/chain-blocks.ts";
import { statusOf } from "../grpc/grpc-error.ts";
import { createCometRpcClient } from "../ports/comet-rpc/client.ts";
import { createCometGrpcBlocks } from "./grpc-ports.ts";

const keys = testKeys(1);
const { blocks } = createChainBlocks(buildChain(keys, 1, testGenesis(keys), () => []));
const height = Height(1);

it("behavior: readers of blocks are told to try again while CometBFT does not answer", async () => {
  // Nobody listens there.
  const client = createCometRpcClient("unix:///nonexistent/rpc.sock");
  const ask = async (): Promise<undefined> => void (await client.call("block", {}));
  const away = createCometGrpcBlocks({
    ...blocks,
    block: ask,
    header: ask,
    seenCommit: ask,
    validators: ask,
    hashedValidators: ask,
    results: ask,
  });
  const reads = [
    "block",
    "header",
    "seenCommit",
    "validators",
    "hashedValidators",
    "results",
  ] as const;
  for (const read of reads) {
    const error: unknown = await away[read](height).catch((caught: unknown) => caught);
    expect(statusOf(error).code, read).toBe(status.UNAVAILABLE);
  }
  expect([away.base(), away.height()]).toEqual([1, 1]);
  client.close();
});

it("behavior: what else goes wrong with CometBFT stays a fault of the node", async () => {
  const fault = new Error("CometBFT's RPC shows another block");
  const wrong = createCometGrpcBlocks({ ...blocks, block: () => Promise.reject(fault) });
  await expect(wrong.block(height)).rejects.toBe(fault);
  expect(await createCometGrpcBlocks(blocks).block(height)).toBe(await blocks.block(height));
});
