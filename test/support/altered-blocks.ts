/** Ways to lie about a block: each gives another block for a real one, or undefined where it cannot. */
import { toHex } from "../../proto/bytes.ts";
import { decodeSignedHeader, encodeSignedHeader } from "../../proto/codec/block.ts";
import { decodeValidatorSet, encodeValidatorSet } from "../../proto/codec/types.ts";
import type { RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { headerHash } from "../../proto/hashes.ts";
import { commitSigSignBytes } from "../../proto/sign-bytes.ts";
import {
  BlockIdFlag,
  type Commit,
  type CommitSig,
  type Header,
  type SignedHeader,
  ZERO_TIME,
} from "../../proto/types.ts";
import {
  createValidatorSet,
  hashedValidatorSet,
  validatorSetHash,
} from "../../proto/validator-set.ts";
import {
  type Ed25519KeyPair,
  ed25519Address,
  generateEd25519KeyPair,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import type { Presence } from "../../proto/verify/manifest.ts";
import type { Alter } from "./stream-proxy.ts";

const ABSENT: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: new Uint8Array(0),
  timestamp: ZERO_TIME,
  signature: new Uint8Array(0),
};

/** Changes header and commit; undefined from `change` leaves the block alone. */
function withHeader(change: (signed: SignedHeader) => SignedHeader | undefined): Alter {
  return (block) => {
    const changed = change(decodeSignedHeader(block.signedHeader));
    return changed && [{ ...block, signedHeader: encodeSignedHeader(changed) }];
  };
}

/** Changes the list of signatures. */
export function withSignatures(change: (list: CommitSig[]) => readonly CommitSig[]): Alter {
  return withHeader(({ header, commit }) => ({
    header,
    commit: { ...commit, signatures: change([...commit.signatures]) },
  }));
}

/** Leaves the signature at a place out. */
export function absentAt(place: number): Alter {
  return withSignatures((list) => list.map((sig, i) => (i === place ? ABSENT : sig)));
}

/** One signature stands where another should. */
export function copyOfFirst(place: number): Alter {
  return withSignatures((list) => list.map((sig, i) => (i === place ? (list[0] ?? sig) : sig)));
}

/** The last signature changed. */
export function lastSignature(change: (sig: CommitSig) => CommitSig): Alter {
  return withSignatures((list) =>
    list.map((sig, i) => (i === list.length - 1 ? change(sig) : sig)),
  );
}

/** Another header under the commit of the real one. */
export function otherHeader(change: (header: Header) => Header): Alter {
  return withHeader(({ header, commit }) => ({ header: change(header), commit }));
}

/** Another header, and a commit that names it without new signatures. */
export function renamedHeader(change: (header: Header) => Header): Alter {
  return withHeader(({ header, commit }) => rename(change(header), commit));
}

/** Another header, signed anew by whoever's keys are given. */
export function resignedHeader(
  change: (header: Header) => Header,
  keys: readonly Ed25519KeyPair[],
): Alter {
  return withHeader(({ header, commit }) => {
    const named = rename(change(header), commit);
    return { ...named, commit: resign(named, keys) };
  });
}

/** A whole set of strangers who sign the block as it is, and are sent as its validators. */
export function strangers(count: number): Alter {
  const keys = Array.from({ length: count }, generateEd25519KeyPair);
  return (block) => {
    const set = createValidatorSet(
      keys.map(({ publicKey }) => ({
        publicKey: { type: "ed25519", bytes: publicKey },
        votingPower: 10n,
      })),
    );
    const { header, commit } = decodeSignedHeader(block.signedHeader);
    const signatures = set.validators.map(({ address }) => ({
      blockIdFlag: BlockIdFlag.COMMIT,
      validatorAddress: address,
      timestamp: header.time,
      signature: new Uint8Array(64),
    }));
    const named = rename(
      { ...header, validatorsHash: validatorSetHash(set) },
      { ...commit, signatures },
    );
    const signedHeader = encodeSignedHeader({ ...named, commit: resign(named, keys) });
    return [{ ...block, signedHeader, validatorSet: encodeValidatorSet(hashedValidatorSet(set)) }];
  };
}

/** A hundred times the power for the first validator of the set that comes with the block. */
export function morePower(block: RollupBlock): readonly RollupBlock[] {
  const set = decodeValidatorSet(block.validatorSet);
  const validators = set.validators.map((v, i) =>
    i === 0 ? { ...v, votingPower: v.votingPower * 100n } : v,
  );
  const altered = hashedValidatorSet({ ...set, validators });
  return [{ ...block, validatorSet: encodeValidatorSet(altered) }];
}

/** Changes what is there for the rollup; blocks without anything are left alone. */
export function withPresence(
  change: (presence: Presence) => RollupBlock["slice"] | undefined,
): Alter {
  return (block) => {
    if (block.slice.kind !== "presence") return undefined;
    const slice = change(block.slice);
    return slice && [{ ...block, slice }];
  };
}

/** The bytes with one of them changed. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

function rename(header: Header, commit: Commit): SignedHeader {
  return {
    header,
    commit: { ...commit, blockId: { ...commit.blockId, hash: headerHash(header) } },
  };
}

function resign({ header, commit }: SignedHeader, keys: readonly Ed25519KeyPair[]): Commit {
  const byAddress = new Map(keys.map((key) => [toHex(ed25519Address(key.publicKey)), key]));
  return {
    ...commit,
    signatures: commit.signatures.map((sig) => {
      const key = byAddress.get(toHex(sig.validatorAddress));
      if (key === undefined) return sig;
      const message = commitSigSignBytes(header.chainId, commit, sig);
      return { ...sig, signature: signEd25519(key, message) };
    }),
  };
}
