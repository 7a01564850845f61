/** The signer that keeps key and state in files (spec/cometbft-v0.38.md §15.3; `privval/file.go`). */
import { EMPTY_BYTES, bytesEqual } from "../../../proto/bytes.ts";
import { isNilBlockId } from "../../../proto/codec/canonical.ts";
import { decodeDelimited, type Reader } from "../../../proto/codec/reader.ts";
import { readTimestamp } from "../../../proto/codec/types.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../../proto/sign-bytes.ts";
import { SignedMsgType, type Proposal, type Timestamp, type Vote } from "../../../proto/types.ts";
import type { FileSystem } from "../../ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import { PrivValidatorError } from "./errors.ts";
import { loadKeyFile, type ValidatorKey } from "./key-file.ts";
import type { PrivValidator } from "./priv-validator.ts";
import { SignStep, openSignStateFile, type SignState, type SignStateFile } from "./sign-state.ts";

export interface FilePrivValidatorOptions {
  readonly keyPath: string;
  readonly statePath: string;
  /** The block store is empty: a missing state file is made instead of refused. */
  readonly isFresh: boolean;
  /** Where the state is kept; the real one when it is not given. */
  readonly fileSystem?: FileSystem;
}

export interface FilePrivValidator extends PrivValidator {
  /** What was signed last. */
  readonly lastSigned: SignState;
  close(): Promise<void>;
}

/** @throws PrivValidatorError when a file is missing, unreadable or readable by others. */
export async function openFilePrivValidator(
  options: FilePrivValidatorOptions,
): Promise<FilePrivValidator> {
  const key = loadKeyFile(options.keyPath);
  const fileSystem = options.fileSystem ?? NODE_FILE_SYSTEM;
  const stateFile = await openSignStateFile(options.statePath, options.isFresh, fileSystem);
  return createFilePrivValidator(key, stateFile);
}

/** The signer of a key whose state is open already; closing it closes the state. */
export function createFilePrivValidator(
  key: ValidatorKey,
  stateFile: SignStateFile,
): FilePrivValidator {
  return new KeyInFile(key, stateFile);
}

interface Signed {
  readonly timestamp: Timestamp;
  readonly signature: Uint8Array;
}

/** Number of the timestamp's field in CanonicalVote and CanonicalProposal. */
const VOTE_TIMESTAMP = 5;
const PROPOSAL_TIMESTAMP = 6;
const SIGN_BYTES_MAX = 4_096;

class KeyInFile implements FilePrivValidator {
  readonly #key: ValidatorKey;
  readonly #file: SignStateFile;
  /** What was signed last; the file follows. */
  #last: SignState;
  #isSaved: Promise<void> = Promise.resolve();

  constructor(key: ValidatorKey, file: SignStateFile) {
    this.#key = key;
    this.#file = file;
    this.#last = file.state;
  }

  get lastSigned(): SignState {
    return this.#last;
  }

  async publicKey() {
    return this.#key.publicKey;
  }

  async signVote(chainId: string, vote: Vote, isExtended: boolean): Promise<Vote> {
    const step = voteStep(vote);
    const { height, round, timestamp } = vote;
    const signed = this.#sign(height, round, step, timestamp, VOTE_TIMESTAMP, (timestamp) =>
      voteSignBytes(chainId, { ...vote, timestamp }),
    );
    const hasExtension = isExtended && step === SignStep.PRECOMMIT && !isNilBlockId(vote.blockId);
    return {
      ...vote,
      ...signed,
      extension: hasExtension ? vote.extension : EMPTY_BYTES,
      extensionSignature: hasExtension
        ? this.#key.sign(voteExtensionSignBytes(chainId, vote))
        : EMPTY_BYTES,
    };
  }

  async signProposal(chainId: string, proposal: Proposal): Promise<Proposal> {
    const { height, round, timestamp } = proposal;
    const step = SignStep.PROPOSE;
    const signed = this.#sign(height, round, step, timestamp, PROPOSAL_TIMESTAMP, (timestamp) =>
      proposalSignBytes(chainId, { ...proposal, timestamp }),
    );
    return { ...proposal, ...signed };
  }

  settled(): Promise<void> {
    return this.#isSaved;
  }

  async remember(chainId: string, signed: Vote | Proposal): Promise<number | undefined> {
    const { height, round, signature } = signed;
    const isProposal = !("type" in signed);
    const step = isProposal ? SignStep.PROPOSE : voteStep(signed);
    const known = this.#last;
    const isNews = compareSteps({ height, round, step }, known) > 0;
    if (isNews) {
      const signBytes = isProposal
        ? proposalSignBytes(chainId, signed)
        : voteSignBytes(chainId, signed);
      this.#advance({ height, round, step, signed: { signature, signBytes } });
    }
    await this.settled();
    return isNews ? known.height : undefined;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#isSaved]);
    await this.#file.close();
  }

  #sign(
    height: number,
    round: number,
    step: SignStep,
    timestamp: Timestamp,
    timestampField: number,
    signBytesAt: (timestamp: Timestamp) => Uint8Array,
  ): Signed {
    const last = this.#last;
    const order = compareSteps({ height, round, step }, last);
    if (order < 0) {
      throw new PrivValidatorError(
        { code: "PRIVVAL_REGRESSION", last: at(last), asked: at({ height, round, step }) },
        `refused to sign at ${at({ height, round, step })}: ${at(last)} was signed already`,
      );
    }
    if (order === 0 && last.signed !== undefined) {
      const { signature, signBytes } = last.signed;
      const before = timestampOf(signBytes, timestampField);
      // The very same message but for its time: what was signed then is sent again.
      if (before !== undefined && bytesEqual(signBytesAt(before), signBytes)) {
        return { timestamp: before, signature };
      }
      throw new PrivValidatorError(
        { code: "PRIVVAL_CONFLICTING_DATA", at: at(last) },
        `refused to sign twice at ${at(last)}: something else was signed there`,
      );
    }
    const signBytes = signBytesAt(timestamp);
    const signature = this.#key.sign(signBytes);
    this.#advance({ height, round, step, signed: { signature, signBytes } });
    return { timestamp, signature };
  }

  /** From here on the guard compares with this, whether the disk has it yet or not. */
  #advance(state: SignState): void {
    this.#last = state;
    this.#isSaved = this.#isSaved.then(() => this.#file.save(state));
    // Whoever asks whether it is settled hears of a failure.
    this.#isSaved.catch(() => {});
  }
}

function voteStep({ type }: Vote): SignStep {
  return type === SignedMsgType.PREVOTE ? SignStep.PREVOTE : SignStep.PRECOMMIT;
}

/** The time inside sign bytes; undefined when they are not of this kind of message. */
function timestampOf(signBytes: Uint8Array, field: number): Timestamp | undefined {
  const find = (reader: Reader): Timestamp | undefined => {
    let found: Timestamp | undefined;
    while (reader.next()) {
      if (reader.field === field) found = reader.message(readTimestamp);
      else reader.unknown();
    }
    return found;
  };
  return decodeDelimited(find, signBytes, "lenient", SIGN_BYTES_MAX);
}

type SignPoint = Pick<SignState, "height" | "round" | "step">;

function compareSteps(a: SignPoint, b: SignPoint): number {
  return a.height - b.height || a.round - b.round || a.step - b.step;
}

function at({ height, round, step }: SignPoint): string {
  return `height ${height}, round ${round}, ${STEP_NAMES[step]}`;
}

const STEP_NAMES = ["nothing", "proposal", "prevote", "precommit"] as const;
