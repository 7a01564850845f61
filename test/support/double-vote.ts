/** Evidence of an offence that a validator could have committed, signed with its own key. */
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { parseTime } from "../../proto/time.ts";
import {
  SignedMsgType,
  type BlockId,
  type DuplicateVoteEvidence,
  type Vote,
} from "../../proto/types.ts";
import { ed25519Address, signEd25519 } from "../../proto/verify/ed25519.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { rpc } from "./local-network.ts";

/**
 * Two precommits of the traitor, whose key is read from its home, at height 2.
 * @param round another one makes another piece
 */
export async function doubleVoteOf(
  traitor: { readonly home: string; readonly rpc: string; readonly chainId: string },
  offence: {
    readonly round: number;
    readonly power: { readonly one: bigint; readonly all: bigint };
  },
): Promise<DuplicateVoteEvidence> {
  const height = Height(2);
  const { block } = await rpc<{ block: { header: { time: string } } }>(traitor, "block", {
    height: String(height),
  });
  const timestamp = parseTime(block.header.time);
  const key = readKeyFile(homeAt(traitor.home).validatorKeyFile);
  const { validators } = await rpc<{ validators: readonly { address: string }[] }>(
    traitor,
    "validators",
    { height: String(height) },
  );
  const address = ed25519Address(key.publicKey);
  const index = validators.findIndex((one) => one.address === toHex(address).toUpperCase());
  const vote = (byte: number): Vote => {
    const hash = new Uint8Array(32).fill(byte);
    const blockId: BlockId = {
      hash,
      partSetHeader: { total: 1, hash: sha256(utf8ToBytes("parts")) },
    };
    const body = {
      type: SignedMsgType.PRECOMMIT,
      height,
      round: Round(offence.round),
      blockId,
      timestamp,
      validatorAddress: address,
      validatorIndex: index,
      extension: EMPTY_BYTES,
      extensionSignature: EMPTY_BYTES,
    } as const;
    return { ...body, signature: signEd25519(key, voteSignBytes(traitor.chainId, body)) };
  };
  return {
    kind: "duplicateVote",
    voteA: vote(1),
    voteB: vote(2),
    totalVotingPower: offence.power.all,
    validatorPower: offence.power.one,
    timestamp,
  };
}
