/** What a rollup on an OP Stack execution client needs beside rollup.json: its genesis, the shared secret, how to run it. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import { readSecret } from "../../rollup-adapter/engine-api/jwt.ts";
import { JWT_SECRET_BYTES } from "../../rollup-adapter/engine-api/limits.ts";
import { createOpGenesis, type OpGenesis } from "../../rollup-adapter/engine-api/op-genesis.ts";
import type { EngineSection } from "../../rollup-adapter/node/rollup-config.ts";
import type { Genesis } from "../engine/genesis.ts";
import type { RollupHome } from "./rollup-files.ts";

export interface EngineRollupOptions {
  readonly home: RollupHome;
  readonly name: string;
  readonly chainId: bigint;
  readonly sequencerGenesis: Genesis;
  /** Balances in wei by address. */
  readonly alloc: Readonly<Record<string, bigint>>;
  readonly engineUrl: string;
  readonly rpcUrl: string;
  readonly wsUrl: string | undefined;
  /** The secret that the client has already; left out: one is made. */
  readonly jwtFile: string | undefined;
}

export interface EngineRollup {
  readonly genesis: OpGenesis;
  readonly section: EngineSection;
}

/** The same for every node of the rollup, but for the addresses: what the client starts from follows from the arguments. */
export async function planEngineRollup(options: EngineRollupOptions): Promise<EngineRollup> {
  const genesis = await createOpGenesis({
    chainId: options.chainId,
    timestampSeconds: options.sequencerGenesis.genesisTime.seconds,
    alloc: options.alloc,
  });
  return {
    genesis,
    section: {
      kind: "engine",
      rollup: options.name,
      chain_id: Number(options.chainId),
      genesis_hash: toHex(genesis.hash),
      engine_url: options.engineUrl,
      jwt_file: options.jwtFile === undefined ? "jwt.hex" : resolve(options.jwtFile),
      rpc_url: options.rpcUrl,
      ...(options.wsUrl === undefined ? {} : { ws_url: options.wsUrl }),
    },
  };
}

/**
 * Writes genesis.json, and the secret unless there is one.
 * @returns the commands that initialise and start op-geth on this machine
 * @throws WeftError<EngineApiErrorInfo> ENGINE_API_SECRET_INVALID
 */
export function writeEngineFiles(
  { home }: EngineRollupOptions,
  { genesis, section }: EngineRollup,
): readonly string[] {
  const folder = dirname(home.configFile);
  const genesisFile = join(folder, "genesis.json");
  const jwtFile = resolve(folder, section.jwt_file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (section.jwt_file === "jwt.hex" && !existsSync(jwtFile)) {
    writeFileSync(jwtFile, `${toHex(randomBytes(JWT_SECRET_BYTES))}\n`, { mode: 0o600 });
  }
  readSecret(jwtFile);
  writeFileSync(genesisFile, `${JSON.stringify(genesis.document, undefined, 2)}\n`);
  const data = `--datadir ${join(home.root, "geth")} --state.scheme hash`;
  const listeners = [
    addressFlags("authrpc", section.engine_url),
    `--authrpc.jwtsecret ${jwtFile}`,
    `--http ${addressFlags("http", section.rpc_url)}`,
    ...(section.ws_url === undefined ? [] : [`--ws ${addressFlags("ws", section.ws_url)}`]),
  ];
  return [
    `geth init ${data} ${genesisFile}`,
    `geth ${data} --gcmode archive --syncmode full --nodiscover --maxpeers 0 --port 0 --rollup.disabletxpoolgossip ${listeners.join(" ")}`,
  ];
}

function addressFlags(name: string, text: string): string {
  const url = new URL(text);
  const port = url.port === "" ? (url.protocol.endsWith("s:") ? "443" : "80") : url.port;
  return `--${name}.addr ${url.hostname} --${name}.port ${port}`;
}
