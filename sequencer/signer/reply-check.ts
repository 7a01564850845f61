/**
 * What a node takes from a remote signer's answer: time and signatures, nothing else, and only when
 * they verify over the bytes that this node wanted signed. A signer that signed the same vote before
 * answers with the time it had then (spec §15.3), so the time is the signer's to choose.
 */
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { isNilBlockId } from "../../proto/codec/canonical.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../proto/sign-bytes.ts";
import { SignedMsgType, type Proposal, type PublicKey, type Vote } from "../../proto/types.ts";
import type { VerifySignature } from "../../proto/verify/ed25519.ts";
import { PrivValidatorError } from "../engine/privval/errors.ts";
import { SignerError } from "./errors.ts";
import { REASON_LENGTH_MAX } from "./limits.ts";

export interface ReplyChecker {
  /** The vote with the signer's time and signatures. @throws PrivValidatorError */
  vote(asked: Vote, isExtended: boolean, answer: PrivvalMessage): Vote;
  /** @throws PrivValidatorError */
  proposal(asked: Proposal, answer: PrivvalMessage): Proposal;
}

export function createReplyChecker(
  options: { readonly chainId: string; readonly publicKey: PublicKey },
  { verifySignature }: { readonly verifySignature: VerifySignature },
): ReplyChecker {
  const { chainId, publicKey } = options;
  const check = (what: string, signBytes: Uint8Array, signature: Uint8Array): void => {
    if (verifySignature(publicKey.bytes, signBytes, signature)) return;
    throw badReply(
      `its ${what} does not verify with ${toHex(publicKey.bytes)} over what this node asked to sign`,
    );
  };
  return {
    vote(asked, isExtended, answer) {
      if (answer.kind === "voteRefused") throw refused(answer.error);
      if (answer.kind !== "signedVoteResponse")
        throw badReply(`expected a vote, got ${answer.kind}`);
      const { timestamp, signature, extensionSignature } = answer.vote;
      const vote = { ...asked, timestamp, signature };
      check("signature of a vote", voteSignBytes(chainId, vote), signature);
      if (!isExtended || !canBeExtended(asked)) {
        return { ...vote, extension: EMPTY_BYTES, extensionSignature: EMPTY_BYTES };
      }
      if (extensionSignature.length === 0) {
        throw badReply("it does not sign vote extensions: it must speak CometBFT v0.38's protocol");
      }
      check(
        "signature of a vote extension",
        voteExtensionSignBytes(chainId, vote),
        extensionSignature,
      );
      return { ...vote, extensionSignature };
    },
    proposal(asked, answer) {
      if (answer.kind === "proposalRefused") throw refused(answer.error);
      if (answer.kind !== "signedProposalResponse") {
        throw badReply(`expected a proposal, got ${answer.kind}`);
      }
      const { timestamp, signature } = answer.proposal;
      const proposal = { ...asked, timestamp, signature };
      check("signature of a proposal", proposalSignBytes(chainId, proposal), signature);
      return proposal;
    },
  };
}

/** Extensions belong to precommits of blocks (spec §14). */
export function canBeExtended(vote: Vote): boolean {
  return vote.type === SignedMsgType.PRECOMMIT && !isNilBlockId(vote.blockId);
}

/**
 * The key that a signer names. @throws SignerError
 * @param expected the key that it must be; undefined before the first signer has come
 */
export function checkPublicKey(answer: PrivvalMessage, expected: PublicKey | undefined): PublicKey {
  if (answer.kind === "publicKeyRefused") {
    const { code, description } = answer.error;
    throw new SignerError(
      "SIGNER_REFUSED_KEY",
      `the signer does not tell its public key (code ${code}: ${brief(description)}): does it serve this chain?`,
    );
  }
  if (answer.kind !== "publicKeyResponse") {
    throw new SignerError("SIGNER_MESSAGE_INVALID", `expected a public key, got ${answer.kind}`);
  }
  const { publicKey } = answer;
  if (publicKey.type !== "ed25519") {
    throw new SignerError("SIGNER_WRONG_KEY", `expected an ed25519 key, got ${publicKey.type}`);
  }
  const hex = toHex(publicKey.bytes);
  if (expected !== undefined && toHex(expected.bytes) !== hex) {
    throw new SignerError(
      "SIGNER_WRONG_KEY",
      `expected the signer of validator key ${toHex(expected.bytes)}, got one that holds ${hex}`,
    );
  }
  return publicKey;
}

function refused({ code, description }: { code: number; description: string }): PrivValidatorError {
  return new PrivValidatorError(
    { code: "PRIVVAL_REMOTE_REFUSED", remoteCode: code },
    `the remote signer refused to sign (code ${code}): ${brief(description)}`,
  );
}

function badReply(reason: string): PrivValidatorError {
  return new PrivValidatorError(
    { code: "PRIVVAL_BAD_REPLY" },
    `the remote signer's answer cannot be used: ${reason}`,
  );
}

function brief(text: string): string {
  return text.slice(0, REASON_LENGTH_MAX);
}
