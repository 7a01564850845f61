/** Engine events as CometBFT's `types/events.go` shows them to subscribers. */
import { toBase64 } from "../../proto/bytes.ts";
import { assertNever } from "../../proto/errors.ts";
import { txHash } from "../../proto/hashes.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import {
  blockIdToJson,
  blockToJson,
  evidenceToJson,
  headerToJson,
  voteToJson,
} from "../../proto/json.ts";
import type { AbciEvent } from "../abci/application.ts";
import { Step } from "../consensus/step.ts";
import { STEP_NAMES } from "../engine/consensus-metrics.ts";
import type { EngineEvent } from "../engine/event-bus.ts";
import type { Json } from "./amino-json.ts";
import { hex, integer, omitEmpty, publicKey } from "./amino-json.ts";
import { eventsToJson, finalizeBlockToJson, txEventResultToJson } from "./abci-json.ts";
import type { EventMap } from "./query/query.ts";

/** Events that subscribers can get: all but `Halted`, which is the operator's affair. */
export type PublicEvent = Exclude<
  EngineEvent,
  { readonly kind: "Halted" | "ConflictingProposals" }
>;

/** What an event needs of the round that it does not carry; read when it is published. */
export interface RoundHint {
  /** Index of the proposer in the validator set. */
  readonly proposerIndex: number;
}

export function stepName(step: number): string {
  const names: Readonly<Record<number, string>> = STEP_NAMES;
  return names[step] ?? "RoundStepUnknown";
}

/** `data` of a subscription's answer. */
export function eventToJson(event: PublicEvent, hint: RoundHint): Json {
  switch (event.kind) {
    case "NewBlock":
      return tagged("NewBlock", {
        block: blockToJson(event.block),
        block_id: blockIdToJson(event.blockId),
        result_finalize_block: finalizeBlockToJson(event.result),
      });
    case "NewBlockHeader":
      return tagged("NewBlockHeader", { header: headerToJson(event.header) });
    case "NewBlockEvents":
      return tagged("NewBlockEvents", {
        height: integer(event.height),
        events: eventsToJson(event.events),
        num_txs: integer(event.txCount),
      });
    case "Tx":
      return tagged("Tx", {
        TxResult: {
          ...omitEmpty({
            height: integer(event.height),
            index: event.index,
            tx: toBase64(event.tx),
          }),
          result: txEventResultToJson(event.result),
        },
      });
    case "NewEvidence":
      return tagged("NewEvidence", {
        height: integer(event.height),
        evidence: evidenceToJson(event.evidence),
      });
    case "ValidatorSetUpdates":
      return tagged("ValidatorSetUpdates", {
        validator_updates: event.updates.map((update) => ({
          address: hex(validatorAddress(update.publicKey)),
          pub_key: publicKey(update.publicKey),
          voting_power: integer(update.power),
          proposer_priority: "0",
        })),
      });
    case "Vote":
      return tagged("Vote", { Vote: voteToJson(event.vote) });
    case "NewRound":
      return tagged("NewRound", {
        height: integer(event.height),
        round: event.round,
        step: stepName(Step.NEW_ROUND),
        proposer: { address: hex(event.proposer), index: hint.proposerIndex },
      });
    case "CompleteProposal":
      return tagged("CompleteProposal", {
        height: integer(event.proposal.height),
        round: event.proposal.round,
        step: stepName(Step.PROPOSE),
        block_id: blockIdToJson(event.blockId),
      });
    case "NewRoundStep":
    case "ValidBlock":
    case "Lock":
    case "Polka":
      return tagged("RoundState", {
        height: integer(event.height),
        round: event.round,
        step: stepName(event.step),
      });
    default:
      return assertNever(event, "event");
  }
}

/** What queries are asked of: attributes by `type.key`, and the reserved keys. */
export function eventToMap(event: PublicEvent): EventMap {
  const map = new Map<string, string[]>();
  if (event.kind === "NewBlock") addEvents(map, event.result.events);
  if (event.kind === "NewBlockEvents") addEvents(map, event.events);
  if (event.kind === "Tx") addEvents(map, event.result.events);
  add(map, "tm.event", event.kind);
  if (event.kind === "Tx") {
    add(map, "tx.hash", hex(txHash(event.tx)));
    add(map, "tx.height", integer(event.height));
  }
  return map;
}

function tagged(name: string, value: Json): Json {
  return { type: `tendermint/event/${name}`, value };
}

function addEvents(map: Map<string, string[]>, events: readonly AbciEvent[]): void {
  for (const event of events) {
    if (event.type === "") continue;
    for (const { key, value } of event.attributes) {
      if (key !== "") add(map, `${event.type}.${key}`, value);
    }
  }
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
