/** A network under comparison, whichever engine and application it runs. */
import { startNetwork } from "../network.ts";

export interface ComparedNetwork {
  readonly validators: readonly ComparedValidator[];
  /** Rejects when a process of it ends by itself. */
  readonly failed: Promise<never>;
  stop(): Promise<unknown>;
}

export interface ComparedValidator {
  readonly name: string;
  readonly pids: readonly number[];
  /** host:port of CometBFT's JSON-RPC */
  readonly rpc: string;
  /** host:port of our gRPC services, of validators that have them */
  readonly grpc: string | undefined;
}

/** Our engine with our application. */
export async function startWeftNetwork(options: {
  readonly validators: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isProfiled: boolean;
  readonly isVerbose: boolean;
}): Promise<ComparedNetwork> {
  const network = await startNetwork(options);
  return {
    ...network,
    validators: network.validators.map(({ name, pid, rpc, grpc }) => ({
      name,
      pids: [pid],
      rpc,
      grpc,
    })),
  };
}

/**
 * Stops the processes where they stand: two networks on one machine take turns, and the one that waits
 * takes nothing from the other.
 */
export function freeze({ validators }: ComparedNetwork): void {
  signalAll(validators, "SIGSTOP");
}

export function thaw({ validators }: ComparedNetwork): void {
  signalAll(validators, "SIGCONT");
}

function signalAll(validators: readonly ComparedValidator[], signal: NodeJS.Signals): void {
  for (const pid of validators.flatMap(({ pids }) => pids)) process.kill(pid, signal);
}
