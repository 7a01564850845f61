/** Who signs for this node: its key file, or a signer elsewhere (spec/cometbft-v0.38.md §15.3, §19.1). */
import { readFileSync } from "node:fs";
import { NodeId } from "../../proto/brands.ts";
import { fromBase64, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import type { PublicKey } from "../../proto/types.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import type { PrivValidator } from "../engine/privval/priv-validator.ts";
import type { NodeSigner } from "../p2p/conn/secret-connection.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { parseSignerAddress } from "../signer/address.ts";
import type { RemoteSignerMetrics } from "../signer/metrics.ts";
import { openRemoteSigner } from "../signer/remote-signer.ts";
import { type Config, splitList } from "./config-schema.ts";
import { durationMs } from "./config.ts";
import type { KeyFileErrorInfo } from "./key-file.ts";

/** Whether the configuration names a remote signer: the key file does not sign then. */
export function hasRemoteSigner(config: Config): boolean {
  return config.priv_validator_laddr !== "" || config.priv_validator_dial_addr !== "";
}

/**
 * Listens for the signer, or dials it, and waits until it has told its key.
 * @param keyFile pins the key: a `priv_validator_key.json`, best without its private half
 * @throws SignerError SIGNER_LISTEN_FAILED, SIGNER_START_TIMEOUT; KEY_FILE_INVALID
 */
export async function connectRemoteSigner(
  options: { readonly config: Config; readonly chainId: string; readonly keyFile: string },
  deps: {
    readonly connectionKey: NodeSigner;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: RemoteSignerMetrics;
  },
): Promise<PrivValidator & { close(): Promise<void> }> {
  const { config, chainId, keyFile } = options;
  const { logger } = deps;
  const mode = config.priv_validator_laddr === "" ? "dial" : "listen";
  const address = parseSignerAddress(
    mode === "listen" ? config.priv_validator_laddr : config.priv_validator_dial_addr,
  );
  const ids = splitList(config.priv_validator_signer_ids).map((id) => NodeId(id));
  const pinned = readPinnedKey(keyFile);
  if (pinned?.isPrivateKeyHere === true) {
    logger.warn("a remote signer is configured, yet the private key is still in this home", {
      file: keyFile,
    });
  }
  if (address.kind === "tcp" && !isLoopback(address.host) && ids.length === 0) {
    logger.warn("any signer may connect: set priv_validator_signer_ids", { address: address.host });
  }
  const signer = await openRemoteSigner(
    {
      chainId,
      mode,
      address,
      allowedIds: ids.length === 0 ? undefined : ids,
      expectedKey: pinned?.publicKey,
      timeoutMs: durationMs(config.priv_validator_timeout),
      startTimeoutMs: durationMs(config.priv_validator_start_timeout),
    },
    { ...deps, verifySignature: verifyEd25519Sync },
  );
  try {
    await signer.untilReady();
  } catch (error) {
    await signer.close();
    throw error;
  }
  return signer;
}

interface PinnedKey {
  readonly publicKey: PublicKey;
  readonly isPrivateKeyHere: boolean;
}

/** The public half of a key file; undefined when there is no file. */
function readPinnedKey(path: string): PinnedKey | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // No file pins nothing; a signer that holds another key than the validator's shows in the log.
    return undefined;
  }
  try {
    const json: unknown = JSON.parse(text);
    const fields = new Map(Object.entries(Object(json)));
    const tagged = new Map(Object.entries(Object(fields.get("pub_key"))));
    const value = tagged.get("value");
    if (tagged.get("type") !== "tendermint/PubKeyEd25519" || typeof value !== "string") {
      throw new RangeError("pub_key is no ed25519 key");
    }
    const bytes = fromBase64(value);
    if (bytes.length !== 32) throw new RangeError(`expected 32 bytes, got ${toHex(bytes)}`);
    return {
      publicKey: { type: "ed25519", bytes },
      isPrivateKeyHere: fields.get("priv_key") !== undefined,
    };
  } catch (cause) {
    throw new WeftError<KeyFileErrorInfo>(
      { code: "KEY_FILE_INVALID", path },
      `${path} does not name the validator's public key: expected {"pub_key":{"type":"tendermint/PubKeyEd25519","value":"<base64>"}}; with a remote signer the file may also be left out`,
      { cause },
    );
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
