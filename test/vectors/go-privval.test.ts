/** Hex facts of CometBFT v0.38.25's privval/msgs_test.go (Apache-2.0). */
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import {
  decodePrivvalMessage,
  encodePrivvalFrame,
  encodePrivvalMessage,
} from "../../proto/codec/privval-messages.ts";
import { sha256 } from "../../proto/hash.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import { parseTime } from "../../proto/time.ts";
import { SignedMsgType, type Proposal, type Vote } from "../../proto/types.ts";

const timestamp = parseTime("2019-10-13T16:14:44Z");
const blockId = {
  hash: sha256(utf8ToBytes("blockID_hash")),
  partSetHeader: { total: 1_000_000, hash: sha256(utf8ToBytes("blockID_part_set_header_hash")) },
};
const vote: Vote = {
  type: SignedMsgType.PRECOMMIT,
  height: Height(3),
  round: Round(2),
  blockId,
  timestamp,
  validatorAddress: sha256(utf8ToBytes("validator_address")).slice(0, 20),
  validatorIndex: 56_789,
  signature: EMPTY_BYTES,
  extension: utf8ToBytes("extension"),
  extensionSignature: EMPTY_BYTES,
};
const proposal: Proposal = {
  height: Height(3),
  round: Round(2),
  polRound: Round(2),
  blockId,
  timestamp,
  signature: utf8ToBytes("it's a signature"),
};
const error = { code: 1, description: "it's a error" };

const BLOCK_ID =
  "0a208b01023386c371778ecb6368573e539afc3cc860ec3a2f614e54fe5652f4fc80122608c0843d122072db3d959635dff1bb567bedaa70573392c5159666a3f8caf11e413aac52207a";
const VOTE = `080210031802224a${BLOCK_ID}2a0608f49a8ded0532146af1f4111082efb388211bc72c55bcd61e9ac3d538d5bb034a09657874656e73696f6e`;
/** Go's example has the type of a prevote, which no proposal has; ours writes 32. */
const PROPOSAL = `08201003180220022a4a${BLOCK_ID}320608f49a8ded053a10697427732061207369676e6174757265`;
const FAULT = "12100801120c697427732061206572726f72";

const CASES: readonly (readonly [string, PrivvalMessage, string])[] = [
  ["ping request", { kind: "pingRequest" }, "3a00"],
  ["ping response", { kind: "pingResponse" }, "4200"],
  ["public key request", { kind: "publicKeyRequest", chainId: "" }, "0a00"],
  [
    "public key response",
    {
      kind: "publicKeyResponse",
      publicKey: {
        type: "ed25519",
        bytes: fromHex("556a436f1218d30942efe798420f51dc9b6a311b929c578257457d05c5fcf230"),
      },
    },
    "12240a220a20556a436f1218d30942efe798420f51dc9b6a311b929c578257457d05c5fcf230",
  ],
  ["public key refused", { kind: "publicKeyRefused", error }, `12140a00${FAULT}`],
  ["vote request", { kind: "signVoteRequest", vote, chainId: "" }, `1a81010a7f${VOTE}`],
  ["vote response", { kind: "signedVoteResponse", vote }, `2281010a7f${VOTE}`],
  [
    "vote refused",
    { kind: "voteRefused", error },
    `22250a11220212002a0b088092b8c398feffffff01${FAULT}`,
  ],
  [
    "proposal request",
    { kind: "signProposalRequest", proposal, chainId: "" },
    `2a700a6e${PROPOSAL}`,
  ],
  ["proposal response", { kind: "signedProposalResponse", proposal }, `32700a6e${PROPOSAL}`],
  [
    "proposal refused",
    { kind: "proposalRefused", error },
    `32250a112a021200320b088092b8c398feffffff01${FAULT}`,
  ],
];

describe("remote signer messages of Go", () => {
  test.each(CASES)("%s", (_name, message, hex) => {
    expect(toHex(encodePrivvalMessage(message))).toBe(hex);
    expect(decodePrivvalMessage(fromHex(hex))).toEqual(message);
  });

  test("a message goes into the stream with its length in front", () => {
    expect(toHex(encodePrivvalFrame({ kind: "pingRequest" }))).toBe("023a00");
  });
});
