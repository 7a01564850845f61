/**
 * What one node signs and sends, held to the rules of voting: its signer, the log and the signer's state
 * that must hold a vote before it leaves, the locks, and what is on the wire. It outlives the node's crashes.
 */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { decodeConsensusMessage } from "../../proto/codec/consensus-messages.ts";
import { isCompactPart } from "../../sequencer/p2p/compact-parts/messages.ts";
import { SignedMsgType, type Vote } from "../../proto/types.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import { DATA_CHANNEL, VOTE_CHANNEL } from "../../sequencer/p2p/consensus/consensus-channels.ts";
import {
  DurableLogChecker,
  DurableSignerChecker,
  SigningChecker,
  type WireChecker,
} from "./checkers.ts";
import type { LockChecker } from "./lock-checker.ts";
import type { SimFiles } from "./sim-files.ts";
import type { Outgoing } from "./sim-network.ts";

export interface VoteWatchOptions {
  /** The node, for messages. */
  readonly name: string;
  /** Its consensus address. */
  readonly address: Uint8Array;
  /** Paths of its log's folder and of its signer's state. */
  readonly log: string;
  readonly signState: string;
}

export interface VoteWatchDependencies {
  readonly files: SimFiles;
  readonly locks: LockChecker;
  readonly wire: WireChecker;
  /** Something that must not happen happened. */
  readonly fail: (failure: unknown) => void;
}

export class VoteWatch {
  readonly #options: VoteWatchOptions;
  readonly #deps: VoteWatchDependencies;
  readonly #signing: SigningChecker;
  readonly #log: DurableLogChecker;
  readonly #signer: DurableSignerChecker;
  /** Signatures of own votes that have left, in any life. */
  readonly #left = new Set<string>();

  constructor(options: VoteWatchOptions, deps: VoteWatchDependencies) {
    const { name, address, log, signState } = options;
    const { files, locks } = deps;
    this.#options = options;
    this.#deps = deps;
    this.#signing = new SigningChecker(
      name,
      // A precommit that was signed and never left binds nobody: it is told of on its way out.
      (vote) => {
        if (vote.type === SignedMsgType.PREVOTE) this.#checkLock(vote);
      },
      (proposal) => locks.proposed(address, proposal),
    );
    this.#log = new DurableLogChecker(name, files, log);
    this.#signer = new DurableSignerChecker(name, files, signState);
    files.onDurable = (path) => this.#log.synced(path);
  }

  /** The signer of one life, watched. */
  signer(signer: PrivValidator): PrivValidator {
    return this.#signing.watch(signer);
  }

  /** Own votes and proposals of one life are checked on their way out; one encoding goes to many peers. */
  outgoing(): Outgoing {
    const checked = new WeakSet<Uint8Array>();
    return (channelId, message) => {
      const isWatched = channelId === VOTE_CHANNEL.id || channelId === DATA_CHANNEL.id;
      if (!isWatched || isCompactPart(message) || checked.has(message)) return [message];
      checked.add(message);
      try {
        const decoded = decodeConsensusMessage(message);
        if (decoded.kind === "vote") this.#sent(decoded.vote);
      } catch (error) {
        this.#deps.fail(error);
      }
      return [message];
    };
  }

  /** After a crash: what the log holds is read anew. */
  crashed(): void {
    this.#log.rescan();
  }

  #sent(vote: Vote): void {
    const { name, address } = this.#options;
    if (!bytesEqual(vote.validatorAddress, address)) return;
    this.#deps.wire.sent(name, vote);
    // A vote may leave again, encoded anew.
    const signature = toHex(vote.signature);
    if (vote.type === SignedMsgType.PRECOMMIT && !this.#left.has(signature)) this.#checkLock(vote);
    this.#left.add(signature);
    this.#signer.sent(vote);
    this.#log.sent(`a vote at ${vote.height}/${vote.round}`, vote.signature);
  }

  #checkLock(vote: Vote): void {
    try {
      this.#deps.locks.signed(vote);
    } catch (error) {
      this.#deps.fail(error);
    }
  }
}
