/**
 * Votes about legs and reports of what was done, in the name of one executor key (docs/adr/0023, 0024). Whoever votes
 * twice, or reports what it did not vote for, is slashed; so what is said of a bundle is on disk before it is sent, is
 * never replaced by anything else, and is sent until a block holds it or nobody asks for it any more.
 */
import { z } from "zod";
import { Height, type RollupId } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { AtomicOutcome, type Box, Verdict, type VoteContent } from "../../proto/codec/atomic-tx.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SequencerClient } from "../client/sequencer-client.ts";
import { signTx, type TxSigner, unorderedTerms } from "../client/signed-tx.ts";
import type { JournalOperation, JournalStore } from "../gateway/journal/journal-store.ts";
import {
  STATEMENT_EXPIRY_BLOCKS,
  STATEMENT_RESEND_BLOCKS,
  STATEMENTS_KEPT_BLOCKS,
  STATEMENTS_PENDING_MAX,
  VOTE_GIVEN_UP_BLOCKS,
} from "../limits.ts";
import { createTurns } from "../turns.ts";
import type { DriverMetrics } from "./metrics.ts";

export type VoterErrorInfo =
  /** Something else was said of this bundle before; the disk holds what. Stop and find out why. */
  | { readonly code: "VOTER_CONTRADICTION"; readonly bundleId: string }
  /** A record of the voter's store cannot be understood. */
  | { readonly code: "VOTER_STORE_INVALID"; readonly key: string };

/** What a voter needs of a sequencer. */
export type VoterClient = Pick<SequencerClient, "chainInfo" | "submit" | "transactionStatus">;

export interface VoterOptions {
  readonly rollupId: RollupId;
  /** nweft per byte on top of the base fee. */
  readonly tipPerByte: bigint;
}

export interface VoterDependencies {
  readonly client: VoterClient;
  /** The executor's own key; its account pays. */
  readonly key: TxSigner;
  readonly store: JournalStore;
  readonly logger: Logger;
  readonly metrics: DriverMetrics;
}

export interface PreparedVote {
  readonly bundleId: Uint8Array;
  readonly height: Height;
  readonly content: VoteContent;
}

export interface DueReport {
  readonly bundleId: Uint8Array;
  /** Where the bundle was placed: of two placings of one bundle each is voted about. */
  readonly placed: Height;
  /** Of the decision. */
  readonly height: Height;
  readonly sequencerBlockHash: Uint8Array;
  /** BFT time of that block. */
  readonly timestamp: Timestamp;
  readonly outcome: AtomicOutcome;
  /** Empty with ABORT. */
  readonly effectsHash: Uint8Array;
}

export interface Voter {
  /** The vote is on disk when it resolves. @throws WeftError<VoterErrorInfo> */
  vote(vote: PreparedVote): Promise<void>;
  /** A bundle is decided: its vote is needed no more, and there will be a report of it, if it was voted about. */
  decided(report: DueReport): Promise<void>;
  /** Reports of that height can be made: `blockHash` is the rollup's block that holds what was done. */
  executed(height: Height, blockHash: Uint8Array): Promise<void>;
  /** Reports whose block was not told of yet. */
  unexecuted(): readonly Pick<DueReport, "height" | "sequencerBlockHash" | "timestamp">[];
  /** Reports of that height will never be made: nobody can tell the block any more. */
  abandon(height: Height): Promise<void>;
  /** Call for each height: looks after what is not ordered yet. */
  blockExecuted(height: Height): void;
  pendingCount(): number;
  stop(): Promise<void>;
}

const hex = z.string().regex(/^([0-9a-f]{2})*$/);
const box = z.strictObject({ rollup: hex, root: hex });
const base = {
  bundle: hex,
  /** Of the preparation, or of the decision. */
  height: z.number().int().min(1),
  /** What was signed last, and until when it can be ordered. */
  sent: z.strictObject({ item: hex, id: hex, expiry: z.number().int() }).optional(),
  /** Ordered, or nobody asks for it any more. */
  done: z.boolean(),
};
const statementSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...base,
    kind: z.literal("vote"),
    verdict: z.number().int().min(1).max(2),
    reason: z.number().int().min(0),
    pre_state_root: hex,
    effects_hash: hex,
    outbox: z.array(box),
    inbox: z.array(box),
    /** Height of the decision, once there is one. */
    decided: z.number().int().optional(),
  }),
  z.strictObject({
    ...base,
    kind: z.literal("report"),
    sequencer_block: hex,
    seconds: z.string(),
    nanos: z.number().int(),
    outcome: z.number().int().min(1).max(2),
    effects_hash: hex,
    /** Empty until the block is executed. */
    block: hex,
  }),
]);
type Statement = z.infer<typeof statementSchema>;

/** Said already: as good as ordered (EXECUTOR_DONE). */
const CODE_DONE = 311;
/** Not an executor, out for good, or no vote of it was ordered, so that no report is due: saying it again is in vain. */
const CODES_IN_VAIN: ReadonlySet<number> = new Set([310, 315, 316, 318]);
/** ATOMIC_UNKNOWN: the chain has forgotten the bundle, or the node is behind. */
const CODE_UNKNOWN = 304;

/** Opens the store of what was said. @throws WeftError<VoterErrorInfo> */
export async function createVoter(options: VoterOptions, deps: VoterDependencies): Promise<Voter> {
  const { client, key, store, logger, metrics } = deps;
  const rollupId = fromHex(options.rollupId);
  const statements = new Map<string, Statement>();
  const inFlight = new Map<string, Promise<void>>();
  /** By key: height at which it was last sent. */
  const sentAt = new Map<string, number>();
  let height = 0;
  let isStopped = false;
  const writes = createTurns();
  for (const [name, bytes] of await store.load("")) statements.set(name, parse(name, bytes));
  reportPending();

  function pending(): [string, Statement][] {
    return [...statements].filter(([, { done }]) => !done);
  }

  function reportPending(): void {
    metrics.atomicPending.set(pending().length);
  }

  /** In memory at once, on disk when it resolves; writes go down in the order in which they were made. */
  async function keep(name: string, statement: Statement, isSynced: boolean): Promise<void> {
    statements.set(name, statement);
    reportPending();
    await write([{ type: "put", key: name, value: encode(statement) }], isSynced);
  }

  function write(operations: readonly JournalOperation[], isSynced: boolean): Promise<void> {
    return writes.take(() => store.write(operations, isSynced));
  }

  /** Sends what is not ordered, unless that is under way. */
  function look(name: string): void {
    if (isStopped || inFlight.has(name)) return;
    const work = deliver(name)
      .catch((error: unknown) => {
        // A node that is away is asked again with the next block.
        logger.debug("a vote or report could not be sent", { key: name, error: String(error) });
      })
      .finally(() => inFlight.delete(name));
    inFlight.set(name, work);
  }

  async function deliver(name: string): Promise<void> {
    const statement = statements.get(name);
    const action = statement && actionOf(rollupId, statement);
    if (statement === undefined || statement.done || action === undefined) return;
    const chain = await client.chainInfo();
    if (statement.sent !== undefined) {
      const { state } = await client.transactionStatus(fromHex(statement.sent.id));
      if (state === "committed") return finish(name, "ordered");
      // Strict: a block holds it only if it counts, so a failure is of another engine's making.
      const last = sentAt.get(name);
      const isFresh = last !== undefined && chain.height < last + STATEMENT_RESEND_BLOCKS;
      if (state === "pending" || (isFresh && state !== "expired")) return;
    }
    const sent = await signed(name, statement, action, chain);
    // Stopped in between: the next life sends it.
    if (isStopped || statements.get(name)?.done !== false) return;
    const outcome = await client.submit(fromHex(sent.item));
    sentAt.set(name, chain.height);
    if (outcome.code === 0 || outcome.isDuplicate) return;
    if (outcome.code === CODE_DONE) return finish(name, "ordered");
    const isForgotten =
      outcome.code === CODE_UNKNOWN &&
      statement.kind === "report" &&
      chain.height > statement.height + 1;
    if (isForgotten || CODES_IN_VAIN.has(outcome.code)) {
      logger.warn("the chain does not take a vote or report of this executor", {
        kind: statement.kind,
        reason: outcome.reason,
      });
      return finish(name, "refused");
    }
    // A node that is a block behind has not heard of the bundle; it is asked again with the next block.
    sentAt.delete(name);
    metrics.atomicStatements.inc({ kind: statement.kind, result: "deferred" });
    logger.debug("a vote or report is not taken yet", { key: name, reason: outcome.reason });
  }

  /** What was signed before, as long as it can be ordered: the same bytes are the same transaction. */
  async function signed(
    name: string,
    statement: Statement,
    action: Action,
    chain: Awaited<ReturnType<VoterClient["chainInfo"]>>,
  ): Promise<NonNullable<Statement["sent"]>> {
    const { sent } = statement;
    if (sent !== undefined && chain.height + 1 < sent.expiry) return sent;
    const end = chain.height + STATEMENT_EXPIRY_BLOCKS;
    const terms = unorderedTerms(chain, end, options.tipPerByte);
    const body = { publicKey: key.publicKey, ...terms, action };
    const { id, item } = signTx(chain.chainId, body, key);
    const fresh = { item: toHex(item), id: toHex(id), expiry: terms.replay.expiryHeight };
    // As it is now: it may have been decided or executed while the node was asked.
    await keep(name, { ...(statements.get(name) ?? statement), sent: fresh }, true);
    return fresh;
  }

  async function finish(name: string, result: "ordered" | "refused" | "abandoned"): Promise<void> {
    const statement = statements.get(name);
    if (statement === undefined || statement.done) return;
    sentAt.delete(name);
    metrics.atomicStatements.inc({ kind: statement.kind, result });
    await keep(name, { ...statement, done: true }, false);
  }

  /** What nobody asks for any more; and what was said so long ago that no block takes anything else of it. */
  async function prune(now: number): Promise<void> {
    for (const [name, statement] of statements) {
      const { kind, done } = statement;
      const age = now - statement.height;
      if (!done && kind === "vote" && age > VOTE_GIVEN_UP_BLOCKS) await finish(name, "abandoned");
      if (!done && kind === "report" && age > STATEMENTS_KEPT_BLOCKS)
        await finish(name, "abandoned");
    }
    const old = [...statements].filter(([, statement]) => {
      const decided = statement.kind === "vote" ? statement.decided : statement.height;
      // Until it is decided a second vote would still be taken, and slashed.
      return statement.done && decided !== undefined && now - decided > 2 * STATEMENTS_KEPT_BLOCKS;
    });
    if (old.length === 0) return;
    await write(
      old.map(([name]) => ({ type: "del", key: name })),
      false,
    );
    for (const [name] of old) statements.delete(name);
  }

  return {
    async vote({ bundleId, height: at, content }) {
      const name = voteName(bundleId, at);
      const statement = voteStatement(bundleId, at, content);
      const said = statements.get(name);
      if (said !== undefined) {
        if (isSameStatement(said, statement)) {
          look(name);
          return;
        }
        metrics.atomicStatements.inc({ kind: "vote", result: "contradiction" });
        throw new WeftError<VoterErrorInfo>(
          { code: "VOTER_CONTRADICTION", bundleId: toHex(bundleId) },
          `this key has voted about bundle ${toHex(bundleId)} otherwise before: the executor or its data changed; voting again would cost its bond`,
        );
      }
      const votes = pending().filter(([, { kind }]) => kind === "vote");
      if (votes.length >= STATEMENTS_PENDING_MAX) {
        metrics.atomicStatements.inc({ kind: "vote", result: "abandoned" });
        logger.error("too many votes wait to be ordered; this bundle gets none", {
          bundleId: toHex(bundleId),
        });
        return;
      }
      await keep(name, statement, true);
      look(name);
    },

    async decided(report) {
      const name = voteName(report.bundleId, report.placed);
      const vote = statements.get(name);
      if (vote === undefined || vote.kind !== "vote") return;
      await finish(name, "abandoned");
      const said = statements.get(name);
      if (said?.kind === "vote") await keep(name, { ...said, decided: report.height }, false);
      const reportName = `r${name.slice(1)}`;
      if (statements.has(reportName)) return;
      await keep(reportName, reportStatement(report), true);
    },

    async abandon(at) {
      for (const [name, { kind, height: of }] of statements) {
        if (kind === "report" && of === at) await finish(name, "abandoned");
      }
    },

    async executed(at, blockHash) {
      for (const [name, statement] of statements) {
        if (statement.kind !== "report" || statement.height !== at || statement.done) continue;
        if (statement.block === "") {
          await keep(name, { ...statement, block: toHex(blockHash) }, true);
        }
        look(name);
      }
    },

    unexecuted() {
      return [...statements.values()].flatMap((statement) =>
        statement.kind === "report" && !statement.done && statement.block === ""
          ? [
              {
                height: Height(statement.height),
                sequencerBlockHash: fromHex(statement.sequencer_block),
                timestamp: { seconds: BigInt(statement.seconds), nanos: statement.nanos },
              },
            ]
          : [],
      );
    },

    blockExecuted(at) {
      height = Math.max(height, at);
      for (const [name] of pending()) look(name);
      void prune(height).catch((error: unknown) => {
        logger.warn("the store of votes could not be written", { error: String(error) });
      });
    },

    pendingCount: () => pending().length,

    async stop() {
      isStopped = true;
      await Promise.allSettled(inFlight.values());
      await writes.done();
      await store.close();
    },
  };
}

/** Of one placing of a bundle. */
function voteName(bundleId: Uint8Array, placed: Height): string {
  return `v/${toHex(bundleId)}/${placed}`;
}

function voteStatement(bundleId: Uint8Array, height: Height, content: VoteContent): Statement {
  return {
    kind: "vote",
    bundle: toHex(bundleId),
    height,
    done: false,
    verdict: content.verdict,
    reason: content.reason,
    pre_state_root: toHex(content.preStateRoot),
    effects_hash: toHex(content.effectsHash),
    outbox: content.outbox.map(boxRow),
    inbox: content.inbox.map(boxRow),
  };
}

function reportStatement(report: DueReport): Statement {
  return {
    kind: "report",
    bundle: toHex(report.bundleId),
    height: report.height,
    done: false,
    sequencer_block: toHex(report.sequencerBlockHash),
    seconds: report.timestamp.seconds.toString(),
    nanos: report.timestamp.nanos,
    outcome: report.outcome,
    effects_hash: toHex(report.effectsHash),
    block: "",
  };
}

function actionOf(rollupId: Uint8Array, statement: Statement): Action | undefined {
  const bundleId = fromHex(statement.bundle);
  if (statement.kind === "vote") {
    return {
      kind: "executorVote",
      bundleId,
      rollupId,
      verdict: statement.verdict === Verdict.YES ? Verdict.YES : Verdict.NO,
      reason: statement.reason,
      preStateRoot: fromHex(statement.pre_state_root),
      effectsHash: fromHex(statement.effects_hash),
      outbox: statement.outbox.map(boxOf),
      inbox: statement.inbox.map(boxOf),
    };
  }
  if (statement.block === "") return undefined;
  const isCommit = statement.outcome === AtomicOutcome.COMMIT;
  return {
    kind: "executorReport",
    bundleId,
    rollupId,
    outcome: isCommit ? AtomicOutcome.COMMIT : AtomicOutcome.ABORT,
    effectsHash: fromHex(statement.effects_hash),
    blockHash: fromHex(statement.block),
  };
}

/** What is said, apart from how it was sent. */
function isSameStatement(a: Statement, b: Statement): boolean {
  return said(a) === said(b);
}

const NOT_SAID = new Set(["sent", "done", "decided"]);

function said(statement: Statement): string {
  const content = Object.entries(statement).filter(([name]) => !NOT_SAID.has(name));
  return JSON.stringify(content.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function boxRow({ rollupId, root }: Box): z.infer<typeof box> {
  return { rollup: toHex(rollupId), root: toHex(root) };
}

function boxOf({ rollup, root }: z.infer<typeof box>): Box {
  return { rollupId: fromHex(rollup), root: fromHex(root) };
}

function encode(statement: Statement): Uint8Array {
  return utf8ToBytes(JSON.stringify(statement));
}

function parse(name: string, bytes: Uint8Array): Statement {
  try {
    return statementSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (cause) {
    throw new WeftError<VoterErrorInfo>(
      { code: "VOTER_STORE_INVALID", key: name },
      `the record ${name} of what this executor has said cannot be understood; voting without it could cost the bond`,
      { cause },
    );
  }
}
