import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import type { Pool } from "./pool/pool.ts";
import type { RollupState } from "../../proto/codec/weft-state.ts";
import { policyAt } from "./state/rollup-policy.ts";
import type { CommittedState } from "./state/committed-state.ts";
import type { ReadApi } from "./weft-application.ts";

/** Typed reads over the committed state; all but `rollups` are answered at once. */
export function createReadApi(committed: CommittedState, pool: Pool): ReadApi {
  const settle = (rollup: RollupState): RollupState => settlePolicy(rollup, committed.nextHeight());
  return {
    chain: () => committed.terms?.chain,
    lastBlock: () => committed.terms?.lastBlock,
    appHash: () => committed.store.version.root,
    params: () => committed.requireTerms().params,
    baseFeePerByte: () => committed.requireTerms().baseFeePerByte,
    supply: () => committed.requireTerms().supply,
    account: (address) => committed.account(toHex(address)),
    pendingAccount(address) {
      const key = toHex(address);
      const { balance } = committed.account(key);
      const cost = pool.pendingCost(key);
      return { nonce: pool.nextNonce(key), balance: balance > cost ? balance - cost : 0n };
    },
    rollup(rollupId) {
      const rollup = committed.rollup(toHex(rollupId));
      return rollup && settle(rollup);
    },
    async rollups() {
      const all = await committed.rollups();
      return all.map(([id, rollup]) => ({ id: fromHex(id), ...settle(rollup) }));
    },
    validator: (address) => committed.validator(address),
    staking: () => committed.staking,
    async recordKeys({ prefix }, within, { after, max = Number.POSITIVE_INFINITY }) {
      const keys: string[] = [];
      if (max <= 0) return keys;
      const rest = after?.startsWith(within) === true ? after.slice(within.length) : undefined;
      for await (const [key] of committed.store.entries(prefix + within, rest)) {
        keys.push(key.slice(prefix.length));
        if (keys.length >= max) break;
      }
      return keys;
    },
  };
}

/** The rollup as the next block sees it: a policy that has come into force is no longer pending. */
function settlePolicy(rollup: RollupState, height: number): RollupState {
  const policy = policyAt(rollup, Height(height));
  return policy === rollup.policy ? rollup : { ...rollup, policy, pending: undefined };
}
