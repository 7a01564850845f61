/** Limits of the block rules (design.md §5). */
export const LISTS_PART_BYTES_MAX = 4_096;
export const EXTENSION_BYTES_MAX = 65_536;
