import type { IncomingHttpHeaders } from "node:http";

/** Who may call from a browser, and how. */
export interface CorsRules {
  /** `*` is all, `https://*.x` a family. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
}

/** Headers that let a browser read the answer; none when its origin is not among the allowed. */
export function corsHeaders(
  rules: CorsRules,
  headers: IncomingHttpHeaders,
): readonly (readonly [string, string])[] {
  const { origin } = headers;
  const { origins } = rules;
  if (origins.length === 0 || origin === undefined) return [];
  if (!origins.some((pattern) => matchesOrigin(pattern, origin))) return [["Vary", "Origin"]];
  return [
    ["Vary", "Origin"],
    ["Access-Control-Allow-Origin", origins.includes("*") ? "*" : origin],
    ["Access-Control-Allow-Methods", rules.methods.join(", ")],
    ["Access-Control-Allow-Headers", rules.headers.join(", ")],
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
