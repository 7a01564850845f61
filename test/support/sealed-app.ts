/** Applications with a key for sealed transactions that no generation has made: for tests of what is done with one. */
import { Height } from "../../proto/brands.ts";
import { compareBytes, joinBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { Openings } from "../../proto/codec/seal-block.ts";
import type { SealState } from "../../proto/codec/seal-state.ts";
import { decodeItem, encodeItem, type Item } from "../../proto/codec/weft-block.ts";
import { pooledSupply } from "../../proto/codec/weft-state.ts";
import { type Fee, type Replay, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import type { AbciEvent } from "../../sequencer/abci/application.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { hashSeal, hashToScalar, labelHash, sealTag } from "../../mev/seal/hashes.ts";
import { SEAL_SHARES_MISSING } from "../../sequencer/app/seal/events.ts";
import { NO_SEAL_STATE } from "../../sequencer/app/seal/reader.ts";
import { numberKey, SEAL, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import { type TestSealKey, testSealKey } from "./seal-key.ts";
import { seal, sealPlaintext, type SealedBySender } from "./sealing.ts";
import {
  CHAIN_ID,
  type ChainOptions,
  consensusKey,
  type DecidedBlock,
  idOf,
  nonce,
  signedItem,
  sumOfBalances,
  TestChain,
  type Wallet,
  wallet,
} from "./weft-app.ts";

export interface SealedChainOptions extends ChainOptions {
  /** Tickets of each validator; default: one. */
  readonly tickets?: readonly number[];
  /** Default: more than two thirds of the tickets. */
  readonly threshold?: number;
  /** More keys that the state holds, by number, from 2 on. */
  readonly moreKeys?: number;
  readonly seal?: Partial<SealState>;
  /** Validators that have lost their shares of every key. */
  readonly withoutSecrets?: readonly number[];
}

export interface SealedChain {
  readonly chain: TestChain;
  /** Key 1, in force unless the options say otherwise, and then 2, 3, ... */
  readonly keys: readonly [TestSealKey, ...TestSealKey[]];
}

export async function startSealedChain(options: SealedChainOptions = {}): Promise<SealedChain> {
  const { validators = 4, moreKeys = 0 } = options;
  const tickets = options.tickets ?? Array.from({ length: validators }, () => 1);
  const total = tickets.reduce((sum, count) => sum + count, 0);
  const threshold = options.threshold ?? Math.floor((total * 2) / 3) + 1;
  const members = tickets.map((_, n) => ({ address: ed25519Address(consensusKey(n).publicKey) }));
  const keyOf = (number: number): TestSealKey => testSealKey(number, members, tickets, threshold);
  const keys = [keyOf(1), ...Array.from({ length: moreKeys }, (_, n) => keyOf(n + 2))] as const;
  const state = { ...NO_SEAL_STATE, activeKey: 1, isOpen: true, ...options.seal };
  const chain = await TestChain.start({
    ...options,
    validators,
    state: new Map([
      [SEAL.prefix, SEAL.encode(state)],
      ...keys.map(
        ({ state: key }) =>
          [SEAL_KEYS.prefix + numberKey(key.number), SEAL_KEYS.encode(key)] as const,
      ),
    ]),
    ticketSecretOf: (node) => (key, ticket) =>
      options.withoutSecrets?.includes(node) === true
        ? undefined
        : keys[key - 1]?.secretOf(key, ticket),
  });
  return { chain, keys };
}

export interface TextTerms extends Partial<Fee> {
  readonly rollups?: readonly string[];
  readonly maxHeight?: number;
  readonly chainId?: string;
  /** Instead of the text: whatever a sender seals, as long as a bucket. */
  readonly plaintext?: Uint8Array;
  /** What the sender does to the ciphertext, with a proof that holds. */
  readonly damage?: (sealed: SealedBySender) => SealedBySender["action"];
}

export interface SealedText extends SealedBySender {
  readonly item: Uint8Array;
}

/** A signed item with the same text for each rollup; the same for the same arguments. */
export function sealText(
  sender: Wallet,
  replay: Replay,
  key: TestSealKey,
  text: string,
  options: TextTerms = {},
): SealedText {
  const { rollups = ["alpha"], maxHeight = 1_000, chainId = CHAIN_ID } = options;
  const fee = {
    maxFeePerByte: options.maxFeePerByte ?? 1_000n,
    tipPerByte: options.tipPerByte ?? 1n,
  };
  const terms = {
    chainId,
    key: key.state,
    publicKey: sender.key.publicKey,
    replay,
    fee,
    maxHeight: Height(maxHeight),
  };
  const parts = rollups.map((name) => ({
    rollupId: rollupIdOfName(name),
    data: [utf8ToBytes(text)],
  }));
  const rollupIds = parts.map(({ rollupId }) => rollupId).sort(compareBytes);
  const name = utf8ToBytes(`${text} ${JSON.stringify(replay, (_, value) => String(value))}`);
  const randomness = { seed: sha256(name), nonce: sha512Concat(sender.address, name) };
  const made =
    options.plaintext === undefined
      ? seal(terms, parts, randomness)
      : sealPlaintext(terms, rollupIds, options.plaintext, randomness);
  const action = options.damage?.(made) ?? made.action;
  return { ...made, action, item: signedItem(sender, replay, action, { ...fee, chainId }) };
}

/**
 * What a sender makes who knows r and puts noise under the mask: the ciphertext is valid, and no Z opens it.
 * `seed`: what r was made of.
 */
export function withNoise({ action, label, seed }: SealedBySender): SealedBySender["action"] {
  const l = labelHash(label);
  const gbar = GROUP.fromUniform(hashSeal(sealTag("gbar")));
  const r = hashToScalar(GROUP, sealTag("r"), l, seed);
  const s = hashToScalar(GROUP, sealTag("noise"), l, seed);
  const noise = sha256(seed);
  const points = joinBytes(
    [r, s].flatMap((scalar) => [GROUP.mulBase(scalar), GROUP.mulEach(scalar, gbar) ?? gbar]),
  );
  const bodyHash = sha256(action.body);
  const e = hashToScalar(GROUP, sealTag("ciphertext"), l, points, noise, bodyHash);
  const phi = GROUP.scalars.mulAdd(e, r, s);
  return { ...action, kem: joinBytes([points, phi, noise]) };
}

const GROUP = createGroup();

/**
 * Events of a block, its transactions' too, whose type begins so; attributes by name. What votes owe is left
 * out unless it is asked for: it says nothing of items.
 */
export function eventsOf(
  { response }: DecidedBlock,
  prefix = "seal_",
): readonly (Readonly<Record<string, string>> & { readonly type: string })[] {
  const all: AbciEvent[] = [
    ...response.events,
    ...response.txResults.flatMap(({ events }) => events),
  ];
  return all
    .filter(({ type }) => type.startsWith(prefix))
    .filter(({ type }) => type !== SEAL_SHARES_MISSING || prefix === SEAL_SHARES_MISSING)
    .map(({ type, attributes }) => ({
      ...Object.fromEntries(attributes.map(({ key, value }) => [key, value])),
      type,
    }));
}

export async function submitSealed(
  { chain, keys: [key] }: SealedChain,
  sender: number,
  text: string,
  terms: TextTerms = {},
): Promise<SealedText & { readonly id: string }> {
  const { nonce: next } = chain.app.read.pendingAccount(wallet(sender).address);
  const sealed = sealText(wallet(sender), nonce(next), key, text, terms);
  const code = await chain.submit(sealed.item);
  assert(code === 0, `the pool refuses it: code ${code}`);
  return { ...sealed, id: toHex(idOf(sealed.item)) };
}

/** Node 0 makes each block, so that one pool is enough. */
export function stepUntil(chain: TestChain, height: number): Promise<DecidedBlock> {
  return chain.stepTo(height, 0);
}

export function openingsIn(txs: readonly Uint8Array[]): Openings | undefined {
  const items = txs.map(decodeItem);
  return items.find((item): item is Extract<Item, { kind: "openings" }> => item.kind === "openings")
    ?.openings;
}

/** The same block with other openings, or none. */
export function withOpenings(
  txs: readonly Uint8Array[],
  change: (openings: Openings) => Openings | undefined,
): readonly Uint8Array[] {
  return txs.flatMap((tx) => {
    const item = decodeItem(tx);
    if (item.kind !== "openings") return [tx];
    const openings = change(item.openings);
    return openings === undefined ? [] : [encodeItem({ kind: "openings", openings })];
  });
}

/** Changes the points of the first batch. */
export function withPoints(
  txs: readonly Uint8Array[],
  change: (points: Uint8Array) => Uint8Array,
): readonly Uint8Array[] {
  return withOpenings(txs, (openings) => ({
    ...openings,
    batches: openings.batches.map((batch, at) =>
      at === 0 ? { ...batch, points: change(batch.points) } : batch,
    ),
  }));
}

/** From here on, these nodes answer ABSTAIN; returns how they get their secrets back. */
export function loseSecrets(chain: TestChain, nodes: readonly number[]): () => void {
  const kept = nodes.map((n) => chain.node(n).watch.ticketSecretOf);
  for (const n of nodes) chain.node(n).watch.ticketSecretOf = () => undefined;
  return () => {
    for (const [at, n] of nodes.entries()) {
      const secretOf = kept[at];
      if (secretOf !== undefined) chain.node(n).watch.ticketSecretOf = secretOf;
    }
  };
}

export const balanceOf = (chain: TestChain, n: number): bigint =>
  chain.app.read.account(wallet(n).address).balance;

/** All nweft are somewhere (staking invariant S1). */
export async function expectSupply(chain: TestChain): Promise<void> {
  const supply = chain.app.read.supply();
  const sum = pooledSupply(supply) + (await sumOfBalances(chain.node(0)));
  assert(sum === supply.total, `${sum} nweft are somewhere, the supply is ${supply.total}`);
}
