import type { IncomingHttpHeaders } from "node:http";

const METHODS = "HEAD, GET, POST";
const HEADERS = "Origin, Accept, Content-Type, X-Requested-With, X-Server-Time";

/** Headers that let a browser read the answer; none when its origin is not among the allowed. */
export function corsHeaders(
  allowed: readonly string[],
  headers: IncomingHttpHeaders,
): readonly (readonly [string, string])[] {
  const { origin } = headers;
  if (allowed.length === 0 || origin === undefined) return [];
  if (!allowed.some((pattern) => matchesOrigin(pattern, origin))) return [["Vary", "Origin"]];
  return [
    ["Vary", "Origin"],
    ["Access-Control-Allow-Origin", allowed.includes("*") ? "*" : origin],
    ["Access-Control-Allow-Methods", METHODS],
    ["Access-Control-Allow-Headers", HEADERS],
  ];
}

/** A pattern may hold one `*`. */
function matchesOrigin(pattern: string, origin: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern.toLowerCase() === origin.toLowerCase();
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return (
    origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end)
  );
}
