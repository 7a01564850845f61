/** A chain of the key-value application in memory, signed by all of its validators: quick to make. */
import type { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { addMs } from "../../proto/time.ts";
import { SignedMsgType, type Evidence, type ExtendedCommit } from "../../proto/types.ts";
import { blockRequest } from "../../sequencer/engine/abci-requests.ts";
import { advanceChainState, nextHeight } from "../../sequencer/engine/chain-state.ts";
import { areExtensionsEnabled } from "../../sequencer/engine/consensus-params.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import { completeBlock, emptyCommit, makeBlock } from "../../sequencer/engine/make-block.ts";
import type { ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import { openBlockStore } from "../../sequencer/store/level-block-store.ts";
import { signedCommit, signedVote, testState, withoutExtensions } from "./chain-builder.ts";
import { KvApplication } from "./kv-application.ts";
import { memoryStore } from "./memory-store.ts";

/** `keys` are all validators of `genesis`. */
export async function buildKvChain(
  keys: readonly ValidatorKey[],
  genesis: Genesis,
  blockCount: number,
  txsOf: (height: Height) => readonly Uint8Array[],
  evidenceOf: (height: Height, chain: BlockStore) => Promise<readonly Evidence[]> = async () => [],
): Promise<BlockStore> {
  const store = await openBlockStore(memoryStore());
  const application = new KvApplication({ path: undefined });
  let state = testState(genesis);
  let lastCommit = emptyCommit();
  for (let i = 0; i < blockCount; i++) {
    const height = nextHeight(state);
    const complete = completeBlock(
      makeBlock(state, {
        txs: txsOf(height),
        evidence: await evidenceOf(height, store),
        lastCommit,
        proposerAddress: state.validators.proposer.address,
      }),
    );
    const { block, blockId } = complete;
    const time = addMs(block.header.time, 1_000);
    const plain = signedCommit(keys, state.validators, height, blockId, time);
    const isExtended = areExtensionsEnabled(state.consensusParams, height);
    const extendedCommit = isExtended ? extended(keys, state.validators, plain) : undefined;
    lastCommit = withoutExtensions(plain);
    await store.save({ ...complete, seenCommit: lastCommit, extendedCommit });
    const response = await application.finalizeBlock(
      blockRequest(block, blockId.hash, state.lastValidators),
    );
    await application.commit();
    state = advanceChainState(state, blockId, block.header, response);
  }
  return store;
}

/** The commit with what the application says in its extensions. */
function extended(
  keys: readonly ValidatorKey[],
  validators: Parameters<typeof signedVote>[1],
  commit: ExtendedCommit,
): ExtendedCommit {
  const { height, round, blockId, extendedSignatures } = commit;
  return {
    ...commit,
    extendedSignatures: extendedSignatures.map((sig) => {
      const key = keys.find(({ address }) => Buffer.compare(address, sig.validatorAddress) === 0);
      if (key === undefined) throw new Error("a validator has no key");
      const type = SignedMsgType.PRECOMMIT;
      const { timestamp } = sig;
      const extension = utf8ToBytes(`e${height}`);
      const vote = signedVote(key, validators, {
        type,
        height,
        round,
        blockId,
        timestamp,
        extension,
      });
      return { ...sig, extension, extensionSignature: vote.extensionSignature };
    }),
  };
}
