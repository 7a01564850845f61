/**
 * Deliberate faults in the rules of stake, to show that the model finds such; each is a change of the built code
 * (`test/sim/mutation-hooks.ts`). A text that is no longer in the code, or is there twice, fails the run.
 */
import type { Mutation } from "../sim/mutations.ts";

const APP = "sequencer/app";
const SHARES = `${APP}/staking/shares.js`;
const DELEGATIONS = `${APP}/staking/delegations.js`;
const UNBONDING = `${APP}/staking/unbonding.js`;
const EPOCH = `${APP}/staking/epoch.js`;
const MATURITY = `${APP}/staking/maturity.js`;
const CANDIDATES = `${APP}/staking/candidates.js`;
const VALIDATORS = `${APP}/staking/validators.js`;
const POWERS = `${APP}/staking/power-history.js`;
const SLASH = `${APP}/slashing/slash.js`;
const LEFT_STAKE = `${APP}/slashing/left-stake.js`;
const JAIL = `${APP}/slashing/jail.js`;
const AGE = `${APP}/slashing/height-time.js`;

export const STAKING_MUTATIONS: readonly Mutation[] = [
  change("shares-rounded-up", "sells shares a little too cheap", SHARES, [
    "return mulDivDown(stake.shares, amount, stake.tokens);",
    "return (stake.shares * amount + stake.tokens - 1n) / stake.tokens;",
  ]),
  change("shares-removed-rounded-down", "lets too few shares go", SHARES, [
    "const shares = mulDivUp(stake.shares, amount, stake.tokens);",
    "const shares = mulDivDown(stake.shares, amount, stake.tokens);",
  ]),
  change("pays-rounded-up", "pays a part of 1 nweft that belongs to the others", SHARES, [
    "return mulDivDown(shares, stake.tokens, stake.shares);",
    "return mulDivUp(shares, stake.tokens, stake.shares);",
  ]),
  change("transitive-redelegation", "lets stake move on that has just moved", DELEGATIONS, [
    "if (hasIncoming(reader, sender, from)) {",
    "if (false) {",
  ]),
  change("entries-off-by-one", "takes one entry more than it may", DELEGATIONS, [
    "if (count < unbondingEntriesMax)",
    "if (count <= unbondingEntriesMax)",
  ]),
  change("no-self-delegation-jail", "keeps an operator without own stake", DELEGATIONS, [
    "if (isBelowOwnMinimum(ctx, validator, delegator))",
    "if (false)",
  ]),
  change("cancel-keeps-initial", "counts what was cancelled as still leaving", DELEGATIONS, [
    "initialBalance: entry.initialBalance - amount }",
    "initialBalance: entry.initialBalance }",
  ]),
  change("cancel-ripe-entry", "cancels what should have been paid", DELEGATIONS, [
    "entry === undefined || entry.completionSeconds <= reader.nowSeconds",
    "entry === undefined",
  ]),
  change("escape-outside-the-set", "pays at once what answers for another validator", UNBONDING, [
    "status === BondStatus.BONDED || hasIncoming(reader, delegator, validator)",
    "status === BondStatus.BONDED",
  ]),
  change("always-whole-time", "makes stake wait longer than its validator", UNBONDING, [
    "return { completionSeconds: unbondingSeconds, slashableThrough: through };",
    "return { completionSeconds: wholeTime, slashableThrough: through };",
  ]),
  change("pays-all-entries", "pays entries with the first of their record", MATURITY, [
    "if (entry.completionSeconds > ctx.nowSeconds)\n            return true;",
    "",
  ]),
  change("never-comes-in", "never forgets that stake has moved", MATURITY, [
    "countIncoming(ctx, delegator, destination, -matured);",
    "",
  ]),
  change("out-too-early", "ends a validator's wait before its last votes", MATURITY, [
    "if (ctx.height < state.unbondingHeight)",
    "if (false)",
  ]),
  change("jailed-vote-on", "leaves jailed validators in the set until the epoch ends", EPOCH, [
    "if (state.power > 0n && !state.jailed)",
    "if (state.power > 0n)",
  ]),
  change("retired-stay", "takes retired validators into the set", EPOCH, [
    "!state.jailed && !state.retired && ",
    "!state.jailed && ",
  ]),
  change("one-too-many", "takes one validator more into the set", EPOCH, [
    "standing.slice(0, params.validatorsMax)",
    "standing.slice(0, params.validatorsMax + 1)",
  ]),
  change("empty-set", "lets the last validator go", EPOCH, [
    "keepOne(powers, all);\n    const updates",
    "powers.clear();\n    const updates",
  ]),
  change("unsettled-power", "shares rewards of the past by the power of now", EPOCH, [
    "    settleValidator(ctx, validator);\n",
    "",
  ]),
  change("pool-left-behind", "leaves stake of a validator in the wrong pool", EPOCH, [
    'ctx.move("bonded", "notBonded", tokens);',
    "",
  ]),
  change("mark-left-behind", "leaves the mark of a validator that has come back", EPOCH, [
    'dequeue(ctx, unbondingSeconds, "validator", validator);',
    ";",
  ]),
  change("free-too-early", "lets stake go unpunished that votes until the epoch ends", POWERS, [
    "return Height(startHeight + length);",
    "return Height(reader.height);",
  ]),
  change("evicts-liable-stake", "pushes out stake that answers for another validator", CANDIDATES, [
    " && !hasIncoming(reader, operator, validator)",
    "",
  ]),
  change("evicts-the-equal", "replaces a candidate by one that brings no more", CANDIDATES, [
    "weakest.tokens >= tokens",
    "weakest.tokens > tokens",
  ]),
  change(
    "forgets-the-tomb",
    "removes a tombstoned validator, whose key may then return",
    CANDIDATES,
    ["if (status !== BondStatus.UNBONDED || tombstoned)", "if (status !== BondStatus.UNBONDED)"],
  ),
  change("commission-from-the-past", "takes the new rate of what was earned before", VALIDATORS, [
    "if (commission !== undefined)\n        settleValidator(ctx, validator);\n",
    "",
  ]),
  change("commission-every-hour", "lets the rate change more than once a day", VALIDATORS, [
    "if (since < COMMISSION_CHANGE_SECONDS) {",
    "if (since < 3_600) {",
  ]),
  change(
    "no-token-budget",
    "takes from the validator what its leavers have given (spec C2)",
    SLASH,
    [
      "cutTokens(ctx, validator, owed - funds.cut, funds);\n    assert(funds.cut <= owed, ",
      "cutTokens(ctx, validator, owed, funds);\n    assert(true, ",
    ],
  ),
  change("rewards-of-burned-stake", "goes on as if nothing had been cut", SLASH, [
    "recordSlash(ctx, validator, divUp(cut, tokens));",
    "",
  ]),
  change("slash-what-left-before", "cuts stake that had left before the infraction", LEFT_STAKE, [
    "entry.slashableThrough >= infractionHeight && ",
    "",
  ]),
  change(
    "evade-by-undelegating",
    "loses sight of moved stake that leaves (GHSA-86h5-xcpx-cfqc)",
    LEFT_STAKE,
    [
      "leaving.filter((one) => hasFollowed(ctx, one, entry.createdHeight))",
      "leaving.filter(() => false)",
    ],
  ),
  change("slash-by-balance", "cuts a part of what is left instead of what there was", LEFT_STAKE, [
    "bpsOf(entry.initialBalance, terms.fractionBps);\n            const due = ",
    "bpsOf(entry.balance, terms.fractionBps);\n            const due = ",
  ]),
  change("shorter-jail", "shortens a jail that is under way", JAIL, [
    "const until = jailed ? Math.max(jailedUntilSeconds, untilSeconds) : untilSeconds;",
    "const until = untilSeconds;",
  ]),
  change("remembers-after-jail", "keeps what a jailed validator had missed", EPOCH, [
    "if (state.jailed && state.power > 0n)",
    "if (false)",
  ]),
  change("jail-ends-with-removal", "lets a jailed validator register again at once", CANDIDATES, [
    "if (jailedUntilSeconds > reader.nowSeconds)",
    "if (false)",
  ]),
  change("either-age", "refuses evidence that is old by one of the limits alone", AGE, [
    "> reader.evidenceMaxAgeBlocks &&",
    "> reader.evidenceMaxAgeBlocks ||",
  ]),
];

function change(
  name: string,
  fault: string,
  file: string,
  [find, replace]: readonly [string, string],
): Mutation {
  return { name, fault, patches: [{ file, find, replace }] };
}
