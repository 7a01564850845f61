/** The arithmetic of sealed transactions on the test's own thread: one group for all who ask. */
import type { SealCompute } from "../../mev/seal/compute.ts";
import { createLocalCompute } from "../../mev/seal/local-compute.ts";
import { TEST_TDH2 } from "./sealing.ts";

export const LOCAL_SEAL_COMPUTE: SealCompute = createLocalCompute(TEST_TDH2);
