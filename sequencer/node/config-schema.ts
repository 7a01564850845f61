/**
 * The one schema of `config.toml`: types, defaults, checks, the commented template and the reference
 * all come from it. Section and key names are CometBFT's where CometBFT has the key, so that one home
 * directory can change engine.
 */
import { z } from "zod";
import { LISTS_BYTES_MAX } from "../../proto/codec/weft-block.ts";
import { EXTENSION_BYTES_MAX } from "../../proto/codec/weft-extension.ts";
import { SNAPSHOTS_KEPT_MAX } from "../app/limits.ts";
import { ENGINES } from "./home-engine.ts";
import { STATE_SYNC_FETCHERS_MAX } from "./limits.ts";

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a duration such as `500ms`, `3s`, `1.5s`, `48h`; undefined when it is none. */
export function parseDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const unit = match[2] as keyof typeof UNIT_MS;
  return Math.round(Number(match[1]) * UNIT_MS[unit]);
}

const DURATION_WANTED = "expected a duration with its unit, such as 500ms, 3s, 2m or 48h";
const duration = (fallback: string, doc: string) =>
  z
    .string({ error: DURATION_WANTED })
    .refine((v) => parseDurationMs(v) !== undefined, { error: DURATION_WANTED })
    .default(fallback)
    .describe(doc);

/** The entries of a comma-separated list. */
export function splitList(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
}

const TCP_SIGNER = /^(tcp:\/\/)?([0-9a-fA-F]{40}@)?([^\s/:@]*|\[[0-9a-fA-F:]+\]):\d{1,5}$/;
/** Where a remote signer is met: TCP under SecretConnection, or a Unix socket. */
const signerAddress = (doc: string) =>
  z
    .string()
    .refine((v) => v === "" || /^unix:\/\/.+$/.test(v) || TCP_SIGNER.test(v), {
      error: "expected tcp://host:port or unix:///path (empty: no remote signer)",
    })
    .default("")
    .describe(doc);

const TCP_ENGINE = /^(tcp:\/\/)?([^\s/:@]*|\[[0-9a-fA-F:]+\]):\d{1,5}$/;
const PROXY_APP_WANTED = "expected tcp://host:port or unix:///path";

const ENGINE_RPC = /^(tcp|http|https|unix):\/\/\S+$/;
const ENGINE_RPC_WANTED = "expected tcp://host:port, http(s)://... or unix:///path";

const NODE_ID = "[0-9a-f]{40}";
const PEER = new RegExp(`^${NODE_ID}@([^\\s/:@]+|\\[[0-9a-fA-F:]+\\]):\\d{1,5}$`);
const PEER_ID = new RegExp(`^${NODE_ID}$`);

const HOST_PORT = /^([^\s/:@,]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;
const RPC_SERVER = /^([a-z]+:\/\/)?[^\s,]+$/;

const LISTEN = /^(tcp:\/\/)?[^\s/:]*:\d{1,5}$|^(tcp:\/\/)?\[[0-9a-fA-F:]+\]:\d{1,5}$/;
const address = (fallback: string, doc: string) =>
  z
    .string()
    .refine(
      (v) => v === "" || (LISTEN.test(v) && Number(v.slice(v.lastIndexOf(":") + 1)) <= 65535),
      {
        error: "expected an address such as tcp://127.0.0.1:26657 (empty turns the listener off)",
      },
    )
    .default(fallback)
    .describe(doc);

const count = (fallback: number, max: number, doc: string) =>
  z.number().int().min(0).max(max).default(fallback).describe(doc);
const flag = (fallback: boolean, doc: string) => z.boolean().default(fallback).describe(doc);
/** Comma-separated entries that each match `entry`. */
const list = (entry: RegExp, example: string, doc: string) =>
  z
    .string()
    .refine((v) => splitList(v).every((one) => entry.test(one)), {
      error: `expected entries such as ${example}, separated by commas`,
    })
    .default("")
    .describe(doc);
const text = (fallback: string, doc: string) => z.string().default(fallback).describe(doc);

const rpc = z.strictObject({
  laddr: address("tcp://127.0.0.1:26657", "JSON-RPC over HTTP and WebSocket."),
  cors_allowed_origins: z
    .array(z.string())
    .max(100)
    .default([])
    .describe("Origins a browser may call from; * allows all."),
  cors_allowed_methods: z
    .array(z.string())
    .max(100)
    .default(["HEAD", "GET", "POST"])
    .describe("Methods that a browser may use."),
  cors_allowed_headers: z
    .array(z.string())
    .max(100)
    .default(["Origin", "Accept", "Content-Type", "X-Requested-With", "X-Server-Time"])
    .describe("Headers that a browser may send."),
  max_open_connections: count(900, 100_000, "Connections at once; a further one is refused."),
  max_subscription_clients: count(100, 10_000, "WebSocket clients with subscriptions."),
  max_subscriptions_per_client: count(5, 1_000, "Subscriptions of one client."),
  timeout_broadcast_tx_commit: duration("10s", "How long broadcast_tx_commit waits."),
  max_request_batch_size: count(
    10,
    10_000,
    "Requests in one batch; a longer one is refused; 0: of any length. With engine = cometbft never less than 64.",
  ),
  max_body_bytes: count(1_000_000, 100_000_000, "Largest request body."),
  max_header_bytes: count(1_048_576, 16_777_216, "Largest set of request headers."),
  experimental_close_on_slow_client: flag(
    true,
    "Whether a WebSocket client that reads too slowly is closed; else events are left out for it.",
  ),
  unsafe: flag(false, "Whether dial_seeds, dial_peers and unsafe_flush_mempool are served."),
});

const grpc = z.strictObject({
  laddr: address(
    "tcp://127.0.0.1:9090",
    "weft.rollup.v1 for rollups and gateways, with health and reflection.",
  ),
  max_open_connections: count(2_000, 100_000, "Connections at once; a further one is closed."),
  max_open_connections_per_peer: count(
    400,
    100_000,
    "Connections of one address at once, so that none takes all; more where many readers come through one proxy.",
  ),
  max_streams: count(1_000, 100_000, "Streams at once; a further one gets RESOURCE_EXHAUSTED."),
  max_streams_per_peer: count(
    200,
    100_000,
    "Streams of one address at once, so that none takes all; more where many readers come through one proxy.",
  ),
});

const p2p = z
  .strictObject({
    laddr: address("tcp://0.0.0.0:26656", "Where peers connect."),
    external_address: z
      .string()
      .refine((v) => v === "" || HOST_PORT.test(v.replace(/^tcp:\/\//, "")), {
        error: "expected host:port, such as validator.example:26656 (empty: the listen address)",
      })
      .default("")
      .describe("host:port that others should dial; empty: the listen address."),
    seeds: list(
      PEER,
      "<40 hex digits>@host:26656",
      "Comma-separated id@host:port of nodes that are asked for addresses when none is known.",
    ),
    persistent_peers: list(
      PEER,
      "<40 hex digits>@host:26656",
      "Comma-separated id@host:port of peers to keep connected.",
    ),
    persistent_peers_max_dial_period: duration(
      "0s",
      "Longest pause between dials of a persistent peer; 0s: half a minute.",
    ),
    unconditional_peer_ids: list(
      PEER_ID,
      "<40 hex digits>",
      "Comma-separated ids that limits do not apply to.",
    ),
    private_peer_ids: list(
      PEER_ID,
      "<40 hex digits>",
      "Comma-separated ids whose addresses are never told to anybody, such as a validator behind sentries.",
    ),
    pex: flag(true, "Whether addresses are exchanged with peers, and peers found by them."),
    seed_mode: flag(
      false,
      "Whether this node crawls the network, answers whoever asks for addresses, and hangs up. Needs pex.",
    ),
    addr_book_file: z
      .string()
      .min(1)
      .default("config/addrbook.json")
      .describe("Known addresses, in CometBFT's format; relative to the home directory."),
    addr_book_strict: flag(
      true,
      "Whether only addresses that the Internet can reach are kept; false in private networks.",
    ),
    max_num_inbound_peers: count(40, 10_000, "Inbound peers besides the unconditional ones."),
    max_num_outbound_peers: count(
      10,
      1_000,
      "Peers that are found and dialed, besides persistent and unconditional ones.",
    ),
    flush_throttle_timeout: duration(
      "100ms",
      "Accepted for CometBFT's sake and without effect: what is queued leaves with the turn of the event loop.",
    ),
    max_packet_msg_payload_size: z
      .number()
      .int()
      .min(64)
      .max(16_384)
      .default(1_024)
      .describe("Bytes of one packet on the plain wire; the same on every node of a network."),
    send_rate: count(5_120_000, 10_000_000_000, "Bytes per second to one peer; 0 lifts the limit."),
    recv_rate: count(
      5_120_000,
      10_000_000_000,
      "Bytes per second from one peer; 0 lifts the limit.",
    ),
    silence_timeout: duration(
      "3s",
      "Without a sign of life of a Weft node for so long, the connection is given up and dialed again.",
    ),
    allow_duplicate_ip: flag(false, "Whether several peers may share an IP address."),
    handshake_timeout: duration("20s", "Time for the whole handshake."),
    dial_timeout: duration("3s", "Time for a TCP connection."),
  })
  .refine((v) => v.pex || !v.seed_mode, {
    path: ["seed_mode"],
    error: "expected pex = true with seed_mode = true: a seed does nothing else",
  });

const mempool = z.strictObject({
  broadcast: flag(true, "Whether transactions are gossiped to peers."),
  size: count(5_000, 1_000_000, "Transactions held at once."),
  max_txs_bytes: count(67_108_864, 2_000_000_000, "Bytes held at once."),
  max_tx_bytes: count(1_048_576, 16_777_216, "Largest transaction."),
  max_per_account: count(1_000, 100_000, "Transactions of one account held at once."),
});

const consensus = z.strictObject({
  timeout_propose: duration("3s", "How long to wait for a proposal in round 0."),
  timeout_propose_delta: duration("500ms", "More per round."),
  timeout_prevote: duration("1s", "How long to wait after +2/3 of any prevotes."),
  timeout_prevote_delta: duration("500ms", "More per round."),
  timeout_precommit: duration("1s", "How long to wait after +2/3 of any precommits."),
  timeout_precommit_delta: duration("500ms", "More per round."),
  timeout_commit: duration("500ms", "Pause after a block: the pace of the chain."),
  skip_timeout_commit: flag(false, "Go on as soon as all precommits are in."),
  create_empty_blocks: flag(true, "Whether blocks are made without transactions."),
  create_empty_blocks_interval: duration(
    "0s",
    "With empty blocks on: the least time between them.",
  ),
  block_time_tolerance: duration(
    "60s",
    "How far ahead of the local clock a block's time may be; 0s: as far as it likes.",
  ),
});

const blocksync = z.strictObject({
  enable: flag(
    true,
    "Whether blocks are fetched from peers at start, and when the node falls behind.",
  ),
  return_distance: count(
    10,
    1_000_000,
    "Blocks behind at which consensus is left for block sync; 0: only at start.",
  ),
});

const statesync = z
  .strictObject({
    enable: flag(
      false,
      "Whether a node with an empty disk restores a snapshot of its peers instead of fetching all blocks.",
    ),
    rpc_servers: list(
      RPC_SERVER,
      "http://127.0.0.1:26657",
      "Comma-separated RPC addresses, two or more, that headers are fetched from and compared with.",
    ),
    trust_height: count(
      0,
      Number.MAX_SAFE_INTEGER,
      "A height whose block hash you know from somebody you trust; not older than trust_period.",
    ),
    trust_hash: z
      .string()
      .regex(/^([0-9a-fA-F]{64})?$/, { error: "expected a block hash of 64 hex digits" })
      .default("")
      .describe("The block hash at that height, such as of /commit."),
    trust_period: duration(
      "168h",
      "How long headers are relied upon: well below the time in which validators can be punished.",
    ),
    discovery_time: duration("15s", "How long snapshots are gathered before the best is taken."),
    temp_dir: text(
      "",
      "Not used: chunks wait in memory, eight at most. Kept for CometBFT's files.",
    ),
    chunk_request_timeout: duration("10s", "After this long, another peer is asked for a chunk."),
    chunk_fetchers: z
      .union([
        z.number(),
        z
          .string()
          .regex(/^\d{1,4}$/)
          .transform(Number),
      ])
      .pipe(z.number().int().min(1).max(STATE_SYNC_FETCHERS_MAX))
      .default(4)
      .describe("Chunks asked for at once."),
  })
  .superRefine((value, context) => {
    if (!value.enable) return;
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message });
    if (splitList(value.rpc_servers).length < 2) {
      problem("rpc_servers", "expected two servers or more, so that one can be checked by another");
    }
    if (value.trust_height === 0) problem("trust_height", "expected a height to trust");
    if (value.trust_hash === "") problem("trust_hash", "expected the block hash at trust_height");
  });

const mev = z.strictObject({
  body_peers: list(
    HOST_PORT,
    "10.0.0.1:9090",
    "Comma-separated host:port of other nodes' gRPC, asked for transactions that validators list and this node lacks; needed where CometBFT is the engine.",
  ),
});

const storage = z.strictObject({
  retain_blocks: count(
    0,
    Number.MAX_SAFE_INTEGER,
    "Blocks kept, and those that evidence may still name; 0 keeps all. A node that joins later needs one that does.",
  ),
  snapshot_interval: count(
    0,
    1_000_000_000,
    "Heights between snapshots of the state, from which others join by state sync; 0 takes none.",
  ),
  snapshot_keep_recent: z
    .number()
    .int()
    .min(1)
    .max(SNAPSHOTS_KEPT_MAX)
    .default(2)
    .describe("Snapshots kept; the oldest goes first. Blocks above the oldest are kept too."),
});

const txIndex = z.strictObject({
  indexer: z
    .enum(["kv", "null"])
    .default("kv")
    .describe("kv: tx_search and block_search work; null: no index."),
});

const instrumentation = z.strictObject({
  prometheus: flag(true, "Whether metrics and health are served."),
  prometheus_listen_addr: address(
    "tcp://127.0.0.1:26660",
    "/metrics, /health, /livez and /readyz.",
  ),
});

export const configSchema = z
  .strictObject({
    moniker: z
      .string()
      .regex(/^[\x21-\x7e][\x20-\x7e]{0,63}$/, {
        error: "expected 1-64 printable ASCII characters",
      })
      .default("weft")
      .describe("Name of this node for humans."),
    engine: z
      .enum(ENGINES)
      .default("embedded")
      .describe(
        "Who makes the blocks: embedded, or cometbft, which is started beside this process (npm run cometbft builds it).",
      ),
    log_level: z
      .enum(["error", "warn", "info", "debug"])
      .default("info")
      .describe("Least severity that is logged."),
    log_format: z
      .enum(["plain", "json"])
      .default("plain")
      .describe("plain for people, json for machines."),
    signature_workers: z
      .number()
      .int()
      .min(0)
      .max(2)
      .default(1)
      .describe(
        "Threads that check signatures: 0 none, 1 for submitted transactions, 2 also for votes and blocks (four cores or more).",
      ),
    resume_after_halt: count(
      0,
      Number.MAX_SAFE_INTEGER,
      "Height after which validators halted the chain, once their operators agree to go on; 0: none.",
    ),
    proxy_app: z
      .string({ error: PROXY_APP_WANTED })
      .refine((v) => /^unix:\/\/.+$/.test(v) || TCP_ENGINE.test(v), { error: PROXY_APP_WANTED })
      .default("tcp://127.0.0.1:26658")
      .describe(
        "Where the application listens for CometBFT (weft abci), tcp:// or unix:///path. Whoever connects there speaks for the chain.",
      ),
    engine_rpc: z
      .string({ error: ENGINE_RPC_WANTED })
      .refine((v) => ENGINE_RPC.test(v), { error: ENGINE_RPC_WANTED })
      .default("tcp://127.0.0.1:26657")
      .describe(
        "JSON-RPC of that CometBFT (weft abci): what a validator owes to keys of sealed transactions reaches its peers there. Where no node of this chain answers, it waits for a proposal of this validator.",
      ),
    priv_validator_laddr: signerAddress(
      "Where a remote signer (tmkms, horcrux, weft signer) connects, tcp:// or unix://; empty: the key file signs.",
    ),
    priv_validator_dial_addr: signerAddress(
      "The other direction: a remote signer that listens, tcp://[id@]host:port or unix://path.",
    ),
    priv_validator_signer_ids: list(
      PEER_ID,
      "<40 hex digits>",
      "Comma-separated ids of connection keys that a remote signer may have over TCP; empty takes any.",
    ),
    priv_validator_extension_bytes: z
      .number()
      .int()
      .min(LISTS_BYTES_MAX * 2)
      .max(EXTENSION_BYTES_MAX)
      .default(EXTENSION_BYTES_MAX)
      .describe(
        "Largest vote extension that the remote signer takes: 9216 for signers built on CometBFT's library. A larger one goes without shares for sealed transactions, and counts as a missed block. With engine = cometbft and a remote signer it is never more than 9216.",
      ),
    priv_validator_timeout: duration("5s", "Time for one answer of the remote signer."),
    priv_validator_start_timeout: duration(
      "60s",
      "How long a starting node waits for its remote signer.",
    ),
    rpc: rpc.prefault({}),
    grpc: grpc.prefault({}),
    p2p: p2p.prefault({}),
    mempool: mempool.prefault({}),
    consensus: consensus.prefault({}),
    blocksync: blocksync.prefault({}),
    statesync: statesync.prefault({}),
    mev: mev.prefault({}),
    storage: storage.prefault({}),
    tx_index: txIndex.prefault({}),
    instrumentation: instrumentation.prefault({}),
  })
  .refine((c) => c.priv_validator_laddr === "" || c.priv_validator_dial_addr === "", {
    path: ["priv_validator_dial_addr"],
    error: "priv_validator_laddr is set too: either the signer dials or the node does",
  })
  .refine((c) => !c.statesync.enable || c.blocksync.enable, {
    path: ["blocksync", "enable"],
    error: "expected true with statesync.enable: the blocks after the snapshot come by it",
  });

/** The whole configuration of a node, durations still as text. */
export type Config = z.infer<typeof configSchema>;
