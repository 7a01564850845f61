/** Which logs a filter means. */
import { Bloom } from "@ethereumjs/vm";
import { bytesEqual } from "../../../proto/bytes.ts";
import type { EvmChain } from "../executor.ts";
import {
  EXECUTION_SLICE_MS,
  LOG_RANGE_BLOCKS_MAX,
  LOG_RESULT_BYTES_MAX,
  LOG_RESULTS_MAX,
} from "../limits.ts";
import { createPacer } from "../pacer.ts";
import type { StoredBlock, StoredLog, StoredReceipt } from "../records.ts";
import { limitExceeded } from "../../json-rpc/errors.ts";
import type { Json } from "../../json-rpc/method.ts";
import { formatLog } from "./format.ts";
import type { LogFilter } from "./params.ts";

type Criteria = Pick<LogFilter, "addresses" | "topics">;

/** Matching logs of blocks `from` to `to`, oldest first. Throws LIMIT_EXCEEDED. */
export async function findLogs(
  chain: EvmChain,
  criteria: Criteria,
  from: number,
  to: number,
): Promise<Json[]> {
  if (to - from + 1 > LOG_RANGE_BLOCKS_MAX) {
    throw limitExceeded(
      `the range spans ${to - from + 1} blocks, at most ${LOG_RANGE_BLOCKS_MAX}; ask for less at a time`,
    );
  }
  const { logs, next } = await collectLogs(chain, criteria, from, to);
  if (next <= to) {
    throw limitExceeded(
      `more than ${LOG_RESULTS_MAX} logs, or ${LOG_RESULT_BYTES_MAX} bytes of them, match; ask for a range of fewer blocks`,
    );
  }
  return logs;
}

/** As many matching logs as one answer may hold, and the block to go on with. */
export async function collectLogs(
  chain: EvmChain,
  criteria: Criteria,
  from: number,
  to: number,
): Promise<{ readonly logs: Json[]; readonly next: number }> {
  const pacer = createPacer(EXECUTION_SLICE_MS);
  const end = Math.min(to, from + LOG_RANGE_BLOCKS_MAX - 1);
  const logs: Json[] = [];
  let bytes = 0;
  let next = from;
  while (next <= end) {
    if (pacer.isDue()) await pacer.rest();
    const block = chain.store.block(next);
    if (block !== undefined && mayContain(block, criteria)) {
      const receipts = chain.store.receipts(next) ?? [];
      const found = logsOfBlock(block, receipts, criteria);
      bytes += found.length === 0 ? 0 : dataBytesOf(receipts, criteria);
      const isFull = logs.length + found.length > LOG_RESULTS_MAX || bytes > LOG_RESULT_BYTES_MAX;
      // A single block is always answered whole: there is no smaller range to ask for.
      if (logs.length > 0 && isFull) break;
      for (const log of found) logs.push(log);
    }
    next += 1;
  }
  return { logs, next };
}

export function logsOfBlock(
  block: StoredBlock,
  receipts: readonly StoredReceipt[],
  criteria: Criteria,
): Json[] {
  const found: Json[] = [];
  let logIndex = 0;
  for (const [index, receipt] of receipts.entries()) {
    for (const log of receipt.logs) {
      if (isMatch(log, criteria)) found.push(formatLog(block, receipt, index, log, logIndex));
      logIndex += 1;
    }
  }
  return found;
}

function dataBytesOf(receipts: readonly StoredReceipt[], criteria: Criteria): number {
  let bytes = 0;
  for (const { logs } of receipts) {
    for (const log of logs) if (isMatch(log, criteria)) bytes += log.data.length;
  }
  return bytes;
}

/** False when the block's bloom rules out every match. */
function mayContain(block: StoredBlock, { addresses, topics }: Criteria): boolean {
  if (block.transactions.length === 0) return false;
  const bloom = new Bloom(block.header.logsBloom);
  const hasAny = (entries: readonly Uint8Array[]): boolean =>
    entries.length === 0 || entries.some((entry) => bloom.check(entry));
  return hasAny(addresses) && topics.every((position) => position === null || hasAny(position));
}

function isMatch(log: StoredLog, { addresses, topics }: Criteria): boolean {
  if (addresses.length > 0 && !addresses.some((address) => bytesEqual(address, log.address))) {
    return false;
  }
  return topics.every((position, i) => {
    const topic = log.topics[i];
    if (topic === undefined) return false;
    return position === null || position.some((wanted) => bytesEqual(wanted, topic));
  });
}
