/**
 * The application on a home directory: its database, snapshots, application key and pool. The same
 * under either engine, and alone (`weft abci`).
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import {
  createEd25519Verifier,
  type Ed25519KeyPair,
  signEd25519,
  type SignatureVerifier,
} from "../../proto/verify/ed25519.ts";
import { runSignatureSelfTest } from "../../proto/verify/self-test.ts";
import { WeftError } from "../../proto/errors.ts";
import { createApplication } from "../app/application.ts";
import type { AppMetrics } from "../app/metrics.ts";
import { SnapshotArchive } from "../app/snapshots/snapshot-archive.ts";
import { openKeyValueStore } from "../app/state-tree/key-value-store.ts";
import type {
  ApplicationDependencies,
  ApplicationError,
  ApplicationSigner,
  WeftApplication,
} from "../app/weft-application.ts";
import type { Genesis } from "../engine/genesis.ts";
import type { Clock } from "../ports/clock.ts";
import { readKeyFileIfAny } from "../ports/key-file.ts";
import type { Logger } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { COMETBFT_EXTENSION_BYTES_MAX } from "../signer/limits.ts";
import type { Config } from "./config-schema.ts";
import type { Home } from "./home.ts";
import { createRememberingVerifier } from "./remembering-verifier.ts";
import { openSealKeys, type SealKeys } from "./seal-keys.ts";
import type { SealLanes } from "./seal-workers/open-seal-compute.ts";
import { hasRemoteSigner } from "./validator-signer.ts";
import { createWorkerVerifier, type WorkerVerifier } from "./signature-workers/worker-verifier.ts";
import { VERSION } from "./version.ts";

/** Who checks signatures: votes and blocks have one lane, what is submitted another. */
export interface SignatureLanes {
  readonly verifier: SignatureVerifier;
  readonly incomingVerifier: SignatureVerifier;
  stop(): Promise<void>;
}

/**
 * Makes both lanes, with as many threads as the configuration gives them, and checks the signature
 * rule on each. That of votes and blocks remembers what it accepted.
 */
export async function openSignatureLanes(
  config: Pick<Config, "signature_workers">,
  { logger }: { readonly logger: Logger },
): Promise<SignatureLanes> {
  const threads: WorkerVerifier[] = [];
  const createLane = (onThread: boolean): SignatureVerifier => {
    if (!onThread) return createEd25519Verifier();
    const lane = createWorkerVerifier(logger.child({ module: "signatures" }));
    threads.push(lane);
    return lane;
  };
  const stop = async (): Promise<void> => {
    for (const thread of threads.splice(0).toReversed()) await thread.stop();
  };
  const verifier = createLane(config.signature_workers >= 2);
  const incomingVerifier = createLane(config.signature_workers >= 1);
  try {
    await runSignatureSelfTest(verifier);
    await runSignatureSelfTest(incomingVerifier);
    logger.info("checks signatures", {
      threads: threads.length,
      batches: threads.some(({ isNative }) => isNative) ? "native" : "one by one",
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { verifier: createRememberingVerifier(verifier), incomingVerifier, stop };
}

export interface OpenApplicationDependencies {
  readonly lanes: Pick<SignatureLanes, "verifier" | "incomingVerifier">;
  readonly seal: Pick<SealLanes, "compute" | "incoming">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
  /** See `ApplicationDependencies`; without it every block is kept. */
  readonly retainHeight?: ApplicationDependencies["retainHeight"];
}

export interface OpenedApplication {
  readonly application: WeftApplication;
  /** The one that it has, and the one that it takes next. */
  readonly applicationKeys: readonly Ed25519KeyPair[];
  /** Undefined without an application key. */
  readonly sealKeys: SealKeys | undefined;
  /** Gives up a snapshot under way, then closes the database. */
  close(): Promise<void>;
}

/** Opens it. The caller holds the lock of the home directory (`lockHome`). */
export async function openApplication(
  options: {
    readonly home: Home;
    readonly config: Config;
    readonly genesis: Pick<Genesis, "chainId">;
  },
  deps: OpenApplicationDependencies,
): Promise<OpenedApplication> {
  const { home, config, genesis } = options;
  const { lanes, seal, clock, logger, metrics, retainHeight } = deps;
  const { resume_after_halt: resumeAfterHalt } = config;
  const key = readKeyFileIfAny(home.applicationKeyFile);
  const nextKey = readKeyFileIfAny(home.nextApplicationKeyFile);
  const keys = [key, nextKey].filter((one) => one !== undefined);
  const sealKeys =
    keys.length === 0
      ? undefined
      : await openSealKeys(home.sealKeysFile, keys, {
          fileSystem: NODE_FILE_SYSTEM,
          logger: logger.child({ module: "seal" }),
          random: (count) => new Uint8Array(randomBytes(count)),
        });
  const { snapshot_interval: interval, snapshot_keep_recent: keepRecent } = config.storage;
  const level = new ClassicLevel<string, Uint8Array>(join(home.dataDir, "application.db"), {
    keyEncoding: "utf8",
    valueEncoding: "view",
  });
  try {
    const database = await openKeyValueStore(level, yieldToLoop);
    const snapshotArchive =
      interval === 0 ? undefined : await SnapshotArchive.open(home.snapshotsDir, NODE_FILE_SYSTEM);
    const application = await createApplication(
      {
        version: VERSION.weft,
        chainId: genesis.chainId,
        snapshots: { interval, keepRecent },
        extensionBytesMax: extensionBytesMax(config),
        ...(resumeAfterHalt === 0 ? {} : { resumeAfterHalt }),
        pool: {
          countMax: config.mempool.size,
          bytesMax: config.mempool.max_txs_bytes,
          perAccountMax: config.mempool.max_per_account,
        },
      },
      {
        database,
        verify: (checks) => lanes.verifier.verifyBatch(checks),
        verifyIncoming: (checks) => lanes.incomingVerifier.verifyBatch(checks),
        seal: seal.compute,
        sealIncoming: seal.incoming,
        ...(sealKeys === undefined
          ? {}
          : { ticketSecretOf: (number, ticket) => sealKeys.secretOf(number, ticket) }),
        signer: key && applicationSigner(key),
        nextSigner: nextKey && applicationSigner(nextKey),
        clock,
        logger: logger.child({ module: "app" }),
        metrics,
        yieldToLoop,
        ...(snapshotArchive === undefined ? {} : { snapshotArchive }),
        ...(retainHeight === undefined ? {} : { retainHeight }),
      },
    );
    return {
      application,
      applicationKeys: keys,
      sealKeys,
      async close() {
        await application.stop();
        await level.close();
      },
    };
  } catch (error) {
    await level.close();
    throw error;
  }
}

/** CometBFT reads no larger answer of a remote signer than its own library sends. */
function extensionBytesMax(config: Config): number {
  const { priv_validator_extension_bytes: wished, engine } = config;
  return engine === "cometbft" && hasRemoteSigner(config)
    ? Math.min(wished, COMETBFT_EXTENSION_BYTES_MAX)
    : wished;
}

function applicationSigner(key: Ed25519KeyPair): ApplicationSigner {
  return {
    publicKey: key.publicKey,
    sign: (message) => Promise.resolve(signEd25519(key, message)),
  };
}

/** Why the process is of no more use: the next block needs an upgrade that this software does not have. */
export function upgradeNeeded(
  application: Pick<WeftApplication, "standstill">,
): WeftError<ApplicationError> | undefined {
  const standstill = application.standstill();
  if (standstill?.kind !== "upgradeNeeded") return undefined;
  const { height, reason } = standstill;
  return new WeftError<ApplicationError>(
    { code: "APP_UPGRADE_NEEDED", height: height + 1 },
    reason,
  );
}

/** @throws WeftError<ApplicationError> APP_UPGRADE_NEEDED: there is nothing that this software could do here */
export function checkUpgrade(application: Pick<WeftApplication, "standstill">): void {
  const needed = upgradeNeeded(application);
  if (needed !== undefined) throw needed;
}
