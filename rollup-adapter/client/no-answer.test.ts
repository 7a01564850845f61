import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createGrpcSequencerClient } from "./grpc-sequencer-client.ts";
import { describeNoAnswer } from "./no-answer.ts";

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** host:port of something that speaks HTTP/1 only. */
async function httpServer(): Promise<string> {
  const server = createServer((_, response) => response.end("JSON"));
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return `127.0.0.1:${port}`;
}

async function failureAt(address: string): Promise<unknown> {
  const client = createGrpcSequencerClient(address);
  try {
    return await client.chainInfo().catch((error: unknown) => error);
  } finally {
    client.close();
  }
}

describe("an address where no node answers gRPC", () => {
  test("is said to be one of nobody", async () => {
    const address = await httpServer();
    for (const server of servers.splice(0)) {
      server.close();
      await once(server, "close");
    }
    expect(await failureAt(address)).toMatchObject({
      code: "SEQUENCER_CALL_FAILED",
      info: { status: "UNAVAILABLE" },
      message: `no node answers gRPC at ${address} (connect ECONNREFUSED ${address}); is it running?`,
    });
  });

  test("is said to be one of something else", async () => {
    const address = await httpServer();
    expect(await failureAt(address)).toMatchObject({
      message: `what answers at ${address} does not speak gRPC: expected a node's gRPC port (9090 by default), not that of its JSON-RPC.`,
    });
  });

  test("is one of an unknown name, or one that is silent; a node's own words are left alone", () => {
    expect(
      describeNoAnswer("h:1", "UNAVAILABLE", "Name resolution failed for target dns:h:1"),
    ).toMatch(/^no node answers gRPC at h:1 \(no address is known by that name\)/);
    expect(describeNoAnswer("h:1", "DEADLINE_EXCEEDED", "Deadline exceeded after 10s")).toMatch(
      /\(it takes too long\)/,
    );
    expect(describeNoAnswer("h:1", "UNAVAILABLE", "the node stops")).toBeUndefined();
  });
});
