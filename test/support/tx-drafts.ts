/** Random transactions for property tests: what users send, right and wrong. */
import * as fc from "fast-check";
import { PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import { type Action, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assertNever } from "../../proto/errors.ts";
import {
  dataFor,
  nonce,
  ROLLUPS,
  signedItem,
  type TestChain,
  transferTo,
  unordered,
  wallet,
} from "./weft-app.ts";

export const WALLETS = 5;
export const VALIDATORS = 3;

/** One transaction to make, and the nodes that hear of it. */
export interface Draft {
  readonly sender: number;
  readonly kind: "transfer" | "data" | "register" | "update" | "broken";
  readonly recipient: number;
  readonly amount: bigint;
  readonly isOrdered: boolean;
  /** Added to the nonce that would be right. */
  readonly nonceSkew: number;
  readonly tip: bigint;
  readonly bytes: number;
  readonly heardBy: readonly boolean[];
}

const draft: fc.Arbitrary<Draft> = fc.record({
  sender: fc.nat(WALLETS),
  kind: fc.constantFrom("transfer", "data", "data", "register", "update", "broken"),
  recipient: fc.nat(WALLETS + 3),
  amount: fc.bigInt(1n, 3_000_000_000_000n),
  isOrdered: fc.boolean(),
  nonceSkew: fc.constantFrom(0, 0, 0, 0, 1, -1),
  tip: fc.bigInt(0n, 50n),
  bytes: fc.nat(3_000),
  heardBy: fc.array(fc.boolean(), { minLength: VALIDATORS, maxLength: VALIDATORS }),
});

export const block = fc.record({
  drafts: fc.array(draft, { maxLength: 12 }),
  proposer: fc.nat(VALIDATORS - 1),
});

function actionOf({ kind, recipient, amount, bytes }: Draft): Action {
  const policy = {
    ...PLAIN_POLICY,
    sealedOnly: bytes % 2 === 1,
    auction: false,
    reserve: amount,
    revenueShareBps: bytes,
    executorKeys: [],
  } as const;
  switch (kind) {
    case "transfer":
      return transferTo(wallet(recipient).address, amount);
    case "register":
      return {
        kind: "registerRollup",
        name: `r${recipient}`,
        policy,
        ownerKey: wallet(0).key.publicKey,
      };
    case "update":
      return {
        kind: "updateRollup",
        rollupId: rollupIdOfName(recipient % 2 === 0 ? "alpha" : `r${recipient}`),
        policy,
        newOwnerKey: new Uint8Array(),
      };
    case "data":
    case "broken": {
      const rollup = recipient > WALLETS ? `r${recipient}` : (ROLLUPS[recipient % 2] ?? "alpha");
      return dataFor(rollup, "x".repeat(bytes + 1));
    }
    default:
      return assertNever(kind, "kind of draft");
  }
}

export async function submitDrafts(
  chain: TestChain,
  drafts: readonly Draft[],
  salt: number,
): Promise<void> {
  for (const [at, each] of drafts.entries()) {
    const sender = wallet(each.sender);
    const { app } = chain.node(each.heardBy.indexOf(true) === -1 ? 0 : each.heardBy.indexOf(true));
    const next = app.read.pendingAccount(sender.address).nonce + BigInt(each.nonceSkew);
    const replay = each.isOrdered
      ? nonce(next < 0n ? 0n : next)
      : unordered(chain.height + 2 + each.recipient, `${salt}/${at}`);
    const item = signedItem(sender, replay, actionOf(each), { tipPerByte: each.tip });
    const sent =
      each.kind === "broken" ? item.with(each.bytes % item.length, each.recipient) : item;
    for (const [index, hears] of each.heardBy.entries()) if (hears) await chain.submit(sent, index);
  }
}
