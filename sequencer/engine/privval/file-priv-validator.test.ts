import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { proposalSignBytes, voteSignBytes } from "../../../proto/sign-bytes.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  type BlockId,
  type Proposal,
  type Vote,
} from "../../../proto/types.ts";
import { openFilePrivValidator } from "./file-priv-validator.ts";
import { generateEd25519KeyPair } from "../../../proto/verify/ed25519.ts";
import { createKeyFile, keyFromBytes, loadKeyFile } from "./key-file.ts";

const CHAIN = "weft-test";
const blockId = (name: string): BlockId => ({
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
    validatorIndex: 0,
    signature: EMPTY_BYTES,
    extension: EMPTY_BYTES,
    extensionSignature: EMPTY_BYTES,
    ...changes,
  };
}

function unsignedProposal(changes: Partial<Proposal> = {}): Proposal {
  return {
    height: Height(5),
    round: Round(0),
    polRound: Round(-1),
    blockId: blockId("a"),
    timestamp: { seconds: 100n, nanos: 1 },
    signature: EMPTY_BYTES,
    ...changes,
  };
}

describe("file signer", () => {
  let directory = "";
  let keyPath = "";
  let statePath = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-privval-"));
    keyPath = join(directory, "priv_validator_key.json");
    statePath = join(directory, "priv_validator_state.json");
    createKeyFile(keyPath, generateEd25519KeyPair().privateKey);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const openSigner = (isFresh = true) => openFilePrivValidator({ keyPath, statePath, isFresh });

  test("signs what a key in CometBFT's format signs, and has recorded it when it is settled", async () => {
    const signer = await openSigner();
    const vote = unsignedVote();
    const signed = await signer.signVote(CHAIN, vote, false);
    const key = loadKeyFile(keyPath);
    expect(signed.signature).toEqual(key.sign(voteSignBytes(CHAIN, vote)));
    expect(await signer.publicKey()).toEqual(key.publicKey);
    await signer.settled();
    const state: unknown = JSON.parse(await readFile(statePath, "utf8"));
    expect(state).toEqual({
      height: "5",
      round: 0,
      step: 2,
      signature: Buffer.from(signed.signature).toString("base64"),
      signbytes: Buffer.from(voteSignBytes(CHAIN, vote)).toString("hex").toUpperCase(),
    });
    expect((await stat(statePath)).mode & 0o777).toBe(0o600);
    expect((await stat(keyPath)).mode & 0o777).toBe(0o600);
    await signer.close();
  });

  test("refuses smaller heights, rounds and steps, also after a restart", async () => {
    const first = await openSigner();
    await first.signVote(CHAIN, unsignedVote({ round: Round(3) }), false);
    await first.close();
    const signer = await openSigner(false);
    const smaller = [
      unsignedVote({ height: Height(4), round: Round(9) }),
      unsignedVote({ round: Round(2) }),
    ];
    for (const vote of smaller) {
      await expect(signer.signVote(CHAIN, vote, false)).rejects.toMatchObject({
        code: "PRIVVAL_REGRESSION",
      });
    }
    await expect(signer.signProposal(CHAIN, unsignedProposal({ round: Round(3) }))).rejects.toThrow(
      /height 5, round 3, proposal: height 5, round 3, prevote was signed already/,
    );
    const precommit = unsignedVote({ round: Round(3), type: SignedMsgType.PRECOMMIT });
    await signer.signVote(CHAIN, precommit, false);
    await signer.signProposal(CHAIN, unsignedProposal({ round: Round(4) }));
    await signer.close();
  });

  test("learns of a signature that only the log kept, and forgets no later one", async () => {
    const elsewhere = await openSigner();
    const kept = await elsewhere.signVote(CHAIN, unsignedVote({ round: Round(3) }), false);
    await elsewhere.close();
    await rm(statePath);
    const signer = await openSigner();
    expect(await signer.remember(CHAIN, kept)).toBe(0);
    expect(await signer.remember(CHAIN, { ...kept, round: Round(1) })).toBeUndefined();
    await signer.close();
    const again = await openSigner(false);
    expect(again.lastSigned).toMatchObject({ height: 5, round: 3 });
    expect(await again.signVote(CHAIN, unsignedVote({ round: Round(3) }), false)).toEqual(kept);
    const smaller = unsignedVote({ round: Round(2) });
    await expect(again.signVote(CHAIN, smaller, false)).rejects.toMatchObject({
      code: "PRIVVAL_REGRESSION",
    });
    await again.close();
  });

  test("same height, round and step: another block is refused, another time gets the old answer", async () => {
    const first = await openSigner();
    const vote = await first.signVote(CHAIN, unsignedVote(), false);
    await first.close();
    const signer = await openSigner(false);
    const later = { timestamp: { seconds: 200n, nanos: 7 } };
    expect(await signer.signVote(CHAIN, unsignedVote(), false)).toEqual(vote);
    expect(await signer.signVote(CHAIN, unsignedVote(later), false)).toEqual(vote);
    for (const other of [blockId("b"), NIL_BLOCK_ID]) {
      await expect(
        signer.signVote(CHAIN, unsignedVote({ blockId: other }), false),
      ).rejects.toMatchObject({ code: "PRIVVAL_CONFLICTING_DATA" });
    }
    await expect(signer.signVote("other-chain", unsignedVote(), false)).rejects.toMatchObject({
      code: "PRIVVAL_CONFLICTING_DATA",
    });
    await signer.close();
  });

  test("a proposal signed before comes back with its old timestamp", async () => {
    const signer = await openSigner();
    const proposal = await signer.signProposal(CHAIN, unsignedProposal());
    const again = await signer.signProposal(
      CHAIN,
      unsignedProposal({ timestamp: { seconds: 300n, nanos: 0 } }),
    );
    expect(again).toEqual(proposal);
    const key = loadKeyFile(keyPath);
    expect(again.signature).toEqual(key.sign(proposalSignBytes(CHAIN, again)));
    await expect(
      signer.signProposal(CHAIN, unsignedProposal({ polRound: Round(0), blockId: blockId("b") })),
    ).rejects.toMatchObject({ code: "PRIVVAL_CONFLICTING_DATA" });
    await signer.close();
  });

  test("extensions are signed anew each time, for precommits of blocks only", async () => {
    const signer = await openSigner();
    const precommit = { type: SignedMsgType.PRECOMMIT, extension: utf8ToBytes("one") };
    const one = await signer.signVote(CHAIN, unsignedVote(precommit), true);
    expect(one.extensionSignature.length).toBe(64);
    const extension = utf8ToBytes("two");
    const two = await signer.signVote(CHAIN, unsignedVote({ ...precommit, extension }), true);
    expect(two.signature).toEqual(one.signature);
    expect(two.extensionSignature).not.toEqual(one.extensionSignature);
    const nil = { ...precommit, round: Round(1), blockId: NIL_BLOCK_ID };
    const nilVote = await signer.signVote(CHAIN, unsignedVote(nil), true);
    expect([nilVote.extension.length, nilVote.extensionSignature.length]).toEqual([0, 0]);
    await signer.close();
  });

  test("two signatures asked for at once: the guard sees one after the other", async () => {
    const signer = await openSigner();
    const results = await Promise.allSettled([
      signer.signVote(CHAIN, unsignedVote({ blockId: blockId("a") }), false),
      signer.signVote(CHAIN, unsignedVote({ blockId: blockId("b") }), false),
    ]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
    await signer.close();
  });

  test("a state file that is missing on a home with blocks, or damaged, is refused", async () => {
    await expect(openSigner(false)).rejects.toThrow(/is missing although this home holds blocks/);
    await writeFile(statePath, '{"height":"5","round":0,"step":2}');
    await expect(openSigner(true)).rejects.toThrow(/Do not delete it/);
  });

  test("reads a state file that CometBFT wrote", async () => {
    await writeFile(statePath, '{\n  "height": "0",\n  "round": 0,\n  "step": 0\n}');
    const signer = await openSigner(false);
    expect(signer.lastSigned).toEqual({ height: 0, round: 0, step: 0, signed: undefined });
    await signer.close();
  });

  test("a key file that others may read, or that does not fit together, is refused", async () => {
    await chmod(keyPath, 0o640);
    expect(() => loadKeyFile(keyPath)).toThrow(
      expect.objectContaining({
        code: "PRIVVAL_FILE_MODE",
        message: expect.stringMatching(/mode 0640.*chmod 600/),
      }),
    );
    await chmod(keyPath, 0o600);
    const json = await readFile(keyPath, "utf8");
    await writeFile(keyPath, json.replace(/"address": "../, '"address": "00'));
    expect(() => loadKeyFile(keyPath)).toThrow(
      expect.objectContaining({ code: "PRIVVAL_KEY_FILE" }),
    );
    expect(() => createKeyFile(keyPath, generateEd25519KeyPair().privateKey)).toThrow(
      /the file exists already/,
    );
    expect(() => loadKeyFile(join(directory, "none"))).toThrow(/there is no key file/);
  });

  test("RFC 8032 test 1: the key of a seed and its signature", () => {
    const seed = Buffer.from(
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "hex",
    );
    const key = keyFromBytes(seed);
    expect(Buffer.from(key.publicKey.bytes).toString("hex")).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    expect(Buffer.from(key.sign(EMPTY_BYTES)).toString("hex")).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
  });
});
