import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { ContradictingShares } from "../../proto/codec/seal-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import type { Proposal } from "../../proto/types.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import { evidenceSignatures } from "../app/slashing/evidence.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { evidenceFromJson, evidenceToJson } from "./evidence-file.ts";
import { createFoundEvidence } from "./found-evidence.ts";

const CHAIN_ID = "weft-test-1";
const KEY = ed25519KeyPairFromSeed(sha256(utf8ToBytes("proposer")));

test("two proposals become one file, whose evidence carries what was signed", async () => {
  const directory = join(await mkdtemp(join(tmpdir(), "weft-found-")), "found_evidence");
  const found = createFoundEvidence({ directory }, { logger: NULL_LOGGER });
  found.proposedTwice(conflict(7));
  found.proposedTwice(conflict(7));
  await found.idle();
  const names = await readdir(directory);
  expect(names).toHaveLength(1);
  const text = await readFile(join(directory, names[0] ?? ""), "utf8");
  const evidence = evidenceFromJson(JSON.parse(text));
  expect(evidence).toMatchObject({ height: 7, round: 1, consensusKey: KEY.publicKey });
  const verdicts = evidenceSignatures(CHAIN_ID, evidence).map(({ publicKey, message, signature }) =>
    verifyEd25519Sync(publicKey, message, signature),
  );
  expect(verdicts).toEqual([true, true]);
  assert(evidence.kind === "duplicateProposal", "it is that kind");
  expect(toHex(evidence.first.blockHash)).not.toBe(toHex(evidence.second.blockHash));
});

test("faults in shares become one file for each kind, height and validator, which reads as it was", async () => {
  const directory = join(await mkdtemp(join(tmpdir(), "weft-found-")), "found_evidence");
  const found = createFoundEvidence({ directory }, { logger: NULL_LOGGER });
  for (const evidence of [contradiction(4), contradiction(4), contradiction(5)]) {
    found.sharedWrongly(evidence);
  }
  await found.idle();
  const names = (await readdir(directory)).sort();
  const validator = toHex(contradiction(4).validator);
  expect(names).toEqual([4, 5].map((at) => `contradicting-shares-${at}-${validator}.json`));
  const text = await readFile(join(directory, names[0] ?? ""), "utf8");
  expect(evidenceFromJson(JSON.parse(text))).toEqual(contradiction(4));
});

test("a file that says evidence of shares and holds something else is refused", () => {
  const file = evidenceToJson(contradiction(4));
  assert(file.kind === "contradicting-shares", "it is that kind");
  const bytes = Buffer.from(file.evidence, "base64");
  for (const damaged of [
    bytes.subarray(1),
    Buffer.concat([bytes, Buffer.of(0)]),
    Buffer.alloc(0),
  ]) {
    const json = { ...file, evidence: damaged.toString("base64") };
    expect(() => evidenceFromJson(json)).toThrow("expected evidence of shares");
  }
});

test("no more files are written than there may be", async () => {
  const directory = join(await mkdtemp(join(tmpdir(), "weft-found-")), "found_evidence");
  const found = createFoundEvidence({ directory, filesMax: 2 }, { logger: NULL_LOGGER });
  for (const height of [1, 2, 3]) found.proposedTwice(conflict(height));
  await found.idle();
  expect(await readdir(directory)).toHaveLength(2);
});

function contradiction(height: number): ContradictingShares {
  const part = (name: string) => ({
    blockHash: sha256(utf8ToBytes(name)),
    content: utf8ToBytes(`shares ${name}`),
    signature: new Uint8Array(64).fill(name.length),
  });
  return {
    kind: "contradictingShares",
    validator: KEY.publicKey.slice(0, 20),
    applicationKey: KEY.publicKey,
    height: Height(height),
    first: part("a"),
    second: part("bb"),
  };
}

function conflict(height: number) {
  const [first, second] = [proposal(height, "a"), proposal(height, "b")];
  const proposer = { type: "ed25519", bytes: KEY.publicKey } as const;
  return { kind: "ConflictingProposals", first, second, proposer } as const;
}

function proposal(height: number, name: string): Proposal {
  const unsigned = {
    height: Height(height),
    round: Round(1),
    polRound: Round(-1),
    blockId: {
      hash: sha256(utf8ToBytes(name)),
      partSetHeader: { total: 1, hash: sha256(utf8ToBytes("parts")) },
    },
    timestamp: { seconds: 1_700_000_000n, nanos: 5 },
  };
  return { ...unsigned, signature: signEd25519(KEY, proposalSignBytes(CHAIN_ID, unsigned)) };
}
