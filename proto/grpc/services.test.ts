import { AtomicOutcome, NoReason, Verdict } from "../codec/atomic-tx.ts";
import { spawnSync } from "node:child_process";
import {
  Client,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import descriptor from "protobufjs/ext/descriptor.js";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { Ordering, PLAIN_POLICY } from "../codec/rollup-policy.ts";
import { Height, RollupId } from "../brands.ts";
import {
  type DecideBundleRequest,
  EXECUTION_SERVICE,
  type ExecuteBlockRequest,
  type PrepareBundleRequest,
  type PrepareBundleResponse,
} from "./execution-service.ts";
import { Level, type RollupBlock } from "./rollup-block.ts";
import {
  ROLLUP_SERVICE,
  type StreamBlocksRequest,
  type SubmitRequest,
  type SubmitResponse,
} from "./rollup-service.ts";
import { MEV_SERVICE } from "./mev-service.ts";
import { STAKING_SERVICE } from "./staking-service.ts";
import { toBigint, toInt64, toNumber, toUint64, weftFileDescriptors } from "./wire.ts";

const hash = (value: number) => new Uint8Array(32).fill(value);
const proof = { total: 3, index: 1, leafHash: hash(1), aunts: [hash(2), hash(3)] };
const presence: RollupBlock = {
  height: Height(7),
  level: Level.COMMITTED,
  signedHeader: new Uint8Array([1, 2]),
  validatorSet: new Uint8Array([3]),
  manifest: new Uint8Array([4]),
  manifestProof: { ...proof, index: 0 },
  slice: {
    kind: "presence",
    leaf: new Uint8Array(152).fill(9),
    proof,
    entries: [
      {
        kind: 1,
        lane: 7,
        itemId: hash(4),
        bundleId: undefined,
        leg: 0,
        legs: 1,
        payload: new Uint8Array([0x12, 1, 5]),
      },
      {
        kind: 3,
        lane: 6,
        itemId: hash(4),
        bundleId: hash(5),
        leg: 1,
        legs: 3,
        payload: hash(6),
        bundle: {
          revertMode: 2,
          atomic: { voteBlocks: 8, locks: [1, 256, 7] },
          siblings: [hash(11), hash(12)].map((rollupId) => ({
            rollupId,
            entry: hash(13),
            entryProof: proof,
            leaf: new Uint8Array([...rollupId, 1]),
            leafProof: proof,
            revertMode: 1,
          })),
        },
      },
    ],
    fills: [{ height: Height(5), position: 2, status: 4, contentHash: hash(7) }],
    decisions: [
      { subject: hash(9), outcome: 1, height: Height(5), detailHash: hash(10), detail: hash(14) },
      {
        subject: hash(9),
        outcome: 16,
        height: Height(5),
        detailHash: hash(10),
        detail: new Uint8Array(0),
      },
    ],
  },
  filling: {
    headers: [{ signedHeader: new Uint8Array([8]), validatorSet: new Uint8Array([9]) }],
    blocks: [
      {
        height: Height(9),
        manifest: new Uint8Array([5]),
        manifestProof: { ...proof, index: 0 },
        leaf: new Uint8Array(152).fill(8),
        proof,
        fills: [{ height: Height(7), position: 1, status: 1, contentHash: hash(8) }],
        decisions: [{ subject: hash(1), outcome: 16, height: Height(7), detailHash: hash(2) }],
      },
    ],
    contents: [{ position: 1, payload: new Uint8Array([0x12, 1, 6]) }],
    order: [4, 1],
  },
  omitted: [
    {
      header: new Uint8Array([11, 12]),
      manifest: new Uint8Array([13]),
      manifestProof: { ...proof, index: 0 },
      absences: [
        { kind: "absence", neighbours: [{ leaf: new Uint8Array(152).fill(3), proof }] },
        { kind: "absence", neighbours: [] },
      ],
    },
  ],
  more: [
    {
      slice: { kind: "absence", neighbours: [] },
      filling: { headers: [], blocks: [], contents: [], order: [2] },
    },
    {
      slice: {
        kind: "presence",
        leaf: new Uint8Array(152).fill(10),
        proof,
        entries: [],
        fills: [{ height: Height(5), position: 0, status: 2, contentHash: hash(7) }],
        decisions: [],
      },
      filling: undefined,
    },
  ],
};
const absence: RollupBlock = {
  ...presence,
  height: Height(8),
  validatorSet: new Uint8Array(0),
  slice: { kind: "absence", neighbours: [{ leaf: new Uint8Array(152), proof }] },
  filling: undefined,
  omitted: [],
  more: [],
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

describe("generated code", () => {
  test("is up to date with the .proto sources and was not edited", () => {
    const check = spawnSync(process.execPath, ["scripts/generate-proto.mjs", "--check"], {
      cwd: new URL("../../", import.meta.url),
      encoding: "utf8",
    });
    expect({ status: check.status, stderr: check.stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("every method of every service has the path and the streams of its descriptor", () => {
    const defined = [
      ...Object.values(ROLLUP_SERVICE),
      ...Object.values(STAKING_SERVICE),
      ...Object.values(MEV_SERVICE),
      ...Object.values(EXECUTION_SERVICE),
    ].map(({ path, requestStream, responseStream }) => ({ path, requestStream, responseStream }));
    expect(sortByPath(defined)).toEqual(sortByPath(describedMethods()));
  });
});

describe("integers", () => {
  test.each([0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])(
    "uint64 %s",
    (value) => {
      expect(toBigint(toUint64(value))).toBe(value);
    },
  );
  test.each([0n, -1n, -(2n ** 63n), 2n ** 63n - 1n])("int64 %s", (value) => {
    expect(toBigint(toInt64(value))).toBe(value);
  });
  test("what does not fit is refused, not rounded", () => {
    expect(() => toUint64(-1n)).toThrow(/uint64/);
    expect(() => toUint64(2n ** 64n)).toThrow(/uint64/);
    expect(() => toInt64(2n ** 63n)).toThrow(/int64/);
    expect(() => toNumber(toUint64(2n ** 53n))).toThrow(/safe integer/);
  });
});

describe("messages survive the wire", () => {
  test("amounts beyond 2^53", () => {
    const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getAccount;
    const account = { balance: 2n ** 63n - 1n, nonce: 2n ** 53n + 1n, height: Height(2 ** 40) };
    expect(responseDeserialize(responseSerialize(account))).toEqual(account);
  });

  test("blocks, present and absent", () => {
    const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getBlock;
    for (const block of [presence, absence]) {
      expect(responseDeserialize(responseSerialize(block))).toEqual(block);
    }
  });

  test("a block without a slice is refused", () => {
    const { responseDeserialize } = ROLLUP_SERVICE.getBlock;
    expect(() => responseDeserialize(Buffer.alloc(0))).toThrow(/missing/);
  });

  test("rollups, with and without a pending policy", () => {
    const { responseSerialize, responseDeserialize } = ROLLUP_SERVICE.getRollup;
    const policy = {
      ...PLAIN_POLICY,
      ordering: Ordering.SEALED_RANDOM,
      auctionMembers: [hash(3)],
      atomicPartners: [hash(4), hash(5)],
      sealedOnly: true,
      auction: false,
      reserve: 2n ** 60n,
      revenueShareBps: 8000,
      executorKeys: [hash(1), hash(2)],
    };
    const rollup = {
      id: hash(1),
      name: "alpha",
      ownerKey: hash(2),
      policy,
      pending: undefined,
      registeredHeight: Height(1),
      deposit: 5n,
      height: Height(9),
    };
    const waiting = { ...rollup, pending: { policy, height: Height(10) } };
    for (const value of [rollup, waiting]) {
      expect(responseDeserialize(responseSerialize(value))).toEqual(value);
    }
  });

  test("execution requests, with and without the optional fields", () => {
    const { requestSerialize, requestDeserialize } = EXECUTION_SERVICE.executeBlock;
    const request: ExecuteBlockRequest = {
      sequencerBlockHash: hash(1),
      sequencerHeight: Height(5),
      timestamp: { seconds: -1n, nanos: 999_999_999 },
      payloads: [new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2])],
    };
    const full: ExecuteBlockRequest = {
      ...request,
      sequencerHeightFirst: Height(3),
      parentHash: hash(2),
      legs: [{ bundleId: hash(3), leg: 0, legs: 2, revertMode: 2, first: 1, count: 2 }],
    };
    for (const value of [request, full]) {
      expect(requestDeserialize(requestSerialize(value))).toEqual(value);
    }
  });

  test("execution answers", () => {
    const block = {
      number: 4,
      hash: hash(1),
      parentHash: hash(2),
      stateRoot: hash(3),
      receiptsRoot: hash(4),
      timestampSeconds: 1_700_000_000n,
      gasUsed: 2n ** 62n,
    };
    const execute = EXECUTION_SERVICE.executeBlock;
    const executed = {
      ...block,
      outcome: "gathered" as const,
      included: 3,
      skipped: [{ index: 0, reason: "TX_UNDECODABLE" }],
    };
    expect(execute.responseDeserialize(execute.responseSerialize(executed))).toEqual(executed);
    const status = EXECUTION_SERVICE.getStatus;
    const state = {
      isInitialized: true,
      rollupId: RollupId("ab".repeat(32)),
      chainId: 2n ** 60n,
      genesisHash: hash(9),
      head: block,
      safe: block,
      finalized: block,
      sequencer: { height: Height(5), blockHash: hash(6) },
      nextSequencerHeight: Height(6),
      gatheredPayloads: 2,
      openBundles: [
        { bundleId: hash(7), sequencerHeight: Height(4), verdict: Verdict.YES },
        { bundleId: hash(8), sequencerHeight: Height(5), verdict: Verdict.NO },
      ],
      openBundleCount: 300,
    };
    const fresh = { ...state, sequencer: undefined, nextSequencerHeight: undefined };
    for (const value of [state, fresh]) {
      expect(status.responseDeserialize(status.responseSerialize(value))).toEqual(value);
    }
  });

  test("legs of atomic bundles, what they would do, and what became of them", () => {
    const { prepareBundle, decideBundle } = EXECUTION_SERVICE;
    const request: PrepareBundleRequest = {
      sequencerBlockHash: hash(1),
      sequencerHeight: Height(5),
      timestamp: { seconds: 1_700_000_000n, nanos: 5 },
      bundleId: hash(2),
      leg: 1,
      legs: 3,
      siblingRollupIds: [hash(3), hash(4)],
      payloads: [new Uint8Array([1]), new Uint8Array(0)],
      locksMax: 256,
    };
    expect(prepareBundle.requestDeserialize(prepareBundle.requestSerialize(request))).toEqual(
      request,
    );
    const yes: PrepareBundleResponse = {
      verdict: Verdict.YES,
      reason: 0,
      preStateRoot: hash(5),
      effectsHash: hash(6),
      outbox: [{ rollupId: hash(3), root: hash(7) }],
      inbox: [],
    };
    const no: PrepareBundleResponse = {
      verdict: Verdict.NO,
      reason: NoReason.LOCKED,
      preStateRoot: new Uint8Array(0),
      effectsHash: new Uint8Array(0),
      outbox: [],
      inbox: [],
    };
    for (const prepared of [yes, no]) {
      expect(prepareBundle.responseDeserialize(prepareBundle.responseSerialize(prepared))).toEqual(
        prepared,
      );
      expect(
        decideBundle.responseDeserialize(decideBundle.responseSerialize({ prepared })),
      ).toEqual({ prepared });
    }
    const decision: DecideBundleRequest = {
      sequencerBlockHash: hash(8),
      sequencerHeight: Height(9),
      bundleId: hash(2),
      outcome: AtomicOutcome.ABORT,
      reason: 3,
    };
    expect(decideBundle.requestDeserialize(decideBundle.requestSerialize(decision))).toEqual(
      decision,
    );
    // No verdict at all is a message of somebody who speaks another version.
    expect(() => prepareBundle.responseDeserialize(Buffer.alloc(0))).toThrow(/verdict/);
  });

  test("bytes are views into what came, not copies", () => {
    const { requestSerialize, requestDeserialize } = ROLLUP_SERVICE.submit;
    const bytes = requestSerialize({ item: new Uint8Array(1000).fill(7) });
    expect(requestDeserialize(bytes).item.buffer).toBe(bytes.buffer);
  });
});

describe("over gRPC", () => {
  test("unary, bidirectional and server streams", async () => {
    const client = await serveRollup();
    const submitted = await new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ROLLUP_SERVICE.submit;
      const request = { item: new Uint8Array([1, 2, 3]) };
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
    });
    expect(submitted).toEqual(accepted({ item: new Uint8Array([1, 2, 3]) }));

    const { submitStream, streamBlocks } = ROLLUP_SERVICE;
    const duplex = client.makeBidiStreamRequest(
      submitStream.path,
      submitStream.requestSerialize,
      submitStream.responseDeserialize,
    );
    const requests = [1, 2, 3].map((n) => ({ item: new Uint8Array([n]) }));
    for (const request of requests) duplex.write(request);
    duplex.end();
    expect(await collect(duplex)).toEqual(requests.map(accepted));

    const stream = client.makeServerStreamRequest(
      streamBlocks.path,
      streamBlocks.requestSerialize,
      streamBlocks.responseDeserialize,
      { rollupId: hash(1), fromHeight: Height(7), level: Level.COMMITTED },
    );
    expect(await collect(stream)).toEqual([presence, absence]);
  });

  test("the definition makes a typed client", async () => {
    const Constructor = makeGenericClientConstructor({ ...EXECUTION_SERVICE }, "Execution");
    expect(Object.keys(Constructor.service)).toEqual(Object.keys(EXECUTION_SERVICE));
  });
});

function accepted({ item }: SubmitRequest): SubmitResponse {
  return { id: item, hash: hash(1), code: 0, codespace: "", reason: "", duplicate: false };
}

async function serveRollup(): Promise<Client> {
  const server = new Server();
  const { submit, submitStream, streamBlocks } = ROLLUP_SERVICE;
  server.addService(
    { submit, submitStream, streamBlocks },
    {
      submit: (
        call: ServerUnaryCall<SubmitRequest, SubmitResponse>,
        reply: sendUnaryData<SubmitResponse>,
      ) => reply(null, accepted(call.request)),
      submitStream: (call: ServerDuplexStream<SubmitRequest, SubmitResponse>) => {
        call.on("data", (request: SubmitRequest) => call.write(accepted(request)));
        call.on("end", () => call.end());
      },
      streamBlocks: (call: ServerWritableStream<StreamBlocksRequest, RollupBlock>) => {
        expect(call.request.fromHeight).toBe(7);
        for (const block of [presence, absence]) call.write(block);
        call.end();
      },
    },
  );
  cleanups.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanups.push(() => client.close());
  return client;
}

async function collect<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

interface MethodShape {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

const DescribedMethod = z.object({
  name: z.string(),
  clientStreaming: z.boolean().default(false),
  serverStreaming: z.boolean().default(false),
});
const DescribedFile = z.object({
  package: z.string(),
  service: z.array(z.object({ name: z.string(), method: z.array(DescribedMethod) })).default([]),
});

function describedMethods(): MethodShape[] {
  const { FileDescriptorProto } = descriptor;
  return weftFileDescriptors().flatMap((bytes) => {
    const decoded = FileDescriptorProto.decode(bytes);
    const file = DescribedFile.parse(FileDescriptorProto.toObject(decoded));
    return file.service.flatMap((service) =>
      service.method.map((method) => ({
        path: `/${file.package}.${service.name}/${method.name}`,
        requestStream: method.clientStreaming,
        responseStream: method.serverStreaming,
      })),
    );
  });
}

function sortByPath(methods: readonly MethodShape[]): MethodShape[] {
  return [...methods].sort((a, b) => (a.path < b.path ? -1 : 1));
}
