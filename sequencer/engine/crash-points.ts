/**
 * Points between the durable steps of a height, in order (spec/cometbft-v0.38.md §10.5, §15.4). A test
 * stops the process, or copies its disk, at each of them; in production nothing listens.
 */
export type CrashPoint =
  | "blockDecided"
  | "blockSaved"
  | "endHeightLogged"
  | "blockFinalized"
  | "stateSaved"
  | "applicationCommitted"
  | "beforeSign"
  | "ownMessageDurable";

export type OnCrashPoint = (point: CrashPoint, height: number) => void | Promise<void>;

/**
 * Every operation of the engine's ports by which something becomes durable, on its way to it included.
 * A process may die after any of them. `crash-operations.test.ts` lets it die after each one that a
 * height performs, and fails when one is performed that is not listed here, or listed and not performed.
 */
export const PERSIST_OPERATIONS = [
  // The write-ahead log: its head, and a full head that becomes `wal.000`, ...
  "log.makeDirectory",
  "log.open",
  "log.truncate",
  "log.writeSync",
  "log.datasync",
  "log.sync",
  "log.renameSync",
  // What the signer signed last; its directory is opened to be synced.
  "signer.open",
  "signer.replaceSync",
  "signer.writeSync",
  "signer.datasync",
  "signer.renameSync",
  "signer.sync",
  // Bytes of blocks of several parts, then the block itself; pruning.
  "blocks.makeDirectory",
  "blocks.open",
  "blocks.truncate",
  "blocks.sync",
  "blocks.writeSync",
  "blocks.datasync",
  "blockstore.write",
  // The answer to FinalizeBlock and the state after the block; pruning.
  "state.write",
  "evidence.write",
  // The application's own disk, as ABCI orders it.
  "application.initChain",
  "application.extendVote",
  "application.commit",
] as const;

/** Every call by which something leaves for other nodes. */
export const SEND_OPERATIONS = [
  "gossip.proposal",
  "gossip.part",
  "gossip.vote",
  "gossip.hasVote",
  "gossip.newRoundStep",
  "gossip.newValidBlock",
] as const;
