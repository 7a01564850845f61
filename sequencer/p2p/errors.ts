/** Operating errors of the transport. Each of them ends one connection, never the node. */
import { isWeftError, WeftError } from "../../proto/errors.ts";

export type P2pErrorCode =
  /** The socket failed or the other side closed it. */
  | "P2P_SOCKET_CLOSED"
  /** A step of the handshake did not finish in time. */
  | "P2P_HANDSHAKE_TIMEOUT"
  /** A handshake message was malformed or too large. */
  | "P2P_HANDSHAKE_MALFORMED"
  /** The remote X25519 key is a low-order point. */
  | "P2P_HANDSHAKE_LOW_ORDER_POINT"
  /** The signature over the challenge does not verify. */
  | "P2P_HANDSHAKE_BAD_SIGNATURE"
  /** The peer is not the one that was dialed, or its NodeInfo names another id. */
  | "P2P_PEER_ID_MISMATCH"
  /** We connected to ourselves. */
  | "P2P_PEER_SELF"
  /** A peer with this id is connected already. */
  | "P2P_PEER_DUPLICATE"
  /** A peer with this address is connected already. */
  | "P2P_PEER_DUPLICATE_ADDRESS"
  /** No room for another peer of that direction. */
  | "P2P_PEER_LIMIT"
  /** The peer misbehaved too often and is not talked to for a while. */
  | "P2P_PEER_BANNED"
  /** Another chain, block protocol, or no common channel. */
  | "P2P_PEER_INCOMPATIBLE"
  /** NodeInfo breaks a rule. */
  | "P2P_NODE_INFO_INVALID"
  /** A frame failed authentication. */
  | "P2P_FRAME_TAMPERED"
  /** A frame claims more data than its kind may hold. */
  | "P2P_FRAME_TOO_LARGE"
  /** A packet is malformed or too large. */
  | "P2P_PACKET_MALFORMED"
  /** A packet names a channel this node does not have. */
  | "P2P_CHANNEL_UNKNOWN"
  /** A message exceeds its channel's cap. */
  | "P2P_MESSAGE_TOO_LARGE"
  /** A message does not decode or breaks a reactor's rules. */
  | "P2P_MESSAGE_INVALID"
  /** A transaction is empty or larger than the mempool takes. */
  | "P2P_TX_INVALID"
  /** A peer asked for addresses again too soon. */
  | "P2P_PEX_TOO_OFTEN"
  /** A peer told addresses that nobody had asked for. */
  | "P2P_PEX_UNSOLICITED"
  /** Block sync dropped the peer: slow, or what it served did not fit. */
  | "P2P_PEER_UNHELPFUL"
  /** No pong in time. */
  | "P2P_PONG_TIMEOUT"
  /** Nothing at all was heard for too long: the link is broken or the peer is gone. */
  | "P2P_PEER_SILENT"
  /** Connecting failed or took too long. */
  | "P2P_DIAL_FAILED"
  /** node_key.json is unreadable or malformed. */
  | "P2P_NODE_KEY_INVALID"
  /** An address does not read as `id@host:port`. */
  | "P2P_ADDRESS_INVALID"
  /** We hung up without blame, as a seed does after its answer. */
  | "P2P_PEER_DISMISSED"
  /** The switch is stopping. */
  | "P2P_STOPPED";

export interface P2pErrorInfo {
  readonly code: P2pErrorCode;
}

export class P2pError extends WeftError<P2pErrorInfo> {
  constructor(code: P2pErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super({ code }, message, options);
    this.name = "P2pError";
  }
}

/** Wraps anything thrown while a connection was served. */
export function toP2pError(error: unknown, code: P2pErrorCode, what: string): P2pError {
  if (error instanceof P2pError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new P2pError(code, `${what}: ${detail}`, { cause: error });
}

/** What a reactor throws for a message whose bytes break a rule. @throws `error` itself when it is a bug */
export function toPeersFault(error: unknown): P2pError {
  if (error instanceof P2pError) return error;
  if (!isWeftError(error)) throw error;
  return new P2pError("P2P_MESSAGE_INVALID", error.message, { cause: error });
}
