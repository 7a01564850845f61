import { expect, it } from "vitest";
import { mergeMetricsPages } from "./metrics-page.ts";

const OURS = `# HELP process_cpu_seconds_total CPU of this process
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1

# HELP cometbft_blocksync_syncing Whether it syncs
# TYPE cometbft_blocksync_syncing gauge
cometbft_blocksync_syncing 0

# HELP weft_pool_transactions Pool
# TYPE weft_pool_transactions gauge
weft_pool_transactions 3
`;
const THEIRS = `# HELP cometbft_blocksync_syncing Whether or not a node is block syncing.
# TYPE cometbft_blocksync_syncing gauge
cometbft_blocksync_syncing{chain_id="a"} 1
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 9
`;

it("behavior: a page of both, each family once: CometBFT's word on the engine, ours on this process", () => {
  const page = mergeMetricsPages(OURS, THEIRS);
  const families = [...page.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? "");
  expect(families.toSorted()).toEqual([
    "cometbft_blocksync_syncing",
    "cometbft_process_cpu_seconds_total",
    "process_cpu_seconds_total",
    "weft_pool_transactions",
  ]);
  expect(page).toContain('\ncometbft_blocksync_syncing{chain_id="a"} 1\n');
  expect(page).not.toContain("\ncometbft_blocksync_syncing 0");
  expect(page).toContain("\nprocess_cpu_seconds_total 1\n");
  expect(page).toContain("\ncometbft_process_cpu_seconds_total 9\n");
  expect(page).toContain("\nweft_pool_transactions 3\n");
});
