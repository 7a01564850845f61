/**
 * `priv_validator_state.json` (spec/cometbft-v0.38.md §15.3): the last thing that was signed, in
 * CometBFT's format. It is durable, directory entry included, before a signature leaves the process.
 */
import { dirname } from "node:path";
import { fromBase64, fromHex, toBase64, toHex } from "../../../proto/bytes.ts";
import type { FileSystem, OpenFile } from "../../ports/file-system.ts";
import { PrivValidatorError } from "./errors.ts";

/** Steps as the file counts them. */
export const SignStep = { NONE: 0, PROPOSE: 1, PREVOTE: 2, PRECOMMIT: 3 } as const;
export type SignStep = (typeof SignStep)[keyof typeof SignStep];

export interface SignState {
  readonly height: number;
  readonly round: number;
  readonly step: SignStep;
  /** What was signed then; undefined before the first signature. */
  readonly signed: { readonly signature: Uint8Array; readonly signBytes: Uint8Array } | undefined;
}

/** What there is to do about a state that is not the newest. */
export const SIGN_STATE_REMEDY =
  "Restore the newest copy from this very machine; never one from a backup";

const EMPTY_STATE: SignState = { height: 0, round: 0, step: SignStep.NONE, signed: undefined };

export interface SignStateFile {
  readonly state: SignState;
  /** Durable when it resolves. After a failure every later call fails too. */
  save(state: SignState): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the state file. A missing one is made only when `isFresh`: on a home with blocks it would
 * forget what was signed.
 * @throws PrivValidatorError PRIVVAL_STATE_FILE
 */
export async function openSignStateFile(
  path: string,
  isFresh: boolean,
  fileSystem: FileSystem,
): Promise<SignStateFile> {
  const directory = await fileSystem.open(dirname(path), "read");
  try {
    // A process killed between rename and sync leaves a state that the power could still take back,
    // while what it allows to be sent again cannot be taken back.
    await directory.sync();
    const loaded = await readSignState(path, fileSystem);
    if (loaded === undefined && !isFresh) {
      throw new PrivValidatorError(
        { code: "PRIVVAL_STATE_FILE", path },
        `the signer's state ${path} is missing although this home holds blocks: signing now could contradict earlier votes and be slashed. ${SIGN_STATE_REMEDY}`,
      );
    }
    const file = new DurableStateFile(path, fileSystem, directory, loaded ?? EMPTY_STATE);
    if (loaded === undefined) await file.save(EMPTY_STATE);
    return file;
  } catch (error) {
    await directory.close();
    throw error;
  }
}

class DurableStateFile implements SignStateFile {
  state: SignState;
  readonly #path: string;
  readonly #fileSystem: FileSystem;
  readonly #directory: OpenFile;
  #failure: PrivValidatorError | undefined;

  constructor(path: string, fileSystem: FileSystem, directory: OpenFile, state: SignState) {
    this.#path = path;
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.state = state;
  }

  async save(state: SignState): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const temporary = `${this.#path}.new`;
      // Calls that only touch the page cache cost less than a turn of the thread pool; the disk is
      // waited for away from the loop.
      const file = this.#fileSystem.replaceSync(temporary);
      try {
        file.writeSync(stateToJson(state));
        await file.datasync();
      } finally {
        file.closeSync();
      }
      this.#fileSystem.renameSync(temporary, this.#path);
      // Without this the rename itself can be lost with the power (cometbft#6031).
      await this.#directory.sync();
    } catch (cause) {
      this.#failure = new PrivValidatorError(
        { code: "PRIVVAL_PERSIST_FAILED", path: this.#path },
        `the signer's state ${this.#path} cannot be written (${String(cause)}); nothing is signed any more: free the disk or replace it, then restart`,
        { cause },
      );
      throw this.#failure;
    }
    this.state = state;
  }

  close(): Promise<void> {
    return this.#directory.close();
  }
}

/**
 * What a state file says; undefined when there is none.
 * @throws PrivValidatorError PRIVVAL_STATE_FILE
 */
export async function readSignState(
  path: string,
  fileSystem: FileSystem,
): Promise<SignState | undefined> {
  try {
    const bytes = await fileSystem.readFile(path);
    if (bytes === undefined) return undefined;
    return stateFromJson(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw badFile(path, cause);
  }
}

function stateToJson({ height, round, step, signed }: SignState): string {
  const last = signed && {
    signature: toBase64(signed.signature),
    signbytes: toHex(signed.signBytes).toUpperCase(),
  };
  return `${JSON.stringify({ height: String(height), round, step, ...last }, undefined, 2)}\n`;
}

function stateFromJson(json: unknown): SignState {
  if (typeof json !== "object" || json === null) throw new RangeError("not a JSON object");
  const fields: Record<string, unknown> = Object.fromEntries(Object.entries(json));
  const text = fields["height"];
  const height = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  const { round, step, signature, signbytes } = {
    round: fields["round"] ?? 0,
    step: fields["step"] ?? 0,
    signature: fields["signature"],
    signbytes: fields["signbytes"],
  };
  const known = Object.values(SignStep).find((value) => value === step);
  if (!Number.isSafeInteger(height) || !Number.isSafeInteger(round) || known === undefined) {
    throw new RangeError("height, round or step is not a number in range");
  }
  if ((signature === undefined) !== (signbytes === undefined)) {
    throw new RangeError("signature and signbytes go together");
  }
  const signed =
    typeof signature === "string" && typeof signbytes === "string"
      ? { signature: fromBase64(signature), signBytes: fromHex(signbytes) }
      : undefined;
  if (signed === undefined && known !== SignStep.NONE) {
    throw new RangeError("something was signed, but signature and signbytes are not there");
  }
  return { height, round: Number(round), step: known, signed };
}

function badFile(path: string, cause: unknown): PrivValidatorError {
  return new PrivValidatorError(
    { code: "PRIVVAL_STATE_FILE", path },
    `the signer's state ${path} cannot be read (${String(cause)}): expected CometBFT's priv_validator_state.json. Do not delete it: without it this validator could sign twice`,
    { cause },
  );
}
