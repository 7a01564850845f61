/** Limits of the wire and of blocks, as CometBFT v0.38 has them (spec/cometbft-v0.38.md §20). */

/** Bytes of an encoded block. */
export const BLOCK_SIZE_BYTES_MAX = 104_857_600;
/** Bytes of every part of a block but the last. */
export const BLOCK_PART_SIZE_BYTES = 65_536;
/** Parts of a block. */
export const BLOCK_PARTS_MAX = 1_601;
/** Bytes that a header may take in a block. */
export const HEADER_BYTES_MAX = 626;
/** Bytes of a block's own framing, beside header, data, evidence and commit. */
export const BLOCK_OVERHEAD_BYTES_MAX = 11;
/** Bytes of a commit: 94 + 111 for each validator. */
export const COMMIT_OVERHEAD_BYTES_MAX = 94;
export const COMMIT_SIG_BYTES_MAX = 111;
/** Votes of one step, hence validators. */
export const VOTES_MAX = 10_000;
/** Bytes of a chain id. */
export const CHAIN_ID_BYTES_MAX = 50;
/** Voting power of a whole validator set: (2^63 - 1) / 8. */
export const TOTAL_VOTING_POWER_MAX = 1_152_921_504_606_846_975n;
/** Bytes of one vote extension. */
export const VOTE_EXTENSION_BYTES_MAX = 1_048_576;
/** Aunts of a Merkle proof. */
export const MERKLE_AUNTS_MAX = 100;
/** Bytes of a signature. */
export const SIGNATURE_BYTES_MAX = 64;
export const ADDRESS_BYTES = 20;
export const HASH_BYTES = 32;
/** What a text sealed with ChaCha20-Poly1305 is longer than the plaintext. */
export const AEAD_TAG_BYTES = 16;

/**
 * Bytes of any single hash, address, key or signature when decoding. Looser than the rules, which
 * validation checks afterwards: an application hash may have any length.
 */
export const SHORT_BYTES_MAX = 65_536;
/** Bytes of any single string when decoding. */
export const SHORT_TEXT_BYTES_MAX = 10_240;
/**
 * Transactions of a block when decoding. More than the largest block holds of the smallest items that
 * are valid (140 bytes); a block of millions of empty ones would take gigabytes to take apart.
 */
export const BLOCK_TXS_MAX: number = 1 << 20;
/** Evidence items of a block when decoding. */
export const BLOCK_EVIDENCE_MAX = 100_000;
/** Addresses in one answer of peer exchange. */
export const PEX_ADDRESSES_MAX = 250;
/** Bytes of a peer's NodeInfo. */
export const NODE_INFO_BYTES_MAX = 10_240;
/** Bytes of a state-sync chunk message. */
export const CHUNK_BYTES_MAX = 16_000_000;
/** Bytes of a snapshot's metadata. */
export const SNAPSHOT_BYTES_MAX = 4_000_000;
/** Bytes of a remote signer's error text when decoding. */
export const SIGNER_FAULT_BYTES_MAX = 10_240;
/** How deep values of JSON from elsewhere may nest; answers of CometBFT's RPC stay below 20. */
export const JSON_DEPTH_MAX = 100;
