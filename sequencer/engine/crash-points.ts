/**
 * Points between the durable steps of a height, in order (spec/cometbft-v0.38.md §10.5, §15.4). A test
 * stops the process, or copies its disk, at each of them; in production nothing listens.
 */
export type CrashPoint =
  | "blockDecided"
  | "blockSaved"
  | "endHeightSynced"
  | "blockFinalized"
  | "responseSaved"
  | "applicationCommitted"
  | "stateSaved"
  | "beforeSign"
  | "afterSign";

export type OnCrashPoint = (point: CrashPoint, height: number) => void | Promise<void>;
