/**
 * The text of one top-level member of a JSON object, as it stands. `JSON.parse` would lose digits
 * and order that CometBFT hands to the application unchanged. `text` must be valid JSON.
 */
export function rawMember(text: string, name: string): string | undefined {
  let depth = 0;
  let at = 0;
  let found: string | undefined;
  while (at < text.length) {
    const c = text[at];
    if (c === '"') {
      const end = stringEnd(text, at);
      const colon = skipSpace(text, end);
      if (depth === 1 && text[colon] === ":") {
        const start = skipSpace(text, colon + 1);
        const stop = valueEnd(text, start);
        // The last of several members with one name counts, as in `JSON.parse`.
        if (JSON.parse(text.slice(at, end)) === name) found = text.slice(start, stop);
        at = stop;
      } else {
        at = end;
      }
    } else {
      if (c === "{" || c === "[") depth++;
      else if (c === "}" || c === "]") depth--;
      at++;
    }
  }
  return found;
}

/** Index after the string that starts at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Index after the value that starts at `start`. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const c = text[at];
    if (c === '"') {
      at = stringEnd(text, at);
    } else {
      if (depth === 0 && (c === "," || c === "}" || c === "]")) break;
      if (c === "{" || c === "[") depth++;
      else if (c === "}" || c === "]") depth--;
      at++;
    }
    if (depth === 0 && (c === '"' || c === "}" || c === "]")) return at;
  }
  return text.slice(start, at).trimEnd().length + start;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? "")) at++;
  return at;
}
