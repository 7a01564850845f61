import type { Block } from "@ethereumjs/block";
import type { TypedTransaction } from "@ethereumjs/tx";
import { type RunTxResult, runTx } from "@ethereumjs/vm";
import type { StateDb } from "./state-db.ts";
import type { AccessWatch, Machine } from "./virtual-machine.ts";

/** Why the machine did not run a transaction that had passed its checks. */
export interface RefusedByMachine {
  readonly refusal: unknown;
}

/**
 * Runs one transaction on the machine's state. A refusal is the library's verdict on these bytes, the same on every node, and
 * the machine has undone what the transaction did. Throws when storage or the machine fails: a failed read may look like any
 * other error once it has passed through the library, and memory and stack are no function of the chain, so these must stop
 * the node, not fork it.
 * @param options.db what the machine reads
 * @param options.watch told of what its calls touch
 */
export async function runTransaction(
  machine: Machine,
  transaction: TypedTransaction,
  options: {
    readonly db: StateDb;
    /** The block in which it believes to be. */
    readonly draft: Block;
    /** Gas of those before it in the block. */
    readonly blockGasUsed: bigint;
    readonly watch: AccessWatch | undefined;
  },
): Promise<RunTxResult | RefusedByMachine> {
  const { db, draft, blockGasUsed, watch } = options;
  machine.watchCalls(watch);
  try {
    return await runTx(machine.vm, {
      tx: transaction,
      block: draft,
      blockGasUsed,
      skipHardForkValidation: true,
    });
  } catch (cause) {
    if (db.failure !== undefined) throw db.failure;
    if (cause instanceof RangeError) throw cause;
    return { refusal: cause };
  } finally {
    machine.watchCalls(undefined);
  }
}
