/** Wallets' transactions in the journal: from the answer that they are accepted until they are executed. */
import {
  decodeTransactionRecord,
  encodeTransactionRecord,
  type TransactionRecord,
} from "../journal/batch-record.ts";
import type { Journal } from "../journal/journal.ts";

const TRANSACTION_PREFIX = "tx/";

export interface KeptTransactions {
  load(): Promise<readonly TransactionRecord[]>;
  /** Durable when it resolves. `hash` in hex. @throws WeftError<JournalErrorInfo> */
  add(hash: string, record: TransactionRecord): Promise<void>;
  remove(hash: string): void;
}

export function createKeptTransactions(journal: Journal): KeptTransactions {
  return {
    async load() {
      const records = await journal.load(TRANSACTION_PREFIX);
      return [...records]
        .map(([hash, bytes]) => decodeTransactionRecord(hash, bytes))
        .sort((a, b) => a.acceptedMs - b.acceptedMs);
    },
    add(hash, record) {
      const value = encodeTransactionRecord(record);
      return journal.write([{ type: "put", key: `${TRANSACTION_PREFIX}${hash}`, value }]);
    },
    remove(hash) {
      journal.note([{ type: "del", key: `${TRANSACTION_PREFIX}${hash}` }]);
    },
  };
}
