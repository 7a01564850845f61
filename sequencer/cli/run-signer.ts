/** The process of `weft signer`. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { NodeId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { ed25519Address, verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { openFilePrivValidator } from "../engine/privval/file-priv-validator.ts";
import { createMetricsServer } from "../metrics/http-server.ts";
import { createSignerProcessMetrics } from "../metrics/signer-specs.ts";
import { parseHostPort } from "../p2p/address.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import { createPinoLogger } from "../ports/pino-logger.ts";
import { createPrometheusRegistry } from "../ports/prometheus.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { formatSignerAddress, parseSignerAddress, type SignerAddress } from "../signer/address.ts";
import { createSignerService } from "../signer/signer-service.ts";
import { lockHome } from "../store/home-lock.ts";
import { cliError } from "./cli-error.ts";
import type { SignerCommandOptions } from "./commands/signer.ts";
import { makeFolder } from "./make-folder.ts";
import { printResult } from "./output.ts";
import { stopInTime, untilStopped } from "./stop-signal.ts";

/** Signs until it is told to stop. */
export async function runSigner(options: SignerCommandOptions, isJson: boolean): Promise<void> {
  const connect = options.connect.map(parseSignerAddress);
  const listen = options.listen.map(parseSignerAddress);
  checkAddresses(connect, listen, options.allow);
  const logger = createPinoLogger({
    level: options.logLevel,
    format: isJson ? "json" : "plain",
  }).child({ module: "signer" });
  for (const address of connect) {
    if (address.kind === "tcp" && address.id === undefined) {
      logger.warn("the node is not pinned: give its address as tcp://<node id>@host:port", {
        address: formatSignerAddress(address),
      });
    }
  }
  checkState(options);
  const stateDirectory = dirname(options.stateFile);
  makeFolder(stateDirectory);
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    // Two signers on one state would each remember half of what was signed.
    const lock = await lockHome(stateDirectory);
    closers.push(() => lock.release());
    const privValidator = await openFilePrivValidator({
      keyPath: options.keyFile,
      statePath: options.stateFile,
      isFresh: options.newState,
    });
    closers.push(() => privValidator.close());
    const connectionKey = loadOrCreateNodeKey(
      options.connectionKeyFile ?? join(stateDirectory, "signer_key.json"),
    );
    const clock = createSystemClock();
    const registry = createPrometheusRegistry();
    const service = createSignerService(
      {
        chainId: options.chainId,
        connect,
        listen,
        allowedIds: options.allow.map((id) => NodeId(id)),
      },
      {
        privValidator,
        connectionKey,
        verifySignature: verifyEd25519Sync,
        clock,
        logger,
        metrics: createSignerProcessMetrics(registry),
      },
    );
    if (options.metrics !== undefined) {
      const server = createMetricsServer(parseHostPort(options.metrics), {
        registry,
        health: () => {
          const { height } = privValidator.lastSigned;
          const { failure, connections } = service;
          if (failure !== undefined) return { status: "failed", height, reason: failure };
          return connections > 0
            ? { status: "ready", height }
            : { status: "starting", height, reason: "no node is connected" };
        },
        clock,
        logger,
      });
      closers.push(() => server.stop());
      await server.start();
    }
    closers.push(() => service.stop());
    await service.start();
    const publicKey = await privValidator.publicKey();
    printResult(
      {
        chainId: options.chainId,
        publicKey: toHex(publicKey.bytes),
        address: toHex(ed25519Address(publicKey.bytes)).toUpperCase(),
        connectionId: connectionKey.id,
        listen: service.addresses.map(formatSignerAddress),
        connect: connect.map(formatSignerAddress),
        lastSignedHeight: privValidator.lastSigned.height,
      },
      isJson,
    );
    const reason = await untilStopped();
    logger.info("stopping", { reason });
  } finally {
    await stopInTime(closeAll);
  }
}

/** A flag that stays in a service file must not make a lost state anew, so it is refused where there is one. */
function checkState({ stateFile, newState }: SignerCommandOptions): void {
  const isThere = existsSync(stateFile);
  if (isThere === !newState) return;
  throw cliError(
    "KEY",
    isThere
      ? `the signer's state ${stateFile} is there already: start without --new-state`
      : `the signer's state ${stateFile} is missing: bring the newest one from where the key signed last, or this validator could sign twice; --new-state makes one, only for a key that has never signed`,
  );
}

function checkAddresses(
  connect: readonly SignerAddress[],
  listen: readonly SignerAddress[],
  allowed: readonly string[],
): void {
  if (connect.length + listen.length === 0) {
    throw cliError("USAGE", "a signer needs a node: give --connect or --listen");
  }
  const bad = allowed.find((id) => !/^[0-9a-f]{40}$/.test(id));
  if (bad !== undefined) throw cliError("USAGE", `expected a node id of 40 hex digits, got ${bad}`);
  if (listen.some(({ kind }) => kind === "tcp") && allowed.length === 0) {
    throw cliError(
      "USAGE",
      "a signer that listens on TCP needs --allow <node id>: whoever may ask can move the guard so far ahead that the validator never signs again",
    );
  }
}
