/** The log told to the core again (spec/cometbft-v0.38.md §15.2). */
import { decodeBlock } from "../../proto/codec/block.ts";
import { Height } from "../../proto/brands.ts";
import { PartSet } from "../../proto/part-set.ts";
import type { Part, Proposal, Vote } from "../../proto/types.ts";
import type { ConsensusInput } from "../consensus/inputs.ts";
import type { Logger } from "../ports/logger.ts";
import type { ChainState } from "../store/chain-state.ts";
import { nextHeight } from "./chain-state.ts";
import { EngineError } from "./errors.ts";
import type { WalEntry } from "./wal/wal-entry.ts";
import type { WriteAheadLog } from "./wal/write-ahead-log.ts";

/** What the log holds of the height under way. */
export interface LoggedHeight {
  /** Undefined when the height was not begun before. */
  readonly startDelayMs: number | undefined;
  readonly inputs: readonly ConsensusInput[];
}

/**
 * Reads the inputs of the height that `state` is about to decide, and makes sure that the log ends
 * the one before.
 * @throws EngineError ENGINE_REPLAY when the log knows the end of a height that the stores lack.
 */
export async function loadLoggedHeight(
  state: ChainState,
  wal: WriteAheadLog,
  logger: Logger,
): Promise<LoggedHeight> {
  const height = nextHeight(state);
  if (await wal.hasEndHeight(height)) {
    throw new EngineError(
      { code: "ENGINE_REPLAY", height },
      `cannot start: the write-ahead log has seen the end of height ${height}, the stores end at ${state.lastBlockHeight}: expected stores that are not older than the log. Restore the whole data directory`,
    );
  }
  const lastHeight = height === state.initialHeight ? Height(0) : Height(height - 1);
  const entries = await wal.entriesAfter(lastHeight);
  if (entries !== undefined) return entriesToHeight(entries, height);
  // A crash between saving the block and marking its end, or blocks that came from elsewhere.
  logger.warn("no end of the last height in the write-ahead log, starting the height anew", {
    lastHeight,
  });
  wal.append({ kind: "endHeight", height: lastHeight });
  await wal.sync();
  return { startDelayMs: undefined, inputs: [] };
}

/** Inputs in order, blocks of ours joined from their parts. */
export function entriesToHeight(entries: readonly WalEntry[], height: Height): LoggedHeight {
  let startDelayMs: number | undefined;
  const inputs: ConsensusInput[] = [];
  let createdParts: Part[] = [];
  for (const entry of entries) {
    switch (entry.kind) {
      case "heightStarted":
        if (entry.height === height) startDelayMs ??= entry.startDelayMs;
        break;
      case "endHeight":
        break;
      case "createdPart":
        if (entry.part.index === 0) createdParts = [];
        createdParts.push(entry.part);
        break;
      case "blockCreated": {
        const partSet = new PartSet(entry.blockId.partSetHeader);
        for (const part of createdParts) partSet.add(part);
        const block = decodeBlock(partSet.bytes());
        inputs.push({ ...entry, block, parts: createdParts });
        createdParts = [];
        break;
      }
      case "proposalReceived":
      case "partReceived":
      case "voteReceived":
      case "majorityClaimed":
      case "timeoutElapsed":
      case "txsAvailable":
      case "blockValidated":
      case "proposalSigned":
      case "voteSigned":
        inputs.push(entry);
        break;
    }
  }
  return { startDelayMs, inputs };
}

/** What must be durable, here and at the signer, before its effects leave the process (§15.1). */
export function ownMessageOf(input: ConsensusInput): Vote | Proposal | undefined {
  if (input.kind === "proposalSigned") return input.proposal;
  return input.kind === "voteSigned" ? input.vote : undefined;
}
