/** Validators, parameters and the round under way (`rpc/core/consensus.go`). */
import { Height, Round } from "../../../proto/brands.ts";
import { bytesEqual } from "../../../proto/bytes.ts";
import { headerHash } from "../../../proto/hashes.ts";
import { addMs } from "../../../proto/time.ts";
import type { BitArray, BlockId, ValidatorSet, Vote } from "../../../proto/types.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../../proto/types.ts";
import {
  blockToJson,
  consensusParamsToJson,
  partSetHeaderToJson,
  proposalToJson,
  validatorSetToJson,
  validatorToJson,
} from "../../../proto/json.ts";
import type { PartSetView, RoundStateView, VoteSetView } from "../../consensus/round-state.ts";
import type { Json } from "../amino-json.ts";
import { hex, integer, time } from "../amino-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { resolveHeight, resolvePage, uncommittedHeight } from "../environment.ts";
import { methodFailure } from "../errors.ts";
import { optional } from "../params.ts";
import type { RpcPeerState } from "../ports.ts";
import type { Route } from "../routes.ts";
import { route } from "../routes.ts";

export function consensusRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  const heightOf = (wanted: bigint | undefined) =>
    resolveHeight(env, uncommittedHeight(env), wanted);
  return {
    validators: route(
      { height: optional("int64"), page: optional("int"), per_page: optional("int") },
      async ({ height: wanted, page, per_page }) => {
        const height = heightOf(wanted);
        const set = await env.states.validators(height);
        if (set === undefined) {
          throw methodFailure(`could not find validator set for height #${height}`);
        }
        const { skip, take } = resolvePage(page, per_page, set.validators.length);
        return {
          block_height: integer(height),
          validators: set.validators.slice(skip, skip + take).map(validatorToJson),
          count: integer(take),
          total: integer(set.validators.length),
        };
      },
      { cacheUnlessDefault: ["height"] },
    ),
    consensus_params: route(
      { height: optional("int64") },
      async ({ height: wanted }) => {
        const latest = heightOf(wanted);
        const newest = await env.states.consensusParams(latest);
        // Those of the next height are filed with the state of the last block, which may still be
        // on its way to disk: who names no height gets the last block's then.
        const isEarly = newest === undefined && wanted === undefined;
        const height = isEarly ? Height(latest - 1) : latest;
        const params = isEarly ? await env.states.consensusParams(height) : newest;
        if (params === undefined) {
          throw methodFailure(`could not find consensus params for height #${height}`);
        }
        return { block_height: integer(height), consensus_params: consensusParamsToJson(params) };
      },
      { cacheUnlessDefault: ["height"] },
    ),
    consensus_state: route({}, () => ({ round_state: simpleRoundState(env, viewOf(env)) })),
    dump_consensus_state: route({}, () => dumpConsensusState(env)),
  };
}

function viewOf(env: RpcEnvironment): RoundStateView {
  const view = env.consensus.roundState();
  if (view === undefined) throw methodFailure("consensus has not started yet");
  return view;
}

/** Index of an address in a set, -1 when it is not there. */
export function validatorIndex(set: ValidatorSet, address: Uint8Array): number {
  return set.validators.findIndex((validator) => bytesEqual(validator.address, address));
}

function simpleRoundState(env: RpcEnvironment, view: RoundStateView): Json {
  return {
    "height/round/step": `${view.height}/${view.round}/${view.step}`,
    start_time: time(env.consensus.heightStartTime()),
    proposal_block_hash:
      view.proposalBlock === undefined ? "" : hex(headerHash(view.proposalBlock.header)),
    locked_block_hash: hashOf(view.lockedBlockId),
    valid_block_hash: hashOf(view.validBlockId),
    height_vote_set: heightVotes(view),
    proposer: {
      address: hex(view.proposer),
      index: validatorIndex(view.validators, view.proposer),
    },
  };
}

async function dumpConsensusState(env: RpcEnvironment): Promise<Json> {
  const before = viewOf(env);
  const lastValidators =
    before.height > before.initialHeight
      ? await env.states.validators(Height(before.height - 1))
      : undefined;
  // Views are live: the rest is read in one go, after the wait.
  const view = viewOf(env);
  return {
    round_state: {
      height: integer(view.height),
      round: view.round,
      step: view.step,
      start_time: time(env.consensus.heightStartTime()),
      commit_time: time(env.consensus.commitTime()),
      validators: validatorSetToJson(view.validators),
      proposal: view.proposal === undefined ? null : proposalToJson(view.proposal),
      proposal_block: view.proposalBlock === undefined ? null : blockToJson(view.proposalBlock),
      proposal_block_parts: partSetToJson(view.proposalParts),
      locked_round: view.lockedRound,
      locked_block: view.lockedBlock === undefined ? null : blockToJson(view.lockedBlock),
      locked_block_parts: partSetToJson(view.lockedParts),
      valid_round: view.validRound,
      valid_block: view.validBlock === undefined ? null : blockToJson(view.validBlock),
      valid_block_parts: partSetToJson(view.validParts),
      votes: heightVotes(view),
      commit_round: view.commitRound,
      last_commit:
        view.lastCommit === undefined
          ? null
          : {
              votes: voteTexts(view.lastCommit),
              votes_bit_array: bitArrayText(view.lastCommit, lastValidators?.totalVotingPower),
            },
      last_validators: lastValidators === undefined ? null : validatorSetToJson(lastValidators),
      triggered_timeout_precommit: view.isPrecommitWaitTriggered,
    },
    peers: env.network.peers().map((peer) => {
      const state = env.network.peerState(peer.id);
      return {
        node_address: `${peer.id}@${peer.remoteAddress}`,
        peer_state: state === undefined ? null : peerStateToJson(env, state),
      };
    }),
  };
}

function partSetToJson(parts: PartSetView | undefined): Json {
  return (
    (parts && {
      "count/total": `${parts.count}/${parts.header.total}`,
      parts_bit_array: bitText(parts.bitArray()),
    }) ??
    null
  );
}

/** `consensus/reactor.go` PeerState. */
function peerStateToJson(env: RpcEnvironment, state: RpcPeerState): Json {
  const bits = (array: BitArray | undefined): Json => (array === undefined ? null : bitText(array));
  const ageMs = Math.round(env.clock.monotonicMs() - state.startMs);
  return {
    round_state: {
      height: integer(state.height),
      round: state.round,
      step: state.step,
      start_time: time(addMs(env.clock.now(), -ageMs)),
      proposal: state.hasProposal,
      proposal_block_part_set_header: partSetHeaderToJson(
        state.partSetHeader ?? NIL_BLOCK_ID.partSetHeader,
      ),
      proposal_block_parts: bits(state.parts),
      proposal_pol_round: state.polRound,
      proposal_pol: bits(state.pol),
      prevotes: bits(state.prevotes),
      precommits: bits(state.precommits),
      last_commit_round: state.lastCommitRound,
      last_commit: bits(state.lastCommit),
      catchup_commit_round: state.catchUpRound,
      catchup_commit: bits(state.catchUpCommit),
    },
    stats: {
      votes: integer(state.received.votes),
      block_parts: integer(state.received.blockParts),
    },
  };
}

function heightVotes(view: RoundStateView): Json {
  const rounds: Json[] = [];
  for (let round = 0; round <= view.round; round++) {
    const prevotes = view.votes(Round(round), SignedMsgType.PREVOTE);
    const precommits = view.votes(Round(round), SignedMsgType.PRECOMMIT);
    const total = view.validators.totalVotingPower;
    rounds.push({
      round,
      prevotes: voteTexts(prevotes),
      prevotes_bit_array: bitArrayText(prevotes, total),
      precommits: voteTexts(precommits),
      precommits_bit_array: bitArrayText(precommits, total),
    });
  }
  return rounds;
}

function voteTexts(votes: VoteSetView | undefined): readonly string[] {
  if (votes === undefined) return [];
  return Array.from({ length: votes.size }, (_, i) => voteText(votes.voteAt(i)));
}

/** `types/vote.go` String. */
function voteText(vote: Vote | undefined): string {
  if (vote === undefined) return "nil-Vote";
  const type =
    vote.type === SignedMsgType.PREVOTE
      ? "SIGNED_MSG_TYPE_PREVOTE(Prevote)"
      : "SIGNED_MSG_TYPE_PRECOMMIT(Precommit)";
  const round = vote.round.toString().padStart(2, "0");
  const prints = [vote.blockId.hash, vote.signature, vote.extension].map(fingerprint).join(" ");
  const who = `${vote.validatorIndex}:${fingerprint(vote.validatorAddress)}`;
  return `Vote{${who} ${vote.height}/${round}/${type} ${prints} @ ${time(vote.timestamp)}}`;
}

/** The first six bytes, filled up with zeros. */
function fingerprint(bytes: Uint8Array): string {
  return hex(bytes.subarray(0, 6)).padEnd(12, "0");
}

/** `BA{4:xx_x} 30/40 = 0.75`: who has voted, and the power of it. */
function bitArrayText(votes: VoteSetView | undefined, total: bigint | undefined): string {
  if (votes === undefined) return "nil-BitArray";
  const bits = bitText(votes.bitArray());
  // Go breaks the text after a hundred bits.
  const lines = bits.match(/.{1,100}/g)?.join("\n") ?? "";
  const share = total === undefined ? 0 : Number(votes.sum) / Number(total);
  return `BA{${votes.size}:${lines}} ${votes.sum}/${total ?? 0n} = ${share.toFixed(2)}`;
}

function bitText(array: BitArray): string {
  let text = "";
  for (let i = 0; i < array.bits; i++) {
    const word = array.elems[i >> 6] ?? 0n;
    text += ((word >> BigInt(i & 63)) & 1n) === 1n ? "x" : "_";
  }
  return text;
}

function hashOf(id: BlockId | undefined): string {
  return id === undefined ? "" : hex(id.hash);
}
