/** CometBFT's own signer signs for our node, and our signer for CometBFT's node. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { SignedMsgType, type Vote } from "../../proto/types.ts";
import { generateEd25519KeyPair, verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { openFilePrivValidator } from "../../sequencer/engine/privval/file-priv-validator.ts";
import { createKeyFile } from "../../sequencer/engine/privval/key-file.ts";
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { formatSignerAddress, parseSignerAddress } from "../../sequencer/signer/address.ts";
import {
  NULL_REMOTE_SIGNER_METRICS,
  NULL_SIGNER_PROCESS_METRICS,
} from "../../sequencer/signer/metrics.ts";
import { openRemoteSigner } from "../../sequencer/signer/remote-signer.ts";
import { createSignerService } from "../../sequencer/signer/signer-service.ts";

const JUDGE = fileURLToPath(new URL("./privval-judge", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;
const CHAIN = "weft-interop";
const common = {
  connectionKey: createNodeKey(),
  verifySignature: verifyEd25519Sync,
  clock: createSystemClock(),
  logger: NULL_LOGGER,
};

const block = (name: string) => ({
  hash: sha256(utf8ToBytes(name)),
  partSetHeader: { total: 1, hash: sha256(utf8ToBytes(`${name} parts`)) },
});

const precommit = (name: string, extension: Uint8Array): Vote => ({
  type: SignedMsgType.PRECOMMIT,
  height: Height(5),
  round: Round(0),
  blockId: block(name),
  timestamp: { seconds: 1_700_000_000n, nanos: 5 },
  validatorAddress: new Uint8Array(20),
  validatorIndex: 0,
  signature: EMPTY_BYTES,
  extension,
  extensionSignature: EMPTY_BYTES,
});

describe.skipIf(!hasGo && process.env["CI"] === undefined)("the signer's protocol", () => {
  let root = "";
  let program = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "weft-privval-"));
    program = join(root, "judge");
    const built = spawnSync("go", ["build", "-o", program, "."], { cwd: JUDGE, encoding: "utf8" });
    if (built.status !== 0) throw new Error(built.stderr);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** Starts the Go program; `lines` is what it has written when it ends. */
  function run(...args: readonly string[]): {
    readonly child: ChildProcess;
    readonly lines: Promise<readonly string[]>;
  } {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    return {
      child,
      lines: new Promise((resolve) => child.once("close", () => resolve(lines))),
    };
  }

  test.each(["tcp", "unix"])("CometBFT's signer serves our node over %s", async (kind) => {
    const path = join(root, "node.sock");
    const remote = await openRemoteSigner(
      {
        chainId: CHAIN,
        mode: "listen",
        address: parseSignerAddress(kind === "tcp" ? "tcp://127.0.0.1:0" : `unix://${path}`),
        allowedIds: undefined,
        expectedKey: undefined,
        timeoutMs: 5_000,
        startTimeoutMs: 30_000,
      },
      { ...common, metrics: NULL_REMOTE_SIGNER_METRICS },
    );
    const files = [join(root, `${kind}-key.json`), join(root, `${kind}-state.json`)];
    const { child, lines } = run("sign", formatSignerAddress(remote.address), CHAIN, ...files);
    try {
      const key = await remote.untilReady();
      const { type: _type, ...vote } = precommit("block", EMPTY_BYTES);
      const proposal = { ...vote, polRound: Round(-1) };
      const { height, round, polRound, blockId, timestamp, signature } = proposal;
      const unsigned = { height, round, polRound, blockId, timestamp, signature };
      const signed = await remote.signProposal(CHAIN, unsigned);
      expect(signed.signature.length).toBe(64);
      // What comes back was verified; a signature that does not hold is an error.
      const extended = await remote.signVote(CHAIN, precommit("block", utf8ToBytes("ext")), true);
      expect(extended.extensionSignature.length).toBe(64);
      const later = { ...precommit("block", EMPTY_BYTES), timestamp: { seconds: 1n, nanos: 0 } };
      expect((await remote.signVote(CHAIN, later, true)).timestamp).toEqual(extended.timestamp);
      await expect(
        remote.signVote(CHAIN, precommit("other", EMPTY_BYTES), true),
      ).rejects.toMatchObject({
        code: "PRIVVAL_REMOTE_REFUSED",
        message: expect.stringContaining("conflicting data"),
      });
      child.stdin?.end();
      expect(await lines).toEqual([toHex(key.bytes).toUpperCase()]);
    } finally {
      child.kill();
      await remote.close();
    }
  });

  test.each(["tcp", "unix"])("our signer serves CometBFT's node over %s", async (kind) => {
    const [port] = await freePorts(1);
    const address =
      kind === "tcp" ? `tcp://127.0.0.1:${port}` : `unix://${join(root, "comet.sock")}`;
    const keyPath = join(root, `${kind}-own.json`);
    createKeyFile(keyPath, generateEd25519KeyPair().privateKey);
    const statePath = join(root, `${kind}-own-state.json`);
    const privValidator = await openFilePrivValidator({ keyPath, statePath, isFresh: true });
    const service = createSignerService(
      { chainId: CHAIN, connect: [parseSignerAddress(address)], listen: [], allowedIds: [] },
      { ...common, privValidator, metrics: NULL_SIGNER_PROCESS_METRICS },
    );
    const { lines } = run("ask", address, CHAIN);
    await service.start();
    const { bytes } = await privValidator.publicKey();
    expect(await lines).toEqual([
      `key ${toHex(bytes).toUpperCase()}`,
      "proposal: true",
      "prevote: true",
      "precommit with extension: true",
      "same vote later: true",
      "double sign: signerEndpoint returned error #0: refused to sign twice at height 5, round 0, precommit: something else was signed there",
      'other chain: signerEndpoint returned error #0: this signer serves chain weft-interop, not "other-chain"',
      "ping: true",
    ]);
    await service.stop();
    await privValidator.close();
  });
});
