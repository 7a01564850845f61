/** Addresses that gRPC calls: `host:port` and, of IPv6, `[host]:port`. */

const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|[^\s:[\]/@,]+):(\d{1,5})$/;

/** Whether the text names a host and a port above 0 of it. */
export function isHostPort(text: string): boolean {
  const match = HOST_PORT.exec(text);
  const [, v6, port] = match ?? [];
  const isHost = v6 === undefined || URL.canParse(`http://[${v6}]`);
  return match !== null && isHost && Number(port) >= 1 && Number(port) <= 65_535;
}
