import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  generateEd25519KeyPair,
} from "../../../proto/verify/ed25519.ts";
import { homeAt } from "../../node/home.ts";
import { readKeyFile, writeKeyFile } from "../../ports/key-file.ts";
import { shellWord } from "../../ports/shell-word.ts";
import { cliError } from "../cli-error.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { makeFolder } from "../make-folder.ts";
import { homeOption } from "../options.ts";
import { ALREADY_THERE, printResult } from "../output.ts";
import { readOrCreateValidatorKeys } from "../validator-keys.ts";

export function registerKeys(program: Command, context: CommandContext): void {
  const keys = program
    .command("keys")
    .description("make and show keys (ed25519, one file each, mode 0600)");
  keys
    .command("new")
    .description("make an account's key in <home>/keys/<name>.json")
    .argument("<name>", "name of the key", parseName)
    .addOption(homeOption(context))
    .action((name: string, options: { home: string }, command: Command) => {
      const path = keyPath(options.home, name);
      const key = generateEd25519KeyPair();
      writeKeyFile(path, key);
      print(path, key, command);
    });
  keys
    .command("import")
    .description("make a key file from a seed")
    .argument("<name>", "name of the key", parseName)
    .requiredOption(
      "--seed-file <file>",
      "file with the ed25519 seed, 32 bytes in hex; - reads standard input",
    )
    .addOption(homeOption(context))
    .action((name: string, options: { home: string; seedFile: string }, command: Command) => {
      const path = keyPath(options.home, name);
      const key = ed25519KeyPairFromSeed(readSeed(options.seedFile));
      writeKeyFile(path, key);
      print(path, key, command);
    });
  keys
    .command("validator")
    .description(
      "make a validator's keys in the home of a node that has none, so that it can become one",
    )
    .addOption(homeOption(context))
    .action(async (options: { home: string }, command: Command) => {
      const home = homeAt(options.home);
      const { consensusKey, applicationKey, isUnchanged } = await readOrCreateValidatorKeys(home);
      printResult(
        {
          validator: toHex(accountAddress(consensusKey)),
          consensusKey: toHex(consensusKey),
          applicationKey: toHex(applicationKey.publicKey),
          files: [home.validatorKeyFile, home.applicationKeyFile, home.validatorStateFile],
          ...(isUnchanged ? { unchanged: ALREADY_THERE } : {}),
          next: [
            `weft start --home ${shellWord(options.home)}   (if it runs, restart it; wait until it has caught up)`,
            `weft tx staking create-validator --home ${shellWord(options.home)} --amount <nweft> --moniker <name> --from <operator's key file>`,
          ],
        },
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
  keys
    .command("show")
    .description("print address and public key of a key file")
    .argument("<file>", "path of a key file")
    .action((path: string, _options, command: Command) => print(path, readKeyFile(path), command));
  keys
    .command("list")
    .description("list the keys in <home>/keys")
    .addOption(homeOption(context))
    .action((options: { home: string }, command: Command) => {
      const folder = join(options.home, "keys");
      makeFolder(folder);
      const files = readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .sort();
      const list = files.map((name) =>
        describe(join(folder, name), readKeyFile(join(folder, name))),
      );
      printResult({ keys: list }, command.optsWithGlobals<GlobalOptions>().json);
    });
}

function keyPath(home: string, name: string): string {
  const folder = join(home, "keys");
  makeFolder(folder);
  return join(folder, `${name}.json`);
}

function print(path: string, key: Ed25519KeyPair, command: Command): void {
  printResult(describe(path, key), command.optsWithGlobals<GlobalOptions>().json);
}

function describe(path: string, key: Ed25519KeyPair) {
  return {
    name: basename(path, ".json"),
    address: formatAddress(accountAddress(key.publicKey)),
    publicKey: toHex(key.publicKey),
    file: path,
  };
}

/** Never from the command line itself: other users of the machine see it there. */
function readSeed(file: string): Uint8Array {
  const text = readFileSync(file === "-" ? 0 : file, "utf8").trim();
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw cliError("KEY", `${file} does not hold an ed25519 seed: expected 32 bytes in hex`);
  }
  return fromHex(text);
}

function parseName(text: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) {
    throw new InvalidArgumentError("expected 1-64 characters of a-z, 0-9 and -");
  }
  return text;
}
