import type { Command } from "commander";
import { describe, expect, test } from "vitest";
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
