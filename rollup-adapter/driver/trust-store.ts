/** The trusted state on disk: one small file, replaced atomically and synced with its folder. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { formatTime, parseTime } from "../../proto/time.ts";
import { isMissingFile } from "../../sequencer/ports/node-file-system.ts";
import type { TrustedState } from "../client/header-chain.ts";
import { replaceFile } from "../replace-file.ts";

export type TrustStoreErrorInfo =
  /** The file is there and cannot be understood. */
  { readonly code: "TRUST_STORE_INVALID"; readonly path: string };

export interface TrustStore {
  /** The newest state kept whose height lies below `below`; left out: the newest. */
  load(below?: Height): Promise<TrustedState | undefined>;
  /** Durable when it resolves. */
  save(state: TrustedState): Promise<void>;
}

/** Older states are kept for executors that come back behind; so many at most, the denser the newer. */
const OLDER_STATES_MAX = 64;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const stateSchema = z.strictObject({
  height: z.number().int().min(0),
  block_hash: hash.optional(),
  time: z.string().optional(),
  next_validators_hash: hash,
});
const schema = stateSchema.extend({
  chain_id: z.string(),
  /** From old to new, all below `height`. */
  older: z.array(stateSchema).max(OLDER_STATES_MAX).default([]),
});

export function createFileTrustStore(path: string): TrustStore {
  async function read(): Promise<readonly TrustedState[]> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      // No file yet is how every rollup starts.
      if (isMissingFile(error)) return [];
      throw error;
    }
    return parse(path, text);
  }

  return {
    async load(below) {
      return (await read()).findLast(({ height }) => below === undefined || height < below);
    },
    async save(state) {
      // A state above the new one belongs to what is being verified again; it will be reached again.
      const older = (await read()).filter(
        ({ chainId, height }) => chainId === state.chainId && height < state.height,
      );
      const json: z.input<typeof schema> = {
        chain_id: state.chainId,
        ...toJson(state),
        older: thinned(older).map(toJson),
      };
      await replaceFile(path, `${JSON.stringify(json)}\n`);
    },
  };
}

/** Every second of the older half goes when there are too many. */
function thinned(older: readonly TrustedState[]): readonly TrustedState[] {
  if (older.length <= OLDER_STATES_MAX) return older;
  const half = OLDER_STATES_MAX / 2;
  return older.filter((_, i) => i >= half || i % 2 === 0).slice(-OLDER_STATES_MAX);
}

function toJson(state: TrustedState): z.infer<typeof stateSchema> {
  return {
    height: state.height,
    ...(state.blockHash === undefined ? {} : { block_hash: toHex(state.blockHash) }),
    ...(state.time === undefined ? {} : { time: formatTime(state.time) }),
    next_validators_hash: toHex(state.nextValidatorsHash),
  };
}

function parse(path: string, text: string): readonly TrustedState[] {
  try {
    const { chain_id: chainId, older, ...newest } = schema.parse(JSON.parse(text));
    return [...older, newest].map((json) => ({
      chainId,
      height: Height(json.height),
      blockHash: json.block_hash === undefined ? undefined : fromHex(json.block_hash),
      time: json.time === undefined ? undefined : parseTime(json.time),
      nextValidatorsHash: fromHex(json.next_validators_hash),
    }));
  } catch (cause) {
    throw new WeftError<TrustStoreErrorInfo>(
      { code: "TRUST_STORE_INVALID", path },
      `${path} is not a trusted state; remove it to start again from the configured trust`,
      { cause },
    );
  }
}
