import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { commitHash, dataHash } from "../../proto/hashes.ts";
import { addMs } from "../../proto/time.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  ZERO_TIME,
  type Block,
  type Commit,
  type CommitSig,
  type Header,
} from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { buildChain, testKeys } from "../../test/support/chain-builder.ts";
import { findBlockFault, type BlockRule } from "./block-validation.ts";

const KEYS = testKeys(4);
const CHAIN = buildChain(KEYS, 3);
const [FIRST, , THIRD] = CHAIN;
const verifier = createEd25519Verifier();
const OTHER_HASH = sha256(utf8ToBytes("other"));

if (FIRST === undefined || THIRD === undefined) throw new Error("the chain is too short");
const { block: FIRST_BLOCK, stateBefore: FIRST_STATE } = FIRST;
const { block: BLOCK, stateBefore: STATE } = THIRD;

async function ruleOf(block: Block, state = STATE): Promise<BlockRule | undefined> {
  return (await findBlockFault(state, block, { verifier }))?.rule;
}

const withHeader = (changes: Partial<Header>): Block => ({
  ...BLOCK,
  header: { ...BLOCK.header, ...changes },
});

/** The block with another last commit, its hash made to fit. */
function withCommit(change: (sigs: CommitSig[]) => CommitSig[], changes: Partial<Commit> = {}) {
  const signatures = change([...BLOCK.lastCommit.signatures]);
  const lastCommit = { ...BLOCK.lastCommit, ...changes, signatures };
  const header = { ...BLOCK.header, lastCommitHash: commitHash(lastCommit) };
  return { ...BLOCK, header, lastCommit };
}

const ABSENT: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
};

describe("block validation", () => {
  test("blocks of a real chain pass, the first one included", async () => {
    for (const { block, stateBefore } of CHAIN) {
      expect(await ruleOf(block, stateBefore), `block ${block.header.height}`).toBeUndefined();
    }
  });

  test.each<[string, Partial<Header>, BlockRule]>([
    ["block protocol", { version: { block: 12n, app: 0n } }, "basic"],
    ["app version", { version: { block: 11n, app: 1n } }, "version"],
    ["chain id", { chainId: "other" }, "chainId"],
    ["height", { height: Height(4) }, "height"],
    [
      "last block",
      { lastBlockId: { ...BLOCK.header.lastBlockId, hash: OTHER_HASH } },
      "lastBlockId",
    ],
    ["no last block", { lastBlockId: NIL_BLOCK_ID }, "lastBlockId"],
    ["app hash", { appHash: OTHER_HASH }, "appHash"],
    ["consensus hash", { consensusHash: OTHER_HASH }, "consensusHash"],
    ["results hash", { lastResultsHash: OTHER_HASH }, "lastResultsHash"],
    ["validators hash", { validatorsHash: OTHER_HASH }, "validatorsHash"],
    ["next validators hash", { nextValidatorsHash: OTHER_HASH }, "nextValidatorsHash"],
    ["proposer", { proposerAddress: OTHER_HASH.slice(0, 20) }, "proposer"],
    ["a later time", { time: addMs(BLOCK.header.time, 1) }, "time"],
    ["a time before the last block", { time: addMs(STATE.lastBlockTime, -1) }, "time"],
    ["data hash", { dataHash: OTHER_HASH }, "basic"],
    ["commit hash", { lastCommitHash: OTHER_HASH }, "basic"],
    ["evidence hash", { evidenceHash: OTHER_HASH }, "basic"],
    ["a short hash", { consensusHash: OTHER_HASH.slice(1) }, "basic"],
  ])("refused: %s", async (_, changes, rule) => {
    expect(await ruleOf(withHeader(changes))).toBe(rule);
  });

  test("hashes of the first block point to genesis.json, later ones do not", async () => {
    const [first] = CHAIN;
    if (first === undefined) throw new Error("a chain has a first block");
    const header = { ...first.block.header, appHash: OTHER_HASH };
    const fault = await findBlockFault(first.stateBefore, { ...first.block, header }, { verifier });
    expect(fault?.message).toMatch(/^expected \w*, got \w+; .*comes from genesis\.json/);
    const later = await findBlockFault(STATE, withHeader({ appHash: OTHER_HASH }), { verifier });
    expect(later?.message).not.toMatch(/genesis/);
  });

  test("a transaction that the header does not name is refused", async () => {
    const txs = [...BLOCK.txs, utf8ToBytes("more")];
    expect(await ruleOf({ ...BLOCK, txs })).toBe("basic");
    const header = { ...BLOCK.header, dataHash: dataHash(txs) };
    expect(await ruleOf({ ...BLOCK, header, txs })).toBeUndefined();
  });

  test("the last commit needs +2/3, every signature right, each at its place", async () => {
    const oneAbsent = withCommit((sigs) => sigs.with(0, ABSENT));
    expect(await ruleOf(oneAbsent)).toBeUndefined();
    const twoAbsent = withCommit((sigs) => sigs.with(0, ABSENT).with(1, ABSENT));
    expect(await ruleOf(twoAbsent)).toBe("lastCommit");
    const forged = withCommit((sigs) => {
      const [first] = sigs;
      if (first === undefined) return sigs;
      return sigs.with(0, { ...first, signature: new Uint8Array(64).fill(1) });
    });
    expect(await ruleOf(forged)).toBe("lastCommit");
    const swapped = withCommit(([a, b, ...rest]) => (a && b ? [b, a, ...rest] : rest));
    expect(await ruleOf(swapped)).toBe("lastCommit");
    expect(await ruleOf(withCommit((sigs) => sigs.slice(1)))).toBe("lastCommit");
    expect(await ruleOf(withCommit((sigs) => sigs, { height: Height(1) }))).toBe("lastCommit");
  });

  test("the first block has genesis time and no signatures in its commit", async () => {
    const late = {
      ...FIRST_BLOCK,
      header: { ...FIRST_BLOCK.header, time: addMs(FIRST_BLOCK.header.time, 1) },
    };
    expect(await ruleOf(late, FIRST_STATE)).toBe("time");
    const { signatures } = BLOCK.lastCommit;
    const lastCommit = { ...FIRST_BLOCK.lastCommit, signatures };
    const header = { ...FIRST_BLOCK.header, lastCommitHash: commitHash(lastCommit) };
    expect(await ruleOf({ ...FIRST_BLOCK, header, lastCommit }, FIRST_STATE)).toBe("lastCommit");
  });
});
