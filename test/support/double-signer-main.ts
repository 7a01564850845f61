/**
 * `weft start --home <home>` with a validator that signs twice when it is told to (`double-signing.ts`).
 * The node is the real one; tests start this program in place of `weft`.
 */
import { parseArgs } from "node:util";
import { loadGenesis } from "../../sequencer/engine/genesis.ts";
import { stopInTime, untilStopped } from "../../sequencer/cli/stop-signal.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { createNode, type Node } from "../../sequencer/node/node.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { createPinoLogger } from "../../sequencer/ports/pino-logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { createDoubleSigning } from "./double-signing.ts";

const { values, positionals } = parseArgs({
  options: { home: { type: "string" }, engine: { type: "string", default: "embedded" } },
  allowPositionals: true,
});
if (positionals.join() !== "start" || values.home === undefined || values.engine !== "embedded") {
  throw new Error("expected: start --home <home>, with the embedded engine");
}
const home = homeAt(values.home);
const config = loadConfig(home.configFile, {}, process.env);
const logger = createPinoLogger({ level: config.log_level, format: "json" });
const { chainId } = await loadGenesis(home.genesisFile);
const middleware = createDoubleSigning(
  { home: home.root, chainId, key: readKeyFile(home.validatorKeyFile) },
  () => node.engine.view(),
);
const node: Node = await createNode(
  { home, config, onBlock: () => {} },
  { clock: createSystemClock(), logger, middleware },
);
await node.start();
await untilStopped();
await stopInTime(() => node.stop());
