import { toBase64 } from "../../proto/bytes.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import type { CometRpcClient } from "../ports/comet-rpc/client.ts";
import type { Logger } from "../ports/logger.ts";
import { DUTY_SUBMIT_MS } from "./limits.ts";

/** What a duty's submission is answered with. */
export type DutyAnswer = Pick<CheckTxResponse, "code" | "log">;

/**
 * Where the application knows CometBFT by its socket alone: through CometBFT's RPC, so that it reaches peers;
 * while that does not answer, into the application's own pool, where it waits for a proposal of this validator.
 */
export function createDutySubmission(deps: {
  readonly client: Pick<CometRpcClient, "call" | "name">;
  readonly checkTx: (tx: Uint8Array) => Promise<CheckTxResponse>;
  readonly logger: Logger;
}): (tx: Uint8Array) => Promise<DutyAnswer> {
  const { client, checkTx, logger } = deps;
  let isTold = false;
  return async (tx) => {
    try {
      const params = { tx: toBase64(tx) };
      const answer = await client.call("broadcast_tx_sync", params, { timeoutMs: DUTY_SUBMIT_MS });
      isTold = false;
      return { code: answer.get("code").integer(), log: answer.get("log").text() };
    } catch (error) {
      if (!isTold) {
        logger.warn(
          "the engine's RPC takes no duties of this validator: they wait for a proposal of its own; set engine_rpc",
          { engineRpc: client.name, error: String(error) },
        );
      }
      isTold = true;
      return checkTx(tx);
    }
  };
}
