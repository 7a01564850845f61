/** Lines a single query prints at most unless asked for more. */
export const QUERY_ROWS_MAX = 1_000;
