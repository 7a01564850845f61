/** Home directories of CometBFT validators with its own key-value application. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Values by dotted path, `consensus.timeout_commit`; strings are quoted where the file quotes them. */
export type CometBftSettings = Readonly<Record<string, string | number | boolean>>;

/**
 * Runs `cometbft testnet` in `root` and changes its configuration.
 *
 * @param settings of one validator, given all that the command made
 * @returns the homes, in order
 */
export function writeCometBftHomes(options: {
  /** Path of a `cometbft` v0.38 binary. */
  readonly binary: string;
  readonly root: string;
  readonly validators: number;
  /** Address of the first; the others count up from it. */
  readonly firstAddress: string;
  readonly settings: (index: number, nodeIds: readonly string[]) => CometBftSettings;
}): readonly string[] {
  const { binary, root, validators, firstAddress } = options;
  const addresses = ["--populate-persistent-peers", "--starting-ip-address", firstAddress];
  execFileSync(binary, ["testnet", "--v", `${validators}`, "--o", root, ...addresses], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const homes = Array.from({ length: validators }, (_, i) => join(root, `node${i}`));
  const nodeIds = homes.map((home) =>
    execFileSync(binary, ["show-node-id", "--home", home], { encoding: "utf8" }).trim(),
  );
  for (const [i, home] of homes.entries()) {
    const file = join(home, "config", "config.toml");
    let text = readFileSync(file, "utf8");
    for (const [path, value] of Object.entries(options.settings(i, nodeIds))) {
      text = withSetting(text, path, value);
    }
    writeFileSync(file, text);
  }
  return homes;
}

/**
 * A CometBFT configuration with one value changed.
 *
 * @throws when the file has no such key: a misspelt one would go unnoticed
 */
export function withSetting(text: string, path: string, value: string | number | boolean): string {
  const at = path.indexOf(".");
  const [section, key] = at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
  let current = "";
  let isFound = false;
  const lines = text.split("\n").map((line) => {
    const heading = /^\[(.+)\]$/.exec(line.trim())?.[1];
    if (heading !== undefined) current = heading;
    if (current !== section || line.split("=", 1)[0]?.trim() !== key) return line;
    isFound = true;
    return `${key} = ${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
  });
  if (!isFound) throw new RangeError(`CometBFT's configuration has no ${path}`);
  return lines.join("\n");
}
