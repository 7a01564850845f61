/** One thing that is measured. */
export interface MicroCase {
  readonly name: string;
  /** One run; may be asynchronous. */
  readonly work: () => unknown;
  /** Bytes that one run passes, where a rate says more than a time. */
  readonly bytes?: number;
}
