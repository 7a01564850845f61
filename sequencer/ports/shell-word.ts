/** Characters that mean nothing to a shell. */
const PLAIN = /^[\w./:=@%+,-]+$/;

/** The text as one word of a command that is printed to be copied: quoted where a shell would not take it as it is. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
