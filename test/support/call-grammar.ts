/**
 * The order in which an engine may call its application (spec/cometbft-v0.38.md §12.5, §12.6): a checker
 * that sees each call begin and end, and the specification's own grammar over the recorded letters.
 */
import { toHex } from "../../proto/bytes.ts";
import type {
  Application,
  CheckTxRequest,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  InfoRequest,
  InitChainRequest,
  OfferSnapshotRequest,
  OfferSnapshotResult,
  PrepareProposalRequest,
  ProcessProposalRequest,
  QueryRequest,
  SnapshotApplication,
  ApplySnapshotChunkRequest,
  VerifyVoteExtensionRequest,
} from "../../sequencer/abci/application.ts";

/**
 * Letters of the grammar: i Info, N InitChain, O OfferSnapshot, A ApplySnapshotChunk, P PrepareProposal,
 * Q ProcessProposal, E ExtendVote, V VerifyVoteExtension, F FinalizeBlock, C Commit.
 */
export type CallLetter = "i" | "N" | "O" | "A" | "P" | "Q" | "E" | "V" | "F" | "C";

/**
 * A round may have each of its calls alone (`V* [P [Q]] V* [E] V*`, or with Q for P), and nothing marks
 * where one ends: any number of rounds is any sequence of these letters. The watch below knows more.
 */
const ROUNDS = "[PQEV]*";
const HEIGHT = `(?:${ROUNDS}FC)`;
/** The last height of a process may be cut off anywhere. */
const UNFINISHED = `${ROUNDS}F?`;
/** Info is asked on another connection, by operators too. */
const START = "(?:N|(?:OA*)+)?";
const SESSION = new RegExp(`^${START}${HEIGHT}*${UNFINISHED}$`);

/** Whether the calls of one process, from its start to its end, are in the specification's language. */
export function isInGrammar(letters: string): boolean {
  return SESSION.test(letters.replaceAll("i", ""));
}

/** A call that may not come where it came. */
export class CallOrderViolation extends Error {
  override readonly name = "CallOrderViolation";
}

export interface CallWatch {
  /** The calls of this process so far. */
  letters(): string;
  /** Blocks committed in this process. */
  readonly commits: number;
}

type Watched = Application & Partial<SnapshotApplication>;

/**
 * An application that hands every call on, and throws (and tells `onViolation`) when a call may not come.
 * One per process: a restart begins anew.
 */
export function watchCalls<A extends Watched>(
  application: A,
  { onViolation }: { readonly onViolation?: (violation: CallOrderViolation) => void } = {},
): { readonly application: A; readonly watch: CallWatch } {
  const watcher = new Watcher(application.checksDuringCommit === true, onViolation);
  const watched = watcher.wrap(application);
  return {
    application: new Proxy(application, {
      get(target, name) {
        const own: unknown = Object.hasOwn(watched, name) ? Reflect.get(watched, name) : undefined;
        if (own !== undefined) return own;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    watch: watcher,
  };
}

class Watcher implements CallWatch {
  readonly #checksDuringCommit: boolean;
  readonly #onViolation: ((violation: CallOrderViolation) => void) | undefined;
  readonly #letters: CallLetter[] = [];
  commits = 0;
  /** The consensus call under way. */
  #running: string | undefined;
  #checks = 0;
  #isCommitting = false;
  /** The height that blocks must have; undefined until Info or InitChain has said it. */
  #nextHeight: number | undefined;
  #hasInitChain = false;
  #hasBlockCalls = false;
  /** The first height of a call that only consensus makes. */
  #votedFrom: number | undefined;
  #isOfferAccepted = false;
  /** FinalizeBlock was answered and Commit has not come. */
  #finalized: number | undefined;
  /** Blocks of this height that were accepted in ProcessProposal, by hash. */
  #accepted = new Set<string>();

  constructor(
    checksDuringCommit: boolean,
    onViolation: ((violation: CallOrderViolation) => void) | undefined,
  ) {
    this.#checksDuringCommit = checksDuringCommit;
    this.#onViolation = onViolation;
  }

  letters(): string {
    return this.#letters.join("");
  }

  wrap(app: Watched): Partial<Application & SnapshotApplication> {
    return {
      info: async (request: InfoRequest) => {
        const answer = await app.info(request);
        this.#letters.push("i");
        // Later ones are queries; the first, and the one after a snapshot, tell where to go on.
        if (this.#nextHeight === undefined && answer.lastBlockHeight > 0) {
          this.#nextHeight = answer.lastBlockHeight + 1;
        }
        return answer;
      },
      query: (request: QueryRequest) => app.query(request),
      checkTx: async (request: CheckTxRequest) => {
        if (this.#isCommitting && !this.#checksDuringCommit) {
          throw this.#violation("CheckTx begins while Commit runs");
        }
        this.#checks++;
        try {
          return await app.checkTx(request);
        } finally {
          this.#checks--;
        }
      },
      initChain: (request: InitChainRequest) =>
        this.#consensus("N", async () => {
          if (this.#nextHeight !== undefined) {
            throw this.#violation(`InitChain, but height ${this.#nextHeight} comes next`);
          }
          const answer = await app.initChain(request);
          this.#nextHeight = request.initialHeight;
          this.#hasInitChain = true;
          return answer;
        }),
      prepareProposal: (request: PrepareProposalRequest) =>
        this.#block("P", request.height, () => app.prepareProposal(request)),
      processProposal: (request: ProcessProposalRequest) =>
        this.#block("Q", request.height, async () => {
          const verdict = await app.processProposal(request);
          if (verdict.accept) this.#accepted.add(toHex(request.hash));
          return verdict;
        }),
      extendVote: (request: ExtendVoteRequest) =>
        this.#block("E", request.height, () => {
          // At the first height that a process votes on, after those that it only replays, the verdict may
          // stand in the engine's log.
          if (request.height !== this.#votedFrom && !this.#accepted.has(toHex(request.hash))) {
            throw this.#violation("ExtendVote for a block that was not accepted before");
          }
          return app.extendVote(request);
        }),
      verifyVoteExtension: (request: VerifyVoteExtensionRequest) =>
        this.#block("V", request.height, () => app.verifyVoteExtension(request)),
      finalizeBlock: (request: FinalizeBlockRequest) =>
        this.#block("F", request.height, async () => {
          const answer = await app.finalizeBlock(request);
          this.#finalized = request.height;
          return answer;
        }),
      commit: () =>
        this.#consensus("C", async () => {
          const height = this.#finalized;
          if (height === undefined) throw this.#violation("Commit without FinalizeBlock before it");
          if (this.#checks > 0 && !this.#checksDuringCommit) {
            throw this.#violation(`Commit begins while ${this.#checks} CheckTx run`);
          }
          this.#isCommitting = true;
          try {
            const answer = await app.commit();
            this.#finalized = undefined;
            this.#accepted.clear();
            this.#nextHeight = height + 1;
            this.commits++;
            return answer;
          } finally {
            this.#isCommitting = false;
          }
        }),
      ...this.#wrapSnapshots(app),
    };
  }

  #wrapSnapshots(app: Watched): Partial<SnapshotApplication> {
    const { offerSnapshot, applySnapshotChunk } = app;
    if (offerSnapshot === undefined || applySnapshotChunk === undefined) return {};
    return {
      offerSnapshot: (request: OfferSnapshotRequest): Promise<OfferSnapshotResult> =>
        this.#consensus("O", async () => {
          if (this.#hasInitChain || this.#hasBlockCalls) {
            throw this.#violation("OfferSnapshot after the chain has begun");
          }
          const result = await offerSnapshot.call(app, request);
          this.#isOfferAccepted = result === "accept";
          this.#nextHeight = undefined;
          return result;
        }),
      applySnapshotChunk: (request: ApplySnapshotChunkRequest) =>
        this.#consensus("A", async () => {
          if (!this.#isOfferAccepted) {
            throw this.#violation("ApplySnapshotChunk without an accepted offer");
          }
          this.#nextHeight = undefined;
          return applySnapshotChunk.call(app, request);
        }),
    };
  }

  #block<T>(letter: CallLetter, height: number, task: () => Promise<T>): Promise<T> {
    return this.#consensus(letter, () => {
      this.#hasBlockCalls = true;
      if (letter !== "F") this.#votedFrom ??= height;
      if (this.#nextHeight === undefined) {
        throw this.#violation(`${letter} before Info or InitChain has said where the chain is`);
      }
      if (height !== this.#nextHeight) {
        throw this.#violation(`${letter} of height ${height}, but ${this.#nextHeight} comes next`);
      }
      if (this.#finalized !== undefined) {
        throw this.#violation(`${letter} between FinalizeBlock and Commit`);
      }
      return task();
    });
  }

  async #consensus<T>(letter: CallLetter, task: () => Promise<T>): Promise<T> {
    if (this.#running !== undefined) {
      throw this.#violation(`${letter} begins while ${this.#running} runs`);
    }
    this.#running = letter;
    this.#letters.push(letter);
    try {
      return await task();
    } finally {
      this.#running = undefined;
    }
  }

  #violation(what: string): CallOrderViolation {
    const recent = this.#letters.slice(-40).join("");
    const violation = new CallOrderViolation(`${what} (calls so far: ...${recent})`);
    this.#onViolation?.(violation);
    return violation;
  }
}
