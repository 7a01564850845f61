import type { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { QueryResponse } from "./application.ts";

/** Code of queries that are refused before the application sees them. */
const QUERY_REFUSED_CODE = 1;

/** The answer to a query that no application could take, whichever way it came; `height` is the last block's. */
export function refusedQuery(log: string, height: Height): QueryResponse {
  return {
    code: QUERY_REFUSED_CODE,
    log,
    info: "",
    index: 0n,
    key: EMPTY_BYTES,
    value: EMPTY_BYTES,
    proofOps: [],
    height,
    codespace: "abci",
  };
}
