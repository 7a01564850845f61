/** A value that somebody wrote: in the environment or behind an option. */

/** A value of the environment or of an argument: a number, a boolean, a list in JSON, or text. */
export function parseScalar(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  if (text.startsWith('["') || text === "[]") {
    try {
      return JSON.parse(text);
    } catch {
      // Text that looks like a list: the schema says what it should have been.
      return text;
    }
  }
  return /^\d+$/.test(text) ? Number(text) : text;
}
