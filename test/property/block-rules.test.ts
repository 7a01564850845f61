/** What a proposer builds, every verifier accepts; what was changed on the way, nobody does. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildExtension, type ExtensionContext, verifyExtension } from "../../mev/extension.ts";
import {
  buildInjectedCommit,
  type ExtendedCommitVote,
  type InjectedContext,
  verifyInjectedCommit,
} from "../../mev/injected-commit.ts";
import { createLaneRules, Lane, type LaneParams, type LaneUse } from "../../mev/lanes.ts";
import { createManifestBuilder } from "../../mev/manifest.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { LOCAL_SEAL_COMPUTE } from "../support/seal-compute.ts";
import { decodeItem, encodeItem, type InjectedCommit } from "../../proto/codec/weft-block.ts";
import type { ListedTx } from "../../proto/codec/weft-extension.ts";
import { payloadHash } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { merkleProofOfFirst, merkleRootOfHashes } from "../../proto/merkle.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import { type DeliveredEntry, EntryKind, verifyRollupSlice } from "../../proto/verify/manifest.ts";
import { commitVote, testValidators } from "../support/application-keys.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const listedTx: fc.Arbitrary<ListedTx> = fc.record({
  id: bytes(32),
  receivedAgoMs: fc.nat(),
  size: fc.nat(),
});

/** How one validator voted, and what its extension is worth. */
const voter = fc.record({
  power: fc.bigInt({ min: 1n, max: 100n }),
  flag: fc.constantFrom(
    BlockIdFlag.COMMIT,
    BlockIdFlag.COMMIT,
    BlockIdFlag.COMMIT,
    BlockIdFlag.COMMIT,
    BlockIdFlag.ABSENT,
    BlockIdFlag.NIL,
  ),
  fault: fc.constantFrom("none", "none", "none", "none", "none", "empty", "junk", "foreign"),
  listed: fc.array(listedTx, { maxLength: 5 }),
});

const context: InjectedContext = {
  chainId: "weft-property",
  height: Height(9),
  blockHash: new Uint8Array(32).fill(3),
  blockBytesMax: 1 << 20,
  seal: undefined,
};

async function makeVotes(
  voters: readonly (typeof voter extends fc.Arbitrary<infer T> ? T : never)[],
) {
  const set = testValidators(voters.map(({ power }) => power));
  const extensionContext: ExtensionContext = { ...context, validatorCount: voters.length };
  const votes: ExtendedCommitVote[] = [];
  for (const [i, { flag, fault, listed }] of voters.entries()) {
    const validator = set.validators[i];
    const signer =
      fault === "foreign" ? testValidators([1n, 1n]).validators.at(i === 0 ? 1 : 0) : validator;
    if (validator === undefined || signer === undefined) throw new Error("validators are missing");
    const made = await buildExtension(
      extensionContext,
      { listed, withdrawn: [] },
      undefined,
      signer.sign,
    );
    const extension = fault === "empty" ? EMPTY_BYTES : fault === "junk" ? made.slice(1) : made;
    votes.push(commitVote(validator, flag === BlockIdFlag.COMMIT ? extension : EMPTY_BYTES, flag));
  }
  return { set, votes };
}

describe("property: extensions and injected commits", () => {
  test("built extensions are accepted, with any byte changed they are not", async () => {
    const { validators, verify } = testValidators([1n]);
    const [validator] = validators;
    if (validator === undefined) throw new Error("validator is missing");
    const ports = { verify, compute: LOCAL_SEAL_COMPUTE };
    const one: ExtensionContext = { ...context, validatorCount: 1 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(listedTx, { maxLength: 80 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (listed, at, change) => {
          const made = await buildExtension(
            one,
            { listed, withdrawn: [] },
            undefined,
            validator.sign,
          );
          expect(await verifyExtension(one, made, validator, ports)).toBeUndefined();
          const index = at % made.length;
          const altered = made.with(index, (made[index] ?? 0) ^ change);
          const fault = await verifyExtension(one, altered, validator, ports);
          expect(fault?.code).toMatch(/^(EXTENSION|SHARES)_/);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("what is built from any commit is accepted exactly when it has a quorum", async () => {
    let withQuorum = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(voter, { minLength: 1, maxLength: 7 }), async (voters) => {
        const { set, votes } = await makeVotes(voters);
        const built = await buildInjectedCommit(context, votes, set.keyOf, {
          verify: set.verify,
          compute: LOCAL_SEAL_COMPUTE,
        });
        // The bytes of the block, not the object, are what others see.
        const injected = overTheWire(built.commit);
        const result = await verifyInjectedCommit(context, injected, votes, set.keyOf, set.verify);
        const isWhole = (i: number) =>
          voters[i]?.flag === BlockIdFlag.COMMIT && voters[i]?.fault === "none";
        const good = votes.flatMap((_, i) => (isWhole(i) ? [i] : []));
        const power = good.reduce((sum, i) => sum + (voters[i]?.power ?? 0n), 0n);
        const total = voters.reduce((sum, one) => sum + one.power, 0n);
        expect(built.hasQuorum).toBe(3n * power > 2n * total);
        if (built.hasQuorum) withQuorum++;
        const outcome = "code" in result ? result.code : result.map((one) => one.validatorIndex);
        expect(outcome).toEqual(built.hasQuorum ? good : "INJECTED_NO_QUORUM");
      }),
      { numRuns: 60 },
    );
    expect(withQuorum).toBeGreaterThan(0);
  });

  test("no byte of an injected commit can be changed", async () => {
    const voters = [3n, 4n, 5n].map((power) => ({
      power,
      flag: BlockIdFlag.COMMIT,
      fault: "none" as const,
      listed: [{ id: sha256(EMPTY_BYTES), receivedAgoMs: 5, size: 6 }],
    }));
    const { set, votes } = await makeVotes(voters);
    const { commit } = await buildInjectedCommit(context, votes, set.keyOf, {
      verify: set.verify,
      compute: LOCAL_SEAL_COMPUTE,
    });
    const item = encodeItem({ kind: "injectedCommit", injectedCommit: commit });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(item.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const altered = item.with(at, (item[at] ?? 0) ^ change);
          let decoded: ReturnType<typeof decodeItem>;
          try {
            decoded = decodeItem(altered);
          } catch (error) {
            if (isCodecError(error)) return;
            throw error;
          }
          expect(decoded.kind).toBe("injectedCommit");
          if (decoded.kind !== "injectedCommit") return;
          const { injectedCommit } = decoded;
          const result = await verifyInjectedCommit(
            context,
            injectedCommit,
            votes,
            set.keyOf,
            set.verify,
          );
          expect(result).toHaveProperty("code");
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("property: manifests", () => {
  const place = fc.record({
    rollup: fc.nat(7),
    lane: fc.constantFrom(4, 7),
    payload: fc.uint8Array({ maxLength: 20 }),
  });

  test("every rollup gets exactly its own entries in block order, everybody else a proof of absence", () => {
    fc.assert(
      fc.property(fc.array(place, { maxLength: 40 }), fc.nat(9), (places, itemCount) => {
        const builder = createManifestBuilder();
        const expected = new Map<string, DeliveredEntry[]>();
        for (const [n, { rollup, lane, payload }] of places.entries()) {
          const rollupId = sha256(new Uint8Array([rollup]));
          const entry: DeliveredEntry = {
            kind: EntryKind.ROLLUP_DATA,
            lane,
            itemId: sha256(new Uint8Array([n, 1])),
            bundleId: undefined,
            leg: 0,
            legs: 1,
            payload,
          };
          const list = expected.get(toHex(rollupId)) ?? [];
          const position = builder.add(rollupId, { ...entry, payloadHash: payloadHash(payload) });
          expect(position).toBe(list.length);
          expected.set(toHex(rollupId), [...list, entry]);
        }
        const built = builder.build();
        expect(built.manifest.leafCount).toBe(expected.size);
        expect(built.rollupIds.map(toHex)).toEqual([...expected.keys()].sort());

        const txs = [
          built.item,
          ...Array.from({ length: itemCount }, (_, n) => new Uint8Array([n])),
        ];
        const dataHash = merkleRootOfHashes(txs);
        const manifestProof = merkleProofOfFirst(txs.map(sha256));
        // 0 to 7 may be present; the rest never is.
        for (let rollup = 0; rollup < 12; rollup++) {
          const rollupId = sha256(new Uint8Array([rollup]));
          const proof = built.prove(rollupId);
          const entries = expected.get(toHex(rollupId)) ?? [];
          const slice = proof.kind === "presence" ? { ...proof, entries } : proof;
          const whole = { manifest: built.item, manifestProof, slice };
          expect(verifyRollupSlice(dataHash, rollupId, whole)).toEqual({
            entries,
            fills: [],
            decisions: [],
          });
          const other = sha256(new Uint8Array([rollup, 0]));
          const forOther = verifyRollupSlice(dataHash, other, whole);
          expect("code" in forOther || proof.kind === "absence").toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("property: lanes", () => {
  const params: LaneParams = {
    blockBytesMax: 20_000,
    controlShareBps: 500,
    forcedShareBps: 500,
    obligatedShareBps: 1_000,
    sealedShareBps: 2_000,
    atomicShareBps: 1_000,
    controlPerSignerMax: 2,
    rollupQuotaBps: 1_500,
    rollupQuotaBytesFloor: 1_000,
  };
  const use: fc.Arbitrary<LaneUse> = fc
    .record({
      lane: fc.constantFrom(Lane.CONTROL, Lane.OBLIGATED, Lane.SEALED, Lane.ATOMIC, Lane.DEFAULT),
      itemBytes: fc.integer({ min: 1, max: 1_500 }),
      rollup: fc.nat(3),
      account: fc.nat(3),
      nonce: fc.option(fc.bigInt({ min: 0n, max: 5n }), { nil: undefined }),
      id: fc.nat(255),
    })
    .map(({ lane, itemBytes, rollup, account, nonce, id }) => ({
      kind: "tx",
      lane,
      itemBytes,
      rollupKeys: [toHex(new Uint8Array(32).fill(rollup))],
      control: {
        publicKey: new Uint8Array(32).fill(account),
        nonce,
        id: new Uint8Array(32).fill(id),
      },
    }));
  const system: readonly LaneUse[] = (["manifest", "injectedCommit"] as const).map((kind) => ({
    kind,
    lane: Lane.SYS,
    itemBytes: 100,
    rollupKeys: [],
    control: undefined,
  }));

  test("a proposer that drops what is refused makes a block that is accepted whole", () => {
    fc.assert(
      fc.property(fc.array(use, { maxLength: 80 }), (candidates) => {
        const proposer = createLaneRules(params, false);
        const block = [...system, ...candidates].filter((one) => proposer.take(one) === undefined);
        const verifier = createLaneRules(params, false);
        expect(block.map((one) => verifier.take(one))).toEqual(block.map(() => undefined));
        expect(verifier.finish()).toBeUndefined();
        for (let i = 1; i < block.length; i++) {
          expect(block[i]?.lane).toBeGreaterThanOrEqual(block[i - 1]?.lane ?? 0);
        }
      }),
    );
  });

  test("two neighbours of different lanes cannot be swapped", () => {
    fc.assert(
      fc.property(fc.array(use, { minLength: 5, maxLength: 60 }), (candidates) => {
        const sorted = [...candidates].sort((a, b) => a.lane - b.lane || orderOf(a, b));
        const proposer = createLaneRules(params, false);
        const block = [...system, ...sorted].filter((one) => proposer.take(one) === undefined);
        for (let i = 1; i < block.length; i++) {
          const [before, after] = [block[i - 1], block[i]];
          if (before === undefined || after === undefined || before.lane === after.lane) continue;
          const swapped = block.with(i - 1, after).with(i, before);
          const verifier = createLaneRules(params, false);
          expect(swapped.some((one) => verifier.take(one) !== undefined)).toBe(true);
        }
      }),
    );
  });

  function orderOf(a: LaneUse, b: LaneUse): number {
    return compareBytes(a.control?.publicKey ?? EMPTY_BYTES, b.control?.publicKey ?? EMPTY_BYTES);
  }
});

function overTheWire(commit: InjectedCommit): InjectedCommit {
  const item = decodeItem(encodeItem({ kind: "injectedCommit", injectedCommit: commit }));
  if (item.kind !== "injectedCommit") throw new Error("expected an injected commit");
  return item.injectedCommit;
}
