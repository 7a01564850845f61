import { describe, expect, test } from "vitest";
import { Height } from "../proto/brands.ts";
import { EMPTY_BYTES } from "../proto/bytes.ts";
import type { InjectedCommit } from "../proto/codec/weft-block.ts";
import { encodeLists, type ListedTx } from "../proto/codec/weft-extension.ts";
import { BlockIdFlag } from "../proto/types.ts";
import {
  commitVote,
  type TestValidator,
  testValidators,
} from "../test/support/application-keys.ts";
import { LOCAL_SEAL_COMPUTE } from "../test/support/seal-compute.ts";
import { buildExtension, NOTHING_SAID, type ExtensionContext } from "./extension.ts";
import {
  buildInjectedCommit,
  type ExtendedCommitVote,
  type InjectedContext,
  verifyInjectedCommit,
} from "./injected-commit.ts";

const hash = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const { validators, keyOf, verify } = testValidators([10n, 10n, 10n, 10n]);
const [alice, bob, , dave] = validators;
if (alice === undefined || bob === undefined || dave === undefined) throw new Error("validators");

const injectedContext: InjectedContext = {
  chainId: "weft-test",
  height: Height(41),
  blockHash: hash(7),
  blockBytesMax: 4_194_304,
  seal: undefined,
};
const ports = { verify, compute: LOCAL_SEAL_COMPUTE };
const context: ExtensionContext = { ...injectedContext, validatorCount: validators.length };

function listed(value: number): ListedTx {
  return { id: hash(value), receivedAgoMs: 1000 - value, size: 200 };
}

async function extensionOf(validator: TestValidator, wanted: readonly ListedTx[] = [listed(1)]) {
  return buildExtension(context, { listed: wanted, withdrawn: [] }, undefined, validator.sign);
}

describe("behavior: the proposer re-verifies and blanks", () => {
  const votes = async (
    change: Readonly<Record<number, ExtendedCommitVote>> = {},
  ): Promise<readonly ExtendedCommitVote[]> =>
    Promise.all(
      validators.map(async (v, i) => change[i] ?? commitVote(v, await extensionOf(v, [listed(i)]))),
    );

  async function built(list: readonly ExtendedCommitVote[]) {
    return buildInjectedCommit(injectedContext, list, keyOf, ports);
  }

  async function check(
    commit: InjectedCommit,
    list: readonly ExtendedCommitVote[],
    change: Partial<InjectedContext> = {},
  ) {
    return verifyInjectedCommit({ ...injectedContext, ...change }, commit, list, keyOf, verify);
  }

  async function code(
    commit: InjectedCommit,
    list: readonly ExtendedCommitVote[],
    change: Partial<InjectedContext> = {},
  ): Promise<string> {
    const result = await check(commit, list, change);
    return "code" in result ? result.code : "accepted";
  }

  test("all votes: every list arrives with its power", async () => {
    const list = await votes();
    const { commit, blanks, hasQuorum } = await built(list);
    expect({ blanks, hasQuorum }).toEqual({ blanks: [], hasQuorum: true });
    const result = await check(commit, list);
    expect(result).toEqual(
      validators.map((v, validatorIndex) => ({
        validatorIndex,
        address: v.address,
        power: v.power,
        lists: { listed: [listed(validatorIndex)], shares: { kind: "abstain" }, withdrawn: [] },
      })),
    );
  });

  test("absent and nil votes have no entry", async () => {
    const flags = [BlockIdFlag.ABSENT, BlockIdFlag.NIL];
    for (const flag of flags) {
      const list = await votes({ 2: commitVote(dave, EMPTY_BYTES, flag) });
      const { commit, hasQuorum } = await built(list);
      expect(commit.entries.map(({ validatorIndex }) => validatorIndex)).toEqual([0, 1, 3]);
      expect(hasQuorum).toBe(true);
      expect(await code(commit, list)).toBe("accepted");
    }
  });

  test.each<[string, () => Promise<Uint8Array>, string]>([
    [
      "an unverified late precommit (cometbft #2361 and #2523, omni #2460, seda #531)",
      async () => new Uint8Array(2_000_000),
      "EXTENSION_MALFORMED",
    ],
    ["an empty extension", async () => EMPTY_BYTES, "EXTENSION_MALFORMED"],
    ["somebody else's extension", async () => extensionOf(bob), "EXTENSION_BAD_SIGNATURE"],
  ])("%s becomes BLANK", async (_, make, reason) => {
    const list = await votes({ 0: commitVote(alice, await make()) });
    const { commit, blanks, hasQuorum } = await built(list);
    expect(commit.entries[0]).toEqual({
      validatorIndex: 0,
      lists: EMPTY_BYTES,
      signature: EMPTY_BYTES,
    });
    expect(blanks.map(({ validatorIndex, refusal }) => [validatorIndex, refusal.code])).toEqual([
      [0, reason],
    ]);
    expect(hasQuorum).toBe(true);
    const result = await check(commit, list);
    expect("code" in result ? result : result.map((one) => one.validatorIndex)).toEqual([1, 2, 3]);
  });

  test("more than a third of BLANK is no block", async () => {
    const list = await votes({
      0: commitVote(alice, EMPTY_BYTES),
      1: commitVote(bob, EMPTY_BYTES),
    });
    const { commit, hasQuorum } = await built(list);
    expect(hasQuorum).toBe(false);
    expect(await code(commit, list)).toBe("INJECTED_NO_QUORUM");
  });

  test("exactly two thirds is not more than two thirds, of the whole set", async () => {
    const thirds = testValidators([1n, 1n, 1n]);
    const list = await Promise.all(
      thirds.validators.map(async (v, i) => {
        const three = { ...context, validatorCount: 3 };
        const bytes = await buildExtension(three, NOTHING_SAID, undefined, v.sign);
        return commitVote(v, bytes, i === 2 ? BlockIdFlag.ABSENT : BlockIdFlag.COMMIT);
      }),
    );
    const { commit, hasQuorum } = await buildInjectedCommit(injectedContext, list, thirds.keyOf, {
      ...ports,
      verify: thirds.verify,
    });
    expect(hasQuorum).toBe(false);
    const result = await verifyInjectedCommit(
      injectedContext,
      commit,
      list,
      thirds.keyOf,
      thirds.verify,
    );
    expect("code" in result ? result.code : "accepted").toBe("INJECTED_NO_QUORUM");
  });

  describe("and a verifier takes nothing from the injected bytes", () => {
    test("an omitted vote (heimdall Phuket)", async () => {
      const list = await votes();
      const { commit } = await built(list);
      for (let i = 0; i < 4; i++) {
        const entries = commit.entries.toSpliced(i, 1);
        expect(await code({ ...commit, entries }, list)).toBe("INJECTED_INCOMPLETE");
      }
    });

    test("an entry twice, or entries out of the set's order", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const [one, two, three, four] = commit.entries;
      if (one === undefined || two === undefined || three === undefined || four === undefined) {
        throw new Error("entries are missing");
      }
      for (const entries of [
        [one, one, two, three],
        [one, two, three, four, four],
        [two, one, three, four],
        [one, two, four, three],
      ]) {
        expect(await code({ ...commit, entries }, list)).toBe("INJECTED_INCOMPLETE");
      }
    });

    test("an entry for a validator that did not vote for the block", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const absent = await votes({ 3: commitVote(dave, EMPTY_BYTES, BlockIdFlag.ABSENT) });
      expect(await code(commit, absent)).toBe("INJECTED_INCOMPLETE");
    });

    test("an index beyond the set (GHSA-p7mv-53f2-4cwj)", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const [one, two, three, four] = commit.entries;
      if (one === undefined || two === undefined || three === undefined || four === undefined) {
        throw new Error("entries are missing");
      }
      const beyond = { ...four, validatorIndex: 4_000_000_000 };
      expect(await code({ ...commit, entries: [one, two, three, beyond] }, list)).toBe(
        "INJECTED_INCOMPLETE",
      );
      expect(await code({ ...commit, entries: [...commit.entries, beyond] }, list)).toBe(
        "INJECTED_INCOMPLETE",
      );
    });

    test("power is the last commit's, whatever the entries are (cosmos-sdk #19550)", async () => {
      const list = await votes({ 0: commitVote(alice, EMPTY_BYTES) });
      const { commit } = await built(list);
      const heavy = list.map((vote, i) =>
        i === 0 ? { ...vote, validator: { ...vote.validator, power: 15n } } : vote,
      );
      expect(await code(commit, list)).toBe("accepted");
      expect(await code(commit, heavy)).toBe("INJECTED_NO_QUORUM");
    });

    test("lists under another's name, altered lists, a foreign signature", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const [one, two] = commit.entries;
      if (one === undefined || two === undefined) throw new Error("entries are missing");
      const altered = encodeLists({
        listed: [listed(99)],
        shares: { kind: "abstain" },
        withdrawn: [],
      });
      const rooted = encodeLists({
        listed: [],
        shares: { kind: "root", root: hash(1) },
        withdrawn: [],
      });
      for (const entry of [
        { ...one, lists: two.lists, signature: two.signature },
        { ...one, lists: altered },
        { ...one, lists: rooted },
        { ...one, lists: new Uint8Array([1]) },
        { ...one, signature: two.signature },
        { ...one, signature: new Uint8Array(64) },
      ]) {
        const entries = commit.entries.with(0, entry);
        expect(await code({ ...commit, entries }, list)).toBe("INJECTED_BAD_ENTRY");
      }
    });

    test("an entry that should have been BLANK", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const result = await verifyInjectedCommit(
        injectedContext,
        commit,
        list,
        () => undefined,
        verify,
      );
      expect("code" in result ? result.code : "accepted").toBe("INJECTED_BAD_ENTRY");
    });

    test("the commit of another block or height", async () => {
      const list = await votes();
      const { commit } = await built(list);
      expect(await code({ ...commit, height: Height(40) }, list)).toBe("INJECTED_WRONG_BLOCK");
      expect(await code({ ...commit, blockHash: hash(8) }, list)).toBe("INJECTED_WRONG_BLOCK");
      // Consistent in itself, but not what was signed.
      const other = { height: Height(40) };
      expect(await code({ ...commit, ...other }, list, other)).toBe("INJECTED_BAD_ENTRY");
    });

    test("blanking a valid part of less than a third is allowed, and counts for nobody", async () => {
      const list = await votes();
      const { commit } = await built(list);
      const blank = { validatorIndex: 0, lists: EMPTY_BYTES, signature: EMPTY_BYTES };
      const entries = commit.entries.with(0, blank);
      const result = await check({ ...commit, entries }, list);
      expect("code" in result ? result : result.map((one) => one.validatorIndex)).toEqual([
        1, 2, 3,
      ]);
    });
  });
});
