/**
 * Sealed transactions of a simulated network: production's duties and files of secrets on simulated ports,
 * clients that seal, and a byzantine coalition that reads whatever it can and acts on it at once.
 */
import { createLocalCompute } from "../../mev/seal/local-compute.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { labelOfSealed, sealContent } from "../../mev/seal/sealed-content.ts";
import { createTdh2, NONCE_BYTES, SEED_BYTES } from "../../mev/seal/tdh2.ts";
import type { SealCompute } from "../../mev/seal/compute.ts";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeConsensusMessage } from "../../proto/codec/consensus-messages.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { decodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import {
  encodeTxBody,
  rollupData,
  txId,
  txSignBytes,
  type TxBody,
} from "../../proto/codec/weft-tx.ts";
import type { Block } from "../../proto/types.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import { keyInForce, sealKey, sealState } from "../../sequencer/app/seal/reader.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import type { SubmitTx } from "../../sequencer/node/grpc-ports.ts";
import { createSealDuties, type SealDuties } from "../../sequencer/node/seal-duties.ts";
import { openSealKeys, type SealKeys } from "../../sequencer/node/seal-keys.ts";
import { VOTE_CHANNEL } from "../../sequencer/p2p/consensus/consensus-channels.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { FileSystem } from "../../sequencer/ports/file-system.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { YieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { Random } from "../support/random.ts";
import { SimulationFailure } from "./checkers.ts";
import { SEALED_WINDOW_HEIGHTS } from "./limits.ts";
import { type MadeItem, SealWatch } from "./seal-watch.ts";
import type { Wallet } from "./sim-keys.ts";

/** What a seed draws of sealed transactions. */
export interface SealPlan {
  /** Blocks of an epoch: a key for each. */
  readonly epochLength: number;
  /** Blocks from the end of a generation to its key. */
  readonly keyLead: number;
  /** Of 100 transactions, those that are sealed while there is a key. */
  readonly sealedPercent: number;
}

export interface SealRunOptions {
  readonly seed: number;
  readonly chainId: string;
  readonly plan: SealPlan;
  /** Where clients send what they seal. */
  readonly rollupIds: readonly Uint8Array[];
  /** Addresses of honest validators, in hex. */
  readonly honest: ReadonlySet<string>;
}

export interface SealRunDependencies {
  /** Gives a transaction to a byzantine node, or whatever node runs. */
  readonly attack: (make: (wallet: Wallet, nonce: bigint) => Uint8Array) => void;
  readonly count: (kind: string) => void;
  readonly fail: (failure: unknown) => void;
}

/** What a node of the run has for sealed transactions, for one life. */
export interface NodeSeal {
  readonly compute: SealCompute;
  readonly secretOf: TicketSecretOf;
  readonly duties: (parts: {
    readonly application: WeftApplication;
    readonly submit: SubmitTx;
    readonly clock: Clock;
    readonly yieldToLoop: YieldToLoop;
    readonly logger: Logger;
  }) => SealDuties;
}

const FEE = { maxFeePerByte: 1_000n, tipPerByte: 1n };

export class SealRun {
  readonly #options: SealRunOptions;
  readonly #deps: SealRunDependencies;
  readonly #random: Random;
  readonly #group = createGroup();
  readonly #tdh2 = createTdh2(this.#group);
  readonly #watch: SealWatch;
  /** On this thread, at once: nothing is under way between two events. */
  readonly compute: SealCompute = createLocalCompute(this.#tdh2);
  readonly #keys = new Map<number, SealKeyState>();
  /** Of byzantine validators, by key and ticket: what they erase they have kept. */
  readonly #byzantine = new Map<number, Map<number, Uint8Array>>();
  /** Heights of sealed transactions that were read, by the transaction that somebody sent because of it. */
  readonly #attacks = new Map<string, number>();
  /** Messages that were looked at, whoever gets them. */
  readonly #heard = new WeakSet<Uint8Array>();
  #height = 0;
  #turn: Promise<void> = Promise.resolve();
  #made = 0;

  constructor(options: SealRunOptions, deps: SealRunDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#random = new Random(Math.imul(options.seed, 0x9e3779b1) ^ 0x5345414c);
    this.#watch = new SealWatch({
      compute: this.compute,
      keyOf: (key) => this.#keys.get(key),
      secretsOf: (key) => this.#byzantine.get(key) ?? new Map<number, Uint8Array>(),
      onRead: (item, height) => this.#onRead(item, height),
    });
  }

  /** A node starts, or again. */
  async openNode(
    applicationKey: Ed25519KeyPair,
    file: string,
    deps: {
      readonly fileSystem: FileSystem;
      readonly logger: Logger;
      readonly isByzantine: boolean;
    },
  ): Promise<NodeSeal> {
    const random = (count: number): Uint8Array => this.#bytes(count);
    const keys = await openSealKeys(file, [applicationKey], { ...deps, random });
    return {
      compute: this.compute,
      secretOf: (key, ticket) => keys.secretOf(key, ticket),
      duties: ({ application, ...parts }) => {
        application.onShareFault((evidence) => this.#accused(evidence));
        const duties = createSealDuties({
          ...parts,
          read: application.read,
          keys,
          applicationKeys: [applicationKey],
          group: this.#group,
          random,
        });
        return {
          ...duties,
          look: () => {
            if (deps.isByzantine) this.#collude(keys);
            duties.look();
          },
        };
      },
    };
  }

  /** A node can prove a fault in somebody's shares. */
  #accused({ kind, validator, height }: SealEvidence): void {
    if (!this.#options.honest.has(toHex(validator))) return this.#deps.count("share faults proven");
    const who = toHex(validator);
    this.#deps.fail(
      new SimulationFailure(`accusation: ${kind} of ${who} at height ${height}, which is honest`),
    );
  }

  /** What a client submits; undefined while there is no key, or for no wallet. */
  sealed(application: WeftApplication, wallet: Wallet | undefined): Uint8Array | undefined {
    const reader = application.read.staking();
    const height = reader.height;
    const key = sealKey(reader, keyInForce(reader, height + 1));
    if (wallet === undefined || key === undefined || !sealState(reader).isOpen) return undefined;
    this.#keys.set(key.number, key);
    const { chainId, rollupIds } = this.#options;
    const rollupId = this.#random.pick(rollupIds);
    if (rollupId === undefined) return undefined;
    this.#made += 1;
    const maxHeight = Height(height + SEALED_WINDOW_HEIGHTS);
    const publicKey = wallet.key.publicKey;
    const { nonce } = application.read.pendingAccount(wallet.address);
    const terms = { publicKey, fee: FEE, replay: { kind: "nonce", value: nonce } as const };
    const data = [utf8ToBytes(`order ${this.#made}`)];
    const action = sealContent(
      this.#tdh2,
      { ...terms, chainId, key, maxHeight, parts: [{ rollupId, data }] },
      { seed: this.#bytes(SEED_BYTES), nonce: this.#bytes(NONCE_BYTES) },
    );
    const { item, id } = signedItem(chainId, wallet, { ...terms, action });
    const label = labelOfSealed(chainId, terms, action);
    this.#watch.made({ ...action, id, label });
    this.#deps.count("sealed transaction made");
    return item;
  }

  wants(random: Random): boolean {
    return random.chance(this.#options.plan.sealedPercent);
  }

  /** A node sends a message; its own vote is a release of what it holds. */
  sent(channelId: number, message: Uint8Array): void {
    if (channelId !== VOTE_CHANNEL.id || this.#heard.has(message)) return;
    this.#heard.add(message);
    const decoded = decodeConsensusMessage(message);
    if (decoded.kind !== "vote") return;
    const { vote } = decoded;
    if (!this.#options.honest.has(toHex(vote.validatorAddress))) return;
    this.#turn = this.#turn.then(() => this.#watch.sent(vote)).catch(this.#deps.fail);
  }

  /** An honest node has applied a block. */
  decided({ header, txs }: Block): void {
    if (header.height <= this.#height) return;
    this.#height = header.height;
    for (const bytes of txs) {
      const item = decodeItem(bytes);
      if (item.kind !== "tx") continue;
      const id = txId(this.#options.chainId, item.tx.bodyBytes);
      if (item.tx.body.action.kind === "sealed") this.#watch.decided(id, header.height);
      const read = this.#attacks.get(toHex(id));
      if (read === undefined) continue;
      this.#attacks.delete(toHex(id));
      this.#deps.count("attempt to run in front came too late");
      if (header.height > read) continue;
      this.#deps.fail(
        new SimulationFailure(
          `front-running: a transaction of block ${header.height} was sent by somebody who had read one of block ${read}`,
        ),
      );
    }
  }

  /** Whoever reads an order sends its own, as dear as one may. */
  #onRead(item: MadeItem, height: number): void {
    this.#deps.count("sealed transaction read after its order was final");
    const [rollupId] = item.rollupIds;
    if (rollupId === undefined) return;
    this.#deps.attack((wallet, nonce) => {
      const made = signedItem(this.#options.chainId, wallet, {
        publicKey: wallet.key.publicKey,
        replay: { kind: "nonce", value: nonce },
        fee: { maxFeePerByte: 1_000n, tipPerByte: 900n },
        action: rollupData(rollupId, [utf8ToBytes(`in front of ${toHex(item.id)}`)]),
      });
      this.#attacks.set(toHex(made.id), height);
      return made.item;
    });
  }

  /** Byzantine validators show each other what they hold. */
  #collude(keys: SealKeys): void {
    for (const { key, firstTicket, secrets } of keys.shares()) {
      const known = this.#byzantine.get(key) ?? new Map<number, Uint8Array>();
      this.#byzantine.set(key, known);
      for (const [i, secret] of secrets.entries()) known.set(firstTicket + i, secret.slice());
    }
  }

  #bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#random.below(256));
  }
}

function signedItem(
  chainId: string,
  { key }: Wallet,
  body: TxBody,
): { readonly item: Uint8Array; readonly id: Uint8Array } {
  const bodyBytes = encodeTxBody(body);
  const signature = signEd25519(key, txSignBytes(chainId, bodyBytes));
  return { item: encodeTxItem({ bodyBytes, signature }), id: txId(chainId, bodyBytes) };
}
