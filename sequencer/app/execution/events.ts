import { formatAddress } from "../../../proto/address.ts";
import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { assertNever } from "../../../proto/errors.ts";
import type { AbciEvent, ExecTxResult, Misbehavior } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { CODES, CODESPACE, type Failure } from "../codes.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/** Result of a transaction in a block. Gas is bytes, the only thing that is charged for. */
export function txResult(tx: DecodedTx, fee: bigint, failed: Failure | undefined): ExecTxResult {
  const bytes = BigInt(tx.item.length);
  return {
    code: failed === undefined ? 0 : CODES[failed.code].number,
    data: EMPTY_BYTES,
    log: failed === undefined ? "" : failed.reason,
    info: "",
    gasWanted: bytes,
    gasUsed: bytes,
    events: txEvents(tx, fee, failed === undefined),
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
 * `tx` {id, sender, action, fee} for each transaction, and one event for what its action did. Ids are
 * lower-case hex, addresses bech32; what one searches by is indexed.
 */
function txEvents(tx: DecodedTx, fee: bigint, succeeded: boolean): readonly AbciEvent[] {
  const { action } = tx.tx.body;
  const sender = tx.senderText;
  const own = event("tx", [
    indexed("id", tx.idText),
    indexed("sender", sender),
    indexed("action", action.kind),
    plain("fee", fee.toString()),
  ]);
  if (!succeeded) return [own];
  switch (action.kind) {
    case "transfer":
      return [
        own,
        event("transfer", [
          indexed("sender", sender),
          indexed("recipient", formatAddress(action.to)),
          plain("amount", action.amount.toString()),
        ]),
      ];
    case "rollupData":
      return [
        own,
        event("rollup_data", [
          indexed("rollup", tx.rollupId),
          plain("count", action.entryCount.toString()),
          plain("bytes", action.payload.length.toString()),
        ]),
      ];
    case "registerRollup":
      return [
        own,
        event("register_rollup", [indexed("rollup", tx.rollupId), indexed("name", action.name)]),
      ];
    case "updateRollup":
      return [own, event("update_rollup", [indexed("rollup", tx.rollupId)])];
    default:
      return assertNever(action, "action");
  }
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
