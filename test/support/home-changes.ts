/** What an operator does to the files of a node that does not run. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ConfigOverrides, loadConfig, renderConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import type { TestValidator } from "./local-network.ts";

/** Changes the configuration on disk. */
export function configureHome(
  { home }: Pick<TestValidator, "home">,
  overrides: ConfigOverrides,
): void {
  const { configFile } = homeAt(home);
  writeFileSync(configFile, renderConfig(loadConfig(configFile, overrides, {})));
}

/** Blocks, state and log are gone; what it has signed is not, as an operator must see to. */
export function emptyDisk({ home }: Pick<TestValidator, "home">): void {
  rmSync(homeAt(home).cometbftDir, { recursive: true, force: true });
  const data = join(home, "data");
  for (const name of readdirSync(data)) {
    if (name !== "priv_validator_state.json") rmSync(join(data, name), { recursive: true });
  }
}
