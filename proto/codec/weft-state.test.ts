import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height } from "../brands.ts";
import { fromHex, toHex } from "../bytes.ts";
import {
  decodeAccount,
  decodeChain,
  decodeLastBlock,
  decodeRollup,
  decodeUnorderedIds,
  encodeAccount,
  encodeChain,
  encodeLastBlock,
  encodeRollup,
  encodeUnorderedIds,
} from "./weft-state.ts";
import { Ordering } from "./rollup-policy.ts";

const amount = fc.bigInt(0n, (1n << 63n) - 1n);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const height = fc.nat().map(Height);
const policy = fc.record({
  ordering: fc.constantFrom(...Object.values(Ordering)),
  sealedOnly: fc.boolean(),
  auction: fc.boolean(),
  reserve: amount,
  revenueShareBps: fc.nat(10_000),
  executorKeys: fc.constantFrom(
    [],
    [new Uint8Array(32)],
    [new Uint8Array(32), fromHex("ff".repeat(32))],
  ),
  bundlesOff: fc.boolean(),
  auctionLeader: fc.oneof(fc.constant(new Uint8Array(0)), bytes(32)),
  auctionMembers: fc.constantFrom([], [new Uint8Array(32)]),
  secondPrice: fc.boolean(),
  executorQuorum: fc.nat(32),
  atomicPartners: fc.constantFrom([], [new Uint8Array(32)]),
});

describe("state codec", () => {
  test("vectors: canonical bytes of an account", () => {
    expect(toHex(encodeAccount({ nonce: 0n, balance: 0n }))).toBe("");
    expect(toHex(encodeAccount({ nonce: 3n, balance: 300n }))).toBe("080310ac02");
  });

  test("property: every value comes back, from one encoding only", () => {
    fc.assert(
      fc.property(
        fc.record({ nonce: amount, balance: amount }),
        fc.record({
          name: fc.constantFrom("a", "rollup-1"),
          ownerKey: bytes(32),
          policy,
          pending: fc.option(fc.record({ policy, effectiveHeight: height }), { nil: undefined }),
          deposit: amount,
          registeredHeight: height,
        }),
        fc.record({
          height,
          hash: bytes(32),
          time: fc.record({
            seconds: fc.bigInt(-(1n << 40n), 1n << 40n),
            nanos: fc.nat(999_999_999),
          }),
        }),
        fc.record({
          expiryMax: height,
          ids: fc.constantFrom(new Uint8Array(32), new Uint8Array(96).fill(7)),
        }),
        fc.record({
          chainId: fc.constantFrom("", "weft-1"),
          initialHeight: height,
          blockBytesMax: fc.nat(),
          evidenceMaxAgeBlocks: fc.nat(),
          evidenceMaxAgeSeconds: fc.nat(),
          setSizeMax: fc.nat(1_000),
        }),
        (account, rollup, block, ids, chain) => {
          expect(decodeAccount(encodeAccount(account))).toEqual(account);
          expect(decodeRollup(encodeRollup(rollup))).toEqual(rollup);
          expect(decodeLastBlock(encodeLastBlock(block))).toEqual(block);
          expect(decodeUnorderedIds(encodeUnorderedIds(ids))).toEqual(ids);
          expect(decodeChain(encodeChain(chain))).toEqual(chain);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("behavior: refuses amounts of 2^63 and more, and split ids", () => {
    expect(() => encodeAccount({ nonce: 0n, balance: 1n << 63n })).toThrow(/2\^63/);
    expect(() => decodeAccount(fromHex("1080808080808080808001"))).toThrow(/2\^63/);
    expect(() => decodeUnorderedIds(fromHex("0801120101"))).toThrow(/32-byte/);
    expect(() => decodeAccount(fromHex("10010801"))).toThrow(/ascending/);
  });
});
