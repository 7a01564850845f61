/**
 * The application behind its connections (spec/cometbft-v0.38.md §12.6): consensus calls run one at
 * a time, CheckTx stands still around Commit (unless the application admits it then), Info and Query
 * pass.
 */
import { assert } from "../../proto/errors.ts";
import type {
  Application,
  CheckTxRequest,
  CheckTxResponse,
  CommitResponse,
} from "./application.ts";
import { AbciError } from "./errors.ts";
import { CHECK_TX_WAITING_MAX } from "./limits.ts";

export interface ApplicationGate<A extends Application = Application> {
  /**
   * Runs one consensus call after those asked for before it.
   * @throws AbciError ABCI_APPLICATION, whatever the application threw.
   */
  call<T>(name: string, task: (application: A) => Promise<T>): Promise<T>;
  /** Waits for CheckTx calls under way, keeps new ones waiting where a fence is wanted, and commits. */
  commit(): Promise<CommitResponse>;
  /**
   * CheckTx, never during Commit.
   * @throws AbciError ABCI_CHECK_TX_BUSY when too many wait.
   */
  checkTx(request: CheckTxRequest): Promise<CheckTxResponse>;
  /** CheckTx of new transactions, together where the application can; answers in their order. */
  checkTxs(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]>;
}

export function createApplicationGate<A extends Application>(application: A): ApplicationGate<A> {
  return new Gate(application);
}

class Gate<A extends Application> implements ApplicationGate<A> {
  readonly #application: A;
  #lastCall: Promise<unknown> = Promise.resolve();
  #checksUnderWay = 0;
  #checksWaiting = 0;
  /** Set while Commit runs or waits for checks to end. */
  #commitEnd: Promise<void> | undefined;
  #onChecksDone: (() => void) | undefined;

  constructor(application: A) {
    this.#application = application;
  }

  call<T>(name: string, task: (application: A) => Promise<T>): Promise<T> {
    const result = this.#lastCall.then(async () => {
      try {
        return await task(this.#application);
      } catch (cause) {
        throw new AbciError(
          { code: "ABCI_APPLICATION", call: name },
          `the application failed in ${name}: ${String(cause)}`,
          { cause },
        );
      }
    });
    this.#lastCall = Promise.allSettled([result]);
    return result;
  }

  commit(): Promise<CommitResponse> {
    return this.call("Commit", async (application) => {
      if (application.checksDuringCommit === true) return application.commit();
      assert(this.#commitEnd === undefined, "commits follow one another");
      let end = (): void => {};
      this.#commitEnd = new Promise((resolve) => (end = resolve));
      try {
        if (this.#checksUnderWay > 0) {
          await new Promise<void>((resolve) => (this.#onChecksDone = resolve));
        }
        return await application.commit();
      } finally {
        this.#commitEnd = undefined;
        end();
      }
    });
  }

  checkTx(request: CheckTxRequest): Promise<CheckTxResponse> {
    return this.#fenced(() => this.#application.checkTx(request));
  }

  checkTxs(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]> {
    return this.#fenced(
      () =>
        this.#application.checkTxs?.(txs) ??
        Promise.all(txs.map((tx) => this.#application.checkTx({ tx, type: "new" }))),
    );
  }

  async #fenced<T>(check: () => Promise<T>): Promise<T> {
    if (this.#commitEnd !== undefined) {
      if (this.#checksWaiting >= CHECK_TX_WAITING_MAX) {
        throw new AbciError(
          { code: "ABCI_CHECK_TX_BUSY" },
          `${CHECK_TX_WAITING_MAX} transactions wait for a block to be committed; submit again in a moment`,
        );
      }
      this.#checksWaiting++;
      while (this.#commitEnd !== undefined) await this.#commitEnd;
      this.#checksWaiting--;
    }
    this.#checksUnderWay++;
    try {
      return await check();
    } finally {
      this.#checksUnderWay--;
      if (this.#checksUnderWay === 0) {
        this.#onChecksDone?.();
        this.#onChecksDone = undefined;
      }
    }
  }
}
