/**
 * CometBFT as a source of committed blocks. The application tells of each as it is applied; header and
 * commit, which it is never shown, come over CometBFT's RPC, and so does everything older.
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import { headerHash } from "../../proto/hashes.ts";
import type { Commit, Header, SignedHeader, ValidatorSet } from "../../proto/types.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import type { BlockOutcome } from "../abci/application.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { CometBlock, CometChain } from "./chain-reader.ts";
import {
  FOLLOW_RETRY_MS,
  RECENT_BLOCKS_BYTES_MAX,
  RECENT_BLOCKS_MAX,
  SIGNED_HEADERS_MAX,
  VALIDATOR_SETS_MAX,
} from "./limits.ts";
import type { AppliedBlock } from "./observed-application.ts";

export interface CometBlockSource {
  /** A block was applied; it is announced as soon as CometBFT's RPC has it. */
  applied(block: AppliedBlock): void;
  /** CometBFT answers, and holds blocks from `base` to `height`. */
  up(base: Height, height: Height): void;
  /** It does not answer any more; what is applied meanwhile waits. */
  down(): void;
  /** CometBFT says that its first block is this one. */
  rebase(base: Height): void;
  /** First height held; 0 when empty. */
  base(): Height;
  /** Last height that is applied and can be read; 0 when empty. */
  height(): Height;
  block(height: Height): Promise<CometBlock | undefined>;
  header(height: Height): Promise<Header | undefined>;
  seenCommit(height: Height): Promise<Commit | undefined>;
  validators(height: Height): Promise<ValidatorSet | undefined>;
  hashedValidators(height: Height): Promise<ValidatorSet | undefined>;
  results(height: Height): Promise<BlockOutcome | undefined>;
  /** Calls `listener` when a height can be read; heights may be left out while many come at once. */
  onBlock(listener: (height: Height) => void): () => void;
  stop(): void;
}

export function createCometBlockSource(deps: {
  readonly chain: CometChain;
  readonly clock: Clock;
  readonly logger: Logger;
}): CometBlockSource {
  const { chain, clock, logger } = deps;
  const recent = new Map<number, AppliedBlock>();
  let recentBytes = 0;
  const signedHeaders = new Map<number, Promise<SignedHeader | undefined>>();
  const validatorSets = new Map<string, ValidatorSet>();
  const listeners = new Set<(height: Height) => void>();
  let base = Height(0);
  let head = Height(0);
  let lastApplied = Height(0);
  let isUp = false;
  let isFollowing = false;
  let retry: Cancel | undefined;

  function keep(block: AppliedBlock): void {
    const { height } = block;
    const replaced = recent.get(height);
    if (replaced !== undefined) recentBytes -= bytesOf(replaced);
    recent.set(height, block);
    recentBytes += bytesOf(block);
    for (const [oldest, { txs }] of recent) {
      if (recent.size <= RECENT_BLOCKS_MAX && recentBytes <= RECENT_BLOCKS_BYTES_MAX) return;
      recent.delete(oldest);
      recentBytes -= bytesOf({ txs });
    }
  }

  /** Reads the header of the last applied block, then of the one that is last by then, and so on. */
  async function follow(): Promise<void> {
    if (isFollowing) return;
    isFollowing = true;
    retry?.cancel();
    try {
      while (isUp && head < lastApplied) {
        const height = lastApplied;
        const signed = await signedHeader(height);
        if (signed === undefined) {
          retryLater();
          return;
        }
        if (height > head) announce(height);
      }
    } catch (error) {
      // It is asked again; while CometBFT restarts, its supervisor says so.
      logger.debug("block not readable yet", { height: lastApplied, error: String(error) });
      if (isUp) retryLater();
    } finally {
      isFollowing = false;
    }
  }

  function retryLater(): void {
    retry?.cancel();
    retry = clock.after(FOLLOW_RETRY_MS, () => void follow());
  }

  function announce(height: Height): void {
    head = height;
    if (base === 0) base = height;
    for (const listener of listeners) listener(height);
  }

  /** One request per height, however many ask. */
  function signedHeader(height: Height): Promise<SignedHeader | undefined> {
    const known = signedHeaders.get(height);
    if (known !== undefined) return known;
    const asked = readSignedHeader(height);
    signedHeaders.set(height, asked);
    for (const oldest of signedHeaders.keys()) {
      if (signedHeaders.size <= SIGNED_HEADERS_MAX) break;
      signedHeaders.delete(oldest);
    }
    const forget = (): void => {
      if (signedHeaders.get(height) === asked) signedHeaders.delete(height);
    };
    asked.then((found) => found === undefined && forget(), forget);
    return asked;
  }

  async function readSignedHeader(height: Height): Promise<SignedHeader | undefined> {
    const signed = await chain.signedHeader(height);
    const applied = recent.get(height);
    if (signed !== undefined && applied !== undefined) {
      assert(
        bytesEqual(headerHash(signed.header), applied.hash),
        "CometBFT's RPC shows the block that the application was given",
      );
    }
    return signed;
  }

  /** Read once for as long as its hash stays the same, which says nothing of priorities. */
  async function hashedValidators(height: Height): Promise<ValidatorSet | undefined> {
    const hash = await validatorsHash(height);
    const known = hash === undefined ? undefined : validatorSets.get(hash);
    if (known !== undefined) return known;
    const found = await chain.validators(height);
    const set = found && hashedValidatorSet(found);
    if (set === undefined || hash === undefined) return set;
    validatorSets.set(hash, set);
    for (const oldest of validatorSets.keys()) {
      if (validatorSets.size <= VALIDATOR_SETS_MAX) break;
      validatorSets.delete(oldest);
    }
    return set;
  }

  async function validatorsHash(height: Height): Promise<string | undefined> {
    if (height <= head) {
      const signed = await signedHeader(height);
      return signed && toHex(signed.header.validatorsHash);
    }
    if (height !== head + 1 || head === 0) return undefined;
    const below = await signedHeader(head);
    return below && toHex(below.header.nextValidatorsHash);
  }

  return {
    applied(block) {
      keep(block);
      lastApplied = block.height;
      // What it prunes is gone a moment after this Commit.
      if (block.retainHeight > base) base = block.retainHeight;
      void follow();
    },
    up(first, last) {
      isUp = true;
      base = first;
      if (last > head) announce(last);
      void follow();
    },
    down() {
      isUp = false;
      retry?.cancel();
    },
    rebase(first) {
      base = first;
    },
    base: () => base,
    height: () => head,
    async block(height) {
      const applied = recent.get(height);
      if (applied === undefined) return chain.block(height);
      const signed = await signedHeader(height);
      return signed && { header: signed.header, txs: applied.txs };
    },
    header: async (height) => (await signedHeader(height))?.header,
    seenCommit: async (height) => (await signedHeader(height))?.commit,
    validators: (height) => chain.validators(height),
    hashedValidators,
    results: async (height) => recent.get(height)?.results ?? chain.results(height),
    onBlock(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      isUp = false;
      retry?.cancel();
      listeners.clear();
    },
  };
}

function bytesOf({ txs }: Pick<AppliedBlock, "txs">): number {
  return txs.reduce((sum, tx) => sum + tx.length, 0);
}
