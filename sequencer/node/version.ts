/** Versions this node announces (spec §0). */
export const VERSION = {
  weft: "0.1.0",
  /** Release line whose wire and rules the embedded engine follows. */
  cometbft: "0.38.25",
  abci: "2.0.0",
  p2p: 8,
  block: 11,
} as const;
