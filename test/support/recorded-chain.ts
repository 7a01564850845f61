/** The recorded chain of Go nodes, read and put after one another by our own rules. */
import { toHex } from "../../proto/bytes.ts";
import { decodeBlockSyncMessage } from "../../proto/codec/sync-messages.ts";
import { JsonNode } from "../../proto/json-reader.ts";
import { commitFromJson, consensusParamsFromJson } from "../../proto/json.ts";
import { voteExtensionSignBytes, voteSignBytes } from "../../proto/sign-bytes.ts";
import {
  type Block,
  type Commit,
  type ExtendedCommit,
  SignedMsgType,
  type Vote,
} from "../../proto/types.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import type { FinalizeBlockResponse, ValidatorUpdate } from "../../sequencer/abci/application.ts";
import { eventFromJson, execTxResultFromJson } from "../../sequencer/cometbft/chain-reader.ts";
import { areExtensionsEnabled } from "../../sequencer/engine/consensus-params.ts";
import { advanceChainState, chainStateFromGenesis } from "../../sequencer/engine/chain-state.ts";
import { type Genesis, parseGenesis } from "../../sequencer/engine/genesis.ts";
import { type CompleteBlock, completeBlock } from "../../sequencer/engine/make-block.ts";
import type { BlockRecord } from "../../sequencer/store/block-store.ts";
import type { ChainState } from "../../sequencer/store/chain-state.ts";
import { readChain, type RecordedHeight } from "./go-recordings.ts";

export interface RecordedBlock extends CompleteBlock, BlockRecord {
  readonly recorded: RecordedHeight;
  readonly extendedCommit: ExtendedCommit | undefined;
  readonly response: FinalizeBlockResponse;
  readonly stateBefore: ChainState;
  readonly stateAfter: ChainState;
}

/** Every block with the states before and after it. Nothing is checked here. */
export function readRecordedChain(): readonly RecordedBlock[] {
  const { genesis: document, heights } = readChain();
  const genesis = parseGenesis(JSON.stringify(document));
  const blocks: RecordedBlock[] = [];
  let state: ChainState | undefined;
  for (const recorded of heights) {
    const { block, extendedCommit } = decodeBlockResponse(recorded.blockResponse);
    const stateBefore: ChainState = state ?? firstState(genesis, block);
    const complete = completeBlock(block);
    const response = responseFromJson(new JsonNode(recorded.blockResults));
    state = advanceChainState(stateBefore, complete.blockId, block.header, response);
    const seenCommit = recordedCommit(recorded);
    const stateAfter = state;
    blocks.push({
      ...complete,
      recorded,
      extendedCommit,
      seenCommit,
      response,
      stateBefore,
      stateAfter,
    });
  }
  return blocks;
}

export function decodeBlockResponse(bytes: Uint8Array): {
  readonly block: Block;
  readonly extendedCommit: ExtendedCommit | undefined;
} {
  const message = decodeBlockSyncMessage(bytes);
  if (message.kind !== "blockResponse") throw new Error(`a ${message.kind} stands for a block`);
  return message;
}

/** Why no validator of the chain can have sent this vote; undefined when one did. */
export function voteFault(chain: readonly RecordedBlock[], vote: Vote): string | undefined {
  const stateBefore = chain[vote.height - 1]?.stateBefore;
  if (stateBefore === undefined) return "height";
  const signer = stateBefore.validators.validators[vote.validatorIndex];
  if (signer === undefined || toHex(signer.address) !== toHex(vote.validatorAddress)) {
    return "no validator";
  }
  const { chainId } = stateBefore;
  const { bytes } = signer.publicKey;
  if (!verifyEd25519Sync(bytes, voteSignBytes(chainId, vote), vote.signature)) return "signature";
  const isExtended =
    areExtensionsEnabled(stateBefore.consensusParams, vote.height) &&
    vote.type === SignedMsgType.PRECOMMIT &&
    vote.blockId.hash.length > 0;
  if (!isExtended) {
    return vote.extension.length + vote.extensionSignature.length > 0 ? "extension" : undefined;
  }
  const signed = voteExtensionSignBytes(chainId, vote);
  return verifyEd25519Sync(bytes, signed, vote.extensionSignature) ? undefined : "extension";
}

function recordedCommit({ commit }: RecordedHeight): Commit {
  return commitFromJson(new JsonNode(commit).get("signed_header").get("commit"));
}

/** What InitChain and Info of the recorded application answered stands in the first header only. */
function firstState(genesis: Genesis, { header }: Block): ChainState {
  return chainStateFromGenesis(genesis, {
    validators: genesis.validators,
    consensusParams: genesis.consensusParams,
    appVersion: header.version.app,
    appHash: header.appHash,
  });
}

function responseFromJson(results: JsonNode): FinalizeBlockResponse {
  const params = results.get("consensus_param_updates");
  return {
    events: results.get("finalize_block_events").items().map(eventFromJson),
    txResults: results.get("txs_results").items().map(execTxResultFromJson),
    validatorUpdates: results.get("validator_updates").items().map(updateFromJson),
    consensusParamUpdates: params.isAbsent ? undefined : consensusParamsFromJson(params),
    appHash: results.get("app_hash").base64(),
  };
}

function updateFromJson(update: JsonNode): ValidatorUpdate {
  const power = update.get("power");
  const bytes = update.get("pub_key").get("Sum").get("value").get("ed25519").base64();
  return { publicKey: { type: "ed25519", bytes }, power: power.isAbsent ? 0n : power.bigint() };
}
