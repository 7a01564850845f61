/**
 * The engine's state, validators, parameters and the application's answers between our store and
 * CometBFT's (`state/store.go`). Answers are carried over byte by byte. Nothing is durable before the
 * caller syncs the files.
 */
import { Height } from "../../../proto/brands.ts";
import { encodeConsensusParams, encodeValidatorSet } from "../../../proto/codec/types.ts";
import { decodeChainState, encodeChainState } from "../../store/chain-state-codec.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { decodeFinalizeBlockResponse } from "../../store/finalize-response-codec.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { heightKey } from "../../store/keys.ts";
import { VALIDATORS_CHECKPOINT_HEIGHTS } from "../../store/limits.ts";
import {
  decodeParamsEntry,
  decodeValidatorsEntry,
  encodeEntry,
  PARAMS,
  PRUNED_KEY,
  RESPONSE,
  STATE_KEY,
  VALIDATORS,
} from "../../store/state-entries.ts";
import { type OnProgress, required } from "./blocks.ts";
import { BulkWriter } from "./bulk-writer.ts";
import {
  LAST_RESPONSE_KEY,
  paramsKey,
  responseKey,
  STATE_KEY as COMET_STATE_KEY,
  validatorsKey,
} from "./comet-keys.ts";
import {
  decodeCometState,
  decodeLastResponse,
  decodeParamsInfo,
  decodeValidatorsInfo,
  encodeCometState,
  encodeLastResponse,
  encodeParamsInfo,
  encodeValidatorsInfo,
  type ParamsInfo,
  type ValidatorsInfo,
} from "./comet-values.ts";
import { damaged } from "./errors.ts";
import { HEIGHTS_PER_TURN, PROGRESS_HEIGHTS } from "./limits.ts";

/** The state that CometBFT would go on from; undefined before its first start. */
export async function cometState(store: KeyValueStore): Promise<ChainState | undefined> {
  if ((await store.get(COMET_STATE_KEY)) === undefined) return undefined;
  return required(store, COMET_STATE_KEY, decodeCometState);
}

/** Our state store, given by its keys and values; `undefined` when it holds none. */
export async function copyStatesToComet(
  from: KeyValueStore,
  to: KeyValueStore,
  onProgress: OnProgress,
): Promise<void> {
  const bytes = await from.get(STATE_KEY);
  if (bytes === undefined) return;
  const state = decodeChainState(bytes);
  const last = state.lastBlockHeight + 2;
  const out = new BulkWriter(to);
  for await (const [key, value] of from.entries(heights(VALIDATORS))) {
    const height = heightOf(key);
    const { storedAt, set } = decodeValidatorsEntry(value);
    await out.put(
      validatorsKey(height),
      encodeValidatorsInfo({ set, lastHeightChanged: storedAt }),
    );
    if (height % PROGRESS_HEIGHTS === 0) onProgress(height, last);
  }
  for await (const [key, value] of from.entries(heights(PARAMS))) {
    const { storedAt, params } = decodeParamsEntry(value);
    const info = { params, lastHeightChanged: storedAt };
    await out.put(paramsKey(heightOf(key)), encodeParamsInfo(info));
  }
  let newest: { readonly height: Height; readonly response: Uint8Array } | undefined;
  for await (const [key, response] of from.entries(heights(RESPONSE))) {
    const height = heightOf(key);
    decodeFinalizeBlockResponse(response);
    await out.put(responseKey(height), response);
    newest = { height, response };
  }
  if (newest !== undefined) await out.put(LAST_RESPONSE_KEY, encodeLastResponse(newest));
  await out.put(COMET_STATE_KEY, encodeCometState(state));
  await out.flush();
}

/** @throws CometStoreError STORE_COMETBFT_DAMAGED */
export async function copyStatesFromComet(
  from: KeyValueStore,
  to: KeyValueStore,
  onProgress: OnProgress,
): Promise<void> {
  const state = await cometState(from);
  if (state === undefined) return;
  const out = new BulkWriter(to);
  const next = Math.max(state.lastBlockHeight + 1, state.initialHeight);
  const copy = new FromComet(from, out);
  // From the newest down to the first that is missing: pruned heights, or those before state sync.
  let first = next + 2;
  for (let isWhole = true; isWhole && first > 1; ) {
    const count = Math.min(HEIGHTS_PER_TURN, first - 1);
    const turn = Array.from({ length: count }, (_, i) => Height(first - 1 - i));
    const found = await Promise.all(turn.map((height) => copy.height(height, next)));
    const missing = found.indexOf(false);
    isWhole = missing === -1;
    first -= isWhole ? count : missing;
    if (turn.some((height) => height % PROGRESS_HEIGHTS === 0)) onProgress(first, next);
  }
  await copy.lastResponse();
  if (first > state.initialHeight) await out.put(PRUNED_KEY, heightKey("", first));
  await out.put(STATE_KEY, encodeChainState(state));
  await out.flush();
}

class FromComet {
  readonly #from: KeyValueStore;
  readonly #out: BulkWriter;
  /** Heights below what is walked through whose entries others refer to; few: sets change seldom. */
  readonly #full = new Set<string>();

  constructor(from: KeyValueStore, out: BulkWriter) {
    this.#from = from;
    this.#out = out;
  }

  /** All of one height; false when nothing is kept of it. */
  async height(height: Height, next: number): Promise<boolean> {
    const [hasSet, hasParams] = await Promise.all([
      this.#validators(height),
      height <= next && this.#params(height),
      this.#response(height),
    ]);
    return hasSet || hasParams;
  }

  async #validators(height: Height): Promise<boolean> {
    const key = validatorsKey(height);
    if ((await this.#from.get(key)) === undefined) return false;
    const { set, lastHeightChanged } = await required(this.#from, key, decodeValidatorsInfo);
    const storedAt = set === undefined ? storedAtOf(height, lastHeightChanged) : height;
    if (set === undefined) await this.#validatorsInFull(storedAt);
    await this.#putValidators(height, storedAt, set);
    return true;
  }

  async #params(height: Height): Promise<boolean> {
    const key = paramsKey(height);
    if ((await this.#from.get(key)) === undefined) return false;
    const { params, lastHeightChanged } = await required(this.#from, key, decodeParamsInfo);
    const storedAt = params === undefined ? lastHeightChanged : height;
    if (params === undefined) await this.#paramsInFull(storedAt);
    await this.#putParams(height, storedAt, params);
    return true;
  }

  async #response(height: Height): Promise<void> {
    const bytes = await this.#from.get(responseKey(height));
    if (bytes === undefined) return;
    await this.#putResponse(height, bytes);
  }

  /** The only one there is where CometBFT is told to keep none. */
  async lastResponse(): Promise<void> {
    if ((await this.#from.get(LAST_RESPONSE_KEY)) === undefined) return;
    const last = await required(this.#from, LAST_RESPONSE_KEY, decodeLastResponse);
    if (last.response.length > 0) await this.#putResponse(last.height, last.response);
  }

  async #validatorsInFull(height: number): Promise<void> {
    if (this.#isNew(`validators ${height}`)) {
      const key = validatorsKey(height);
      const { set } = await required<ValidatorsInfo>(this.#from, key, decodeValidatorsInfo);
      if (set === undefined) throw damaged(`validators of height ${height}`);
      await this.#putValidators(height, height, set);
    }
  }

  async #paramsInFull(height: number): Promise<void> {
    if (this.#isNew(`params ${height}`)) {
      const { params } = await required<ParamsInfo>(
        this.#from,
        paramsKey(height),
        decodeParamsInfo,
      );
      if (params === undefined) throw damaged(`consensus parameters of height ${height}`);
      await this.#putParams(height, height, params);
    }
  }

  #isNew(name: string): boolean {
    if (this.#full.has(name)) return false;
    this.#full.add(name);
    return true;
  }

  async #putResponse(height: Height, bytes: Uint8Array): Promise<void> {
    try {
      decodeFinalizeBlockResponse(bytes);
    } catch (cause) {
      throw damaged(`the application's answer of height ${height}`, cause);
    }
    await this.#out.put(heightKey(RESPONSE, height), bytes);
  }

  async #putValidators(height: number, at: number, set: ValidatorsInfo["set"]): Promise<void> {
    const encoded = set === undefined ? undefined : encodeValidatorSet(set);
    await this.#putEntry(VALIDATORS, height, at, encoded);
  }

  async #putParams(height: number, at: number, params: ParamsInfo["params"]): Promise<void> {
    const encoded = params === undefined ? undefined : encodeConsensusParams(params);
    await this.#putEntry(PARAMS, height, at, encoded);
  }

  async #putEntry(
    prefix: string,
    height: number,
    storedAt: number,
    encoded: Uint8Array | undefined,
  ): Promise<void> {
    const value =
      encoded === undefined ? heightKey("", storedAt) : encodeEntry(height, height, () => encoded);
    await this.#out.put(heightKey(prefix, height), value);
  }
}

/** Where a set that is not in full at `height` is: at its change, or at a later checkpoint. */
function storedAtOf(height: number, lastHeightChanged: number): number {
  const checkpoint = height - (height % VALIDATORS_CHECKPOINT_HEIGHTS);
  return Math.max(checkpoint, lastHeightChanged);
}

function heights(prefix: string) {
  return { from: heightKey(prefix, 0), to: heightKey(prefix, Number.MAX_SAFE_INTEGER) };
}

function heightOf(key: Uint8Array): Height {
  return Height(Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)));
}
