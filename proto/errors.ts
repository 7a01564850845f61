/**
 * The one error class of the project. `T` is a discriminated union of `{ code, ... }` per module;
 * `message` is for humans: what was expected, what came, what to do.
 */
export class WeftError<T extends { readonly code: string }> extends Error {
  readonly info: T;

  constructor(info: T, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "WeftError";
    this.info = info;
  }

  get code(): T["code"] {
    return this.info.code;
  }
}

/** Any `WeftError`, whatever its union. */
export function isWeftError(error: unknown): error is WeftError<{ readonly code: string }> {
  return error instanceof WeftError;
}

/**
 * Why `check` finds its input invalid: the message of the `WeftError` that it throws; undefined when it
 * throws nothing. Anything else that it throws is a bug and goes on.
 */
export function faultOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isWeftError(error)) throw error;
    return error.message;
  }
}

/** A condition that only a bug can break. It stops the node: halted is safe, confused is not. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Closes an exhaustive switch. */
export function assertNever(value: never, what: string): never {
  throw new AssertionFailure(`unhandled ${what}: ${String(value)}`);
}

/** A programmer error, never caught to go on. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AssertionFailure";
  }
}
