/** What the checks of level 1 share: they leave no bundle open, whatever they find. */
import type { ExecuteBlockResponse } from "../execution.ts";
import { BundleHeight } from "./bundle-height.ts";
import type { Prepared } from "./bundle-journal.ts";
import type { Check } from "./check.ts";
import type { Session } from "./session.ts";

/** A check of level 1. When it fails, what it left open is aborted, so that the next one finds no locks. */
export function bundleCheck(check: Check): Check {
  return {
    ...check,
    level: 1,
    async run(session) {
      try {
        await check.run(session);
      } catch (fault) {
        // The check has failed already; an executor that cannot abort either fails the next ones too.
        await abortAll(session).catch(() => undefined);
        throw fault;
      }
    },
  };
}

/** Has the next leg prepared at a height of its own. */
export async function prepareOne(session: Session): Promise<Prepared> {
  const leg = await session.useLeg();
  const height = await BundleHeight.next(session);
  const prepared = await height.prepareYes(leg);
  await height.execute();
  return prepared;
}

/** Has all that is open aborted, at a height without payloads. */
export async function abortAll(session: Session): Promise<ExecuteBlockResponse> {
  const height = await BundleHeight.next(session);
  for (const prepared of session.bundles.open) await height.abort(prepared);
  return height.execute();
}
