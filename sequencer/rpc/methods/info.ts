/** The node, its network, its application and its genesis. */
import { Height } from "../../../proto/brands.ts";
import type { Timestamp } from "../../../proto/types.ts";
import { validatorAddress } from "../../../proto/validator-set.ts";
import { refusedQuery } from "../../abci/refused-query.ts";
import type { Json } from "../amino-json.ts";
import { hex, integer, publicKey, RawJson, time } from "../amino-json.ts";
import { infoToJson, queryResponseToJson } from "../abci-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { uncommittedHeight } from "../environment.ts";
import { methodFailure } from "../errors.ts";
import { GENESIS_CHUNK_BYTES } from "../limits.ts";
import { param } from "../params.ts";
import type { RpcNodeInfo, RpcPeer } from "../ports.ts";
import type { Route } from "../routes.ts";
import { route } from "../routes.ts";

/** What Go's `time.Unix(0, 0)` is: the time of a block that does not exist. */
const UNIX_EPOCH: Timestamp = { seconds: 0n, nanos: 0 };

export function infoRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  return {
    health: route({}, () => ({})),
    status: route({}, () => status(env)),
    net_info: route({}, () => netInfo(env)),
    genesis: route({}, () => genesis(env), { cacheUnlessDefault: [] }),
    genesis_chunked: route({ chunk: param("uint") }, ({ chunk }) => genesisChunk(env, chunk), {
      cacheUnlessDefault: [],
    }),
    abci_info: route({}, async () => ({ response: infoToJson(await env.app.info()) })),
    abci_query: route(
      {
        path: param("string"),
        data: param("hex"),
        height: param("int64"),
        prove: param("bool"),
      },
      async ({ path, data, height, prove }) => {
        if (height < 0n || height > BigInt(Number.MAX_SAFE_INTEGER)) {
          const { lastBlockHeight } = await env.app.info();
          const response = refusedQuery(`expected a height, got ${height}`, lastBlockHeight);
          return { response: queryResponseToJson(response) };
        }
        const request = { path, data, height: Height(Number(height)), prove };
        return { response: queryResponseToJson(await env.app.query(request)) };
      },
    ),
  };
}

export function nodeInfoToJson(info: RpcNodeInfo): Json {
  return {
    protocol_version: {
      p2p: integer(info.protocolVersion.p2p),
      block: integer(info.protocolVersion.block),
      app: integer(info.protocolVersion.app),
    },
    id: info.id,
    listen_addr: info.listenAddress,
    network: info.network,
    version: info.version,
    channels: hex(Uint8Array.from(info.channels)),
    moniker: info.moniker,
    other: { tx_index: info.other.txIndex, rpc_address: info.other.rpcAddress },
  };
}

async function status(env: RpcEnvironment): Promise<Json> {
  const [base, height] = [env.blocks.base(), env.blocks.height()];
  const validatorsHeight = uncommittedHeight(env);
  const [earliest, latest, validators] = await Promise.all([
    base === 0 ? undefined : env.blocks.meta(base),
    height === 0 ? undefined : env.blocks.meta(height),
    env.states.validators(validatorsHeight),
  ]);
  const key = env.consensus.publicKey;
  const address = validatorAddress(key);
  const self = validators?.validators.find((one) => Buffer.compare(one.address, address) === 0);
  const none = new Uint8Array(0);
  return {
    node_info: nodeInfoToJson(env.network.nodeInfo()),
    sync_info: {
      latest_block_hash: hex(latest?.blockId.hash ?? none),
      latest_app_hash: hex(latest?.header.appHash ?? none),
      latest_block_height: integer(height),
      latest_block_time: time(latest?.header.time ?? UNIX_EPOCH),
      earliest_block_hash: hex(earliest?.blockId.hash ?? none),
      earliest_app_hash: hex(earliest?.header.appHash ?? none),
      earliest_block_height: integer(base),
      earliest_block_time: time(earliest?.header.time ?? UNIX_EPOCH),
      catching_up: env.consensus.isCatchingUp(),
    },
    validator_info: {
      address: hex(address),
      pub_key: publicKey(key),
      voting_power: integer(self?.votingPower ?? 0n),
    },
  };
}

function netInfo(env: RpcEnvironment): Json {
  const peers = env.network.peers();
  const now = env.clock.now();
  const banned = env.network.banned().map(({ id, untilMs, count, code }) => ({
    id,
    until: new Date(untilMs).toISOString(),
    bans: count,
    code,
  }));
  return {
    listening: env.network.isListening(),
    listeners: env.network.listeners(),
    n_peers: integer(peers.length),
    peers: peers.map((peer) => peerToJson(peer, now)),
    // Ours: CometBFT's answer has no such field.
    ...(banned.length > 0 ? { banned } : {}),
  };
}

function peerToJson(peer: RpcPeer, now: Timestamp): Json {
  const status = peer.status();
  const nanos = BigInt(Math.max(0, Math.round(status.connectedMs))) * 1_000_000n;
  const start = now.seconds * 1_000_000_000n + BigInt(now.nanos) - nanos;
  // Rates are not sampled. What Go's monitor says before its first sample stands for that: a typed
  // client, as tendermint-rs is, reads no peer at all where a field is missing.
  const flow = (total: number): Json => ({
    Start: time({ seconds: start / 1_000_000_000n, nanos: Number(start % 1_000_000_000n) }),
    Bytes: integer(total),
    Samples: "0",
    InstRate: "0",
    CurRate: "0",
    AvgRate: integer(Math.round((total * 1_000) / Math.max(1, status.connectedMs))),
    PeakRate: "0",
    BytesRem: "0",
    Duration: integer(nanos),
    Idle: "0",
    TimeRem: "0",
    Progress: 0,
    Active: true,
  });
  return {
    node_info: nodeInfoToJson(peer.nodeInfo),
    is_outbound: peer.isOutbound,
    connection_status: {
      Duration: integer(nanos),
      SendMonitor: flow(status.bytesSent),
      RecvMonitor: flow(status.bytesReceived),
      Channels: status.channels.map((channel) => ({
        ID: channel.id,
        SendQueueCapacity: integer(channel.sendQueueMessagesMax),
        SendQueueSize: integer(channel.sendQueueMessages),
        Priority: integer(channel.priority),
        RecentlySent: integer(channel.recentlySentBytes),
      })),
    },
    remote_ip: peer.remoteAddress.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"),
    ...(peer.score() > 0 ? { score: peer.score() } : {}),
  };
}

function genesis(env: RpcEnvironment): RawJson {
  if (Buffer.byteLength(env.genesis.json) > GENESIS_CHUNK_BYTES) {
    throw methodFailure("genesis response is large, please use the genesis_chunked API instead");
  }
  return new RawJson(`{"genesis":${env.genesis.json}}`);
}

function genesisChunk(env: RpcEnvironment, chunk: bigint): Json {
  const text = Buffer.from(env.genesis.json);
  const total = Math.max(1, Math.ceil(text.length / GENESIS_CHUNK_BYTES));
  if (chunk >= BigInt(total)) {
    throw methodFailure(`there are ${total - 1} chunks, ${chunk} is invalid`);
  }
  const from = Number(chunk) * GENESIS_CHUNK_BYTES;
  return {
    chunk: integer(chunk),
    total: integer(total),
    data: text.subarray(from, from + GENESIS_CHUNK_BYTES).toString("base64"),
  };
}
