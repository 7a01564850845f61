/** What has to be included, as the committed state has it. */
import { assert } from "../../proto/errors.ts";
import { DUE } from "../../sequencer/app/state/tables.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";

export interface Armed {
  readonly dueHeight: number;
  /** Of the transaction, in hex. */
  readonly id: string;
  /** Of its item, in bytes. */
  readonly size: number;
}

/** What is armed, in the order of the OBLIGATED lane. */
export function armedOf(app: Pick<WeftApplication, "read">): readonly Armed[] {
  return app.read
    .staking()
    .records.keys(DUE, "")
    .map((key) => {
      const [dueHeight, , id, size] = key.split("/");
      assert(id !== undefined, "keys of what is due name it");
      return { dueHeight: Number(dueHeight), id, size: Number(size) };
    });
}

/** Ids, in hex, of what is armed and has its height in the next block. */
export function dueIdsOf(app: Pick<WeftApplication, "read">): ReadonlySet<string> {
  const next = (app.read.lastBlock()?.height ?? 0) + 1;
  const due = armedOf(app).filter(({ dueHeight }) => dueHeight <= next);
  return new Set(due.map(({ id }) => id));
}
