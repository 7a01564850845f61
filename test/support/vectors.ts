/**
 * Expected results that others wrote, kept beside the repository: `../shared/vectors`, or the folder
 * that WEFT_VECTORS names. Without them the tests that need them are skipped with a plain message;
 * where CI is set they fail instead, so that nobody takes silence for agreement.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The folder of the vectors, whether it exists or not. */
export function vectorsFolder(): string {
  return process.env["WEFT_VECTORS"] ?? resolve(REPOSITORY, "../shared/vectors");
}

/** Whether the vectors are here. */
export function hasVectors(): boolean {
  return existsSync(join(vectorsFolder(), "README.md"));
}

/**
 * For `beforeEach` of a suite over vectors: skips its tests without them, fails them where CI is set.
 *
 *     describe("blocks of Go nodes", () => { beforeEach(needVectors); ... });
 */
export function needVectors(context: { readonly skip: (note?: string) => unknown }): void {
  if (hasVectors()) return;
  const message = `no vectors at ${vectorsFolder()}; set WEFT_VECTORS to their folder`;
  if (process.env["CI"] !== undefined) throw new Error(message);
  context.skip(message);
}

/** Text of one vector file. */
export function vectorText(...path: readonly string[]): string {
  return readFileSync(join(vectorsFolder(), ...path), "utf8");
}

/** Names of the files in a folder of vectors, sorted. */
export function vectorFiles(folder: string, ending = ".json"): readonly string[] {
  return readdirSync(join(vectorsFolder(), folder))
    .filter((name) => name.endsWith(ending))
    .toSorted();
}
