/**
 * A process that feeds a rollup the same blocks in every life, and says which it has done. Meant to
 * be killed at any moment. Arguments: data directory, last sequencer height.
 */
import { execute, openExecutor, scriptedPayloads } from "./evm-rollup.ts";

const [directory = "", last = "0"] = process.argv.slice(2);
const executor = await openExecutor(directory);
const { nextSequencerHeight = 1 } = await executor.getStatus();
for (let height = Number(nextSequencerHeight); height <= Number(last); height++) {
  await execute(executor, height, await scriptedPayloads(height));
  process.stdout.write(`${height}\n`);
}
await executor.close();
