/**
 * How far the sequencer's order was followed above the client's head, where it held nothing for the rollup; and the
 * network that it is bound to. A small file: when it is lost, empty heights are fed again, that is all. Where the head
 * stands in the order, the head itself says.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { replaceFile } from "../replace-file.ts";

export interface StoredPosition {
  readonly sequencerChainId: string;
  readonly startHeight: Height;
  /** Valid on top of this rollup block only, 32 bytes. */
  readonly headHash: Uint8Array;
  /** The last height that was taken, and its block's hash. */
  readonly height: Height;
  readonly blockHash: Uint8Array;
}

export interface PositionStore {
  load(): Promise<StoredPosition | undefined>;
  save(position: StoredPosition): Promise<void>;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const schema = z.strictObject({
  sequencer_chain_id: z.string(),
  start_height: z.number().int().min(1),
  head_hash: hash,
  height: z.number().int().min(0),
  block_hash: hash,
});

export function createFilePositionStore(path: string): PositionStore {
  return {
    async load() {
      let json: unknown;
      try {
        json = JSON.parse(await readFile(path, "utf8"));
      } catch {
        return undefined; // not there, or torn by the crash of a disk: it only saves work
      }
      const parsed = schema.safeParse(json);
      if (!parsed.success) return undefined;
      return {
        sequencerChainId: parsed.data.sequencer_chain_id,
        startHeight: Height(parsed.data.start_height),
        headHash: fromHex(parsed.data.head_hash),
        height: Height(parsed.data.height),
        blockHash: fromHex(parsed.data.block_hash),
      };
    },
    async save(position) {
      const json: z.infer<typeof schema> = {
        sequencer_chain_id: position.sequencerChainId,
        start_height: position.startHeight,
        head_hash: toHex(position.headHash),
        height: position.height,
        block_hash: toHex(position.blockHash),
      };
      await replaceFile(path, `${JSON.stringify(json)}\n`);
    },
  };
}
