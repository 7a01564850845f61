/**
 * Proof of faults that only the application punishes, as files that an operator submits: a transaction needs
 * an account that pays its fee and takes the reward, which a node has not. What a validator may submit for
 * free, its node submits itself (`seal-duties.ts`); the file is there should it not come to that.
 */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import type { SignedProposal, SubmittedEvidence } from "../../proto/codec/staking-tx.ts";
import type { Proposal } from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import type { EngineEventOf } from "../engine/event-bus.ts";
import type { Logger } from "../ports/logger.ts";
import { evidenceToJson } from "./evidence-file.ts";
import { FOUND_EVIDENCE_FILES_MAX } from "./limits.ts";

export interface FoundEvidence {
  /** Writes a file for it, once. A failure is logged: the node goes on without. */
  proposedTwice(found: EngineEventOf<"ConflictingProposals">): void;
  /** The same for a fault in shares, which a validator's node submits by itself as well. */
  sharedWrongly(evidence: SealEvidence): void;
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

  async function write(name: string, evidence: SubmittedEvidence): Promise<void> {
    await mkdir(directory, { recursive: true });
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
    const json = JSON.stringify(evidenceToJson(evidence), undefined, 2);
    await writeFile(file, `${json}\n`, { flag: "wx" });
    if (evidence.kind === "duplicateProposal") {
      logger.warn("evidence written: submit it with weft tx staking submit-evidence", { file });
    } else {
      logger.warn(
        "evidence written: the node of a validator submits it by itself, others with weft tx staking submit-evidence",
        { file },
      );
    }
  }

  function writeLater(name: string, evidence: () => SubmittedEvidence): void {
    turn = turn
      .then(() => write(name, evidence()))
      .catch((error: unknown) => logger.error("evidence could not be written", { error }));
  }

  return {
    proposedTwice(found) {
      const { first, proposer } = found;
      const validator = toHex(validatorAddress(proposer));
      const name = `duplicate-proposal-${first.height}-${first.round}-${validator}.json`;
      writeLater(name, () => evidenceOf(found));
    },
    sharedWrongly(evidence) {
      const { kind } = evidenceToJson(evidence);
      const name = `${kind}-${evidence.height}-${toHex(evidence.validator)}.json`;
      writeLater(name, () => evidence);
    },
    idle: () => turn,
  };
}

function evidenceOf({
  first,
  second,
  proposer,
}: EngineEventOf<"ConflictingProposals">): SubmittedEvidence {
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
