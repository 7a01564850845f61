/** Validators that `weft testnet` and `weft dev` make at most. */
export const TESTNET_VALIDATORS_MAX = 100;
/** Time `weft dev` gives the whole network to answer before it says what is missing. */
export const DEV_START_TIMEOUT_MS = 60_000;
/** How long `weft tx` waits for its transaction to be in a block. */
export const TX_WAIT_MS = 60_000;
/** Time a graceful stop of one process may take before it is ended anyway. */
export const STOP_TIMEOUT_MS = 12_000;
/** Time the processes of `weft dev` get to stop by themselves. */
export const DEV_STOP_GRACE_MS = 15_000;
/** How long a replay may wait for its payloads to be ordered and executed. */
export const REPLAY_TIMEOUT_MS = 120_000;
/** Heights between snapshots of `weft dev`: some minutes of its chain. */
export const DEV_SNAPSHOT_INTERVAL = 500;
/** nweft of the account that a new network's genesis funds, unless told otherwise. */
export const GENESIS_BALANCE_DEFAULT = 1_000_000_000_000_000_000n;
/** nweft that a new network's genesis gives to the operator of each validator, for fees. */
export const OPERATOR_BALANCE = 1_000_000_000_000n;
/** Voting power of one validator of a new network at most. */
export const TESTNET_POWER_MAX = 1_000_000_000n;
/** A last block that is older is worth a sentence in `weft status`. */
export const HEAD_OLD_AFTER_MS = 15_000;
/** `weft light` looks for a newer header this often, so that its trust does not expire while idle. */
export const LIGHT_UPDATE_MS = 10_000;
/** The primary has so long to open a WebSocket of `weft light` and to answer on it. */
export const UPSTREAM_TIMEOUT_MS = 5_000;
/** Bytes of one event that is passed on: a whole block with its results. */
export const EVENT_BYTES_MAX: number = 256 << 20;
/** `--port-offset` at most: the highest port of the largest network stays below 65536. */
export const PORT_OFFSET_MAX = 30_000;
/** Processes named when their ports are taken. */
export const PORTS_SHOWN_MAX = 3;
/** How long the holder of a port may take to say who it is. */
export const PORT_PROBE_MS = 2_000;
