import { bytesToDigest } from "../../proto/hash.ts";

/** Where transactions come from that others hold and this node does not. */
export interface BodySource {
  /**
   * Items of these transaction ids (32 bytes each), as far as somebody sends them; nobody has looked at their
   * signatures. Never rejects.
   */
  get(ids: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
}

/** What a node that asks others is asked itself. */
export interface HeldBodies {
  /** The item of a transaction id that this node holds. */
  readonly item: (id: Uint8Array) => Uint8Array | undefined;
  /** The transaction id of an item; undefined for bytes that are no transaction of this chain. */
  readonly idOf: (item: Uint8Array) => Uint8Array | undefined;
}

/** Sources that are asked one after the other, for what those before did not have. */
export function bodySources(sources: readonly BodySource[], idOf: HeldBodies["idOf"]): BodySource {
  return {
    async get(ids) {
      const found: Uint8Array[] = [];
      let missing = ids;
      for (const source of sources) {
        if (missing.length === 0) break;
        const items = await source.get(missing);
        found.push(...items);
        const has = new Set(items.map((item) => textOf(idOf(item))));
        missing = missing.filter((id) => !has.has(textOf(id)));
      }
      return found;
    },
  };
}

function textOf(id: Uint8Array | undefined): string {
  return id === undefined ? "" : bytesToDigest(id);
}
