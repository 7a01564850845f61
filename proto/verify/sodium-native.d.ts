/** The part of sodium-native that signatures, `aead.ts` and the frame ciphers of peers use; the package ships no types. */
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
    /** Seals `m` into `c` (m.length + 16 bytes); `c` may start with `m` itself. */
    crypto_aead_chacha20poly1305_ietf_encrypt(
      c: Uint8Array,
      m: Uint8Array,
      ad: Uint8Array | null,
      nsec: null,
      npub: Uint8Array,
      k: Uint8Array,
    ): number;
    /** Opens `c` into `m` (c.length - 16 bytes), which may be its own start. Throws on a bad tag. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      m: Uint8Array,
      nsec: null,
      c: Uint8Array,
      ad: Uint8Array | null,
      npub: Uint8Array,
      k: Uint8Array,
    ): number;
  }
  const sodium: Sodium;
  export default sodium;
}
