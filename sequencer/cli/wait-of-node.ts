/** What the consensus of a node waits for, asked over its RPC: of either engine. */
import { toHex } from "../../proto/bytes.ts";
import { createCometChain } from "../cometbft/chain-reader.ts";
import { readPlace } from "../node/comet-watch.ts";
import { describeWait, waitAt } from "../node/round-place.ts";
import { type CometRpcClient, createCometRpcClient } from "../ports/comet-rpc/client.ts";

/**
 * As `describeWait` says it; undefined of a node that does not tell its validators.
 * @throws CometRpcError of a node that does not answer, or tells no round
 */
export async function waitOfNode(rpc: string): Promise<string | undefined> {
  const client = createCometRpcClient(rpc);
  try {
    const place = await readPlace(createCometChain(client));
    return place && describeWait(waitAt(place, await genesisNames(client)));
  } finally {
    client.close();
  }
}

/** Names of validators by their addresses; none from a node whose genesis is too large for one answer. */
async function genesisNames(client: CometRpcClient): Promise<ReadonlyMap<string, string>> {
  const answer = await client.call("genesis", {}).catch(() => undefined);
  const validators = answer?.get("genesis").get("validators").items() ?? [];
  return new Map(
    validators.map((one) => [toHex(one.get("address").hex()), one.get("name").text()]),
  );
}
