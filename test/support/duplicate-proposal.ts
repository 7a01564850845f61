/** Evidence of two proposals for one round. */
import { type Height, Round } from "../../proto/brands.ts";
import type { SubmitEvidence } from "../../proto/codec/staking-tx.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";

/** Two proposals that the owner of `key` could have signed for round 0 of a height. */
export function duplicateProposal(
  chainId: string,
  key: Ed25519KeyPair,
  height: Height,
): SubmitEvidence {
  const round = 0;
  const proposal = (byte: number) => {
    const hash = new Uint8Array(32).fill(byte);
    const message = proposalSignBytes(chainId, {
      height,
      round: Round(round),
      polRound: Round(-1),
      blockId: { hash, partSetHeader: { total: 1, hash } },
      timestamp: { seconds: 1n, nanos: 0 },
    });
    return {
      polRound: -1,
      blockHash: hash,
      partsTotal: 1,
      partsHash: hash,
      timeSeconds: 1n,
      timeNanos: 0,
      signature: signEd25519(key, message),
    };
  };
  return {
    kind: "submitEvidence",
    evidence: {
      kind: "duplicateProposal",
      consensusKey: key.publicKey,
      height,
      round,
      first: proposal(1),
      second: proposal(2),
    },
  };
}
