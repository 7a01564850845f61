/**
 * What the application answered, as CometBFT's RPC shows it. Two dialects meet here: types with
 * their own `MarshalJSON` write every field (protobuf JSON with defaults), the others leave zero
 * values out (amino with the generated `omitempty` tags).
 */
import { toBase64 } from "../../proto/bytes.ts";
import type { ConsensusParams, PublicKey } from "../../proto/types.ts";
import type {
  AbciEvent,
  ExecTxResult,
  FinalizeBlockResponse,
  InfoResponse,
  QueryResponse,
  ValidatorUpdate,
} from "../abci/application.ts";
import type { Json } from "./amino-json.ts";
import { bytes, integer, omitEmpty } from "./amino-json.ts";

/** `ExecTxResult` and `ResponseCheckTx`, which has the same fields: every one is written. */
export function txResultToJson(result: ExecTxResult): Json {
  return {
    code: result.code,
    data: bytes(result.data),
    log: result.log,
    info: result.info,
    gas_wanted: integer(result.gasWanted),
    gas_used: integer(result.gasUsed),
    events: result.events.map((event) => ({
      type: event.type,
      attributes: event.attributes.map((attribute) => ({ ...attribute })),
    })),
    codespace: result.codespace,
  };
}

/** The result inside a Tx event: zero values are left out. */
export function txEventResultToJson(result: ExecTxResult): Json {
  return omitEmpty({
    code: result.code,
    data: bytes(result.data),
    log: result.log,
    info: result.info,
    gas_wanted: integer(result.gasWanted),
    gas_used: integer(result.gasUsed),
    events: result.events.map(eventToJson),
    codespace: result.codespace,
  });
}

export function eventsToJson(events: readonly AbciEvent[]): Json {
  return events.length === 0 ? null : events.map(eventToJson);
}

export function validatorUpdatesToJson(updates: readonly ValidatorUpdate[]): readonly Json[] {
  return updates.map((update) => ({
    pub_key: protoKeyToJson(update.publicKey),
    ...omitEmpty({ power: integer(update.power) }),
  }));
}

/** `tendermint.types.ConsensusParams`: the protobuf form, zero values left out. */
export function paramUpdatesToJson(params: ConsensusParams | undefined): Json {
  if (params === undefined) return null;
  return {
    block: omitEmpty({
      max_bytes: integer(params.block.maxBytes),
      max_gas: integer(params.block.maxGas),
    }),
    evidence: {
      ...omitEmpty({ max_age_num_blocks: integer(params.evidence.maxAgeBlocks) }),
      max_age_duration: integer(params.evidence.maxAgeDurationNanos),
      ...omitEmpty({ max_bytes: integer(params.evidence.maxBytes) }),
    },
    validator: omitEmpty({ pub_key_types: params.validator.publicKeyTypes }),
    version: omitEmpty({ app: integer(params.version.app) }),
    abci: omitEmpty({
      vote_extensions_enable_height: integer(params.abci.voteExtensionsEnableHeight),
    }),
  };
}

/** `ResponseFinalizeBlock` inside a NewBlock event. */
export function finalizeBlockToJson(result: FinalizeBlockResponse): Json {
  return {
    ...omitEmpty({
      events: result.events.map(eventToJson),
      tx_results: result.txResults.map(txResultToJson),
    }),
    validator_updates: validatorUpdatesToJson(result.validatorUpdates),
    ...omitEmpty({
      consensus_param_updates: paramUpdatesToJson(result.consensusParamUpdates),
      app_hash: bytes(result.appHash),
    }),
  };
}

export function infoToJson(info: InfoResponse): Json {
  return omitEmpty({
    data: info.data,
    version: info.version,
    app_version: integer(info.appVersion),
    last_block_height: integer(info.lastBlockHeight),
    last_block_app_hash: bytes(info.lastBlockAppHash),
  });
}

export function queryResponseToJson(response: QueryResponse): Json {
  const ops = response.proofOps.map((op) => ({
    type: op.type,
    key: bytes(op.key),
    data: bytes(op.data),
  }));
  return {
    code: response.code,
    log: response.log,
    info: response.info,
    index: integer(response.index),
    key: bytes(response.key),
    value: bytes(response.value),
    proofOps: ops.length === 0 ? null : { ops },
    height: integer(response.height),
    codespace: response.codespace,
  };
}

function eventToJson(event: AbciEvent): Json {
  return omitEmpty({
    type: event.type,
    attributes: event.attributes.map((attribute) => ({ ...attribute })),
  });
}

/** `tendermint.crypto.PublicKey`: a oneof, so an interface inside `Sum`. */
function protoKeyToJson(key: PublicKey): Json {
  const names = { ed25519: "PublicKey_Ed25519", secp256k1: "PublicKey_Secp256K1" } as const;
  return {
    Sum: {
      type: `tendermint.crypto.${names[key.type]}`,
      value: { [key.type]: toBase64(key.bytes) },
    },
  };
}
