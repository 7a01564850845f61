/**
 * CometBFT and ours read the same altered blocks, commits and evidence: who takes what the other refuses, or another value
 * from the same bytes, cannot follow a block that the other has decided.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import {
  decodeBlock,
  decodeEvidence,
  decodeHeader,
  encodeBlock,
  encodeEvidence,
  encodeHeader,
} from "../../proto/codec/block.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import {
  decodeCommit,
  decodeExtendedCommit,
  encodeCommit,
  encodeExtendedCommit,
} from "../../proto/codec/votes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  validateBlock,
  validateCommit,
  validateEvidence,
  validateExtendedCommit,
  validateHeader,
} from "../../proto/validate-basic.ts";
import { commitHash, evidenceListHash } from "../../proto/hashes.ts";
import { BlockIdFlag, ZERO_TIME, type Block, type Commit } from "../../proto/types.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { buildChain, testKeys } from "../support/chain-builder.ts";
import { doubleVoteCases, GOOD_ATTACK } from "../support/evidence-cases.ts";
import { alterFields, joinFields, splitFields } from "../support/wire-fields.ts";

const JUDGE = fileURLToPath(new URL("./codec-judge", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;
/** Which alterations are drawn; any number will do. */
const SEED = 38;
const CASES_OF_EACH = 800;

type Kind = "block" | "header" | "commit" | "extendedCommit" | "evidence";

/** What we write again of what we accept; throws what we refuse it with. */
const READ: Readonly<Record<Kind, (bytes: Uint8Array) => Uint8Array>> = {
  block(bytes) {
    const block = decodeBlock(bytes);
    validateBlock(block);
    return encodeBlock(block);
  },
  header(bytes) {
    const header = decodeHeader(bytes);
    validateHeader(header);
    return encodeHeader(header);
  },
  commit(bytes) {
    const commit = decodeCommit(bytes);
    validateCommit(commit);
    return encodeCommit(commit);
  },
  extendedCommit(bytes) {
    const commit = decodeExtendedCommit(bytes);
    validateExtendedCommit(commit);
    return encodeExtendedCommit(commit);
  },
  evidence(bytes) {
    const evidence = decodeEvidence(bytes);
    validateEvidence(evidence);
    return encodeEvidence(evidence);
  },
};

/** An absent validator and one that voted for nil are among the signers. */
function withAbsence(commit: Commit): Commit {
  const [first, second, ...others] = commit.signatures;
  if (first === undefined || second === undefined) throw new RangeError("expected two signatures");
  const absent = { validatorAddress: EMPTY_BYTES, timestamp: ZERO_TIME, signature: EMPTY_BYTES };
  return {
    ...commit,
    signatures: [
      { ...absent, blockIdFlag: BlockIdFlag.ABSENT },
      { ...second, blockIdFlag: BlockIdFlag.NIL },
      ...others,
    ],
  };
}

function bases(): readonly { readonly kind: Kind; readonly bytes: Uint8Array }[] {
  const [first, second, third] = buildChain(testKeys(4), 3).map(({ block }) => block);
  if (first === undefined || second === undefined || third === undefined) {
    throw new RangeError("expected three blocks");
  }
  const evidence = [doubleVoteCases[0]?.piece ?? GOOD_ATTACK, GOOD_ATTACK];
  const lastCommit = withAbsence(third.lastCommit);
  const rich: Block = {
    ...third,
    evidence,
    lastCommit,
    header: {
      ...third.header,
      lastCommitHash: commitHash(lastCommit),
      evidenceHash: evidenceListHash(evidence),
    },
  };
  const { signatures, ...frame } = lastCommit;
  const extended = {
    ...frame,
    extendedSignatures: signatures.map((sig) => {
      const isCommit = sig.blockIdFlag === BlockIdFlag.COMMIT;
      const extension = isCommit ? utf8ToBytes("an extension") : EMPTY_BYTES;
      return { ...sig, extension, extensionSignature: isCommit ? sig.signature : EMPTY_BYTES };
    }),
  };
  return [
    ...[first, second, rich].map((block) => ({
      kind: "block" as const,
      bytes: encodeBlock(block),
    })),
    { kind: "header", bytes: encodeHeader(third.header) },
    { kind: "commit", bytes: encodeCommit(first.lastCommit) },
    { kind: "commit", bytes: encodeCommit(lastCommit) },
    { kind: "extendedCommit", bytes: encodeExtendedCommit(extended) },
    ...evidence.map((piece) => ({ kind: "evidence" as const, bytes: encodeEvidence(piece) })),
  ];
}

interface Case {
  readonly kind: Kind;
  readonly bytes: Uint8Array;
}

function cases(): readonly Case[] {
  const choices = fc.array(fc.nat(), { minLength: 60, maxLength: 60 });
  return bases().flatMap(({ kind, bytes }, base) => {
    const fields = splitFields(bytes);
    if (fields === undefined) throw new RangeError(`a ${kind} of ours is no message`);
    const drawn = fc.sample(choices, { seed: SEED + base, numRuns: CASES_OF_EACH });
    const altered = drawn.map((numbers): Case => {
      let at = 0;
      const draw = (below: number): number => (numbers[at++ % numbers.length] ?? 0) % below;
      let result = fields;
      for (let count = 1 + draw(2); count > 0; count--) result = alterFields(result, draw);
      return { kind, bytes: joinFields(result) };
    });
    return [{ kind, bytes }, ...altered];
  });
}

function verdictsOfGo(all: readonly Case[]): readonly string[] {
  const input = all.map(({ kind, bytes }) => `${kind} ${toHex(bytes)}\n`).join("");
  const output = execFileSync("go", ["run", "."], {
    cwd: JUDGE,
    input,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return output.trimEnd().split("\n");
}

/** Ours in Go's words: what is refused, and that we cannot tell such numbers and texts, for which Go has room. */
function verdict({ kind, bytes }: Case): {
  readonly text: string;
  readonly isOutOfOurReach: boolean;
} {
  try {
    return { text: `ok ${toHex(sha256(READ[kind](bytes)))}`, isOutOfOurReach: false };
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const isOutOfOurReach =
      isCodecError(error) &&
      (error.code === "CODEC_UTF8" || error.message.includes("not a safe integer"));
    return { text: "refused", isOutOfOurReach };
  }
}

describe.skipIf(!hasGo && process.env["CI"] === undefined)("bytes, judged by CometBFT", () => {
  test("interop: blocks, commits and evidence mean the same, or are refused, by both", () => {
    const all = cases();
    const theirs = verdictsOfGo(all);
    expect(theirs.length).toBe(all.length);
    const differing: string[] = [];
    let accepted = 0;
    for (const [i, one] of all.entries()) {
      const go = theirs[i] ?? "";
      const ours = verdict(one);
      if (go.startsWith("ok")) accepted++;
      if (ours.isOutOfOurReach || ours.text === go) continue;
      if (ours.text === "refused" && go.startsWith("refused")) continue;
      differing.push(`${one.kind} ${toHex(one.bytes)}: ours ${ours.text}, Go: ${go}`);
    }
    expect(differing).toEqual([]);
    expect(accepted).toBeGreaterThan(all.length / 10);
  });
});
