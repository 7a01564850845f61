import { type Command, InvalidArgumentError } from "commander";
import type { GlobalOptions } from "../context.ts";
import { parseHostPort } from "../options.ts";

export interface SignerCommandOptions {
  readonly chainId: string;
  readonly keyFile: string;
  readonly stateFile: string;
  readonly newState: boolean;
  readonly connect: readonly string[];
  readonly listen: readonly string[];
  readonly allow: readonly string[];
  readonly connectionKeyFile?: string;
  readonly metrics?: string;
  readonly logLevel: "error" | "warn" | "info" | "debug";
}

export function registerSigner(program: Command): void {
  program
    .command("signer")
    .description(
      "hold a validator's key away from its node: signs over CometBFT's privval protocol, never twice",
    )
    .requiredOption("--chain-id <id>", "the one chain to sign for")
    .requiredOption("--key-file <file>", "priv_validator_key.json")
    .requiredOption(
      "--state-file <file>",
      "priv_validator_state.json: what was signed last; in a folder of its own",
    )
    .option("--new-state", "make the state file: only for a key that has never signed", false)
    .option(
      "--connect <address...>",
      "nodes to dial: tcp://[id@]host:port or unix:///path (their priv_validator_laddr)",
      [],
    )
    .option(
      "--listen <address...>",
      "where nodes may dial: tcp://host:port, with --allow, or unix:///path",
      [],
    )
    .option("--allow <id...>", "ids of nodes that may dial over TCP, 40 hex digits each", [])
    .option(
      "--connection-key-file <file>",
      "key of this signer's connections, made when missing; default: signer_key.json beside the state",
    )
    .option("--metrics <host:port>", "serve /metrics and /health here", parseHostPort)
    .option("--log-level <level>", "error, warn, info or debug", parseLevel, "info")
    .addHelpText(
      "after",
      "\nExample:\n  weft signer --chain-id weft-1 --key-file key.json --state-file state/state.json --connect tcp://<node id>@10.0.0.5:26659",
    )
    .action(async (options: SignerCommandOptions, command: Command) => {
      const { runSigner } = await import("../run-signer.ts");
      await runSigner(options, command.optsWithGlobals<GlobalOptions>().json);
    });
}

function parseLevel(text: string): SignerCommandOptions["logLevel"] {
  if (text === "error" || text === "warn" || text === "info" || text === "debug") return text;
  throw new InvalidArgumentError("expected error, warn, info or debug");
}
