import { EMPTY_BYTES } from "../../proto/bytes.ts";
import type { ExecTxResult } from "./application.ts";

/** A result with nothing in it: code 0, no gas, no events. Of what only holds, or has no result. */
export const EMPTY_TX_RESULT: ExecTxResult = {
  code: 0,
  data: EMPTY_BYTES,
  log: "",
  info: "",
  gasWanted: 0n,
  gasUsed: 0n,
  events: [],
  codespace: "",
};
