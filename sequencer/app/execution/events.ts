import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import type { AbciEvent, ExecTxResult, Misbehavior } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { CODES, CODESPACE, type Failure } from "../codes.ts";
import { actionEvents } from "./actions.ts";
import type { AppliedTx } from "./apply-tx.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/**
 * Result of a transaction in a block. Gas is bytes, the only thing that is charged for. `emitted`: by the
 * rules of its action.
 */
export function txResult(
  tx: DecodedTx,
  { fee, failure: failed }: AppliedTx,
  emitted: readonly AbciEvent[],
): ExecTxResult {
  const bytes = BigInt(tx.item.length);
  return {
    code: failed === undefined ? 0 : CODES[failed.code].number,
    data: EMPTY_BYTES,
    log: failed === undefined ? "" : failed.reason,
    info: "",
    gasWanted: bytes,
    gasUsed: bytes,
    events: txEvents(tx, fee, failed === undefined ? emitted : undefined),
    codespace: failed === undefined ? "" : CODESPACE,
  };
}

/** Answer of CheckTx: `data` is the transaction id when the item could be decoded. */
export function checkResult(
  id: Uint8Array,
  itemBytes: number,
  failed: Failure | undefined,
): ExecTxResult {
  return {
    code: failed === undefined ? 0 : CODES[failed.code].number,
    data: id,
    log: failed === undefined ? "" : failed.reason,
    info: failed === undefined ? "" : failed.code,
    gasWanted: BigInt(itemBytes),
    gasUsed: 0n,
    events: [],
    codespace: failed === undefined ? "" : CODESPACE,
  };
}

/**
 * `tx` {id, sender, action, fee} for each transaction, and what its action did. Ids are lower-case hex,
 * addresses bech32; what one searches by is indexed.
 */
function txEvents(
  tx: DecodedTx,
  fee: bigint,
  emitted: readonly AbciEvent[] | undefined,
): readonly AbciEvent[] {
  const own = event("tx", [
    indexed("id", tx.idText),
    indexed("sender", tx.senderText),
    indexed("action", tx.tx.body.action.kind),
    plain("fee", fee.toString()),
  ]);
  if (emitted === undefined) return [own];
  const events = [own];
  for (const one of actionEvents(tx)) events.push(one);
  for (const one of emitted) events.push(one);
  return events;
}

const OBLIGATED = "obligated";

/**
 * `obligated` {}: of a transaction that stands in lane OBLIGATED and succeeded. Whoever takes a stored block
 * apart sees by it in which lane its entries are.
 */
export function obligatedEvent(): AbciEvent {
  return event(OBLIGATED, []);
}

/** Whether the transaction with these events stands in lane OBLIGATED. */
export function isObligated(events: readonly AbciEvent[]): boolean {
  return events.some(({ type }) => type === OBLIGATED);
}

/** `misbehavior` {type, validator, height, power} for each validator that a block's evidence names. */
export function misbehaviorEvents(misbehavior: readonly Misbehavior[]): readonly AbciEvent[] {
  return misbehavior.map(({ type, validator, height }) =>
    event("misbehavior", [
      indexed("type", type),
      indexed("validator", toHex(validator.address).toUpperCase()),
      plain("height", String(height)),
      plain("power", String(validator.power)),
    ]),
  );
}
