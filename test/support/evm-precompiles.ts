/** Precompiles of an EVM rollup's node beside those of the library. */
import type { Common } from "@ethereumjs/common";
import { type ExecResult, getActivePrecompiles, type PrecompileInput } from "@ethereumjs/evm";
import { KECCAK256_RLP } from "@ethereumjs/util";
import { assert } from "../../proto/errors.ts";
import type { Pacer } from "../../rollup-adapter/evm/pacer.ts";
import { pacedPrecompiles } from "../../rollup-adapter/evm/precompiles/paced.ts";
import { StateDb } from "../../rollup-adapter/evm/state-db.ts";
import { createMachine } from "../../rollup-adapter/evm/virtual-machine.ts";

/** A pacer whose slice is over whenever it is asked. */
export function due(rest: () => Promise<void> = () => Promise.resolve()): Pacer {
  return { isDue: () => true, rest };
}

/** With an empty state. */
export async function machineOf(common: Common, pacer: Pacer) {
  const db = new StateDb(() => undefined);
  const blockHashes = () => undefined;
  return createMachine({ common, db, root: KECCAK256_RLP, blockHashes, pacer });
}

export interface PrecompileOutcome {
  readonly executionGasUsed: bigint;
  readonly returnValue: Uint8Array;
  readonly error: string | undefined;
}

/** @returns what the EVM gets of ours, and of the library's */
export async function comparePrecompiles(common: Common) {
  const { evm } = (await machineOf(common, due())).vm;
  const [theirs, paced] = [getActivePrecompiles(common), pacedPrecompiles(common, due())];
  return async (address: string, data: Uint8Array, gasLimit: bigint) => {
    const input = { data, gasLimit, common, _EVM: evm } as PrecompileInput;
    const library = theirs.get(address.slice(2));
    const ours = paced.find((one) => one.address === address)?.function;
    assert(library !== undefined && ours !== undefined, "both have it");
    return { ours: outcome(await ours(input)), library: outcome(await library(input)) };
  };
}

function outcome({ executionGasUsed, returnValue, exceptionError }: ExecResult): PrecompileOutcome {
  return { executionGasUsed, returnValue, error: exceptionError?.error };
}
