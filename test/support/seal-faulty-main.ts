/**
 * `weft start --home <home>` with a validator that does with sealed transactions what it must not do, when it
 * is told to (`seal-orders.ts`). The node is the real one; tests start this program in place of `weft`.
 */
import { parseArgs } from "node:util";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { loadGenesis } from "../../sequencer/engine/genesis.ts";
import { stopInTime, untilStopped } from "../../sequencer/cli/stop-signal.ts";
import { createCometBftNode } from "../../sequencer/node/cometbft-node.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { createNode, type NodeDependencies } from "../../sequencer/node/node.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { createPinoLogger } from "../../sequencer/ports/pino-logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { snapshotMethodsOf } from "./application-methods.ts";
import { createSealFaults } from "./seal-faults.ts";
import { readOrder, recordOffence } from "./seal-orders.ts";

const { values, positionals } = parseArgs({
  options: { home: { type: "string" }, engine: { type: "string", default: "embedded" } },
  allowPositionals: true,
});
if (positionals.join() !== "start" || values.home === undefined) {
  throw new Error("expected: start --home <home> [--engine embedded|cometbft]");
}
const home = homeAt(values.home);
const config = loadConfig(home.configFile, {}, process.env);
const logger = createPinoLogger({ level: config.log_level, format: "json" });
const { chainId } = await loadGenesis(home.genesisFile);
const withFaults = createSealFaults(
  {
    chainId,
    applicationKey: readKeyFile(home.applicationKeyFile),
    consensusAddress: ed25519Address(readKeyFile(home.validatorKeyFile).publicKey),
  },
  {
    faultAt: (height) => {
      const order = readOrder(home.root);
      return order !== undefined && height >= (order.fromHeight ?? 1) ? order.fault : undefined;
    },
    onDone: (fault, height) => recordOffence(home.root, { fault, height }),
  },
);
const options = { home, config, onBlock: () => {} };
const parts: NodeDependencies = {
  clock: createSystemClock(),
  logger,
  applicationMiddleware: (whole) => ({ ...snapshotMethodsOf(whole), ...withFaults(whole) }),
};
const node = await (values.engine === "cometbft"
  ? createCometBftNode({ ...options, environment: process.env }, parts)
  : createNode(options, parts));
await node.start();
await untilStopped();
await stopInTime(() => node.stop());
