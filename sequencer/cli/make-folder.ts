import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { cliError } from "./cli-error.ts";

/** Makes a folder and those above it, for their owner only. @throws WeftError<CliErrorInfo> FILE */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // What the system says of it is not always why: of a read-only file system Node says ENOENT.
    const { why, cause } = whyNoFolder(path, accessSync) ?? { why: "", cause: error };
    throw cliError("FILE", `cannot make the folder ${path}${why}; choose another folder`, cause);
  }
}

/** What the nearest thing that is there keeps a folder from being made; undefined when it does not. */
export function whyNoFolder(
  path: string,
  access: typeof accessSync,
): { readonly why: string; readonly cause?: unknown } | undefined {
  let at = resolve(path);
  let found = lookAt(at);
  while (found === undefined && dirname(at) !== at) {
    at = dirname(at);
    found = lookAt(at);
  }
  if (found?.isDirectory() === false) return { why: `: ${at} is there and is no folder` };
  try {
    access(at, constants.W_OK);
    return undefined;
  } catch (cause) {
    const isReadOnly = cause instanceof Error && "code" in cause && cause.code === "EROFS";
    const why = isReadOnly
      ? `: the file system of ${at} is read-only`
      : `: this user may not write in ${at}`;
    return { why, cause };
  }
}

function lookAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // Below a file (ENOTDIR) or in a folder that may not be looked into: the one above tells.
    return undefined;
  }
}
