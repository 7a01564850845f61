/** Evidence that clients report (`rpc/core/evidence.go`). */
import { isWeftError } from "../../../proto/errors.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import { evidenceFromJson } from "../../../proto/json.ts";
import { JsonNode } from "../../../proto/json-reader.ts";
import type { Evidence } from "../../../proto/types.ts";
import { hex } from "../amino-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { invalidParams, methodFailure } from "../errors.ts";
import { param } from "../params.ts";
import type { Route } from "../routes.ts";
import { route } from "../routes.ts";

export function evidenceRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  return {
    broadcast_evidence: route({ evidence: param("json") }, async ({ evidence: value }) => {
      if (value === undefined || value === null) {
        throw methodFailure("no evidence was provided");
      }
      const evidence = parse(value);
      const answer = await env.evidence.addEvidence(evidence);
      if (answer.kind === "malformed") {
        throw methodFailure(`evidence.ValidateBasic failed: ${answer.message}`);
      }
      if ("message" in answer) throw methodFailure(`failed to add evidence: ${answer.message}`);
      return { hash: hex(evidenceId(evidence)) };
    }),
  };
}

const TYPES: ReadonlySet<string> = new Set([
  "tendermint/DuplicateVoteEvidence",
  "tendermint/LightClientAttackEvidence",
]);

function parse(value: unknown): Evidence {
  const type = typeOf(value);
  if (!TYPES.has(type)) {
    throw invalidParams(
      `error converting json params to arguments: unknown type ${JSON.stringify(type)}`,
    );
  }
  try {
    return evidenceFromJson(new JsonNode(value, "evidence"));
  } catch (error) {
    // The client's JSON; anything else is a bug.
    if (!isWeftError(error)) throw error;
    throw invalidParams(`error converting json params to arguments: ${error.message}`);
  }
}

function typeOf(value: unknown): string {
  if (typeof value !== "object" || value === null || !("type" in value)) return "";
  return typeof value.type === "string" ? value.type : "";
}
