import { sha256 } from "../../proto/hash.ts";
import {
  createEd25519Verifier,
  ed25519KeyPairFromSeed,
  signEd25519,
  type SignatureVerifier,
} from "../../proto/verify/ed25519.ts";
import { BlockIdFlag } from "../../proto/types.ts";

/** Validators with application keys made from their index, and everything the block rules ask of them. */
export interface TestValidators {
  readonly validators: readonly TestValidator[];
  readonly keyOf: (address: Uint8Array) => Uint8Array | undefined;
  readonly verify: SignatureVerifier["verifyBatch"];
}

export interface TestValidator {
  readonly address: Uint8Array;
  readonly power: bigint;
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

export function testValidators(powers: readonly bigint[]): TestValidators {
  const validators = powers.map((power, index): TestValidator => {
    const pair = ed25519KeyPairFromSeed(sha256(new Uint8Array([index >> 8, index & 255])));
    return {
      address: sha256(pair.publicKey).slice(0, 20),
      power,
      publicKey: pair.publicKey,
      sign: async (message) => signEd25519(pair, message),
    };
  });
  const keys = new Map(validators.map(({ address, publicKey }) => [address.join(), publicKey]));
  const verifier = createEd25519Verifier();
  return {
    validators,
    keyOf: (address) => keys.get(address.join()),
    verify: (items) => verifier.verifyBatch(items),
  };
}

/** One validator's entry of an ExtendedCommitInfo. */
export function commitVote(
  { address, power }: TestValidator,
  voteExtension: Uint8Array,
  blockIdFlag: BlockIdFlag = BlockIdFlag.COMMIT,
) {
  return { validator: { address, power }, blockIdFlag, voteExtension };
}
