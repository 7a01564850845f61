/** The node key: file as CometBFT writes it (`node_key.json`, spec §1, §19.2). */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { NodeId } from "../../proto/brands.ts";
import { fromBase64, toBase64 } from "../../proto/bytes.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromPrivateKey,
  ed25519KeyPairFromSeed,
  generateEd25519KeyPair,
  nodeIdOfPublicKey,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
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

/** The text of `node_key.json`. */
export function nodeKeyToJson(key: NodeKey): string {
  return JSON.stringify({
    priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(key.privateKey) },
  });
}

/** Throws `P2P_NODE_KEY_INVALID` when the text is not a node key or its halves do not match. */
export function nodeKeyFromJson(text: string): NodeKey {
  try {
    const parsed: unknown = JSON.parse(text);
    const field = isRecord(parsed) ? parsed["priv_key"] : undefined;
    if (!isRecord(field) || field["type"] !== "tendermint/PrivKeyEd25519") {
      throw new RangeError("priv_key.type is not tendermint/PrivKeyEd25519");
    }
    const value = field["value"];
    if (typeof value !== "string") throw new RangeError("priv_key.value is not a string");
    return nodeKeyOf(ed25519KeyPairFromPrivateKey(fromBase64(value)));
  } catch (error) {
    throw new P2pError(
      "P2P_NODE_KEY_INVALID",
      `expected {"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"<64 bytes, base64>"}}: ${
        error instanceof Error ? error.message : String(error)
      }`,
      { cause: error },
    );
  }
}

/**
 * The key in `file`, made (mode 0600, synced) when there is none.
 *
 * @throws P2pError `P2P_NODE_KEY_INVALID`, also when others may read the file
 */
export function loadOrCreateNodeKey(file: string): NodeKey {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  if (mode !== undefined) {
    if ((mode & 0o077) !== 0) {
      throw new P2pError(
        "P2P_NODE_KEY_INVALID",
        `expected ${file} with mode 600, got ${(mode & 0o777).toString(8)}: others may read the key; run: chmod 600 ${file}`,
      );
    }
    const text = readFileSync(file, "utf8");
    try {
      return nodeKeyFromJson(text);
    } catch (cause) {
      throw new P2pError(
        "P2P_NODE_KEY_INVALID",
        `${file} is not a node key; restore it from your backup, or remove it to get a new identity`,
        { cause },
      );
    }
  }
  const key = createNodeKey();
  writeFileSync(file, nodeKeyToJson(key), { mode: 0o600, flag: "wx", flush: true });
  return key;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
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
