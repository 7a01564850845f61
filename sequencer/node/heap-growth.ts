import { setFlagsFromString } from "node:v8";
import { HEAP_GROWING_PERCENT } from "./limits.ts";

/**
 * Lets the heap grow further between collections than V8 would by itself; call it once, at the start of a
 * process that runs a node. Blocks and transactions pass through as buffers, which V8 counts as growth of
 * a heap that is itself small: a saturated validator collected it several times a second, for a third of
 * its CPU time. V8 still keeps half of what is left below its maximum in reserve.
 */
export function growHeapBetweenCollections(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
