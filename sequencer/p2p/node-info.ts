/** NodeInfo: what two nodes tell each other before they become peers (spec §16.3). */
import { decodeNodeInfo } from "../../proto/codec/p2p-messages.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { P2pError } from "./errors.ts";
import { CHANNELS_MAX } from "./limits.ts";

/** Protocol numbers of CometBFT v0.38 (spec §0). */
export const P2P_PROTOCOL = 8n;
export const BLOCK_PROTOCOL = 11n;
/** Software version announced; the leading part is what tools for 0.38 look for. */
export const SOFTWARE_VERSION = "0.38.25";
/**
 * Announced by nodes that can use Weft frames (see `frame-writer.ts`). No message travels on it;
 * CometBFT ignores channels it does not know.
 */
export const LARGE_FRAMES_CHANNEL = 0x70;

/**
 * Reads the delimited form and validates as CometBFT does.
 *
 * @throws P2pError `P2P_NODE_INFO_INVALID`
 */
export function readNodeInfo(bytes: Uint8Array): NodeInfo {
  let info: NodeInfo;
  try {
    info = decodeNodeInfo(bytes);
  } catch (error) {
    throw invalid("fields that decode", error instanceof Error ? error.message : "others", error);
  }
  validateNodeInfo(info);
  return info;
}

/** Throws `P2P_NODE_INFO_INVALID` for what CometBFT would refuse, our own settings included. */
export function validateNodeInfo(info: NodeInfo): void {
  const address = info.listenAddress.replace(/^[a-z]+:\/\//, "");
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:@/[\]]+):(\d{1,5})$/.exec(address)?.[1];
  if (port === undefined || Number(port) > 65_535) {
    throw invalid("listen_addr as host:port", quote(info.listenAddress));
  }
  if (info.version !== "" && !isVisibleAscii(info.version)) {
    throw invalid("version in ASCII", quote(info.version));
  }
  if (info.channels.length > CHANNELS_MAX) {
    throw invalid(`at most ${CHANNELS_MAX} channels`, String(info.channels.length));
  }
  if (new Set(info.channels).size !== info.channels.length) {
    throw invalid("distinct channels", info.channels.join(" "));
  }
  if (!isVisibleAscii(info.moniker)) throw invalid("a moniker in ASCII", quote(info.moniker));
  if (!["", "on", "off"].includes(info.other.txIndex)) {
    throw invalid('tx_index "on", "off" or empty', quote(info.other.txIndex));
  }
  if (info.other.rpcAddress !== "" && !isVisibleAscii(info.other.rpcAddress)) {
    throw invalid("rpc_address in ASCII", quote(info.other.rpcAddress));
  }
}

/**
 * Same block protocol, same network, a channel in common.
 *
 * @throws P2pError `P2P_PEER_INCOMPATIBLE`
 */
export function assertCompatible(ours: NodeInfo, theirs: NodeInfo): void {
  const refuse = (what: string, expected: string, got: string): P2pError =>
    new P2pError("P2P_PEER_INCOMPATIBLE", `expected ${what} ${expected}, got ${got}`);
  if (ours.protocolVersion.block !== theirs.protocolVersion.block) {
    throw refuse(
      "block protocol",
      String(ours.protocolVersion.block),
      String(theirs.protocolVersion.block),
    );
  }
  if (ours.network !== theirs.network) {
    throw refuse("network", quote(ours.network), quote(theirs.network));
  }
  const carrying = [...ours.channels].filter((id) => id !== LARGE_FRAMES_CHANNEL);
  if (carrying.length > 0 && !carrying.some((id) => theirs.channels.includes(id))) {
    throw refuse("one of the channels", carrying.join(" "), theirs.channels.join(" "));
  }
}

function isVisibleAscii(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text) && text.trim() !== "";
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function invalid(expected: string, got: string, cause?: unknown): P2pError {
  return new P2pError(
    "P2P_NODE_INFO_INVALID",
    `expected NodeInfo with ${expected}, got ${got}`,
    cause === undefined ? undefined : { cause },
  );
}
