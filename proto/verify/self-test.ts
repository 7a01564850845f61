/**
 * A check at start-up that signatures are decided as the network decides them. An update of Node,
 * OpenSSL or libsodium must not change the rule unseen.
 */
import { fromHex } from "../bytes.ts";
import { WeftError } from "../errors.ts";
import {
  ed25519KeyPairFromSeed,
  signEd25519,
  type SignatureVerifier,
  type SignedItem,
} from "./ed25519.ts";

/** An edge-case signature and what ZIP-215 says about it. */
export interface SignatureVector {
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  readonly isValid: boolean;
}

/**
 * The twelve cases of novifinancial/ed25519-speccheck (cases.json, Apache-2.0), hex: small-order and
 * mixed-order points, S out of range, non-canonical encodings. ZIP-215 takes 0 to 5 and 9 to 11.
 */
export const SIGNATURE_VECTORS: readonly SignatureVector[] = [
  {
    publicKey: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    message: "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
    signature:
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a" +
      "0000000000000000000000000000000000000000000000000000000000000000",
    isValid: true,
  },
  {
    publicKey: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    message: "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
    signature:
      "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43" +
      "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    isValid: true,
  },
  {
    publicKey: "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
    message: "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
    signature:
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa" +
      "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    isValid: true,
  },
  {
    publicKey: "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
    message: "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
    signature:
      "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f" +
      "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
    isValid: true,
  },
  {
    publicKey: "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
    message: "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
    signature:
      "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512" +
      "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
    isValid: true,
  },
  {
    publicKey: "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
    message: "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
    signature:
      "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7" +
      "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
    isValid: true,
  },
  {
    publicKey: "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
    message: "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
    signature:
      "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e" +
      "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
    isValid: false,
  },
  {
    publicKey: "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
    message: "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
    signature:
      "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942" +
      "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
    isValid: false,
  },
  {
    publicKey: "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
    message: "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
    signature:
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
      "03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
    isValid: false,
  },
  {
    publicKey: "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
    message: "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
    signature:
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
      "ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
    isValid: true,
  },
  {
    publicKey: "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    message: "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
    signature:
      "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc" +
      "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    isValid: true,
  },
  {
    publicKey: "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    message: "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
    signature:
      "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc" +
      "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    isValid: true,
  },
];

/** RFC 8032 §7.1, test 2: seed, message, signature. */
const SIGNING_VECTOR = {
  seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
  message: "72",
  signature:
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
};

/** The node must not run: some signature is decided in another way than the network's. */
export type SignatureSelfTestError = WeftError<{
  readonly code: "SIGNATURE_SELF_TEST";
  readonly vector: string;
}>;

/** Throws SIGNATURE_SELF_TEST when any vector comes out wrong, by itself or in a batch. About 50 ms. */
export async function runSignatureSelfTest(verifier: SignatureVerifier): Promise<void> {
  const pair = ed25519KeyPairFromSeed(fromHex(SIGNING_VECTOR.seed));
  const message = fromHex(SIGNING_VECTOR.message);
  const signature = fromHex(SIGNING_VECTOR.signature);
  const signed = signEd25519(pair, message);
  check("RFC 8032 signature", true, Buffer.compare(signed, signature) === 0);
  await checkBoth(verifier, "RFC 8032", { publicKey: pair.publicKey, message, signature }, true);
  const items = SIGNATURE_VECTORS.map((vector) => ({
    publicKey: fromHex(vector.publicKey),
    message: fromHex(vector.message),
    signature: fromHex(vector.signature),
  }));
  for (const [i, item] of items.entries()) {
    const isValid = SIGNATURE_VECTORS[i]?.isValid === true;
    await checkBoth(verifier, `edge case ${i}`, item, isValid);
  }
  const isValid = SIGNATURE_VECTORS.map((vector) => vector.isValid);
  await checkTogether(verifier, "all edge cases", items, isValid);
  const valid = items.filter((_, i) => isValid[i]);
  await checkTogether(verifier, "what is valid of them", valid, Array(valid.length).fill(true));
}

/** A batch may be decided in another way than its signatures one by one. */
async function checkTogether(
  verifier: SignatureVerifier,
  name: string,
  items: readonly SignedItem[],
  expected: readonly boolean[],
): Promise<void> {
  const verdicts = await verifier.verifyBatch(items);
  for (const [i, isValid] of expected.entries()) {
    check(`${name} together, ${i}`, isValid, verdicts[i] === true);
  }
}

async function checkBoth(
  verifier: SignatureVerifier,
  vector: string,
  item: { publicKey: Uint8Array; message: Uint8Array; signature: Uint8Array },
  expected: boolean,
): Promise<void> {
  const { publicKey, message, signature } = item;
  check(`${vector}, at once`, expected, verifier.verifySync(publicKey, message, signature));
  const isAccepted = await verifier.verify(publicKey, message, signature);
  check(`${vector}, on the pool`, expected, isAccepted);
}

function check(vector: string, expected: boolean, actual: boolean): void {
  if (actual === expected) return;
  const code = "SIGNATURE_SELF_TEST";
  throw new WeftError(
    { code, vector },
    `signatures are not decided by ZIP-215 here (${vector}: expected ${expected}); ` +
      "do not run a validator with this Node, libsodium or native module",
  );
}
