/** What a node says of itself, to balancers and supervisors. */
export type HealthStatus =
  /** Starting: stores open, handshake or replay under way. */
  | "starting"
  /** Running, but behind the chain. */
  | "syncing"
  /** Running, and no block comes: the chain stands, or this node is cut off from it. */
  | "stalled"
  /** Running and up with a chain that was halted on purpose: it answers, and waits for its operator. */
  | "halted"
  /** Running and up with the chain; signs when it is a validator. */
  | "ready"
  /** Stopped processing (spec §13.7), or cannot go on: an operator must act. */
  | "failed";

export interface HealthReport {
  readonly status: HealthStatus;
  /** Last committed height; 0 before the first. */
  readonly height: number;
  /** Why it is not ready, for people. */
  readonly reason?: string;
}

/** Whether clients should be sent here: nobody knows more of the chain. */
export function isServing({ status }: HealthReport): boolean {
  return status === "ready" || status === "halted";
}

/** Status code of `/health`, as validators' tools know it: 200 ready or halted, 206 syncing, 503 otherwise. */
export function healthStatusCode(status: HealthStatus): 200 | 206 | 503 {
  if (status === "ready" || status === "halted") return 200;
  return status === "syncing" ? 206 : 503;
}
