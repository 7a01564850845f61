/** One validator as the load sees it: submissions in, committed blocks out. */
import type { SignedItem } from "./shape.ts";

/** A block with all that is in it for the benchmark's rollups. */
export interface ObservedBlock {
  readonly height: number;
  readonly round: number;
  /** Ids of the items, hex. */
  readonly itemIds: readonly string[];
  /** Heights of the sealed entries whose content the block tells; absent where nobody asks for it. */
  readonly openedHeights?: readonly number[];
  /** The same of those whose content nobody will know. */
  readonly lostHeights?: readonly number[];
}

export interface IngressListener {
  block(block: ObservedBlock, atMs: number): void;
  refused(id: string, reason: string): void;
  /** Room for more: a submission was answered or the stream drained. */
  ready(): void;
  failed(error: Error): void;
}

export interface Ingress {
  /** False: the connection holds enough for now; wait for `ready`. The item is sent in any case. */
  submit(item: SignedItem): boolean;
  readonly height: number;
  close(): void;
}

/** Connects one validator to a listener; each interface of a node has its own. */
export type OpenIngress = (listener: IngressListener) => Promise<Ingress>;
