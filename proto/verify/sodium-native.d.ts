/** The part of sodium-native that signatures use; the package ships no types. */
declare module "sodium-native" {
  interface Sodium {
    /** Throws when a length is wrong. `secretKey` is seed ‖ public key, 64 bytes. */
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
    crypto_sign_verify_detached(
      signature: Uint8Array,
      message: Uint8Array,
      publicKey: Uint8Array,
    ): boolean;
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
  }
  const sodium: Sodium;
  export default sodium;
}
