/** Governance actions, `weft.tx.v1` fields 33-36 of the action. */
import type { Height } from "../brands.ts";
import { compareBytes, EMPTY_BYTES, utf8ToBytes } from "../bytes.ts";
import { ADDRESS_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import {
  amount,
  choice,
  defineRecord,
  defineUnion,
  fixedBytes,
  flag,
  height,
  list,
  nested,
  positiveAmount,
  positiveUint,
  text,
  type UnionCodec,
} from "./record.ts";

export const TITLE_BYTES_MAX = 140;
export const SUMMARY_BYTES_MAX = 4_096;
export const PARAMETER_CHANGES_MAX = 64;
export const PARAMETER_NAME_BYTES_MAX = 64;
export const UPGRADE_NAME_BYTES_MAX = 64;
export const UPGRADE_INFO_BYTES_MAX = 1_024;

export const VoteOption = { YES: 1, NO: 2, ABSTAIN: 3, VETO: 4 } as const;
export type VoteOption = (typeof VoteOption)[keyof typeof VoteOption];

/** 33 */
export interface SubmitProposal {
  readonly kind: "submitProposal";
  /** UTF-8, 1 to 140 bytes. */
  readonly title: string;
  /** UTF-8, at most 4,096 bytes. */
  readonly summary: string;
  readonly content: ProposalContent;
  /** nweft. */
  readonly deposit: bigint;
}

export type ProposalContent =
  /** A decision in words. */
  | { readonly kind: "text" }
  /** Names of `params.ts` with their new values, names ascending, unique, 1 to 64. */
  | { readonly kind: "parameters"; readonly changes: readonly ParameterChange[] }
  /** Blocks from `height` on need software that knows `name`. */
  | {
      readonly kind: "upgrade";
      readonly name: string;
      readonly height: Height;
      readonly info: string;
    }
  | { readonly kind: "cancelUpgrade"; readonly name: string }
  /** From the community pool. `to`: 20 bytes. */
  | { readonly kind: "communitySpend"; readonly to: Uint8Array; readonly amount: bigint };

export interface ParameterChange {
  readonly name: string;
  readonly value: bigint;
}

/** 34 */
export interface DepositToProposal {
  readonly kind: "depositToProposal";
  readonly proposal: number;
  readonly amount: bigint;
}

/** 35. Replaces the sender's earlier vote. */
export interface Vote {
  readonly kind: "vote";
  readonly proposal: number;
  readonly option: VoteOption;
}

/** 36. Operator only: this validator wants the chain to stop (or no longer does). */
export interface VoteHalt {
  readonly kind: "voteHalt";
  /** Consensus address, 20 bytes. */
  readonly validator: Uint8Array;
  readonly halt: boolean;
}

export type GovernanceAction = SubmitProposal | DepositToProposal | Vote | VoteHalt;

type ContentOf<Kind extends ProposalContent["kind"]> = Omit<
  Extract<ProposalContent, { readonly kind: Kind }>,
  "kind"
>;

const PARAMETER_CHANGE_CODEC = defineRecord<ParameterChange>({
  name: [1, text(PARAMETER_NAME_BYTES_MAX, 1)],
  value: [2, amount],
});

export const PROPOSAL_CONTENT_CODEC: UnionCodec<ProposalContent> = defineUnion<ProposalContent>({
  text: [1, defineRecord<object>({})],
  parameters: [
    2,
    defineRecord<ContentOf<"parameters">>(
      { changes: [1, list(PARAMETER_CHANGE_CODEC, PARAMETER_CHANGES_MAX, 1)] },
      checkNamesAscend,
    ),
  ],
  upgrade: [
    3,
    defineRecord<ContentOf<"upgrade">>({
      name: [1, text(UPGRADE_NAME_BYTES_MAX, 1)],
      height: [2, height],
      info: [3, text(UPGRADE_INFO_BYTES_MAX)],
    }),
  ],
  cancelUpgrade: [
    4,
    defineRecord<ContentOf<"cancelUpgrade">>({ name: [1, text(UPGRADE_NAME_BYTES_MAX, 1)] }),
  ],
  communitySpend: [
    5,
    defineRecord<ContentOf<"communitySpend">>({
      to: [1, fixedBytes(ADDRESS_BYTES)],
      amount: [2, positiveAmount],
    }),
  ],
});

function checkNamesAscend({ changes }: ContentOf<"parameters">): void {
  let previous = EMPTY_BYTES;
  for (const change of changes) {
    const name = utf8ToBytes(change.name);
    if (compareBytes(name, previous) <= 0) {
      throw codecError("CODEC_ELEMENT_ORDER", "names of changes must ascend and be unique");
    }
    previous = name;
  }
}

type Fields<Action> = Omit<Action, "kind">;

/** Governance actions by their field in `TxBody.action`. */
export const GOVERNANCE_ACTION_CODEC: UnionCodec<GovernanceAction> = defineUnion<GovernanceAction>({
  submitProposal: [
    33,
    defineRecord<Fields<SubmitProposal>>({
      title: [1, text(TITLE_BYTES_MAX, 1)],
      summary: [2, text(SUMMARY_BYTES_MAX)],
      content: [3, nested(PROPOSAL_CONTENT_CODEC)],
      deposit: [4, positiveAmount],
    }),
  ],
  depositToProposal: [
    34,
    defineRecord<Fields<DepositToProposal>>({
      proposal: [1, positiveUint],
      amount: [2, positiveAmount],
    }),
  ],
  vote: [
    35,
    defineRecord<Fields<Vote>>({ proposal: [1, positiveUint], option: [2, choice(VoteOption)] }),
  ],
  voteHalt: [
    36,
    defineRecord<Fields<VoteHalt>>({
      validator: [1, fixedBytes(ADDRESS_BYTES)],
      halt: [2, flag],
    }),
  ],
});
