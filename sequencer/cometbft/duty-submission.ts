import { toBase64 } from "../../proto/bytes.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import type { CometRpcClient } from "../ports/comet-rpc/client.ts";
import type { Logger } from "../ports/logger.ts";
import { DUTY_SUBMIT_MS } from "./limits.ts";

/** What a duty's submission is answered with. */
export type DutyAnswer = Pick<CheckTxResponse, "code" | "log">;

/**
 * Where the application knows CometBFT by its socket alone: through CometBFT's RPC, so that it reaches peers.
 * While that does not answer, or a node of another chain does (the default port is everybody's), into the
 * application's own pool, where it waits for a proposal of this validator.
 */
export function createDutySubmission(deps: {
  readonly client: Pick<CometRpcClient, "call" | "name">;
  readonly chainId: string;
  readonly checkTx: (tx: Uint8Array) => Promise<CheckTxResponse>;
  readonly logger: Logger;
}): (tx: Uint8Array) => Promise<DutyAnswer> {
  const { client, chainId, checkTx, logger } = deps;
  const options = { timeoutMs: DUTY_SUBMIT_MS };
  let isTold = false;

  /** Asked each time: duties are rare, and another node may have taken the port since. */
  async function requireChain(): Promise<void> {
    const status = await client.call("status", {}, options);
    const network = status.get("node_info").get("network").string();
    if (network === chainId) return;
    throw new Error(
      `the node there is of chain ${JSON.stringify(network)}, expected ${JSON.stringify(chainId)}`,
    );
  }

  return async (tx) => {
    try {
      await requireChain();
      const answer = await client.call("broadcast_tx_sync", { tx: toBase64(tx) }, options);
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
