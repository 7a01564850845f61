/**
 * Messages of CometBFT's reactors as discriminated unions (spec/cometbft-v0.38.md §3.3, §3.4).
 * Codecs are in `codec/`; receipt checks that need no state are in `validate-basic.ts`.
 */
import type { Height, NodeId, Round } from "./brands.ts";
import type {
  BitArray,
  Block,
  BlockId,
  ExtendedCommit,
  Part,
  PartSetHeader,
  Proposal,
  PublicKey,
  Vote,
  VoteType,
} from "./types.ts";

/** Step of a round on the wire (spec §13): 1 NewHeight … 8 Commit. */
export const RoundStep = {
  NEW_HEIGHT: 1,
  NEW_ROUND: 2,
  PROPOSE: 3,
  PREVOTE: 4,
  PREVOTE_WAIT: 5,
  PRECOMMIT: 6,
  PRECOMMIT_WAIT: 7,
  COMMIT: 8,
} as const;
export type RoundStep = (typeof RoundStep)[keyof typeof RoundStep];

export interface NewRoundStepMessage {
  readonly kind: "newRoundStep";
  readonly height: Height;
  readonly round: Round;
  readonly step: RoundStep;
  /** May be negative. */
  readonly secondsSinceStartTime: number;
  /** -1 at the initial height only. */
  readonly lastCommitRound: Round;
}

export interface NewValidBlockMessage {
  readonly kind: "newValidBlock";
  readonly height: Height;
  readonly round: Round;
  readonly blockPartSetHeader: PartSetHeader;
  readonly blockParts: BitArray;
  readonly isCommit: boolean;
}

export interface ProposalMessage {
  readonly kind: "proposal";
  readonly proposal: Proposal;
}

export interface ProposalPolMessage {
  readonly kind: "proposalPol";
  readonly height: Height;
  readonly proposalPolRound: Round;
  readonly proposalPol: BitArray;
}

export interface BlockPartMessage {
  readonly kind: "blockPart";
  readonly height: Height;
  readonly round: Round;
  readonly part: Part;
}

export interface VoteMessage {
  readonly kind: "vote";
  readonly vote: Vote;
}

export interface HasVoteMessage {
  readonly kind: "hasVote";
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly index: number;
}

export interface VoteSetMaj23Message {
  readonly kind: "voteSetMaj23";
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly blockId: BlockId;
}

export interface VoteSetBitsMessage {
  readonly kind: "voteSetBits";
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly blockId: BlockId;
  readonly votes: BitArray;
}

/** Channels 0x20 state, 0x21 data, 0x22 vote, 0x23 vote set bits. */
export type ConsensusMessage =
  | NewRoundStepMessage
  | NewValidBlockMessage
  | ProposalMessage
  | ProposalPolMessage
  | BlockPartMessage
  | VoteMessage
  | HasVoteMessage
  | VoteSetMaj23Message
  | VoteSetBitsMessage;

/** Channel 0x40. */
export type BlockSyncMessage =
  | { readonly kind: "blockRequest"; readonly height: Height }
  | { readonly kind: "noBlockResponse"; readonly height: Height }
  | {
      readonly kind: "blockResponse";
      readonly block: Block;
      /** Present when vote extensions were enabled at the block's height. */
      readonly extendedCommit: ExtendedCommit | undefined;
    }
  | { readonly kind: "statusRequest" }
  | { readonly kind: "statusResponse"; readonly height: Height; readonly base: Height };

/** Channels 0x60 (snapshots) and 0x61 (chunks). */
export type StateSyncMessage =
  | { readonly kind: "snapshotsRequest" }
  | {
      readonly kind: "snapshotsResponse";
      readonly height: Height;
      readonly format: number;
      readonly chunks: number;
      readonly hash: Uint8Array;
      readonly metadata: Uint8Array;
    }
  | {
      readonly kind: "chunkRequest";
      readonly height: Height;
      readonly format: number;
      readonly index: number;
    }
  | {
      readonly kind: "chunkResponse";
      readonly height: Height;
      readonly format: number;
      readonly index: number;
      readonly chunk: Uint8Array;
      readonly missing: boolean;
    };

/** Channel 0x30: transactions offered to a peer's pool. */
export interface TxsMessage {
  readonly kind: "txs";
  readonly txs: readonly Uint8Array[];
}

/** An address in peer exchange; `ip` is text. */
export interface NetAddress {
  readonly id: NodeId;
  readonly ip: string;
  readonly port: number;
}

/** Channel 0x00. */
export type PexMessage =
  | { readonly kind: "pexRequest" }
  | { readonly kind: "pexAddresses"; readonly addresses: readonly NetAddress[] };

/** What peers tell each other before anything else (spec §16.3). */
export interface NodeInfo {
  readonly protocolVersion: { readonly p2p: bigint; readonly block: bigint; readonly app: bigint };
  readonly nodeId: NodeId;
  readonly listenAddress: string;
  /** The chain id. */
  readonly network: string;
  /** Software version, free text. */
  readonly version: string;
  /** One byte for each channel that the node serves. */
  readonly channels: Uint8Array;
  readonly moniker: string;
  readonly other: { readonly txIndex: string; readonly rpcAddress: string };
}

/** The unit of a multiplexed connection (spec §16.4). */
export type Packet =
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | {
      readonly kind: "message";
      readonly channelId: number;
      /** True on the last packet of a message. */
      readonly isLast: boolean;
      readonly data: Uint8Array;
    };

/** Proof of a node's key inside SecretConnection (spec §16.1). */
export interface AuthSigMessage {
  readonly publicKey: PublicKey;
  readonly signature: Uint8Array;
}

/** Why a signer did not sign (spec §3.4, `privval/types.proto`). */
export interface RemoteSignerFault {
  readonly code: number;
  readonly description: string;
}

/** Between a node and the process that holds its key (spec §15.3). */
export type PrivvalMessage =
  | { readonly kind: "publicKeyRequest"; readonly chainId: string }
  | { readonly kind: "publicKeyResponse"; readonly publicKey: PublicKey }
  | { readonly kind: "publicKeyRefused"; readonly error: RemoteSignerFault }
  | { readonly kind: "signVoteRequest"; readonly vote: Vote; readonly chainId: string }
  | { readonly kind: "signedVoteResponse"; readonly vote: Vote }
  | { readonly kind: "voteRefused"; readonly error: RemoteSignerFault }
  | { readonly kind: "signProposalRequest"; readonly proposal: Proposal; readonly chainId: string }
  | { readonly kind: "signedProposalResponse"; readonly proposal: Proposal }
  | { readonly kind: "proposalRefused"; readonly error: RemoteSignerFault }
  | { readonly kind: "pingRequest" }
  | { readonly kind: "pingResponse" };
