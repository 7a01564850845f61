import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../test/support/loopback.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { Height, NodeId, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { encodePrivvalFrame } from "../../proto/codec/privval-messages.ts";
import { sha256 } from "../../proto/hash.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../proto/sign-bytes.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  type Proposal,
  type PublicKey,
  type Vote,
} from "../../proto/types.ts";
import {
  generateEd25519KeyPair,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import {
  openFilePrivValidator,
  type FilePrivValidator,
} from "../engine/privval/file-priv-validator.ts";
import { createKeyFile } from "../engine/privval/key-file.ts";
import { createNodeKey, type NodeKey } from "../p2p/node-key.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import type { Clock } from "../ports/clock.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import type { SignerAddress } from "./address.ts";
import { parseSignerAddress } from "./address.ts";
import { SIGNER_IDLE_MS } from "./limits.ts";
import { NULL_REMOTE_SIGNER_METRICS, NULL_SIGNER_PROCESS_METRICS } from "./metrics.ts";
import { openRemoteSigner, type RemoteSignerOptions } from "./remote-signer.ts";
import { createSignerService, type SignerServiceOptions } from "./signer-service.ts";

const CHAIN = "weft-test";
const ANY_PORT = parseSignerAddress("tcp://127.0.0.1:0");
const clock = createSystemClock();
const nodeKey = createNodeKey();
const signerKey = createNodeKey();

let directory = "";
const closers: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-signer-"));
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await rm(directory, { recursive: true, force: true });
});

/** The node's end; what it refused is recorded. */
async function openNode(options: Partial<RemoteSignerOptions> = {}, nodeClock: Clock = clock) {
  const refusals: string[] = [];
  const metrics = {
    ...NULL_REMOTE_SIGNER_METRICS,
    refused: { inc: (labels?: { reason?: string }) => refusals.push(labels?.reason ?? "") },
  };
  const remote = await openRemoteSigner(
    {
      chainId: CHAIN,
      mode: "listen",
      address: ANY_PORT,
      allowedIds: undefined,
      expectedKey: undefined,
      timeoutMs: 5_000,
      startTimeoutMs: 20_000,
      ...options,
    },
    {
      connectionKey: nodeKey,
      verifySignature: verifyEd25519Sync,
      clock: nodeClock,
      logger: NULL_LOGGER,
      metrics,
    },
  );
  closers.push(() => remote.close());
  return { remote, refusals };
}

async function openKey(name = "key", isFresh = true): Promise<FilePrivValidator> {
  const keyPath = join(directory, `${name}.json`);
  if (isFresh) createKeyFile(keyPath, generateEd25519KeyPair().privateKey);
  const statePath = join(directory, `${name}-state.json`);
  const privValidator = await openFilePrivValidator({ keyPath, statePath, isFresh });
  closers.push(() => privValidator.close());
  return privValidator;
}

/** The signer's end. */
async function openService(
  privValidator: FilePrivValidator,
  options: Partial<SignerServiceOptions>,
  connectionKey: NodeKey = signerKey,
) {
  const service = createSignerService(
    { chainId: CHAIN, connect: [], listen: [], allowedIds: [], ...options },
    {
      privValidator,
      connectionKey,
      verifySignature: verifyEd25519Sync,
      clock,
      logger: NULL_LOGGER,
      metrics: NULL_SIGNER_PROCESS_METRICS,
    },
  );
  closers.push(() => service.stop());
  await service.start();
  return service;
}

const blockId = (name: string) => ({
  hash: sha256(utf8ToBytes(name)),
  partSetHeader: { total: 1, hash: sha256(utf8ToBytes(`${name} parts`)) },
});

function unsignedVote(changes: Partial<Vote> = {}): Vote {
  return {
    type: SignedMsgType.PREVOTE,
    height: Height(5),
    round: Round(0),
    blockId: blockId("a"),
    timestamp: { seconds: 100n, nanos: 1 },
    validatorAddress: new Uint8Array(20),
    validatorIndex: 3,
    signature: EMPTY_BYTES,
    extension: EMPTY_BYTES,
    extensionSignature: EMPTY_BYTES,
    ...changes,
  };
}

const unsignedProposal: Proposal = {
  height: Height(5),
  round: Round(0),
  polRound: Round(-1),
  blockId: blockId("a"),
  timestamp: { seconds: 100n, nanos: 1 },
  signature: EMPTY_BYTES,
};

const precommit = (extension: Uint8Array): Vote =>
  unsignedVote({ type: SignedMsgType.PRECOMMIT, extension });

function verifies(key: PublicKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  return verifyEd25519Sync(key.bytes, bytes, signature);
}

/** Unix addresses that nobody else uses. */
const unixAddress = (name = "s"): SignerAddress => ({ kind: "unix", path: join(directory, name) });

describe("a key that lives elsewhere", () => {
  const directions: readonly (readonly [string, () => SignerAddress, "listen" | "dial"])[] = [
    ["the signer dials over TCP", () => ANY_PORT, "listen"],
    ["the signer dials a Unix socket", unixAddress, "listen"],
    ["the node dials over TCP", () => ANY_PORT, "dial"],
    ["the node dials a Unix socket", unixAddress, "dial"],
  ];
  test.each(directions)("signs proposals, votes and extensions: %s", async (_name, where, mode) => {
    const key = await openKey();
    let remote: Awaited<ReturnType<typeof openNode>>["remote"];
    if (mode === "listen") {
      ({ remote } = await openNode({ address: where(), allowedIds: [signerKey.id] }));
      await openService(key, { connect: [pinned(remote.address, nodeKey.id)] });
    } else {
      const service = await openService(key, { listen: [where()], allowedIds: [nodeKey.id] });
      const [address] = service.addresses;
      if (address === undefined) throw new Error("nothing is listened on");
      ({ remote } = await openNode({ mode, address: pinned(address, signerKey.id) }));
    }
    const publicKey = await remote.untilReady();
    expect(publicKey).toEqual(await key.publicKey());

    const proposal = await remote.signProposal(CHAIN, unsignedProposal);
    expect(
      verifies(publicKey, proposalSignBytes(CHAIN, unsignedProposal), proposal.signature),
    ).toBe(true);
    const prevote = await remote.signVote(CHAIN, unsignedVote(), true);
    expect(verifies(publicKey, voteSignBytes(CHAIN, prevote), prevote.signature)).toBe(true);
    expect(prevote.extensionSignature.length).toBe(0);
    const asked = precommit(utf8ToBytes("extension"));
    const signed = await remote.signVote(CHAIN, asked, true);
    expect(signed).toEqual({
      ...asked,
      signature: signed.signature,
      extensionSignature: signed.extensionSignature,
    });
    const extensionBytes = voteExtensionSignBytes(CHAIN, asked);
    expect(verifies(publicKey, extensionBytes, signed.extensionSignature)).toBe(true);
    // Where extensions are off, the signer's signature of the empty one is dropped.
    const later = { ...asked, round: Round(1) };
    const plain = await remote.signVote(CHAIN, later, false);
    expect([plain.extension.length, plain.extensionSignature.length]).toEqual([0, 0]);
    const nil = await remote.signVote(
      CHAIN,
      { ...later, round: Round(2), blockId: NIL_BLOCK_ID },
      true,
    );
    expect([nil.extension.length, nil.extensionSignature.length]).toEqual([0, 0]);
  });

  test("the largest extension goes through", async () => {
    const { remote } = await openNode();
    await openService(await openKey(), { connect: [remote.address] });
    await remote.untilReady();
    const extension = new Uint8Array(1_048_576).fill(7);
    const signed = await remote.signVote(CHAIN, precommit(extension), true);
    expect(signed.extensionSignature.length).toBe(64);
  });

  test("double signs are refused, and the reason arrives", async () => {
    const { remote } = await openNode();
    await openService(await openKey(), { connect: [remote.address] });
    await remote.untilReady();
    const first = await remote.signVote(CHAIN, unsignedVote(), false);
    await expect(
      remote.signVote(CHAIN, unsignedVote({ blockId: blockId("b") }), false),
    ).rejects.toMatchObject({
      code: "PRIVVAL_REMOTE_REFUSED",
      message: expect.stringMatching(/refused to sign twice at height 5, round 0, prevote/),
    });
    await expect(
      remote.signVote(CHAIN, unsignedVote({ height: Height(4) }), false),
    ).rejects.toThrow(/was signed already/);
    // The same vote at another time is the vote of then.
    const again = unsignedVote({ timestamp: { seconds: 200n, nanos: 0 } });
    expect(await remote.signVote(CHAIN, again, false)).toEqual(first);
    expect(remote.isConnected).toBe(true);
  });

  test("a signer that is killed and comes back answers what waits, and remembers what it signed", async () => {
    const { remote } = await openNode();
    const key = await openKey();
    const before = await openService(key, { connect: [remote.address] });
    await remote.untilReady();
    const first = await remote.signVote(CHAIN, unsignedVote(), false);
    await before.stop();
    await key.close();
    await eventually(() => !remote.isConnected, "the node sees that the signer is gone");
    const waiting = remote.signVote(CHAIN, precommit(EMPTY_BYTES), false);
    const [again, other] = [unsignedVote(), unsignedVote({ blockId: blockId("b") })];
    await openService(await openKey("key", false), { connect: [remote.address] });
    expect((await waiting).signature.length).toBe(64);
    await expect(remote.signVote(CHAIN, again, false)).rejects.toThrow(
      /precommit was signed already/,
    );
    await expect(remote.signVote(CHAIN, other, false)).rejects.toThrow(
      /precommit was signed already/,
    );
    expect(first.signature.length).toBe(64);
  });

  test("without a signer a wish fails in time, or at once when nobody needs it", async () => {
    const { remote } = await openNode({ timeoutMs: 50, startTimeoutMs: 50 });
    await expect(remote.untilReady()).rejects.toMatchObject({
      code: "SIGNER_START_TIMEOUT",
      message: expect.stringMatching(/nobody came: start the signer/),
    });
    await expect(remote.signVote(CHAIN, unsignedVote(), false)).rejects.toMatchObject({
      code: "PRIVVAL_UNAVAILABLE",
    });
    const patient = await openNode({ timeoutMs: 60_000 });
    const controller = new AbortController();
    const waiting = patient.remote.signVote(CHAIN, unsignedVote(), false, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "PRIVVAL_UNAVAILABLE" });
  });
});

describe("a signer that is not the one", () => {
  test("another chain: the node says so when it gives up", async () => {
    const { remote } = await openNode({ startTimeoutMs: 1_000 });
    await openService(await openKey(), { connect: [remote.address], chainId: "other-chain" });
    await expect(remote.untilReady()).rejects.toThrow(
      /the last attempt: .*serves chain other-chain, not "weft-test"/,
    );
  });

  test("another validator's key, at the start and later", async () => {
    const key = await openKey();
    const expectedKey = await key.publicKey();
    const { remote, refusals } = await openNode({ expectedKey });
    const stranger = await openKey("stranger");
    const wrong = await openService(stranger, { connect: [remote.address] });
    await eventually(() => refusals.includes("SIGNER_WRONG_KEY"), "the wrong key is refused");
    expect(remote.isConnected).toBe(false);
    await wrong.stop();
    const right = await openService(key, { connect: [remote.address] });
    await remote.untilReady();
    await right.stop();
    refusals.length = 0;
    await openService(stranger, { connect: [remote.address] });
    await eventually(() => refusals.includes("SIGNER_WRONG_KEY"), "it is refused later too");
  });

  test("a connection key that is not allowed", async () => {
    const { remote, refusals } = await openNode({ allowedIds: [NodeId("0".repeat(40))] });
    await openService(await openKey(), { connect: [remote.address] });
    await eventually(() => refusals.includes("SIGNER_NOT_ALLOWED"), "it is refused");
    expect(remote.isConnected).toBe(false);
  });

  test("a node that is not allowed gets no answer of a listening signer", async () => {
    const service = await openService(await openKey(), {
      listen: [ANY_PORT],
      allowedIds: [NodeId("0".repeat(40))],
    });
    const [address] = service.addresses;
    if (address === undefined) throw new Error("nothing is listened on");
    const { remote } = await openNode({ mode: "dial", address, startTimeoutMs: 500 });
    await expect(remote.untilReady()).rejects.toMatchObject({ code: "SIGNER_START_TIMEOUT" });
    expect(service.connections).toBe(0);
  });

  test("a second one while the first is connected; it gets its turn when the first goes", async () => {
    const { remote, refusals } = await openNode();
    const key = await openKey();
    const first = await openService(key, { connect: [remote.address] });
    await remote.untilReady();
    await openService(key, { connect: [remote.address] }, createNodeKey());
    await eventually(() => refusals.includes("SIGNER_BUSY"), "the second is refused");
    expect((await remote.signVote(CHAIN, unsignedVote(), false)).signature.length).toBe(64);
    await first.stop();
    await eventually(() => !remote.isConnected, "the node sees that the first is gone");
    const later = unsignedVote({ height: Height(6) });
    expect((await remote.signVote(CHAIN, later, false)).signature.length).toBe(64);
  });
});

describe("connections that are no signer", () => {
  test("garbage, silence and half a message do not keep the signer out", async () => {
    const { remote, refusals } = await openNode({ timeoutMs: 300 });
    const { remote: unix, refusals: unixRefusals } = await openNode({
      address: unixAddress(),
      timeoutMs: 300,
    });
    const garbage = await rawConnection(remote.address);
    garbage.write(new Uint8Array(2_000).fill(0xff));
    await eventually(() => refusals.includes("SIGNER_HANDSHAKE_FAILED"), "garbage is refused");
    const unixGarbage = await rawConnection(unix.address);
    unixGarbage.write(new Uint8Array(2_000).fill(0xff));
    await eventually(() => unixRefusals.includes("SIGNER_MESSAGE_INVALID"), "garbage over Unix");
    const slow = await rawConnection(unix.address);
    slow.write(encodePrivvalFrame({ kind: "pingResponse" }).subarray(0, 2));
    const silent = await rawConnection(remote.address);
    await openService(await openKey(), { connect: [remote.address, unix.address] });
    await Promise.all([remote.untilReady(), unix.untilReady()]);
    await eventually(() => slow.destroyed, "the slow one is closed");
    expect((await remote.signVote(CHAIN, unsignedVote(), false)).signature.length).toBe(64);
    silent.destroy();
  });

  test("a signer that falls silent is dropped, and what waits goes to the next", async () => {
    const { remote } = await openNode({ address: unixAddress(), timeoutMs: 200 });
    const key = await openKey();
    const publicKey = await key.publicKey();
    const mute = await fakeSigner(remote.address, (request) =>
      request.kind === "publicKeyRequest" ? { kind: "publicKeyResponse", publicKey } : undefined,
    );
    await remote.untilReady();
    // Nobody asks for a signature: the ping alone finds out.
    await eventually(() => mute.destroyed, "the silent signer is dropped");
    await openService(key, { connect: [remote.address] });
    expect((await remote.signVote(CHAIN, unsignedVote(), false)).signature.length).toBe(64);
  });

  test("a signer with nothing to sign hears from its node before it takes the silence for a broken link", async () => {
    const ofNode = createManualClock();
    const { remote } = await openNode({ address: unixAddress(), timeoutMs: 60_000 }, ofNode);
    const publicKey = await (await openKey()).publicKey();
    let pings = 0;
    await fakeSigner(remote.address, (request) => {
      if (request.kind === "publicKeyRequest") return { kind: "publicKeyResponse", publicKey };
      if (request.kind === "pingRequest") pings += 1;
      return { kind: "pingResponse" };
    });
    await remote.untilReady();
    await ofNode.advance(SIGNER_IDLE_MS - 1_000);
    await eventually(() => pings > 0, "a ping");
    expect(pings).toBe(1);
  });

  test("an answer that does not verify is not used", async () => {
    const pair = generateEd25519KeyPair();
    const stranger = generateEd25519KeyPair();
    const publicKey: PublicKey = { type: "ed25519", bytes: pair.publicKey };
    const { remote } = await openNode({ address: unixAddress() });
    let answer: (request: PrivvalMessage) => PrivvalMessage | undefined = () => undefined;
    const begin = () =>
      fakeSigner(remote.address, (request) =>
        request.kind === "publicKeyRequest"
          ? { kind: "publicKeyResponse", publicKey }
          : answer(request),
      );
    const signVote = (vote: Vote, key = pair): Vote => ({
      ...vote,
      signature: signEd25519(key, voteSignBytes(CHAIN, vote)),
    });
    const asked = precommit(utf8ToBytes("extension"));
    const cases: readonly (readonly [RegExp, typeof answer])[] = [
      [/signature of a vote does not/, () => vote(signVote(asked, stranger))],
      [/signature of a vote does not/, () => vote(signVote({ ...asked, blockId: blockId("b") }))],
      [/does not sign vote extensions/, () => vote(signVote(asked))],
      [
        /vote extension does not/,
        () => vote({ ...signVote(asked), extensionSignature: new Uint8Array(64) }),
      ],
      [/expected a vote, got pingResponse/, () => ({ kind: "pingResponse" })],
    ];
    for (const [message, reply] of cases) {
      answer = reply;
      const fake = await begin();
      await remote.untilReady();
      await expect(remote.signVote(CHAIN, asked, true)).rejects.toMatchObject({
        code: "PRIVVAL_BAD_REPLY",
        message: expect.stringMatching(message),
      });
      await eventually(() => fake.destroyed, "whoever answers so is dropped");
      await eventually(() => !remote.isConnected, "and is not used any more");
    }
  });

  test("a Unix socket is its owner's alone; a stale file is replaced, a living one is not", async () => {
    const address = unixAddress();
    const path = join(directory, "s");
    const first = await openNode({ address });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(openNode({ address })).rejects.toMatchObject({ code: "SIGNER_LISTEN_FAILED" });
    await first.remote.close();
    // A server that dies leaves its file.
    const stale = createServer();
    await new Promise<void>((resolve) => stale.listen(`${path}.live`, resolve));
    await import("node:fs/promises").then(({ rename }) => rename(`${path}.live`, path));
    await new Promise<void>((resolve) => stale.close(() => resolve()));
    await chmod(path, 0o600);
    await openNode({ address });
  });
});

describe("a signer process", () => {
  test("closes a connection that sends answers or never a whole message, and goes on", async () => {
    const service = await openService(await openKey(), { listen: [unixAddress()] });
    const stranger = await rawConnection(unixAddress());
    stranger.write(encodePrivvalFrame({ kind: "pingResponse" }));
    await eventually(() => stranger.destroyed, "it is closed");
    const { remote } = await openNode({ mode: "dial", address: unixAddress() });
    await remote.untilReady();
    expect(service.connections).toBe(1);
  });

  test("says that it failed when its state cannot be written, and signs nothing", async () => {
    const key = await openKey();
    const { remote } = await openNode();
    const service = await openService(key, { connect: [remote.address] });
    await remote.untilReady();
    await rm(directory, { recursive: true, force: true });
    await expect(remote.signVote(CHAIN, unsignedVote(), false)).rejects.toMatchObject({
      code: "PRIVVAL_REMOTE_REFUSED",
      message: expect.stringMatching(/cannot be written/),
    });
    expect(service.failure).toMatch(/nothing is signed any more/);
  });
});

function vote(value: Vote): PrivvalMessage {
  return { kind: "signedVoteResponse", vote: value };
}

function pinned(address: SignerAddress, id: NodeId): SignerAddress {
  return address.kind === "tcp" ? { ...address, id } : address;
}

async function rawConnection(address: SignerAddress): Promise<Socket> {
  const socket =
    address.kind === "unix"
      ? connect(address.path)
      : connect({ host: address.host, port: address.port });
  socket.on("error", () => socket.destroy());
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  // Without a reader the end of the connection is not seen.
  socket.on("data", () => {});
  closers.push(async () => socket.destroy());
  return socket;
}

/** Something on the Unix socket that answers as it is told. */
async function fakeSigner(
  address: SignerAddress,
  answer: (request: PrivvalMessage) => PrivvalMessage | undefined,
): Promise<Socket> {
  const { openMessageStream } = await import("./message-stream.ts");
  const socket = await rawConnection(address);
  const stream = await openMessageStream(
    { socket, isSecret: false, remote: "node" },
    { connectionKey: signerKey, verifySignature: verifyEd25519Sync },
  );
  stream.onMessage((request) => {
    const reply = answer(request);
    if (reply !== undefined) stream.send(reply);
  });
  return socket;
}
