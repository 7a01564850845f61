/** Queries over events: `tm.event = 'Tx' AND transfer.amount > 5` (`libs/pubsub/query`). */
import { assertNever } from "../../../proto/errors.ts";
import { methodFailure } from "../errors.ts";
import { compareDecimals, parseDecimal } from "./number.ts";
import type { Token } from "./scanner.ts";
import { END, QueryScanner, TOKEN_NAMES } from "./scanner.ts";
import { parseDate, parseTime } from "./time.ts";

export type Comparison = "=" | "<" | "<=" | ">" | ">=";

export type Condition =
  | { readonly tag: string; readonly operator: "exists" }
  | { readonly tag: string; readonly operator: "contains"; readonly text: string }
  | {
      readonly tag: string;
      readonly operator: Comparison;
      readonly type: "string" | "number" | "time" | "date";
      readonly text: string;
    };

export interface Query {
  /** All must hold. */
  readonly conditions: readonly Condition[];
  /** One spelling per meaning: what subscriptions are told apart by. */
  readonly canonical: string;
}

/** Attribute values by `type.key`, in order of appearance. */
export type EventMap = ReadonlyMap<string, readonly string[]>;

/**
 * Parses a query.
 * @throws RpcError `RPC_INTERNAL` with CometBFT's words: `offset 10: got tag, wanted = operator ...`
 */
export function parseQuery(text: string): Query {
  const scanner = new QueryScanner(text);
  const conditions = [parseCondition(scanner)];
  for (;;) {
    const scan = scanner.next();
    if (!scan.ok && scan.error === END) break;
    if (scanner.token !== "and") {
      throw methodFailure(
        `offset ${scanner.position}: got ${TOKEN_NAMES[scanner.token]}, want ${TOKEN_NAMES.and}`,
      );
    }
    conditions.push(parseCondition(scanner));
  }
  return { conditions, canonical: conditions.map(conditionToText).join(" AND ") };
}

/** Whether every condition holds for the events together. */
export function matchesEvents(query: Query, events: EventMap): boolean {
  return events.size > 0 && query.conditions.every((condition) => matchesAny(condition, events));
}

/** Whether a condition holds for one attribute value. */
export function matchesValue(condition: Condition, value: string): boolean {
  if (condition.operator === "exists") return true;
  if (condition.operator === "contains") return value.includes(condition.text);
  const order = compareValue(condition.type, value, condition.text);
  return order !== undefined && isOrdered(condition.operator, order);
}

/** The value a tag must equal, if the query says so with a string: `tm.event = 'Tx'`. */
export function requiredText(query: Query, tag: string): string | undefined {
  for (const condition of query.conditions) {
    if (condition.tag === tag && condition.operator === "=" && condition.type === "string") {
      return condition.text;
    }
  }
  return undefined;
}

/** What an ordering compares with. */
const ARGUMENTS: readonly Token[] = ["number", "time", "date"];

function parseCondition(scanner: QueryScanner): Condition {
  require(scanner, ["tag"]);
  const tag = scanner.text;
  require(scanner, ["<=", ">=", "<", ">", "=", "contains", "exists"]);
  const operator = scanner.token;
  if (operator === "exists") return { tag, operator };
  if (operator === "contains") {
    require(scanner, ["string"]);
    return { tag, operator, text: scanner.text };
  }
  require(scanner, operator === "=" ? [...ARGUMENTS, "string"] : ARGUMENTS);
  return {
    tag,
    operator: operator as Comparison,
    type: scanner.token as "string" | "number" | "time" | "date",
    text: scanner.text,
  };
}

function require(scanner: QueryScanner, wanted: readonly Token[]): void {
  const scan = scanner.next();
  if (!scan.ok) throw methodFailure(`offset ${scanner.position}: ${scan.error}`);
  if (wanted.includes(scanner.token)) return;
  const names = wanted.map((token) => TOKEN_NAMES[token]);
  const last = names.pop() ?? "";
  const list = names.length === 0 ? last : `${names.join(", ")} or ${last}`;
  throw methodFailure(
    `offset ${scanner.position}: got ${TOKEN_NAMES[scanner.token]}, wanted ${list}`,
  );
}

function conditionToText(condition: Condition): string {
  const { tag } = condition;
  if (condition.operator === "exists") return `${tag} EXISTS`;
  if (condition.operator === "contains") return `${tag} CONTAINS '${condition.text}'`;
  const { operator, text, type } = condition;
  const words = { string: `'${text}'`, number: text, time: `TIME ${text}`, date: `DATE ${text}` };
  return `${tag} ${operator} ${words[type]}`;
}

function matchesAny(condition: Condition, events: EventMap): boolean {
  // A composite key needs its event type: "x" alone is never an attribute.
  const values = condition.tag.includes(".") ? events.get(condition.tag) : undefined;
  if (values?.some((value) => matchesValue(condition, value)) === true) return true;
  // A tag that is an event type alone stands for the empty text, so that `transfer EXISTS` works.
  return hasType(condition.tag, events) && matchesValue(condition, "");
}

function hasType(type: string, events: EventMap): boolean {
  for (const key of events.keys()) {
    if (key.length > type.length && key.startsWith(type) && key.lastIndexOf(".") === type.length) {
      return true;
    }
  }
  return false;
}

function compareValue(
  type: "string" | "number" | "time" | "date",
  value: string,
  wanted: string,
): number | undefined {
  if (type === "string") return value === wanted ? 0 : undefined;
  if (type === "number") {
    const a = parseDecimal(value);
    const b = parseDecimal(wanted);
    return a === undefined || b === undefined ? undefined : compareDecimals(a, b);
  }
  const parse = type === "time" ? parseTime : parseDate;
  const a = parse(value);
  const b = parse(wanted);
  if (a === undefined || b === undefined) return undefined;
  return a < b ? -1 : a > b ? 1 : 0;
}

function isOrdered(operator: Comparison, order: number): boolean {
  switch (operator) {
    case "=":
      return order === 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    default:
      return assertNever(operator, "comparison");
  }
}
