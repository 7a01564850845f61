/**
 * `weft start --home <home>` with a validator that does with sealed transactions, or with its blocks and lists,
 * what it must not do, when it is told to (`seal-orders.ts`). The node is the real one; tests start this program in place of `weft`.
 */
import { parseArgs } from "node:util";
import { toHex } from "../../proto/bytes.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import type { Application } from "../../sequencer/abci/application.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
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
import { createMevFaults, isMevFault } from "./mev-faults.ts";
import { dueIdsOf } from "./mev-due.ts";
import { createSealFaults, type SealFault } from "./seal-faults.ts";
import { readOrder, recordOffence, type SealOrder } from "./seal-orders.ts";

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
const applicationKey = readKeyFile(home.applicationKeyFile);
const consensusAddress = ed25519Address(readKeyFile(home.validatorKeyFile).publicKey);
const orderAt = (height: number): SealOrder | undefined => {
  const order = readOrder(home.root);
  return order !== undefined && height >= (order.fromHeight ?? 1) ? order : undefined;
};
const withSealFaults = createSealFaults(
  { chainId, applicationKey, consensusAddress },
  {
    faultAt: (height) => {
      const fault = orderAt(height)?.fault;
      return fault === undefined || isMevFault(fault) ? undefined : (fault satisfies SealFault);
    },
    onDone: (fault, height) => recordOffence(home.root, { fault, height }),
  },
);

/** What it does with blocks and lists. `app`: whose state it reads. */
function withMevFaults(whole: Application, app: WeftApplication): Application {
  return createMevFaults(
    {
      chainId,
      applicationKey,
      consensusAddress,
      get attacker() {
        const file = readOrder(home.root)?.payerKeyFile;
        return file === undefined ? applicationKey : readKeyFile(file);
      },
    },
    {
      faultAt: (height) => {
        const fault = orderAt(height)?.fault;
        return fault !== undefined && isMevFault(fault) ? fault : undefined;
      },
      dueIds: () => dueIdsOf(app),
      isCensored: ({ body }) => toHex(body.publicKey) === readOrder(home.root)?.censored,
      onDone: (fault, height, refusal) =>
        recordOffence(home.root, { fault, height, ...(refusal === undefined ? {} : { refusal }) }),
    },
  )(whole);
}
const options = { home, config, onBlock: () => {} };
const parts: NodeDependencies = {
  clock: createSystemClock(),
  logger,
  applicationMiddleware: (whole) => ({
    ...snapshotMethodsOf(whole),
    ...withMevFaults(withSealFaults(whole), whole),
  }),
};
const node = await (values.engine === "cometbft"
  ? createCometBftNode({ ...options, environment: process.env }, parts)
  : createNode(options, parts));
await node.start();
await untilStopped();
await stopInTime(() => node.stop());
