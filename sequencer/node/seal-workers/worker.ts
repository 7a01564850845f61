/** The thread's side: a task comes as one buffer, its answer goes back as one. It has a group of its own. */
import { parentPort } from "node:worker_threads";
import { createGroup } from "../../../mev/seal/group/group.ts";
import { createLocalCompute } from "../../../mev/seal/local-compute.ts";
import { createTdh2 } from "../../../mev/seal/tdh2.ts";
import { assertNever } from "../../../proto/errors.ts";
import {
  MADE,
  OPENED,
  POINTS,
  PROOFS,
  type Task,
  TO_COMBINE,
  TO_MAKE,
  TO_OPEN,
  TO_VERIFY,
  VERDICTS,
} from "./packing.ts";

const compute = createLocalCompute(createTdh2(createGroup()));

// One task is here at a time: answers come in the order of what was asked.
parentPort?.on("message", (task: Task) => {
  // A failure ends the thread: whoever asked does the work itself, and learns the reason there.
  void answer(task).then((buffer) => parentPort?.postMessage(buffer, [buffer]));
});

async function answer({ operation, buffer }: Task): Promise<ArrayBuffer> {
  switch (operation) {
    case "check":
      return VERDICTS.pack(await compute.check(PROOFS.unpack(buffer)));
    case "makeShares": {
      const made = MADE.pack(await compute.makeShares(TO_MAKE.unpack(buffer)));
      // Secrets came in it.
      new Uint8Array(buffer).fill(0);
      return made;
    }
    case "verifyShares":
      return VERDICTS.pack(await compute.verifyShares(TO_VERIFY.unpack(buffer)));
    case "combine":
      return POINTS.pack(await compute.combine(TO_COMBINE.unpack(buffer)));
    case "open":
      return OPENED.pack(await compute.open(TO_OPEN.unpack(buffer)));
    default:
      return assertNever(operation, "operation");
  }
}
