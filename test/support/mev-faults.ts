/**
 * A middleware between a correct application and its engine: a validator that proposes what it must not, or
 * may, but to somebody's harm. Every changed block stands below the manifest that its items make, so that
 * only the rule in question can refuse it. The simulator, live networks and tests of one process use it.
 */
import { createManifestBuilder, rollupEntriesOf } from "../../mev/manifest.ts";
import { Lane, laneOfAction } from "../../mev/lanes.ts";
import { listsBytesMax } from "../../mev/extension.ts";
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { NoReason, Verdict } from "../../proto/codec/atomic-tx.ts";
import type { Bundle } from "../../proto/codec/mev-tx.ts";
import { encodeTxItem, isBlank } from "../../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  type ListedTx,
  type Lists,
  PartType,
  partSignBytes,
} from "../../proto/codec/weft-extension.ts";
import {
  type Action,
  encodeTxBody,
  type SignedTx,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { sha256Concat } from "../../proto/hash.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type {
  Application,
  ExtendVoteRequest,
  PrepareProposalRequest,
} from "../../sequencer/abci/application.ts";
import { methodsOf } from "./application-methods.ts";
import {
  actionAt,
  actionOf,
  areSameItems,
  excuseOf,
  injectedOf,
  inserted,
  placesOf,
  processRequestOf,
  remade,
  swapped,
  txOf,
  withAction,
  withInjected,
  without,
} from "./mev-blocks.ts";

export interface MevFaultOptions {
  readonly chainId: string;
  readonly applicationKey: Ed25519KeyPair;
  /** Its own blocks and votes pass, whatever they hold. */
  readonly consensusAddress: Uint8Array;
  /** Pays for what it puts into its blocks. */
  readonly attacker: Ed25519KeyPair;
}

export interface MevFaultHooks {
  /** What to do wrong at a height, where there is an opportunity. */
  readonly faultAt: (height: Height) => MevFault | undefined;
  /** Ids, in hex, of what is due in the next block. */
  readonly dueIds: () => ReadonlySet<string>;
  /** Whose transactions it does not want to see. */
  readonly isCensored: (tx: SignedTx) => boolean;
  /** Told when it was done. `refusal`: what every honest validator answers; undefined: the block is valid. */
  readonly onDone: (fault: MevFault, height: Height, refusal: string | undefined) => void;
}

/** What a change of a block sees. */
interface View extends MevFaultOptions {
  readonly height: Height;
  readonly votes: PrepareProposalRequest["localLastCommit"]["votes"];
  readonly dueIds: ReadonlySet<string>;
  readonly isCensored: (tx: SignedTx) => boolean;
}

/** Another block, or undefined where there is no opportunity. */
type Change = (txs: readonly Uint8Array[], view: View) => readonly Uint8Array[] | undefined;

const BLOCK_FAULTS = {
  /** A bundle's legs as two bundles under its one signature. */
  splitsBundles,
  /** The bundle stands there, and its manifest lacks a leg. */
  dropsLegs,
  /** Two neighbours of different lanes change places. */
  swapsLanes,
  /** Nothing of some account stands in its block, and nothing that is due, whoever sent it. */
  ignoresDue: (txs, { chainId, dueIds, isCensored }) =>
    unlessSame(
      txs,
      txs.filter((item) => {
        const tx = txOf(item);
        return tx === undefined || !(isCensored(tx) || isDue(chainId, item, dueIds));
      }),
    ),
  /** What is due is called invalid, and is not. */
  excusesDue: (txs, { chainId, dueIds }) => {
    const at = txs.findIndex((item) => isDue(chainId, item, dueIds));
    const item = txs[at];
    return item && txs.with(at, excuseOf(item));
  },
  /** A transaction that is not due is excused, so that it looks dealt with. */
  stuffsObligated: (txs, { chainId, dueIds }) => {
    const at = txs.findIndex(
      (item) => laneOf(item) > Lane.OBLIGATED && !isDue(chainId, item, dueIds),
    );
    const item = txs[at];
    return item && txs.with(at, excuseOf(item));
  },
  /** Every entry that the quorum can spare is BLANK. */
  blanksLists: (txs, { votes }) => blanked(txs, votes, false),
  /** One more than that. */
  blanksTooMany: (txs, { votes }) => blanked(txs, votes, true),
  /** Nothing of some account stands in its block, unless it is due. */
  censors: (txs, { chainId, dueIds, isCensored }) =>
    unlessSame(
      txs,
      txs.filter((item) => {
        const tx = txOf(item);
        return tx === undefined || !isCensored(tx) || isDue(chainId, item, dueIds);
      }),
    ),
  /** Its own copy of a bundle in the clear stands before the bundle. */
  copiesBundles: (txs, view) => {
    const at = txs.findIndex((item) => actionOf(item)?.kind === "bundle");
    const action = actionAt(txs, at);
    return action?.kind === "bundle"
      ? inserted(txs, at, signedBy(view, { ...action, replacement: undefined, cancelNonce: 0n }))
      : undefined;
  },
  /** The same of what is sealed: the ciphertext in a transaction of its own. */
  copiesSealed: (txs, view) => {
    const at = txs.findIndex((item) => SEALED_KINDS.has(actionOf(item)?.kind ?? "transfer"));
    const action = actionAt(txs, at);
    return action && inserted(txs, at, signedBy(view, action));
  },
  /** The dearest of the DEFAULT lane comes last. */
  reversesPrices: (txs) => {
    const first = txs.findIndex((item) => laneOf(item) === Lane.DEFAULT);
    if (first < 0) return undefined;
    return unlessSame(txs, [...txs.slice(0, first), ...txs.slice(first).toReversed()]);
  },
} satisfies Record<string, Change>;

const ATOMIC_FAULTS = {
  /** Votes and reports of executors are left out: a block may do that, and it delays them. */
  withholdsVotes: (txs) => unlessSame(txs, withoutVotes(txs)),
  /** A vote of somebody who is no executor, about nothing. */
  forgesVotes: (txs, view) => {
    const at = txs.findIndex((item) => laneOf(item) >= Lane.CONTROL);
    const bundleId = sha256Concat(utf8ToBytes("no bundle "), utf8ToBytes(`${view.height}`));
    const vote = {
      kind: "executorVote",
      bundleId,
      rollupId: bundleId,
      verdict: Verdict.NO,
      reason: NoReason.OTHER,
      preStateRoot: EMPTY_BYTES,
      effectsHash: EMPTY_BYTES,
      outbox: [],
      inbox: [],
    } as const;
    return at < 0 ? undefined : inserted(txs, at, signedBy(view, vote));
  },
  /** The votes stand there, and the manifest says nothing of what they decide. */
  hidesDecisions: (txs) => unlessSame(txs, withoutVotes(txs)),
} satisfies Record<string, Change>;

const CHANGES: Readonly<Record<MevBlockFault | AtomicFault, Change>> = {
  ...BLOCK_FAULTS,
  ...ATOMIC_FAULTS,
};

const LIST_FAULTS = {
  /** Lists what nobody has, and what all have with sizes that are wrong. */
  listsJunk: (lists: Lists, name: string): Lists => ({
    ...lists,
    listed: [
      ...lists.listed.map((one) => ({ ...one, size: one.size + 1 })),
      ...Array.from({ length: 64 }, (_, n) => junk(`${name}/${n}`)),
    ]
      .slice(0, 64)
      .toSorted((a, b) => compareBytes(a.id, b.id)),
  }),
  /** Lists nothing at all. */
  listsNothing: (lists: Lists): Lists => ({ ...lists, listed: [] }),
  /** Says of everything that it knows to be due that it is gone. */
  withdrawsDue: (lists: Lists, _name: string, dueIds: ReadonlySet<string>): Lists => {
    const ids = [...dueIds].slice(0, 16).map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
    const isWithdrawn = (id: Uint8Array): boolean => dueIds.has(toHex(id));
    return {
      ...lists,
      listed: lists.listed.filter(({ id }) => !isWithdrawn(id)),
      withdrawn: ids.toSorted(compareBytes),
    };
  },
} satisfies Record<string, (lists: Lists, name: string, dueIds: ReadonlySet<string>) => Lists>;

export type MevBlockFault = keyof typeof BLOCK_FAULTS;
export type MevListFault = keyof typeof LIST_FAULTS;
export type AtomicFault = keyof typeof ATOMIC_FAULTS;
export type MevFault = MevBlockFault | MevListFault | AtomicFault;

export const MEV_BLOCK_FAULTS = Object.keys(BLOCK_FAULTS) as readonly MevBlockFault[];
/** Of chains with atomic execution only. */
export const ATOMIC_BLOCK_FAULTS = Object.keys(ATOMIC_FAULTS) as readonly AtomicFault[];
export const MEV_LIST_FAULTS = Object.keys(LIST_FAULTS) as readonly MevListFault[];

export function isMevFault(text: string): text is MevFault {
  return text in CHANGES || text in LIST_FAULTS;
}

function isBlockFault(fault: MevFault): fault is keyof typeof CHANGES {
  return fault in CHANGES;
}

export function createMevFaults(
  options: MevFaultOptions,
  { faultAt, dueIds, isCensored, onDone }: MevFaultHooks,
): (application: Application) => Application {
  const isOwn = (address: Uint8Array): boolean => bytesEqual(address, options.consensusAddress);
  return (inner) => ({
    ...methodsOf(inner),
    prepareProposal: async (request) => {
      const txs = await inner.prepareProposal(request);
      const fault = faultAt(request.height);
      if (fault === undefined || !isBlockFault(fault)) return txs;
      const { height, localLastCommit } = request;
      const { votes } = localLastCommit;
      const view: View = { ...options, height, votes, dueIds: dueIds(), isCensored };
      const changed = CHANGES[fault](txs, view);
      if (changed === undefined) return txs;
      // A manifest that lies is the point there.
      const made =
        fault === "dropsLegs"
          ? { txs: changed, refusal: "P5 MANIFEST" }
          : await remade(inner, processRequestOf(request, changed));
      if (fault === "hidesDecisions") {
        const [manifest] = made.txs;
        if (manifest === undefined || bytesEqual(manifest, txs[0] ?? EMPTY_BYTES)) return txs;
        onDone(fault, height, "P5 MANIFEST");
        return txs.with(0, manifest);
      }
      if (bytesOf(made.txs) > request.maxTxBytes) return txs;
      onDone(fault, height, made.refusal);
      return made.txs;
    },
    processProposal: async (request) => {
      const verdict = await inner.processProposal(request);
      return isOwn(request.proposerAddress) ? { accept: true } : verdict;
    },
    extendVote: async (request) => {
      const extension = await inner.extendVote(request);
      const fault = faultAt(request.height);
      if (fault === undefined || !(fault in LIST_FAULTS)) return extension;
      const changed = withLists(options, request, extension, (lists) =>
        LIST_FAULTS[fault as MevListFault](lists, `${request.height}`, dueIds()),
      );
      if (changed === undefined || bytesEqual(changed, extension)) return extension;
      onDone(fault, request.height, undefined);
      return changed;
    },
    verifyVoteExtension: async (request) =>
      isOwn(request.validatorAddress) ? { accept: true } : await inner.verifyVoteExtension(request),
  });
}

/**
 * The extension with other lists, signed by the same key, as many of them as fit. Undefined when they may
 * not be encoded.
 */
export function withLists(
  {
    chainId,
    applicationKey,
    validatorCount = 4,
    blockBytesMax = 1 << 20,
  }: Pick<MevFaultOptions, "chainId" | "applicationKey"> & {
    readonly validatorCount?: number;
    readonly blockBytesMax?: number;
  },
  { height, hash }: Pick<ExtendVoteRequest, "height" | "hash">,
  extension: Uint8Array,
  change: (lists: Lists) => Lists,
): Uint8Array | undefined {
  const { parts } = decodeVoteExtension(extension);
  const bytesMax = listsBytesMax(blockBytesMax, validatorCount);
  return encodeVoteExtension({
    parts: parts.map((part) => {
      if (part.type !== PartType.LISTS) return part;
      let lists = change(decodeLists(part.content));
      let content = encodeLists(lists);
      while (content.length > bytesMax && lists.listed.length > 0) {
        lists = { ...lists, listed: lists.listed.slice(0, -1) };
        content = encodeLists(lists);
      }
      const message = partSignBytes(chainId, height, hash, part.type, content);
      return { type: part.type, content, signature: signEd25519(applicationKey, message) };
    }),
  });
}

const SEALED_KINDS: ReadonlySet<Action["kind"]> = new Set(["sealed", "sealedBundle", "bid"]);

function splitsBundles(txs: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
  for (const kind of ["bundle", "sealedBundle"] as const) {
    for (const at of placesOf(txs, kind)) {
      const item = txs[at];
      const action = item && actionOf(item);
      if (item === undefined || action?.kind !== kind || action.legs.length < 2) continue;
      const half = (from: number, to: number): Uint8Array =>
        withAction(item, () =>
          action.kind === "bundle"
            ? { ...action, legs: action.legs.slice(from, to), atomic: part(action, from, to) }
            : { ...action, legs: action.legs.slice(from, to), atomic: part(action, from, to) },
        );
      return inserted(without(txs, at), at, half(0, 1), half(1, action.legs.length));
    }
  }
  return undefined;
}

function part(
  { atomic }: Pick<Bundle, "atomic">,
  from: number,
  to: number,
): Bundle["atomic"] | undefined {
  return atomic && { ...atomic, locks: atomic.locks.slice(from, to) };
}

function withoutVotes(txs: readonly Uint8Array[]): readonly Uint8Array[] {
  return txs.filter((item) => {
    const kind = actionOf(item)?.kind;
    return kind !== "executorVote" && kind !== "executorReport";
  });
}

function dropsLegs(
  txs: readonly Uint8Array[],
  { chainId, dueIds }: View,
): readonly Uint8Array[] | undefined {
  const [at] = placesOf(txs, "bundle").filter((place) => {
    const action = actionAt(txs, place);
    return action?.kind === "bundle" && action.legs.length > 1;
  });
  if (at === undefined) return undefined;
  const manifest = (skipped: number): Uint8Array => {
    const builder = createManifestBuilder();
    const terms = { chainId, isShuffled: () => false, membersOf: () => [] };
    for (const [place, item] of txs.entries()) {
      const tx = txOf(item);
      if (tx === undefined) continue;
      const id = txId(chainId, tx.bodyBytes);
      const lane = dueIds.has(toHex(id)) ? Lane.OBLIGATED : laneOfAction(tx.body.action);
      for (const [leg, { rollupId, entry }] of rollupEntriesOf(tx, id, lane, terms).entries()) {
        if (place !== at || leg !== skipped) builder.add(rollupId, entry);
      }
    }
    return builder.build().item;
  };
  // Where the block fills entries of others, or an action fails, the honest manifest is not made so.
  if (!bytesEqual(manifest(-1), txs[0] ?? EMPTY_BYTES)) return undefined;
  return txs.with(0, manifest(0));
}

function swapsLanes(txs: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
  for (let at = 1; at < txs.length; at++) {
    const [before, after] = [laneOf(txs[at - 1]), laneOf(txs[at])];
    if (before !== Lane.SYS && after !== before) return swapped(txs, at - 1, at);
  }
  return undefined;
}

/** BLANK entries from the first validator on; one too many where `isTooMany`. */
function blanked(
  txs: readonly Uint8Array[],
  votes: View["votes"],
  isTooMany: boolean,
): readonly Uint8Array[] | undefined {
  const commit = injectedOf(txs);
  if (commit === undefined) return undefined;
  const powerOf = (index: number): bigint => votes[index]?.validator.power ?? 0n;
  const total = votes.reduce((sum, { validator }) => sum + validator.power, 0n);
  let left = commit.entries
    .filter((entry) => !isBlank(entry))
    .reduce((sum, { validatorIndex }) => sum + powerOf(validatorIndex), 0n);
  const gone = new Set<number>();
  for (const entry of commit.entries) {
    if (isBlank(entry)) continue;
    const rest = left - powerOf(entry.validatorIndex);
    const isQuorum = rest * 3n > total * 2n;
    if (!isQuorum && !isTooMany) break;
    left = rest;
    gone.add(entry.validatorIndex);
    if (!isQuorum) break;
  }
  if (gone.size === 0) return undefined;
  return withInjected(txs, (injected) => ({
    ...injected,
    entries: injected.entries.map((entry) =>
      gone.has(entry.validatorIndex)
        ? { ...entry, lists: EMPTY_BYTES, signature: EMPTY_BYTES }
        : entry,
    ),
  }));
}

/** As long as it is not due; items that only a proposer makes count as SYS. */
function laneOf(item: Uint8Array | undefined): Lane {
  const action = item && actionOf(item);
  return action === undefined ? Lane.SYS : laneOfAction(action);
}

function isDue(chainId: string, item: Uint8Array, dueIds: ReadonlySet<string>): boolean {
  const tx = txOf(item);
  return tx !== undefined && dueIds.has(toHex(txId(chainId, tx.bodyBytes)));
}

/** By the attacker, unordered: the same action and height make the same transaction. */
function signedBy({ attacker, chainId, height }: View, action: Action): Uint8Array {
  const bodyBytes = encodeTxBody({
    publicKey: attacker.publicKey,
    replay: {
      kind: "unordered",
      expiryHeight: (height + COPY_EXPIRY_BLOCKS) as Height,
      salt: utf8ToBytes(`copy ${height}`),
    },
    fee: { maxFeePerByte: 1_000n, tipPerByte: 0n },
    action,
  });
  return encodeTxItem({
    bodyBytes,
    signature: signEd25519(attacker, txSignBytes(chainId, bodyBytes)),
  });
}

const COPY_EXPIRY_BLOCKS = 20;

function junk(name: string): ListedTx {
  return { id: sha256Concat(utf8ToBytes("junk "), utf8ToBytes(name)), receivedAgoMs: 0, size: 200 };
}

function unlessSame(
  txs: readonly Uint8Array[],
  changed: readonly Uint8Array[],
): readonly Uint8Array[] | undefined {
  return areSameItems(txs, changed) ? undefined : changed;
}

function bytesOf(txs: readonly Uint8Array[]): number {
  return txs.reduce((sum, { length }) => sum + length + 4, 0);
}
