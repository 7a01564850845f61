/** Ephemeral keys, traffic keys and challenge of a SecretConnection (spec §16.1). */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  randomBytes,
} from "node:crypto";
import { compareBytes, concatBytes, fromHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { P2pError } from "../errors.ts";
import { createTranscript } from "./merlin.ts";

const PKCS8_X25519_PREFIX = fromHex("302e020100300506032b656e04220420");
const SPKI_X25519_PREFIX = fromHex("302a300506032b656e032100");
const HKDF_INFO = utf8ToBytes("TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN");

export interface EphemeralKey {
  readonly publicKey: Uint8Array;
  /** X25519 with their key. Throws `P2P_HANDSHAKE_LOW_ORDER_POINT` when the result is all zero. */
  agree(theirPublicKey: Uint8Array): Uint8Array;
}

/** An X25519 key; `seed` (32 bytes) fixes it in tests. */
export function createEphemeralKey(seed: Uint8Array = randomBytes(32)): EphemeralKey {
  const privateKey = createPrivateKey({
    key: Buffer.from(concatBytes(PKCS8_X25519_PREFIX, seed)),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    agree(theirPublicKey) {
      let secret: Uint8Array;
      try {
        secret = diffieHellman({
          privateKey,
          publicKey: createPublicKey({
            key: Buffer.from(concatBytes(SPKI_X25519_PREFIX, theirPublicKey)),
            format: "der",
            type: "spki",
          }),
        });
      } catch (error) {
        // OpenSSL itself refuses an all-zero result.
        throw lowOrderPoint(error);
      }
      if (secret.every((byte) => byte === 0)) throw lowOrderPoint(undefined);
      return secret;
    },
  };
}

export interface TrafficKeys {
  readonly receiveKey: Uint8Array;
  readonly sendKey: Uint8Array;
}

/** HKDF-SHA256 of the shared secret; whose key is lower decides which half is whose. */
export function deriveTrafficKeys(sharedSecret: Uint8Array, isOursLower: boolean): TrafficKeys {
  const okm = new Uint8Array(hkdfSync("sha256", sharedSecret, new Uint8Array(0), HKDF_INFO, 96));
  const [first, second] = [okm.slice(0, 32), okm.slice(32, 64)];
  return isOursLower
    ? { receiveKey: first, sendKey: second }
    : { receiveKey: second, sendKey: first };
}

export interface SessionSecrets extends TrafficKeys {
  /** What both sides sign with their node keys. */
  readonly challenge: Uint8Array;
}

/** All secrets of one connection. Throws `P2P_HANDSHAKE_LOW_ORDER_POINT`. */
export function deriveSession(ours: EphemeralKey, theirs: Uint8Array): SessionSecrets {
  const sharedSecret = ours.agree(theirs);
  const isOursLower = compareBytes(ours.publicKey, theirs) < 0;
  const transcript = createTranscript("TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH");
  transcript.append("EPHEMERAL_LOWER_PUBLIC_KEY", isOursLower ? ours.publicKey : theirs);
  transcript.append("EPHEMERAL_UPPER_PUBLIC_KEY", isOursLower ? theirs : ours.publicKey);
  transcript.append("DH_SECRET", sharedSecret);
  return {
    ...deriveTrafficKeys(sharedSecret, isOursLower),
    challenge: transcript.extract("SECRET_CONNECTION_MAC", 32),
  };
}

function lowOrderPoint(cause: unknown): P2pError {
  return new P2pError(
    "P2P_HANDSHAKE_LOW_ORDER_POINT",
    "expected an X25519 public key of full order, got one whose shared secret is zero",
    { cause },
  );
}
