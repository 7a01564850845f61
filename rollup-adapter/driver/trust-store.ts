/** The trusted state on disk: one small file, replaced atomically and synced with its folder. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { formatTime, parseTime } from "../../proto/time.ts";
import type { TrustedState } from "../client/header-chain.ts";

export type TrustStoreErrorInfo =
  /** The file is there and cannot be understood. */
  { readonly code: "TRUST_STORE_INVALID"; readonly path: string };

export interface TrustStore {
  load(): Promise<TrustedState | undefined>;
  /** Durable when it resolves. */
  save(state: TrustedState): Promise<void>;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const schema = z.strictObject({
  chain_id: z.string(),
  height: z.number().int().min(0),
  block_hash: hash.optional(),
  time: z.string().optional(),
  next_validators_hash: hash,
});

export function createFileTrustStore(path: string): TrustStore {
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        // No file yet is how every rollup starts.
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
      return parse(path, text);
    },
    async save(state) {
      const json: z.infer<typeof schema> = {
        chain_id: state.chainId,
        height: state.height,
        ...(state.blockHash === undefined ? {} : { block_hash: toHex(state.blockHash) }),
        ...(state.time === undefined ? {} : { time: formatTime(state.time) }),
        next_validators_hash: toHex(state.nextValidatorsHash),
      };
      await replaceFile(path, `${JSON.stringify(json)}\n`);
    },
  };
}

function parse(path: string, text: string): TrustedState {
  try {
    const json = schema.parse(JSON.parse(text));
    return {
      chainId: json.chain_id,
      height: Height(json.height),
      blockHash: json.block_hash === undefined ? undefined : fromHex(json.block_hash),
      time: json.time === undefined ? undefined : parseTime(json.time),
      nextValidatorsHash: fromHex(json.next_validators_hash),
    };
  } catch (cause) {
    throw new WeftError<TrustStoreErrorInfo>(
      { code: "TRUST_STORE_INVALID", path },
      `${path} is not a trusted state; remove it to start again from the configured trust`,
      { cause },
    );
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
