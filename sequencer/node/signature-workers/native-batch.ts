/**
 * Whole batches of signatures at once, by the native module of `ops/ed25519-batch`: two to three times
 * as many in the same time. It is there where somebody built it (`npm run ed25519-batch`, needs Rust);
 * everybody else's node checks one by one and decides the same. Its "all are valid" is final, by the
 * ZIP-215 rule; after any other answer the signatures are decided one by one, as ever.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { WeftError } from "../../../proto/errors.ts";
import type { SignedItem } from "../../../proto/verify/ed25519.ts";
import type { Logger } from "../../ports/logger.ts";
import { NATIVE_BATCH_MIN } from "../limits.ts";
import { isPackable, packItems } from "./packing.ts";

/** What the module exports. */
export interface NativeBatch {
  /** Whether every signature of a batch, packed as in `packing.ts`, is valid. */
  areAllValid(packed: Uint8Array): boolean;
}

/** The module is there and cannot be used. */
export type NativeBatchError = WeftError<{ readonly code: "NATIVE_BATCH"; readonly file: string }>;

const isSource = import.meta.url.endsWith(".ts");
const MODULE_FILE = fileURLToPath(
  new URL(
    `../../../${isSource ? "" : "../"}ops/ed25519-batch/bin/ed25519-batch.node`,
    import.meta.url,
  ),
);

/**
 * The module of this installation; undefined where it was not built. Throws NATIVE_BATCH when it was
 * and does not load: it was built on another system, say.
 */
export function loadNativeBatch(file = MODULE_FILE): NativeBatch | undefined {
  if (!existsSync(file)) return undefined;
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)(file);
  } catch (cause) {
    throw unusable(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (!isNativeBatch(loaded)) throw unusable(file, "it has no function areAllValid");
  return loaded;
}

/** As `loadNativeBatch`, and undefined, with a warning, where it does not load: that costs speed, not the node. */
export function openNativeBatch(logger: Logger): NativeBatch | undefined {
  try {
    return loadNativeBatch();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn("signatures are checked one by one", { reason });
    return undefined;
  }
}

/** Whether `native` accepts all of them at once; false says nothing about any of them. */
export function areAcceptedAtOnce(
  native: NativeBatch | undefined,
  items: readonly SignedItem[],
): boolean {
  if (native === undefined || items.length < NATIVE_BATCH_MIN) return false;
  return items.every(isPackable) && native.areAllValid(packItems(items));
}

function isNativeBatch(loaded: unknown): loaded is NativeBatch {
  return (
    typeof loaded === "object" &&
    loaded !== null &&
    "areAllValid" in loaded &&
    typeof loaded.areAllValid === "function"
  );
}

function unusable(file: string, reason: string, cause?: unknown): NativeBatchError {
  return new WeftError(
    { code: "NATIVE_BATCH", file },
    `${file} cannot be used (${reason}); build it on this system with "npm run ed25519-batch", or remove it`,
    { cause },
  );
}
