/** Staking, rewards and evidence actions, `weft.tx.v1` fields 20-32, 60 and 80 of the action. */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import {
  defineRecord,
  defineUnion,
  fixedBytes,
  flag,
  height,
  int,
  int64,
  nested,
  optional,
  positiveAmount,
  text,
  uint,
  uint32,
  type UnionCodec,
} from "./record.ts";
import { SEAL_EVIDENCE, type SealEvidence } from "./seal-tx.ts";
import { DETAILS_BYTES_MAX, MONIKER_BYTES_MAX, WEBSITE_BYTES_MAX } from "./staking-state.ts";
import { SECONDS_MAX, SECONDS_MIN } from "./types.ts";
import {
  BASIS_POINTS,
  checkLength,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  startSignBytes,
} from "./weft-basics.ts";

/** 20. The sender becomes the operator and delegates `selfDelegation` to it. */
export interface CreateValidator {
  readonly kind: "createValidator";
  /** ed25519, 32 bytes. */
  readonly consensusKey: Uint8Array;
  /** ed25519, 32 bytes, with its signature over `applicationKeySignBytes`, 64 bytes. */
  readonly applicationKey: Uint8Array;
  readonly applicationKeyProof: Uint8Array;
  readonly moniker: string;
  readonly website: string;
  readonly details: string;
  readonly rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
  /** nweft, at least 1. */
  readonly minSelfDelegation: bigint;
  /** nweft, at least minSelfDelegation. */
  readonly selfDelegation: bigint;
}

/** 21. Operator only. Absent members stay as they are; one at least is there. */
export interface EditValidator {
  readonly kind: "editValidator";
  /** Consensus address, 20 bytes; so in all actions below. */
  readonly validator: Uint8Array;
  readonly description:
    | { readonly moniker: string; readonly website: string; readonly details: string }
    | undefined;
  readonly commission: { readonly rateBps: number } | undefined;
  /** May only rise. */
  readonly minSelfDelegation: { readonly amount: bigint } | undefined;
}

/** 22. Operator only: leave the set at the end of the epoch (or, `retired` false, stand again). */
export interface RetireValidator {
  readonly kind: "retireValidator";
  readonly validator: Uint8Array;
  readonly retired: boolean;
}

/** 23. Operator only; the new key signs extensions from the next height on. */
export interface RotateApplicationKey {
  readonly kind: "rotateApplicationKey";
  readonly validator: Uint8Array;
  readonly applicationKey: Uint8Array;
  readonly applicationKeyProof: Uint8Array;
}

/** 24 */
export interface Delegate {
  readonly kind: "delegate";
  readonly validator: Uint8Array;
  /** nweft, at least 1. */
  readonly amount: bigint;
}

/** 25 */
export interface Undelegate {
  readonly kind: "undelegate";
  readonly validator: Uint8Array;
  readonly amount: bigint;
}

/** 26. Delegates `amount` of what is left of the entry to the same validator again. */
export interface CancelUnbonding {
  readonly kind: "cancelUnbonding";
  readonly validator: Uint8Array;
  readonly entry: number;
  readonly amount: bigint;
}

/** 27 */
export interface Redelegate {
  readonly kind: "redelegate";
  readonly validator: Uint8Array;
  readonly destination: Uint8Array;
  readonly amount: bigint;
}

/** 28. Operator only. */
export interface Unjail {
  readonly kind: "unjail";
  readonly validator: Uint8Array;
}

/** 29 */
export interface WithdrawRewards {
  readonly kind: "withdrawRewards";
  readonly validator: Uint8Array;
}

/** 30. Operator only. */
export interface WithdrawCommission {
  readonly kind: "withdrawCommission";
  readonly validator: Uint8Array;
}

/** 31. Where the sender's rewards and commission go from now on. */
export interface SetWithdrawAddress {
  readonly kind: "setWithdrawAddress";
  /** Account, 20 bytes. */
  readonly address: Uint8Array;
}

/** 32. Gives to the community pool. */
export interface FundCommunity {
  readonly kind: "fundCommunity";
  readonly amount: bigint;
}

/** 60, lane CONTROL. One fault with its proof; the sender is rewarded. */
export interface SubmitEvidence {
  readonly kind: "submitEvidence";
  readonly evidence: SubmittedEvidence;
}

export type SubmittedEvidence = DuplicateProposal | SealEvidence;

/**
 * Two proposals of one validator for one height and round with different blocks. The key stands in it, so
 * that its signatures are checked with the transaction's own, from the bytes alone.
 */
export interface DuplicateProposal {
  readonly kind: "duplicateProposal";
  /** ed25519, 32 bytes: the validator's, by its address. */
  readonly consensusKey: Uint8Array;
  readonly height: Height;
  readonly round: number;
  readonly first: SignedProposal;
  readonly second: SignedProposal;
}

/** What a proposal's sign bytes hold beside chain id, height and round, and the consensus key's signature. */
export interface SignedProposal {
  readonly polRound: number;
  readonly blockHash: Uint8Array;
  readonly partsTotal: number;
  readonly partsHash: Uint8Array;
  readonly timeSeconds: bigint;
  readonly timeNanos: number;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** 80. The rollup's owner takes its part of the fees. */
export interface ClaimRollupRevenue {
  readonly kind: "claimRollupRevenue";
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
}

export type StakingAction =
  | CreateValidator
  | EditValidator
  | RetireValidator
  | RotateApplicationKey
  | Delegate
  | Undelegate
  | CancelUnbonding
  | Redelegate
  | Unjail
  | WithdrawRewards
  | WithdrawCommission
  | SetWithdrawAddress
  | FundCommunity
  | SubmitEvidence
  | ClaimRollupRevenue;

const KEY_TAG = new TextEncoder().encode("weft/application-key/v1");

/**
 * What an application key signs to prove that it is there: lp("weft/application-key/v1") ‖ lp(chain id) ‖
 * consensus address (20 bytes) ‖ application key (32 bytes).
 */
export function applicationKeySignBytes(
  chainId: string,
  consensusAddress: Uint8Array,
  applicationKey: Uint8Array,
): Uint8Array {
  checkLength("consensus_address", consensusAddress, ADDRESS_BYTES);
  checkLength("application_key", applicationKey, PUBLIC_KEY_BYTES);
  const { out, at } = startSignBytes(KEY_TAG, chainId, ADDRESS_BYTES + PUBLIC_KEY_BYTES);
  out.set(consensusAddress, at);
  out.set(applicationKey, at + ADDRESS_BYTES);
  return out;
}

type Fields<Action> = Omit<Action, "kind">;
type Description = NonNullable<EditValidator["description"]>;

const INT32_MAX = 0x7fff_ffff;
const NANOS_MAX = 999_999_999;

const address = fixedBytes(ADDRESS_BYTES);
const publicKey = fixedBytes(PUBLIC_KEY_BYTES);
const signature = fixedBytes(SIGNATURE_BYTES);
const hash = fixedBytes(HASH_BYTES);
const bps = uint32(0, BASIS_POINTS);
const ofValidator = defineRecord<{ readonly validator: Uint8Array }>({ validator: [1, address] });

/** Bounds are those of the sign bytes, which must be there for every action that can be decoded. */
const SIGNED_PROPOSAL = defineRecord<SignedProposal>({
  polRound: [1, int(-1, INT32_MAX)],
  blockHash: [2, hash],
  partsTotal: [3, uint32(1)],
  partsHash: [4, hash],
  timeSeconds: [5, int64(SECONDS_MIN, SECONDS_MAX)],
  timeNanos: [6, uint32(0, NANOS_MAX)],
  signature: [7, signature],
});

/** A fault with its proof, as a message of its own. */
export const SUBMITTED_EVIDENCE_CODEC: UnionCodec<SubmittedEvidence> =
  defineUnion<SubmittedEvidence>({
    duplicateProposal: [
      1,
      defineRecord<Fields<DuplicateProposal>>({
        consensusKey: [1, publicKey],
        height: [2, height],
        round: [3, uint32(0, INT32_MAX)],
        first: [4, nested(SIGNED_PROPOSAL)],
        second: [5, nested(SIGNED_PROPOSAL)],
      }),
    ],
    ...SEAL_EVIDENCE,
  });

/** Staking, rewards and evidence actions by their field in `TxBody.action`. */
export const STAKING_ACTION_CODEC: UnionCodec<StakingAction> = defineUnion<StakingAction>({
  createValidator: [
    20,
    defineRecord<Fields<CreateValidator>>({
      consensusKey: [1, publicKey],
      applicationKey: [2, publicKey],
      applicationKeyProof: [3, signature],
      moniker: [4, text(MONIKER_BYTES_MAX, 1)],
      website: [5, text(WEBSITE_BYTES_MAX)],
      details: [6, text(DETAILS_BYTES_MAX)],
      rateBps: [7, bps],
      maxRateBps: [8, bps],
      maxChangeBps: [9, bps],
      minSelfDelegation: [10, positiveAmount],
      selfDelegation: [11, positiveAmount],
    }),
  ],
  editValidator: [
    21,
    defineRecord<Fields<EditValidator>>(
      {
        validator: [1, address],
        description: [
          2,
          optional(
            defineRecord<Description>({
              moniker: [1, text(MONIKER_BYTES_MAX, 1)],
              website: [2, text(WEBSITE_BYTES_MAX)],
              details: [3, text(DETAILS_BYTES_MAX)],
            }),
          ),
        ],
        commission: [
          3,
          optional(defineRecord<{ readonly rateBps: number }>({ rateBps: [1, bps] })),
        ],
        minSelfDelegation: [
          4,
          optional(defineRecord<{ readonly amount: bigint }>({ amount: [1, positiveAmount] })),
        ],
      },
      checkEditsSomething,
    ),
  ],
  retireValidator: [
    22,
    defineRecord<Fields<RetireValidator>>({ validator: [1, address], retired: [2, flag] }),
  ],
  rotateApplicationKey: [
    23,
    defineRecord<Fields<RotateApplicationKey>>({
      validator: [1, address],
      applicationKey: [2, publicKey],
      applicationKeyProof: [3, signature],
    }),
  ],
  delegate: [
    24,
    defineRecord<Fields<Delegate>>({ validator: [1, address], amount: [2, positiveAmount] }),
  ],
  undelegate: [
    25,
    defineRecord<Fields<Undelegate>>({ validator: [1, address], amount: [2, positiveAmount] }),
  ],
  cancelUnbonding: [
    26,
    defineRecord<Fields<CancelUnbonding>>({
      validator: [1, address],
      entry: [2, uint],
      amount: [3, positiveAmount],
    }),
  ],
  redelegate: [
    27,
    defineRecord<Fields<Redelegate>>({
      validator: [1, address],
      destination: [2, address],
      amount: [3, positiveAmount],
    }),
  ],
  unjail: [28, ofValidator],
  withdrawRewards: [29, ofValidator],
  withdrawCommission: [30, ofValidator],
  setWithdrawAddress: [31, defineRecord<Fields<SetWithdrawAddress>>({ address: [1, address] })],
  fundCommunity: [32, defineRecord<Fields<FundCommunity>>({ amount: [1, positiveAmount] })],
  submitEvidence: [
    60,
    defineRecord<Fields<SubmitEvidence>>({ evidence: [1, nested(SUBMITTED_EVIDENCE_CODEC)] }),
  ],
  claimRollupRevenue: [80, defineRecord<Fields<ClaimRollupRevenue>>({ rollupId: [1, hash] })],
});

function checkEditsSomething(action: Fields<EditValidator>): void {
  const { description, commission, minSelfDelegation } = action;
  if ((description ?? commission ?? minSelfDelegation) !== undefined) return;
  throw codecError("CODEC_MISSING_FIELD", "edit_validator changes nothing");
}
