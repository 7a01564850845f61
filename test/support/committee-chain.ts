/**
 * A `TestChain` whose validators make keys for sealed transactions. The test does what a node does by itself
 * beside its application: it registers encryption keys, deals, and keeps the secrets of tickets.
 */
import { createDkg, type Dealing, type Dkg, encryptionKeyContext } from "../../mev/seal/dkg.ts";
import { createGroup, type Group } from "../../mev/seal/group/group.ts";
import { sha256 } from "../../proto/hash.ts";
import { Height } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealGenerationState, SealKeyState } from "../../proto/codec/seal-state.ts";
import type { Action, Replay } from "../../proto/codec/weft-tx.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { keyInForce, sealKey, sealState } from "../../sequencer/app/seal/reader.ts";
import type { StakingReader } from "../../sequencer/app/staking/context.ts";
import { SEAL_GENERATION } from "../../sequencer/app/state/tables.ts";
import {
  freshRandomness,
  seal,
  type SealedBySender,
  type SealTerms,
  TEST_TDH2,
} from "./sealing.ts";
import {
  CHAIN_ID,
  type ChainOptions,
  idOf,
  nonce,
  operator,
  signedItem,
  TestChain,
  type Wallet,
} from "./weft-app.ts";

export interface KeyOptions {
  /** Nodes that do not deal. */
  readonly silent?: readonly number[];
  /** What a node deals in place of a right dealing. */
  readonly alter?: (dealer: number, dealing: Dealing) => Dealing;
}

export interface SentItem extends SealedBySender {
  readonly id: Uint8Array;
  readonly item: Uint8Array;
}

export class CommitteeChain {
  readonly chain: TestChain;
  readonly group: Group = createGroup();
  readonly dkg: Dkg = createDkg(this.group, TEST_TDH2);
  /** Secrets of encryption keys, by node. */
  readonly #secrets = new Map<number, Uint8Array>();
  /** Secrets of tickets: node, then key, then ticket. */
  readonly #tickets = new Map<number, Map<number, ReadonlyMap<number, Uint8Array>>>();
  readonly #nonces = new Map<string, bigint>();
  #salt = 0;

  private constructor(chain: TestChain) {
    this.chain = chain;
  }

  static async start(options: ChainOptions = {}): Promise<CommitteeChain> {
    const chain = await TestChain.start(options);
    const sealed = new CommitteeChain(chain);
    for (const [n, { watch }] of chain.nodes.entries()) {
      watch.ticketSecretOf = (key, ticket) => sealed.ticketSecret(n, key, ticket);
    }
    return sealed;
  }

  get state(): StakingReader {
    return this.chain.app.read.staking();
  }

  get generation(): SealGenerationState | undefined {
    return this.state.records.get(SEAL_GENERATION, "");
  }

  /** The key that the next block's sealed items are for. */
  get key(): SealKeyState {
    const key = sealKey(this.state, keyInForce(this.state, this.chain.height + 1));
    assert(key !== undefined, "there is a key in force");
    return key;
  }

  ticketSecret(node: number, key: number, ticket: number): Uint8Array | undefined {
    return this.#tickets.get(node)?.get(key)?.get(ticket);
  }

  /** Tickets of a key whose secrets the node has. */
  ticketsOf(node: number, key = 1): readonly number[] {
    return [...(this.#tickets.get(node)?.get(key)?.keys() ?? [])];
  }

  /** The node forgets its shares of all keys. */
  forget(node: number): void {
    this.#tickets.delete(node);
  }

  /** Gives the action to every node's pool; the codes must be 0. */
  async submit(
    wallet: Wallet,
    action: Action,
    replay?: Replay,
    isFree = false,
  ): Promise<Uint8Array> {
    const terms = isFree ? { maxFeePerByte: 0n, tipPerByte: 0n } : {};
    const item = signedItem(wallet, replay ?? this.nextNonce(wallet), action, terms);
    await this.submitItem(item);
    return item;
  }

  async submitItem(item: Uint8Array): Promise<void> {
    for (const index of this.chain.nodes.keys()) {
      const { code, log } = await this.chain.node(index).app.checkTx({ tx: item, type: "new" });
      assert(code === 0, `node ${index} refuses with code ${code}: ${log}`);
    }
  }

  nextNonce({ address }: Wallet): Replay {
    const name = toHex(address);
    const value = this.#nonces.get(name) ?? this.chain.app.read.account(address).nonce;
    this.#nonces.set(name, value + 1n);
    return nonce(value);
  }

  async register(node: number): Promise<void> {
    const secret = this.group.scalars.reduceWide(
      new Uint8Array([
        ...sha256(utf8ToBytes(`encryption/${node}/${this.#salt++}`)),
        ...new Uint8Array(32),
      ]),
    );
    this.#secrets.set(node, secret);
    const validator = this.chain.node(node).consensusAddress;
    const encryptionKey = this.group.mulBase(secret);
    const context = encryptionKeyContext(CHAIN_ID, validator);
    const possession = TEST_TDH2.provePossession(context, secret, encryptionKey);
    const action: Action = { kind: "registerSealKey", validator, encryptionKey, possession };
    await this.submit(operator(node), action, undefined, true);
  }

  async registerAll(): Promise<void> {
    for (const node of this.chain.nodes.keys()) await this.register(node);
  }

  /** Blocks until a generation runs; the one that does. */
  async untilGeneration(blocks = 20): Promise<SealGenerationState> {
    for (let i = 0; i < blocks; i++) {
      const { generation } = this;
      if (generation !== undefined) return generation;
      await this.chain.step();
    }
    throw new Error(`no key generation begins within ${blocks} blocks`);
  }

  /** Deals for every member, as told. */
  async deal({
    silent = [],
    alter = (_, dealing) => dealing,
  }: KeyOptions = {}): Promise<readonly Dealing[]> {
    const { generation } = this;
    assert(generation !== undefined, "a generation runs");
    const dealings: Dealing[] = [];
    for (const { validator } of generation.members) {
      const node = this.#nodeOf(validator);
      if (silent.includes(node)) continue;
      const seed = sha256(utf8ToBytes(`deal/${node}/${generation.key}`));
      const dealing = alter(
        node,
        this.dkg.deal({ chainId: CHAIN_ID, ...generation }, validator, seed),
      );
      dealings.push(dealing);
      await this.submit(operator(node), { kind: "deal", ...dealing }, undefined, true);
    }
    return dealings;
  }

  /** Blocks until the key is final; every member then opens its shares. */
  async untilFinal(dealings: readonly Dealing[], blocks = 40): Promise<SealKeyState> {
    const number = dealings[0]?.key ?? 0;
    for (let i = 0; i < blocks; i++) {
      const key = sealKey(this.state, number);
      if (key !== undefined) {
        this.openShares(key, dealings);
        return key;
      }
      await this.chain.step();
    }
    throw new Error(`key ${number} is not final within ${blocks} blocks`);
  }

  openShares(key: SealKeyState, dealings: readonly Dealing[]): void {
    const counted = dealings.filter(({ dealer }) =>
      key.dealers.some((one) => toHex(one) === toHex(dealer)),
    );
    for (const { validator } of key.members) {
      const node = this.#nodeOf(validator);
      const secret = this.#secrets.get(node);
      const terms = { ...key, chainId: CHAIN_ID, key: key.number };
      const shares = secret && this.dkg.sharesOfMember(terms, counted, validator, secret);
      if (shares === undefined) continue;
      const tickets = new Map(shares.map(({ ticket, secret: x }) => [ticket, x]));
      const known = this.#tickets.get(node) ?? new Map<number, ReadonlyMap<number, Uint8Array>>();
      this.#tickets.set(node, known.set(key.number, tickets));
    }
  }

  encryptionSecret(node: number): Uint8Array {
    const secret = this.#secrets.get(node);
    assert(secret !== undefined, "the node has registered a key");
    return secret;
  }

  /** Everything until a key is in force. */
  async makeKey(options: KeyOptions = {}): Promise<SealKeyState> {
    if (sealState(this.state).lastGeneration === 0) await this.registerAll();
    await this.untilGeneration();
    const key = await this.untilFinal(await this.deal(options));
    while (keyInForce(this.state, this.chain.height + 1) !== key.number) await this.chain.step();
    return key;
  }

  /** Terms of a sealed transaction of a wallet for the next blocks. */
  termsOf(wallet: Wallet, changes: Partial<SealTerms> = {}): SealTerms {
    return {
      chainId: CHAIN_ID,
      key: this.key,
      publicKey: wallet.key.publicKey,
      replay: changes.replay ?? this.nextNonce(wallet),
      fee: { maxFeePerByte: 1_000n, tipPerByte: 1n },
      maxHeight: Height(this.chain.height + 50),
      ...changes,
    };
  }

  /** A sealed item of data for one rollup, not submitted. */
  sealedItem(
    wallet: Wallet,
    text: string,
    rollup = "alpha",
    changes: Partial<SealTerms> = {},
  ): SentItem {
    const terms = this.termsOf(wallet, changes);
    const parts = [{ rollupId: rollupIdOfName(rollup), data: [utf8ToBytes(text)] }];
    const sealed = seal(terms, parts, freshRandomness());
    return this.signed(wallet, terms, sealed);
  }

  signed(wallet: Wallet, { replay, fee }: SealTerms, sealed: SealedBySender): SentItem {
    const item = signedItem(wallet, replay, sealed.action, fee);
    return { ...sealed, item, id: idOf(item) };
  }

  async sendSealed(wallet: Wallet, text: string, rollup = "alpha"): Promise<SentItem> {
    const sent = this.sealedItem(wallet, text, rollup);
    await this.submitItem(sent.item);
    return sent;
  }

  #nodeOf(validator: Uint8Array): number {
    const node = this.chain.nodes.findIndex(
      ({ consensusAddress }) => toHex(consensusAddress) === toHex(validator),
    );
    assert(node >= 0, "every member is a node");
    return node;
  }
}
