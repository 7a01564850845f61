/** A chain of real, signed blocks without an engine: for stores, executor, verification and gossip. */
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { voteExtensionSignBytes, voteSignBytes } from "../../proto/sign-bytes.ts";
import { addMs } from "../../proto/time.ts";
import {
  BlockIdFlag,
  SignedMsgType,
  type BlockId,
  type Commit,
  type ExtendedCommit,
  type Timestamp,
  type ValidatorSet,
  type Vote,
} from "../../proto/types.ts";
import type { FinalizeBlockResponse } from "../../sequencer/abci/application.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";
import {
  advanceChainState,
  chainStateFromGenesis,
  nextHeight,
} from "../../sequencer/engine/chain-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import {
  completeBlock,
  emptyCommit,
  makeBlock,
  type CompleteBlock,
} from "../../sequencer/engine/make-block.ts";
import { keyFromBytes, type ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";
import type { BlockRecord } from "../../sequencer/store/block-store.ts";
import type { ChainState } from "../../sequencer/store/chain-state.ts";

export const TEST_CHAIN_ID = "weft-test";
export const TEST_GENESIS_TIME: Timestamp = { seconds: 1_700_000_000n, nanos: 5 };

/** Keys from fixed seeds, in the order of their names, not of the set. */
export function testKeys(count: number): readonly ValidatorKey[] {
  return Array.from({ length: count }, (_, i) => keyFromBytes(sha256(utf8ToBytes(`key ${i}`))));
}

export function testGenesis(
  keys: readonly ValidatorKey[],
  changes: Partial<Genesis> = {},
): Genesis {
  return {
    genesisTime: TEST_GENESIS_TIME,
    chainId: TEST_CHAIN_ID,
    initialHeight: Height(1),
    consensusParams: DEFAULT_CONSENSUS_PARAMS,
    validators: keys.map(({ address, publicKey }, i) => ({
      address,
      publicKey,
      power: 10n,
      name: `validator ${i}`,
    })),
    appHash: EMPTY_BYTES,
    appState: "",
    ...changes,
  };
}

export function testState(genesis: Genesis): ChainState {
  return chainStateFromGenesis(genesis, {
    validators: genesis.validators,
    consensusParams: genesis.consensusParams,
    appVersion: genesis.consensusParams.version.app,
    appHash: genesis.appHash,
  });
}

export function emptyResponse(
  txCount: number,
  changes: Partial<FinalizeBlockResponse> = {},
): FinalizeBlockResponse {
  return {
    events: [],
    txResults: Array.from({ length: txCount }, () => EMPTY_TX_RESULT),
    validatorUpdates: [],
    consensusParamUpdates: undefined,
    appHash: utf8ToBytes("app hash"),
    ...changes,
  };
}

/** A signed precommit, or prevote, of one validator. */
export function signedVote(
  key: ValidatorKey,
  validators: ValidatorSet,
  vote: Pick<Vote, "type" | "height" | "round" | "blockId" | "timestamp"> & {
    readonly extension?: Uint8Array;
  },
): Vote {
  const extension = vote.extension ?? EMPTY_BYTES;
  const index = validators.validators.findIndex(
    (v) => Buffer.compare(v.address, key.address) === 0,
  );
  return {
    ...vote,
    validatorAddress: key.address,
    validatorIndex: index,
    signature: key.sign(voteSignBytes(TEST_CHAIN_ID, vote)),
    extension,
    extensionSignature:
      vote.extension === undefined
        ? EMPTY_BYTES
        : key.sign(voteExtensionSignBytes(TEST_CHAIN_ID, { ...vote, extension })),
  };
}

/** A commit of all `keys` for a block. */
export function signedCommit(
  keys: readonly ValidatorKey[],
  validators: ValidatorSet,
  height: Height,
  blockId: BlockId,
  timestamp: Timestamp,
): ExtendedCommit {
  const round = Round(0);
  return {
    height,
    round,
    blockId,
    extendedSignatures: validators.validators.map((validator) => {
      const key = keys.find((k) => Buffer.compare(k.address, validator.address) === 0);
      if (key === undefined) throw new Error("a validator has no key");
      const type = SignedMsgType.PRECOMMIT;
      const vote = signedVote(key, validators, { type, height, round, blockId, timestamp });
      return {
        blockIdFlag: BlockIdFlag.COMMIT,
        validatorAddress: vote.validatorAddress,
        timestamp,
        signature: vote.signature,
        extension: vote.extension,
        extensionSignature: vote.extensionSignature,
      };
    }),
  };
}

export function withoutExtensions(commit: ExtendedCommit): Commit {
  return {
    height: commit.height,
    round: commit.round,
    blockId: commit.blockId,
    signatures: commit.extendedSignatures.map(
      ({ blockIdFlag, validatorAddress, timestamp, signature }) => ({
        blockIdFlag,
        validatorAddress,
        timestamp,
        signature,
      }),
    ),
  };
}

export interface BuiltBlock extends CompleteBlock, BlockRecord {
  readonly stateBefore: ChainState;
  readonly stateAfter: ChainState;
  readonly response: FinalizeBlockResponse;
}

/**
 * Builds `count` blocks, each with one transaction unless `txsOf` says otherwise, one second apart.
 * `responseOf`: what differs from an empty response; `keys` may hold those of validators to come.
 */
export function buildChain(
  keys: readonly ValidatorKey[],
  count: number,
  genesis: Genesis = testGenesis(keys),
  txsOf: (height: Height) => readonly Uint8Array[] = (height) => [utf8ToBytes(`tx of ${height}`)],
  responseOf: (height: Height) => Partial<FinalizeBlockResponse> = () => ({}),
): readonly BuiltBlock[] {
  const blocks: BuiltBlock[] = [];
  let state = testState(genesis);
  let lastCommit = emptyCommit();
  for (let i = 0; i < count; i++) {
    const height = nextHeight(state);
    const txs = txsOf(height);
    const block = completeBlock(
      makeBlock(state, {
        txs,
        evidence: [],
        lastCommit,
        proposerAddress: state.validators.proposer.address,
      }),
    );
    const time = addMs(block.block.header.time, 1_000);
    const extended = signedCommit(keys, state.validators, height, block.blockId, time);
    const response = emptyResponse(txs.length, responseOf(height));
    const stateAfter = advanceChainState(state, block.blockId, block.block.header, response);
    lastCommit = withoutExtensions(extended);
    blocks.push({
      ...block,
      seenCommit: lastCommit,
      extendedCommit: undefined,
      stateBefore: state,
      stateAfter,
      response,
    });
    state = stateAfter;
  }
  return blocks;
}
