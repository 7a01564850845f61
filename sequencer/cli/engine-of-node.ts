/** Which engine a running node has, by what its RPC says of it. */
import type { EngineName } from "../node/home-engine.ts";
import { LARGE_FRAMES_CHANNEL } from "../p2p/node-info.ts";

/**
 * Either engine answers `status` alike; but the embedded one announces a channel that CometBFT has not (ADR 0003).
 * @param status the answer
 */
export function engineOfStatus(status: Readonly<Record<string, unknown>>): EngineName {
  const { node_info: info } = status as { readonly node_info?: { readonly channels?: string } };
  const own = LARGE_FRAMES_CHANNEL.toString(16).padStart(2, "0");
  const channels: readonly string[] = info?.channels?.toLowerCase().match(/../g) ?? [];
  return channels.includes(own) ? "embedded" : "cometbft";
}
