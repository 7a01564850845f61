/** Verified light blocks on disk. One folder, one chain, one process. */
import { ClassicLevel } from "classic-level";
import type { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { decodeLightBlock, encodeLightBlock } from "../../proto/codec/block.ts";
import { isWeftError, WeftError } from "../../proto/errors.ts";
import type { LightBlock } from "../../proto/types.ts";
import { validateLightBlock } from "../../proto/validate-basic.ts";
import type { TrustedStore } from "../../proto/verify/light/store.ts";
import { isLevelLocked } from "../../sequencer/ports/level-locked.ts";

export type TrustedStoreErrorInfo =
  /** The folder holds another chain. */
  | { readonly code: "TRUST_STORE_CHAIN"; readonly path: string }
  /** Another process has the folder open. */
  | { readonly code: "TRUST_STORE_LOCKED"; readonly path: string }
  /** What the folder holds is not what was written. */
  | { readonly code: "TRUST_STORE_INVALID"; readonly path: string };

export interface LevelTrustedStore extends TrustedStore {
  close(): Promise<void>;
}

const CHAIN_KEY = "chain";
const BLOCK_PREFIX = "block/";
/** Above every digit. */
const BLOCK_END = "block/~";

/** Opens or makes the store in `folder`. @throws WeftError<TrustedStoreErrorInfo> */
export async function openLevelTrustedStore(
  folder: string,
  chainId: string,
): Promise<LevelTrustedStore> {
  const level = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: "view" });
  await level.open().catch((cause: unknown) => {
    if (!isLevelLocked(cause)) throw cause;
    throw new WeftError<TrustedStoreErrorInfo>(
      { code: "TRUST_STORE_LOCKED", path: folder },
      `${folder} is in use by another light client; stop that one, or name another folder`,
      { cause },
    );
  });
  const chain = await level.get(CHAIN_KEY);
  const stored = chain && new TextDecoder().decode(chain);
  // A folder without headers is no chain's yet, whoever named one when nothing could be verified.
  if (stored !== undefined && stored !== chainId && (await holdsHeaders())) {
    await level.close();
    throw new WeftError<TrustedStoreErrorInfo>(
      { code: "TRUST_STORE_CHAIN", path: folder },
      `${folder} holds headers of chain ${stored}, not of ${chainId}; name another folder`,
    );
  }
  if (stored !== chainId) await level.put(CHAIN_KEY, utf8ToBytes(chainId));

  async function holdsHeaders(): Promise<boolean> {
    const keys = await level.keys({ gt: BLOCK_PREFIX, lt: BLOCK_END, limit: 1 }).all();
    return keys.length > 0;
  }

  function read(bytes: Uint8Array | undefined): LightBlock | undefined {
    if (bytes === undefined) return undefined;
    try {
      const block = decodeLightBlock(bytes);
      validateLightBlock(block, chainId);
      return block;
    } catch (cause) {
      if (!isWeftError(cause)) throw cause;
      throw new WeftError<TrustedStoreErrorInfo>(
        { code: "TRUST_STORE_INVALID", path: folder },
        `${folder} is damaged: ${cause.message}; remove it and begin again with a trusted height and hash`,
        { cause },
      );
    }
  }

  async function find(range: {
    readonly gt?: string;
    readonly lt?: string;
    readonly reverse?: boolean;
  }): Promise<LightBlock | undefined> {
    const [found] = await level
      .values({ gt: BLOCK_PREFIX, lt: BLOCK_END, ...range, limit: 1 })
      .all();
    return read(found);
  }

  return {
    get: async (height) => read(await level.get(keyOf(height))),
    first: () => find({}),
    last: () => find({ reverse: true }),
    before: (height) => find({ lt: keyOf(height), reverse: true }),
    after: (height) => find({ gt: keyOf(height) }),
    async put(block) {
      const operation = {
        type: "put" as const,
        key: keyOf(block.signedHeader.header.height),
        value: encodeLightBlock(block),
      };
      await level.batch([operation], { sync: true });
    },
    async prune(kept) {
      const keys = await level.keys({ gt: BLOCK_PREFIX, lt: BLOCK_END }).all();
      const removed = keys.splice(1, Math.max(0, keys.length - kept));
      if (removed.length > 0) await level.batch(removed.map((key) => ({ type: "del", key })));
    },
    close: () => level.close(),
  };
}

function keyOf(height: Height): string {
  return BLOCK_PREFIX + String(height).padStart(16, "0");
}
