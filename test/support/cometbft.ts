/** The CometBFT that tests run. Without it they are skipped with a line that says so; in CI they fail. */
import { type CometBftBinary, findCometBft } from "../../sequencer/cometbft/binary.ts";

/** Tests that need CometBFT run, or fail for want of it, when this is false: `describe.skipIf(isCometBftAway)`. */
export const isCometBftAway = (await found()) === undefined && process.env["CI"] === undefined;

/** @throws CometBftError that says how to get it */
export function cometBft(): Promise<CometBftBinary> {
  return findCometBft({ environment: process.env });
}

async function found(): Promise<CometBftBinary | undefined> {
  try {
    return await cometBft();
  } catch (error) {
    process.stderr.write(`tests with CometBFT are skipped: ${String(error)}\n`);
    return undefined;
  }
}
