/** Following validator sets that change, over many heights. Five thousand of them: `npm run streams:mutations`. */
import { beforeAll, describe, expect, it } from "vitest";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../proto/errors.ts";
import { headerHash } from "../../proto/hashes.ts";
import { addMs } from "../../proto/time.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { createLightClient } from "../../proto/verify/light/client.ts";
import { createMemoryTrustedStore } from "../../proto/verify/light/store.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import { createHeaderFollower } from "../../rollup-adapter/client/header-follower.ts";
import type { RollupBlock } from "../../rollup-adapter/client/rollup-block.ts";
import {
  chainProvider,
  LIGHT_CHAIN_ID,
  LIGHT_CHAIN_TIME,
  type LightChain,
  lightClock,
} from "../support/light-chain.ts";
import {
  longChain,
  membersAt,
  messageAt,
  sparseUpdates,
  TERM_HEIGHTS,
  trustAfter,
} from "../support/long-stream.ts";

const HEIGHTS = 600;
const ROLLUP = RollupId(toHex(rollupIdOfName("alpha")));
const signatures = createEd25519Verifier();
let chain: LightChain;
beforeAll(() => {
  chain = longChain(HEIGHTS);
});

/** A verifier that trusts the chain up to a height, for a stream that begins above it. */
const verifierAfter = (height: number, of = chain) =>
  createBlockVerifier(ROLLUP, trustAfter(of, height), signatures);

async function refusalOf(after: number, message: RollupBlock): Promise<string> {
  const verifier = verifierAfter(after - 1);
  // So that it knows the set, as in the middle of a stream.
  await verifier.verifyFilled(messageAt(chain, after, after));
  try {
    await verifier.verifyFilled(message);
  } catch (error) {
    if (isWeftError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("a stream of many heights", () => {
  it.each([0, 250])(
    "is followed through every change of the set, from height %s on",
    async (start) => {
      const verifier = verifierAfter(start);
      for (let height = start + 1; height <= HEIGHTS; height++) {
        await verifier.verifyFilled(messageAt(chain, height, start + 1));
      }
      expect(verifier.trusted().height).toBe(HEIGHTS);
      // Nobody of the first set is left.
      expect(membersAt(HEIGHTS).some((member) => membersAt(1).includes(member))).toBe(false);
    },
  );

  it.each([0, 250])("is followed by its headers alone, from height %s on", async (start) => {
    const follower = createHeaderFollower(trustAfter(chain, start), signatures);
    const sets = new Set<ValidatorSet>();
    for (const update of sparseUpdates(chain, start + 1)) {
      sets.add((await follower.verify(update)).validators);
    }
    expect(follower.trusted().height).toBe(HEIGHTS);
    expect(sets.size).toBeGreaterThan((HEIGHTS - start) / TERM_HEIGHTS - 1);
  });

  /** The first height of a set, in the middle. */
  const CHANGE = 100 * TERM_HEIGHTS;

  it("attack: a change of the set that is not told, or told wrongly, is refused", async () => {
    const honest = messageAt(chain, CHANGE, 1);
    expect(await refusalOf(CHANGE - 1, honest)).toBe("accepted");
    expect(await refusalOf(CHANGE - 1, { ...honest, validatorSet: undefined })).toBe(
      "VERIFY_VALIDATORS",
    );
    const before = chain.at(CHANGE - 1).validatorSet;
    expect(await refusalOf(CHANGE - 1, { ...honest, validatorSet: before })).toBe(
      "VERIFY_VALIDATORS",
    );
  });

  it("attack: a set that was voted out goes on as if it had not been", async () => {
    const old = membersAt(CHANGE - 1);
    // They hide the change: the blocks of the fork are all theirs.
    const fork = longChain(CHANGE + 2, {
      base: chain,
      forkHeight: CHANGE,
      validators: (height) => (height < CHANGE ? membersAt(height) : old),
      change: (header) => header,
    });
    const forged = messageAt(fork, CHANGE, CHANGE);
    expect(await refusalOf(CHANGE - 1, forged)).toBe("VERIFY_VALIDATORS");
    // Or they name the new set, and sign in its place.
    const signed = longChain(CHANGE, {
      base: chain,
      forkHeight: CHANGE,
      signers: (height) =>
        membersAt(height)
          .filter((member) => old.includes(member))
          .slice(0, 2),
    });
    expect(await refusalOf(CHANGE - 1, messageAt(signed, CHANGE, CHANGE))).toBe("VERIFY_COMMIT");
  });

  it("attack: heights cannot be jumped over, whoever signs", async () => {
    expect(await refusalOf(CHANGE - 1, messageAt(chain, CHANGE + 1, 1))).toBe("VERIFY_HEIGHT");
    expect(await refusalOf(10, messageAt(chain, HEIGHTS, HEIGHTS))).toBe("VERIFY_HEIGHT");
  });
});

describe("a light client on the same chain", () => {
  /** It trusts block 1; now is so long after the last block. */
  async function verifyLast(afterMs: number) {
    const first = chain.at(1).signedHeader.header;
    const clock = lightClock(addMs(LIGHT_CHAIN_TIME, HEIGHTS * 1_000 + 1_000));
    const client = await createLightClient(
      {
        chainId: LIGHT_CHAIN_ID,
        trust: { height: Height(1), hash: headerHash(first) },
        trustingPeriodNanos: 3_600_000_000_000n,
      },
      {
        primary: chainProvider("primary", chain),
        witnesses: [chainProvider("witness", chain)],
        store: createMemoryTrustedStore(),
        verifier: signatures,
        clock,
      },
    );
    clock.move(afterMs);
    const { signedHeader } = await client.verifyAt(Height(HEIGHTS));
    return signedHeader.header.height;
  }

  it("comes from the first block to the last by bisection", async () => {
    expect(await verifyLast(0)).toBe(HEIGHTS);
  });

  it("attack: refuses to jump from what it trusted before its trusting period", async () => {
    await expect(verifyLast(3_600_000)).rejects.toThrow(
      expect.objectContaining({ code: "LIGHT_EXPIRED" }),
    );
  });
});
