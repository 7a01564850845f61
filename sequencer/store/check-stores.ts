/** Walks the stores height by height and says what does not fit together; changes nothing. */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import {
  headerHash,
  resultsHash,
  validatorsHash,
  consensusParamsHash,
} from "../../proto/hashes.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import type { BlockMeta, Commit } from "../../proto/types.ts";
import { blockIdsEqual } from "../../proto/validate-basic.ts";
import { verifyCommitAsync } from "../../proto/verify/commit.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { BlockStore } from "./block-store.ts";
import type { StateStore } from "./state-store.ts";

export interface StoreFault {
  readonly height: number;
  readonly message: string;
}

export interface StoreCheck {
  readonly base: number;
  readonly height: number;
  readonly stateHeight: number | undefined;
  readonly blocks: number;
  readonly faults: readonly StoreFault[];
  /** Faults beyond the limit of the list. */
  readonly moreFaults: number;
}

/** Faults that are listed; the rest is counted. */
const FAULTS_LISTED_MAX = 100;

export async function checkStores(
  options: { readonly from: number; readonly onProgress?: (height: number) => void },
  deps: {
    readonly blockStore: BlockStore;
    readonly stateStore: StateStore;
    readonly verifier: SignatureVerifier;
  },
): Promise<StoreCheck> {
  const check = new Check(deps);
  const { blockStore } = deps;
  const first = Math.max(blockStore.base(), options.from, 1);
  for (let height = first; height <= blockStore.height(); height++) {
    await check.height(Height(height));
    options.onProgress?.(height);
  }
  return check.finish(Math.max(0, blockStore.height() - first + 1));
}

class Check {
  readonly #blockStore: BlockStore;
  readonly #stateStore: StateStore;
  readonly #verifier: SignatureVerifier;
  readonly #faults: StoreFault[] = [];
  #moreFaults = 0;
  #chainId: string | undefined;

  constructor(deps: {
    readonly blockStore: BlockStore;
    readonly stateStore: StateStore;
    readonly verifier: SignatureVerifier;
  }) {
    this.#blockStore = deps.blockStore;
    this.#stateStore = deps.stateStore;
    this.#verifier = deps.verifier;
  }

  async height(height: Height): Promise<void> {
    try {
      await this.#block(height);
    } catch (error) {
      this.#fault(height, error instanceof Error ? error.message : String(error));
    }
  }

  async finish(blocks: number): Promise<StoreCheck> {
    const { state, fault } = await this.#state();
    if (fault !== undefined) this.#fault(state?.lastBlockHeight ?? 0, fault);
    return {
      base: this.#blockStore.base(),
      height: this.#blockStore.height(),
      stateHeight: state?.lastBlockHeight,
      blocks,
      faults: this.#faults,
      moreFaults: this.#moreFaults,
    };
  }

  async #block(height: Height): Promise<void> {
    const [meta, bytes, block] = await Promise.all([
      this.#blockStore.meta(height),
      this.#blockStore.blockBytes(height),
      this.#blockStore.block(height),
    ]);
    if (meta === undefined || bytes === undefined || block === undefined) {
      this.#fault(height, "the block is missing");
      return;
    }
    const { header, blockId } = meta;
    this.#chainId ??= header.chainId;
    const hash = headerHash(block.header);
    this.#expect(height, bytesEqual(hash, blockId.hash), `the header hashes to ${toHex(hash)}`);
    this.#expect(
      height,
      bytesEqual(headerHash(header), blockId.hash),
      "what is kept of the header is not the block's",
    );
    const parts = splitIntoParts(bytes).header;
    this.#expect(
      height,
      parts.total === blockId.partSetHeader.total &&
        bytesEqual(parts.hash, blockId.partSetHeader.hash),
      "the block's bytes are not those of its parts",
    );
    this.#expect(height, header.height === height, `the header is of height ${header.height}`);
    const found = await this.#blockStore.heightByHash(blockId.hash);
    this.#expect(height, found === height, "the block is not found by its hash");
    await this.#link(height, meta);
    await this.#sets(height, meta);
    const isLast = height === this.#blockStore.height();
    const seen = await this.#blockStore.seenCommit(height);
    if (seen === undefined) this.#fault(height, "the commit that was seen is missing");
    else await this.#commit(height, meta, seen, "the commit that was seen");
    if (isLast) return;
    const commit = await this.#blockStore.commit(height);
    if (commit === undefined) this.#fault(height, "the commit in the block above is missing");
    else await this.#commit(height, meta, commit, "the commit in the block above");
  }

  /** To the block below, and to what the application answered for it. */
  async #link(height: Height, { header }: BlockMeta): Promise<void> {
    if (height <= this.#blockStore.base()) return;
    const below = await this.#blockStore.meta(Height(height - 1));
    if (below === undefined) return;
    this.#expect(
      height,
      blockIdsEqual(header.lastBlockId, below.blockId),
      "the block names another one as the block below",
    );
    const response = await this.#stateStore.finalizeBlockResponse(Height(height - 1));
    if (response === undefined) return;
    const below1 = `of block ${height - 1} in the header`;
    this.#expect(
      height,
      bytesEqual(resultsHash(response.txResults), header.lastResultsHash),
      `the results ${below1} are not the stored ones`,
    );
    this.#expect(
      height,
      bytesEqual(response.appHash, header.appHash),
      `the app hash ${below1} is not the stored one`,
    );
  }

  async #sets(height: Height, { header }: BlockMeta): Promise<void> {
    const [validators, params] = await Promise.all([
      this.#stateStore.validators(height),
      this.#stateStore.consensusParams(height),
    ]);
    if (validators === undefined) this.#fault(height, "the validators are missing");
    else {
      const hash = validatorsHash(validators.validators);
      this.#expect(height, bytesEqual(hash, header.validatorsHash), "other validators are stored");
    }
    if (params === undefined) this.#fault(height, "the consensus parameters are missing");
    else {
      const hash = consensusParamsHash(params);
      this.#expect(height, bytesEqual(hash, header.consensusHash), "other parameters are stored");
    }
  }

  async #commit(height: Height, meta: BlockMeta, commit: Commit, what: string): Promise<void> {
    const validators = await this.#stateStore.validators(height);
    if (validators === undefined || this.#chainId === undefined) return;
    const context = { chainId: this.#chainId, validators, blockId: meta.blockId, height };
    const verdict = await verifyCommitAsync(context, commit, this.#verifier);
    if (!verdict.isValid) this.#fault(height, `${what} does not verify: ${verdict.message}`);
  }

  async #state() {
    try {
      const state = await this.#stateStore.load();
      const height = this.#blockStore.height();
      const at = state?.lastBlockHeight ?? 0;
      // Nothing was decided yet, or the state comes from a snapshot and no block follows it yet.
      if (height === 0) return { state, fault: undefined };
      const fault =
        at === height || at + 1 === height
          ? undefined
          : `the block store ends at ${height}, the state at ${at}: expected the same or one above`;
      return { state, fault };
    } catch (error) {
      return { state: undefined, fault: error instanceof Error ? error.message : String(error) };
    }
  }

  #expect(height: number, holds: boolean, fault: string): void {
    if (!holds) this.#fault(height, fault);
  }

  #fault(height: number, message: string): void {
    if (this.#faults.length < FAULTS_LISTED_MAX) this.#faults.push({ height, message });
    else this.#moreFaults += 1;
  }
}
