/** Ports to the application keys. Who implements them decides where the work is done, never what is accepted. */
import type { SignatureVerifier, SignedItem } from "../proto/verify/ed25519.ts";

/** Signs with the validator's own application key (ed25519). */
export type SignPart = (signBytes: Uint8Array) => Promise<Uint8Array>;

/** One signature of an application key to check. */
export type SignatureCheck = SignedItem;

/** Answers each check by the ZIP-215 rule, in order. Never throws on bad input. */
export type VerifySignatures = SignatureVerifier["verifyBatch"];

/** The application key that the committed state holds for a validator address; undefined if none. */
export type ApplicationKeyOf = (validatorAddress: Uint8Array) => Uint8Array | undefined;
