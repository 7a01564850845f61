/** What every command gets besides its own options. */
export interface CommandContext {
  /** Absolute path of the command line's entry, to start more processes of the same build. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json: boolean;
}
