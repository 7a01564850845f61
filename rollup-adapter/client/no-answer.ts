/** What gRPC says of an address where no node answers, in words that tell what to do. */

/**
 * @param status name of the gRPC status
 * @param details what gRPC, or the node, says of it
 * @returns undefined when it was a node that answered so
 */
export function describeNoAnswer(
  address: string,
  status: string,
  details: string,
): string | undefined {
  const [, last] =
    /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note/s.exec(
      details,
    ) ?? [];
  if (/Protocol error|Parse Error|HTTP\/1/i.test(last ?? "")) {
    return `what answers at ${address} does not speak gRPC: expected a node's gRPC port (9090 by default), not that of its JSON-RPC.`;
  }
  const isUnresolved = details.startsWith("Name resolution failed");
  const isLate = status === "DEADLINE_EXCEEDED";
  const why =
    last ??
    (isUnresolved ? "no address is known by that name" : isLate ? "it takes too long" : undefined);
  return why === undefined
    ? undefined
    : `no node answers gRPC at ${address} (${why}); is it running?`;
}
