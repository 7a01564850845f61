/** Ports to the application keys. Who implements them decides where the work is done, never what is accepted. */

/** Signs with the validator's own application key (ed25519). */
export type SignPart = (signBytes: Uint8Array) => Promise<Uint8Array>;

export interface SignatureCheck {
  /** ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Answers each check by the ZIP-215 rule, in order. Never throws on bad input. */
export type VerifySignatures = (checks: readonly SignatureCheck[]) => Promise<readonly boolean[]>;

/** The application key that the committed state holds for a validator address; undefined if none. */
export type ApplicationKeyOf = (validatorAddress: Uint8Array) => Uint8Array | undefined;
