/**
 * Bundles and inclusion lists of a simulated network: clients that bundle across rollups, one whose transactions
 * proposers do not want, and what byzantine proposers do with all of it.
 */
import { Height } from "../../proto/brands.ts";
import { compareBytes, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  type Action,
  encodeTxBody,
  rollupData,
  type SignedTx,
  type TxBody,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { sealBid, sealBundle } from "../../mev/seal/sealed-content.ts";
import {
  createTdh2,
  type EncryptionRandomness,
  NONCE_BYTES,
  SEED_BYTES,
} from "../../mev/seal/tdh2.ts";
import type { AtomicTerms } from "../../proto/codec/mev-tx.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { escrowOf } from "../../sequencer/app/auction/escrow.ts";
import { keyInForce, sealKey, sealState } from "../../sequencer/app/seal/reader.ts";
import type { StakingReader } from "../../sequencer/app/staking/context.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import type { Application, ProcessProposalRequest } from "../../sequencer/abci/application.ts";
import type { AppMetrics } from "../../sequencer/app/metrics.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import { readFillsEvents } from "../../sequencer/app/seal/fills.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import type { EngineEvent } from "../../sequencer/engine/event-bus.ts";
import { methodsOf } from "../support/application-methods.ts";
import { dueIdsOf } from "../support/mev-due.ts";
import {
  createMevFaults,
  type MevFaultHooks,
  type MevFaultOptions,
} from "../support/mev-faults.ts";
import { Random } from "../support/random.ts";
import { MEV_WINDOW_HEIGHTS } from "./limits.ts";
import { MevWatch, type MevWatchOptions } from "./mev-watch.ts";
import type { AtomicRun } from "./sim-atomic.ts";
import type { Wallet } from "./sim-keys.ts";

/** What a seed draws of bundles and lists. */
export interface MevPlan {
  /** Of 100 transactions, those that are bundles. */
  readonly bundlePercent: number;
  /** Nobody, honest or not, proposes anything of one account unless it is due. */
  readonly isCensored: boolean;
  /** How the second rollup orders what it executes. */
  readonly ordering: "commit_order" | "priority_fee" | "sealed_random";
}

export interface MevRunOptions extends MevWatchOptions {
  readonly seed: number;
  readonly chainId: string;
  readonly plan: MevPlan;
  readonly rollupIds: readonly Uint8Array[];
  /** Whose transactions are not wanted. */
  readonly censored: Wallet;
  /** Who copies what it sees. */
  readonly attacker: Wallet;
}

export interface MevRunDependencies {
  /** Gives a transaction to every node that runs. */
  readonly toAll: (tx: Uint8Array) => void;
  readonly count: (kind: string) => void;
  readonly fail: (failure: unknown) => void;
  /** Where bundles may be of level 1. */
  readonly atomic: AtomicRun | undefined;
}

type NewBlock = Extract<EngineEvent, { readonly kind: "NewBlock" }>;

export class MevRun {
  readonly #options: MevRunOptions;
  readonly #deps: MevRunDependencies;
  readonly #random: Random;
  readonly #watch: MevWatch;
  readonly #tdh2 = createTdh2(createGroup());
  /** What is followed, to be given again to who has lost it. */
  readonly #items = new Map<string, Uint8Array>();
  #height = 0;
  #made = 0;

  constructor(options: MevRunOptions, deps: MevRunDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#random = new Random(Math.imul(options.seed, 0x9e3779b1) ^ 0x4d4556);
    this.#watch = new MevWatch(options, deps.count);
  }

  /** Metrics of an honest node. */
  metrics(): AppMetrics {
    return { ...NULL_APP_METRICS, refusedProposals: { inc: () => this.#watch.counted() } };
  }

  /** What a searcher sends: a bundle, sealed where there is a key, or a bid; undefined for no wallet. */
  searched(application: WeftApplication, wallet: Wallet | undefined): Uint8Array | undefined {
    if (wallet === undefined) return undefined;
    this.#made += 1;
    const reader = application.read.staking();
    const key = sealKey(reader, keyInForce(reader, reader.height + 1));
    if (key === undefined || !sealState(reader).isOpen || this.#random.chance(40)) {
      return this.#bundle(application, wallet);
    }
    return this.#random.chance(50)
      ? this.#sealedBundle(reader.height, wallet, key)
      : this.#bid(reader, wallet, key);
  }

  #sealedBundle(height: number, wallet: Wallet, key: SealKeyState): Uint8Array {
    this.#deps.count("sealed bundle made");
    const terms = this.#terms(wallet, height);
    const action = sealBundle(
      this.#tdh2,
      {
        ...terms,
        chainId: this.#options.chainId,
        key,
        legs: this.#options.rollupIds.map((rollupId, at) => ({
          rollupId,
          data: [utf8ToBytes(`sealed leg ${at} of ${this.#made}`)],
          revertMode: 0 as const,
          tip: BigInt(this.#random.below(50)),
        })),
        minHeight: Height(0),
        maxHeight: Height(height + MEV_WINDOW_HEIGHTS),
        replacement: undefined,
        cancelNonce: 0n,
        atomic: this.#atomicTerms(),
      },
      this.#randomness(),
    );
    return this.#signedWith(wallet, terms, action);
  }

  /** For the top of a block of the first rollup; whoever has no escrow yet fills it first. */
  #bid(reader: StakingReader, wallet: Wallet, key: SealKeyState): Uint8Array {
    const terms = this.#terms(wallet, reader.height);
    const least = reader.params.bidEscrowMin;
    const { balance } = escrowOf(reader, toHex(wallet.address));
    if (balance < least) {
      return this.#signedWith(wallet, terms, { kind: "depositEscrow", amount: 2n * least });
    }
    this.#deps.count("bid made");
    const [group] = this.#options.rollupIds;
    assert(group !== undefined, "a network has rollups");
    const action = sealBid(
      this.#tdh2,
      {
        ...terms,
        chainId: this.#options.chainId,
        key,
        group,
        amount: BigInt(1_000 + this.#random.below(100_000)),
        parts: [{ rollupId: group, data: [utf8ToBytes(`top ${this.#made}`)] }],
        minHeight: Height(0),
        maxHeight: Height(reader.height + MEV_WINDOW_HEIGHTS),
      },
      this.#randomness(),
    );
    return this.#signedWith(wallet, terms, action);
  }

  #bundle(application: WeftApplication, wallet: Wallet): Uint8Array {
    const height = application.read.lastBlock()?.height ?? 0;
    const legs = this.#options.rollupIds.map((rollupId, at) => {
      const { payload } = rollupData(rollupId, [utf8ToBytes(`leg ${at} of ${this.#made}`)]);
      return { rollupId, payload, revertMode: 0 as const, tip: BigInt(this.#random.below(50)) };
    });
    const key = utf8ToBytes(`key ${this.#random.below(4)}`.padEnd(16));
    const replacement = this.#random.chance(40) ? { key, sequence: BigInt(this.#made) } : undefined;
    this.#deps.count("bundle made");
    return this.#signed(wallet, height, {
      kind: "bundle",
      legs: legs.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId)),
      minHeight: Height(0),
      maxHeight: Height(height + MEV_WINDOW_HEIGHTS),
      replacement,
      cancelNonce: 0n,
      atomic: this.#atomicTerms(),
    });
  }

  #atomicTerms(): AtomicTerms | undefined {
    return this.#deps.atomic?.terms(this.#options.rollupIds.length);
  }

  wantsBundle(random: Random): boolean {
    return random.chance(this.#options.plan.bundlePercent);
  }

  /** The client that nobody likes gives one to all, and what still waits again. */
  sendUnwanted(application: WeftApplication): void {
    const { censored, rollupIds } = this.#options;
    const waiting = this.#watch.waiting();
    for (const id of waiting) {
      const item = this.#items.get(id);
      if (item !== undefined) this.#deps.toAll(item);
    }
    const rollupId = this.#random.pick(rollupIds);
    if (rollupId === undefined || waiting.length >= UNWANTED_MAX) return;
    this.#made += 1;
    const height = application.read.lastBlock()?.height ?? 0;
    const item = this.#signed(
      censored,
      height,
      rollupData(rollupId, [utf8ToBytes(`unwanted ${this.#made}`)]),
    );
    const id = idOf(this.#options.chainId, item);
    this.#items.set(toHex(id), item);
    this.#watch.made(id);
    this.#deps.toAll(item);
  }

  /** A node's application as its engine sees it. */
  honest(node: string, inner: Application, weft: WeftApplication): Application {
    const { plan, attacker, chainId } = this.#options;
    const watched: Application = {
      ...methodsOf(inner),
      processProposal: async (request: ProcessProposalRequest) => {
        const verdict = await inner.processProposal(request);
        if (!verdict.accept) this.#refused(node, request, verdict.reason);
        return verdict;
      },
    };
    if (!plan.isCensored) return watched;
    // It lists what it has, and votes as it should: its proposals alone leave something out.
    const key = attacker.key;
    const censoring = createMevFaults(
      { chainId, applicationKey: key, consensusAddress: new Uint8Array(20), attacker: key },
      {
        ...this.hooks(weft),
        faultAt: () => "censors",
        onDone: () => this.#deps.count("unwanted transactions left out"),
      },
    )({
      ...methodsOf(inner),
      processProposal: async (request) => {
        const verdict = await inner.processProposal(request);
        if (!verdict.accept) this.#watch.uncounted();
        return verdict;
      },
    });
    return { ...watched, prepareProposal: (request) => censoring.prepareProposal(request) };
  }

  /** What a byzantine node knows of the chain. */
  hooks(weft: WeftApplication): Pick<MevFaultHooks, "dueIds" | "isCensored"> {
    return { dueIds: () => dueIdsOf(weft), isCensored: (tx) => this.#isCensored(tx) };
  }

  get attacker(): MevFaultOptions["attacker"] {
    return this.#options.attacker.key;
  }

  /** An honest node has applied a block. */
  applied(node: string, event: NewBlock, weft: WeftApplication): void {
    this.#deps.atomic?.applied(node, event, weft);
    const { height } = event.block.header;
    const ready = this.#watch.waiting().filter((id) => {
      const status = weft.transactionStatus(fromHex(id));
      return status.state === "pending" && status.reason === undefined;
    });
    this.#watch.applied(node, height, ready);
    if (height <= this.#height) return;
    this.#height = height;
    this.#decided(event).catch(this.#deps.fail);
  }

  crashed(node: string): void {
    this.#watch.crashed(node);
  }

  healed(height: number): void {
    this.#watch.healed(height);
  }

  async #decided({ block, result }: NewBlock): Promise<void> {
    const { chainId } = this.#options;
    const slices = await blockSlices(chainId, block.txs, result, () => Promise.resolve());
    const parts = slices.rollupIds.flatMap((rollupId) => {
      const slice = slices.slice(rollupId);
      return slice.kind === "absence" ? [] : [{ rollupId, entries: slice.entries }];
    });
    const ids = block.txs.flatMap((bytes) => {
      const item = decodeItem(bytes);
      return item.kind === "tx" ? [toHex(txId(chainId, item.tx.bodyBytes))] : [];
    });
    this.#watch.decided(block.header.height, ids, parts, readFillsEvents(result.events));
  }

  #refused(node: string, { proposerAddress }: ProcessProposalRequest, reason: string): void {
    try {
      this.#watch.refused(node, proposerAddress, reason);
    } catch (error) {
      this.#deps.fail(error);
    }
  }

  #isCensored({ body }: SignedTx): boolean {
    return compareBytes(body.publicKey, this.#options.censored.key.publicKey) === 0;
  }

  #signed(wallet: Wallet, height: number, action: Action): Uint8Array {
    return this.#signedWith(wallet, this.#terms(wallet, height), action);
  }

  #terms({ key }: Wallet, height: number): Omit<TxBody, "action"> {
    return {
      publicKey: key.publicKey,
      replay: {
        kind: "unordered",
        expiryHeight: Height(height + MEV_EXPIRY_HEIGHTS),
        salt: utf8ToBytes(`${this.#made}`),
      },
      fee: { maxFeePerByte: 1_000n, tipPerByte: BigInt(this.#random.below(10)) },
    };
  }

  #randomness(): EncryptionRandomness {
    const bytes = (count: number): Uint8Array =>
      Uint8Array.from({ length: count }, () => this.#random.below(256));
    return { seed: bytes(SEED_BYTES), nonce: bytes(NONCE_BYTES) };
  }

  #signedWith({ key }: Wallet, terms: Omit<TxBody, "action">, action: Action): Uint8Array {
    const bodyBytes = encodeTxBody({ ...terms, action });
    const message = txSignBytes(this.#options.chainId, bodyBytes);
    return encodeTxItem({ bodyBytes, signature: signEd25519(key, message) });
  }
}

function idOf(chainId: string, item: Uint8Array): Uint8Array {
  const decoded = decodeItem(item);
  if (decoded.kind !== "tx") throw new Error("a client makes transactions");
  return txId(chainId, decoded.tx.bodyBytes);
}

/** Unwanted transactions that wait at once. */
const UNWANTED_MAX = 6;
const MEV_EXPIRY_HEIGHTS = 300;
