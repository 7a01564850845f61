/**
 * Which end-to-end files run on both engines (`npm run test:cometbft`), and why the others do not. A test
 * holds the lists against the folder.
 */

/** What is about the application and what a node offers, whoever makes the blocks. */
export const BOTH_ENGINES: readonly string[] = [
  "atomic-swap",
  "bad-input",
  "cli",
  "commits",
  "crash",
  "evm-crash",
  "gateway",
  "governance",
  "light",
  "listed",
  "mev-byzantine",
  "mev-owner",
  "mev-searcher",
  "network",
  "op-geth",
  "peer-exchange",
  "pruning",
  "replay",
  "rollup-stream",
  "rpc",
  "sealed",
  "sealed-four",
  "sealed-keys",
  "sealed-rollup",
  "set-changes",
  "staking",
  "staking-cli",
  "state-sync",
];

/** Of those, what runs on CometBFT by default too: a good minute. */
export const COMETBFT_SLICE: readonly string[] = ["network", "bad-input", "pruning", "rpc"];

/** Files that run on the embedded engine alone, or choose their engines themselves, and why. */
export const ONE_ENGINE: Readonly<Record<string, string>> = {
  attack: "floods the doors of the embedded engine: its JSON-RPC and its peer port",
  "bench-compare": "measures both engines itself",
  "block-sync":
    "is about the embedded engine's block sync and its return to it, which CometBFT lacks; test/interop has both kinds fetch from each other",
  "double-sign":
    "has a validator of the embedded engine sign twice; test/interop has CometBFT find it, and sign twice itself",
  "engine-switch": "changes the engine of its nodes itself",
  evidence:
    "is about the embedded engine's evidence pool, which takes an offence once and has words of its own; CometBFT takes every piece that verifies, and test/interop has it judge ours",
  "executor-conformance": "starts no node",
  "hostile-peers": "attacks the embedded engine's peer-to-peer code",
  maintenance: "is about weft db, wal and rollback, which mend the embedded engine's data",
  partition: "is about the embedded engine's heartbeats and redials; CometBFT's own are slower",
  "remote-signer":
    "has a node that dials its signer, which CometBFT cannot; test/interop has CometBFT's own code speak with our signer",
  "sim-mutations": "starts no node",
  "staking-mutations": "starts no node",
  "staking-hundred": "has a hundred embedded engines in one process",
  "staking-slash":
    "has a validator of the embedded engine sign twice; test/interop has the same before CometBFT's validators",
  cometbft: "is about CometBFT as the engine",
  unheard: "is about what the command line writes, which is the same code with either engine",
};
