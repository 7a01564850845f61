/** What a rollup on an OP Stack execution client needs beside rollup.json: its genesis, the shared secret, how to run it. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import { readSecret } from "../../rollup-adapter/engine-api/jwt.ts";
import { JWT_SECRET_BYTES } from "../../rollup-adapter/engine-api/limits.ts";
import { type OpGenesis, readOpGenesis } from "../../rollup-adapter/engine-api/genesis-file.ts";
import { createOpGenesis } from "../../rollup-adapter/engine-api/op-genesis.ts";
import type { EngineSection } from "../../rollup-adapter/node/rollup-config.ts";
import type { Genesis } from "../engine/genesis.ts";
import { cliError } from "./cli-error.ts";
import { makeFolder } from "./make-folder.ts";
import type { RollupHome } from "./rollup-files.ts";

export interface EngineRollupOptions {
  readonly home: RollupHome;
  readonly name: string;
  /** Of the genesis that is made; of one that there is, it says itself. */
  readonly chainId: bigint;
  /** The genesis.json that a team has; left out: one is made. */
  readonly genesisFile: string | undefined;
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
  /** What is written as genesis.json. */
  readonly text: string;
  readonly section: EngineSection;
}

/**
 * The same for every node of the rollup, but for the addresses: what the client starts from follows from the arguments.
 * @throws WeftError<EngineApiErrorInfo> ENGINE_API_GENESIS_INVALID
 */
export async function planEngineRollup(options: EngineRollupOptions): Promise<EngineRollup> {
  const { genesisFile } = options;
  const given = genesisFile === undefined ? undefined : readGenesisFile(genesisFile);
  const genesis =
    given === undefined
      ? await createOpGenesis({
          chainId: options.chainId,
          timestampSeconds: options.sequencerGenesis.genesisTime.seconds,
          alloc: options.alloc,
        })
      : await readOpGenesis(given.json);
  return {
    genesis,
    // As it was given: numbers that JSON here cannot hold exactly stay what they are.
    text: given?.text ?? `${JSON.stringify(genesis.document, undefined, 2)}\n`,
    section: {
      kind: "engine",
      rollup: options.name,
      chain_id: Number(genesis.chainId),
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
  { text, section }: EngineRollup,
): readonly string[] {
  const folder = dirname(home.configFile);
  const genesisFile = join(folder, "genesis.json");
  const jwtFile = resolve(folder, section.jwt_file);
  makeFolder(folder);
  if (section.jwt_file === "jwt.hex" && !existsSync(jwtFile)) {
    writeFileSync(jwtFile, `${toHex(randomBytes(JWT_SECRET_BYTES))}\n`, { mode: 0o600 });
  }
  readSecret(jwtFile);
  writeFileSync(genesisFile, text);
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

function readGenesisFile(path: string): { readonly text: string; readonly json: unknown } {
  try {
    const text = readFileSync(path, "utf8");
    return { text, json: JSON.parse(text) };
  } catch (cause) {
    throw cliError("FILE", `cannot read ${path} as a genesis.json: ${String(cause)}`);
  }
}

function addressFlags(name: string, text: string): string {
  const url = new URL(text);
  const port = url.port === "" ? (url.protocol.endsWith("s:") ? "443" : "80") : url.port;
  return `--${name}.addr ${url.hostname} --${name}.port ${port}`;
}
