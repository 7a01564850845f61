/** The light client over chains and forks that were drawn: what it stores, and what it reports. */
import { assert, asyncProperty, integer, nat, record, subarray } from "fast-check";
import { expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { headerHash } from "../../proto/hashes.ts";
import { addMs } from "../../proto/time.ts";
import type { LightBlock } from "../../proto/types.ts";
import { validateEvidence } from "../../proto/validate-basic.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { findAttackFault } from "../../proto/verify/light-client-attack.ts";
import {
  createLightClient,
  isLightClientError,
  type LightClient,
} from "../../proto/verify/light/client.ts";
import { createMemoryTrustedStore, type TrustedStore } from "../../proto/verify/light/store.ts";
import {
  type ChainProvider,
  chainProvider,
  LIGHT_CHAIN_ID,
  LIGHT_CHAIN_TIME,
  type LightChain,
  lightChain,
  lightClock,
} from "../support/light-chain.ts";

const HEIGHTS = 24;
const verifier = createEd25519Verifier();

/** How fast a set of `size` turns over: it moves on by one key every `every` heights. */
const plans = record({ size: integer({ min: 1, max: 7 }), every: integer({ min: 1, max: 9 }) });

function rotation({ size, every }: { readonly size: number; readonly every: number }) {
  return (height: number): readonly number[] =>
    Array.from({ length: size }, (_, i) => Math.floor(height / every) + i);
}

const hashOf = (block: LightBlock): Uint8Array => headerHash(block.signedHeader.header);

async function clientOf(
  chain: LightChain,
  primary: ChainProvider,
  witness: ChainProvider,
  from: number,
  isSequential: boolean,
): Promise<{ readonly client: LightClient; readonly store: TrustedStore }> {
  const store = createMemoryTrustedStore();
  const client = await createLightClient(
    {
      chainId: LIGHT_CHAIN_ID,
      trust: { height: Height(from), hash: hashOf(chain.at(from)) },
      trustingPeriodNanos: 3_600_000_000_000n,
      isSequential,
    },
    {
      primary,
      witnesses: [witness],
      store,
      verifier,
      clock: lightClock(addMs(LIGHT_CHAIN_TIME, (HEIGHTS + 1) * 1_000)),
    },
  );
  return { client, store };
}

test("every height of an honest chain is verified, whichever way and in whichever order", async () => {
  await assert(
    asyncProperty(
      plans,
      integer({ min: 1, max: HEIGHTS }),
      subarray(Array.from({ length: HEIGHTS }, (_, i) => i + 1)),
      nat({ max: 1 }),
      async (plan, from, heights, mode) => {
        const chain = lightChain({ heights: HEIGHTS, validators: rotation(plan) });
        const primary = chainProvider("primary", chain);
        const witness = chainProvider("witness", chain);
        const { client } = await clientOf(chain, primary, witness, from, mode === 1);
        for (const height of heights) {
          const block = await client.verifyAt(Height(height));
          expect(bytesEqual(hashOf(block), hashOf(chain.at(height)))).toBe(true);
        }
        expect(client.primary()).toBe(primary);
      },
    ),
    { numRuns: 40 },
  );
});

test("no block of a fork is stored while one witness is honest, and the evidence holds against its makers", async () => {
  let attacks = 0;
  await assert(
    asyncProperty(
      plans,
      integer({ min: 2, max: HEIGHTS }),
      integer({ min: 0, max: 3 }),
      nat({ max: 127 }),
      nat({ max: 1 }),
      async (plan, forkHeight, kind, absent, mode) => {
        const validators = rotation(plan);
        const honest = lightChain({ heights: HEIGHTS, validators });
        const fork = lightChain({
          heights: HEIGHTS,
          base: honest,
          forkHeight,
          validators,
          round: kind === 2 ? 1 : 0,
          // Some of them do not take part.
          signers: (height) => validators(height).filter((_, i) => (absent >> i) % 2 === 0),
          change: (header) =>
            kind === 0
              ? { ...header, appHash: sha256(utf8ToBytes("stolen")) }
              : { ...header, dataHash: sha256(utf8ToBytes("other")) },
        });
        const primary = chainProvider("primary", fork);
        const witness = chainProvider("witness", honest);
        const { client, store } = await clientOf(honest, primary, witness, 1, mode === 1);
        const failure: unknown = await client.update().then(
          () => undefined,
          (error: unknown) => error,
        );
        // An honest witness contradicts whatever the fork says: nothing of it may be believed.
        expect(isLightClientError(failure) ? "refused" : failure).toBe("refused");
        for (let height = forkHeight; height <= HEIGHTS; height++) {
          expect(await store.get(Height(height))).toBeUndefined();
        }
        const found = isLightClientError(failure) ? failure.info : undefined;
        const evidence = found?.code === "LIGHT_ATTACK" ? found.evidence : [];
        if (evidence.length > 0) attacks++;
        expect(witness.evidence).toEqual(evidence.slice(0, 1));
        const [against] = evidence;
        const fault = against === undefined ? undefined : await judge(against, honest);
        expect(fault).toBeUndefined();
      },
    ),
    { numRuns: 80 },
  );
  expect(attacks).toBeGreaterThan(20);
});

/** As a full node on the honest chain decides about evidence. */
async function judge(
  evidence: Parameters<typeof findAttackFault>[0],
  honest: LightChain,
): Promise<string | undefined> {
  validateEvidence(evidence);
  const { commonHeight, conflictingBlock } = evidence;
  const common = honest.at(commonHeight);
  expect(evidence.timestamp).toEqual(common.signedHeader.header.time);
  const { height } = conflictingBlock.signedHeader.header;
  const trusted = honest.at(Math.min(height, honest.height)).signedHeader;
  return findAttackFault(
    evidence,
    { chainId: LIGHT_CHAIN_ID, commonHeight, commonValidators: common.validatorSet, trusted },
    verifier,
  );
}
