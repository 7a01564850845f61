/**
 * Deliberate faults in the rules, to show that the simulator finds such. Each is a change of the built
 * code of one run (`mutation-hooks.ts`): production code has no switch for it. A text that is no longer
 * in the code, or is there twice, fails the run, so that a list that has grown stale is noticed.
 */
export interface Patch {
  /** Below the folder of the built code. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  /** What a node does that it must not do. */
  readonly fault: string;
  readonly patches: readonly Patch[];
}

const ROUND = "sequencer/consensus/round-machine.js";
const VOTES = "sequencer/consensus/votes.js";
const DRIVER = "sequencer/engine/consensus-driver.js";
const SIGN_STATE = "sequencer/engine/privval/sign-state.js";
const SIGNER = "sequencer/engine/privval/file-priv-validator.js";
const SEAL_TERMS = "sequencer/app/proposal/seal-terms.js";

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "no-lock",
    fault: "locks nothing when it precommits, and the assertion that notices is gone as well",
    patches: [
      { file: ROUND, find: "state.lockedBlock = known;", replace: "" },
      {
        file: VOTES,
        find: "assert(state.lockedBlock?.key === blockKey(vote.blockId) && state.lockedRound === vote.round,",
        replace: "assert(true,",
      },
    ],
  },
  {
    name: "prevote-against-lock",
    fault: "prevotes what is proposed, whatever it is locked on",
    patches: [
      {
        file: ROUND,
        find: "const known = state.lockedBlock;",
        replace: "const known = state.proposalBlock === undefined ? state.lockedBlock : undefined;",
      },
    ],
  },
  {
    name: "unlock-without-polka",
    fault: "gives its lock up in a round without a polka",
    patches: [
      {
        file: ROUND,
        find: "if (polka === NIL_KEY)\n        unlock(state);",
        replace: "unlock(state);",
      },
    ],
  },
  {
    name: "precommit-without-polka",
    fault: "precommits the proposal when +2/3 prevoted anything",
    patches: [
      {
        file: ROUND,
        find: "const polka = state.votes.prevotes(round).majorityKey();\n    if (polka !== undefined && polka !== NIL_KEY) {",
        replace:
          "const polka = state.votes.prevotes(round).majorityKey() ?? state.proposalBlock?.key;\n    if (polka !== undefined && polka !== NIL_KEY) {",
      },
    ],
  },
  {
    name: "quorum-of-half",
    fault: "takes half of the power for a quorum (2f of 3f+1), wherever votes are counted",
    patches: [
      {
        file: "sequencer/consensus/electorate.js",
        find: "quorum: (set.totalVotingPower * 2n) / 3n + 1n,",
        replace: "quorum: set.totalVotingPower / 2n,",
      },
    ],
  },
  {
    name: "quorum-of-exactly-two-thirds",
    fault: "takes two thirds for more than two thirds, in commits as well",
    patches: [
      {
        file: "sequencer/consensus/electorate.js",
        find: "(set.totalVotingPower * 2n) / 3n + 1n",
        replace: "(set.totalVotingPower * 2n) / 3n",
      },
    ],
  },
  {
    name: "prevote-unvalidated",
    fault: "prevotes a block that its validation refused",
    patches: [
      {
        file: ROUND,
        find: "const isGood = validation.isValid && validation.isAccepted && known.isCanonical;",
        replace: "const isGood = true;",
      },
    ],
  },
  {
    name: "proposal-of-anyone",
    fault: "takes a proposal without checking who signed it",
    patches: [
      {
        file: "sequencer/engine/message-edge.js",
        find: "const items = [signedItem(proposer, message, proposal.signature)];",
        replace: "const items = [];",
      },
    ],
  },
  {
    name: "vote-unsigned",
    fault: "takes votes without checking their signatures",
    patches: [
      {
        file: "sequencer/engine/message-edge.js",
        find: "const items = [signedItem(validator, voteSignBytes(this.#chainId, vote), vote.signature)];",
        replace: "const items = [];",
      },
    ],
  },
  {
    name: "send-before-log",
    fault: "sends what it signed before its log is durable",
    patches: [
      {
        file: DRIVER,
        find: "await Promise.all([wal.sync(), ownMessages?.settled()]);",
        replace: "await Promise.all([wal.flush(), ownMessages?.settled()]);",
      },
    ],
  },
  {
    name: "send-before-remembered",
    fault: "sends what it signed before the signer remembers it durably",
    patches: [
      {
        file: DRIVER,
        find: "await Promise.all([wal.sync(), ownMessages?.settled()]);",
        replace: "await wal.sync();",
      },
    ],
  },
  {
    name: "log-not-told-to-signer",
    fault: "does not tell the signer what the log remembers and the signer does not",
    patches: [
      {
        file: SIGNER,
        find: "if (isNews) {",
        replace: "if (false) {",
      },
    ],
  },
  {
    name: "sign-state-not-synced",
    fault: "does not sync the directory of the signer's state",
    patches: [
      {
        file: SIGN_STATE,
        find: "await this.#directory.sync();",
        replace: "",
      },
    ],
  },
  {
    name: "sign-state-forgotten",
    fault: "does not read the signer's state when it starts",
    patches: [
      {
        file: SIGN_STATE,
        find: "const loaded = await readSignState(path, fileSystem);",
        replace: "isFresh = true; const loaded = undefined;",
      },
    ],
  },
  {
    name: "sign-twice",
    fault: "signs whatever it is asked for at one height, round and step",
    patches: [
      {
        file: SIGNER,
        find: "if (order === 0 && last.signed !== undefined) {",
        replace: "if (false) {",
      },
    ],
  },
  {
    name: "log-forgotten",
    fault: "starts the height under way anew instead of replaying its log",
    patches: [
      {
        file: "sequencer/engine/replay.js",
        find: "return entriesToHeight(entries, height);",
        replace: "return { ...entriesToHeight(entries, height), inputs: [] };",
      },
    ],
  },
  {
    name: "log-without-its-end",
    fault: "leaves out the last input when it replays its log",
    patches: [
      {
        file: "sequencer/engine/replay.js",
        find: "return entriesToHeight(entries, height);",
        replace:
          "return { ...entriesToHeight(entries, height), inputs: entriesToHeight(entries, height).inputs.slice(0, -1) };",
      },
    ],
  },
  {
    name: "log-without-votes",
    fault: "leaves out the votes of others when it replays its log",
    patches: [
      {
        file: "sequencer/engine/replay.js",
        find: "return entriesToHeight(entries, height);",
        replace:
          'return { ...entriesToHeight(entries, height), inputs: entriesToHeight(entries, height).inputs.filter(({ kind }) => kind !== "voteReceived") };',
      },
    ],
  },
  {
    name: "validators-too-early",
    fault: "lets updates of validators sign one height too early",
    patches: [
      {
        file: "sequencer/engine/chain-state.js",
        find: "validators: state.nextValidators,",
        replace: "validators: changedValidators(state.nextValidators, response.validatorUpdates),",
      },
    ],
  },
  {
    name: "sync-unproven-blocks",
    fault: "takes blocks of block sync without checking their commits",
    patches: [
      {
        file: "sequencer/engine/block-sync/block-sync.js",
        find: "if (!verdict.isValid) {",
        replace: "if (false) {",
      },
    ],
  },
  {
    name: "sync-unproven-extensions",
    fault: "takes extended commits of block sync without checking them",
    patches: [
      {
        file: "sequencer/engine/block-sync/block-sync.js",
        find: "if (extended.isValid)",
        replace: "if (true)",
      },
    ],
  },
  {
    name: "never-halts",
    fault: "goes on when its disk has failed",
    patches: [
      {
        file: DRIVER,
        find: "if (this.#haltReason !== undefined)\n            return;\n        const reason =",
        replace: "if (Date !== undefined)\n            return;\n        const reason =",
      },
    ],
  },
  {
    name: "shares-too-early",
    fault: "gives its shares of a block's sealed items in its precommit of that block",
    patches: [
      {
        file: "sequencer/app/application.js",
        find: "this.#extensions.prepare(request.height, request.hash, () => idsOf(outcome.txs));",
        replace:
          "(globalThis.accepted ??= new Map()).set(request.height, outcome.working); this.#extensions.prepare(request.height, request.hash, () => idsOf(outcome.txs));",
      },
      {
        file: SEAL_TERMS,
        find: 'import { askAt, sealKey } from "../seal/reader.js";',
        replace: 'import { askAt, sealedBatch, sealKey } from "../seal/reader.js";',
      },
      {
        file: SEAL_TERMS,
        find: "const ask = askAt(reader, height);",
        replace: `const working = globalThis.accepted?.get(height);
          const batch = working && sealedBatch(working, height);
          const asked = askAt(reader, height);
          const ask = batch === undefined ? asked : {
            batches: [...(asked?.batches ?? []), { height, key: batch.key,
              points: new Uint8Array(Buffer.concat(batch.items.map(({ kem }) => kem.subarray(0, 32)))) }],
            disputes: asked?.disputes ?? [],
          };`,
      },
    ],
  },
  {
    name: "atomic-minority",
    fault: "takes the votes of one executor for a quorum of its rollup",
    patches: [
      { file: "mev/atomic/decide.js", find: "if (count >= quorum)", replace: "if (count >= 1)" },
    ],
  },
  {
    name: "atomic-late",
    fault: "lets bundles wait beyond their deadline",
    patches: [
      {
        file: "mev/atomic/decide.js",
        find: "height < deadline)",
        replace: "height < deadline + 2)",
      },
    ],
  },
  {
    name: "atomic-liar-stays",
    fault: "lets executors that contradict themselves go on with what is left of their bonds",
    patches: [
      {
        file: "sequencer/app/atomic/executors.js",
        find: "const isTombstoned = true;",
        replace: "const isTombstoned = false;",
      },
    ],
  },
  {
    name: "commit-never-claimed",
    fault: "claims no majority to a peer that is behind (found and mended before)",
    patches: [
      {
        file: "sequencer/p2p/consensus/consensus-reactor.js",
        find: "void claimCommit(target, behind);",
        replace: ";",
      },
    ],
  },
  {
    name: "behind-for-ever",
    fault:
      "lets a peer wait anew for its block with each height of its own (found and mended before)",
    patches: [
      {
        file: "sequencer/p2p/consensus/consensus-reactor.js",
        find: "if (target.state.height >= knownHeight)",
        replace: "if (true)",
      },
    ],
  },
  {
    name: "size-of-another-height",
    fault: "holds proposals of all heights to the block size of its own (found and mended before)",
    patches: [
      {
        file: "sequencer/p2p/consensus/consensus-reactor.js",
        find: "return height === next ? consensusParams.block.maxBytes : -1n;",
        replace: "return consensusParams.block.maxBytes;",
      },
    ],
  },
  {
    name: "extension-failure-forgotten",
    fault: "forgets that a vote extension could not be stored (found and mended before)",
    patches: [
      {
        file: "sequencer/app/proposal/extensions.js",
        find: "this.#failure ??= { cause };",
        replace: "",
      },
    ],
  },
  {
    name: "signs-after-halt",
    fault: "makes a signature that waited when it halted (found and mended before)",
    patches: [
      {
        file: "sequencer/engine/own-messages.js",
        find: "if (this.#deps.isHalted())",
        replace: "if (false)",
      },
    ],
  },
];
