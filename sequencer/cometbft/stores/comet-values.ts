/** Values of CometBFT's databases (`state/types.proto`, `store/types.proto`; local to a node). */
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { readVersion, writeVersion } from "../../../proto/codec/block.ts";
import { decode } from "../../../proto/codec/reader.ts";
import {
  readHeight,
  readPartialConsensusParams,
  readValidatorSet,
  writeConsensusParams,
  writeValidatorSet,
} from "../../../proto/codec/types.ts";
import { encode } from "../../../proto/codec/writer.ts";
import { Height } from "../../../proto/brands.ts";
import type { ConsensusParams, ConsensusVersion, ValidatorSet } from "../../../proto/types.ts";
import {
  decodeChainState,
  encodeChainState,
  type VersionForm,
} from "../../store/chain-state-codec.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { RESPONSE_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";

/** The release whose formats these are; its state names it. */
const COMETBFT_VERSION = "0.38.25";

const NAMED_VERSION: VersionForm = {
  write(writer, version) {
    writer.message(1, version, writeVersion);
    writer.string(2, COMETBFT_VERSION);
  },
  read(reader) {
    let version: ConsensusVersion = { block: 0n, app: 0n };
    while (reader.next()) {
      if (reader.field === 1) version = reader.message(readVersion);
      else if (reader.field === 2) reader.string(TEXT_BYTES_MAX);
      else reader.unknown();
    }
    return version;
  },
};

export function encodeCometState(state: ChainState): Uint8Array {
  return encodeChainState(state, NAMED_VERSION);
}

export function decodeCometState(bytes: Uint8Array): ChainState {
  return decodeChainState(bytes, NAMED_VERSION);
}

/** Heights that the block store holds; both 0 when it is empty. */
export interface BlockRange {
  readonly base: Height;
  readonly height: Height;
}

export function encodeBlockRange(range: BlockRange): Uint8Array {
  return encode((writer, { base, height }) => {
    writer.int(1, base);
    writer.int(2, height);
  }, range);
}

export function decodeBlockRange(bytes: Uint8Array): BlockRange {
  return decode(
    (reader) => {
      let [base, height] = [Height(0), Height(0)];
      while (reader.next()) {
        if (reader.field === 1) base = readHeight(reader);
        else if (reader.field === 2) height = readHeight(reader);
        else reader.unknown();
      }
      // Written before there was a base.
      return { base: height > 0 && base === 0 ? Height(1) : base, height };
    },
    bytes,
    "lenient",
  );
}

/** A set, or where it was written last: at the height of its change or at a later checkpoint. */
export interface ValidatorsInfo {
  readonly set: ValidatorSet | undefined;
  readonly lastHeightChanged: Height;
}

export function encodeValidatorsInfo(info: ValidatorsInfo): Uint8Array {
  return encode((writer, { set, lastHeightChanged }) => {
    if (set !== undefined) writer.message(1, set, writeValidatorSet);
    writer.int(2, lastHeightChanged);
  }, info);
}

export function decodeValidatorsInfo(bytes: Uint8Array): ValidatorsInfo {
  return decode(
    (reader) => {
      let set: ValidatorSet | undefined;
      let lastHeightChanged = Height(0);
      while (reader.next()) {
        if (reader.field === 1) set = reader.message(readValidatorSet);
        else if (reader.field === 2) lastHeightChanged = readHeight(reader);
        else reader.unknown();
      }
      return { set, lastHeightChanged };
    },
    bytes,
    "lenient",
  );
}

export interface ParamsInfo {
  readonly params: ConsensusParams | undefined;
  readonly lastHeightChanged: Height;
}

export function encodeParamsInfo(info: ParamsInfo): Uint8Array {
  return encode((writer, { params, lastHeightChanged }) => {
    // Not a pointer there: a message without fields stands for none.
    writer.message(1, params, (inner, value) => {
      if (value !== undefined) writeConsensusParams(inner, value);
    });
    writer.int(2, lastHeightChanged);
  }, info);
}

export function decodeParamsInfo(bytes: Uint8Array): ParamsInfo {
  return decode(
    (reader) => {
      let params: ConsensusParams | undefined;
      let lastHeightChanged = Height(0);
      while (reader.next()) {
        if (reader.field === 1) {
          const { block, evidence, validator, version, abci } = reader.message(
            readPartialConsensusParams,
          );
          if (block === undefined && evidence === undefined && validator === undefined) continue;
          if (!block || !evidence || !validator) throw reader.missing("group of parameters");
          params = {
            block,
            evidence,
            validator,
            version: version ?? { app: 0n },
            abci: abci ?? { voteExtensionsEnableHeight: Height(0) },
          };
        } else if (reader.field === 2) lastHeightChanged = readHeight(reader);
        else reader.unknown();
      }
      return { params, lastHeightChanged };
    },
    bytes,
    "lenient",
  );
}

/** An answer to FinalizeBlock as it is stored, and the height that it is for. */
export interface LastResponse {
  readonly height: Height;
  readonly response: Uint8Array;
}

export function encodeLastResponse(last: LastResponse): Uint8Array {
  return encode(
    (writer, { height, response }) => {
      writer.int(2, height);
      writer.bytesElement(3, response);
    },
    last,
    last.response.length + 32,
  );
}

export function decodeLastResponse(bytes: Uint8Array): LastResponse {
  return decode(
    (reader) => {
      let height = Height(0);
      let response = EMPTY_BYTES;
      while (reader.next()) {
        if (reader.field === 2) height = readHeight(reader);
        else if (reader.field === 3) response = reader.bytesCopy(RESPONSE_BYTES_MAX);
        else reader.unknown();
      }
      return { height, response };
    },
    bytes,
    "lenient",
  );
}

/** google.protobuf.Int64Value: the height that evidence was committed for. */
export function encodeHeightValue(height: number): Uint8Array {
  return encode((writer, value) => writer.int(1, value), height);
}
