/** A network's files are written once: a repeated command must ask for what is there, or be refused. */
import { existsSync } from "node:fs";
import { formatAddress } from "../../proto/address.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { type Config, splitList } from "../node/config-schema.ts";
import { loadConfig } from "../node/config.ts";
import { listenAddress } from "../node/listen-address.ts";
import { type Home, homeAt } from "../node/home.ts";
import { powerOfValidator, type ValidatorPlace } from "./network-layout.ts";
import type { TestnetOptions } from "./testnet-files.ts";

/** What of a genesis' `app_state` is compared; a file that people edited may lack anything. */
interface AppState {
  readonly accounts?: readonly { readonly address: string; readonly balance: string }[];
  readonly rollups?: readonly { readonly name: string }[];
  readonly params?: Readonly<Record<string, string | number>>;
}

/**
 * How the network that is there differs from what is asked for, one phrase each; nothing when the
 * call may be taken as done. Ports are compared, hosts of listeners are the operator's to change.
 */
export async function differencesFrom(options: TestnetOptions): Promise<string[]> {
  const homes = options.validators.map(({ home }) => homeAt(home));
  const [first] = homes;
  if (first === undefined) return [];
  const genesis = await loadGenesis(first.genesisFile);
  const found: string[] = [];
  const compare = (what: string, there: string | number, asked: string | number): void => {
    if (there !== asked) found.push(`${what}: ${there} is there, ${asked} was asked for`);
  };
  compare("chain id", genesis.chainId, options.chainId);
  compare("validators", genesis.validators.length, options.validators.length);
  for (const [i, { power }] of genesis.validators.entries()) {
    if (i >= options.validators.length) break;
    compare(`power of validator ${i}`, Number(power), Number(powerOfValidator(options.powers, i)));
  }
  const state: AppState = genesis.appState === "" ? {} : JSON.parse(genesis.appState);
  for (const [name, asked] of Object.entries(options.params ?? {})) {
    if (asked === undefined) continue;
    compare(`params.${name}`, state.params?.[name] ?? "its default", asked);
  }
  const rollups = state.rollups?.map(({ name }) => name) ?? [];
  const unknown = options.rollups.filter(({ name }) => !rollups.includes(name));
  if (unknown.length > 0) {
    const names = unknown.map(({ name }) => name).join(", ");
    found.push(`rollups: ${rollups.join(", ") || "none"} are there, ${names} was asked for`);
  } else {
    for (const { address, balance } of options.accounts) {
      const text = formatAddress(address);
      const there = state.accounts?.find((account) => account.address === text)?.balance ?? "0";
      compare(`balance of ${text}`, there, balance.toString());
    }
  }
  for (const [i, place] of options.validators.entries()) {
    const home = homes[i];
    if (home === undefined || !existsSync(home.configFile)) continue;
    found.push(...configDifferences(home, place, options));
  }
  return found;
}

function configDifferences(home: Home, place: ValidatorPlace, options: TestnetOptions): string[] {
  const config: Config = loadConfig(home.configFile, {}, {});
  const found: string[] = [];
  const compare = (key: string, there: string | number, asked: string | number): void => {
    if (there === asked) return;
    found.push(`${place.name}, ${key}: ${there} is there, ${asked} was asked for`);
  };
  const port = (address: string): number => listenAddress(address)?.port ?? 0;
  compare("moniker", config.moniker, place.name);
  const engine = options.config["engine"];
  if (typeof engine === "string") compare("engine", config.engine, engine);
  compare("port of p2p.laddr", port(config.p2p.laddr), place.p2pPort);
  compare("port of rpc.laddr", port(config.rpc.laddr), place.rpcPort);
  compare("port of grpc.laddr", port(config.grpc.laddr), place.grpcPort);
  const { prometheus_listen_addr: metrics } = config.instrumentation;
  compare("port of instrumentation.prometheus_listen_addr", port(metrics), place.metricsPort);
  if (options.comparesHosts === true) {
    const hosts = (list: readonly string[]) => list.toSorted().join(", ");
    const there = splitList(config.p2p.persistent_peers).map((peer) => peer.replace(/^.*@/, ""));
    const asked = options.validators.flatMap((other, j) =>
      other === place ? [] : [`${options.host(j)}:${other.p2pPort}`],
    );
    compare("peers", hosts(there), hosts(asked));
  }
  return found;
}
