/**
 * The one signature rule of the network: ZIP-215, as CometBFT has it (spec/cometbft-v0.38.md §1).
 *
 * libsodium and OpenSSL accept less than ZIP-215 and nothing else, so their accept is final; what
 * they reject, a refused key included, is decided by `@noble/ed25519`. No check stands before that:
 * it would refuse what Go accepts and split the chain. A rejected signature costs about 1 ms, which
 * whoever takes signatures from strangers has to budget per peer.
 */
import {
  createHash,
  createPublicKey,
  randomBytes,
  verify as nodeVerify,
  type KeyObject,
} from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { hashes, verify as nobleVerify } from "@noble/ed25519";
import sodium from "sodium-native";
import { bytesEqual, toHex } from "../bytes.ts";
import { NodeId } from "../brands.ts";
import { WeftError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { ADDRESS_BYTES } from "../limits.ts";

export const ED25519_PUBLIC_KEY_BYTES = 32;
export const ED25519_SEED_BYTES = 32;
/** Seed ‖ public key, as in `priv_validator_key.json` and `node_key.json`. */
export const ED25519_PRIVATE_KEY_BYTES = 64;
export const ED25519_SIGNATURE_BYTES = 64;
/** Imported keys that a verifier keeps; the oldest used one goes first. */
export const IMPORTED_KEYS_MAX = 1024;

// The fallback library takes its hash function from whoever uses it.
hashes.sha512 = (message) => new Uint8Array(createHash("sha512").update(message).digest());

/** Decides a signature at once: about 50 µs to accept, 1 ms to reject. */
export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

/** One signature to check. */
export interface SignedItem {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Checks signatures away from the main loop. */
export interface SignatureVerifier {
  readonly verifySync: VerifySignature;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  /** One result for each item, in order. */
  verifyBatch(items: readonly SignedItem[]): Promise<readonly boolean[]>;
}

/** Whether `signature` is one by `publicKey` over `message`, on the calling thread. */
export const verifyEd25519Sync: VerifySignature = (publicKey, message, signature) => {
  if (!hasRightLengths(publicKey, signature)) return false;
  return (
    sodium.crypto_sign_verify_detached(signature, message, publicKey) ||
    decideRejected(publicKey, message, signature)
  );
};

/** As `verifyEd25519Sync`, on the thread pool. Use a verifier to keep keys imported. */
export async function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return createEd25519Verifier().verify(publicKey, message, signature);
}

/** A verifier with its own bounded cache of imported keys. */
export function createEd25519Verifier(
  options: { readonly importedKeysMax?: number } = {},
): SignatureVerifier {
  const keys = new KeyCache(options.importedKeysMax ?? IMPORTED_KEYS_MAX);
  // Rejects are decided one by one, each in its own turn of the loop: a flood of bad signatures
  // slows its own answers, not the node. Callers bound the line by what they submit at once.
  let lastDecision: Promise<unknown> = Promise.resolve();
  const decideInTurn = (item: SignedItem): Promise<boolean> => {
    const decision = lastDecision.then(async () => {
      await nextTurn();
      return decideRejected(item.publicKey, item.message, item.signature);
    });
    // A failure belongs to its own caller and must not end the line.
    lastDecision = decision.catch(() => undefined);
    return decision;
  };
  const verifyItem = async (item: SignedItem): Promise<boolean> => {
    if (!hasRightLengths(item.publicKey, item.signature)) return false;
    const key = keys.get(item.publicKey);
    const isAccepted = key !== undefined && (await verifyOnPool(key, item));
    return isAccepted || decideInTurn(item);
  };
  return {
    verifySync: verifyEd25519Sync,
    verify: (publicKey, message, signature) => verifyItem({ publicKey, message, signature }),
    verifyBatch: (items) => Promise.all(items.map(verifyItem)),
  };
}

/** A signing key. Keep it out of logs and errors. */
export interface Ed25519KeyPair {
  readonly publicKey: Uint8Array;
  /** Seed ‖ public key. */
  readonly privateKey: Uint8Array;
}

/** A new key from the system's randomness. */
export function generateEd25519KeyPair(): Ed25519KeyPair {
  return ed25519KeyPairFromSeed(randomBytes(ED25519_SEED_BYTES));
}

/** The key of a seed of 32 bytes. */
export function ed25519KeyPairFromSeed(seed: Uint8Array): Ed25519KeyPair {
  if (seed.length !== ED25519_SEED_BYTES) {
    throw keyError(`expected a seed of ${ED25519_SEED_BYTES} bytes, got ${seed.length}`);
  }
  const publicKey = new Uint8Array(ED25519_PUBLIC_KEY_BYTES);
  const privateKey = new Uint8Array(ED25519_PRIVATE_KEY_BYTES);
  sodium.crypto_sign_seed_keypair(publicKey, privateKey, seed);
  return { publicKey, privateKey };
}

/**
 * The key pair of seed ‖ public key, as key files hold it. Throws ED25519_KEY when the public half
 * does not belong to the seed: signing with such a key would give the seed away.
 */
export function ed25519KeyPairFromPrivateKey(privateKey: Uint8Array): Ed25519KeyPair {
  if (privateKey.length !== ED25519_PRIVATE_KEY_BYTES) {
    throw keyError(`expected ${ED25519_PRIVATE_KEY_BYTES} bytes, got ${privateKey.length}`);
  }
  const pair = ed25519KeyPairFromSeed(privateKey.subarray(0, ED25519_SEED_BYTES));
  if (!bytesEqual(pair.privateKey, privateKey)) {
    throw keyError("the public half does not belong to the seed; the key file is damaged");
  }
  return pair;
}

/** Signature of 64 bytes, RFC 8032: deterministic. */
export function signEd25519(key: Ed25519KeyPair, message: Uint8Array): Uint8Array {
  const signature = new Uint8Array(ED25519_SIGNATURE_BYTES);
  sodium.crypto_sign_detached(signature, message, key.privateKey);
  return signature;
}

/** Address of a key: SHA-256(public key)[0..20]. */
export function ed25519Address(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, ADDRESS_BYTES);
}

/** The p2p id of a node key. */
export function nodeIdOfPublicKey(publicKey: Uint8Array): NodeId {
  return NodeId(toHex(ed25519Address(publicKey)));
}

function hasRightLengths(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === ED25519_PUBLIC_KEY_BYTES && signature.length === ED25519_SIGNATURE_BYTES
  );
}

function decideRejected(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return nobleVerify(signature, message, publicKey, { zip215: true });
}

/** False when OpenSSL rejects, and when it fails: the fallback decides both. */
function verifyOnPool(key: KeyObject, item: SignedItem): Promise<boolean> {
  return new Promise((resolve) => {
    nodeVerify(null, item.message, key, item.signature, (error, isValid) => {
      resolve(error === null && isValid);
    });
  });
}

/** Imported keys by their bytes, least recently used out first. */
class KeyCache {
  readonly #entriesMax: number;
  readonly #keys = new Map<string, KeyObject>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** Undefined for bytes that OpenSSL does not take as a key. */
  get(publicKey: Uint8Array): KeyObject | undefined {
    const x = Buffer.from(publicKey).toString("base64url");
    const known = this.#keys.get(x);
    if (known !== undefined) {
      this.#keys.delete(x);
      this.#keys.set(x, known);
      return known;
    }
    let key: KeyObject;
    try {
      key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    } catch {
      // Not a verdict: the fallback decides about keys that OpenSSL refuses.
      return undefined;
    }
    this.#keys.set(x, key);
    if (this.#keys.size > this.#entriesMax) {
      const [oldest] = this.#keys.keys();
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
    return key;
  }
}

function keyError(message: string): WeftError<{ readonly code: "ED25519_KEY" }> {
  return new WeftError({ code: "ED25519_KEY" }, `ed25519 key: ${message}`);
}
