/** Addresses of peers as CometBFT writes them: `id@host:port`. */
import { NodeId } from "../../proto/brands.ts";
import { P2pError } from "./errors.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface PeerAddress extends HostPort {
  readonly id: NodeId;
}

const HOST_PORT =
  /^(?:[a-z]+:\/\/)?(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:@/[\]]*)):(\d{1,5})$/;

/** Reads `host:port`, `[v6]:port` or `tcp://host:port`. Throws `P2P_ADDRESS_INVALID`. */
export function parseHostPort(text: string): HostPort {
  const match = HOST_PORT.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new P2pError(
      "P2P_ADDRESS_INVALID",
      `expected an address like tcp://127.0.0.1:26656, got ${JSON.stringify(text)}`,
    );
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

/** Reads `id@host:port`. Throws `P2P_ADDRESS_INVALID`. */
export function parsePeerAddress(text: string): PeerAddress {
  const at = text.indexOf("@");
  const id = text.slice(0, Math.max(at, 0)).replace(/^[a-z]+:\/\//, "");
  const address = at < 0 ? undefined : parseHostPort(text.slice(at + 1));
  if (address === undefined || address.host === "" || !/^[0-9a-f]{40}$/.test(id)) {
    throw new P2pError(
      "P2P_ADDRESS_INVALID",
      `expected a peer as <40 hex digits>@host:port, got ${JSON.stringify(text)}`,
    );
  }
  return { id: NodeId(id), ...address };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function formatPeerAddress(address: PeerAddress): string {
  return `${address.id}@${formatHostPort(address)}`;
}
