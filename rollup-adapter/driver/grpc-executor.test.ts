import { afterEach, expect, test } from "vitest";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { AtomicOutcome, Verdict } from "../../proto/codec/atomic-tx.ts";
import { Height, RollupId } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import { EXECUTION_SERVICE } from "../../proto/grpc/execution-service.ts";
import type {
  DecideBundleRequest,
  ExecutionErrorInfo,
  Executor,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../execution.ts";
import { createExecutorServer, createGrpcExecutor } from "./grpc-executor.ts";

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const unused = (): Promise<never> => Promise.reject(new Error("not asked for here"));
const LEVEL_0: Executor = {
  init: unused,
  executeBlock: unused,
  setFinality: unused,
  getStatus: unused,
};

const prepare: PrepareBundleRequest = {
  sequencerBlockHash: new Uint8Array(32).fill(1),
  sequencerHeight: Height(7),
  timestamp: { seconds: 1n, nanos: 0 },
  bundleId: new Uint8Array(32).fill(2),
  leg: 0,
  legs: 2,
  siblingRollupIds: [new Uint8Array(32).fill(3)],
  payloads: [Uint8Array.of(1)],
  locksMax: 4,
};
const decide: DecideBundleRequest = {
  sequencerBlockHash: new Uint8Array(32).fill(4),
  sequencerHeight: Height(8),
  bundleId: prepare.bundleId,
  outcome: AtomicOutcome.COMMIT,
  reason: 0,
};
const prepared: PrepareBundleResponse = {
  verdict: Verdict.YES,
  reason: 0,
  preStateRoot: new Uint8Array(32).fill(5),
  effectsHash: new Uint8Array(32).fill(6),
  outbox: [],
  inbox: [{ rollupId: new Uint8Array(32).fill(3), root: new Uint8Array(32).fill(7) }],
};

async function serve(executor: Executor): Promise<Executor> {
  const server = createExecutorServer({ host: "127.0.0.1", port: 0 }, executor);
  const port = await server.start();
  const client = createGrpcExecutor(`127.0.0.1:${port}`);
  cleanups.push(
    () => server.stop(),
    () => client.close(),
  );
  return client;
}

test("passes legs and decisions on, and brings errors back as they were", async () => {
  const asked: unknown[] = [];
  const client = await serve({
    ...LEVEL_0,
    prepareBundle: (request) => {
      asked.push(request);
      return Promise.resolve(prepared);
    },
    decideBundle: (request) => {
      asked.push(request);
      return Promise.reject(
        new WeftError<ExecutionErrorInfo>({ code: "EXECUTION_BUNDLE_UNKNOWN" }, "no such bundle"),
      );
    },
  });
  expect(await client.prepareBundle?.(prepare)).toEqual(prepared);
  await expect(client.decideBundle?.(decide)).rejects.toMatchObject({
    code: "EXECUTION_BUNDLE_UNKNOWN",
    message: expect.stringContaining("no such bundle"),
  });
  expect(asked).toEqual([prepare, decide]);
});

test("behavior: an executor of level 0 answers UNIMPLEMENTED, also one that never heard of the methods", async () => {
  const level0 = await serve(LEVEL_0);
  await expect(level0.prepareBundle?.(prepare)).rejects.toMatchObject({
    code: "EXECUTION_ATOMIC_UNSUPPORTED",
    cause: { code: 12 },
  });
  await expect(level0.decideBundle?.(decide)).rejects.toMatchObject({
    code: "EXECUTION_ATOMIC_UNSUPPORTED",
  });

  const { prepareBundle: _, decideBundle: __, ...older } = EXECUTION_SERVICE;
  const server = new Server();
  server.addService(older, {});
  const { client } = await clientOf(server);
  await expect(client.prepareBundle?.(prepare)).rejects.toMatchObject({
    code: "EXECUTION_ATOMIC_UNSUPPORTED",
  });
});

test("behavior: what serves no executor's calls is none for now, which ends no driver", async () => {
  const { client, address } = await clientOf(new Server());
  const init = {
    rollupId: RollupId("ab".repeat(32)),
    sequencerChainId: "test-network",
    sequencerStartHeight: Height(1),
  };
  for (const call of [() => client.init(init), () => client.getStatus()]) {
    await expect(call()).rejects.toMatchObject({
      code: "EXECUTION_CLOSED",
      message: expect.stringMatching(
        new RegExp(`^what answers at ${address} is no executor \\(.*\\); is the address right`),
      ),
    });
  }
});

/** Of whatever `server` serves. */
async function clientOf(server: Server) {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const address = `127.0.0.1:${port}`;
  const client = createGrpcExecutor(address);
  cleanups.push(
    () => server.forceShutdown(),
    () => client.close(),
  );
  return { client, address };
}
