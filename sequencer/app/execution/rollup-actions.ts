/** Transfers, and what rollups do. */
import { formatAddress } from "../../../proto/address.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, copyBytes, toHex } from "../../../proto/bytes.ts";
import type { RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import { rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { failure } from "../codes.ts";
import { policyAt, policyFault } from "../state/rollup-policy.ts";
import { type ActionOf, type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

type Rules<Kind extends RollupActionKind> = ActionRules<ActionOf<Kind>>;
type RollupActionKind = "transfer" | "rollupData" | "registerRollup" | "updateRollup";

const TRANSFER: Rules<"transfer"> = {
  fault(_state, _tx, { amount }, _terms, balance) {
    if (balance >= amount) return undefined;
    return failure("TRANSFER_FUNDS", `${balance} nweft are left, ${amount} are needed`);
  },
  run(state, { sender }, { to, amount }) {
    state.account(sender).balance -= amount;
    // The total supply is below 2^63, so no balance can overflow.
    state.account(toHex(to)).balance += amount;
  },
  value: ({ amount }) => amount,
  events: ({ senderText }, { to, amount }) => [
    event("transfer", [
      indexed("sender", senderText),
      indexed("recipient", formatAddress(to)),
      plain("amount", amount.toString()),
    ]),
  ],
};

const ROLLUP_DATA: Rules<"rollupData"> = {
  fault(state, { rollupId }, _action, { height }) {
    const rollup = state.rollup(rollupId);
    if (rollup === undefined) return failure("ROLLUP_UNKNOWN", rollupId);
    if (!policyAt(rollup, Height(height)).sealedOnly) return undefined;
    return failure("ROLLUP_SEALED_ONLY", rollup.name);
  },
  // Its effect is the manifest entry.
  run() {},
  value: noValue,
  rollup: ({ rollupId }) => toHex(rollupId),
  events: ({ rollupId }, { entryCount, payload }) => [
    event("rollup_data", [
      indexed("rollup", rollupId),
      plain("count", entryCount.toString()),
      plain("bytes", payload.length.toString()),
    ]),
  ],
};

const REGISTER_ROLLUP: Rules<"registerRollup"> = {
  fault(state, { rollupId }, { name, policy }, { params }, balance) {
    if (state.rollup(rollupId) !== undefined) return failure("ROLLUP_EXISTS", name);
    const fault = policyFault(rollupId, policy);
    if (fault !== undefined) return fault;
    const { rollupDeposit } = params;
    if (balance >= rollupDeposit) return undefined;
    return failure("ROLLUP_DEPOSIT", `${balance} nweft are left, ${rollupDeposit} are needed`);
  },
  run(state, { sender, rollupId }, { name, ownerKey, policy }, { height, params }) {
    state.collect(sender, "deposits", params.rollupDeposit);
    state.setRollup(rollupId, {
      name,
      ownerKey: copyBytes(ownerKey),
      policy: copyPolicy(policy),
      pending: undefined,
      deposit: params.rollupDeposit,
      registeredHeight: Height(height),
    });
  },
  value: (_action, { rollupDeposit }) => rollupDeposit,
  rollup: ({ name }) => toHex(rollupIdOfName(name)),
  events: ({ rollupId }, { name }) => [
    event("register_rollup", [indexed("rollup", rollupId), indexed("name", name)]),
  ],
};

/** The policy changes after a delay, so that users can leave first; the owner key changes at once. */
const UPDATE_ROLLUP: Rules<"updateRollup"> = {
  fault(state, { rollupId, tx }, { policy }) {
    const rollup = state.rollup(rollupId);
    if (rollup === undefined) return failure("ROLLUP_UNKNOWN", rollupId);
    const isOwner = bytesEqual(rollup.ownerKey, tx.body.publicKey);
    if (!isOwner) return failure("ROLLUP_NOT_OWNER", rollup.name);
    return policyFault(rollupId, policy);
  },
  run(state, { rollupId }, { newOwnerKey, policy }, { height, params }) {
    const rollup = state.rollup(rollupId);
    if (rollup === undefined) return;
    state.setRollup(rollupId, {
      ...rollup,
      ownerKey: newOwnerKey.length > 0 ? copyBytes(newOwnerKey) : rollup.ownerKey,
      // A change that is already in force stays; one that still waits is replaced.
      policy: policyAt(rollup, Height(height)),
      pending: {
        policy: copyPolicy(policy),
        effectiveHeight: Height(height + params.policyDelay),
      },
    });
  },
  value: noValue,
  rollup: ({ rollupId }) => toHex(rollupId),
  events: ({ rollupId }) => [event("update_rollup", [indexed("rollup", rollupId)])],
};

export const ROLLUP_RULES: RulesOf<RollupActionKind> = {
  transfer: TRANSFER,
  rollupData: ROLLUP_DATA,
  registerRollup: REGISTER_ROLLUP,
  updateRollup: UPDATE_ROLLUP,
};

function copyPolicy(policy: RollupPolicy): RollupPolicy {
  return {
    ...policy,
    executorKeys: policy.executorKeys.map(copyBytes),
    auctionLeader: copyBytes(policy.auctionLeader),
    auctionMembers: policy.auctionMembers.map(copyBytes),
  };
}
