/** Evidence against nodes of a `TestChain`. */
import { Height, Round } from "../../proto/brands.ts";
import type { Action } from "../../proto/codec/weft-tx.ts";
import { proposalSignBytes } from "../../proto/sign-bytes.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { CHAIN_ID, consensusKey } from "./weft-app.ts";

/** Two proposals of a node for one round: evidence, lane CONTROL. */
export function evidenceAgainst(node: number): Action {
  const key = consensusKey(node);
  const proposal = (byte: number) => {
    const hash = new Uint8Array(32).fill(byte);
    const blockId = { hash, partSetHeader: { total: 1, hash } };
    const message = proposalSignBytes(CHAIN_ID, {
      height: Height(1),
      round: Round(0),
      polRound: Round(-1),
      blockId,
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
      height: Height(1),
      round: 0,
      first: proposal(1),
      second: proposal(2),
    },
  };
}
