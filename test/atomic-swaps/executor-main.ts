/**
 * An executor of a rollup as a process of its own, from the home that `weft rollup init` makes; argument: that home. The
 * node is the real one. It can be told to kill or to freeze itself at a point of its work that nobody hits from outside
 * (`Trap`, on standard input); it is noticed there by what the node counts, or asks to be signed.
 */
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { toHex } from "../../proto/bytes.ts";
import { decodeTxBody, txSignPrefix } from "../../proto/codec/weft-tx.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import type { TxSigner } from "../../rollup-adapter/client/signed-tx.ts";
import type { DriverMetrics } from "../../rollup-adapter/driver/metrics.ts";
import { startEvmRollupNode } from "../../rollup-adapter/evm-node/evm-rollup-node.ts";
import { loadRollupConfig } from "../../rollup-adapter/node/rollup-config.ts";
import { createAdapterMetrics } from "../../rollup-adapter/metrics.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import type { LogFields, Logger } from "../../sequencer/ports/logger.ts";
import { createPrometheusRegistry } from "../../sequencer/ports/prometheus.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import type { ExecutorEvent, NumberedTrap, Point } from "./executor-protocol.ts";

const HEIGHT_EVERY_MS = 200;

const [root = ""] = process.argv.slice(2);
const traps: NumberedTrap[] = [];

/** Written when it returns, so that the last words of a process that is killed are heard. */
function tell(event: ExecutorEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** The executor is at that point. */
function pass(point: Point, bundle?: string): void {
  const at = traps.findIndex(
    (trap) => trap.point === point && (trap.bundle === undefined || trap.bundle === bundle),
  );
  const [trap] = at < 0 ? [] : traps.splice(at, 1);
  if (trap === undefined) return;
  const strike = (): void => {
    tell({ kind: "trapped", id: trap.id });
    process.kill(process.pid, trap.signal);
  };
  if (trap.afterMs === undefined) strike();
  else setTimeout(strike, trap.afterMs);
}

function watchedSigner(file: string, chainId: string): TxSigner {
  const key = readKeyFile(file);
  const prefix = txSignPrefix(chainId).length;
  return {
    publicKey: key.publicKey,
    sign(message) {
      const { action } = decodeTxBody(message.subarray(prefix));
      if (action.kind === "executorVote") {
        pass("voted", toHex(action.bundleId));
        pass("sending", toHex(action.bundleId));
      }
      if (action.kind === "executorReport") pass("reported", toHex(action.bundleId));
      return signEd25519(key, message);
    },
  };
}

function watchedMetrics(metrics: DriverMetrics): DriverMetrics {
  return {
    ...metrics,
    atomicPrepared: {
      inc(labels, by) {
        metrics.atomicPrepared.inc(labels, by);
        pass("prepared");
      },
    },
    atomicDecided: {
      inc(labels, by) {
        metrics.atomicDecided.inc(labels, by);
        pass("decided");
      },
    },
  };
}

/** Warnings and errors, and what nodes do not take. */
function watchedLogger(): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      process.stderr.write(`${JSON.stringify({ level, message, ...fields })}\n`);
    };
  const logger: Logger = {
    error: write("error"),
    warn: write("warn"),
    info: () => {},
    debug(message, fields = {}) {
      if (message !== "a vote or report is not taken yet") return;
      tell({
        kind: "refused",
        statement: String(fields["key"]),
        reason: String(fields["reason"]),
      });
    },
    child: () => logger,
  };
  return logger;
}

const home = rollupHomeAt(root);
const config = loadRollupConfig(home.configFile);
if (config.atomic === undefined) throw new Error(`${home.configFile} is not an executor's`);
const gateway = readKeyFile(home.gatewayKeyFile);
const metrics = createAdapterMetrics(createPrometheusRegistry());
const commands = createInterface({ input: process.stdin });
// The end of its standard input, which may come before it is ready: whoever started it is gone, or has enough.
const told = new Promise((done) => commands.once("close", done));
commands.on("line", (line) => traps.push(JSON.parse(line) as NumberedTrap));
const node = await startEvmRollupNode(
  { config, dataDirectory: home.dataDir, clientVersion: "weft/swaps" },
  {
    gatewayKey: {
      publicKey: gateway.publicKey,
      sign: (message) => signEd25519(gateway, message),
    },
    executorKey: watchedSigner(
      resolve(dirname(home.configFile), config.atomic.key_file),
      config.sequencer.chain_id,
    ),
    clock: createSystemClock(),
    logger: watchedLogger(),
    metrics: { ...metrics, driver: watchedMetrics(metrics.driver) },
  },
);
tell({ kind: "ready", rpcUrl: node.rpcUrl });
let heightTold = 0;
setInterval(() => {
  const { sequencerHeight } = node.status();
  if (sequencerHeight === heightTold) return;
  heightTold = sequencerHeight;
  tell({ kind: "height", height: heightTold });
}, HEIGHT_EVERY_MS);
await Promise.race([node.failed, told]);
await node.stop();
process.exit(0);
