import type { AtomicLevel } from "../execution.ts";
import type { Session } from "./session.ts";

/** What the operator must give before a check can be made. */
export type Need = "second" | "payloads" | "restart" | "legs";

/** One rule of the contract, and how it is asked after. */
export interface Check {
  /** Kebab-case; stable, so that scripts may name it. */
  readonly id: string;
  /** What an executor that passes does, as a sentence. */
  readonly title: string;
  /** Section of docs/execution.md that holds the rule. */
  readonly rule: string;
  /** What goes wrong on a network where an executor breaks it. */
  readonly why: string;
  readonly needs?: readonly Need[];
  /** The level of executors that the rule is for; left out: all. */
  readonly level?: AtomicLevel;
  /** Throws CONFORMANCE_BROKEN with what was expected and what came. */
  run(session: Session): Promise<void>;
}
