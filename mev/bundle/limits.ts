/** Blocks for which a bundle that stands in one keeps others of its key out: none that was valid then is valid after. */
export const KEY_USED_BLOCKS = 100;
