import { randomBytes } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import type { FoundEvidence } from "./found-evidence.ts";
import type { OpenedApplication } from "./open-application.ts";
import { createSealDuties, type SealDuties, type SubmitDuty } from "./seal-duties.ts";
import type { SealLanes } from "./seal-workers/open-seal-compute.ts";

/** Duties of whatever validator this node is, under any engine. */
export function openSealDuties(
  { application, applicationKeys, sealKeys }: OpenedApplication,
  deps: {
    readonly seal: Pick<SealLanes, "group">;
    readonly submit: SubmitDuty;
    /** Keeps what is submitted: a restart forgets it, and a node without a key has nothing to sign it with. */
    readonly foundEvidence: Pick<FoundEvidence, "sharedWrongly">;
    /** See `SealDutiesDependencies`. */
    readonly isCatchingUp?: () => boolean;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): SealDuties {
  const { seal, submit, foundEvidence, isCatchingUp, clock, logger } = deps;
  const duties = createSealDuties({
    read: application.read,
    keys: sealKeys,
    applicationKeys,
    group: seal.group,
    random: (count) => new Uint8Array(randomBytes(count)),
    submit,
    ...(isCatchingUp === undefined ? {} : { isCatchingUp }),
    clock,
    yieldToLoop,
    logger: logger.child({ module: "seal" }),
  });
  application.onShareFault((evidence) => {
    foundEvidence.sharedWrongly(evidence);
    duties.report(evidence);
  });
  return duties;
}
