import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { toHex } from "../../../proto/bytes.ts";
import { cliError } from "../cli-error.ts";
import { callRpc, queryJson, withSequencer } from "../clients.ts";
import type { GlobalOptions } from "../context.ts";
import { engineOfStatus } from "../engine-of-node.ts";
import {
  nodeOption,
  notNodeOption,
  notRpcOption,
  parseAccount,
  parseCount,
  parseHexBytes,
  parseRollupName,
  rpcOption,
} from "../options.ts";
import { printResult } from "../output.ts";
import { printablePolicy } from "../policy-options.ts";
import { registerGovernanceQueries } from "./query-gov.ts";
import { registerMevQueries } from "./query-mev.ts";
import { registerSealQueries } from "./query-seal.ts";
import { registerStakingQueries } from "./query-staking.ts";

interface NodeOptions {
  readonly node: string;
}
interface RpcOptions {
  readonly rpc: string;
}

export function registerQuery(program: Command): void {
  const query = program
    .command("query")
    .description("ask a node about accounts, rollups, blocks, transactions, stake and governance");
  const isJson = (command: Command): boolean => command.optsWithGlobals<GlobalOptions>().json;
  const height = parseCount(1, Number.MAX_SAFE_INTEGER);

  query
    .command("account")
    .description("balance and next nonce of an account")
    .argument("<address>", "weft1..., or a public key in hex", parseAccount)
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (address: Uint8Array, options: NodeOptions, command: Command) => {
      const account = await withSequencer(options.node, (client) => client.account(address));
      printResult({ address: formatAddress(address), ...account }, isJson(command));
    });
  query
    .command("rollup")
    .description("a rollup's registration and policy")
    .argument("<name>", "name of the rollup", parseRollupName)
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (name: string, options: NodeOptions, command: Command) => {
      const rollup = await withSequencer(options.node, (client) => client.rollup(name));
      const { policy, pending } = rollup;
      const coming = pending && { ...pending, policy: printablePolicy(pending.policy) };
      printResult({ ...rollup, policy: printablePolicy(policy), pending: coming }, isJson(command));
    });
  query
    .command("chain")
    .description("chain id, height, base fee and limits")
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (options: NodeOptions, command: Command) => {
      const info = await withSequencer(options.node, (client) => client.chainInfo());
      printResult({ ...info }, isJson(command));
    });
  query
    .command("tx")
    .description("where a transaction is, and why")
    .argument("<id>", "transaction id, 32 bytes in hex", parseHexBytes(32))
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (id: Uint8Array, options: NodeOptions, command: Command) => {
      const status = await withSequencer(options.node, (client) => client.transactionStatus(id));
      if (status.state === "unknown") throw cliError("NOT_FOUND", `${toHex(id)}: ${status.reason}`);
      printResult({ id: toHex(id), ...status }, isJson(command));
    });
  query
    .command("block")
    .description("a block as CometBFT's RPC gives it; the last one without a height")
    .argument("[height]", "height of the block", height)
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (at: number | undefined, options: RpcOptions, command: Command) => {
      printResult(await callRpc(options.rpc, "block", heightParam(at)), isJson(command));
    });
  query
    .command("results")
    .description("results of the items of a block")
    .argument("[height]", "height of the block", height)
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (at: number | undefined, options: RpcOptions, command: Command) => {
      printResult(await callRpc(options.rpc, "block_results", heightParam(at)), isJson(command));
    });
  query
    .command("validators")
    .description("the validator set of a height")
    .argument("[height]", "height that the set decides", height)
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (at: number | undefined, options: RpcOptions, command: Command) => {
      const params = { ...heightParam(at), per_page: "100" };
      printResult(await callRpc(options.rpc, "validators", params), isJson(command));
    });
  query
    .command("peers")
    .description("peers of a node, their points for misbehaviour, and who is banned")
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (options: RpcOptions, command: Command) => {
      const [answer, status] = await Promise.all([
        callRpc(options.rpc, "net_info", {}),
        callRpc(options.rpc, "status", {}),
      ]);
      printResult(peersOf(answer, engineOfStatus(status) === "embedded"), isJson(command));
    });
  query
    .command("state")
    .description("a value of the state tree with its ICS-23 proof")
    .argument("<key>", "key of the state, such as params or validator/<validator>: docs/formats.md")
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (key: string, options: RpcOptions, command: Command) => {
      // As a path of abci_query it has a slash in front.
      const data = Buffer.from(key.replace(/^\//, ""), "utf8").toString("hex");
      const params = { path: "/store", data, prove: true };
      const answer = await callRpc(options.rpc, "abci_query", params);
      const { response } = answer as { readonly response?: { readonly value?: string | null } };
      if (response?.value === undefined || response.value === null || response.value === "") {
        throw cliError(
          "NOT_FOUND",
          `the state holds nothing under ${JSON.stringify(key)}; abci_query of the RPC (path /store, prove) gives the proof of that`,
        );
      }
      printResult(answer, isJson(command));
    });
  registerStakingQueries(query);
  registerGovernanceQueries(query);
  registerSealQueries(query);
  registerMevQueries(query);
  query
    .command("snapshots")
    .description("snapshots of the state that the node serves for state sync, newest first")
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (options: RpcOptions, command: Command) => {
      const snapshots = await queryJson(options.rpc, "/snapshots");
      printResult({ snapshots }, isJson(command));
    });
  query
    .command("params")
    .description("parameters in force")
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (options: RpcOptions, command: Command) => {
      const params = await queryJson(options.rpc, "/params");
      printResult(isRecord(params) ? params : { params }, isJson(command));
    });
}

/** What of `net_info` one wants to see at a glance. */
function peersOf(
  answer: Readonly<Record<string, unknown>>,
  hasPoints: boolean,
): Readonly<Record<string, unknown>> {
  const { peers = [], banned } = answer as {
    readonly peers?: readonly {
      readonly node_info: { readonly id: string; readonly moniker: string };
      readonly is_outbound: boolean;
      readonly remote_ip: string;
      readonly score?: number;
      readonly connection_status: { readonly Duration: string };
    }[];
    readonly banned?: readonly unknown[];
  };
  return {
    peers: peers.map((peer) => ({
      id: peer.node_info.id,
      moniker: peer.node_info.moniker,
      ip: peer.remote_ip,
      direction: peer.is_outbound ? "out" : "in",
      connectedSeconds: Math.round(Number(peer.connection_status.Duration) / 1e9),
      // CometBFT's RPC tells neither points nor bans.
      ...(hasPoints ? { score: peer.score ?? 0 } : {}),
    })),
    banned: hasPoints ? (banned ?? []) : "not told: the engine of this node is CometBFT",
  };
}

function heightParam(height: number | undefined): Readonly<Record<string, string>> {
  return height === undefined ? {} : { height: String(height) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
