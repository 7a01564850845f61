/** What the benchmark tells a process of readers, and what that answers; over the process's own channel. */

export interface ReaderSpec {
  /** Hex. */
  readonly rollupId: string;
  readonly fromHeight: number;
  readonly isGzip: boolean;
  /** Never takes anything: what a hung rollup node looks like. */
  readonly isDeaf: boolean;
}

export type ReaderCommand =
  | { readonly kind: "open"; readonly address: string; readonly readers: readonly ReaderSpec[] }
  | { readonly kind: "report" }
  | { readonly kind: "close" };

export type ReaderAnswer =
  | ({ readonly kind: "report" } & ReaderReport)
  /** All streams have brought a message, but for those that take none. */
  | { readonly kind: "opened" }
  | { readonly kind: "closed" };

/** Of one process since it was opened. */
export interface ReaderReport {
  readonly messages: number;
  /** On the wire: frames of gRPC, compressed or not. */
  readonly bytes: number;
  /** Lowest and highest last height of readers that read. */
  readonly lastHeights: readonly [min: number, max: number];
  /** Messages that were not the next height; has to be 0. */
  readonly gaps: number;
  /** Streams that the node ended, by gRPC status. */
  readonly ended: Readonly<Record<string, number>>;
}
