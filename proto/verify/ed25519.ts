/**
 * The one signature rule of the network: ZIP-215, as CometBFT has it (spec/cometbft-v0.38.md §1).
 *
 * libsodium accepts less than ZIP-215 and nothing else, so its accept is final; what it rejects, a
 * refused key included, is decided by `@noble/ed25519`. No check stands before that: it would refuse
 * what Go accepts and split the chain. A rejected signature costs about 1 ms, which whoever takes
 * signatures from strangers has to budget per peer.
 *
 * Everything here runs on the calling thread, 40 µs a check. libuv's thread pool is no place for it:
 * file system and database calls would wait behind the checks. A node gives its checks threads of
 * their own (`sequencer/node/signature-workers`).
 */
import { createHash, randomBytes } from "node:crypto";
import { setImmediate as atNextTurn } from "node:timers";
import { hashes, verify as nobleVerify } from "@noble/ed25519";
import sodium from "sodium-native";
import { bytesEqual, concatBytes, EMPTY_BYTES, toHex } from "../bytes.ts";
import { NodeId } from "../brands.ts";
import { WeftError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { ADDRESS_BYTES } from "../limits.ts";

export const ED25519_PUBLIC_KEY_BYTES = 32;
export const ED25519_SEED_BYTES = 32;
/** Seed ‖ public key, as in `priv_validator_key.json` and `node_key.json`. */
export const ED25519_PRIVATE_KEY_BYTES = 64;
export const ED25519_SIGNATURE_BYTES = 64;
/** What one verifier takes of one turn of the loop, µs by estimate; the rest waits for the next turn. */
export const TURN_MICROS_MAX = 2_000;
/** A check of a short message, and of each further byte (SHA-512), µs. */
const CHECK_MICROS = 40;
const BYTE_MICROS = 0.002;

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
  /** Signed in front of `message`: a domain tag, say, so that a large message need not be copied for it. */
  readonly prefix?: Uint8Array | undefined;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Bytes under the signature of an item: prefix and message. */
export function signedBytes({ prefix, message }: SignedItem): number {
  return (prefix?.length ?? 0) + message.length;
}

/**
 * Checks signatures without holding the loop: so many per turn, in the order they were asked for. Each
 * verifier is a lane of its own, so that votes do not wait behind transactions.
 */
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

/** Whether libsodium accepts it, about 40 µs: what it accepts is valid, what it refuses may be. */
export function isAcceptedAtOnce({ publicKey, prefix, message, signature }: SignedItem): boolean {
  if (!hasRightLengths(publicKey, signature)) return false;
  const signed = prefix === undefined ? message : concatBytes(prefix, message);
  return sodium.crypto_sign_verify_detached(signature, signed, publicKey);
}

/** A verifier with a budget of its own. */
export function createEd25519Verifier(): SignatureVerifier {
  const lane = new Lane();
  return {
    verifySync: verifyEd25519Sync,
    async verify(publicKey, message, signature) {
      const [isValid] = await lane.check([{ publicKey, message, signature }]);
      return isValid === true;
    },
    verifyBatch: (items) => lane.check(items),
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

/** Items of one call that still have to be looked at. */
interface Job {
  readonly items: readonly SignedItem[];
  /** So far; false until decided where libsodium rejects. */
  readonly verdicts: boolean[];
  readonly undecided: { readonly at: number; readonly verdict: Promise<boolean> }[];
  readonly finish: (verdicts: Promise<readonly boolean[]>) => void;
}

/** Checks in order, within a budget per turn of the loop. */
class Lane {
  #jobs: Job[] = [];
  /** Jobs before this one are done. */
  #head = 0;
  #spentMicros = 0;
  #isTurnCounted = false;
  #scratch = EMPTY_BYTES;
  /** Ends when the last rejected signature has been decided. */
  #lastDecision: Promise<unknown> = Promise.resolve();

  check(items: readonly SignedItem[]): Promise<readonly boolean[]> {
    return new Promise((resolve) => {
      this.#jobs.push({ items, verdicts: [], undecided: [], finish: resolve });
      this.#work();
    });
  }

  /** Goes on until the budget of this turn is used up or nothing is left. */
  #work(): void {
    for (;;) {
      const job = this.#jobs[this.#head];
      if (job === undefined) break;
      const item = job.items[job.verdicts.length];
      if (item === undefined) {
        job.finish(settle(job));
        this.#head += 1;
        continue;
      }
      if (this.#spentMicros >= TURN_MICROS_MAX) return;
      this.#count(item);
      this.#decide(job, item);
    }
    this.#jobs = [];
    this.#head = 0;
  }

  #count(item: SignedItem): void {
    this.#spentMicros += CHECK_MICROS + signedBytes(item) * BYTE_MICROS;
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    atNextTurn(() => {
      this.#isTurnCounted = false;
      this.#spentMicros = 0;
      this.#work();
    });
  }

  #decide({ verdicts, undecided }: Job, item: SignedItem): void {
    const { publicKey, signature } = item;
    const isWellFormed = hasRightLengths(publicKey, signature);
    const isAccepted =
      isWellFormed &&
      sodium.crypto_sign_verify_detached(signature, this.#messageOf(item), publicKey);
    if (isWellFormed && !isAccepted) {
      undecided.push({ at: verdicts.length, verdict: this.#decideInTurn(item) });
    }
    verdicts.push(isAccepted);
  }

  /** Valid until the next call. */
  #messageOf(item: SignedItem): Uint8Array {
    const { prefix, message } = item;
    if (prefix === undefined) return message;
    const length = signedBytes(item);
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(2 * length);
    this.#scratch.set(prefix);
    this.#scratch.set(message, prefix.length);
    return this.#scratch.subarray(0, length);
  }

  /**
   * Rejects are decided one by one, each in its own turn of the loop: a flood of bad signatures slows
   * its own answers, not the node. Callers bound the line by what they submit at once.
   */
  #decideInTurn(item: SignedItem): Promise<boolean> {
    const decision = this.#lastDecision.then(async () => {
      await new Promise<void>((resolve) => atNextTurn(resolve));
      return decideRejected(item.publicKey, this.#messageOf(item), item.signature);
    });
    // A failure belongs to its own caller and must not end the line.
    this.#lastDecision = decision.catch(() => undefined);
    return decision;
  }
}

async function settle({ verdicts, undecided }: Job): Promise<readonly boolean[]> {
  for (const { at, verdict } of undecided) verdicts[at] = await verdict;
  return verdicts;
}

function keyError(message: string): WeftError<{ readonly code: "ED25519_KEY" }> {
  return new WeftError({ code: "ED25519_KEY" }, `ed25519 key: ${message}`);
}
