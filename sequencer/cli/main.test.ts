import type { Command } from "commander";
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { WeftError } from "../../proto/errors.ts";
import { exitCodeOf } from "./cli-error.ts";
import { removeNetwork } from "./commands/dev.ts";
import { ExitCode } from "./exit-codes.ts";
import { createProgram } from "./main.ts";

const program = () => createProgram({ entry: "/nowhere/main.js", environment: {} });

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

describe("command line", () => {
  test("every command has help that says what it does and shows every default", () => {
    const commands = leaves(program());
    expect(commands.length).toBeGreaterThan(20);
    for (const command of commands) {
      expect(command.description(), command.name()).not.toBe("");
      expect(command.helpInformation(), command.name()).toContain("Options:");
      for (const option of command.options) expect(option.description, option.flags).not.toBe("");
    }
  });

  test("error: an unknown command or option is refused with a suggestion", async () => {
    const refusal = (args: string[]) =>
      program()
        .configureOutput({ writeErr: () => {} })
        .parseAsync(args, { from: "user" });
    await expect(refusal(["stat"])).rejects.toThrow(/unknown command 'stat'/);
    await expect(refusal(["testnet", "--validator", "4"])).rejects.toThrow(/unknown option/);
  });
});

describe("exit codes", () => {
  const weft = (code: string) => exitCodeOf(new WeftError({ code }, "what was wrong"));

  test("what an operator can mend has a code of its own", () => {
    expect(weft("P2P_ADDRESS_INVALID")).toBe(ExitCode.CONFIG);
    expect(weft("APP_GENESIS_INVALID")).toBe(ExitCode.CONFIG);
    expect(weft("EXECUTION_GENESIS_MISMATCH")).toBe(ExitCode.CONFIG);
    expect(weft("DRIVER_TRUST_AHEAD")).toBe(ExitCode.CONFIG);
    expect(weft("P2P_NODE_KEY_INVALID")).toBe(ExitCode.KEY);
    expect(weft("KEY_APPLICATION_MISMATCH")).toBe(ExitCode.KEY);
    expect(weft("GRPC_LISTEN_FAILED")).toBe(ExitCode.PORT);
    expect(weft("STORE_LOCKED")).toBe(ExitCode.FILE);
    expect(weft("TRUST_STORE_INVALID")).toBe(ExitCode.FILE);
  });

  test("a block is no lock, and a port that may not be bound no file", () => {
    expect(weft("ENGINE_BLOCK_INVALID")).toBe(ExitCode.UNEXPECTED);
    const error = Object.assign(new Error("no"), { code: "EACCES", syscall: "listen" });
    expect(exitCodeOf(error)).toBe(ExitCode.PORT);
  });
});

test("a reset removes the network and nothing else", () => {
  const root = mkdtempSync(join(tmpdir(), "weft-reset-"));
  const put = (path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "{}");
  };
  // A validator's own home: its keys are not the network's.
  for (const path of ["keys/mine.json", "config/priv_validator_key.json"]) put(path);
  removeNetwork(root);
  expect(readdirSync(root)).toEqual(["config", "keys"]);
  for (const path of ["validator-0/config/genesis.json", "rollup-alpha/x", "notes.txt"]) put(path);
  removeNetwork(root);
  expect(readdirSync(root)).toEqual(["config", "notes.txt"]);
  removeNetwork(join(root, "nowhere"));
});
