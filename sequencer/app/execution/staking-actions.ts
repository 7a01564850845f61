/** Staking, slashing and rewards: the rules are in their folders, here they meet the transaction. */
import type { StakeAction } from "../../../proto/codec/weft-tx.ts";
import type { Failure } from "../codes.ts";
import {
  claimRollupRevenue,
  claimRollupRevenueFault,
  fundCommunity,
  fundCommunityFault,
  setWithdrawAddress,
  setWithdrawAddressFault,
  withdrawCommission,
  withdrawCommissionFault,
  withdrawRewards,
  withdrawRewardsFault,
} from "../distribution/actions.ts";
import {
  depositToProposal,
  depositToProposalFault,
  submitProposal,
  submitProposalFault,
} from "../governance/proposals.ts";
import { voteHalt, voteHaltFault } from "../governance/halt.ts";
import { vote, voteFault } from "../governance/votes.ts";
import {
  evidenceProofs,
  evidenceSignatures,
  submitEvidence,
  submitEvidenceCostlyFault,
  submitEvidenceFault,
} from "../slashing/evidence.ts";
import { unjail, unjailFault } from "../slashing/jail.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import {
  cancelUnbonding,
  cancelUnbondingFault,
  delegate,
  delegateFault,
  redelegate,
  redelegateFault,
  undelegate,
  undelegateFault,
} from "../staking/delegations.ts";
import { applicationKeyProof } from "../staking/key-proof.ts";
import {
  createValidator,
  createValidatorFault,
  editValidator,
  editValidatorFault,
  retireValidator,
  retireValidatorFault,
  isApplicationKey,
  rotateApplicationKey,
  rotateApplicationKeyFault,
} from "../staking/validators.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

export const STAKE_RULES: RulesOf<StakeAction["kind"]> = {
  createValidator: {
    ...rules(createValidatorFault, createValidator),
    value: ({ selfDelegation }) => selfDelegation,
    signatures: (chainId, action) => [applicationKeyProof(chainId, action)],
  },
  editValidator: rules(editValidatorFault, editValidator),
  retireValidator: rules(retireValidatorFault, retireValidator),
  rotateApplicationKey: {
    ...rules(rotateApplicationKeyFault, rotateApplicationKey),
    signatures: (chainId, action) => [applicationKeyProof(chainId, action)],
  },
  delegate: { ...rules(delegateFault, delegate), value: ({ amount }) => amount },
  undelegate: rules(undelegateFault, undelegate),
  cancelUnbonding: rules(cancelUnbondingFault, cancelUnbonding),
  redelegate: rules(redelegateFault, redelegate),
  unjail: rules(unjailFault, unjail),
  withdrawRewards: rules(withdrawRewardsFault, withdrawRewards),
  withdrawCommission: rules(withdrawCommissionFault, withdrawCommission),
  setWithdrawAddress: rules(setWithdrawAddressFault, setWithdrawAddress),
  fundCommunity: { ...rules(fundCommunityFault, fundCommunity), value: ({ amount }) => amount },
  claimRollupRevenue: rules(claimRollupRevenueFault, claimRollupRevenue),
  submitEvidence: {
    ...rules(submitEvidenceFault, submitEvidence),
    signatures: (chainId, { evidence }) => evidenceSignatures(chainId, evidence),
    proofs: (chainId, _body, { evidence }) => evidenceProofs(chainId, evidence),
    costlyFault: ({ staking }, action) => submitEvidenceCostlyFault(staking, action),
    free: ({ staking }, { tx }) => isApplicationKey(staking, tx.body.publicKey),
  },
  submitProposal: {
    ...rules(submitProposalFault, submitProposal),
    value: ({ deposit }) => deposit,
  },
  depositToProposal: {
    ...rules(depositToProposalFault, depositToProposal),
    value: ({ amount }) => amount,
  },
  vote: rules(voteFault, vote),
  voteHalt: rules(voteHaltFault, voteHalt),
};

/** Rules that know the sender's address and the state, of the transaction nothing else. */
function rules<A>(
  fault: (reader: StakingReader, sender: string, action: A) => Failure | undefined,
  run: (ctx: StakingContext, sender: string, action: A) => void,
): ActionRules<A> {
  return {
    fault: (state, { sender }, action) => fault(state.staking, sender, action),
    run: (state, { sender }, action) => run(state, sender, action),
    value: noValue,
  };
}
