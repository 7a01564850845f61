/**
 * Tokens of CometBFT's query language (`libs/pubsub/query/syntax`). Offsets count UTF-8 bytes, and
 * the words of an error are CometBFT's, because clients match on them.
 */
import { parseDate, parseTime } from "./time.ts";

export const TOKEN_NAMES = {
  invalid: "invalid token",
  tag: "tag",
  string: "string",
  number: "number",
  time: "timestamp",
  date: "datestamp",
  and: "AND operator",
  contains: "CONTAINS operator",
  exists: "EXISTS operator",
  "=": "= operator",
  "<": "< operator",
  "<=": "<= operator",
  ">": "> operator",
  ">=": ">= operator",
} as const;
export type Token = keyof typeof TOKEN_NAMES;

/** What `next` found: a token, the end, or text that is no token. */
export type Scan = { readonly ok: true } | { readonly ok: false; readonly error: string };

export const END = "EOF";
const OK: Scan = { ok: true };
const AT_END: Scan = { ok: false, error: END };

/** Longest and shortest year a TIME or DATE may name. */
const YEAR_MIN = 1900;
const YEAR_MAX = 2999;

export class QueryScanner {
  readonly #runes: readonly string[];
  #index = 0;
  /** Byte offset behind the last rune read. */
  #end = 0;
  #lastSize = 0;
  #canStepBack = false;
  token: Token = "invalid";
  text = "";
  /** Byte offset of the current token. */
  position = 0;

  constructor(query: string) {
    this.#runes = Array.from(query);
  }

  next(): Scan {
    this.text = "";
    this.token = "invalid";
    this.position = this.#end;
    for (;;) {
      const rune = this.#read();
      if (rune === undefined) return AT_END;
      if (/^\s$/u.test(rune)) {
        this.position = this.#end;
        continue;
      }
      if (isDigit(rune)) return this.#number(rune);
      if (isFirstTagRune(rune)) return this.#tagLike(rune);
      if (rune === "'") return this.#string();
      if (rune === "<" || rune === ">" || rune === "=") return this.#compare(rune);
      return { ok: false, error: `invalid input ${rune} at offset ${this.#end}` };
    }
  }

  #number(first: string): Scan {
    this.text = first + this.#readWhile(isDigit);
    const rune = this.#read();
    if (rune === ".") this.text += rune + this.#readWhile(isDigit);
    else this.#stepBack();
    this.token = "number";
    return OK;
  }

  #string(): Scan {
    const runes: string[] = [];
    for (;;) {
      const rune = this.#read();
      if (rune === undefined) return AT_END;
      if (rune === "'") break;
      runes.push(rune);
    }
    this.text = runes.join("");
    this.token = "string";
    return OK;
  }

  #compare(first: "<" | ">" | "="): Scan {
    this.text = first;
    this.token = first;
    if (first === "=") return OK;
    const rune = this.#read();
    if (rune === "=") {
      this.token = first === "<" ? "<=" : ">=";
      this.text += rune;
    } else if (rune !== undefined) {
      this.#stepBack();
    }
    return OK;
  }

  #tagLike(first: string): Scan {
    let text = first;
    let hasSpace = false;
    for (;;) {
      const rune = this.#read();
      if (rune === undefined) break;
      if (!isTagRune(rune)) {
        hasSpace = rune === " ";
        break;
      }
      text += rune;
    }
    if (hasSpace && text === "TIME") return this.#moment("time");
    if (hasSpace && text === "DATE") return this.#moment("date");
    this.text = text;
    if (text === "AND") this.token = "and";
    else if (text === "EXISTS") this.token = "exists";
    else if (text === "CONTAINS") this.token = "contains";
    else this.token = "tag";
    this.#stepBack();
    return OK;
  }

  #moment(token: "time" | "date"): Scan {
    const isTime = token === "time";
    this.text = this.#readWhile(isTime ? isTimeRune : isDateRune);
    const nanos = isTime ? parseTime(this.text) : parseDate(this.text);
    const word = isTime ? "TIME" : "DATE";
    if (nanos === undefined) {
      const form = isTime ? "2006-01-02T15:04:05Z07:00" : "2006-01-02";
      return {
        ok: false,
        error: `invalid ${word} value: parsing time ${JSON.stringify(this.text)} as "${form}": cannot parse`,
      };
    }
    const year = Number(this.text.slice(0, 4));
    if (year < YEAR_MIN || year > YEAR_MAX) {
      return { ok: false, error: `${TOKEN_NAMES[token]} year ${year} out of range` };
    }
    this.token = token;
    return OK;
  }

  #readWhile(accept: (rune: string) => boolean): string {
    let text = "";
    for (;;) {
      const rune = this.#read();
      if (rune === undefined) return text;
      if (!accept(rune)) {
        this.#stepBack();
        return text;
      }
      text += rune;
    }
  }

  #read(): string | undefined {
    const rune = this.#runes[this.#index];
    this.#canStepBack = rune !== undefined;
    this.#lastSize = rune === undefined ? 0 : Buffer.byteLength(rune);
    if (rune !== undefined) this.#index++;
    this.#end += this.#lastSize;
    return rune;
  }

  #stepBack(): void {
    if (!this.#canStepBack) return;
    this.#canStepBack = false;
    this.#index--;
    this.#end -= this.#lastSize;
  }
}

function isDigit(rune: string): boolean {
  return rune >= "0" && rune <= "9" && rune.length === 1;
}

function isFirstTagRune(rune: string): boolean {
  return rune === "_" || /^[\p{L}\p{Nd}]$/u.test(rune);
}

function isTagRune(rune: string): boolean {
  return rune === "." || rune === "-" || isFirstTagRune(rune);
}

function isTimeRune(rune: string): boolean {
  return "-T:+Z".includes(rune) || isDigit(rune);
}

function isDateRune(rune: string): boolean {
  return rune === "-" || isDigit(rune);
}
