/** One sequencer height of a run with atomic bundles: decisions, preparations, then the block, each answer checked. */
import { AtomicOutcome, type Box, Verdict, VoteReason } from "../../proto/codec/atomic-tx.ts";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex } from "../../proto/bytes.ts";
import { EXECUTION_SERVICE } from "../../proto/grpc/execution-service.ts";
import { sha256 } from "../../proto/hash.ts";
import type {
  DecideBundleRequest,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutorStatus,
  PrepareBundleRequest,
  PrepareBundleResponse,
} from "../execution.ts";
import type { Prepared } from "./bundle-journal.ts";
import { expect } from "./fault.ts";
import { LOCKS_GIVEN } from "./limits.ts";
import { answered, blockHash, expectSameStatus, type Session } from "./session.ts";

/** The rollup of the other leg of each bundle of the suite; legs of `--legs` may have messages for it. */
export const SIBLING = sha256(Buffer.from("weft-conformance-sibling"));
/** Why a bundle was aborted, as the decision says; the executor makes nothing of it. */
const ABORT_REASON = 1;

/** What a check may have otherwise in a preparation. */
export type PrepareChanges = Partial<PrepareBundleRequest> & { readonly isTraceless?: boolean };

export class BundleHeight {
  /** What `executeBlock` is to bring for this height. */
  readonly request: ExecuteBlockRequest;
  readonly #session: Session;

  private constructor(session: Session, request: ExecuteBlockRequest) {
    this.#session = session;
    this.request = request;
  }

  /** The next height, with these payloads in its block. */
  static async next(session: Session, payloads: readonly Uint8Array[] = []): Promise<BundleHeight> {
    return new BundleHeight(session, await session.request(payloads));
  }

  get number(): Height {
    return this.request.sequencerHeight;
  }

  prepareRequest(
    payloads: readonly Uint8Array[],
    changes: Partial<PrepareBundleRequest> = {},
  ): PrepareBundleRequest {
    const { sequencerBlockHash, sequencerHeight, timestamp } = this.request;
    const number = this.#session.bundles.nextNumber();
    return {
      sequencerBlockHash,
      sequencerHeight,
      timestamp,
      bundleId: blockHash(number, " bundle"),
      leg: 0,
      legs: 2,
      siblingRollupIds: [SIBLING],
      payloads,
      locksMax: LOCKS_GIVEN,
      ...changes,
    };
  }

  decideRequest(bundleId: Uint8Array, outcome: AtomicOutcome): DecideBundleRequest {
    const { sequencerBlockHash, sequencerHeight } = this.request;
    const reason = outcome === AtomicOutcome.COMMIT ? 0 : ABORT_REASON;
    return { sequencerBlockHash, sequencerHeight, bundleId, outcome, reason };
  }

  /** Has a leg prepared that was not, and checks all that holds of every answer to it. */
  async prepare(
    payloads: readonly Uint8Array[],
    { isTraceless = false, ...changes }: PrepareChanges = {},
  ): Promise<Prepared> {
    const session = this.#session;
    const request = this.prepareRequest(payloads, changes);
    const what = `PrepareBundle at height ${this.number}`;
    const before = await session.status();
    const response = answered(await session.target.prepareBundle(request), what);
    const prepared = { request, response, isTraceless };
    session.bundles.prepared(prepared);
    checkPrepared(response, what);
    expectOnlyBundlesChanged(before, await session.status(), what);
    await expectOpen(session, what);
    return prepared;
  }

  /** The same, of a leg that nothing hinders. */
  async prepareYes(
    payloads: readonly Uint8Array[],
    changes: PrepareChanges = {},
  ): Promise<Prepared> {
    const prepared = await this.prepare(payloads, changes);
    const { verdict, reason } = prepared.response;
    expect(
      verdict === Verdict.YES,
      `PrepareBundle at height ${this.number} of a leg that nothing hinders: expected YES, got NO (${nameOfReason(reason)})`,
    );
    return prepared;
  }

  /** Has a prepared bundle decided, and checks all that holds of every answer to it. */
  async decide(prepared: Prepared, outcome: AtomicOutcome): Promise<void> {
    const session = this.#session;
    const request = this.decideRequest(prepared.request.bundleId, outcome);
    const what = `DecideBundle at height ${this.number}`;
    const before = await session.status();
    const response = answered(await session.target.decideBundle(request), what);
    session.bundles.decided({ request, prepared });
    expectSamePrepared(prepared.response, response.prepared, `${what}: what it says was prepared`);
    expectOnlyBundlesChanged(before, await session.status(), what);
    await expectOpen(session, what);
  }

  commit(prepared: Prepared): Promise<void> {
    return this.decide(prepared, AtomicOutcome.COMMIT);
  }

  abort(prepared: Prepared): Promise<void> {
    return this.decide(prepared, AtomicOutcome.ABORT);
  }

  async execute(): Promise<ExecuteBlockResponse> {
    const answer = await this.#session.execute(this.request);
    await expectOpen(this.#session, `after ExecuteBlock of height ${this.number}`);
    return answer;
  }
}

/** A preparation that comes again, answered as it was and with no effect. */
export async function prepareAgain(
  session: Session,
  { request, response }: Prepared,
): Promise<void> {
  const what = `PrepareBundle of height ${request.sequencerHeight} again`;
  const before = await session.status();
  const again = answered(await session.target.prepareBundle(request), what);
  expectSamePrepared(response, again, what);
  expectSameStatus(before, await session.status(), what);
}

/** The same of a decision. */
export async function decideAgain(
  session: Session,
  request: DecideBundleRequest,
  { response }: Prepared,
): Promise<void> {
  const what = `DecideBundle of height ${request.sequencerHeight} again`;
  const before = await session.status();
  const again = answered(await session.target.decideBundle(request), what);
  expectSamePrepared(response, again.prepared, what);
  expectSameStatus(before, await session.status(), what);
}

/** @throws WeftError CONFORMANCE_BROKEN unless the leg was answered NO for this reason */
export function expectNo({ request, response }: Prepared, reason: VoteReason): void {
  const came = response.verdict === Verdict.YES ? "YES" : `NO (${nameOfReason(response.reason)})`;
  expect(
    response.verdict === Verdict.NO && response.reason === reason,
    `PrepareBundle at height ${request.sequencerHeight}: expected NO (${nameOfReason(reason)}), got ${came}`,
  );
}

export function expectSamePrepared(
  first: PrepareBundleResponse,
  second: PrepareBundleResponse,
  what: string,
): void {
  const encode = EXECUTION_SERVICE.prepareBundle.responseSerialize;
  expect(
    bytesEqual(encode(first), encode(second)),
    `${what}: expected ${describe(first)}, got ${describe(second)}`,
  );
}

/** GetStatus lists what is open, in the order of preparation. */
async function expectOpen(session: Session, what: string): Promise<void> {
  const { openBundles, openBundleCount } = await session.status();
  const expected = session.bundles.open;
  const isSame =
    openBundleCount === expected.length &&
    openBundles.length === expected.length &&
    openBundles.every((open, index) => {
      const prepared = expected[index];
      return (
        prepared !== undefined &&
        bytesEqual(open.bundleId, prepared.request.bundleId) &&
        open.sequencerHeight === prepared.request.sequencerHeight &&
        open.verdict === prepared.response.verdict
      );
    });
  const list = (ids: readonly Uint8Array[]): string =>
    `[${ids.map((id) => toHex(id).slice(0, 12)).join(", ")}]`;
  expect(
    isSame,
    `${what}: GetStatus lists ${openBundleCount} open bundles, ${list(openBundles.map(({ bundleId }) => bundleId))}; expected ${list(expected.map(({ request }) => request.bundleId))}, with height and verdict of each`,
  );
}

function expectOnlyBundlesChanged(
  before: ExecutorStatus,
  after: ExecutorStatus,
  what: string,
): void {
  const { openBundles, openBundleCount } = before;
  expectSameStatus(before, { ...after, openBundles, openBundleCount }, what);
}

function checkPrepared(answer: PrepareBundleResponse, what: string): void {
  const { verdict, reason, preStateRoot, effectsHash, outbox, inbox } = answer;
  const isYes = verdict === Verdict.YES;
  expect(
    isYes === (reason === 0),
    `${what}: ${isYes ? "YES" : "NO"} with reason ${nameOfReason(reason)}`,
  );
  const length = isYes ? 32 : 0;
  for (const [name, bytes] of Object.entries({ preStateRoot, effectsHash })) {
    expect(
      bytes.length === length,
      `${what}: ${name} has ${bytes.length} bytes with ${isYes ? "YES" : "NO"}, expected ${length}`,
    );
  }
  for (const [name, boxes] of Object.entries({ outbox, inbox })) {
    expect(isYes || boxes.length === 0, `${what}: NO with ${boxes.length} boxes in ${name}`);
    checkBoxes(boxes, `${what}: ${name}`);
  }
}

function checkBoxes(boxes: readonly Box[], what: string): void {
  for (const [index, { rollupId, root }] of boxes.entries()) {
    expect(
      bytesEqual(rollupId, SIBLING),
      `${what} names rollup ${toHex(rollupId)}, which has no leg in the bundle`,
    );
    expect(root.length === 32, `${what}: a root of ${root.length} bytes, expected 32`);
    const before = boxes[index - 1];
    expect(
      before === undefined || compareBytes(before.rollupId, rollupId) < 0,
      `${what} is not in ascending order of rollup ids`,
    );
  }
}

function describe({ verdict, reason, preStateRoot, effectsHash }: PrepareBundleResponse): string {
  const short = (bytes: Uint8Array): string => toHex(bytes).slice(0, 12);
  return verdict === Verdict.YES
    ? `YES on ${short(preStateRoot)} with effects ${short(effectsHash)}`
    : `NO (${nameOfReason(reason)})`;
}

function nameOfReason(reason: VoteReason): string {
  const found = Object.entries(VoteReason).find(([, number]) => number === reason);
  return found?.[0] ?? String(reason);
}
