/** Who signs for this node: its key file, or a signer elsewhere (spec/cometbft-v0.38.md §15.3, §19.1). */
import { NodeId } from "../../proto/brands.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import type { PrivValidator } from "../engine/privval/priv-validator.ts";
import type { NodeSigner } from "../p2p/conn/secret-connection.ts";
import type { Clock } from "../ports/clock.ts";
import { readPublicHalf } from "../ports/key-file.ts";
import type { Logger } from "../ports/logger.ts";
import { parseSignerAddress } from "../signer/address.ts";
import type { RemoteSignerMetrics } from "../signer/metrics.ts";
import { openRemoteSigner } from "../signer/remote-signer.ts";
import { type Config, splitList } from "./config-schema.ts";
import { durationMs } from "./config.ts";

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
  const pinned = readPublicHalf(keyFile);
  if (pinned?.hasPrivateKey === true) {
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
      expectedKey: pinned && { type: "ed25519", bytes: pinned.publicKey },
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

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
