/**
 * Where the `cometbft` program is: `$WEFT_COMETBFT`, else `ops/cometbft/bin` of this installation (built
 * by `npm run cometbft`), else `$PATH`, there only the very version that is pinned.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CometBftError } from "./errors.ts";
import { VERSION_BYTES_MAX, VERSION_TIMEOUT_MS } from "./limits.ts";

/** The version that `ops/cometbft/go.mod` pins; a test compares the two. */
export const COMETBFT_VERSION = "0.38.25";
const RELEASE_LINE = "0.38.";
const HOW_TO_GET = `"npm run cometbft" builds it (needs Go); or set WEFT_COMETBFT to a cometbft ${COMETBFT_VERSION}; the embedded engine needs neither`;

const HOW_TO_UNSET =
  "without it (unset WEFT_COMETBFT) the one that npm run cometbft built is taken, else that of PATH";

export interface CometBftBinary {
  /** Absolute. */
  readonly path: string;
  /** What `cometbft version` says, such as `0.38.25`. */
  readonly version: string;
}

export interface BinaryPlaces {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The folder with `ops/`; default: the one that this file was installed in. */
  readonly installation?: string | undefined;
  /** How long a program may take to say its version; default: VERSION_TIMEOUT_MS. */
  readonly versionTimeoutMs?: number | undefined;
}

/**
 * Finds a `cometbft` that may be run. `$WEFT_COMETBFT` is an operator's word: any 0.38 is taken from there.
 * @throws CometBftError COMETBFT_NOT_FOUND, COMETBFT_UNUSABLE, COMETBFT_VERSION_WRONG
 */
export async function findCometBft(places: BinaryPlaces): Promise<CometBftBinary> {
  const named = places.environment["WEFT_COMETBFT"];
  const timeoutMs = places.versionTimeoutMs ?? VERSION_TIMEOUT_MS;
  if (named !== undefined && named !== "") {
    if (isProgram(named)) return namedProgram(path.resolve(named), timeoutMs);
    throw new CometBftError(
      { code: "COMETBFT_NOT_FOUND", places: [named] },
      `WEFT_COMETBFT is ${named}, ${whyNoProgram(named)}: expected the path of a cometbft ${COMETBFT_VERSION}; ${HOW_TO_UNSET}`,
    );
  }
  const own = builtProgram("cometbft", places.installation);
  if (own !== undefined) return checked(own, isPinned, timeoutMs);
  const searched = (places.environment["PATH"] ?? "").split(path.delimiter).filter(Boolean);
  const onPath = searched.map((folder) => path.join(folder, "cometbft")).find(isProgram);
  if (onPath !== undefined) return checked(path.resolve(onPath), isPinned, timeoutMs);
  throw new CometBftError(
    { code: "COMETBFT_NOT_FOUND", places: ["WEFT_COMETBFT", "ops/cometbft/bin", "PATH"] },
    `there is no cometbft in WEFT_COMETBFT, ops/cometbft/bin or PATH: ${HOW_TO_GET}`,
  );
}

/** A program that `npm run cometbft` built, such as `abci-cli`; undefined when it did not. */
export function builtProgram(
  name: "cometbft" | "abci-cli" | "cometbft-load-test",
  installation = installationOf(path.dirname(fileURLToPath(import.meta.url))),
): string | undefined {
  if (installation === undefined) return undefined;
  const file = path.join(installation, "ops", "cometbft", "bin", name);
  return isProgram(file) ? file : undefined;
}

/** The nearest folder at or above `folder` that has our Go module; sources and `dist` lie at different depths. */
function installationOf(folder: string): string | undefined {
  for (let at = folder; ; at = path.dirname(at)) {
    const module = path.join(at, "ops", "cometbft", "go.mod");
    if (statSync(module, { throwIfNoEntry: false }) !== undefined) return at;
    if (path.dirname(at) === at) return undefined;
  }
}

/** What the operator named, with how to take that back in whatever is wrong with it. */
async function namedProgram(file: string, timeoutMs: number): Promise<CometBftBinary> {
  try {
    return await checked(file, isOfReleaseLine, timeoutMs);
  } catch (error) {
    if (!(error instanceof CometBftError)) throw error;
    const message = `WEFT_COMETBFT: ${error.message}; ${HOW_TO_UNSET}`;
    throw new CometBftError(error.info, message, { cause: error.cause });
  }
}

function whyNoProgram(named: string): string {
  const found = statSync(named, { throwIfNoEntry: false });
  if (found === undefined) return "and there is no program of that name";
  if (found.isDirectory()) return "which is a folder, not the program in it";
  return "which this user may not run";
}

async function checked(
  file: string,
  isWanted: (version: string) => boolean,
  timeoutMs: number,
): Promise<CometBftBinary> {
  const version = await versionOf(file, timeoutMs);
  if (isWanted(version)) return { path: file, version };
  throw new CometBftError(
    { code: "COMETBFT_VERSION_WRONG", path: file, version },
    `${file} is CometBFT ${version}, expected ${COMETBFT_VERSION}: ${HOW_TO_GET}`,
  );
}

const isPinned = (version: string): boolean => version === COMETBFT_VERSION;
const isOfReleaseLine = (version: string): boolean => version.startsWith(RELEASE_LINE);

function versionOf(file: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      // A program that hangs may not heed less.
      killSignal: "SIGKILL",
      maxBuffer: VERSION_BYTES_MAX,
    } as const;
    execFile(file, ["version"], options, (error, stdout, stderr) => {
      // A commit's hash may follow a plus sign.
      const version = /^v?(\d+\.\d+\.\d+[^\s+]*)/.exec(stdout)?.[1];
      if (error === null && version !== undefined) return resolve(version);
      const said =
        error === null ? stdout.slice(0, 200) : `${error.message} ${stderr}`.slice(0, 400);
      const fault =
        error?.killed === true && error.signal === "SIGKILL"
          ? `did not answer within ${timeoutMs / 1_000} s and was ended: is it a cometbft?`
          : `did not say a version: ${said.trim() === "" ? "it said nothing" : said.trim()}`;
      reject(
        new CometBftError(
          { code: "COMETBFT_UNUSABLE", path: file },
          `"${file} version" ${fault}; expected ${COMETBFT_VERSION}; ${HOW_TO_GET}`,
          error === null ? undefined : { cause: error },
        ),
      );
    });
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // Not there, or not ours to run: either way not a program for us.
    return false;
  }
}
