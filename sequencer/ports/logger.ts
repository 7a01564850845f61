/** A log line is an event: a constant message and structured fields, never a built string. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** The operator must act. */
  error(message: string, fields?: LogFields): void;
  /** The operator may need to act. */
  warn(message: string, fields?: LogFields): void;
  /** A handful of lines a minute. */
  info(message: string, fields?: LogFields): void;
  /** Per message. */
  debug(message: string, fields?: LogFields): void;
  /** A child that adds `module` (and more) to every line. */
  child(fields: LogFields): Logger;
}

/** Says nothing: for tests and tools. */
export const NULL_LOGGER: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => NULL_LOGGER,
};
