/**
 * Proof of faults that only the application punishes, as files that an operator submits: a transaction needs
 * an account that pays its fee and takes the reward, which a node has not.
 */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import type { DuplicateProposal, SignedProposal } from "../../proto/codec/staking-tx.ts";
import type { Proposal } from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import type { EngineEventOf } from "../engine/event-bus.ts";
import type { Logger } from "../ports/logger.ts";
import { evidenceToJson } from "./evidence-file.ts";
import { FOUND_EVIDENCE_FILES_MAX } from "./limits.ts";

export interface FoundEvidence {
  /** Writes a file for it, once. A failure is logged: the node goes on without. */
  proposedTwice(found: EngineEventOf<"ConflictingProposals">): void;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

/** `directory`: made with the first file. Full: nothing more is written, and the log says so. */
export function createFoundEvidence(
  options: { readonly directory: string; readonly filesMax?: number },
  deps: { readonly logger: Logger },
): FoundEvidence {
  const { directory, filesMax = FOUND_EVIDENCE_FILES_MAX } = options;
  const { logger } = deps;
  let turn: Promise<void> = Promise.resolve();

  async function write(found: EngineEventOf<"ConflictingProposals">): Promise<void> {
    await mkdir(directory, { recursive: true });
    const { first, proposer } = found;
    const validator = toHex(validatorAddress(proposer));
    const name = `duplicate-proposal-${first.height}-${first.round}-${validator}.json`;
    const names = await readdir(directory);
    if (names.includes(name)) return;
    const file = join(directory, name);
    if (names.length >= filesMax) {
      logger.warn("evidence not written: the directory is full, remove what has been submitted", {
        file,
        files: names.length,
      });
      return;
    }
    const json = JSON.stringify(evidenceToJson(evidenceOf(found)), undefined, 2);
    await writeFile(file, `${json}\n`, { flag: "wx" });
    logger.warn("evidence written: submit it with weft tx staking submit-evidence", { file });
  }

  return {
    proposedTwice(found) {
      turn = turn
        .then(() => write(found))
        .catch((error: unknown) => logger.error("evidence could not be written", { error }));
    },
    idle: () => turn,
  };
}

function evidenceOf({
  first,
  second,
  proposer,
}: EngineEventOf<"ConflictingProposals">): DuplicateProposal {
  return {
    kind: "duplicateProposal",
    consensusKey: proposer.bytes,
    height: first.height,
    round: first.round,
    first: signedProposal(first),
    second: signedProposal(second),
  };
}

function signedProposal({ polRound, blockId, timestamp, signature }: Proposal): SignedProposal {
  return {
    polRound,
    blockHash: blockId.hash,
    partsTotal: blockId.partSetHeader.total,
    partsHash: blockId.partSetHeader.hash,
    timeSeconds: timestamp.seconds,
    timeNanos: timestamp.nanos,
    signature,
  };
}
