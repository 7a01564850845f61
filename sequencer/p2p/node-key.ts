/** The node key: file as CometBFT writes it (`node_key.json`, spec §1, §19.2). */
import type { NodeId } from "../../proto/brands.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  generateEd25519KeyPair,
  nodeIdOfPublicKey,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { KeyFileError, readOrCreateKeyFile } from "../ports/key-file.ts";
import { P2pError } from "./errors.ts";
import type { NodeSigner } from "./conn/secret-connection.ts";

export interface NodeKey extends NodeSigner {
  readonly id: NodeId;
  /** Seed ‖ public key, 64 bytes, as stored. */
  readonly privateKey: Uint8Array;
}

/** The key of a 32-byte seed; a fresh one by default. */
export function createNodeKey(seed?: Uint8Array): NodeKey {
  return nodeKeyOf(seed === undefined ? generateEd25519KeyPair() : ed25519KeyPairFromSeed(seed));
}

/**
 * The key in `file`, made (mode 0600, synced) when there is none.
 *
 * @throws P2pError `P2P_NODE_KEY_INVALID`, also when others may read the file
 */
export function loadOrCreateNodeKey(file: string): NodeKey {
  try {
    return nodeKeyOf(readOrCreateKeyFile(file, "private"));
  } catch (cause) {
    if (!(cause instanceof KeyFileError)) throw cause;
    throw new P2pError(
      "P2P_NODE_KEY_INVALID",
      `the node key cannot be used: ${cause.message}; without the file the node gets a new identity`,
      { cause },
    );
  }
}

function nodeKeyOf(pair: Ed25519KeyPair): NodeKey {
  const { publicKey, privateKey } = pair;
  return {
    id: nodeIdOfPublicKey(publicKey),
    publicKey,
    privateKey,
    sign: (message) => signEd25519(pair, message),
  };
}
