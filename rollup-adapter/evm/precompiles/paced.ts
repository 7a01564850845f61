/** Precompiles whose one call can take seconds, in place of the library's: the same results and gas, in slices. */
import type { Common } from "@ethereumjs/common";
import { type AddPrecompile, getActivePrecompiles } from "@ethereumjs/evm";
import type { Pacer } from "../pacer.ts";
import { pacedBlake2f } from "./blake2f.ts";
import { pacedBlsPairing, pacedG1Msm, pacedG2Msm } from "./bls12-381-paced.ts";
import { pacedBn254Pairing } from "./bn254-pairing.ts";
import { pacedModexp } from "./modexp.ts";

const PACED = [
  { address: "0x0000000000000000000000000000000000000005", paced: pacedModexp },
  { address: "0x0000000000000000000000000000000000000008", paced: pacedBn254Pairing },
  { address: "0x0000000000000000000000000000000000000009", paced: pacedBlake2f },
  { address: "0x000000000000000000000000000000000000000c", paced: pacedG1Msm },
  { address: "0x000000000000000000000000000000000000000e", paced: pacedG2Msm },
  { address: "0x000000000000000000000000000000000000000f", paced: pacedBlsPairing },
] as const;

/** Of those that the hardfork has: BLS12-381 comes with Prague. */
export function pacedPrecompiles(common: Common, pacer: Pacer): AddPrecompile[] {
  const active = getActivePrecompiles(common);
  return PACED.flatMap(({ address, paced }) => {
    const library = active.get(address.slice(2));
    return library === undefined ? [] : [{ address, function: paced(library, pacer) }];
  });
}
