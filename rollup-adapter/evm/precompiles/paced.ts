/** Precompiles whose one call can take seconds, in place of the library's: the same results and gas, in slices. */
import type { Common } from "@ethereumjs/common";
import { type AddPrecompile, getActivePrecompiles } from "@ethereumjs/evm";
import { assert } from "../../../proto/errors.ts";
import type { Pacer } from "../pacer.ts";
import { pacedBlake2f } from "./blake2f.ts";
import { pacedModexp } from "./modexp.ts";

const PACED = [
  { address: "0x0000000000000000000000000000000000000005", paced: pacedModexp },
  { address: "0x0000000000000000000000000000000000000009", paced: pacedBlake2f },
] as const;

export function pacedPrecompiles(common: Common, pacer: Pacer): AddPrecompile[] {
  const active = getActivePrecompiles(common);
  return PACED.map(({ address, paced }) => {
    const library = active.get(address.slice(2));
    assert(library !== undefined, `every hardfork of ours has a precompile at ${address}`);
    return { address, function: paced(library, pacer) };
  });
}
