/** Requests over a real connection whose bytes are none. */
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { MEV_SERVICE } from "../../proto/grpc/mev-service.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { STAKING_SERVICE } from "../../proto/grpc/staking-service.ts";
import type { Method } from "../../proto/grpc/wire.ts";
import { buildChain, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import { ALPHA } from "../../test/support/sealed-chain.ts";
import { readStream, startStreamNode, STREAM_BLOCKS } from "../../test/support/stream-node.ts";

/** Field 2, a varint of more than 2^53: a height above the safe ones. */
const HEIGHT_TOO_LARGE = Buffer.from("10ffffffffffffffff7f", "hex");
/** A field that is longer than what comes. */
const CUT_OFF = Buffer.from("0aff", "hex");

const keys = testKeys(1);
let node: Awaited<ReturnType<typeof startStreamNode>>;

beforeEach(async () => {
  node = await startStreamNode(buildChain(keys, 1, testGenesis(keys), () => []));
});

afterEach(() => node.stop());

function unary<Request, Response>(method: Method<Request, Response>, bytes: Buffer) {
  const { path, responseDeserialize } = method;
  return new Promise((resolve) => {
    node.client.makeUnaryRequest(path, () => bytes, responseDeserialize, {}, resolve);
  });
}

it("behavior: a request that cannot be read is an invalid argument, counted with its method", async () => {
  const requestSerialize = () => HEIGHT_TOO_LARGE;
  const request = { rollupId: ALPHA, fromHeight: Height(1), level: Level.COMMITTED };
  const ends = [
    await unary(ROLLUP_SERVICE.getBlock, HEIGHT_TOO_LARGE),
    await unary(STAKING_SERVICE.getValidator, CUT_OFF),
    await unary(MEV_SERVICE.getBundleStatus, CUT_OFF),
    await readStream(node.client, { ...STREAM_BLOCKS, requestSerialize }, request),
  ];
  for (const end of ends) {
    expect(end).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(end).toHaveProperty("details", expect.stringContaining("the request cannot be read: "));
  }
  const refused = (method: string) => ({ method, status: "INVALID_ARGUMENT" });
  expect(node.counted.calls).toEqual(
    ["GetBlock", "GetValidator", "GetBundleStatus", "StreamBlocks"].map(refused),
  );
});

it("behavior: a stream of submissions ends at one that cannot be read", async () => {
  const { path, responseDeserialize } = ROLLUP_SERVICE.submitStream;
  const stream = node.client.makeBidiStreamRequest(path, () => CUT_OFF, responseDeserialize);
  const end = new Promise((resolve) => stream.once("error", resolve));
  stream.resume();
  stream.write({});
  expect(await end).toMatchObject({ code: status.INVALID_ARGUMENT });
});
