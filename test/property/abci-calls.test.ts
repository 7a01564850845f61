/**
 * Random calls in any order, random bytes and random cuts, on several connections at once, with the
 * real application behind the socket.
 */
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { type AbciServer, createAbciServer } from "../../sequencer/abci/abci-server.ts";
import { REQUEST_BYTES_MAX } from "../../sequencer/abci/limits.ts";
import { NULL_ABCI_METRICS } from "../../sequencer/abci/metrics.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { abciCases } from "../support/abci-arbitraries.ts";
import {
  type AbciAnswer,
  type AbciClient,
  connectAbci,
  encodeRequestFrame,
} from "../support/abci-client.ts";
import { damage } from "../support/damage.ts";
import { requestObjects } from "../support/remote-application.ts";
import { signedItem, TestChain, transferTo, unordered, wallet } from "../support/weft-app.ts";

/** What is sent: a frame, and the kind of the answer; undefined for bytes that may be anything. */
interface Sent {
  readonly frame: Uint8Array;
  readonly kind: string | undefined;
}

/** Draws a request when it is known what the chain holds. */
type Draw = (facts: Facts) => Sent;

interface Facts {
  readonly nextHeight: number;
  /** A block that the application accepts at that height. */
  readonly block: object;
}

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function request(kind: string, body: object): Sent {
  return { frame: encodeRequestFrame({ [kind]: body }), kind };
}

/** Heights around the one that comes next: far ones are refused at the door. */
const nearHeight = fc.integer({ min: -2, max: 2 });

function call<T>(
  kind: string,
  values: Arbitrary<T>,
  toObject: (value: T) => object,
): Arbitrary<Draw> {
  return fc.tuple(values, nearHeight).map(([value, offset]) => ({ nextHeight }: Facts) => {
    const body = toObject(value);
    const height = Math.max(0, nextHeight + offset);
    return request(kind, "height" in body ? { ...body, height } : body);
  });
}

const plain = (value: object): object => value;
const fixed = (kind: string, body: object = {}): Arbitrary<Draw> =>
  fc.constant(() => request(kind, body));

const item = (salt: string) =>
  signedItem(wallet(0), unordered(100, salt), transferTo(wallet(1).address, 1n));

const READS: readonly Arbitrary<Draw>[] = [
  fc.string({ maxLength: 300 }).map((message) => () => request("echo", { message })),
  fixed("flush"),
  call("info", abciCases.info.requests, requestObjects.info),
  call("query", abciCases.query.requests, requestObjects.query),
  fc
    .constantFrom("/chain", "/supply", "/params", "/fees", "/snapshots", "/store", "/rollup/alpha")
    .map((path) => () => request("query", { path, prove: true })),
  call("checkTx", abciCases.checkTx.requests, requestObjects.checkTx),
  fc.tuple(fc.string({ minLength: 1, maxLength: 2 }), fc.constantFrom(0, 1)).map(
    ([salt, type]) =>
      () =>
        request("checkTx", { tx: item(salt), type }),
  ),
  fixed("listSnapshots"),
  call("loadSnapshotChunk", abciCases.loadSnapshotChunk.requests, plain),
];

const CONSENSUS: readonly Arbitrary<Draw>[] = [
  call("initChain", abciCases.initChain.requests, requestObjects.initChain),
  call("prepareProposal", abciCases.prepareProposal.requests, requestObjects.prepareProposal),
  call("processProposal", abciCases.processProposal.requests, requestObjects.processProposal),
  call("extendVote", abciCases.extendVote.requests, requestObjects.extendVote),
  call(
    "verifyVoteExtension",
    abciCases.verifyVoteExtension.requests,
    requestObjects.verifyVoteExtension,
  ),
  call("finalizeBlock", abciCases.finalizeBlock.requests, requestObjects.finalizeBlock),
  fc.constant(({ block }) => request("processProposal", block)),
  fc.constant(({ block }) => request("extendVote", block)),
  fc.constant(({ block }) => request("finalizeBlock", block)),
  fixed("commit"),
  call("offerSnapshot", abciCases.offerSnapshot.requests, plain),
  call("applySnapshotChunk", abciCases.applySnapshotChunk.requests, plain),
];

const NOISE: readonly Arbitrary<Draw>[] = [
  fc
    .uint8Array({ minLength: 1, maxLength: 60 })
    .map((bytes) => () => ({ frame: new Uint8Array(bytes), kind: undefined })),
  fc.tuple(fc.oneof(...READS, ...CONSENSUS), damage()).map(([draw, damaged]) => (facts: Facts) => ({
    frame: damaged(draw(facts).frame),
    kind: undefined,
  })),
];

/** Each but InitChain, which no drawn genesis passes. */
const CALLS = ["echo", "flush", ...Object.keys(abciCases)].filter((name) => name !== "initChain");

/** What one connection sends, and how its bytes are cut. */
const conversations = (draws: Arbitrary<Draw>) =>
  fc.record({
    draws: fc.array(draws, { minLength: 1, maxLength: 12 }),
    cuts: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 }),
  });

async function serve(chain: TestChain): Promise<{ server: AbciServer; failures: unknown[] }> {
  const server = createAbciServer(
    { address: "tcp://127.0.0.1:0" },
    {
      application: chain.app,
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ABCI_METRICS,
    },
  );
  await server.start();
  const failures: unknown[] = [];
  server.failed.catch((error: unknown) => failures.push(error));
  closers.push(() => server.stop());
  return { server, failures };
}

async function factsOf(chain: TestChain): Promise<Facts> {
  const block = chain.processRequest(await chain.prepare(0));
  const object = requestObjects.processProposal(block);
  const decidedLastCommit: unknown = Object(object)["proposedLastCommit"];
  return { nextHeight: chain.height + 1, block: { ...object, decidedLastCommit } };
}

/** Sends all, cut as drawn, half-closes, and reads answers until the server closes. */
async function converse(
  server: AbciServer,
  sent: readonly Sent[],
  cuts: readonly number[],
): Promise<readonly AbciAnswer[]> {
  const client: AbciClient = await connectAbci(server.address());
  const bytes = Buffer.concat(sent.map(({ frame }) => frame));
  for (let at = 0, i = 0; at < bytes.length && !client.socket.destroyed; i++) {
    const length = cuts[i % cuts.length] ?? bytes.length;
    client.sendBytes(bytes.subarray(at, at + length));
    at += length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.socket.end();
  await client.closed;
  const answers: AbciAnswer[] = [];
  for (;;) {
    try {
      answers.push(await client.receive());
    } catch {
      return answers; // Closed, and all that came was taken.
    }
  }
}

/** Each request has one answer of its kind, in order, until an exception ends the connection. */
function checkAnswers(sent: readonly Sent[], answers: readonly AbciAnswer[]): void {
  const kinds = answers.map(({ kind }) => kind);
  const exceptionAt = kinds.indexOf("exception");
  expect([-1, kinds.length - 1], "nothing follows an exception").toContain(exceptionAt);
  for (const [i, { kind }] of sent.entries()) {
    // What follows bytes that may be anything may be read as anything.
    if (kind === undefined) return;
    const answer = kinds[i];
    if (answer === "exception") return;
    expect(answer, `answer ${i} of ${sent.map((one) => one.kind).join(" ")}`).toBe(kind);
  }
  expect(kinds.length).toBe(sent.length);
}

describe("random calls over the ABCI socket", () => {
  test("each gets one answer of its kind or an exception, and the server goes on", async () => {
    const answered = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(conversations(fc.oneof(...READS, ...CONSENSUS, ...NOISE)), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.integer({ min: 0, max: 2 }),
        async (conversation, blocks) => {
          const chain = await TestChain.start({ validators: 1 });
          for (let i = 0; i < blocks; i++) await chain.step();
          const { server, failures } = await serve(chain);
          const facts = await factsOf(chain);
          await Promise.all(
            conversation.map(async ({ draws, cuts }) => {
              const sent = draws.map((draw) => draw(facts));
              const answers = await converse(server, sent, cuts);
              checkAnswers(sent, answers);
              for (const { kind } of answers) answered.add(kind);
            }),
          );
          const after = [request("echo", { message: "still here" }), request("info", {})];
          checkAnswers(after, await converse(server, after, [7]));
          expect(failures).toEqual([]);
          await server.stop();
        },
      ),
      { numRuns: 120 },
    );
    // Not only refusals: each call went through to the application in some run.
    expect([...answered].toSorted()).toEqual([...CALLS, "exception"].toSorted());
  });

  test("queries, checks and snapshots change nothing that consensus sees", async () => {
    const chain = await TestChain.start({ validators: 1 });
    await chain.step();
    const { server } = await serve(chain);
    const facts = await factsOf(chain);
    const before = toHex(chain.app.read.appHash());
    const untouched = await chain.replay();
    await fc.assert(
      fc.asyncProperty(
        fc.array(conversations(fc.oneof(...READS)), { minLength: 1, maxLength: 4 }),
        async (conversation) => {
          await Promise.all(
            conversation.map(async ({ draws, cuts }) => {
              const sent = draws.map((draw) => draw(facts));
              const answers = await converse(server, sent, cuts);
              checkAnswers(sent, answers);
              expect(answers.map(({ kind }) => kind)).not.toContain("exception");
            }),
          );
          expect(toHex(chain.app.read.appHash())).toBe(before);
        },
      ),
      { numRuns: 60 },
    );
    // Whatever was checked: the same next block means the same on a node that was asked nothing.
    const block = chain.processRequest(await chain.prepare(0));
    const request = { ...block, decidedLastCommit: block.proposedLastCommit };
    const [ours, theirs] = [
      await chain.app.finalizeBlock(request),
      await untouched.finalizeBlock(request),
    ];
    expect(toHex(ours.appHash)).toBe(toHex(theirs.appHash));
  });

  test("memory follows what has arrived, not what lengths announce", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const { server } = await serve(chain);
    // Each announces the longest request, and sends a little of it.
    const length: number[] = [];
    for (let rest = REQUEST_BYTES_MAX; rest > 0; rest = Math.floor(rest / 128)) {
      length.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    }
    const before = process.memoryUsage().arrayBuffers;
    const clients: AbciClient[] = [];
    for (let i = 0; i < 16; i++) {
      const client = await connectAbci(server.address());
      closers.push(() => client.destroy());
      clients.push(client);
      client.sendBytes(Uint8Array.from([...length, 0x0a, 0xff, 0xff, 0xff, 0x7f]));
      for (let part = 0; part < 20; part++) {
        client.sendBytes(new Uint8Array(1_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const other = await connectAbci(server.address());
    closers.push(() => other.destroy());
    expect((await other.ask({ info: {} })).kind).toBe("info");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  });
});
