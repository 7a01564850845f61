/** Lists come in pages. */

/** Entries of one page, when nobody says otherwise and at most. */
export const PAGE_ENTRIES = 50;
export const PAGE_ENTRIES_MAX = 100;

/** Which part of a list. */
export interface Page {
  /** `next` of the answer before; "" for the first page. */
  readonly after: string;
  /** 0: `PAGE_ENTRIES`. */
  readonly limit: number;
}
