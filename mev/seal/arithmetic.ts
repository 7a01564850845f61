import { createDkg, type Dkg } from "./dkg.ts";
import { createGroup } from "./group/group.ts";
import { createTdh2, type Tdh2 } from "./tdh2.ts";

/** The arithmetic that rules of the state use at once: for what is rare. The rest goes through `SealCompute`. */
export interface SealArithmetic {
  readonly tdh2: Tdh2;
  readonly dkg: Dkg;
}

/** With a memory of its own: a few milliseconds, once for each thread. */
export function createSealArithmetic(): SealArithmetic {
  const group = createGroup();
  const tdh2 = createTdh2(group);
  return { tdh2, dkg: createDkg(group, tdh2) };
}
