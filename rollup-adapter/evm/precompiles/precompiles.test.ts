import * as fc from "fast-check";
import { createAddressFromString, hexToBytes } from "@ethereumjs/util";
import { expect, test } from "vitest";
import { comparePrecompiles, due, machineOf } from "../../../test/support/evm-precompiles.ts";
import { createEvmCommon, EVM_HARDFORKS } from "../genesis.ts";
import type { Pacer } from "../pacer.ts";

const MODEXP = "0x0000000000000000000000000000000000000005";
const BLAKE2F = "0x0000000000000000000000000000000000000009";
const COMMONS = EVM_HARDFORKS.map((hardfork) => createEvmCommon({ chainId: 7n, hardfork }));
const PRAGUE = createEvmCommon({ chainId: 7n, hardfork: "prague" });

const compared = await Promise.all(COMMONS.map(comparePrecompiles));

/** Always due; counts the rests. */
function createCounter(): Pacer & { readonly rests: () => number } {
  let rests = 0;
  return {
    isDue: () => true,
    rest: () => {
      rests += 1;
      return Promise.resolve();
    },
    rests: () => rests,
  };
}

/** What ours and the library's make of it, in every hardfork. */
async function outcomes(address: string, data: Uint8Array, gasLimit: bigint) {
  const all = await Promise.all(compared.map((compare) => compare(address, data, gasLimit)));
  return { ours: all.map(({ ours }) => ours), library: all.map(({ library }) => library) };
}

function word(value: bigint | number): Uint8Array {
  return hexToBytes(`0x${value.toString(16).padStart(64, "0")}`);
}

function u32(value: number): Uint8Array {
  return word(value).subarray(28);
}

function modexpInput(base: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): Uint8Array {
  const parts = [base, exponent, modulus];
  return Buffer.concat([...parts.map((part) => word(part.length)), ...parts]);
}

/** Bytes as numbers have them: some begin with zeros, or are nothing else. */
const number = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.nat(3), fc.uint8Array({ maxLength }), fc.boolean())
    .map(([zeros, bytes, isZero]) =>
      Uint8Array.of(...new Uint8Array(zeros), ...(isZero ? bytes.map(() => 0) : bytes)),
    );
const length = fc.oneof(
  fc.nat(80),
  fc.nat(1_100),
  fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
  fc.constantFrom(2n ** 31n - 1n, 2n ** 31n, 2n ** 53n),
);
const gasLimit = fc.oneof({ weight: 3, arbitrary: fc.constant(10n ** 7n) }, fc.bigInt(0n, 3_000n));

test("MODEXP has the library's results and gas", async () => {
  await fc.assert(
    fc.asyncProperty(number(80), number(80), number(80), gasLimit, async (b, e, m, gas) => {
      const { ours, library } = await outcomes(MODEXP, modexpInput(b, e, m), gas);
      expect(ours).toEqual(library);
    }),
  );
});

test("MODEXP has the library's results and gas where the lengths are not those of the data", async () => {
  const lengths = fc.tuple(length, length, length);
  await fc.assert(
    fc.asyncProperty(
      lengths,
      fc.uint8Array({ maxLength: 200 }),
      gasLimit,
      async (ls, rest, gas) => {
        const data = Buffer.concat([...ls.map(word), rest]);
        const { ours, library } = await outcomes(MODEXP, data, gas);
        expect(ours).toEqual(library);
      },
    ),
    { numRuns: 300 },
  );
  for (const size of [0, 1, 31, 32, 33, 63, 64, 95, 96]) {
    for (const byte of [0, 1]) {
      const data = new Uint8Array(size).fill(byte, 31, 32).fill(byte, 63, 64).fill(byte, 95);
      const { ours, library } = await outcomes(MODEXP, data, 10n ** 6n);
      expect(ours, `${size} bytes`).toEqual(library);
    }
  }
});

test("BLAKE2F has the library's results and gas", async () => {
  const rounds = fc.oneof(fc.nat(20), fc.integer({ min: 1_000, max: 3_000 }));
  const rest = fc.uint8Array({ minLength: 208, maxLength: 208 });
  const last = fc.constantFrom(0, 1, 1, 2);
  await fc.assert(
    fc.asyncProperty(rounds, rest, last, gasLimit, async (count, bytes, flag, gas) => {
      // It stands in something larger, as in a contract's memory.
      const memory = Buffer.concat([Buffer.alloc(3), u32(count), bytes, Uint8Array.of(flag)]);
      const { ours, library } = await outcomes(BLAKE2F, memory.subarray(3), gas);
      expect(ours).toEqual(library);
    }),
  );
  for (const size of [0, 212, 214]) {
    const { ours, library } = await outcomes(BLAKE2F, new Uint8Array(size), 10n ** 6n);
    expect(ours, `${size} bytes`).toEqual(library);
  }
});

test("behavior: an exponent of 200 KB takes time in proportion, and lets others run", async () => {
  const counter = createCounter();
  const { vm } = await machineOf(PRAGUE, counter);
  const prime = (1n << 61n) - 1n;
  const exponent = new Uint8Array(200_000).fill(0xa5);
  const shorter = BigInt(`0x${"a5".repeat(exponent.length)}`) % (prime - 1n); // Fermat
  const call = async (power: Uint8Array) => {
    const data = modexpInput(word(3), power, word(prime));
    const to = createAddressFromString(MODEXP);
    return (await vm.evm.runCall({ to, data, gasLimit: 10n ** 9n })).execResult.returnValue;
  };
  expect(await call(exponent)).toEqual(await call(word(shorter)));
  expect(counter.rests()).toBeGreaterThan(exponent.length);
});

test("behavior: BLAKE2F lets others run, which may end it", async () => {
  let rests = 0;
  const { vm } = await machineOf(
    PRAGUE,
    due(() => (++rests < 100 ? Promise.resolve() : Promise.reject(new Error("took too long")))),
  );
  const data = Buffer.concat([u32(1_000_000), new Uint8Array(209)]);
  const to = createAddressFromString(BLAKE2F);
  await expect(vm.evm.runCall({ to, data, gasLimit: 10n ** 7n })).rejects.toThrow("took too long");
});
