/** The engine's state as bytes, in the shape of CometBFT's `state/types.proto` State (local only). */
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { readVersion, writeVersion } from "../../proto/codec/block.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import {
  readBlockId,
  readConsensusParams,
  readHeight,
  readTimestamp,
  readValidatorSet,
  writeBlockId,
  writeConsensusParams,
  writeTimestamp,
  writeValidatorSet,
} from "../../proto/codec/types.ts";
import { encode, type Writer } from "../../proto/codec/writer.ts";
import { CHAIN_ID_BYTES_MAX, SHORT_BYTES_MAX } from "../../proto/limits.ts";
import {
  NIL_BLOCK_ID,
  ZERO_TIME,
  type ConsensusParams,
  type ConsensusVersion,
  type ValidatorSet,
} from "../../proto/types.ts";
import type { ChainState } from "./chain-state.ts";

/** How the first field is written: CometBFT's has the name of its version around ours. */
export interface VersionForm {
  write(writer: Writer, version: ConsensusVersion): void;
  read(reader: Reader): ConsensusVersion;
}

const BARE_VERSION: VersionForm = { write: writeVersion, read: readVersion };

export function encodeChainState(state: ChainState, form: VersionForm = BARE_VERSION): Uint8Array {
  return encode((writer, value) => writeChainState(writer, value, form), state, 4_096);
}

/** Throws a CodecError when a field that every state has is absent. */
export function decodeChainState(bytes: Uint8Array, form: VersionForm = BARE_VERSION): ChainState {
  return decode((reader) => readChainState(reader, form), bytes, "lenient");
}

function writeChainState(writer: Writer, state: ChainState, form: VersionForm): void {
  writer.message(1, state.version, (w, version) => form.write(w, version));
  writer.string(2, state.chainId);
  writer.int(3, state.lastBlockHeight);
  writer.message(4, state.lastBlockId, writeBlockId);
  writer.message(5, state.lastBlockTime, writeTimestamp);
  writer.message(6, state.nextValidators, writeValidatorSet);
  writer.message(7, state.validators, writeValidatorSet);
  if (state.lastValidators !== undefined) {
    writer.message(8, state.lastValidators, writeValidatorSet);
  }
  writer.int(9, state.lastHeightValidatorsChanged);
  writer.message(10, state.consensusParams, writeConsensusParams);
  writer.int(11, state.lastHeightConsensusParamsChanged);
  writer.bytes(12, state.lastResultsHash);
  writer.bytes(13, state.appHash);
  writer.int(14, state.initialHeight);
}

function readChainState(reader: Reader, form: VersionForm): ChainState {
  let version: ConsensusVersion = { block: 0n, app: 0n };
  let chainId = "";
  let [lastBlockHeight, initialHeight] = [Height(0), Height(0)];
  let [lastHeightValidatorsChanged, lastHeightConsensusParamsChanged] = [Height(0), Height(0)];
  let lastBlockId = NIL_BLOCK_ID;
  let lastBlockTime = ZERO_TIME;
  let nextValidators: ValidatorSet | undefined;
  let validators: ValidatorSet | undefined;
  let lastValidators: ValidatorSet | undefined;
  let consensusParams: ConsensusParams | undefined;
  let [lastResultsHash, appHash] = [EMPTY_BYTES, EMPTY_BYTES];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        version = reader.message((r) => form.read(r));
        break;
      case 2:
        chainId = reader.string(CHAIN_ID_BYTES_MAX);
        break;
      case 3:
        lastBlockHeight = readHeight(reader);
        break;
      case 4:
        lastBlockId = reader.message(readBlockId);
        break;
      case 5:
        lastBlockTime = reader.message(readTimestamp);
        break;
      case 6:
        nextValidators = reader.message(readValidatorSet);
        break;
      case 7:
        validators = reader.message(readValidatorSet);
        break;
      case 8:
        lastValidators = reader.message(readValidatorSet);
        break;
      case 9:
        lastHeightValidatorsChanged = readHeight(reader);
        break;
      case 10:
        consensusParams = reader.message(readConsensusParams);
        break;
      case 11:
        lastHeightConsensusParamsChanged = readHeight(reader);
        break;
      case 12:
        lastResultsHash = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 13:
        appHash = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 14:
        initialHeight = readHeight(reader);
        break;
      default:
        reader.unknown();
    }
  }
  if (nextValidators === undefined || validators === undefined || consensusParams === undefined) {
    throw reader.missing("validators or parameters of the state");
  }
  return {
    version,
    chainId,
    initialHeight,
    lastBlockHeight,
    lastBlockId,
    lastBlockTime,
    lastValidators,
    validators,
    nextValidators,
    lastHeightValidatorsChanged,
    consensusParams,
    lastHeightConsensusParamsChanged,
    lastResultsHash,
    appHash,
  };
}
