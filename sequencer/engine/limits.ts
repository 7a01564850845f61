/** Limits of the engine. A full input queue drops the peer message and counts it. */
export const PEER_INPUT_QUEUE_MAX = 1_000;
