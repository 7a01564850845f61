import { Height } from "../../proto/brands.ts";
import { mkdtemp, rename, rm, stat, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { assert } from "../../proto/errors.ts";
import {
  type AbciClient,
  type AbciObject,
  connectAbci,
  encodeRequestFrame,
} from "../../test/support/abci-client.ts";
import { connectApplication } from "../../test/support/remote-application.ts";
import {
  signedItem,
  TestChain,
  transferTo,
  unordered,
  wallet,
} from "../../test/support/weft-app.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { type AbciServer, createAbciServer } from "./abci-server.ts";
import type { SocketApplication } from "./answer-call.ts";
import type { CheckTxRequest } from "./application.ts";
import { REQUEST_BYTES_MAX, REQUESTS_UNDER_WAY_MAX } from "./limits.ts";
import { NULL_ABCI_METRICS } from "./metrics.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(
  application: SocketApplication,
  address = "tcp://127.0.0.1:0",
): Promise<AbciServer> {
  const server = createAbciServer(
    { address },
    { application, clock: createSystemClock(), logger: NULL_LOGGER, metrics: NULL_ABCI_METRICS },
  );
  await server.start();
  closers.push(() => server.stop());
  return server;
}

async function dial(server: AbciServer): Promise<AbciClient> {
  const client = await connectAbci(server.address());
  closers.push(() => client.destroy());
  return client;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-abci-"));
  closers.push(() => rm(folder, { recursive: true }));
  return folder;
}

/** The application of a chain, with some calls in the hands of the test. */
function withCalls(app: SocketApplication, calls: Partial<SocketApplication>): SocketApplication {
  return new Proxy(app, {
    get(target, name) {
      const own: unknown = Reflect.get(calls, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const INFO: AbciObject = { info: { version: "0.38.25" } };
const HASH = new Uint8Array(32);
const FLUSH: AbciObject = { flush: {} };
const echo = (message: string): AbciObject => ({ echo: { message } });
const item = (salt: string) =>
  signedItem(wallet(0), unordered(100, salt), transferTo(wallet(1).address, 1n));

describe("ABCI socket server", () => {
  test("answers four connections at once, each in order", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app);
    const clients = await Promise.all([0, 1, 2, 3].map(() => dial(server)));
    await expect.poll(() => server.connections()).toBe(4);
    for (const client of clients) {
      client.send(echo("hello"));
      client.send(INFO);
      client.send({ query: { path: "/chain" } });
      client.send({ checkTx: { tx: item("same") } });
      client.send({ listSnapshots: {} });
      client.send(FLUSH);
    }
    for (const client of clients) {
      expect(await client.receive()).toMatchObject({ kind: "echo", value: { message: "hello" } });
      expect(await client.receive()).toMatchObject({ kind: "info", value: { data: "weft" } });
      expect((await client.receive()).kind).toBe("query");
      expect((await client.receive()).kind).toBe("checkTx");
      expect((await client.receive()).kind).toBe("listSnapshots");
      expect((await client.receive()).kind).toBe("flush");
    }
    expect(chain.app.poolSize().count).toBe(1);
  });

  test("reads frames that are cut at every byte, and many frames in one chunk", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app);
    const requests = [echo("a"), INFO, { checkTx: { tx: item("cut") } }, FLUSH];
    const bytes = Buffer.concat(requests.map(encodeRequestFrame));
    const kinds = ["echo", "info", "checkTx", "flush"];
    const client = await dial(server);
    client.socket.setNoDelay(true);
    for (let cut = 1; cut < bytes.length; cut += 7) {
      client.sendBytes(bytes.subarray(0, cut));
      await new Promise((done) => setImmediate(done));
      client.sendBytes(bytes.subarray(cut));
      for (const kind of kinds) expect((await client.receive()).kind, `cut ${cut}`).toBe(kind);
    }
    const count = 5_000;
    client.sendBytes(Buffer.concat(Array.from({ length: count }, () => encodeRequestFrame(FLUSH))));
    for (let i = 0; i < count; i++) expect((await client.receive()).kind).toBe("flush");
  });

  test("checks run together, and a later answer waits for an earlier one", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const ends: (() => void)[] = [];
    const checkTx = async (request: CheckTxRequest) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return chain.app.checkTx(request);
    };
    const server = await serve(withCalls(chain.app, { checkTx }));
    const client = await dial(server);
    for (const salt of ["1", "2", "3"]) client.send({ checkTx: { tx: item(salt) } });
    client.send(INFO);
    await expect.poll(() => ends.length).toBe(3);
    const first = client.receive();
    let isAnswered = false;
    void first.then(() => (isAnswered = true));
    ends[2]?.();
    ends[1]?.();
    await expect.poll(() => chain.app.poolSize().count).toBe(2);
    expect(isAnswered).toBe(false);
    ends[0]?.();
    expect((await first).kind).toBe("checkTx");
    expect((await client.receive()).kind).toBe("checkTx");
    expect((await client.receive()).kind).toBe("checkTx");
    expect((await client.receive()).kind).toBe("info");
  });

  test("consensus calls run one at a time over all connections", async () => {
    const chain = await TestChain.start({ validators: 1 });
    let underWay = 0;
    let most = 0;
    const offerSnapshot = async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return "reject" as const;
    };
    const server = await serve(withCalls(chain.app, { offerSnapshot }));
    const clients = await Promise.all([0, 1, 2, 3].map(() => dial(server)));
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < 5; i++) {
          const answer = await client.ask({ offerSnapshot: { snapshot: { height: 5 } } });
          expect(answer).toMatchObject({ kind: "offerSnapshot", value: { result: "REJECT" } });
        }
      }),
    );
    expect(most).toBe(1);
  });

  test("an engine that comes while the Commit of one that died is under way is told the height after it", async () => {
    const chain = await TestChain.start({ validators: 1 });
    let lastBlockHeight = Height(10);
    let begin: () => void = () => {};
    let end: () => void = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const ended = new Promise<void>((resolve) => (end = resolve));
    const server = await serve(
      withCalls(chain.app, {
        info: async (request) => ({ ...(await chain.app.info(request)), lastBlockHeight }),
        finalizeBlock: async () => ({
          events: [],
          txResults: [],
          validatorUpdates: [],
          consensusParamUpdates: undefined,
          appHash: new Uint8Array(32),
        }),
        async commit() {
          begin();
          await ended;
          lastBlockHeight = Height(11);
          return { retainHeight: Height(0) };
        },
      }),
    );
    const first = await dial(server);
    expect(await first.ask({ finalizeBlock: { height: 11, hash: HASH } })).toMatchObject({
      kind: "finalizeBlock",
    });
    first.send({ commit: {} });
    await begun;
    first.destroy();
    const [second, third] = [await dial(server), await dial(server)];
    const info = second.ask(INFO);
    for (let i = 0; i < 5; i++) await third.ask(echo("the server had time to answer"));
    end();
    expect(await info).toMatchObject({ value: { lastBlockHeight: "11" } });
  });

  test("error: what the application throws is answered as an exception, and the connection closed", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const query = () => Promise.reject(new Error("disk full"));
    const server = await serve(withCalls(chain.app, { query }));
    const client = await dial(server);
    client.send(echo("before"));
    client.send({ query: { path: "/chain" } });
    client.send(echo("after"));
    expect((await client.receive()).kind).toBe("echo");
    expect(await client.receive()).toEqual({ kind: "exception", value: { error: "disk full" } });
    await client.closed;
    await expect(client.receive()).rejects.toThrow("closed");
    const next = await dial(server);
    expect((await next.ask(INFO)).kind).toBe("info");
  });

  test("error: what is no request gets an exception", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app);
    // Nothing at all; a call of an older version; a field cut off; a length above the limit.
    const tooLong = Buffer.alloc(5);
    tooLong[0] = 0x81;
    for (
      let at = 1, rest = REQUEST_BYTES_MAX / 128;
      rest > 0;
      at++, rest = Math.floor(rest / 128)
    ) {
      tooLong[at] = (rest % 128) | (rest >= 128 ? 0x80 : 0);
    }
    for (const bytes of [[0], [2, 0x22, 0], [2, 0x0a, 9], tooLong]) {
      const client = await dial(server);
      client.sendBytes(encodeRequestFrame(echo("good")));
      client.sendBytes(Uint8Array.from(bytes));
      expect((await client.receive()).kind).toBe("echo");
      expect((await client.receive()).kind, String(bytes)).toBe("exception");
      await client.closed;
    }
  });

  test("error: calls that cannot come now are refused before the application sees them", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app);
    for (const request of [
      { commit: {} },
      { finalizeBlock: { height: 7, hash: HASH } },
      { processProposal: { height: 2, hash: HASH } },
    ]) {
      const client = await dial(server);
      const answer = await client.ask(request);
      expect(answer.kind).toBe("exception");
      expect(String(answer.value["error"])).toContain("cannot come now");
    }
  });

  test("what strangers may choose never ends the engine", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app);
    const client = await dial(server);
    expect(await client.ask({ query: { path: "/chain", height: -1 } })).toMatchObject({
      kind: "query",
      value: { code: 1, log: "expected a height, got -1" },
    });
    const height = "18446744073709551615";
    expect(await client.ask({ loadSnapshotChunk: { height } })).toMatchObject({
      kind: "loadSnapshotChunk",
    });
    expect(await client.ask({ offerSnapshot: { snapshot: { height } } })).toMatchObject({
      value: { result: "REJECT" },
    });
  });

  test("a block's hash of another length is refused, and leaves the other blocks of its height alone", async () => {
    const chain = await TestChain.start({ validators: 1 });
    await chain.step();
    const server = await serve(chain.app);
    const engine = await connectApplication(server.address());
    closers.push(() => engine.destroy());
    const block = chain.processRequest(await chain.prepare(0));
    const { hash, height } = block;
    const voteExtension = await engine.extendVote(block);
    const { consensusAddress: validatorAddress } = chain.node(0);
    const vote = { hash, height, validatorAddress, voteExtension };
    for (const odd of [new Uint8Array(0), hash.subarray(1), Buffer.concat([hash, hash])]) {
      const { accept } = await engine.processProposal({ ...block, hash: odd });
      expect(accept, `${odd.length} bytes`).toBe(false);
      expect((await engine.verifyVoteExtension({ ...vote, hash: odd })).accept).toBe(false);
      for (const call of ["extendVote", "finalizeBlock"] as const) {
        const alone = await connectApplication(server.address());
        const decidedLastCommit = block.proposedLastCommit;
        await expect(alone[call]({ ...block, decidedLastCommit, hash: odd })).rejects.toThrow(
          `hash of a block: expected 32 bytes, got ${odd.length}`,
        );
        alone.destroy();
      }
      expect((await engine.processProposal(block)).accept).toBe(true);
      expect((await engine.verifyVoteExtension(vote)).accept).toBe(true);
      expect(await engine.extendVote(block)).toEqual(voteExtension);
    }
  });

  test("a connection with too much under way is not read until there is room", async () => {
    const chain = await TestChain.start({ validators: 1 });
    let asked = 0;
    const ends: (() => void)[] = [];
    const query: SocketApplication["query"] = async (request) => {
      asked++;
      await new Promise<void>((resolve) => ends.push(resolve));
      return chain.app.query(request);
    };
    const server = await serve(withCalls(chain.app, { query }));
    const client = await dial(server);
    const count = REQUESTS_UNDER_WAY_MAX * 3;
    const frame = encodeRequestFrame({ query: { path: "/chain" } });
    client.sendBytes(Buffer.concat(Array.from({ length: count }, () => frame)));
    await expect.poll(() => asked).toBe(REQUESTS_UNDER_WAY_MAX);
    const other = await dial(server);
    expect((await other.ask(INFO)).kind).toBe("info");
    expect(asked).toBe(REQUESTS_UNDER_WAY_MAX);
    let answered = 0;
    while (answered < count) {
      for (const end of ends.splice(0)) end();
      expect((await client.receive()).kind).toBe("query");
      answered++;
    }
    expect(asked).toBe(count);
  });

  test("a stop answers what is under way", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const ends: (() => void)[] = [];
    const query: SocketApplication["query"] = async (request) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return chain.app.query(request);
    };
    const server = await serve(withCalls(chain.app, { query }));
    const client = await dial(server);
    client.send({ query: { path: "/chain" } });
    client.send(FLUSH);
    await expect.poll(() => ends.length).toBe(1);
    const stopped = server.stop();
    ends[0]?.();
    expect((await client.receive()).kind).toBe("query");
    expect((await client.receive()).kind).toBe("flush");
    await stopped;
    await client.closed;
    expect(server.connections()).toBe(0);
    await expect(connectAbci(server.address())).rejects.toThrow("ECONNREFUSED");
  });

  test("takes the place of a socket file that nobody listens at, and leaves none behind", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "abci.sock");
    // A server whose file outlives it, as after a kill.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(join(folder, "dead.sock"), resolve));
    await rename(join(folder, "dead.sock"), path);
    await new Promise((resolve) => dead.close(resolve));
    const chain = await TestChain.start({ validators: 1 });
    const server = await serve(chain.app, `unix://${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const client = await dial(server);
    expect((await client.ask(INFO)).kind).toBe("info");
    const second = createAbciServer(
      { address: `unix://${path}` },
      {
        application: chain.app,
        clock: createSystemClock(),
        logger: NULL_LOGGER,
        metrics: NULL_ABCI_METRICS,
      },
    );
    await expect(second.start()).rejects.toMatchObject({
      info: { code: "ABCI_LISTEN_FAILED" },
      message: expect.stringContaining("it is in use; stop what listens there, or choose another"),
    });
    expect((await client.ask(INFO)).kind).toBe("info");
    await server.stop();
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("error: a file in the place of the socket stays, and a path too long is not cut", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const path = join(await temporaryFolder(), "notes.txt");
    await writeFile(path, "precious");
    await expect(serve(chain.app, `unix://${path}`)).rejects.toMatchObject({
      info: { code: "ABCI_LISTEN_FAILED" },
      message: expect.stringContaining("a file that is no socket stands there; move it away, or"),
    });
    expect(await readFile(path, "utf8")).toBe("precious");
    await expect(serve(chain.app, `unix:///tmp/${"a".repeat(120)}`)).rejects.toMatchObject({
      info: { code: "ABCI_LISTEN_FAILED" },
      message: expect.stringContaining("its path has 125 bytes, a socket's at most 103; mend that"),
    });
  });

  test("error: a socket whose folder is missing says so", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const folder = join(await temporaryFolder(), "run", "weft");
    await expect(serve(chain.app, `unix://${join(folder, "abci.sock")}`)).rejects.toMatchObject({
      info: { code: "ABCI_LISTEN_FAILED" },
      message: expect.stringContaining(`there is no folder ${folder}; make it, or choose another`),
    });
  });

  test("error: an assertion of the application fails the server, any other error does not", async () => {
    const chain = await TestChain.start({ validators: 1 });
    const query: SocketApplication["query"] = async ({ path }) => {
      assert(path !== "/broken", "state and cache agree");
      throw new Error("no");
    };
    const server = await serve(withCalls(chain.app, { query }));
    let failure: unknown;
    server.failed.catch((error: unknown) => (failure = error));
    expect((await (await dial(server)).ask({ query: { path: "/x" } })).kind).toBe("exception");
    expect(failure).toBeUndefined();
    expect((await (await dial(server)).ask({ query: { path: "/broken" } })).kind).toBe("exception");
    await expect.poll(() => failure).toBeDefined();
  });

  test("a vote extension is the same again after a restart of the application", async () => {
    const chain = await TestChain.start({ validators: 1 });
    await chain.step();
    const block = chain.processRequest(await chain.prepare(0));
    const extendOnce = async (): Promise<Uint8Array> => {
      const server = await serve(chain.app);
      const engine = await connectApplication(server.address());
      const extension = await engine.extendVote(block);
      engine.destroy();
      await server.stop();
      return extension;
    };
    const before = await extendOnce();
    await chain.restart(0);
    // It would be listed in an extension made now.
    expect(await chain.submit(item("later"))).toBe(0);
    expect(await extendOnce()).toEqual(before);
    expect(before.length).toBeGreaterThan(0);
  });

  test("a block of 20 MB is taken apart and judged", async () => {
    const chain = await TestChain.start({ validators: 1 });
    await chain.step();
    const seen: number[] = [];
    const processProposal: SocketApplication["processProposal"] = async ({ txs }) => {
      seen.push(
        txs.length,
        txs.reduce((sum, tx) => sum + tx.length, 0),
      );
      return { accept: false, reason: "test" };
    };
    const server = await serve(withCalls(chain.app, { processProposal }));
    const client = await dial(server);
    const txs = Array.from({ length: 20_000 }, (_, i) => new Uint8Array(1_000).fill(i));
    const answer = await client.ask({ processProposal: { txs, height: 2, hash: HASH } });
    expect(answer).toMatchObject({ kind: "processProposal", value: { status: "REJECT" } });
    expect(seen).toEqual([20_000, 20_000_000]);
    expect((await client.ask(echo("still here"))).kind).toBe("echo");
  });

  test("error: an address that is none", () => {
    const deps = {
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ABCI_METRICS,
    };
    for (const address of ["", "unix://", "tcp://", "tcp://host", "http://x:y", "x:70000"]) {
      const make = () =>
        createAbciServer({ address }, { ...deps, application: {} as SocketApplication });
      expect(make, address).toThrow("expected tcp://host:port or unix:///path");
    }
  });
});
