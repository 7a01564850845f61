/** The node key: file as CometBFT writes it (`node_key.json`, spec §1, §19.2). */
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { NodeId } from "../../proto/brands.ts";
import { concatBytes, fromBase64, fromHex, toBase64, toHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { P2pError } from "./errors.ts";
import type { NodeSigner } from "./secret-connection.ts";

export interface NodeKey extends NodeSigner {
  readonly id: NodeId;
  /** Seed ‖ public key, 64 bytes, as stored. */
  readonly privateKey: Uint8Array;
}

const PKCS8_ED25519_PREFIX = fromHex("302e020100300506032b657004220420");

/** Id of the node that owns an ed25519 public key: hex of SHA-256(key)[0..20]. */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  return NodeId(toHex(sha256(publicKey).subarray(0, 20)));
}

/** The key of a 32-byte seed; a fresh one by default. */
export function createNodeKey(seed: Uint8Array = randomBytes(32)): NodeKey {
  const keyObject = createPrivateKey({
    key: Buffer.from(concatBytes(PKCS8_ED25519_PREFIX, seed)),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(keyObject).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(spki.length - 32));
  return {
    id: nodeIdOf(publicKey),
    publicKey,
    privateKey: concatBytes(seed, publicKey),
    sign: (message) => sign(null, message, keyObject),
  };
}

/** The text of `node_key.json`. */
export function nodeKeyToJson(key: NodeKey): string {
  return JSON.stringify({
    priv_key: { type: "tendermint/PrivKeyEd25519", value: toBase64(key.privateKey) },
  });
}

/** Throws `P2P_NODE_KEY_INVALID` when the text is not a node key or its halves do not match. */
export function nodeKeyFromJson(text: string): NodeKey {
  let bytes: Uint8Array;
  try {
    const parsed: unknown = JSON.parse(text);
    const field = isRecord(parsed) ? parsed["priv_key"] : undefined;
    if (!isRecord(field) || field["type"] !== "tendermint/PrivKeyEd25519") {
      throw new RangeError("priv_key.type is not tendermint/PrivKeyEd25519");
    }
    const value = field["value"];
    if (typeof value !== "string") throw new RangeError("priv_key.value is not a string");
    bytes = fromBase64(value);
    if (bytes.length !== 64) throw new RangeError(`priv_key.value has ${bytes.length} bytes`);
  } catch (error) {
    throw new P2pError(
      "P2P_NODE_KEY_INVALID",
      `expected {"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"<64 bytes, base64>"}}: ${
        error instanceof Error ? error.message : String(error)
      }`,
      { cause: error },
    );
  }
  const key = createNodeKey(bytes.slice(0, 32));
  if (toHex(key.privateKey) !== toHex(bytes)) {
    throw new P2pError(
      "P2P_NODE_KEY_INVALID",
      "expected the public half of the node key to match its seed, got another one; restore the file",
    );
  }
  return key;
}

/** The key in `file`, made (mode 0600) when there is none. */
export function loadOrCreateNodeKey(file: string): NodeKey {
  try {
    return nodeKeyFromJson(readFileSync(file, "utf8"));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const key = createNodeKey();
  writeFileSync(file, nodeKeyToJson(key), { mode: 0o600, flag: "wx" });
  return key;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isMissing(error: unknown): boolean {
  return isRecord(error) && error["code"] === "ENOENT";
}
