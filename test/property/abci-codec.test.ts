/**
 * Every ABCI call over a real socket, with protobufjs on the .proto files as the engine's codec: the
 * application gets what was asked, the engine gets what was answered.
 */
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { createAbciServer } from "../../sequencer/abci/abci-server.ts";
import type { SocketApplication } from "../../sequencer/abci/answer-call.ts";
import { NULL_ABCI_METRICS } from "../../sequencer/abci/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type AbciCase, abciCases } from "../support/abci-arbitraries.ts";
import { connectApplication, type RemoteApplication } from "../support/remote-application.ts";

type Method = keyof typeof abciCases;

/** Remembers what it was asked and answers what it was told to. */
class ToldApplication {
  expects: Method | undefined;
  asked: unknown;
  answer: unknown;
  height = 0;

  /** As an `Application`; the server's own looks at the height are not recorded. */
  asApplication(): SocketApplication {
    const call = (method: Method) => async (request: unknown) => {
      if (method === "info" && this.expects !== "info") {
        return {
          data: "",
          version: "",
          appVersion: 0n,
          lastBlockHeight: Height(this.height),
          lastBlockAppHash: EMPTY_BYTES,
        };
      }
      this.asked = request;
      return this.answer;
    };
    const methods = Object.keys(abciCases) as Method[];
    return Object.fromEntries(
      methods.map((method) => [method, call(method)]),
    ) as unknown as SocketApplication;
  }
}

describe("ABCI over a socket", () => {
  const told = new ToldApplication();
  const server = createAbciServer(
    { address: "tcp://127.0.0.1:0" },
    {
      application: told.asApplication(),
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ABCI_METRICS,
    },
  );
  let engine: RemoteApplication;
  beforeAll(() => server.start());
  beforeEach(async () => {
    engine = await connectApplication(server.address());
  });
  afterEach(() => engine.destroy());
  afterAll(() => server.stop());

  const methods = Object.keys(abciCases) as Method[];
  test.each(methods)("%s: request and answer arrive as they were sent", async (method) => {
    const { requests, responses } = abciCases[method] as AbciCase<unknown, unknown>;
    await fc.assert(
      fc.asyncProperty(requests, responses, async (drawn, response) => {
        const request = ofLaterBlock(drawn);
        told.expects = undefined;
        told.height = heightBefore(request);
        if (method === "commit") await finalizeSomething();
        told.expects = method;
        told.answer = response;
        const call = engine[method] as (request: unknown) => Promise<unknown>;
        const answer = await call(request);
        expect(told.asked).toEqual(request);
        expect(answer).toEqual(response);
      }),
      { numRuns: 60 },
    );
  });

  /** Commit comes after FinalizeBlock. */
  async function finalizeSomething(): Promise<void> {
    const { requests, responses } = abciCases.finalizeBlock;
    const [request] = fc.sample(requests, 1);
    const [response] = fc.sample(responses, 1);
    if (request === undefined) return;
    told.height = 4;
    told.answer = response;
    await engine.finalizeBlock({ ...request, height: Height(5) });
  }
});

/** Block 1 follows InitChain, which is not asked for here. */
function ofLaterBlock(request: unknown): unknown {
  const height = heightOf(request);
  return height === undefined ? request : { ...Object(request), height: Height(height + 2) };
}

/** The height that an application has when it is asked about the block of a request. */
function heightBefore(request: unknown): number {
  return (heightOf(request) ?? 2) - 1;
}

function heightOf(request: unknown): number | undefined {
  const height: unknown = Object(request)["height"];
  return typeof height === "number" ? height : undefined;
}
