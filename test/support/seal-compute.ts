/** The arithmetic of sealed transactions on the test's own thread: one group for all who ask. */
import type { SealCompute } from "../../mev/seal/compute.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { createLocalCompute } from "../../mev/seal/local-compute.ts";
import { createTdh2 } from "../../mev/seal/tdh2.ts";

export const LOCAL_SEAL_COMPUTE: SealCompute = createLocalCompute(createTdh2(createGroup()));
