/** CometBFT's chain, read over its JSON-RPC (spec/cometbft-v0.38.md §19.3). */
import type { Height } from "../../proto/brands.ts";
import type { JsonNode } from "../../proto/json-reader.ts";
import { headerFromJson, publicKeyFromJson, signedHeaderFromJson } from "../../proto/json.ts";
import type {
  Header,
  PublicKey,
  SignedHeader,
  Timestamp,
  ValidatorSet,
} from "../../proto/types.ts";
import type { AbciEvent, BlockOutcome, ExecTxResult } from "../abci/application.ts";
import { type CometRpcClient, isCometRpcError } from "../ports/comet-rpc/client.ts";
import { BLOCK_ANSWER_BYTES_MAX } from "../ports/comet-rpc/limits.ts";
import { missingHeight, readValidatorSet } from "../ports/comet-rpc/readers.ts";

export interface CometStatus {
  readonly nodeId: string;
  /** 0 before the first block, and while a snapshot is restored. */
  readonly height: Height;
  readonly earliestHeight: Height;
  readonly time: Timestamp;
  /** Blocks are fetched, or a snapshot is restored: consensus does not run. */
  readonly isCatchingUp: boolean;
  readonly validatorAddress: Uint8Array;
  readonly validatorKey: PublicKey;
  /** 0: the key is not of a validator of this height. */
  readonly votingPower: bigint;
}

/** Where consensus is in a height that is not decided. */
export interface CometRound {
  readonly height: number;
  readonly round: number;
  /** CometBFT's number of the step: 1 new height to 8 commit. */
  readonly step: number;
  /** By place in the validator set: whether a vote of this round is there. */
  readonly prevotes: readonly boolean[];
  readonly precommits: readonly boolean[];
}

/** Undefined is for a height that the node does not have; anything else that fails is thrown as a `CometRpcError`. */
export interface CometChain {
  status(): Promise<CometStatus>;
  peerCount(): Promise<number>;
  /** The header and the commit that was seen, or that the next block holds. */
  signedHeader(height: Height): Promise<SignedHeader | undefined>;
  header(height: Height): Promise<Header | undefined>;
  block(height: Height): Promise<CometBlock | undefined>;
  results(height: Height): Promise<BlockOutcome | undefined>;
  validators(height: Height): Promise<ValidatorSet | undefined>;
  round(): Promise<CometRound>;
}

export interface CometBlock {
  readonly header: Header;
  readonly txs: readonly Uint8Array[];
}

export function createCometChain(client: CometRpcClient): CometChain {
  const at = (height: Height) => ({ height: String(height) });

  /** What `read` gives; undefined when the node says that it does not have the height. */
  async function ifThere<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (isCometRpcError(error) && missingHeight(error) !== undefined) return undefined;
      throw error;
    }
  }

  return {
    async status() {
      return statusFromJson(await client.call("status", {}));
    },
    async peerCount() {
      return (await client.call("net_info", {})).get("n_peers").count();
    },
    signedHeader: (height) =>
      ifThere(async () => {
        const answer = await client.call("commit", at(height));
        const signed = answer.isAbsent ? answer : answer.get("signed_header");
        if (signed.isAbsent || signed.get("header").isAbsent || signed.get("commit").isAbsent) {
          return undefined;
        }
        return signedHeaderFromJson(signed);
      }),
    header: (height) =>
      ifThere(async () => {
        const header = (await client.call("header", at(height))).get("header");
        return header.isAbsent ? undefined : headerFromJson(header);
      }),
    block: (height) =>
      ifThere(async () => {
        const options = { answerBytesMax: BLOCK_ANSWER_BYTES_MAX };
        const block = (await client.call("block", at(height), options)).get("block");
        if (block.isAbsent) return undefined;
        const txs = block.get("data").get("txs").items();
        return { header: headerFromJson(block.get("header")), txs: txs.map((tx) => tx.base64()) };
      }),
    results: (height) =>
      ifThere(async () => {
        const options = { answerBytesMax: BLOCK_ANSWER_BYTES_MAX };
        const answer = await client.call("block_results", at(height), options);
        return {
          txResults: answer.get("txs_results").items().map(execTxResultFromJson),
          events: answer.get("finalize_block_events").items().map(eventFromJson),
        };
      }),
    validators: (height) =>
      ifThere(() => readValidatorSet((params) => client.call("validators", params), height)),
    async round() {
      return roundFromJson((await client.call("consensus_state", {})).get("round_state"));
    },
  };
}

function statusFromJson(node: JsonNode): CometStatus {
  const sync = node.get("sync_info");
  const validator = node.get("validator_info");
  return {
    nodeId: node.get("node_info").get("id").string(),
    height: sync.get("latest_block_height").height(),
    earliestHeight: sync.get("earliest_block_height").height(),
    time: sync.get("latest_block_time").time(),
    isCatchingUp: sync.get("catching_up").boolean(),
    validatorAddress: validator.get("address").hex(),
    validatorKey: publicKeyFromJson(validator.get("pub_key")),
    votingPower: validator.get("voting_power").bigint(),
  };
}

function roundFromJson(node: JsonNode): CometRound {
  const place = node.get("height/round/step");
  const [height, round, step] = place.string().split("/").map(Number);
  if (height === undefined || round === undefined || step === undefined) {
    throw place.error("height/round/step");
  }
  const votes = node.get("height_vote_set").items()[round];
  const areThere = (name: string): readonly boolean[] =>
    (votes?.get(name).items() ?? []).map((vote) => vote.string() !== "nil-Vote");
  return {
    height,
    round,
    step,
    prevotes: areThere("prevotes"),
    precommits: areThere("precommits"),
  };
}

/** A result as CometBFT's JSON-RPC shows it. */
export function execTxResultFromJson(node: JsonNode): ExecTxResult {
  return {
    code: node.get("code").count(),
    data: node.get("data").base64(),
    log: node.get("log").text(),
    info: node.get("info").text(),
    gasWanted: node.get("gas_wanted").bigint(),
    gasUsed: node.get("gas_used").bigint(),
    events: node.get("events").items().map(eventFromJson),
    codespace: node.get("codespace").text(),
  };
}

/** An event as CometBFT's JSON-RPC shows it. */
export function eventFromJson(node: JsonNode): AbciEvent {
  return {
    type: node.get("type").text(),
    attributes: node
      .get("attributes")
      .items()
      .map((attribute) => ({
        key: attribute.get("key").text(),
        value: attribute.get("value").text(),
        index: !attribute.get("index").isAbsent && attribute.get("index").boolean(),
      })),
  };
}
