/**
 * Misbehaviour as middleware: a correct node whose signer has no guard, and whose outgoing messages,
 * proposals and extensions pass through here. It knows its own keys only.
 */
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, bytesEqual, toHex } from "../../proto/bytes.ts";
import { decodeBlock } from "../../proto/codec/block.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../proto/codec/consensus-messages.ts";
import { concatBytes } from "../../proto/bytes.ts";
import { encodeBlockSyncMessage } from "../../proto/codec/sync-messages.ts";
import { dataHash } from "../../proto/hashes.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../proto/sign-bytes.ts";
import { addMs } from "../../proto/time.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  type Block,
  type BlockId,
  type Part,
  type Proposal,
  type Vote,
} from "../../proto/types.ts";
import { blockIdsEqual } from "../../proto/validate-basic.ts";
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import type { Application } from "../../sequencer/abci/application.ts";
import type { RoundStateView } from "../../sequencer/consensus/round-state.ts";
import type { GossipSink } from "../../sequencer/engine/gossip-sink.ts";
import { completeBlock, type CompleteBlock } from "../../sequencer/engine/make-block.ts";
import type { ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import { RoundStep, type ConsensusMessage } from "../../proto/messages.ts";
import {
  DATA_CHANNEL,
  STATE_CHANNEL,
  VOTE_CHANNEL,
} from "../../sequencer/p2p/consensus/consensus-channels.ts";
import { BLOCK_SYNC_CHANNEL } from "../../sequencer/p2p/blocksync/blocksync-reactor.ts";
import { methodsOf } from "../support/application-methods.ts";
import type { Random } from "../support/random.ts";
import { createMevFaults, isMevFault, type MevFaultHooks } from "../support/mev-faults.ts";
import { createSealFaults, type SealFault } from "../support/seal-faults.ts";
import type { Misbehaviour } from "./swarm.ts";

export interface SaboteurOptions {
  readonly chainId: string;
  readonly kinds: readonly Misbehaviour[];
  readonly validatorCount: number;
  /** Whether precommits of a height carry extensions. */
  readonly areExtended: (height: number) => boolean;
}

export interface SaboteurDependencies {
  readonly key: ValidatorKey;
  /** Undefined where the application has none. */
  readonly applicationKey: Ed25519KeyPair | undefined;
  /** Where there are bundles and lists: what it knows of them, and who pays for its copies. */
  readonly mev:
    | (Pick<MevFaultHooks, "dueIds" | "isCensored"> & { readonly attacker: Ed25519KeyPair })
    | undefined;
  /** An extension that others accept. */
  readonly extend: (height: Height, blockHash: Uint8Array) => Promise<Uint8Array>;
  readonly random: Random;
  /** Undefined until the engine runs. */
  readonly view: () => RoundStateView | undefined;
  /** Sends to some peers, past all rules. */
  readonly send: (channelId: number, message: Uint8Array, victims: (to: number) => boolean) => void;
  /** Told of each proposal that it signs. */
  readonly onProposal: (proposal: Proposal) => void;
  readonly onAct: (kind: Misbehaviour) => void;
}

const SEAL_FAULTS: readonly (readonly [Misbehaviour, SealFault])[] = [
  ["wrongShares", "wrongShares"],
  ["abstains", "abstain"],
  ["withholdsOpenings", "withholdOpenings"],
];

/** Another block in the place of one that the node made. */
interface Swap {
  readonly height: number;
  readonly round: number;
  readonly honest: BlockId;
  readonly honestParts: readonly Part[];
  readonly other: CompleteBlock;
  readonly otherProposal: Proposal;
  /** Who gets the other block. */
  readonly victims: (to: number) => boolean;
}

export class Saboteur {
  readonly #options: SaboteurOptions;
  readonly #deps: SaboteurDependencies;
  readonly #does: (kind: Misbehaviour) => boolean;
  readonly #extensions = new Map<string, Uint8Array>();
  readonly #otherTxs = new Map<number, readonly Uint8Array[]>();
  #swap: Swap | undefined;
  #foreign: { readonly proposal: Proposal; readonly parts: Part[] } | undefined;

  constructor(options: SaboteurOptions, deps: SaboteurDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#does = (kind) => options.kinds.includes(kind);
  }

  /** Signs whatever it is given. */
  signer(): PrivValidator {
    const { key } = this.#deps;
    return {
      publicKey: async () => key.publicKey,
      signVote: async (_, vote) => this.#signVote(vote),
      signProposal: async (_, proposal) => this.#signProposal(proposal),
      settled: () => Promise.resolve(),
      remember: () => Promise.resolve(undefined),
    };
  }

  application(correct: Application): Application {
    const { random, onAct, key } = this.#deps;
    const inner = this.#breakingLists(this.#breakingSeals(correct));
    return {
      ...methodsOf(inner),
      prepareProposal: async (request) => {
        const txs = await inner.prepareProposal(request);
        if (this.#does("equivocateProposals")) {
          const other = await inner.prepareProposal({
            ...request,
            maxTxBytes: Math.min(request.maxTxBytes, 4_096),
          });
          this.#otherTxs.set(request.height, other);
        }
        return txs;
      },
      extendVote: async (request) => {
        const extension = await inner.extendVote(request);
        if (!this.#does("garbageExtensions") || random.chance(20)) return extension;
        onAct("garbageExtensions");
        const garbage = [
          () => EMPTY_BYTES,
          () => bytesOf(random, random.below(200)),
          () => concatBytes(extension, bytesOf(random, 3)),
          () => new Uint8Array(70_000),
          () => extension.with(random.below(extension.length), random.below(256)),
        ];
        return random.pick(garbage)?.() ?? extension;
      },
      verifyVoteExtension: async (request) =>
        bytesEqual(request.validatorAddress, key.address)
          ? { accept: true }
          : inner.verifyVoteExtension(request),
    };
  }

  /** Does with sealed transactions what its kinds say. */
  #breakingSeals(inner: Application): Application {
    const { applicationKey, key, random, onAct } = this.#deps;
    const kinds = SEAL_FAULTS.filter(([kind]) => this.#does(kind));
    if (kinds.length === 0 || applicationKey === undefined) return inner;
    const { chainId } = this.#options;
    return createSealFaults(
      { chainId, applicationKey, consensusAddress: key.address },
      {
        faultAt: () => (random.chance(80) ? random.pick(kinds)?.[1] : undefined),
        onDone: (fault) => {
          const [kind] = kinds.find(([, of]) => of === fault) ?? [];
          if (kind !== undefined) onAct(kind);
        },
      },
    )(inner);
  }

  /** Proposes and lists what its kinds say. */
  #breakingLists(inner: Application): Application {
    const { applicationKey, key, random, onAct, mev } = this.#deps;
    const faults = this.#options.kinds.filter(isMevFault);
    if (faults.length === 0 || mev === undefined || applicationKey === undefined) return inner;
    return createMevFaults(
      {
        chainId: this.#options.chainId,
        applicationKey,
        consensusAddress: key.address,
        attacker: mev.attacker,
      },
      {
        ...mev,
        faultAt: () => (random.chance(80) ? random.pick(faults) : undefined),
        onDone: (fault) => onAct(fault),
      },
    )(inner);
  }

  /** Sees own proposals before the reactor does. */
  gossip(inner: GossipSink): GossipSink {
    let held: Proposal | undefined;
    let parts: Part[] = [];
    return {
      ...inner,
      proposal: (proposal, origin) => {
        if (origin !== undefined) {
          this.#foreign = { proposal, parts: [] };
          return inner.proposal(proposal, origin);
        }
        held = proposal;
        parts = [];
      },
      part: (height, round, part, origin) => {
        const proposal = held;
        if (origin !== undefined || proposal === undefined) {
          inner.part(height, round, part, origin);
          if (origin !== undefined) this.#usurp(part);
          return;
        }
        parts.push(part);
        if (parts.length < proposal.blockId.partSetHeader.total) return;
        held = undefined;
        this.#prepareSwap(proposal, parts);
        inner.proposal(proposal, undefined);
        for (const each of parts) inner.part(height, round, each, undefined);
      },
    };
  }

  /** What really leaves the node for one that it means to send. */
  outgoing(channelId: number, message: Uint8Array, to: number): readonly Uint8Array[] {
    if (channelId === BLOCK_SYNC_CHANNEL.id && this.#does("liesAboutState")) {
      return this.#damage(message);
    }
    if (channelId === STATE_CHANNEL.id && this.#does("liesAboutState")) return this.#lie(message);
    if (channelId !== DATA_CHANNEL.id && channelId !== VOTE_CHANNEL.id) return [message];
    const { onAct } = this.#deps;
    const decoded = decodeConsensusMessage(message);
    if (this.#does("silent")) {
      onAct("silent");
      return [];
    }
    const { kind } = decoded;
    if (kind === "proposal") return this.#outgoingProposal(decoded.proposal, message, to);
    if (kind === "blockPart") {
      return this.#outgoingPart(decoded.height, decoded.round, decoded.part, message, to);
    }
    const isOwnVote =
      kind === "vote" && bytesEqual(decoded.vote.validatorAddress, this.#deps.key.address);
    return isOwnVote ? this.#outgoingVote(decoded.vote, message, to) : [message];
  }

  /** Takes another's proposal, puts its own name on the block and sends it to some as if it were its turn. */
  #usurp(part: Part): void {
    const { key, random, send, onAct } = this.#deps;
    const foreign = this.#foreign;
    if (foreign === undefined || !this.#does("usurps")) return;
    const { proposal, parts } = foreign;
    parts.push(part);
    if (parts.length < proposal.blockId.partSetHeader.total) return;
    this.#foreign = undefined;
    const sorted = parts.toSorted((a, b) => a.index - b.index);
    const block = decodedOrUndefined(concatBytes(...sorted.map(({ bytes }) => bytes)));
    if (block === undefined || random.chance(30)) return;
    onAct("usurps");
    const header = { ...block.header, proposerAddress: key.address };
    const stolen = completeBlock({ ...block, header });
    const { height, round } = proposal;
    const own = this.#signProposal({ ...proposal, blockId: stolen.blockId });
    const half = random.below(4_096);
    const victims = (to: number): boolean => ((half >> to) & 1) === 1;
    send(DATA_CHANNEL.id, encodeConsensusMessage({ kind: "proposal", proposal: own }), victims);
    for (const each of stolen.parts) {
      const message = encodeConsensusMessage({ kind: "blockPart", height, round, part: each });
      send(DATA_CHANNEL.id, message, victims);
    }
  }

  #prepareSwap(proposal: Proposal, parts: readonly Part[]): void {
    const { random, onAct } = this.#deps;
    const block = decodeBlock(concatBytes(...parts.map((part) => part.bytes)));
    const isInvalid = this.#does("invalidProposals") && random.chance(70);
    let other: Block | undefined;
    let kind: Misbehaviour = "invalidProposals";
    if (isInvalid) other = this.#invalid(block);
    else if (this.#does("equivocateProposals")) {
      kind = "equivocateProposals";
      other = this.#valid(block);
    }
    if (other === undefined) return;
    const complete = completeBlock(other);
    if (blockIdsEqual(complete.blockId, proposal.blockId)) return;
    onAct(kind);
    const half = random.below(4_096);
    this.#swap = {
      height: proposal.height,
      round: proposal.round,
      honest: proposal.blockId,
      honestParts: parts,
      other: complete,
      otherProposal: this.#signProposal({ ...proposal, blockId: complete.blockId }),
      victims: isInvalid ? () => true : (to) => ((half >> to) & 1) === 1,
    };
    void this.#extend(block.header.height, complete.blockId.hash);
  }

  /** The application's other answer, or the same without its last item where that is valid. */
  #valid(block: Block): Block | undefined {
    const txs = this.#otherTxs.get(block.header.height);
    return txs && { ...block, txs, header: { ...block.header, dataHash: dataHash(txs) } };
  }

  #invalid(block: Block): Block {
    const { random } = this.#deps;
    const { header, txs } = block;
    const withTxs = (changed: readonly Uint8Array[]): Block => ({
      ...block,
      txs: changed,
      header: { ...header, dataHash: dataHash(changed) },
    });
    const changes: readonly (() => Block)[] = [
      () => ({ ...block, header: { ...header, appHash: bytesOf(random, 32) } }),
      () => ({ ...block, header: { ...header, lastResultsHash: bytesOf(random, 32) } }),
      () => ({
        ...block,
        header: { ...header, time: addMs(header.time, 1 + random.below(5_000)) },
      }),
      () => ({ ...block, header: { ...header, height: Height(header.height + 1) } }),
      () => ({ ...block, header: { ...header, validatorsHash: bytesOf(random, 32) } }),
      () => ({ ...block, header: { ...header, proposerAddress: bytesOf(random, 20) } }),
      () => ({ ...block, header: { ...header, chainId: "another" } }),
      () => withTxs([...txs, bytesOf(random, 1 + random.below(100))]),
      () => withTxs(txs.slice(1)),
      () => withTxs(txs.toReversed()),
      () => withTxs([...txs, ...txs]),
      () => withTxs([]),
    ];
    return random.pick(changes)?.() ?? block;
  }

  #swapFor(to: number, blockId: BlockId, height: number): Swap | undefined {
    const swap = this.#swap;
    if (swap === undefined || swap.height !== height || !swap.victims(to)) return undefined;
    return blockIdsEqual(swap.honest, blockId) ? swap : undefined;
  }

  #outgoingProposal(proposal: Proposal, message: Uint8Array, to: number): readonly Uint8Array[] {
    const swap = this.#swapFor(to, proposal.blockId, proposal.height);
    if (swap === undefined || swap.round !== proposal.round) return [message];
    return [encodeConsensusMessage({ kind: "proposal", proposal: swap.otherProposal })];
  }

  #outgoingPart(
    height: Height,
    round: Round,
    part: Part,
    message: Uint8Array,
    to: number,
  ): readonly Uint8Array[] {
    const { random, onAct } = this.#deps;
    const swap = this.#swap;
    const isOurs =
      swap?.height === height &&
      swap.victims(to) &&
      swap.honestParts[part.index]?.bytes.length === part.bytes.length &&
      bytesEqual(swap.honestParts[part.index]?.bytes ?? EMPTY_BYTES, part.bytes);
    if (this.#does("withholdParts") && random.chance(to % 2 === 0 ? 90 : 30)) {
      onAct("withholdParts");
      return [];
    }
    if (swap === undefined || !isOurs) return [message];
    const isLast = part.index === swap.honestParts.length - 1;
    const others = isLast
      ? swap.other.parts.slice(part.index)
      : swap.other.parts.slice(part.index, part.index + 1);
    return others.map((each) =>
      encodeConsensusMessage({ kind: "blockPart", height, round, part: each }),
    );
  }

  #outgoingVote(vote: Vote, message: Uint8Array, to: number): readonly Uint8Array[] {
    const { random, onAct } = this.#deps;
    const swap = this.#swapFor(to, vote.blockId, vote.height);
    const messages = [message];
    const replace = (changed: Vote | undefined, kind: Misbehaviour): void => {
      if (changed === undefined) return;
      onAct(kind);
      messages[0] = encodeConsensusMessage({ kind: "vote", vote: changed });
    };
    if (swap !== undefined) {
      replace(this.#voteFor(vote, swap.other.blockId), "equivocateProposals");
    } else if (this.#does("amnesia") && isNilBlockId(vote.blockId)) {
      const proposed = this.#proposed(vote);
      if (proposed !== undefined) replace(this.#voteFor(vote, proposed), "amnesia");
    } else if (this.#does("equivocateVotes") && random.chance(60)) {
      const opposite = isNilBlockId(vote.blockId)
        ? (this.#proposed(vote) ?? randomBlockId(random))
        : random.chance(70)
          ? NIL_BLOCK_ID
          : randomBlockId(random);
      const changed = this.#voteFor(vote, opposite);
      if (random.chance(50)) replace(changed, "equivocateVotes");
      else if (changed !== undefined) {
        onAct("equivocateVotes");
        messages.push(encodeConsensusMessage({ kind: "vote", vote: changed }));
      }
    }
    if (this.#does("floodVotes")) {
      onAct("floodVotes");
      for (let i = random.below(6); i > 0; i--) messages.push(this.#junkVote(vote));
    }
    return messages;
  }

  /** What peers are told of our state, with something false instead or beside it. */
  #lie(message: Uint8Array): readonly Uint8Array[] {
    const { random, onAct, view: viewOf } = this.#deps;
    const view = viewOf();
    if (view === undefined || !random.chance(30)) return [message];
    onAct("liesAboutState");
    const { height, round } = view;
    const type = random.chance(50) ? SignedMsgType.PREVOTE : SignedMsgType.PRECOMMIT;
    const someRound = Round(round + random.below(3));
    const lies: readonly (() => ConsensusMessage)[] = [
      () => ({
        kind: "newRoundStep",
        height: Height(height + random.below(3)),
        round: Round(round + random.below(50)),
        step: random.pick(Object.values(RoundStep)) ?? RoundStep.PROPOSE,
        secondsSinceStartTime: random.below(100),
        lastCommitRound: Round(height === 1 ? -1 : random.below(3)),
      }),
      () => ({
        kind: "voteSetMaj23",
        height,
        round: someRound,
        type,
        blockId: view.proposal?.blockId ?? randomBlockId(random),
      }),
      () => ({
        kind: "voteSetMaj23",
        height,
        round: someRound,
        type,
        blockId: randomBlockId(random),
      }),
      () => ({
        kind: "hasVote",
        height,
        round: someRound,
        type,
        index: random.below(this.#options.validatorCount + 1),
      }),
      () => ({
        kind: "newValidBlock",
        height,
        round: someRound,
        blockPartSetHeader: view.proposal?.blockId.partSetHeader ?? {
          total: 1,
          hash: bytesOf(random, 32),
        },
        blockParts: {
          bits: view.proposal?.blockId.partSetHeader.total ?? 1,
          elems: [view.proposal === undefined ? 1n : 0n],
        },
        isCommit: random.chance(50),
      }),
    ];
    const lie = random.pick(lies)?.();
    if (lie === undefined) return [message];
    const bytes = encodeConsensusMessage(lie);
    return random.chance(50) ? [bytes] : [message, bytes];
  }

  /** Blocks with a byte changed, heights that are not so, and no answer at all. */
  #damage(message: Uint8Array): readonly Uint8Array[] {
    const { random, onAct } = this.#deps;
    if (!random.chance(40)) return [message];
    onAct("liesAboutState");
    if (random.chance(20)) return [];
    const height = Height(1 + random.below(200));
    if (random.chance(40)) {
      return [encodeBlockSyncMessage({ kind: "statusResponse", base: Height(1), height })];
    }
    return [message.with(random.below(message.length), random.below(256))];
  }

  #proposed(vote: Vote): BlockId | undefined {
    const view = this.#deps.view();
    if (view === undefined || view.height !== vote.height || view.round !== vote.round) {
      return undefined;
    }
    return view.proposal?.blockId;
  }

  /** The same vote for another block; undefined when it would need an extension that is not there. */
  #voteFor(vote: Vote, blockId: BlockId): Vote | undefined {
    const needsExtension = this.#isExtended({ ...vote, blockId });
    const extension = needsExtension ? this.#extensions.get(toHex(blockId.hash)) : EMPTY_BYTES;
    if (needsExtension && extension === undefined) {
      void this.#extend(vote.height, blockId.hash);
      return undefined;
    }
    return this.#signVote({ ...vote, blockId, extension: extension ?? EMPTY_BYTES });
  }

  #junkVote(vote: Vote): Uint8Array {
    const { random } = this.#deps;
    const junk: readonly (() => Vote)[] = [
      () => ({ ...vote, signature: bytesOf(random, 64) }),
      () => this.#signVote({ ...vote, round: Round(vote.round + 1 + random.below(1_000)) }),
      () => this.#signVote({ ...vote, height: Height(vote.height + 1) }),
      () => this.#signVote({ ...vote, validatorIndex: vote.validatorIndex + 1 + random.below(9) }),
      () => this.#signVote({ ...vote, timestamp: addMs(vote.timestamp, random.below(1_000_000)) }),
      () =>
        this.#signVote({
          ...vote,
          type: SignedMsgType.PREVOTE,
          extension: EMPTY_BYTES,
          blockId: randomBlockId(random),
        }),
    ];
    return encodeConsensusMessage({ kind: "vote", vote: random.pick(junk)?.() ?? vote });
  }

  async #extend(height: Height, blockHash: Uint8Array): Promise<void> {
    if (!this.#options.areExtended(height)) return;
    this.#extensions.set(toHex(blockHash), await this.#deps.extend(height, blockHash));
  }

  #isExtended({ type, blockId, height }: Vote): boolean {
    return (
      type === SignedMsgType.PRECOMMIT &&
      !isNilBlockId(blockId) &&
      this.#options.areExtended(height)
    );
  }

  #signVote(vote: Vote): Vote {
    const { chainId } = this.#options;
    const { key } = this.#deps;
    const isExtended = this.#isExtended(vote);
    const extension = isExtended ? vote.extension : EMPTY_BYTES;
    const unsigned: Vote = { ...vote, extension };
    return {
      ...unsigned,
      signature: key.sign(voteSignBytes(chainId, unsigned)),
      extensionSignature: isExtended
        ? key.sign(voteExtensionSignBytes(chainId, unsigned))
        : EMPTY_BYTES,
    };
  }

  #signProposal(proposal: Proposal): Proposal {
    this.#deps.onProposal(proposal);
    const signature = this.#deps.key.sign(proposalSignBytes(this.#options.chainId, proposal));
    return { ...proposal, signature };
  }
}

function decodedOrUndefined(bytes: Uint8Array): Block | undefined {
  try {
    return decodeBlock(bytes);
  } catch {
    // Somebody else's garbage.
    return undefined;
  }
}

function bytesOf(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function randomBlockId(random: Random): BlockId {
  return { hash: bytesOf(random, 32), partSetHeader: { total: 1, hash: bytesOf(random, 32) } };
}
