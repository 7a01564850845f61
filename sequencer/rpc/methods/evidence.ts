/** Evidence that clients report (`rpc/core/evidence.go`). */
import { isWeftError } from "../../../proto/errors.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import { evidenceFromJson } from "../../../proto/json.ts";
import { JsonNode } from "../../../proto/json-reader.ts";
import type { Evidence } from "../../../proto/types.ts";
import { hex } from "../amino-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { invalidParams, methodFailure, type RpcError } from "../errors.ts";
import { jsonType, param } from "../params.ts";
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

const DUPLICATE_VOTE = "tendermint/DuplicateVoteEvidence";
const LIGHT_CLIENT_ATTACK = "tendermint/LightClientAttackEvidence";

function parse(given: unknown): Evidence {
  const { type, value } = unwrap(given);
  if (type !== DUPLICATE_VOTE && type !== LIGHT_CLIENT_ATTACK) {
    throw unreadable(`unknown type ${JSON.stringify(type)}`);
  }
  const missing = missingPart(type, value);
  if (missing !== undefined) throw methodFailure(`evidence.ValidateBasic failed: ${missing}`);
  try {
    return evidenceFromJson(new JsonNode({ type, value }, "evidence"));
  } catch (error) {
    // The client's JSON; anything else is a bug.
    if (!isWeftError(error)) throw error;
    throw unreadable(error.message);
  }
}

/** `libs/json`: a value of one of several types comes with the name of its type. */
function unwrap(given: unknown): { readonly type: string; readonly value: unknown } {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw unreadable(
      `json: cannot unmarshal ${jsonType(given)} into Go value of type json.interfaceWrapper`,
    );
  }
  const fields = new Map(Object.entries(given).map(([name, one]) => [name.toLowerCase(), one]));
  const type: unknown = fields.get("type") ?? "";
  if (typeof type !== "string") {
    throw unreadable(
      `json: cannot unmarshal ${jsonType(type)} into Go struct field interfaceWrapper.type of type string`,
    );
  }
  if (type === "") throw unreadable("interface type cannot be empty");
  if (!fields.has("value")) throw unreadable("interface value cannot be empty");
  return { type, value: fields.get("value") };
}

/** What Go reads as empty and refuses only then: it is no fault of the JSON. */
function missingPart(type: string, value: unknown): string | undefined {
  if (value !== null && (typeof value !== "object" || Array.isArray(value))) return undefined;
  const has = (name: string): boolean =>
    value !== null && name in value && (value as Readonly<Record<string, unknown>>)[name] !== null;
  if (type === LIGHT_CLIENT_ATTACK) {
    const isThere = has("ConflictingBlock") || has("conflicting_block");
    return isThere ? undefined : "conflicting block is nil";
  }
  return has("vote_a") && has("vote_b") ? undefined : "one or both of the votes are empty";
}

function unreadable(why: string): RpcError {
  return invalidParams(`error converting json params to arguments: ${why}`);
}
