/** Where a node and its signer meet: `tcp://[id@]host:port` or `unix://path`. */
import { NodeId } from "../../proto/brands.ts";
import { formatHostPort, parseHostPort } from "../p2p/address.ts";
import { SignerError } from "./errors.ts";

export type SignerAddress =
  | {
      readonly kind: "tcp";
      readonly host: string;
      readonly port: number;
      /** Id of the connection key that must answer; undefined takes any. */
      readonly id: NodeId | undefined;
    }
  | { readonly kind: "unix"; readonly path: string };

const TCP = /^(?:tcp:\/\/)?(?:([0-9a-fA-F]{40})@)?(.+)$/;

/** @throws SignerError SIGNER_ADDRESS_INVALID */
export function parseSignerAddress(text: string): SignerAddress {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    if (path !== "" && !path.includes("\0")) return { kind: "unix", path };
  } else {
    const [, id, rest] = TCP.exec(text) ?? [];
    try {
      if (rest !== undefined) {
        const address = parseHostPort(rest);
        return { kind: "tcp", ...address, id: id === undefined ? id : NodeId(id.toLowerCase()) };
      }
    } catch (cause) {
      throw invalid(text, cause);
    }
  }
  throw invalid(text);
}

export function formatSignerAddress(address: SignerAddress): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  return `tcp://${address.id === undefined ? "" : `${address.id}@`}${formatHostPort(address)}`;
}

function invalid(text: string, cause?: unknown): SignerError {
  return new SignerError(
    "SIGNER_ADDRESS_INVALID",
    `expected tcp://[<40 hex digits>@]host:port or unix:///path, got ${JSON.stringify(text)}`,
    { cause },
  );
}
