/**
 * Property tests draw the same cases on every run, so that CI is deterministic. WEFT_SEED draws
 * others: a number, or `random`; a failure prints the seed that repeats it.
 */
import { configureGlobal } from "fast-check";

const wanted = process.env["WEFT_SEED"] ?? "1";
if (wanted !== "random") configureGlobal({ seed: Number(wanted) });
