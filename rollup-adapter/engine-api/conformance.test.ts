/**
 * The conformance suite of weft.execution.v1 against op-geth. The driver calls the executor in its own process; served
 * over gRPC here, it keeps the contract but for what the contract has survive a crash: answers and what is gathered, which
 * are fed again.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";
import {
  engineClientOf,
  openEngineExecutor,
  opTestGenesis,
  opTransaction,
} from "../../test/support/engine-rollup.ts";
import { isOpGethAway, startOpGeth } from "../../test/support/op-geth.ts";
import { CHECKS, runConformance } from "../conformance/suite.ts";
import { connectTarget } from "../conformance/target.ts";
import { createExecutorServer } from "../driver/grpc-executor.ts";

const ALICE = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const PAYLOADS = 60;
const TIMEOUT_MS = 240_000;

test.skipIf(isOpGethAway)(
  "op-geth behind the driver passes every check of an executor of level 0 that asks for no restart",
  async () => {
    const genesis = await opTestGenesis([ALICE]);
    const serve = async () => {
      const folder = await mkdtemp(join(tmpdir(), "weft-op-geth-conformance-"));
      const geth = await startOpGeth({ folder, genesis: genesis.document });
      const executor = openEngineExecutor(engineClientOf(geth), genesis, folder);
      const server = createExecutorServer({ host: "127.0.0.1", port: 0 }, executor);
      const target = connectTarget(`127.0.0.1:${await server.start()}`);
      return {
        target,
        async close() {
          target.close();
          await server.stop();
          await executor.close();
          await geth.stop("SIGKILL");
          await rm(folder, { recursive: true, force: true });
        },
      };
    };
    const [one, two] = await Promise.all([serve(), serve()]);
    try {
      const payloads = await Promise.all(
        Array.from({ length: PAYLOADS }, (_, nonce) =>
          opTransaction(ALICE, nonce, { maxFeePerGas: 10n ** 12n }),
        ),
      );
      const results = await runConformance(
        { payloads },
        { target: one.target, second: two.target, restart: undefined },
        () => {},
      );
      const restarts = CHECKS.filter(({ needs }) => needs?.includes("restart") === true);
      const left = results.filter(({ outcome }) => !["passed", "notApplicable"].includes(outcome));
      expect(left.filter(({ outcome }) => outcome === "failed")).toEqual([]);
      const ofLevel0 = new Set(
        results.flatMap(({ id, outcome }) => (outcome === "notApplicable" ? [] : [id])),
      );
      expect(left.map(({ id }) => id)).toEqual(
        restarts.flatMap(({ id }) => (ofLevel0.has(id) ? [id] : [])),
      );
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  },
  TIMEOUT_MS,
);
