/** What CometBFT's write-ahead log says that this node signed last (spec/cometbft-v0.38.md §15.1). */
import { bytesEqual } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import type { Vote } from "../../../proto/types.ts";
import { logFileNames, readLogFile } from "../../engine/wal/log-reader.ts";
import type { FileSystem } from "../../ports/file-system.ts";
import { decodeCometLogMessage } from "./comet-log-message.ts";
import { OWN_VOTE_FILES_MAX } from "./limits.ts";

/**
 * The last vote of the validator in the newest files of the log; undefined when they hold none. CometBFT
 * saves the signer's state before it logs a vote of its own: a state below this is a copy from before.
 */
export async function lastLoggedVote(
  directory: string,
  validatorAddress: Uint8Array,
  fileSystem: FileSystem,
): Promise<Vote | undefined> {
  const names = await logFileNames(directory, fileSystem);
  for (const name of names.slice(-OWN_VOTE_FILES_MAX).toReversed()) {
    const { records } = await readLogFile(directory, name, fileSystem);
    for (const { payload } of records.toReversed()) {
      const vote = ownVoteOf(payload);
      if (vote !== undefined && bytesEqual(vote.validatorAddress, validatorAddress)) return vote;
    }
  }
  return undefined;
}

function ownVoteOf(payload: Uint8Array): Vote | undefined {
  try {
    const logged = decodeCometLogMessage(payload);
    if (logged.kind !== "message" || logged.peerId !== "") return undefined;
    return logged.message.kind === "vote" ? logged.message.vote : undefined;
  } catch (error) {
    // CometBFT itself judges its log.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}
