/** Validators of CometBFT in processes of their own, for recording: see node/main.go. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../../proto/bytes.ts";
import { type Ed25519KeyPair, generateEd25519KeyPair } from "../../../proto/verify/ed25519.ts";
import { freePorts } from "../../../sequencer/cli/free-ports.ts";
import { type Genesis, saveGenesis } from "../../../sequencer/engine/genesis.ts";
import { keyFromBytes, type ValidatorKey } from "../../../sequencer/engine/privval/key-file.ts";
import { loadOrCreateNodeKey } from "../../../sequencer/p2p/node-key.ts";
import { writeKeyFile } from "../../../sequencer/ports/key-file.ts";

export interface GoNodeSpec {
  readonly name: string;
  /** The validator's key: two nodes may have one. */
  readonly keys: Ed25519KeyPair;
  /** What its vote extensions begin with; empty extensions without it. */
  readonly extensions?: string;
  /** It refuses the first proposal of each height that this divides. */
  readonly rejects?: number;
  /** Its `consensus.timeout_prevote`. */
  readonly timeoutPrevote?: string;
}

export interface GoNode {
  readonly name: string;
  readonly home: string;
  readonly key: ValidatorKey;
  /** URL of its RPC. */
  readonly rpc: string;
  /** `id@host:port`. */
  readonly p2p: string;
  start(): void;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface GoNetwork {
  readonly nodes: readonly GoNode[];
  stop(): Promise<void>;
}

/** Writes the homes below `root`; nobody runs yet. `genesisOf` is given the nodes' keys. */
export async function prepareGoNetwork(
  root: string,
  program: string,
  specs: readonly GoNodeSpec[],
  genesis: Genesis,
): Promise<GoNetwork> {
  const ports = await freePorts(specs.length * 2);
  const places = specs.map((spec, i) => {
    const home = join(root, spec.name);
    const [p2pPort = 0, rpcPort = 0] = ports.slice(2 * i);
    mkdirSync(join(home, "config"), { recursive: true });
    mkdirSync(join(home, "data"));
    const { id } = loadOrCreateNodeKey(join(home, "config", "node_key.json"));
    return { spec, home, p2pPort, rpcPort, id };
  });
  const nodes: GoNode[] = [];
  for (const { spec, home, p2pPort, rpcPort, id } of places) {
    await saveGenesis(join(home, "config", "genesis.json"), genesis);
    writeKeyFile(join(home, "config", "priv_validator_key.json"), spec.keys);
    writeFileSync(
      join(home, "data", "priv_validator_state.json"),
      JSON.stringify({ height: "0", round: 0, step: 0 }),
    );
    const peers = places
      .filter((one) => one.home !== home)
      .map((one) => `${one.id}@127.0.0.1:${one.p2pPort}`);
    writeFileSync(
      join(home, "config", "config.toml"),
      configOf(spec, { p2pPort, rpcPort, peers: peers.join(",") }),
    );
    nodes.push(createGoNode(program, spec, home, rpcPort, `${id}@127.0.0.1:${p2pPort}`));
  }
  return {
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

export function newKeys(): Ed25519KeyPair {
  return generateEd25519KeyPair();
}

function createGoNode(
  program: string,
  spec: GoNodeSpec,
  home: string,
  rpcPort: number,
  p2p: string,
): GoNode {
  let child: ChildProcess | undefined;
  return {
    name: spec.name,
    home,
    key: keyFromBytes(spec.keys.privateKey),
    rpc: `http://127.0.0.1:${rpcPort}`,
    p2p,
    start() {
      const log = createWriteStream(join(home, "node.log"), { flags: "a" });
      child = spawn(program, ["start", "--home", home], {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          CAPTURE_EXTENSIONS: spec.extensions ?? "",
          CAPTURE_REJECT: String(spec.rejects ?? 0),
        },
      });
      child.stdout?.pipe(log, { end: false });
      child.stderr?.pipe(log, { end: false });
      const started = child;
      // Nobody outlives a recording that fails.
      process.once("exit", () => started.kill("SIGKILL"));
    },
    async stop() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Only what differs from CometBFT's defaults. */
function configOf(
  spec: GoNodeSpec,
  at: { readonly p2pPort: number; readonly rpcPort: number; readonly peers: string },
): string {
  return `moniker = "${spec.name}"
log_level = "consensus:info,evidence:info,p2p:error,*:error"
[rpc]
laddr = "tcp://127.0.0.1:${at.rpcPort}"
[p2p]
laddr = "tcp://127.0.0.1:${at.p2pPort}"
persistent_peers = "${at.peers}"
addr_book_strict = false
allow_duplicate_ip = true
pex = false
[consensus]
timeout_propose = "1s"
timeout_prevote = "${spec.timeoutPrevote ?? "300ms"}"
timeout_prevote_delta = "100ms"
timeout_precommit = "300ms"
timeout_commit = "300ms"
`;
}

/** The base64 of a validator's key, as the application's transactions name it. */
export function keyText({ publicKey }: ValidatorKey): string {
  return Buffer.from(publicKey.bytes).toString("base64");
}

/** The address as the RPC writes it. */
export function addressText({ address }: ValidatorKey): string {
  return toHex(address).toUpperCase();
}
