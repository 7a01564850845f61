import { randomBytes } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import type { OpenedApplication } from "./open-application.ts";
import { createSealDuties, type SealDuties, type SubmitDuty } from "./seal-duties.ts";
import type { SealLanes } from "./seal-workers/open-seal-compute.ts";

/** Duties of whatever validator this node is, under any engine. */
export function openSealDuties(
  { application, applicationKeys, sealKeys }: OpenedApplication,
  deps: {
    readonly seal: Pick<SealLanes, "group">;
    readonly submit: SubmitDuty;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): SealDuties {
  const { seal, submit, clock, logger } = deps;
  return createSealDuties({
    read: application.read,
    keys: sealKeys,
    applicationKeys,
    group: seal.group,
    random: (count) => new Uint8Array(randomBytes(count)),
    submit,
    clock,
    yieldToLoop,
    logger: logger.child({ module: "seal" }),
  });
}
