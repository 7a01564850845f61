/** Limits of the block rules; those that are part of a format live in `proto/codec`. */
/** Roots of lists of manifests that are kept for the blocks of one height; when there are more, all are let go of. */
export const LIST_ROOTS_KEPT_MAX = 4_096;
export { EXTENSION_BYTES_MAX, LISTED_TXS_MAX } from "../proto/codec/weft-extension.ts";
export { INJECTED_ENTRIES_MAX, LISTS_BYTES_MAX } from "../proto/codec/weft-block.ts";
