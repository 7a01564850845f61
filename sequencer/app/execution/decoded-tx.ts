import { Lane, type LaneUse, laneOfAction, laneUse } from "../../../mev/lanes.ts";
import { type EntryTerms, type RollupEntry, rollupEntriesOf } from "../../../mev/manifest.ts";
import type { SealProof } from "../../../mev/seal/compute.ts";
import type { SignatureCheck } from "../../../mev/signatures.ts";
import { formatAddress } from "../../../proto/address.ts";
import { bytesEqual, EMPTY_BYTES, keepBytes, toHex } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import { decodeItem } from "../../../proto/codec/weft-block.ts";
import {
  accountAddress,
  type Action,
  type SignedTx,
  txSignPrefix,
} from "../../../proto/codec/weft-tx.ts";
import { digestToBytes, sha256, sha256Latin1OfPair } from "../../../proto/hash.ts";
import { type Failure, failure } from "../codes.ts";
import { SENDERS_KEPT_MAX } from "../limits.ts";
import type { Digest } from "../state-tree/node.ts";
import { actionProofs, actionRollup, actionSignatures, isStrictKind } from "./actions.ts";

/**
 * A transaction item taken apart once per node: pool, proposals and blocks share it. Everything here
 * follows from the bytes and the chain id; whether signatures and proofs hold is for `VerifiedTxs` to know.
 */
export class DecodedTx {
  /** The item as it came; it does not pin a larger buffer. */
  readonly item: Uint8Array;
  readonly tx: SignedTx;
  /** Transaction id, as a map key and as 32 bytes. */
  readonly idKey: Digest;
  readonly id: Uint8Array;
  /** Address of the account, 40 lower-case hex characters. */
  readonly sender: string;
  /** Id of the rollup that the action names, 64 lower-case hex characters; empty if none, or several. */
  readonly rollupId: string;
  /** Where it stands as long as it is not due. */
  readonly lane: Lane;
  /** Whether one with a fault may not stand in a block, although it pays (`ActionRules.isStrict`). */
  readonly isStrict: boolean;
  /** What its ciphertext is bound to; empty if it has none. */
  readonly label: Uint8Array;
  readonly #account: Account;
  /** Both as long as it is not due. */
  #laneUse: LaneUse | undefined;
  #entries: readonly RollupEntry[] | undefined;
  #idText: string | undefined;
  #hash: Uint8Array | undefined;

  constructor(item: Uint8Array, tx: SignedTx, idKey: Digest, account: Account, label: Uint8Array) {
    this.item = item;
    this.tx = tx;
    this.idKey = idKey;
    this.id = digestToBytes(idKey);
    this.sender = account.address;
    this.#account = account;
    this.rollupId = actionRollup(tx.body.action);
    this.lane = laneOfAction(tx.body.action);
    this.isStrict = isStrictKind(tx.body.action.kind);
    this.label = label;
  }

  /** The address as people write it. */
  get senderText(): string {
    return this.#account.text;
  }

  /** The id as people write it: 64 lower-case hex characters. */
  get idText(): string {
    this.#idText ??= toHex(this.id);
    return this.#idText;
  }

  /** What the lane rules see of it. `isDue`: in the block that is asked about. */
  laneUse(isDue: boolean): LaneUse {
    if (isDue) return this.#useOf(true);
    this.#laneUse ??= this.#useOf(false);
    return this.#laneUse;
  }

  /** What it adds to the manifest when its action succeeds. `terms`: of its block. */
  entries(isDue: boolean, terms: EntryTerms): readonly RollupEntry[] {
    const lane = isDue ? Lane.OBLIGATED : this.lane;
    const { action } = this.tx.body;
    if (isDue) return rollupEntriesOf(this.tx, this.id, lane, terms);
    if (action.kind === "bid") return this.#entriesOfBid(terms.membersOf(action.group), terms);
    if (dependsOnTerms(action, terms)) return rollupEntriesOf(this.tx, this.id, lane, terms);
    this.#entries ??= rollupEntriesOf(this.tx, this.id, lane, terms);
    return this.#entries;
  }

  /** SHA-256 of the item: the hash that CometBFT's RPC knows. */
  get hash(): Uint8Array {
    this.#hash ??= sha256(this.item);
    return this.#hash;
  }

  /** The same in every block in which the group has the same members. */
  #entriesOfBid(members: readonly Uint8Array[], terms: EntryTerms): readonly RollupEntry[] {
    const known = this.#entries ?? [];
    const isKnown =
      known.length === members.length &&
      known.every(({ rollupId }, at) => bytesEqual(rollupId, members[at] ?? EMPTY_BYTES));
    if (!isKnown) this.#entries = rollupEntriesOf(this.tx, this.id, this.lane, terms);
    return this.#entries ?? [];
  }

  #useOf(isDue: boolean): LaneUse {
    const { tx, item } = this;
    return laneUse({ kind: "tx", tx }, item.length, this.id, isDue, this.rollupId);
  }
}

/** Whether its entries are others than in a block where nothing is shuffled. */
function dependsOnTerms(action: Action, { isShuffled }: EntryTerms): boolean {
  if (action.kind === "sealed") return action.rollupIds.some(isShuffled);
  if (action.kind === "sealedBundle") return action.legs.some((leg) => isShuffled(leg.rollupId));
  return false;
}

/** The proof of a ciphertext is about its label. */
function labelIn(proofs: readonly SealProof[]): Uint8Array {
  for (const proof of proofs) if (proof.kind === "ciphertext") return proof.label;
  return EMPTY_BYTES;
}

/** What follows from a public key, once for all transactions that it signs. */
class Account {
  /** 40 lower-case hex characters. */
  readonly address: string;
  readonly #bytes: Uint8Array;
  #text: string | undefined;

  constructor(publicKey: Uint8Array) {
    this.#bytes = accountAddress(publicKey);
    this.address = toHex(this.#bytes);
  }

  get text(): string {
    this.#text ??= formatAddress(this.#bytes);
    return this.#text;
  }
}

/** A decoded transaction and the checks that are left to do. */
export interface UnverifiedTx {
  readonly decoded: DecodedTx;
  /** Its own signature first, then those that its action brings; all have to hold. */
  readonly signatureChecks: readonly SignatureCheck[];
  /** Proofs that its action brings, for when the signatures hold: they cost more. */
  readonly proofs: readonly SealProof[];
}

/**
 * Takes items of one chain apart. Most of them name few accounts and few rollups: what follows from a
 * public key is kept, within a bound.
 */
export class TxDecoder {
  readonly chainId: string;
  readonly #signPrefix: Uint8Array;
  /** By public key, which is read as latin1. */
  readonly #accounts = new Map<string, Account>();

  constructor(chainId: string) {
    this.chainId = chainId;
    this.#signPrefix = txSignPrefix(chainId);
  }

  /** Takes an item of kind 4 apart, or says why it is none. Never throws on bad bytes, which must not change afterwards. */
  decode(bytes: Uint8Array): UnverifiedTx | Failure {
    const item = keepBytes(bytes);
    let tx: SignedTx;
    try {
      const decoded = decodeItem(item);
      if (decoded.kind !== "tx") return failure("TX_KIND", `got ${decoded.kind}`);
      ({ tx } = decoded);
    } catch (error) {
      // The bytes are somebody else's; to refuse them is the answer. Anything else is a bug.
      if (!isCodecError(error)) throw error;
      return failure("TX_MALFORMED", error.message);
    }
    const { bodyBytes: message, signature, body } = tx;
    const prefix = this.#signPrefix;
    const account = this.#accountOf(body.publicKey);
    const own: SignatureCheck = { publicKey: body.publicKey, prefix, message, signature };
    const brought = actionSignatures(this.chainId, body.action);
    const proofs = actionProofs(this.chainId, body);
    const idKey = sha256Latin1OfPair(prefix, message);
    return {
      decoded: new DecodedTx(item, tx, idKey, account, labelIn(proofs)),
      signatureChecks: brought.length === 0 ? [own] : [own, ...brought],
      proofs,
    };
  }

  #accountOf(publicKey: Uint8Array): Account {
    const { buffer, byteOffset, length } = publicKey;
    const key = Buffer.from(buffer, byteOffset, length).toString("latin1");
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = new Account(publicKey);
      if (this.#accounts.size >= SENDERS_KEPT_MAX) this.#accounts.clear();
      this.#accounts.set(key, account);
    }
    return account;
  }
}

/** One item by itself; whoever has many makes a decoder. */
export function decodeTx(chainId: string, bytes: Uint8Array): UnverifiedTx | Failure {
  return new TxDecoder(chainId).decode(bytes);
}
