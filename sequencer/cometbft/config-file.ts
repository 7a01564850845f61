/**
 * CometBFT's home and `config.toml`, made of our home and our configuration. Every key that our schema has
 * from CometBFT is carried over; keys of ours that CometBFT lacks are left out where that harms nothing
 * (`README.md` lists them), and refused where it would. The file is written anew at each start.
 */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { COMETBFT_VERSION } from "./binary.ts";
import type { CometBftConfigSource } from "./config-source.ts";
import { CometBftError } from "./errors.ts";
import { MEMPOOL_CACHE_MIN, RECHECK_TIMEOUT_MS, STATE_SYNC_WAIT_MS_MIN } from "./limits.ts";

/** Files of our home that both engines share. */
export interface SharedFiles {
  readonly root: string;
  readonly genesisFile: string;
  readonly nodeKeyFile: string;
  readonly validatorKeyFile: string;
  readonly validatorStateFile: string;
}

/** What CometBFT has for itself, below our home. */
export interface CometBftHome {
  /** For `--home`. */
  readonly root: string;
  readonly configDir: string;
  readonly configFile: string;
  /** Its databases: block store, state, index, evidence. */
  readonly dataDir: string;
  /** The head of its write-ahead log; the folder is its own. */
  readonly walFile: string;
}

export interface CometBftSettings {
  /** Where the application listens: `unix:///path` or `tcp://host:port`. */
  readonly proxyApp: string;
  /** Where its own metrics page shall be, loopback; undefined turns it off. */
  readonly prometheus: { readonly host: string; readonly port: number } | undefined;
  /** How its log looks; json is what a supervisor reads. */
  readonly logFormat: "plain" | "json";
  /** Its levels, such as `state:info,*:error`; our level, as far as it has one, when nothing is said. */
  readonly logLevel?: string;
}

/** The paths below `<home>/cometbft`; creates nothing. */
export function cometBftHomeAt(home: Pick<SharedFiles, "root">): CometBftHome {
  const root = path.join(path.resolve(home.root), "cometbft");
  const configDir = path.join(root, "config");
  const dataDir = path.join(root, "data");
  return {
    root,
    configDir,
    configFile: path.join(configDir, "config.toml"),
    dataDir,
    walFile: path.join(dataDir, "cs.wal", "wal"),
  };
}

/**
 * Makes CometBFT's folders and its `config.toml`.
 *
 * A home whose validator key is not in a file (a follower, a remote signer) keeps none: CometBFT makes a key
 * at start when it finds none, and it makes that one, which signs nothing the chain knows, in its own folder.
 * A home with a key file needs its `priv_validator_state.json` before CometBFT starts.
 * @throws CometBftError COMETBFT_CONFIG_UNSUPPORTED
 */
export async function writeCometBftConfig(
  home: SharedFiles,
  config: CometBftConfigSource,
  settings: CometBftSettings,
): Promise<CometBftHome> {
  const files = cometBftHomeAt(home);
  const key = { hasKeyFile: existsSync(home.validatorKeyFile) };
  const text = renderCometBftConfig(home, config, settings, key);
  for (const folder of [files.configDir, files.dataDir]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  if (!signsWithFile(config, key)) await setAsideStatelessKey(files);
  const temporary = `${files.configFile}.new`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, files.configFile);
  return files;
}

/**
 * CometBFT refuses to start with a key whose state is gone, as it is when its data was put aside by a change
 * of engine. The key is one that CometBFT made for itself: it makes another, which has signed nothing.
 */
async function setAsideStatelessKey(files: CometBftHome): Promise<void> {
  const key = ownKeyFile(files);
  if (!existsSync(key) || existsSync(ownStateFile(files))) return;
  await rename(key, `${key}.unused`);
}

/** Whether CometBFT signs with the key file of the home; with none it has one of its own, which no chain knows. */
function signsWithFile(
  config: Pick<CometBftConfigSource, "priv_validator_laddr">,
  { hasKeyFile }: { readonly hasKeyFile: boolean },
): boolean {
  return hasKeyFile && config.priv_validator_laddr === "";
}

function ownKeyFile({ configDir }: CometBftHome): string {
  return path.join(configDir, "priv_validator_key.json");
}

function ownStateFile({ dataDir }: CometBftHome): string {
  return path.join(dataDir, "priv_validator_state.json");
}

/**
 * The text of CometBFT's `config.toml`.
 * @throws CometBftError COMETBFT_CONFIG_UNSUPPORTED
 */
export function renderCometBftConfig(
  home: SharedFiles,
  config: CometBftConfigSource,
  settings: CometBftSettings,
  key: { readonly hasKeyFile: boolean },
): string {
  const files = cometBftHomeAt(home);
  refuseUnsupported(config, files);
  const { rpc, p2p, mempool, consensus, statesync, tx_index } = config;
  const isSigner = signsWithFile(config, key);
  const { prometheus } = settings;
  const sections: Readonly<Record<string, Readonly<Record<string, TomlValue>>>> = {
    "": {
      version: COMETBFT_VERSION,
      proxy_app: settings.proxyApp,
      abci: "socket",
      filter_peers: false,
      moniker: config.moniker,
      db_backend: "goleveldb",
      db_dir: files.dataDir,
      // CometBFT has no level of warnings.
      log_level: settings.logLevel ?? (config.log_level === "warn" ? "error" : config.log_level),
      log_format: settings.logFormat,
      genesis_file: home.genesisFile,
      node_key_file: home.nodeKeyFile,
      priv_validator_key_file: isSigner ? home.validatorKeyFile : ownKeyFile(files),
      priv_validator_state_file: isSigner ? home.validatorStateFile : ownStateFile(files),
      priv_validator_laddr: withScheme(config.priv_validator_laddr),
    },
    rpc: {
      laddr: withScheme(rpc.laddr),
      grpc_laddr: "",
      pprof_laddr: "",
      unsafe: rpc.unsafe,
      cors_allowed_origins: rpc.cors_allowed_origins,
      cors_allowed_methods: rpc.cors_allowed_methods,
      cors_allowed_headers: rpc.cors_allowed_headers,
      max_open_connections: rpc.max_open_connections,
      max_subscription_clients: rpc.max_subscription_clients,
      max_subscriptions_per_client: rpc.max_subscriptions_per_client,
      experimental_close_on_slow_client: rpc.experimental_close_on_slow_client,
      timeout_broadcast_tx_commit: rpc.timeout_broadcast_tx_commit,
      max_request_batch_size: rpc.max_request_batch_size,
      max_body_bytes: rpc.max_body_bytes,
      max_header_bytes: rpc.max_header_bytes,
    },
    p2p: {
      // CometBFT always listens; a node that shall have no inbound peers does so where nobody asks.
      laddr: p2p.laddr === "" ? "tcp://127.0.0.1:0" : withScheme(p2p.laddr),
      external_address: p2p.external_address,
      seeds: p2p.seeds,
      persistent_peers: p2p.persistent_peers,
      persistent_peers_max_dial_period: p2p.persistent_peers_max_dial_period,
      unconditional_peer_ids: p2p.unconditional_peer_ids,
      private_peer_ids: p2p.private_peer_ids,
      pex: p2p.pex,
      seed_mode: p2p.seed_mode,
      addr_book_file: path.resolve(home.root, p2p.addr_book_file),
      addr_book_strict: p2p.addr_book_strict,
      max_num_inbound_peers: p2p.max_num_inbound_peers,
      max_num_outbound_peers: p2p.max_num_outbound_peers,
      flush_throttle_timeout: p2p.flush_throttle_timeout,
      max_packet_msg_payload_size: p2p.max_packet_msg_payload_size,
      send_rate: p2p.send_rate,
      recv_rate: p2p.recv_rate,
      allow_duplicate_ip: p2p.allow_duplicate_ip,
      handshake_timeout: p2p.handshake_timeout,
      dial_timeout: p2p.dial_timeout,
    },
    mempool: {
      type: "flood",
      // The application's pool evicts by price: a recheck tells CometBFT's list of it.
      recheck: true,
      recheck_timeout: `${RECHECK_TIMEOUT_MS}ms`,
      broadcast: mempool.broadcast,
      size: mempool.size,
      max_txs_bytes: mempool.max_txs_bytes,
      max_tx_bytes: mempool.max_tx_bytes,
      cache_size: Math.max(MEMPOOL_CACHE_MIN, 2 * mempool.size),
      // What is refused for its price or nonce now may be taken later.
      "keep-invalid-txs-in-cache": false,
    },
    statesync: {
      enable: statesync.enable,
      rpc_servers: statesync.rpc_servers,
      trust_height: statesync.trust_height,
      trust_hash: statesync.trust_hash,
      trust_period: statesync.trust_period,
      discovery_time: atLeast(STATE_SYNC_WAIT_MS_MIN, statesync.discovery_time),
      temp_dir: statesync.temp_dir,
      chunk_request_timeout: atLeast(STATE_SYNC_WAIT_MS_MIN, statesync.chunk_request_timeout),
      chunk_fetchers: String(statesync.chunk_fetchers),
    },
    blocksync: { version: "v0" },
    consensus: {
      wal_file: files.walFile,
      timeout_propose: consensus.timeout_propose,
      timeout_propose_delta: consensus.timeout_propose_delta,
      timeout_prevote: consensus.timeout_prevote,
      timeout_prevote_delta: consensus.timeout_prevote_delta,
      timeout_precommit: consensus.timeout_precommit,
      timeout_precommit_delta: consensus.timeout_precommit_delta,
      timeout_commit: consensus.timeout_commit,
      skip_timeout_commit: consensus.skip_timeout_commit,
      create_empty_blocks: consensus.create_empty_blocks,
      create_empty_blocks_interval: consensus.create_empty_blocks_interval,
      block_time_tolerance: consensus.block_time_tolerance,
    },
    // /block_results answers from them.
    storage: { discard_abci_responses: false },
    tx_index: { indexer: tx_index.indexer },
    instrumentation: {
      prometheus: prometheus !== undefined,
      prometheus_listen_addr:
        prometheus === undefined ? "" : `${bracketed(prometheus.host)}:${prometheus.port}`,
      namespace: "cometbft",
    },
  };
  const lines = ["# Written by Weft from its own config.toml at each start: edit that one."];
  for (const [name, keys] of Object.entries(sections)) {
    if (name !== "") lines.push("", `[${name}]`);
    for (const [key, value] of Object.entries(keys)) lines.push(`${key} = ${tomlValue(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

type TomlValue = string | number | boolean | readonly string[];

/** JSON's notation of these is TOML's as well. */
function tomlValue(value: TomlValue): string {
  return typeof value === "object" ? `[${value.map(tomlValue).join(", ")}]` : JSON.stringify(value);
}

function refuseUnsupported(config: CometBftConfigSource, { root }: CometBftHome): void {
  const refusals: readonly [key: string, isAsked: boolean, why: string][] = [
    [
      "priv_validator_dial_addr",
      config.priv_validator_dial_addr !== "",
      "CometBFT dials no remote signer: have the signer dial (priv_validator_laddr)",
    ],
    [
      "priv_validator_signer_ids",
      config.priv_validator_laddr !== "" && config.priv_validator_signer_ids !== "",
      "CometBFT takes any signer that connects: use a Unix socket or a private network, and empty the key",
    ],
    [
      "--home",
      root.includes("$"),
      `CometBFT takes what follows a $ in ${root} for a variable, and would run with its defaults: move the home to a path without it`,
    ],
  ];
  for (const [key, isAsked, why] of refusals) {
    if (!isAsked) continue;
    throw new CometBftError(
      { code: "COMETBFT_CONFIG_UNSUPPORTED", key },
      `${key} cannot be had with CometBFT as the engine. ${why}`,
    );
  }
}

/** CometBFT's listeners want the scheme; an empty host is every interface, in its words too. */
function withScheme(address: string): string {
  if (address === "" || address.startsWith("unix://")) return address;
  const bare = address.replace(/^tcp:\/\//, "");
  return `tcp://${bare.startsWith(":") ? "0.0.0.0" : ""}${bare}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The duration, or `floorMs` where it is shorter. */
function atLeast(floorMs: number, duration: string): string {
  const unit = /[a-z]+$/.exec(duration)?.[0];
  const scale = unit === "h" ? 3_600_000 : unit === "m" ? 60_000 : unit === "s" ? 1_000 : 1;
  return Number.parseFloat(duration) * scale < floorMs ? `${floorMs}ms` : duration;
}
