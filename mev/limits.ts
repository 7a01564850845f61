/** Limits of the block rules; those that are part of a format live in `proto/codec`. */
export { EXTENSION_BYTES_MAX, LISTED_TXS_MAX } from "../proto/codec/weft-extension.ts";
export { INJECTED_ENTRIES_MAX, LISTS_BYTES_MAX } from "../proto/codec/weft-block.ts";
