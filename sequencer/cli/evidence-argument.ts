/** Evidence that a node wrote to a file, for `weft tx staking submit-evidence`. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { SubmitEvidence } from "../../proto/codec/staking-tx.ts";
import { evidenceFromJson } from "../node/evidence-file.ts";
import { cliError } from "./cli-error.ts";

/** @throws WeftError<CliErrorInfo> FILE, USAGE */
export function readEvidence(path: string): SubmitEvidence["evidence"] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw cliError("FILE", `${path} is not a JSON file that can be read`, cause);
  }
  try {
    return evidenceFromJson(json);
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause;
    throw cliError("USAGE", `${path}: ${z.prettifyError(cause)}`);
  }
}
