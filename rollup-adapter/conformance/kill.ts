/** Kills the executor under test, and makes sure that it was killed. */
import { expect, notRun } from "./fault.ts";
import { BREAK_PATIENCE_MS } from "./limits.ts";
import type { Session } from "./session.ts";

/** Resolves when the executor was restarted and its old connection is gone. */
export async function killAndCatch(session: Session): Promise<void> {
  if (session.restart === undefined) throw notRun("nothing restarts the executor");
  const enough = new AbortController();
  const broke = session.target.untilBroken(enough.signal);
  await session.restart();
  const patience = setTimeout(() => enough.abort(), BREAK_PATIENCE_MS);
  const isBroken = await broke;
  clearTimeout(patience);
  expect(
    isBroken,
    "the connection to the executor did not break while it was restarted: does the command kill it?",
  );
}
