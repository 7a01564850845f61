import { Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import {
  type GetBodiesRequest,
  type GetBodiesResponse,
  MEV_SERVICE,
} from "../../proto/grpc/mev-service.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { bodySources } from "../ports/body-source.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createGrpcBodySource } from "./body-client.ts";
import { createGetBodies } from "./body-service.ts";
import {
  BODY_BYTES_MAX,
  BODY_BYTES_PER_SECOND,
  BODY_BYTES_PER_SECOND_OF_CALLER,
  BODY_IDS_MAX,
} from "./limits.ts";

/** An item begins with its id; that is all that these tests know of transactions. */
const item = (at: number, bytes = 40): Uint8Array => new Uint8Array(bytes).fill(at, 0, 32);
const id = (at: number): Uint8Array => new Uint8Array(32).fill(at);
const idOf = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length < 32 ? undefined : bytes.slice(0, 32);

function holding(...items: readonly Uint8Array[]) {
  const byId = new Map(items.map((one) => [String(idOf(one)), one]));
  return { item: (wanted: Uint8Array) => byId.get(String(wanted)) };
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe("behavior: GetBodies", () => {
  test("gives what the node holds, at most 1 MiB, but one item whatever its size", () => {
    const big = [item(1, BODY_BYTES_MAX), item(2), item(3)];
    const get = createGetBodies(holding(...big), createManualClock());
    expect(get({ ids: [id(9)] }, "a").items).toEqual([]);
    expect(get({ ids: [id(3), id(9), id(2)] }, "a").items).toEqual([item(3), item(2)]);
    expect(get({ ids: [id(1), id(2)] }, "a").items).toHaveLength(1);
    expect(get({ ids: [id(2), id(1)] }, "a").items).toEqual([item(2)]);
  });

  test("gives so many bytes in a second, and nothing beyond it", async () => {
    const clock = createManualClock();
    const get = createGetBodies(holding(item(1, BODY_BYTES_MAX)), clock);
    const times = BODY_BYTES_PER_SECOND / BODY_BYTES_MAX;
    const given = Array.from(
      { length: times + 2 },
      (_, i) => get({ ids: [id(1)] }, `caller ${i}`).items.length,
    );
    expect(given).toEqual([...Array.from({ length: times }, () => 1), 0, 0]);
    await clock.advance(1_000);
    expect(get({ ids: [id(1)] }, "a").items).toHaveLength(1);
  });

  test("gives one address a part of it, and leaves the rest to others", async () => {
    const clock = createManualClock();
    const get = createGetBodies(holding(item(1, BODY_BYTES_MAX)), clock);
    const times = BODY_BYTES_PER_SECOND / BODY_BYTES_MAX;
    const given = Array.from({ length: times }, () => get({ ids: [id(1)] }, "a").items.length);
    const sum = given.reduce((all, one) => all + one, 0);
    expect(sum).toBe(BODY_BYTES_PER_SECOND_OF_CALLER / BODY_BYTES_MAX);
    expect(get({ ids: [id(1)] }, "b").items).toHaveLength(1);
    await clock.advance(1_000);
    expect(get({ ids: [id(1)] }, "a").items).toHaveLength(1);
  });

  test.each<[string, readonly Uint8Array[]]>([
    ["no id", []],
    ["too many ids", Array.from({ length: BODY_IDS_MAX + 1 }, () => id(1))],
    ["a short id", [new Uint8Array(31)]],
  ])("refuses %s", (_, ids) => {
    const get = createGetBodies(holding(), createManualClock());
    expect(() => get({ ids }, "a")).toThrow(/expected 1 to 64 ids|32 bytes/);
  });
});

async function listen(get: (request: GetBodiesRequest) => GetBodiesResponse): Promise<string> {
  const server = new Server();
  const { getBodies } = MEV_SERVICE;
  server.addService(
    { getBodies },
    {
      getBodies: (
        call: { readonly request: GetBodiesRequest },
        answer: (error: null, value: GetBodiesResponse) => void,
      ) => answer(null, get(call.request)),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  closers.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

describe("behavior: a node asks others over gRPC", () => {
  test("one after the other, for what is left; what was not asked for is left alone", async () => {
    const asked: number[][] = [];
    const noting = (name: number, items: readonly Uint8Array[]) => (request: GetBodiesRequest) => {
      asked.push([name, ...request.ids.map((one) => one[0] ?? -1)]);
      return { items };
    };
    const addresses = [
      await listen(noting(1, [item(2), item(77)])),
      "127.0.0.1:1",
      await listen(noting(3, [item(5), item(8)])),
      await listen(noting(4, [])),
    ];
    const source = createGrpcBodySource(addresses, { idOf, logger: NULL_LOGGER });
    closers.push(() => source.close());
    expect(await source.get([id(2), id(5), id(8)])).toEqual([item(2), item(5), item(8)]);
    expect(asked).toEqual([
      [1, 2, 5, 8],
      [3, 5, 8],
    ]);
    // The next call begins with another node.
    expect(await source.get([id(8)])).toEqual([item(8)]);
    expect(asked.at(-1)).toEqual([3, 8]);
  });

  test("sources are asked in turn until all is there", async () => {
    const asked: number[] = [];
    const source = (name: number, items: readonly Uint8Array[]) => ({
      get: async () => {
        asked.push(name);
        return items;
      },
    });
    const all = bodySources([source(1, []), source(2, [item(1), item(2)]), source(3, [])], idOf);
    expect(await all.get([id(1), id(2)])).toEqual([item(1), item(2)]);
    expect(asked).toEqual([1, 2]);
  });
});
