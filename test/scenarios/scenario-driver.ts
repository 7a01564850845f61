/**
 * Runs a transcript: lines that start with `> ` are commands, the lines below each are what the core
 * then asked for. `#` starts a comment. Answers of signer and validator come by themselves unless
 * `manual` is on. See `commands` for what can be said.
 */
import { Height, type NodeId, Round } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import {
  type BlockId,
  NIL_BLOCK_ID,
  type Part,
  SignedMsgType,
  type ValidatorSet,
  type VoteType,
} from "../../proto/types.ts";
import { incrementProposerPriority, updateValidatorSet } from "../../proto/validator-set.ts";
import type { ConsensusCore } from "../../sequencer/consensus/consensus-core.ts";
import { createConsensusCore } from "../../sequencer/consensus/core.ts";
import type { ConsensusEffect } from "../../sequencer/consensus/effects.ts";
import type { ConsensusInput } from "../../sequencer/consensus/inputs.ts";
import {
  type ConsensusCoreOptions,
  DEFAULT_CONSENSUS_TIMEOUTS,
} from "../../sequencer/consensus/options.ts";
import {
  fakeValidatorSet,
  makeProposal,
  makeVote,
  validatorAt,
} from "../support/consensus-fixtures.ts";
import { nodeId } from "../support/consensus-node.ts";
import { Blocks, effectToText, locksToText, STEPS } from "./scenario-text.ts";

type Effect<Kind extends ConsensusEffect["kind"]> = Extract<
  ConsensusEffect,
  { readonly kind: Kind }
>;

/** Words of a command: plain ones in order, and `name=value`. */
class Words {
  readonly #plain: readonly string[];
  readonly #named: ReadonlyMap<string, string>;

  constructor(text: string) {
    const words = text.split(/\s+/).filter((word) => word !== "");
    this.#plain = words.filter((word) => !word.includes("="));
    this.#named = new Map(
      words.flatMap((word) => {
        const [name, value] = word.split("=");
        return name === undefined || value === undefined ? [] : [[name, value] as const];
      }),
    );
  }

  at(index: number): string {
    const word = this.#plain[index];
    if (word === undefined) throw new Error(`word ${index} is missing: ${this.#plain.join(" ")}`);
    return word;
  }

  has(word: string): boolean {
    return this.#plain.includes(word);
  }

  named(name: string): string | undefined {
    return this.#named.get(name);
  }

  number(name: string, otherwise: number): number {
    const value = this.#named.get(name);
    return value === undefined ? otherwise : Number(value);
  }
}

/** The transcript with what the core says now below each command. */
export function runScenario(text: string): string {
  const driver = new ScenarioDriver();
  const out: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#") || line === "") out.push(line);
    if (!line.startsWith("> ")) continue;
    out.push(line, ...driver.run(line.slice(2)).map((effect) => `  ${effect}`));
  }
  driver.checkDeterminism();
  return `${out.join("\n").trimEnd()}\n`;
}

class ScenarioDriver {
  readonly #blocks = new Blocks();
  #core: ConsensusCore | undefined;
  #options: ConsensusCoreOptions | undefined;
  #sets: ValidatorSet[] = [];
  #isExtended = false;
  #isManual = false;
  #showsRelays = false;
  #locks = "";
  #commit: Effect<"commitBlock"> | undefined;
  /** All inputs since the core was made, and what they gave. */
  #history: ConsensusInput[] = [];
  #seen: ConsensusEffect[] = [];
  /** Inputs of the height under way, as a log holds them. */
  #log: ConsensusInput[] = [];
  #out: string[] = [];

  run(command: string): readonly string[] {
    this.#out = [];
    const [name = "", ...rest] = command.split(" ");
    const handler = this.#commands[name];
    if (handler === undefined) throw new Error(`unknown command ${name}`);
    try {
      handler(new Words(rest.join(" ")));
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "AssertionFailure") throw error;
      this.#out.push(`HALT ${error.message}`);
    }
    const locks = this.#core === undefined ? "" : locksToText(this.#core.view, this.#blocks);
    if (locks !== this.#locks && this.#locks !== "") this.#out.push(locks);
    this.#locks = locks;
    return this.#out;
  }

  /** The same inputs in a second core give the same effects and the same state. */
  checkDeterminism(): void {
    const options = this.#options;
    if (options === undefined || this.#core === undefined) return;
    const again = createConsensusCore(options);
    const effects: ConsensusEffect[] = [];
    try {
      for (const input of this.#history) effects.push(...again.step(input));
    } catch {
      // A scenario may end in a halt; it is in the transcript.
    }
    assert(effects.length === this.#seen.length, "a second run gives as many effects");
    assert(again.stateDigest() === this.#core.stateDigest(), "a second run gives the same state");
  }

  readonly #commands: Readonly<Record<string, (words: Words) => void>> = {
    /** `node [powers=10,10] [own=0|none] [extended] [skip] [no-empty] [interval=0]` */
    node: (words) => {
      this.checkDeterminism();
      this.#history = [];
      this.#seen = [];
      this.#commit = undefined;
      this.#isManual = false;
      const powers = (words.named("powers") ?? "10,10,10,10").split(",").map(BigInt);
      const set = fakeValidatorSet(powers);
      this.#sets = [set];
      const own = words.named("own") ?? "0";
      this.#isExtended = words.has("extended");
      this.#options = {
        ownAddress: own === "none" ? undefined : validatorAt(set, Number(own)).address,
        timeouts: DEFAULT_CONSENSUS_TIMEOUTS,
        createEmptyBlocks: !words.has("no-empty"),
        createEmptyBlocksIntervalMs: words.number("interval", 0),
        skipTimeoutCommit: words.has("skip"),
      };
      this.#core = createConsensusCore(this.#options);
    },
    /** Signatures and validations wait for `sign`, `valid` and the like. */
    manual: () => {
      this.#isManual = true;
    },
    relays: () => {
      this.#showsRelays = true;
    },
    /** `height 1 [delay=1000] [proof] [power=2:30]`: the power of a validator changes at this height. */
    height: (words) => this.#startHeight(words),
    /** `proposal A [r=0] [pol=-1] [by=1] [from=1]` */
    proposal: (words) => {
      const round = words.number("r", this.#view.round);
      const made = this.#blocks.get(this.#view.height, words.at(0));
      const by = words.named("by");
      this.#feed({
        kind: "proposalReceived",
        proposal: makeProposal(this.#view.height, round, made.blockId, words.number("pol", -1)),
        origin: this.#peer(words),
        signer: by === undefined ? this.#view.proposer : this.#validator(Number(by)).address,
      });
    },
    /** `parts A [r=0]`: all of them. */
    parts: (words) => {
      const made = this.#blocks.get(this.#view.height, words.at(0));
      for (const part of made.parts) this.#feedPart(part, words);
    },
    /** `part L 2 [broken]` */
    part: (words) => {
      const made = this.#blocks.get(this.#view.height, words.at(0));
      const part = made.parts[Number(words.at(1))];
      assert(part !== undefined, "there is such a part");
      const bytes = words.has("broken") ? part.bytes.map((byte) => byte ^ 1) : part.bytes;
      this.#feedPart({ ...part, bytes }, words);
    },
    /** `prevote 1,2 A|nil [r=0] [h=1] [from=1] [salt=x]` */
    prevote: (words) => this.#feedVotes(SignedMsgType.PREVOTE, words),
    precommit: (words) => this.#feedVotes(SignedMsgType.PRECOMMIT, words),
    /** `claim prevote A from=1 [r=0]` */
    claim: (words) =>
      this.#feed({
        kind: "majorityClaimed",
        height: this.#view.height,
        round: Round(words.number("r", this.#view.round)),
        type: words.at(0) === "prevote" ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT,
        blockId: this.#blockId(words.at(1)),
        origin: this.#peer(words),
      }),
    /** `timeout propose [r=0]` */
    timeout: (words) => {
      const step = STEPS[words.at(0)];
      assert(step !== undefined, `${words.at(0)} is a step`);
      const round = Round(words.number("r", this.#view.round));
      this.#feed({ kind: "timeoutElapsed", height: this.#view.height, round, step });
    },
    txs: () => this.#feed({ kind: "txsAvailable", height: this.#view.height }),
    /** `created A [r=0]`: our new block. */
    created: (words) => {
      const { height } = this.#view;
      const round = Round(words.number("r", this.#view.round));
      const made = this.#blocks.get(height, words.at(0));
      this.#feed({ kind: "blockCreated", height, round, ...made });
    },
    valid: (words) => this.#validated(words.at(0), true, true),
    refused: (words) => this.#validated(words.at(0), true, false),
    invalid: (words) => this.#validated(words.at(0), false, false),
    /** `sign prevote A|nil [r=0] [h=1]`, `sign proposal A [r=0] [pol=-1]` */
    sign: (words) => this.#sign(words, true),
    /** The signer refuses: `refuse prevote [r=0]`. */
    refuse: (words) => this.#sign(words, false),
    /** Everything but the log is lost; nothing is carried out during the replay. */
    crash: () => this.#crash(),
    outstanding: () => this.#print(this.#coreOf().outstanding()),
  };

  get #view() {
    return this.#coreOf().view;
  }

  #coreOf(): ConsensusCore {
    assert(this.#core !== undefined, "a scenario begins with `node`");
    return this.#core;
  }

  #validators(height: number): ValidatorSet {
    const set = this.#sets[height - 1] ?? this.#sets.at(-1);
    assert(set !== undefined, "a scenario begins with `node`");
    return set;
  }

  #validator(index: number) {
    return validatorAt(this.#validators(this.#view.height), index);
  }

  #peer(words: Words): NodeId {
    return nodeId(words.number("from", 1));
  }

  #blockId(name: string): BlockId {
    return name === "nil" ? NIL_BLOCK_ID : this.#blocks.get(this.#view.height, name).blockId;
  }

  #startHeight(words: Words): void {
    const height = Number(words.at(0));
    const last = this.#sets[height - 2];
    const [index, power] = (words.named("power") ?? "").split(":");
    if (last !== undefined) {
      const changes =
        power === undefined
          ? []
          : [
              {
                publicKey: validatorAt(last, Number(index)).publicKey,
                votingPower: BigInt(power),
              },
            ];
      this.#sets[height - 1] = incrementProposerPriority(updateValidatorSet(last, changes), 1);
    }
    this.#log = [];
    this.#feed({
      kind: "heightStarted",
      context: {
        height: Height(height),
        initialHeight: Height(1),
        validators: this.#validators(height),
        lastValidators: last,
        lastCommit: this.#commit?.commit,
        isExtended: this.#isExtended,
        wasLastExtended: height > 1 && this.#isExtended,
        blockBytesMax: words.number("bytes", 1_048_576),
        needsProofBlock: words.has("proof"),
        startDelayMs: words.number("delay", 0),
      },
    });
  }

  #feedPart(part: Part, words: Words): void {
    this.#feed({
      kind: "partReceived",
      height: this.#view.height,
      round: Round(words.number("r", this.#view.round)),
      part,
      origin: this.#peer(words),
    });
  }

  #feedVotes(type: VoteType, words: Words): void {
    const height = words.number("h", this.#view.height);
    const late = height === this.#view.height ? undefined : this.#commit;
    const round = words.number("r", late?.round ?? this.#view.round);
    const name = words.at(1);
    const blockId = name === "nil" ? NIL_BLOCK_ID : this.#blocks.get(height, name).blockId;
    const salt = words.named("salt") ?? "";
    const isExtended = this.#isExtended !== words.has("bare");
    for (const index of words.at(0).split(",").map(Number)) {
      const fields = { height, round, type, blockId, isExtended, salt };
      const vote = makeVote(this.#validators(height), index, fields);
      const origin = nodeId(words.number("from", index));
      this.#feed({ kind: "voteReceived", vote, origin });
    }
  }

  #validated(name: string, isValid: boolean, isAccepted: boolean): void {
    const { height } = this.#view;
    const { blockId } = this.#blocks.get(height, name);
    const reason = isValid ? "" : "the rules are broken";
    this.#feed({ kind: "blockValidated", height, blockId, isValid, isAccepted, reason });
  }

  #sign(words: Words, isGiven: boolean): void {
    const height = Height(words.number("h", this.#view.height));
    const round = Round(words.number("r", this.#view.round));
    const kind = words.at(0);
    if (kind === "proposal") {
      const proposal = isGiven
        ? makeProposal(height, round, this.#blockId(words.at(1)), words.number("pol", -1))
        : undefined;
      this.#feed({ kind: "proposalSigned", height, round, proposal });
      return;
    }
    const type = kind === "prevote" ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT;
    const blockId =
      !isGiven || words.at(1) === "nil"
        ? NIL_BLOCK_ID
        : this.#blocks.get(height, words.at(1)).blockId;
    this.#feed(this.#voteSigned({ height, round, type, blockId }, isGiven));
  }

  #voteSigned(
    fields: Pick<Effect<"signVote">, "height" | "round" | "type" | "blockId">,
    isGiven: boolean,
  ): ConsensusInput {
    const { height, round, type } = fields;
    const index = this.#ownIndex(height);
    const isExtended = this.#isExtended;
    const made = makeVote(this.#validators(height), index, { ...fields, isExtended });
    return { kind: "voteSigned", height, round, type, vote: isGiven ? made : undefined };
  }

  #ownIndex(height: number): number {
    const own = this.#options?.ownAddress;
    return this.#validators(height).validators.findIndex(
      ({ address }) => own !== undefined && Buffer.compare(address, own) === 0,
    );
  }

  #feed(input: ConsensusInput): void {
    this.#history.push(input);
    this.#log.push(input);
    const effects = this.#coreOf().step(input);
    this.#seen.push(...effects);
    this.#print(effects);
    for (const effect of effects) if (!this.#isManual) this.#answer(effect);
  }

  #print(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "commitBlock") this.#commit = effect;
      const text = effectToText(effect, this.#view, this.#blocks, this.#showsRelays);
      if (text !== undefined) this.#out.push(text);
    }
  }

  /** What a signer that never refuses and a validator that likes every block would answer. */
  #answer(effect: ConsensusEffect): void {
    if (effect.kind === "validateBlock") {
      this.#validated(this.#blocks.nameOf(effect.blockId), true, true);
    } else if (effect.kind === "signVote") {
      this.#feed(this.#voteSigned(effect, true));
    } else if (effect.kind === "signProposal") {
      const { height, round, blockId, polRound } = effect.proposal;
      const proposal = makeProposal(height, round, blockId, polRound);
      this.#feed({ kind: "proposalSigned", height, round, proposal });
    }
  }

  #crash(): void {
    const before = this.#coreOf().stateDigest();
    assert(this.#options !== undefined, "a scenario begins with `node`");
    this.#core = createConsensusCore(this.#options);
    this.#history = [...this.#log];
    this.#seen = this.#history.flatMap((input) => this.#coreOf().step(input));
    this.#out.push(`replayed ${this.#log.length} inputs`);
    const isSame = this.#coreOf().stateDigest() === before;
    this.#out.push(isSame ? "the state is the same" : "the state differs");
  }
}
