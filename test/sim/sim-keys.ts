/** Keys of a simulated network, the same in every run. */
import { utf8ToBytes } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { ed25519KeyPairFromSeed, type Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { keyFromBytes, type ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";

export interface NodeKeys {
  readonly validator: ValidatorKey;
  readonly application: Ed25519KeyPair;
}

export function simKeys(index: number): NodeKeys {
  return {
    validator: keyFromBytes(sha256(utf8ToBytes(`sim validator ${index}`))),
    application: ed25519KeyPairFromSeed(sha256(utf8ToBytes(`sim application ${index}`))),
  };
}

export interface Wallet {
  readonly key: Ed25519KeyPair;
  readonly address: Uint8Array;
}

export function simWallets(count: number): readonly Wallet[] {
  return Array.from({ length: count }, (_, index) => {
    const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`sim wallet ${index}`)));
    return { key, address: accountAddress(key.publicKey) };
  });
}
