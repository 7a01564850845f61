/**
 * What a rollup checks before it believes that blocks without a message of their own hold nothing for it: under each
 * header the manifest, and in that the absence of every rollup of the stream.
 */
import { type Refusal, refusal } from "../refusal.ts";
import {
  type Absence,
  type ManifestRefusal,
  type RollupSlice,
  verifyAbsence,
  verifyManifestItem,
} from "./manifest.ts";

/** A block that holds nothing for any rollup of a stream, below its header. */
export interface OmittedSlice extends Pick<RollupSlice, "manifest" | "manifestProof"> {
  /** One for each rollup, in the order of the stream. */
  readonly absences: readonly Absence[];
}

export type OmittedRefusal =
  | ManifestRefusal
  /** Not one proof for each rollup. */
  | Refusal<"OMITTED_ROLLUPS">;

/** `dataHash` is the header's and was verified by the caller. Undefined: it holds nothing for any of the rollups. */
export function verifyOmitted(
  dataHash: Uint8Array,
  rollupIds: readonly Uint8Array[],
  { manifest: item, manifestProof, absences }: OmittedSlice,
): OmittedRefusal | undefined {
  if (absences.length !== rollupIds.length) {
    return refusal(
      "OMITTED_ROLLUPS",
      `expected the absence of ${rollupIds.length} rollups, got ${absences.length}`,
    );
  }
  const manifest = verifyManifestItem(dataHash, item, manifestProof);
  if ("code" in manifest) return manifest;
  for (const [index, rollupId] of rollupIds.entries()) {
    const absence = absences[index] ?? { neighbours: [] };
    const refused = verifyAbsence(manifest, rollupId, absence);
    if (refused !== undefined) return refused;
  }
  return undefined;
}
