/**
 * Results, events and validator updates as bytes (spec/cometbft-v0.38.md §12.3): what the socket carries
 * and what the state store keeps are the same messages.
 */
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { Reader } from "../../proto/codec/reader.ts";
import {
  readConsensusParams,
  readPublicKey,
  writeConsensusParams,
  writePublicKey,
} from "../../proto/codec/types.ts";
import type { Writer } from "../../proto/codec/writer.ts";
import { SHORT_BYTES_MAX } from "../../proto/limits.ts";
import type { ConsensusParams, PublicKey } from "../../proto/types.ts";
import type {
  AbciEvent,
  EventAttribute,
  ExecTxResult,
  FinalizeBlockResponse,
  ValidatorUpdate,
} from "./application.ts";
import { RESULT_FIELD_BYTES_MAX } from "./limits.ts";

export function writeFinalizeBlockResponse(writer: Writer, response: FinalizeBlockResponse): void {
  for (const event of response.events) writer.message(1, event, writeEvent);
  for (const result of response.txResults) writer.message(2, result, writeExecTxResult);
  for (const update of response.validatorUpdates) writer.message(3, update, writeValidatorUpdate);
  if (response.consensusParamUpdates !== undefined) {
    writer.message(4, response.consensusParamUpdates, writeConsensusParams);
  }
  writer.bytes(5, response.appHash);
}

/** @throws CodecError */
export function readFinalizeBlockResponse(reader: Reader): FinalizeBlockResponse {
  const events: AbciEvent[] = [];
  const txResults: ExecTxResult[] = [];
  const validatorUpdates: ValidatorUpdate[] = [];
  let consensusParamUpdates: ConsensusParams | undefined;
  let appHash = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) events.push(reader.repeatedMessage(readEvent));
    else if (reader.field === 2) txResults.push(reader.repeatedMessage(readExecTxResult));
    else if (reader.field === 3) validatorUpdates.push(reader.repeatedMessage(readValidatorUpdate));
    else if (reader.field === 4) consensusParamUpdates = reader.message(readConsensusParams);
    else if (reader.field === 5) appHash = reader.bytesCopy(SHORT_BYTES_MAX);
    else reader.unknown();
  }
  return { events, txResults, validatorUpdates, consensusParamUpdates, appHash };
}

export function writeExecTxResult(writer: Writer, result: ExecTxResult): void {
  writer.uint32(1, result.code);
  writer.bytes(2, result.data);
  writer.string(3, result.log);
  writer.string(4, result.info);
  writer.int64(5, result.gasWanted);
  writer.int64(6, result.gasUsed);
  for (const event of result.events) writer.message(7, event, writeEvent);
  writer.string(8, result.codespace);
}

function readExecTxResult(reader: Reader): ExecTxResult {
  let code = 0;
  let data = EMPTY_BYTES;
  let [log, info, codespace] = ["", "", ""];
  let [gasWanted, gasUsed] = [0n, 0n];
  const events: AbciEvent[] = [];
  while (reader.next()) {
    if (reader.field === 1) code = reader.uint32();
    else if (reader.field === 2) data = reader.bytesCopy(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 3) log = reader.string(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 4) info = reader.string(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 5) gasWanted = reader.int64();
    else if (reader.field === 6) gasUsed = reader.int64();
    else if (reader.field === 7) events.push(reader.repeatedMessage(readEvent));
    else if (reader.field === 8) codespace = reader.string(RESULT_FIELD_BYTES_MAX);
    else reader.unknown();
  }
  return { code, data, log, info, gasWanted, gasUsed, events, codespace };
}

function writeEvent(writer: Writer, event: AbciEvent): void {
  writer.string(1, event.type);
  for (const attribute of event.attributes) writer.message(2, attribute, writeAttribute);
}

function readEvent(reader: Reader): AbciEvent {
  let type = "";
  const attributes: EventAttribute[] = [];
  while (reader.next()) {
    if (reader.field === 1) type = reader.string(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 2) attributes.push(reader.repeatedMessage(readAttribute));
    else reader.unknown();
  }
  return { type, attributes };
}

function writeAttribute(writer: Writer, attribute: EventAttribute): void {
  writer.string(1, attribute.key);
  writer.string(2, attribute.value);
  writer.bool(3, attribute.index);
}

function readAttribute(reader: Reader): EventAttribute {
  let [key, value] = ["", ""];
  let index = false;
  while (reader.next()) {
    if (reader.field === 1) key = reader.string(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 2) value = reader.string(RESULT_FIELD_BYTES_MAX);
    else if (reader.field === 3) index = reader.bool();
    else reader.unknown();
  }
  return { key, value, index };
}

export function writeValidatorUpdate(writer: Writer, update: ValidatorUpdate): void {
  writer.message(1, update.publicKey, writePublicKey);
  writer.int64(2, update.power);
}

export function readValidatorUpdate(reader: Reader): ValidatorUpdate {
  let publicKey: PublicKey | undefined;
  let power = 0n;
  while (reader.next()) {
    if (reader.field === 1) publicKey = reader.message(readPublicKey);
    else if (reader.field === 2) power = reader.int64();
    else reader.unknown();
  }
  if (publicKey === undefined) throw reader.missing("public key of a validator update");
  return { publicKey, power };
}
