import { Height } from "../../proto/brands.ts";
import { encodeConsensusParams, encodeValidatorSet } from "../../proto/codec/types.ts";
import { assert } from "../../proto/errors.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import type { FinalizeBlockResponse } from "../abci/application.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import { decodeChainState, encodeChainState } from "./chain-state-codec.ts";
import type { ChainState } from "./chain-state.ts";
import { StoreError } from "./errors.ts";
import {
  decodeFinalizeBlockResponse,
  encodeFinalizeBlockResponse,
} from "./finalize-response-codec.ts";
import type { KeyValueStore, KeyValueWrite } from "./key-value-store.ts";
import { heightKey } from "./keys.ts";
import { PRUNE_BLOCKS_PER_STEP_MAX, VALIDATORS_CHECKPOINT_HEIGHTS } from "./limits.ts";
import {
  decodeParamsEntry,
  decodeValidatorsEntry,
  encodeEntry,
  GENESIS_KEY,
  PARAMS,
  PRUNED_KEY,
  readHeightBytes,
  RESPONSE,
  STATE_KEY,
  VALIDATORS,
} from "./state-entries.ts";
import { Rotations } from "./rotations.ts";
import type { StateStore } from "./state-store.ts";

/**
 * A state store on a key-value store. Takes the key-value store over: `close` closes it.
 * @param yieldToLoop between the pieces of a long rotation
 */
export function createStateStore(
  store: KeyValueStore,
  { yieldToLoop }: { readonly yieldToLoop?: YieldToLoop } = {},
): StateStore {
  const rotations = new Rotations(yieldToLoop);

  async function read<T>(
    key: Uint8Array,
    decoder: (bytes: Uint8Array) => T,
  ): Promise<T | undefined> {
    const bytes = await store.get(key);
    if (bytes === undefined) return undefined;
    try {
      return decoder(bytes);
    } catch (cause) {
      const name = new TextDecoder().decode(key);
      throw new StoreError(
        { code: "STORE_CORRUPTED", key: name },
        `the state store is damaged at ${JSON.stringify(name)}: expected what was written; check the disk and restore the data directory, or sync anew`,
        { cause },
      );
    }
  }

  /** The set of `height` as it is stored, at its last change or a checkpoint. */
  async function storedSet(
    height: Height,
  ): Promise<{ readonly storedAt: Height; readonly set: ValidatorSet } | undefined> {
    const entry = await read(heightKey(VALIDATORS, height), decodeValidatorsEntry);
    if (entry === undefined) return undefined;
    const { storedAt } = entry;
    const set =
      entry.set ?? (await read(heightKey(VALIDATORS, storedAt), decodeValidatorsEntry))?.set;
    return set && { storedAt, set };
  }

  return {
    load: () => read(STATE_KEY, decodeChainState),

    async save(state, response) {
      const next = Height(Math.max(state.lastBlockHeight + 1, state.initialHeight));
      const writes: KeyValueWrite[] = [
        { type: "put", key: STATE_KEY, value: encodeChainState(state) },
        {
          type: "put",
          key: heightKey(PARAMS, next),
          value: encodeEntry(state.lastHeightConsensusParamsChanged, next, () =>
            encodeConsensusParams(state.consensusParams),
          ),
        },
      ];
      const putValidators = (height: number, storedAt: number, set: ValidatorSet): void => {
        writes.push({
          type: "put",
          key: heightKey(VALIDATORS, height),
          value: encodeEntry(storedAt, height, () => encodeValidatorSet(set)),
        });
      };
      if (state.lastBlockHeight === 0) putValidators(next, next, state.validators);
      const after = next + 1;
      putValidators(after, storedAt(state, after), state.nextValidators);
      if (response !== undefined) writes.push(putResponse(state.lastBlockHeight, response));
      await store.write(writes);
    },

    async bootstrap(state) {
      const last = state.lastBlockHeight;
      assert(state.lastValidators !== undefined, "a state to begin with has a last block");
      const sets = [state.lastValidators, state.validators, state.nextValidators];
      const inFull = (prefix: string, height: number, encodeValue: () => Uint8Array) =>
        ({
          type: "put",
          key: heightKey(prefix, height),
          value: encodeEntry(height, height, encodeValue),
        }) as const;
      await store.write([
        { type: "put", key: STATE_KEY, value: encodeChainState(state) },
        { type: "put", key: PRUNED_KEY, value: heightKey("", last) },
        inFull(PARAMS, last + 1, () => encodeConsensusParams(state.consensusParams)),
        ...sets.map((set, at) => inFull(VALIDATORS, last + at, () => encodeValidatorSet(set))),
      ]);
    },

    genesisDigest: () => store.get(GENESIS_KEY),

    saveGenesisDigest: (digest) => store.write([{ type: "put", key: GENESIS_KEY, value: digest }]),

    async validators(height) {
      const stored = await storedSet(height);
      return stored && rotations.advance(stored.set, stored.storedAt, height);
    },

    async hashedValidators(height) {
      const stored = await storedSet(height);
      return stored && hashedValidatorSet(stored.set);
    },

    async consensusParams(height) {
      const entry = await read(heightKey(PARAMS, height), decodeParamsEntry);
      if (entry === undefined || entry.params !== undefined) return entry?.params;
      return (await read(heightKey(PARAMS, entry.storedAt), decodeParamsEntry))?.params;
    },

    saveFinalizeBlockResponse: (height, response) => store.write([putResponse(height, response)]),

    finalizeBlockResponse: (height) =>
      read(heightKey(RESPONSE, height), decodeFinalizeBlockResponse),

    async prune(retainHeight) {
      const pruned = await read(PRUNED_KEY, readHeightBytes);
      // A chain may begin far above 1.
      const from = pruned ?? (await read(STATE_KEY, decodeChainState))?.initialHeight ?? 1;
      const to = Math.min(retainHeight, from + PRUNE_BLOCKS_PER_STEP_MAX);
      if (to <= from) return;
      // What the heights that stay refer to stays with them.
      const set = await read(heightKey(VALIDATORS, retainHeight), decodeValidatorsEntry);
      const params = await read(heightKey(PARAMS, retainHeight), decodeParamsEntry);
      const writes: KeyValueWrite[] = [];
      for (let height = from; height < to; height++) {
        if (height !== set?.storedAt) {
          writes.push({ type: "del", key: heightKey(VALIDATORS, height) });
        }
        if (height !== params?.storedAt) {
          writes.push({ type: "del", key: heightKey(PARAMS, height) });
        }
        writes.push({ type: "del", key: heightKey(RESPONSE, height) });
      }
      writes.push({ type: "put", key: PRUNED_KEY, value: heightKey("", to) });
      await store.write(writes, { sync: false });
    },

    close: () => store.close(),
  };
}

function putResponse(height: Height, response: FinalizeBlockResponse): KeyValueWrite {
  const value = encodeFinalizeBlockResponse(response);
  return { type: "put", key: heightKey(RESPONSE, height), value };
}

/** Where the set of `height` is stored in full: at its last change, or at a later checkpoint. */
function storedAt(state: ChainState, height: number): number {
  const checkpoint = height - (height % VALIDATORS_CHECKPOINT_HEIGHTS);
  return Math.max(state.lastHeightValidatorsChanged, checkpoint);
}
