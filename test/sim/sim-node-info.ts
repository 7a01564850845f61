/** What a simulated node says of itself to its peers. */
import { NodeId } from "../../proto/brands.ts";
import type { NodeInfo } from "../../proto/messages.ts";

/** Four consensus channels, mempool, block sync, state sync's two, and Weft's four. */
const CHANNELS = Uint8Array.from([
  0x20, 0x21, 0x22, 0x23, 0x30, 0x40, 0x60, 0x61, 0x70, 0x71, 0x72, 0x73,
]);

/** The id that peers know a node by. */
function simNodeId(index: number): NodeId {
  return NodeId(String(index).padStart(40, "0"));
}

export function nodeInfoOf(index: number, network: string): NodeInfo {
  return {
    protocolVersion: { p2p: 8n, block: 11n, app: 1n },
    nodeId: simNodeId(index),
    listenAddress: `127.0.0.1:${26_000 + index}`,
    network,
    version: "sim",
    channels: CHANNELS,
    moniker: `node-${index}`,
    other: { txIndex: "off", rpcAddress: "" },
  };
}
