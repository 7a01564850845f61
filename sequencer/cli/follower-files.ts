/** Writes the home of a node that joins a network: its genesis, a configuration, no validator's keys. */
import { existsSync, writeFileSync } from "node:fs";
import type { NodeId } from "../../proto/brands.ts";
import { nodeIdOfPublicKey } from "../../proto/verify/ed25519.ts";
import { type Genesis, loadGenesis, saveGenesis } from "../engine/genesis.ts";
import { loadConfig, renderConfig } from "../node/config.ts";
import { homeAt } from "../node/home.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import { cliError } from "./cli-error.ts";
import { makeFolder } from "./make-folder.ts";

export interface FollowerFilesOptions {
  readonly home: string;
  /** Path of the network's genesis.json. */
  readonly genesisFile: string;
  /** Configuration values by dotted path, over the defaults. */
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * Writes the home. It has no `priv_validator_key.json` and no application key: such a node fetches,
 * checks and serves the chain, and votes on nothing.
 */
export async function createFollowerFiles(
  options: FollowerFilesOptions,
): Promise<{ readonly genesis: Genesis; readonly nodeId: NodeId }> {
  const home = homeAt(options.home);
  if (existsSync(home.genesisFile)) {
    const { chainId } = await loadGenesis(home.genesisFile);
    throw cliError(
      "FILE",
      `${home.root} is the home of a node of ${chainId} already; choose another --home, or edit ${home.configFile}`,
    );
  }
  const genesis = await loadGenesis(options.genesisFile);
  // Checked before anything is written.
  const config = renderConfig(loadConfig(undefined, options.config, {}));
  makeFolder(home.configDir);
  makeFolder(home.dataDir);
  const { publicKey } = loadOrCreateNodeKey(home.nodeKeyFile);
  writeFileSync(home.configFile, config);
  // Last: a genesis file says that the home is complete.
  await saveGenesis(home.genesisFile, genesis);
  return { genesis, nodeId: nodeIdOfPublicKey(publicKey) };
}
