/** Where things stand in a node's home directory; CometBFT's layout (spec §19.1). */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export interface Home {
  readonly root: string;
  readonly configDir: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly genesisFile: string;
  readonly nodeKeyFile: string;
  readonly validatorKeyFile: string;
  readonly validatorStateFile: string;
  /** Signs vote-extension parts (docs/formats.md); ours, not CometBFT's. */
  readonly applicationKeyFile: string;
  /** The application key that is registered next, if there is one. */
  readonly nextApplicationKeyFile: string;
  /** Secrets of keys for sealed transactions, encrypted for the application key; ours. */
  readonly sealKeysFile: string;
  /** Peers that misbehaved; ours. The address book stands where the configuration says. */
  readonly peerBansFile: string;
  readonly walDir: string;
  /** Proof of faults that an operator may submit; ours. */
  readonly foundEvidenceDir: string;
  /** The application's snapshots; ours. */
  readonly snapshotsDir: string;
  /** Names the engine that the data is of; ours. */
  readonly engineFile: string;
  /** A home of CometBFT's own, where it is the engine: its configuration and its databases. */
  readonly cometbftDir: string;
}

/** Default home: `$WEFT_HOME`, else `~/.weft`. */
export function defaultHome(environment: Readonly<Record<string, string | undefined>>): string {
  return environment["WEFT_HOME"] ?? join(homedir(), ".weft");
}

/** The paths of a home directory; creates nothing. */
export function homeAt(root: string): Home {
  const absolute = resolve(root);
  const configDir = join(absolute, "config");
  const dataDir = join(absolute, "data");
  return {
    root: absolute,
    configDir,
    dataDir,
    configFile: join(configDir, "config.toml"),
    genesisFile: join(configDir, "genesis.json"),
    nodeKeyFile: join(configDir, "node_key.json"),
    validatorKeyFile: join(configDir, "priv_validator_key.json"),
    validatorStateFile: join(dataDir, "priv_validator_state.json"),
    applicationKeyFile: join(configDir, "application_key.json"),
    nextApplicationKeyFile: join(configDir, "application_key.next.json"),
    sealKeysFile: join(dataDir, "seal_keys.json"),
    peerBansFile: join(dataDir, "peer_bans.json"),
    walDir: join(dataDir, "cs.wal"),
    foundEvidenceDir: join(dataDir, "found_evidence"),
    snapshotsDir: join(dataDir, "snapshots"),
    engineFile: join(dataDir, "engine"),
    cometbftDir: join(absolute, "cometbft"),
  };
}
