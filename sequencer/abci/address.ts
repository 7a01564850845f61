/** Where an application listens for its engine: `tcp://host:port` or `unix:///path`, as CometBFT writes it. */
import { AbciError } from "./errors.ts";

export type AbciAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

const TCP = /^(?:tcp:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:@/[\]]*)):(\d{1,5})$/;

/** @throws AbciError ABCI_ADDRESS_INVALID */
export function parseAbciAddress(text: string): AbciAddress {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    if (path !== "" && !path.includes("\0")) return { kind: "unix", path };
  } else {
    const match = TCP.exec(text);
    const port = Number(match?.[3]);
    if (match !== null && port <= 65_535) {
      return { kind: "tcp", host: match[1] ?? match[2] ?? "", port };
    }
  }
  throw new AbciError(
    { code: "ABCI_ADDRESS_INVALID" },
    `expected tcp://host:port or unix:///path, got ${JSON.stringify(text)}`,
  );
}

export function formatAbciAddress(address: AbciAddress): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `tcp://${host}:${address.port}`;
}
