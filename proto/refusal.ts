/** Why a block, an item or an extension breaks a rule. Functions return one, or undefined for none. */
export interface Refusal<Code extends string> {
  readonly code: Code;
  /** For logs: what was expected, what came. */
  readonly reason: string;
}

export function refusal<Code extends string>(code: Code, reason: string): Refusal<Code> {
  return { code, reason };
}
