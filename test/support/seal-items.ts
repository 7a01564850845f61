/** Sealed transactions of a chain under test, for a key whose secret is known. */
import { createHash } from "node:crypto";
import { bucketOf, encodeContent, padContent, sealLabel } from "../../mev/seal/content.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, utf8ToBytes } from "../../proto/bytes.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { type Fee, type Replay, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";

const GROUP = createGroup();
const TDH2 = createTdh2(GROUP);

/** A secret scalar and its point, from a name. */
export function sealKeyPair(name: string): {
  readonly secret: Uint8Array;
  readonly point: Uint8Array;
} {
  const secret = GROUP.scalars.reduceWide(bytes64(`key ${name}`));
  return { secret, point: GROUP.mulBase(secret) };
}

export interface SealOptions {
  readonly chainId: string;
  /** Address of the account that sends it. */
  readonly sender: Uint8Array;
  readonly replay: Replay;
  readonly fee: Fee;
  readonly publicKey: Uint8Array;
  readonly key?: number;
  readonly maxHeight?: number;
  /** Randomness of the encryption follows from it. */
  readonly seed?: string;
}

/** `data` for each named rollup, sealed. */
export function sealFor(options: SealOptions, data: Readonly<Record<string, string>>): Sealed {
  const { key = 1, maxHeight = 1_000, seed = "seed", publicKey, ...rest } = options;
  const parts = Object.entries(data).map(([name, text]) => ({
    rollupId: rollupIdOfName(name),
    data: [utf8ToBytes(text)],
  }));
  const content = encodeContent(parts);
  const bucket = bucketOf(content.length);
  assert(bucket !== undefined, "what tests seal fits a bucket");
  const rollupIds = parts.map(({ rollupId }) => rollupId).sort(compareBytes);
  const { chainId, sender, replay, fee } = rest;
  const label = { chainId, key, rollupIds, sender, replay, maxHeight: Height(maxHeight), bucket };
  const randomness = { seed: bytes64(seed).subarray(0, 32), nonce: bytes64(`nonce ${seed}`) };
  const sealed = TDH2.encrypt(
    publicKey,
    sealLabel({ ...label, ...fee }),
    padContent(content, bucket),
    randomness,
  );
  return { kind: "sealed", key, rollupIds, maxHeight: Height(maxHeight), ...sealed };
}

function bytes64(text: string): Uint8Array {
  return new Uint8Array(createHash("sha512").update(text).digest());
}
