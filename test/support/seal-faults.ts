/**
 * A middleware between a correct application and its engine that does with sealed transactions what its
 * validator must not do. It signs what it changes with the validator's own application key, as a byzantine
 * operator would. `sealed-network.ts` puts it into nodes of their own, tests of one process use it as it is.
 */
import { bytesEqual } from "../../proto/bytes.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  type ExtensionPart,
  PartType,
  partSignBytes,
} from "../../proto/codec/weft-extension.ts";
import {
  type BatchShares,
  type DisputeShares,
  type Shares,
  SHARES_CODEC,
} from "../../proto/codec/seal-block.ts";
import { POINT_BYTES } from "../../proto/codec/seal-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import type { Height } from "../../proto/brands.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type { Application, ExtendVoteRequest } from "../../sequencer/abci/application.ts";
import { methodsOf } from "./application-methods.ts";

export type SealFault =
  /** One point of its SHARES part is another one: the proof does not hold. */
  | "wrongShares"
  /** The proof of its SHARES part is that of another message. */
  | "wrongProof"
  /** Says ABSTAIN, although it has what was asked of it. */
  | "abstain"
  /** Its blocks lack the openings that are due. */
  | "withholdOpenings";

export interface SealFaultOptions {
  readonly chainId: string;
  readonly applicationKey: Ed25519KeyPair;
  /** Its own votes pass, whatever they hold. */
  readonly consensusAddress: Uint8Array;
}

export interface SealFaultHooks {
  /** What to do wrong at a height, while there is an opportunity. */
  readonly faultAt: (height: Height) => SealFault | undefined;
  /** Told when it was done. */
  readonly onDone: (fault: SealFault, height: Height) => void;
}

export function createSealFaults(
  options: SealFaultOptions,
  { faultAt, onDone }: SealFaultHooks,
): (application: Application) => Application {
  return (inner) => ({
    ...methodsOf(inner),
    extendVote: async (request) => {
      const extension = await inner.extendVote(request);
      const fault = faultAt(request.height);
      if (fault === undefined || fault === "withholdOpenings") return extension;
      const changed = damagedExtension(options, request, extension, fault);
      if (changed === undefined) return extension;
      onDone(fault, request.height);
      return changed;
    },
    verifyVoteExtension: async (request) =>
      bytesEqual(request.validatorAddress, options.consensusAddress)
        ? { accept: true }
        : await inner.verifyVoteExtension(request),
    prepareProposal: async (request) => {
      const txs = await inner.prepareProposal(request);
      if (faultAt(request.height) !== "withholdOpenings") return txs;
      const others = txs.filter((bytes) => decodeItem(bytes).kind !== "openings");
      if (others.length < txs.length) onDone("withholdOpenings", request.height);
      return others;
    },
  });
}

/** Undefined when there is nothing to damage: the validator shares nothing at that height. */
export function damagedExtension(
  options: Pick<SealFaultOptions, "chainId" | "applicationKey">,
  request: Pick<ExtendVoteRequest, "height" | "hash">,
  extension: Uint8Array,
  fault: Exclude<SealFault, "withholdOpenings">,
): Uint8Array | undefined {
  const { parts } = decodeVoteExtension(extension);
  const lists = parts.find(({ type }) => type === PartType.LISTS);
  const shares = parts.find(({ type }) => type === PartType.SHARES);
  if (lists === undefined || shares === undefined) return undefined;
  const { listed } = decodeLists(lists.content);
  const sign = (type: PartType, content: Uint8Array): ExtensionPart => ({
    type,
    content,
    signature: signEd25519(
      options.applicationKey,
      partSignBytes(options.chainId, request.height, request.hash, type, content),
    ),
  });
  if (fault === "abstain") {
    const content = encodeLists({ listed, shares: { kind: "abstain" }, withdrawn: [] });
    return encodeVoteExtension({ parts: [sign(PartType.LISTS, content)] });
  }
  const content = SHARES_CODEC.encode(damagedShares(SHARES_CODEC.decode(shares.content), fault));
  const root = sha256(content);
  return encodeVoteExtension({
    parts: [
      sign(PartType.LISTS, encodeLists({ listed, shares: { kind: "root", root }, withdrawn: [] })),
      sign(PartType.SHARES, content),
    ],
  });
}

/** Well-formed in every way, with the first point or the first proof another one. */
function damagedShares(shares: Shares, fault: "wrongShares" | "wrongProof"): Shares {
  const [batch, ...batches] = shares.batches;
  if (batch !== undefined) return { ...shares, batches: [damagedBatch(batch, fault), ...batches] };
  const [dispute, ...disputes] = shares.disputes;
  if (dispute === undefined) throw new Error("a SHARES part shares something");
  return { ...shares, disputes: [damagedDispute(dispute, fault), ...disputes] };
}

function damagedBatch(batch: BatchShares, fault: "wrongShares" | "wrongProof"): BatchShares {
  const [first, ...others] = batch.tickets;
  if (first === undefined) throw new Error("a batch is shared for a ticket at least");
  const points = first.points.slice();
  points.set(otherPoint(points));
  const damaged =
    fault === "wrongShares" ? { ...first, points } : { ...first, proof: otherProof(first.proof) };
  return { ...batch, tickets: [damaged, ...others] };
}

function damagedDispute(
  dispute: DisputeShares,
  fault: "wrongShares" | "wrongProof",
): DisputeShares {
  const [first, ...others] = dispute.shares;
  if (first === undefined) throw new Error("a disputed item is shared for a ticket at least");
  const damaged =
    fault === "wrongShares"
      ? { ...first, point: otherPoint(first.point) }
      : { ...first, proof: otherProof(first.proof) };
  return { ...dispute, shares: [damaged, ...others] };
}

/** The generator of ristretto255 (RFC 9496, appendix A.1), or twice it. */
const POINTS = [
  "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
  "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));

function otherPoint(points: Uint8Array): Uint8Array {
  const first = points.subarray(0, POINT_BYTES);
  const other = POINTS.find((point) => !bytesEqual(point, first));
  if (other === undefined) throw new Error("one of two points is another one");
  return other;
}

/** Scalars stay below the order of the group: the lowest byte of the first changes. */
function otherProof(proof: Uint8Array): Uint8Array {
  const changed = proof.slice();
  changed[0] = (changed[0] ?? 0) ^ 1;
  return changed;
}
