/**
 * The checks between a decoded transaction and the block it wants to enter, in the one order that all
 * nodes of a rollup must share: nonce and balance of the sender, then gas and fee. Pure: executor and gateway ask
 * the same questions, the one about the block at hand, the other about the next.
 */
import type { Common } from "@ethereumjs/common";
import {
  type TypedTransaction,
  getCalldataFloorGas,
  isBlob4844Tx,
  isEOACode7702Tx,
} from "@ethereumjs/tx";
import {
  type Account,
  type Address,
  KECCAK256_NULL,
  eoaCode7702RecoverAuthority,
  equalsBytes,
} from "@ethereumjs/util";
import type { DecodedTransaction, SkipReason } from "./payload.ts";
import type { StateView } from "./virtual-machine.ts";

/** What the block still offers. */
export interface BlockRoom {
  readonly gasLimit: bigint;
  readonly gasLeft: bigint;
  readonly blobGasLeft: bigint;
  readonly baseFeePerGas: bigint;
  readonly blobBaseFee: bigint;
}

/** First three bytes of the code of an EOA that delegates (EIP-7702). */
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00);

/** Least gas limit of a transaction: its intrinsic gas, or the floor of its bytes (EIP-7623). */
export function minimumGasLimit(transaction: TypedTransaction, common: Common): bigint {
  const intrinsic = transaction.getIntrinsicGas();
  if (!common.isActivatedEIP(7623)) return intrinsic;
  const floor = getCalldataFloorGas(transaction);
  return floor > intrinsic ? floor : intrinsic;
}

export function maxFeePerGas(transaction: TypedTransaction): bigint {
  return "maxFeePerGas" in transaction ? transaction.maxFeePerGas : transaction.gasPrice;
}

/** The most a transaction can cost its sender, wei (EIP-1559, EIP-4844). */
export function maxCost(transaction: TypedTransaction, common: Common): bigint {
  const cost = transaction.gasLimit * maxFeePerGas(transaction) + transaction.value;
  if (!isBlob4844Tx(transaction)) return cost;
  return cost + blobGas(transaction, common) * transaction.maxFeePerBlobGas;
}

export function blobGas(transaction: TypedTransaction, common: Common): bigint {
  if (!isBlob4844Tx(transaction)) return 0n;
  return common.param("blobGasPerBlob") * BigInt(transaction.numBlobs());
}

/** Why `transaction` has no place in the block, as far as its sender does not matter. */
export function roomObjection(
  transaction: TypedTransaction,
  room: BlockRoom,
  common: Common,
): SkipReason | undefined {
  if (transaction.gasLimit < minimumGasLimit(transaction, common)) return "INTRINSIC_GAS_TOO_LOW";
  if (transaction.gasLimit > room.gasLimit) return "GAS_LIMIT_ABOVE_BLOCK";
  if (transaction.gasLimit > room.gasLeft) return "BLOCK_GAS_EXHAUSTED";
  if (maxFeePerGas(transaction) < room.baseFeePerGas) return "FEE_BELOW_BASE_FEE";
  if (isBlob4844Tx(transaction)) {
    if (blobGas(transaction, common) > room.blobGasLeft) return "BLOB_GAS_EXHAUSTED";
    if (transaction.maxFeePerBlobGas < room.blobBaseFee) return "BLOB_FEE_TOO_LOW";
  }
  return undefined;
}

/** Both: why `transaction` of `sender` has no place in the block, in the state as it is. */
export async function objectionTo(
  { transaction, sender }: Pick<DecodedTransaction, "transaction" | "sender">,
  state: Pick<StateView, "getAccount" | "getCode">,
  room: BlockRoom,
  common: Common,
): Promise<SkipReason | undefined> {
  const account = await state.getAccount(sender);
  return (
    (await senderObjection(transaction, account, () => state.getCode(sender), common)) ??
    roomObjection(transaction, room, common)
  );
}

/** Whether it is the code of an account that delegates to another's (EIP-7702). */
export function isDelegation(code: Uint8Array): boolean {
  return equalsBytes(code.slice(0, 3), DELEGATION_PREFIX);
}

/** Accounts that a transaction may make delegate. Recovering them takes time. */
export function authoritiesOf(transaction: TypedTransaction): readonly Address[] {
  if (!isEOACode7702Tx(transaction)) return [];
  return transaction.authorizationList.flatMap((authorization) => {
    try {
      return [eoaCode7702RecoverAuthority(authorization)];
    } catch {
      return []; // nobody signed it, so it concerns nobody
    }
  });
}

/** Why the sender may not send `transaction` now. `code` is asked for only when there is some. */
export async function senderObjection(
  transaction: TypedTransaction,
  account: Account | undefined,
  code: () => Promise<Uint8Array>,
  common: Common,
): Promise<SkipReason | undefined> {
  if (account !== undefined && !equalsBytes(account.codeHash, KECCAK256_NULL)) {
    const isDelegated = common.isActivatedEIP(7702) && isDelegation(await code());
    if (!isDelegated) return "SENDER_NOT_EOA";
  }
  const nonce = account?.nonce ?? 0n;
  if (transaction.nonce < nonce) return "NONCE_TOO_LOW";
  if (transaction.nonce > nonce) return "NONCE_TOO_HIGH";
  if ((account?.balance ?? 0n) < maxCost(transaction, common)) return "INSUFFICIENT_FUNDS";
  return undefined;
}
