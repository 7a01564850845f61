/** Runs a story on the rules and on the model side by side, and shortens one that fails. */
import { fromHex } from "../../proto/bytes.ts";
import {
  withdrawCommission,
  withdrawCommissionFault,
  withdrawRewards,
  withdrawRewardsFault,
} from "../../sequencer/app/distribution/actions.ts";
import { jail, unjail, unjailFault } from "../../sequencer/app/slashing/jail.ts";
import { slash as slashRule } from "../../sequencer/app/slashing/slash.ts";
import {
  cancelUnbonding,
  cancelUnbondingFault,
  delegate as delegateRule,
  delegateFault,
  redelegate as redelegateRule,
  redelegateFault,
  undelegate as undelegateRule,
  undelegateFault,
} from "../../sequencer/app/staking/delegations.ts";
import {
  createValidator,
  createValidatorFault,
  editValidator,
  editValidatorFault,
  retireValidator,
  retireValidatorFault,
} from "../../sequencer/app/staking/validators.ts";
import { accountNumber, creation, validatorNumber } from "../support/staking-fixtures.ts";
import {
  Broken,
  checkAgreement,
  checkInvariants,
  checkRates,
  checkUpdates,
  ratesOf,
} from "./checks.ts";
import {
  cancel,
  create,
  delegate,
  judgeCancel,
  judgeCreate,
  judgeDelegate,
  judgeRate,
  judgeRedelegate,
  judgeRetire,
  judgeUndelegate,
  judgeUnjail,
  redelegate,
  undelegate,
  type Verdict,
} from "./model-actions.ts";
import { endBlock, vote } from "./model-blocks.ts";
import { allocate } from "./model-rewards.ts";
import { evidenceFault, slash, tombstone } from "./model-slash.ts";
import { Model, type ModelParams, POWER_UNIT } from "./model-state.ts";
import { ground } from "./ground.ts";
import {
  ACCOUNTS,
  type Amount,
  describeStep,
  type Draft,
  PROLOGUE,
  type Step,
  withNames,
} from "./steps.ts";
import { StoredRecords } from "./stored-records.ts";
import { World } from "./world.ts";

/** Small, so that a story of a few steps meets every limit. */
const PARAMS: ModelParams = {
  epochLength: 5,
  unbondingSeconds: 100,
  validatorsMax: 3,
  candidatesMax: 4,
  entriesMax: 2,
  minSelfDelegation: 1_000_000n,
  signedWindow: 10,
  minSignedBps: 5_000,
  downtimeJailSeconds: 60,
  downtimeJailMaxSeconds: 200,
  downtimeSlashBps: 100,
  doubleSignSlashBps: 500,
  proposerBps: 500,
  communityBps: 200,
  evidenceMaxAgeBlocks: 20,
  evidenceMaxAgeSeconds: 50,
};
/** nweft of a validator from which on rounding to 10^-18 of a nweft comes near to 1 nweft. */
const GIANT = 10n ** 15n;
const DECIMAL_ONE = 10n ** 18n;
/** Invariant of what is written to bytes and read again. */
const STORED = "S17";
const BALANCE = 50_000_000n;
/** Two have most of what the supply may be, so that shares and rewards of extreme sizes meet. */
const RICH: ReadonlySet<string> = new Set([accountNumber(13), accountNumber(14)]);
const RICH_BALANCE = 4n * 10n ** 18n;
const START = 1_700_000_000;

export interface StoryFailure {
  /** Which step of the story; -1: its prologue. */
  readonly at: number;
  /** The rule that does not hold, in the names of the story. */
  readonly what: string;
}

/** What fails first, or undefined; `isStored`: also on records that are stored. */
function runStory(steps: readonly Step[], isStored: boolean): StoryFailure | undefined {
  const scene = createScene();
  const failure = runScene(scene, steps);
  return failure !== undefined || !isStored ? failure : storedFault(scene, steps);
}

function runScene(scene: Scene, steps: readonly Step[]): StoryFailure | undefined {
  for (const [at, step] of [...PROLOGUE, ...steps].entries()) {
    const what = faultOf(() => take(scene, step));
    if (what !== undefined) return { at: Math.max(-1, at - PROLOGUE.length), what };
  }
  return undefined;
}

/** S17: records that were written to bytes and read again after each block come to the same state. */
function storedFault({ world }: Scene, steps: readonly Step[]): StoryFailure | undefined {
  const again = createScene(new StoredRecords());
  const failure = runScene(again, steps);
  if (failure !== undefined) return { ...failure, what: `${STORED} stored: ${failure.what}` };
  if (again.world.digest() === world.digest()) return undefined;
  return { at: steps.length - 1, what: `${STORED}: the state depends on when it is stored` };
}

/** A story drawn, with its steps as they were taken, up to the one that fails. */
export interface PlayedStory {
  readonly steps: readonly Step[];
  readonly failure: StoryFailure | undefined;
}

/** Runs drafts, each grounded in the state that it meets; `isStored`: again on records that are stored. */
export function playDrafts(drafts: readonly Draft[], isStored: boolean): PlayedStory {
  const scene = createScene();
  const failure = runScene(scene, []);
  const steps: Step[] = [];
  if (failure !== undefined) return { steps, failure };
  for (const one of drafts) {
    const step = ground(one, scene.model);
    steps.push(step);
    const what = faultOf(() => take(scene, step));
    if (what !== undefined) return { steps, failure: { at: steps.length - 1, what } };
  }
  return { steps, failure: isStored ? storedFault(scene, steps) : undefined };
}

/** The failed story as people read it, shortened. */
export function tellShort({ steps, failure }: PlayedStory): string {
  const isStored = failure?.what.startsWith(STORED) === true;
  const short = shorten(steps, isStored);
  const last = runStory(short, isStored) ?? failure;
  return last === undefined ? "it holds" : tell(short, last);
}

function createScene(stored?: StoredRecords): Scene {
  const balances = new Map(
    ACCOUNTS.map((account) => [account, RICH.has(account) ? RICH_BALANCE : BALANCE]),
  );
  const options = { params: PARAMS, height: 1, now: START, balances };
  const world = new World(stored === undefined ? options : { ...options, stored });
  return { model: new Model(options), world };
}

function faultOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    // Whatever a rule or a check throws is what the story is about.
    if (!(error instanceof Error)) throw error;
    return withNames(error.message);
  }
}

/** The shortest story found by leaving steps out, as long as it fails by the same rule. */
function shorten(steps: readonly Step[], isStored: boolean): readonly Step[] {
  const first = runStory(steps, isStored);
  const rule = ruleOf(first);
  let story = steps.slice(0, (first?.at ?? steps.length) + 1);
  for (
    let size = Math.ceil(story.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < story.length; ) {
      const without = [...story.slice(0, from), ...story.slice(from + size)];
      const failure = runStory(without, isStored);
      if (failure !== undefined && ruleOf(failure) === rule) story = without;
      else from += size;
    }
  }
  return story.map((step, at) =>
    simpler(step, (one) => {
      const failure = runStory(story.with(at, one), isStored);
      return failure !== undefined && ruleOf(failure) === rule;
    }),
  );
}

/** A failed story as people read it. */
function tell(steps: readonly Step[], failure: StoryFailure): string {
  const lines = [...PROLOGUE, ...steps].map((step, at) => `  ${at + 1}. ${describeStep(step)}`);
  return `${failure.what}\n${lines.join("\n")}`;
}

function ruleOf(failure: StoryFailure | undefined): string {
  return failure?.what.split(":")[0]?.replace(/ v\d.*/, "") ?? "";
}

/** The step with fewer blocks and nothing absent, where it fails all the same. */
function simpler(step: Step, fails: (step: Step) => boolean): Step {
  if (step.kind !== "advance") return step;
  for (const one of [
    { ...step, absent: [], fees: 0n, blocks: 1, seconds: 1 },
    { ...step, absent: [], fees: 0n },
    { ...step, fees: 0n },
  ]) {
    if (fails(one)) return one;
  }
  return step;
}

interface Scene {
  readonly model: Model;
  readonly world: World;
}

/** One step on both sides, then all that has to hold. */
function take(scene: Scene, step: Step): void {
  const { model, world } = scene;
  observe(scene);
  const rates = ratesOf(world);
  const cut = new Set<string>();
  if (step.kind === "advance") advance(scene, step, cut);
  else perform(scene, step, cut);
  checkAgreement(model, world);
  checkInvariants(model, world);
  // A command changes two validators at most; a slash as many as stake has moved to.
  checkRates(rates, ratesOf(world), { cut, changes: cut.size > 0 ? 50 : 2 });
}

/** Lets the model see what delegations are worth before something changes. */
function observe({ model, world }: Scene): void {
  const worths = world.worths();
  model.observedWorth = (validator, delegator) => worths.get(`${validator}/${delegator}`) ?? 0n;
}

function advance(
  scene: Scene,
  step: Extract<Step, { readonly kind: "advance" }>,
  cut: Set<string>,
): void {
  const { model, world } = scene;
  const absent = new Set(step.absent.map(validatorNumber));
  for (let block = 0; block < step.blocks; block++) {
    const before = world.setAt(model.height + 1);
    const [proposer = ""] = world.setAt(model.height).keys();
    const told = world.endBlock(proposer, step.fees);
    allocate(model, proposer, step.fees);
    const wanted = endBlock(model);
    const seen = told.map(({ validator, power }) => `${validator} ${power}`).join(", ");
    const updates = wanted.map(({ validator, power }) => `${validator} ${power}`).join(", ");
    if (seen !== updates) throw new Broken("S5 updates", `expected ${updates}, got ${seen}`);
    checkUpdates(world, before);
    world.goOn(step.seconds);
    model.height++;
    model.now += step.seconds;
    const voters = [...world.setAt(model.height - 1)].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [validator, power] of voters) {
      const isAbsent = absent.has(validator);
      if (isAbsent) observe(scene);
      world.vote(validator, power, isAbsent);
      const burned = model.burned;
      vote(model, { validator, power, isAbsent }, (one) => world.isJailed(one));
      if (model.burned > burned) cut.add(validator);
    }
    checkAgreement(model, world);
  }
}

function perform(
  scene: Scene,
  step: Exclude<Step, { readonly kind: "advance" }>,
  cut: Set<string>,
): void {
  const { model, world } = scene;
  const address = validatorNumber(step.n);
  const validator = fromHex(address);
  const isJailed = (one: string) => world.isJailed(one);
  switch (step.kind) {
    case "create": {
      const { rate: rateBps, maxRate: maxRateBps, maxChange: maxChangeBps } = step;
      const terms = { rateBps, maxRateBps, maxChangeBps, minSelfDelegation: step.min };
      const operator = accountNumber(step.n);
      const planned = { ...terms, address, operator, selfDelegation: step.self };
      const action = creation(step.n, { ...terms, selfDelegation: step.self });
      const verdict = judgeCreate(model, planned);
      const code = world.act(createValidatorFault, createValidator, operator, action);
      if (isTaken(verdict, code)) create(model, planned);
      return;
    }
    case "rate": {
      const by = accountNumber(step.by);
      const verdict = judgeRate(model, by, address, step.rate);
      const code = world.act(editValidatorFault, editValidator, by, {
        kind: "editValidator",
        validator,
        description: undefined,
        commission: { rateBps: step.rate },
        minSelfDelegation: undefined,
      });
      if (!isTaken(verdict, code)) return;
      model.validator(address).rateBps = step.rate;
      model.validator(address).rateChanged = model.now;
      return;
    }
    case "retire": {
      const by = accountNumber(step.by);
      const { retired } = step;
      const action = { kind: "retireValidator", validator, retired } as const;
      const verdict = judgeRetire(model, by, address, retired);
      const code = world.act(retireValidatorFault, retireValidator, by, action);
      if (isTaken(verdict, code)) model.validator(address).retired = retired;
      return;
    }
    case "delegate": {
      const by = accountNumber(step.by);
      const amount = resolve(step.amount, model.balance(by));
      const action = { kind: "delegate", validator, amount } as const;
      const verdict = judgeDelegate(model, by, address, amount);
      const code = world.act(delegateFault, delegateRule, by, action);
      if (isTaken(verdict, code)) delegate(model, by, address, amount);
      return;
    }
    case "undelegate": {
      const by = accountNumber(step.by);
      const amount = resolve(step.amount, model.observedWorth(address, by));
      const action = { kind: "undelegate", validator, amount } as const;
      const verdict = judgeUndelegate(model, by, address, amount);
      const code = world.act(undelegateFault, undelegateRule, by, action);
      if (isTaken(verdict, code)) undelegate(model, by, address, amount, isJailed(address));
      return;
    }
    case "cancel": {
      const by = accountNumber(step.by);
      const { entry } = step;
      const waiting = model.unbondingsOf(address, by).find(({ id }) => id === entry)?.balance;
      const amount = resolve(step.amount, waiting ?? 0n);
      const action = { kind: "cancelUnbonding", validator, entry, amount } as const;
      const verdict = judgeCancel(model, by, address, entry, amount);
      const code = world.act(cancelUnbondingFault, cancelUnbonding, by, action);
      if (isTaken(verdict, code)) cancel(model, by, address, entry, amount);
      return;
    }
    case "redelegate": {
      const by = accountNumber(step.by);
      const to = validatorNumber(step.to);
      const amount = resolve(step.amount, model.observedWorth(address, by));
      const destination = fromHex(to);
      const action = { kind: "redelegate", validator, destination, amount } as const;
      const verdict = judgeRedelegate(model, by, address, to, amount);
      const code = world.act(redelegateFault, redelegateRule, by, action);
      if (isTaken(verdict, code)) redelegate(model, by, address, to, amount, isJailed(address));
      return;
    }
    case "jail":
      if (!model.validators.has(address)) return;
      jail(world.ctx, address, model.now + step.seconds);
      model.jail(model.validator(address), model.now + step.seconds);
      return;
    case "unjail": {
      const by = accountNumber(step.by);
      const verdict = judgeUnjail(model, by, address);
      const code = world.act(unjailFault, unjail, by, { kind: "unjail", validator });
      if (isTaken(verdict, code)) model.validator(address).jailed = false;
      return;
    }
    case "slash":
      return slashOnBoth(scene, step, cut);
    case "doubleSign":
      return accuse(scene, step, cut);
    case "withdraw": {
      const by = accountNumber(step.by);
      const code = world.act(withdrawRewardsFault, withdrawRewards, by, {
        kind: "withdrawRewards",
        validator,
      });
      const known = model.validators.get(address);
      const wanted =
        known === undefined
          ? "VALIDATOR_UNKNOWN"
          : known.delegations.has(by)
            ? undefined
            : "DELEGATION_UNKNOWN";
      if (code !== wanted) throw new Broken("model", `withdrawal: expected ${wanted}, got ${code}`);
      if (known !== undefined) model.slacken(known, 1n);
      withdrawAgain(world, by, address);
      return;
    }
    case "commission": {
      const by = accountNumber(step.by);
      world.act(withdrawCommissionFault, withdrawCommission, by, {
        kind: "withdrawCommission",
        validator,
      });
      return;
    }
  }
}

/**
 * S13: at once again, nothing is paid but what rounding left for the next period: less than 10^-18 for each
 * nweft of the validator and less than 1 of the withdrawal before, together a whole nweft for giants only.
 */
function withdrawAgain(world: World, by: string, address: string): void {
  world.readPayments();
  const key = `${address}/${by}`;
  const before = world.paid.get(key) ?? 0n;
  const action = { kind: "withdrawRewards", validator: fromHex(address) } as const;
  world.act(withdrawRewardsFault, withdrawRewards, by, action);
  world.readPayments();
  const { tokens = 0n } = world.validator(address) ?? {};
  const left = tokens < GIANT ? 0n : tokens / DECIMAL_ONE + 1n;
  const again = (world.paid.get(key) ?? 0n) - before;
  if (again > left) throw new Broken("S13", `${key} was paid ${again} again, at most ${left}`);
}

/** S7 and S8: never more than is owed, and all of it unless nothing is left. */
function slashOnBoth(
  scene: Scene,
  step: Extract<Step, { readonly kind: "slash" }>,
  cut: Set<string>,
): void {
  const { model, world } = scene;
  const validator = validatorNumber(step.n);
  const known = model.validators.get(validator);
  const height = model.height - step.ago;
  if (known === undefined || known.status === "unbonded" || height < 1) return;
  const power = model.powerAt(known, height);
  if (power === 0n) return;
  const { burned } = slashRule(world.ctx, {
    validator,
    infractionHeight: height,
    power,
    fractionBps: step.bps,
    reason: "story",
  });
  jail(world.ctx, validator, model.now);
  const isJailed = (one: string) => world.isJailed(one);
  const expected = slash(model, { validator, height, power, bps: step.bps }, isJailed);
  model.jail(known, model.now);
  model.burned += expected;
  cut.add(validator);
  const owed = (power * POWER_UNIT * BigInt(step.bps)) / 10_000n;
  if (burned > owed) throw new Broken("S7", `${burned} burned, ${owed} owed`);
  if (burned < owed && known.tokens > 0n) {
    throw new Broken("S7", `${burned} burned of ${owed} owed, and ${known.tokens} are left`);
  }
  if (burned !== expected) throw new Broken("S7", `expected ${expected} burned, got ${burned}`);
}

/** S7 and S14: a fault costs once, and within the age of evidence. */
function accuse(
  scene: Scene,
  step: Extract<Step, { readonly kind: "doubleSign" }>,
  cut: Set<string>,
): void {
  const { model, world } = scene;
  const validator = validatorNumber(step.n);
  const height = model.height - step.ago;
  const power = height < 1 ? undefined : world.setAt(height).get(validator);
  if (power === undefined) return;
  const seconds = world.times.get(height) ?? 0;
  const fault = evidenceFault(model, { validator, height, seconds });
  world.accuse(validator, height, power);
  if (fault !== undefined) return;
  const bps = model.params.doubleSignSlashBps;
  model.burned += slash(model, { validator, height, power, bps }, (one) => world.isJailed(one));
  tombstone(model, model.validator(validator));
  cut.add(validator);
}

/** True when both sides take the action; fails unless they agree. */
function isTaken({ broken, maybe }: Verdict, code: string | undefined): boolean {
  if (code === undefined) {
    if (broken.size === 0) return true;
    throw new Broken("model", `taken, although it breaks ${[...broken].join(", ")}`);
  }
  if (broken.has(code) || maybe.has(code)) return false;
  const rules = [...broken, ...maybe].join(", ");
  throw new Broken("model", `refused as ${code}, expected ${rules === "" ? "nothing" : rules}`);
}

function resolve(amount: Amount, all: bigint): bigint {
  if (amount.kind === "exactly") return amount.value;
  if (amount.kind === "percent") return (all * BigInt(amount.value)) / 100n;
  const value = all + amount.more;
  return value < 0n ? 0n : value;
}
