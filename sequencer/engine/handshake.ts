/**
 * Brings application, state store and block store to one height at start
 * (spec/cometbft-v0.38.md §12.5, §15.4; `consensus/replay.go`).
 */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { Block, BlockId } from "../../proto/types.ts";
import type { InfoResponse } from "../abci/application.ts";
import type { Logger } from "../ports/logger.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { ChainState } from "../store/chain-state.ts";
import type { StateStore } from "../store/state-store.ts";
import type { ApplicationGate } from "../abci/application-gate.ts";
import type { BlockExecutor } from "./block-executor.ts";
import { BLOCK_PROTOCOL, chainStateFromGenesis, nextHeight } from "./chain-state.ts";
import { checkConsensusParams } from "./consensus-params.ts";
import { EngineError } from "./errors.ts";
import { genesisDigest, type Genesis } from "./genesis.ts";

/** What RequestInfo carries (spec §0). */
export const ABCI_VERSION = "2.0.0";
export const P2P_PROTOCOL = 8n;

export interface HandshakeDeps {
  readonly gate: ApplicationGate;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly executor: BlockExecutor;
  readonly logger: Logger;
}

/**
 * @returns the state to go on from.
 * @throws EngineError ENGINE_HANDSHAKE when stores and application do not fit together.
 */
export async function handshake(
  options: { readonly genesis: Genesis; readonly softwareVersion: string },
  deps: HandshakeDeps,
): Promise<ChainState> {
  const { genesis } = options;
  const info = await deps.gate.call("Info", (app) =>
    app.info({
      version: options.softwareVersion,
      blockVersion: BLOCK_PROTOCOL,
      p2pVersion: P2P_PROTOCOL,
      abciVersion: ABCI_VERSION,
    }),
  );
  const stored = await deps.stateStore.load();
  checkSameChain(genesis, stored, deps.blockStore);
  await checkSameGenesis(genesis, stored, deps.stateStore);
  const initial =
    info.lastBlockHeight === 0
      ? await initializeChain(genesis, info, stored, deps)
      : requireState(stored, info, deps.blockStore);
  deps.logger.info("handshake", {
    applicationHeight: info.lastBlockHeight,
    stateHeight: initial.lastBlockHeight,
    storeHeight: deps.blockStore.height(),
  });
  return replayStoredBlocks(initial, info, deps);
}

/** InitChain; its answer replaces what genesis says only while no block was decided. */
async function initializeChain(
  genesis: Genesis,
  info: InfoResponse,
  stored: ChainState | undefined,
  deps: HandshakeDeps,
): Promise<ChainState> {
  const response = await deps.gate.call("InitChain", (app) =>
    app.initChain({
      time: genesis.genesisTime,
      chainId: genesis.chainId,
      consensusParams: genesis.consensusParams,
      validators: genesis.validators.map(({ publicKey, power }) => ({ publicKey, power })),
      appStateBytes: utf8ToBytes(genesis.appState),
      initialHeight: genesis.initialHeight,
    }),
  );
  if (stored !== undefined && stored.lastBlockHeight > 0) return stored;
  const validators = response.validators.length > 0 ? response.validators : genesis.validators;
  if (validators.length === 0) {
    throw refusal("there are no validators: neither genesis nor InitChain names one");
  }
  const params = response.consensusParams ?? genesis.consensusParams;
  checkConsensusParams(params);
  const state = chainStateFromGenesis(genesis, {
    validators: validators.map(({ publicKey, power }) => ({ publicKey, power })),
    consensusParams: params,
    appVersion: response.consensusParams === undefined ? info.appVersion : params.version.app,
    appHash: response.appHash.length > 0 ? response.appHash : genesis.appHash,
  });
  await deps.stateStore.save(state);
  return state;
}

/** The recovery matrix of §15.4. S, T and A are its names of the three heights. */
async function replayStoredBlocks(
  state: ChainState,
  info: InfoResponse,
  deps: HandshakeDeps,
): Promise<ChainState> {
  const { blockStore } = deps;
  const s = blockStore.height();
  const t = state.lastBlockHeight;
  const a = info.lastBlockHeight;
  const heights = `block store at ${s}, state at ${t}, application at ${a}`;
  if (s === 0 && t > 0 && a === t && (await blockStore.seenCommit(t)) !== undefined) {
    // State sync: the blocks up to here were never stored.
    requireAppHash(info.lastBlockAppHash, state.appHash, t);
    return state;
  }
  if (a > s) {
    throw refusal(
      `the application is ahead (${heights}): expected it at or behind the block store; restore the data directory that belongs to it, or reset the application`,
    );
  }
  if (s === 0) {
    if (a === 0 && t === 0) return state;
    throw refusal(`the block store is empty (${heights}): restore the data directory`);
  }
  const isOneAhead = s === nextHeight(state);
  if (s !== t && !isOneAhead) {
    throw refusal(
      `the stores contradict each other (${heights}): expected the block store at the state's height or one above; restore the data directory`,
    );
  }
  const firstNeeded = a === 0 ? state.initialHeight : a + 1;
  if (a < s && firstNeeded < blockStore.base()) {
    throw refusal(
      `the application needs block ${firstNeeded}, but blocks below ${blockStore.base()} are pruned (${heights}): restore the application from a snapshot`,
    );
  }
  if (s === t) {
    const appHash = await replayToApplication(state, firstNeeded, s, info.lastBlockAppHash, deps);
    requireAppHash(appHash, state.appHash, s);
    const last = await loadBlock(blockStore, s);
    await deps.executor.followState(state, last.block);
    return state;
  }
  const { block, blockId } = await loadBlock(blockStore, s);
  if (a === s) {
    const response = await deps.stateStore.finalizeBlockResponse(s);
    if (response === undefined) {
      throw refusal(
        `the application committed block ${s}, but its answer to FinalizeBlock is not stored (${heights}): restore the data directory`,
      );
    }
    requireAppHash(info.lastBlockAppHash, response.appHash, s);
    return deps.executor.finishApplied(state, block, blockId, response);
  }
  const before = Height(s - 1);
  await replayToApplication(state, firstNeeded, before, info.lastBlockAppHash, deps);
  return deps.executor.applyBlock(state, block, blockId, Promise.resolve());
}

/** FinalizeBlock and Commit for stored blocks; each header must hold the hash of the one before. */
async function replayToApplication(
  state: ChainState,
  from: number,
  to: Height,
  appHashBefore: Uint8Array,
  deps: HandshakeDeps,
): Promise<Uint8Array> {
  let appHash = appHashBefore;
  for (let number = from; number <= to; number++) {
    const height = Height(number);
    const { block, blockId } = await loadBlock(deps.blockStore, height);
    if (height > from || from > state.initialHeight) {
      requireAppHash(appHash, block.header.appHash, height - 1);
    }
    const lastValidators =
      height === state.initialHeight
        ? undefined
        : await deps.stateStore.validators(Height(height - 1));
    if (lastValidators === undefined && height !== state.initialHeight) {
      throw refusal(
        `the validators of height ${height - 1} are not stored: restore the data directory`,
      );
    }
    deps.logger.info("replaying block to the application", { height, to });
    appHash = await deps.executor.replayToApplication(block, blockId, { lastValidators });
  }
  return appHash;
}

async function loadBlock(
  blockStore: BlockStore,
  height: Height,
): Promise<{ readonly block: Block; readonly blockId: BlockId }> {
  const block = await blockStore.block(height);
  const meta = await blockStore.meta(height);
  if (block === undefined || meta === undefined) {
    throw refusal(`block ${height} is missing from the block store: restore the data directory`);
  }
  return { block, blockId: meta.blockId };
}

function requireAppHash(got: Uint8Array, expected: Uint8Array, height: number): void {
  if (bytesEqual(got, expected)) return;
  throw refusal(
    `app hash after block ${height}: expected ${toHex(expected)}, the application has ${toHex(got)}: it is not deterministic, or its data was changed; restore it or reset it to replay all blocks`,
  );
}

function requireState(
  stored: ChainState | undefined,
  info: InfoResponse,
  blockStore: BlockStore,
): ChainState {
  if (stored !== undefined) return stored;
  throw refusal(
    `the application is at height ${info.lastBlockHeight}, the block store at ${blockStore.height()} and there is no state: the application's data belongs to another data directory, or state sync was interrupted: restore that one, reset the application, or start with statesync.enable`,
  );
}

function checkSameChain(
  genesis: Genesis,
  stored: ChainState | undefined,
  blockStore: BlockStore,
): void {
  if (stored === undefined) {
    if (blockStore.height() === 0) return;
    throw refusal(
      `there are blocks up to ${blockStore.height()} but no state: restore the data directory`,
    );
  }
  checkGenesis(genesis, stored);
}

/**
 * Refuses a genesis that is not of the chain whose data is there.
 * @throws EngineError ENGINE_HANDSHAKE
 */
export function checkGenesis(
  genesis: Pick<Genesis, "chainId" | "initialHeight">,
  stored: Pick<ChainState, "chainId" | "initialHeight">,
): void {
  if (stored.chainId === genesis.chainId && stored.initialHeight === genesis.initialHeight) return;
  throw refusal(
    `this data directory belongs to chain ${stored.chainId} (from height ${stored.initialHeight}), genesis.json to ${genesis.chainId} (from height ${genesis.initialHeight}): use the genesis of that chain, or another home`,
  );
}

/**
 * Refuses a genesis.json that is not what the chain here began with; without a block yet, or in a home
 * from before digests were kept, it takes the one that is there.
 */
async function checkSameGenesis(
  genesis: Genesis,
  stored: ChainState | undefined,
  stateStore: StateStore,
): Promise<void> {
  const digest = genesisDigest(genesis);
  const began = await stateStore.genesisDigest();
  if (began !== undefined && bytesEqual(began, digest)) return;
  if (began !== undefined && stored !== undefined && stored.lastBlockHeight > 0) {
    throw refusal(
      `genesis.json says something else than it did when this home's chain began (digest ${toHex(began)} then, ${toHex(digest)} now), and a change after the first block has no effect: put the network's back (/genesis of any of its nodes), or use another home`,
    );
  }
  await stateStore.saveGenesisDigest(digest);
}

function refusal(reason: string): EngineError {
  return new EngineError({ code: "ENGINE_HANDSHAKE", reason }, `cannot start: ${reason}`);
}
