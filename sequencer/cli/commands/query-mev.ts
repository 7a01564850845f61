/** `weft query auction|bundle|bundle-key|revenue|escrow|atomic|executor|listing|due|mev`: what a proposer may not choose. */
import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import {
  atomicProgressName,
  bundleStateName,
  MEV_SERVICE,
} from "../../../proto/grpc/mev-service.ts";
import { parseKey } from "../bundle-options.ts";
import { queryJson, withCaller } from "../clients.ts";
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
import { printAnswer } from "../output.ts";

interface RpcOptions {
  readonly rpc: string;
}

export function registerMevQueries(query: Command): void {
  query
    .command("bundle")
    .description("where a bundle, a bid or another transaction is, and why")
    .argument("<id>", "transaction id, 32 bytes in hex", parseHexBytes(32))
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (id: Uint8Array, options: { readonly node: string }, command: Command) => {
      const status = await withCaller(options.node, (call) =>
        call(MEV_SERVICE.getBundleStatus, { id }),
      );
      const { state, atomic } = status;
      const execution =
        atomic === undefined
          ? {}
          : { atomic: { ...atomic, state: atomicProgressName(atomic.state) } };
      printAnswer({ ...status, state: bundleStateName(state), ...execution }, command);
    });
  addRpc(
    query
      .command("bundle-key")
      .description("what counts of an account's bundles with a replacement key")
      .argument("<address>", "weft1..., or a public key in hex", parseAccount)
      .argument("<key>", "16 bytes in hex or a UUID", parseKey),
  ).action(async (account: Uint8Array, key: Uint8Array, { rpc }: RpcOptions, command: Command) => {
    const path = `/mev/bundle_key/${toHex(account)}/${toHex(key)}`;
    await printJson(rpc, path, command);
  });
  addRpc(
    query
      .command("auction")
      .description("the auction of the bids of a block: open, or who won what at which price")
      .argument("<group>", "rollup that leads the group", parseRollupName)
      .argument(
        "[height]",
        "block of the bids; default: the last one with bids",
        parseCount(1, Number.MAX_SAFE_INTEGER),
      ),
  ).action(
    async (group: string, height: number | undefined, { rpc }: RpcOptions, command: Command) => {
      const answer = await askObject(rpc, `/mev/auction/${height ?? 0}/${group}`);
      printAnswer({ ...answer, winners: winnersOf(answer) }, command);
    },
  );
  addRpc(
    query
      .command("revenue")
      .description(
        "what a rollup has earned by fees, auctions and tips, and what waits for its owner",
      )
      .argument("<rollup>", "name of the rollup", parseRollupName),
  ).action(async (name: string, { rpc }: RpcOptions, command: Command) => {
    await printJson(rpc, `/revenue/${name}`, command);
  });
  addRpc(
    query
      .command("escrow")
      .description("an account's escrow, and what it has asked back")
      .argument("<address>", "weft1..., or a public key in hex", parseAccount),
  ).action(async (account: Uint8Array, { rpc }: RpcOptions, command: Command) => {
    await printJson(rpc, `/mev/escrow/${toHex(account)}`, command);
  });
  addRpc(
    query
      .command("atomic")
      .description("an atomic bundle: the votes of its executors, its deadline, what was decided")
      .argument("<bundle id>", "id of the bundle, 32 bytes in hex", parseHexBytes(32)),
  ).action((id: Uint8Array, { rpc }: RpcOptions, command: Command) =>
    printJson(rpc, `/mev/atomic/${toHex(id)}`, command),
  );
  addRpc(
    query
      .command("executor")
      .description("an executor of a rollup: its bond, what it has asked back, its jail")
      .argument("<rollup>", "name of the rollup", parseRollupName)
      .argument("<key>", "public key of the executor, 32 bytes in hex", parseHexBytes(32)),
  ).action((name: string, key: Uint8Array, { rpc }: RpcOptions, command: Command) =>
    printJson(rpc, `/mev/executor/${name}/${toHex(key)}`, command),
  );
  addRpc(
    query
      .command("listing")
      .description("which validators list a transaction, and from when on blocks have to hold it")
      .argument("<id>", "transaction id, 32 bytes in hex", parseHexBytes(32)),
  ).action((id: Uint8Array, { rpc }: RpcOptions, command: Command) =>
    printJson(rpc, `/mev/listing/${toHex(id)}`, command),
  );
  addRpc(
    query
      .command("due")
      .description("transactions that blocks have to hold, in their order, and from when on"),
  ).action(async ({ rpc }: RpcOptions, command: Command) => {
    printAnswer({ due: await queryJson(rpc, "/mev/due") }, command);
  });
  const mev = query.command("mev").description("rules of bundles, auctions and inclusion lists");
  addRpc(
    mev.command("params").description("parameters in force, and limits of the formats"),
  ).action(async ({ rpc }: RpcOptions, command: Command) => {
    await printJson(rpc, "/mev/params", command);
  });
}

/** Prints what is one object. */
async function printJson(rpc: string, path: string, command: Command): Promise<void> {
  printAnswer({ ...(await askObject(rpc, path)) }, command);
}

async function askObject(rpc: string, path: string): Promise<object> {
  const answer = await queryJson(rpc, path);
  assert(typeof answer === "object" && answer !== null, "the query answers with an object");
  return answer;
}

/** The state has accounts in hex; the command line takes and gives them as weft1... */
function winnersOf(auction: object): readonly object[] {
  const { winners = [] } = auction as { readonly winners?: readonly { readonly bidder: string }[] };
  return winners.map((winner) => ({ ...winner, bidder: formatAddress(fromHex(winner.bidder)) }));
}

function addRpc(command: Command): Command {
  return command.addOption(rpcOption()).addOption(notNodeOption());
}
