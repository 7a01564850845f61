import { describe, expect, it } from "vitest";
import { exitCodeOf } from "../cli/cli-error.ts";
import { ExitCode } from "../cli/exit-codes.ts";
import { CometBftError } from "../cometbft/errors.ts";
import { HANDOVER_BATCH_MAX } from "../cometbft/limits.ts";
import { cometBftSource, namingTakenPort, namingTrustConflict } from "./comet-settings.ts";
import { loadConfig } from "./config.ts";

const SOCKET = "/run/weft/rpc.sock";
const sourceOf = (overrides: Readonly<Record<string, unknown>> = {}, cometRoot = "/srv/é,/comet") =>
  cometBftSource(loadConfig(undefined, overrides, {}), { rpcSocket: SOCKET, cometRoot });

describe("what CometBFT is told", () => {
  it("behavior: its RPC listens on our socket too, and on that alone when ours is off", () => {
    expect(sourceOf({ "rpc.laddr": "tcp://127.0.0.1:7" }).rpc.laddr).toBe(
      `tcp://127.0.0.1:7,unix://${SOCKET}`,
    );
    expect(sourceOf({ "rpc.laddr": "" }).rpc.laddr).toBe(`unix://${SOCKET}`);
  });

  it("behavior: a socket in its home is named from there on, as every peer is told of it", () => {
    expect(sourceOf({ "rpc.laddr": "" }, "/run").rpc.laddr).toBe("unix://weft/rpc.sock");
  });

  it("behavior: whatever transaction the application takes fits into a call, and its pool is the larger", () => {
    const bytes = 5 << 20;
    const { rpc, mempool } = sourceOf({ "mempool.max_tx_bytes": bytes, "mempool.size": 100 });
    expect(rpc.max_body_bytes).toBeGreaterThan((bytes * 4) / 3);
    expect(mempool.size).toBeGreaterThan(100);
    expect(sourceOf({ "rpc.max_body_bytes": 50_000_000 }).rpc.max_body_bytes).toBe(50_000_000);
  });

  it("behavior: its RPC takes our batches, and a limit that was lifted stays so", () => {
    expect(sourceOf().rpc.max_request_batch_size).toBe(HANDOVER_BATCH_MAX);
    expect(sourceOf({ "rpc.max_request_batch_size": 0 }).rpc.max_request_batch_size).toBe(0);
  });

  it("behavior: lists have no blanks, which it would take for parts of an address", () => {
    const { statesync } = sourceOf({ "statesync.rpc_servers": "http://a:1, http://b:2" });
    expect(statesync.rpc_servers).toBe("http://a:1,http://b:2");
  });
});

describe("the end of a CometBFT that cannot have a port", () => {
  const config = loadConfig(
    undefined,
    { "p2p.laddr": "tcp://127.0.0.1:1000", "rpc.laddr": "tcp://127.0.0.1:2000" },
    {},
  );
  const ended = (line: string) =>
    new CometBftError({ code: "COMETBFT_ENDED", lastLines: ["before", line] }, "CometBFT ended");

  it.each([
    ["1000", "p2p.laddr"],
    ["2000", "rpc.laddr"],
  ])("behavior: port %s is told with its key", (port, key) => {
    const error = namingTakenPort(
      ended(`ERROR: listen tcp 127.0.0.1:${port}: bind: address already in use`),
      config,
    );
    expect(error).toMatchObject({ code: "NODE_LISTEN_FAILED", info: { key } });
  });

  it("behavior: any other end stays as it is", () => {
    for (const line of ["panic", "listen tcp 127.0.0.1:3: bind: address already in use"]) {
      const error = ended(line);
      expect(namingTakenPort(error, config)).toBe(error);
    }
  });
});

describe("the end of a CometBFT that was told another trusted hash", () => {
  const config = loadConfig(undefined, { "statesync.trust_height": 10 }, {});
  const ended = (line: string) =>
    new CometBftError({ code: "COMETBFT_ENDED", lastLines: ["before", line] }, "CometBFT ended");

  it("behavior: is what the embedded engine says of it, and ends with its exit code", () => {
    const error = namingTrustConflict(
      ended(
        "ERROR: failed to start node: failed to start state sync: failed to set up light client state provider: expected header's hash ABAB, but got 402B",
      ),
      config,
    );
    expect(error).toMatchObject({
      code: "COMETBFT_TRUST_CONFLICT",
      message: expect.stringMatching(/^expected header 10 with hash ABAB, .* have 402B; check/),
    });
    expect(exitCodeOf(error)).toBe(ExitCode.VERIFICATION);
  });

  it("behavior: any other end stays as it is", () => {
    const error = ended("panic: expected header's hash");
    expect(namingTrustConflict(error, config)).toBe(error);
  });
});
