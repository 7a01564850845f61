/** `weft query seal ...`: the key that transactions are sealed for, how the next one is made, what waits. */
import type { Command } from "commander";
import { ROLLUP_SERVICE } from "../../../proto/grpc/rollup-service.ts";
import { queryJson, withCaller } from "../clients.ts";
import { nodeOption, notNodeOption, notRpcOption, parseCount, rpcOption } from "../options.ts";
import { printAnswer } from "../output.ts";

export function registerSealQueries(query: Command): void {
  const seal = query.command("seal").description("sealed transactions: their key, and what waits");
  seal
    .command("key")
    .description("the key to seal for, and whether the next block takes what is sealed for it")
    .argument("[number]", "number of a key", parseCount(1, Number.MAX_SAFE_INTEGER))
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(
      async (number: number | undefined, options: { readonly node: string }, command: Command) => {
        const answer = await withCaller(options.node, (call) =>
          call(ROLLUP_SERVICE.getSealKey, { number: number ?? 0 }),
        );
        const { key = null, next = null } = answer;
        printAnswer({ ...answer, key, next }, command);
      },
    );
  addRpc(
    seal
      .command("generation")
      .description("the key generation under way, if one is: its step, and who has not dealt yet"),
  ).action(async ({ rpc }: RpcOptions, command: Command) => {
    const [state = null, generation = null, progress = null] = await Promise.all([
      queryJson(rpc, "/seal", "or nothing"),
      queryJson(rpc, "/seal_generation", "or nothing"),
      queryJson(rpc, "/seal/generation", "or nothing"),
    ]);
    printAnswer({ state, progress, generation }, command);
  });
  addRpc(
    seal.command("pending").description("sealed transactions that are ordered and not opened"),
  ).action(async ({ rpc }: RpcOptions, command: Command) => {
    printAnswer({ items: await queryJson(rpc, "/seal/pending") }, command);
  });
}

interface RpcOptions {
  readonly rpc: string;
}

function addRpc(command: Command): Command {
  return command.addOption(rpcOption()).addOption(notNodeOption());
}
