/** Transactions that must not pass, at every door of a running network, while honest ones go on. */
import { createHash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { concatBytes, toBase64, toHex } from "../../proto/bytes.ts";
import { PLAIN_POLICY, type RollupPolicy } from "../../proto/codec/rollup-policy.ts";
import {
  type Action,
  accountAddress,
  encodeTxBody,
  rollupData,
  rollupIdOfName,
  type TxBody,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import {
  type Ed25519KeyPair,
  generateEd25519KeyPair,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { type SignedItem, signTx } from "../../rollup-adapter/client/signed-tx.ts";
import { isEmbedded } from "../support/engine.ts";
import {
  createTestNetwork,
  height,
  mapSome,
  range,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { sendOne, startTraffic, type Traffic } from "../support/traffic.ts";

const CHAIN = "weft-e2e";
const HONEST = new Uint8Array(20).fill(0x10);
const THIEF = new Uint8Array(20).fill(0x20);
const GREEDY = new Uint8Array(20).fill(0x30);
const ONE_NWEFT: Action = { kind: "transfer", to: THIEF, amount: 1n };

let network: TestNetwork;
let honest: Traffic;
let node: TestValidator;
/** An account with money of its own. */
let payer: Ed25519KeyPair;
let salt = 0;

beforeAll(async () => {
  network = await createTestNetwork({ rollups: ["alpha"] });
  await network.startAll();
  const [first] = network.validators;
  if (first === undefined) throw new Error("there is no validator");
  node = first;
  payer = generateEd25519KeyPair();
  await fund(payer, 1_000_000_000n);
  honest = startTraffic({
    clients: network.validators.map(({ client }) => client),
    key: network.owner,
    senders: 3,
    action: () => ({ kind: "transfer", to: HONEST, amount: 1n }),
  });
});
afterAll(() => network.close());

async function fund(key: Ed25519KeyPair, amount: bigint): Promise<void> {
  const to = accountAddress(key.publicKey);
  const settings = { clients: [node.client], key: network.owner };
  const { height: at } = await sendOne(settings, 0, { kind: "transfer", to, amount });
  await untilHeight(network.validators, at);
}

/** A valid body of the payer that does what it says, but for what is changed. */
async function bodyOf(change: Partial<TxBody> = {}): Promise<TxBody> {
  const info = await node.client.chainInfo();
  salt += 1;
  return {
    publicKey: payer.publicKey,
    replay: {
      kind: "unordered",
      expiryHeight: Height(info.height + 100),
      salt: new TextEncoder().encode(`bad ${salt}`),
    },
    fee: { maxFeePerByte: info.baseFeePerByte * 4n, tipPerByte: 0n },
    action: ONE_NWEFT,
    ...change,
  };
}

function sign(body: TxBody, key = payer, chainId = CHAIN): SignedItem {
  return signTx(chainId, body, {
    publicKey: key.publicKey,
    sign: (message) => signEd25519(key, message),
  });
}

/** A length-delimited protobuf field. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(varint((number << 3) | 2), varint(bytes.length), bytes);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Uint8Array.from([...bytes, rest]);
}

/** An item put together by hand: body and signature as given, whatever they are. */
function itemOf(bodyBytes: Uint8Array, signature: Uint8Array | undefined): Uint8Array {
  const signed = signature === undefined ? [] : [field(2, signature)];
  return field(4, concatBytes(field(1, bodyBytes), ...signed));
}

/** Bytes that are not the canonical body, with a good signature over those very bytes. */
function signedBytes(bodyBytes: Uint8Array): Uint8Array {
  return itemOf(bodyBytes, signEd25519(payer, txSignBytes(CHAIN, bodyBytes)));
}

/** Another valid signature of the same key over the same message: RFC 8032 with a nonce of our own. */
function signOtherwise(key: Ed25519KeyPair, message: Uint8Array, nonce: bigint): Uint8Array {
  const { scalar } = ed25519.utils.getExtendedPublicKey(key.privateKey.slice(0, 32));
  const order = ed25519.Point.Fn.ORDER;
  const r = ed25519.Point.BASE.multiply(nonce).toBytes();
  const digest = createHash("sha512")
    .update(concatBytes(r, key.publicKey, message))
    .digest();
  const k = littleEndian(digest) % order;
  return concatBytes(r, bytes32((nonce + k * scalar) % order));
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function bytes32(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

interface Verdict {
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
}

async function overGrpc(item: Uint8Array, place = node): Promise<Verdict> {
  const { code, codespace, reason } = await place.client.submit(item);
  return { code, codespace, reason };
}

async function overRpc(item: Uint8Array, place = node): Promise<Verdict> {
  const answer = await rpc<{ code: number; codespace: string; log: string }>(
    place,
    "broadcast_tx_sync",
    { tx: toBase64(item) },
  );
  return { code: answer.code, codespace: answer.codespace, reason: answer.log };
}

/** What both doors say, which has to be the same. */
async function verdictOf(item: Uint8Array): Promise<Verdict> {
  const grpc = await overGrpc(item);
  const json = await overRpc(item).catch((error: unknown) => {
    // CometBFT remembers what stood in blocks, and asks the application no more.
    if (isEmbedded || !String(error).includes("tx already exists in cache")) throw error;
    return grpc;
  });
  // A block may have come between the two: the words agree, heights in them may not.
  expect({ ...json, reason: withoutNumbers(json.reason) }).toEqual({
    ...grpc,
    reason: withoutNumbers(grpc.reason),
  });
  expect(grpc.reason.length, "a reason in words").toBeGreaterThan(10);
  return grpc;
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, "#");
}

async function balance(address: Uint8Array): Promise<bigint> {
  return (await node.client.account(address)).balance;
}

describe("a transaction that must not pass is refused with a code and a reason", () => {
  it.each<[string, number, () => Promise<Uint8Array>]>([
    ["no item at all", 1, async () => Uint8Array.of(1, 2, 3)],
    ["nothing", 1, async () => new Uint8Array(0)],
    ["unsigned", 1, async () => itemOf(encodeTxBody(await bodyOf()), undefined)],
    ["a short signature", 1, async () => itemOf(encodeTxBody(await bodyOf()), new Uint8Array(63))],
    ["a wrong signature", 4, async () => itemOf(encodeTxBody(await bodyOf()), new Uint8Array(64))],
    ["signed by another key", 4, async () => sign(await bodyOf(), generateEd25519KeyPair()).item],
    ["signed for another chain", 4, async () => sign(await bodyOf(), payer, "weft-other").item],
    [
      "an unknown field",
      1,
      async () => signedBytes(concatBytes(encodeTxBody(await bodyOf()), field(99, THIEF))),
    ],
    [
      "an explicit zero",
      1,
      // Transfer.amount = 0 at the end of the last field, with its length one more zero long.
      async () => signedBytes(concatBytes(encodeTxBody(await bodyOf()), Uint8Array.of(0x60, 0))),
    ],
    [
      "a varint longer than it need be",
      1,
      async () => {
        const body = encodeTxBody(await bodyOf());
        // Field 1, the key: its length 32 as two bytes.
        return signedBytes(concatBytes(Uint8Array.of(0x0a, 0xa0, 0x00), body.subarray(2)));
      },
    ],
    [
      "fields in another order",
      1,
      async () => {
        const body = encodeTxBody(await bodyOf());
        return signedBytes(concatBytes(body.subarray(34), body.subarray(0, 34)));
      },
    ],
    [
      "something behind the item",
      1,
      async () => concatBytes(sign(await bodyOf()).item, Uint8Array.of(0x0a, 0)),
    ],
    ["a manifest, which only proposers make", 2, async () => manifestItem()],
    [
      "an expiry that has passed",
      22,
      async () => {
        const replay = {
          kind: "unordered",
          expiryHeight: Height(1),
          salt: HONEST.subarray(0, 8),
        } as const;
        return sign(await bodyOf({ replay })).item;
      },
    ],
    [
      "an expiry too far ahead",
      23,
      async () => {
        const replay = {
          kind: "unordered",
          expiryHeight: Height(100_000_000),
          salt: HONEST.subarray(0, 8),
        } as const;
        return sign(await bodyOf({ replay })).item;
      },
    ],
    [
      "a nonce far ahead",
      21,
      async () => sign(await bodyOf({ replay: { kind: "nonce", value: 1_000_000n } })).item,
    ],
    [
      "underpaid",
      26,
      async () => sign(await bodyOf({ fee: { maxFeePerByte: 0n, tipPerByte: 0n } })).item,
    ],
    [
      "more than the account has",
      60,
      async () => {
        const action = { kind: "transfer", to: THIEF, amount: 1n << 62n } as const;
        return sign(await bodyOf({ action })).item;
      },
    ],
    [
      "from an account that does not exist",
      27,
      async () => {
        const nobody = generateEd25519KeyPair();
        return sign(await bodyOf({ publicKey: nobody.publicKey }), nobody).item;
      },
    ],
    [
      "for an unknown rollup",
      61,
      async () => {
        const action = rollupData(rollupIdOfName("no-such-rollup"), [HONEST]);
        return sign(await bodyOf({ action })).item;
      },
    ],
    [
      "a rollup name that is taken",
      63,
      async () => {
        const policy: RollupPolicy = {
          ...PLAIN_POLICY,
          sealedOnly: false,
          auction: false,
          reserve: 0n,
          revenueShareBps: 0,
          executorKeys: [],
        };
        const { publicKey: ownerKey } = payer;
        const action = { kind: "registerRollup", name: "alpha", policy, ownerKey } satisfies Action;
        return sign(await bodyOf({ action })).item;
      },
    ],
  ])("%s", async (_name, code, make) => {
    const verdict = await verdictOf(await make());
    expect(verdict).toMatchObject({ code, codespace: "weft" });
  });

  it("oversized", async () => {
    const action = rollupData(rollupIdOfName("alpha"), [new Uint8Array(1_100_000)]);
    const { item } = sign(await bodyOf({ action }));
    expect(await overGrpc(item)).toMatchObject({ code: 3, codespace: "weft" });
    // Too large for the door even: the RPC says so before it reads it all.
    await expect(overRpc(item)).rejects.toThrow(/request body too large/);
    const huge = new Uint8Array(9 << 20);
    await expect(node.client.submit(huge)).rejects.toMatchObject({
      info: { code: "SEQUENCER_CALL_FAILED", status: "RESOURCE_EXHAUSTED" },
    });
    expect(await balance(THIEF)).toBe(0n);
  });
});

describe("a transaction that was good once", () => {
  it("does not count a second time, neither as it was nor signed anew", async () => {
    const to = new Uint8Array(20).fill(0x40);
    const body = await bodyOf({ action: { kind: "transfer", to, amount: 5n } });
    const bodyBytes = encodeTxBody(body);
    const message = txSignBytes(CHAIN, bodyBytes);
    const copies = [
      sign(body).item,
      itemOf(bodyBytes, signOtherwise(payer, message, 11n)),
      itemOf(bodyBytes, signOtherwise(payer, message, 12n)),
    ];
    expect(new Set(copies.map(toHex)).size).toBe(3);
    // All at once, each to another node, so that each may be first somewhere.
    const places = network.validators.slice(0, 3);
    const verdicts = await Promise.all(
      places.map((place, i) => overGrpc(copies[i] ?? new Uint8Array(0), place)),
    );
    expect(verdicts.map(({ code }) => code).filter((code) => code !== 0 && code !== 40)).toEqual(
      [],
    );
    const id = txId(CHAIN, bodyBytes);
    const at = await until("it is in a block", async () => {
      const status = await node.client.transactionStatus(id);
      return status.state === "committed" && status.height;
    });
    await untilHeight(network.validators, at + 1);
    for (const place of network.validators) {
      for (const copy of copies) {
        const { code, reason } = await overGrpc(copy, place);
        expect([code, reason], place.name).toEqual([40, expect.stringContaining(`block ${at}`)]);
        expect((await place.client.submit(copy)).isDuplicate).toBe(true);
      }
    }
    await untilHeight([node], (await height(node)) + 3);
    expect(await balance(to)).toBe(5n);
    const seen = await mapSome(range(at - 1, await height(node)), async (h) => {
      const answer = await rpc<{ block: { data: { txs: string[] } } }>(node, "block", {
        height: String(h),
      });
      return answer.block.data.txs.filter((tx) => copies.some((copy) => toBase64(copy) === tx))
        .length;
    });
    expect(seen.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it("is paid for once when money for one was sent out a thousand times", async () => {
    const poor = generateEd25519KeyPair();
    const AMOUNT = 1_000_000n;
    const sample = sign(await bodyOf({ publicKey: poor.publicKey }), poor);
    const { baseFeePerByte } = await node.client.chainInfo();
    // Enough for one at its highest fee, not for the amount of two.
    await fund(poor, AMOUNT + BigInt(sample.item.length + 8) * baseFeePerByte * 4n);
    const action = { kind: "transfer", to: GREEDY, amount: AMOUNT } as const;
    const items = await Promise.all(
      range(1, 1_000).map(async () =>
        sign(await bodyOf({ publicKey: poor.publicKey, action }), poor),
      ),
    );
    const codes = new Map<number, number>();
    await mapSome(items, async ({ item }) => {
      const place = network.validators[(item.at(-1) ?? 0) % network.validators.length] ?? node;
      const { code } = await overGrpc(item, place);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    });
    // Beside what others of the account cost already, or after the fee, nothing is left for it.
    for (const code of codes.keys()) expect([0, 27, 60]).toContain(code);
    expect(codes.get(0)).toBeGreaterThanOrEqual(1);
    expect(codes.get(0)).toBeLessThanOrEqual(network.validators.length);
    await until("one of them is in a block", async () => (await balance(GREEDY)) > 0n);
    await untilHeight([node], (await height(node)) + 5);
    expect(await balance(GREEDY)).toBe(AMOUNT);
    const states = await mapSome(items, ({ id }) => node.client.transactionStatus(id));
    expect(states.filter(({ state }) => state === "committed")).toHaveLength(1);
    expect(states.filter(({ state }) => state === "pending" || state === "failed")).toEqual([]);
  });
});

describe("meanwhile", () => {
  it("honest traffic went on and every nweft is accounted for", async () => {
    await honest.stop();
    expect(honest.committed.length).toBeGreaterThan(20);
    const top = Math.max(...honest.committed.map((tx) => tx.height));
    await untilHeight(network.validators, top + 1);
    expect(await balance(HONEST)).toBe(BigInt(honest.committed.length));
    expect(await balance(THIEF)).toBe(0n);
    const accounts = [...(await addressesOfBlocks(top + 1))];
    const sums = await mapSome(network.validators, async (place) => {
      const balances = await mapSome(accounts, async (address) => {
        const { json } = await query(place, `/account/${address}`);
        return BigInt(String(json["balance"]));
      });
      const { json: supply } = await query(place, "/supply");
      const held = Object.entries(supply).reduce(
        (sum, [name, one]) =>
          name === "total" || name === "burned" ? sum : sum + BigInt(String(one)),
        0n,
      );
      return [balances.reduce((sum, one) => sum + one, held), BigInt(String(supply["total"]))];
    });
    for (const [held, total] of sums) expect(held).toBe(total);
    expect(new Set(sums.map(String)).size).toBe(1);
  });
});

/** Everybody who has or had money: the genesis accounts and whoever a transfer names. */
async function addressesOfBlocks(top: number): Promise<ReadonlySet<string>> {
  const genesis = await rpc<{
    genesis: { app_state: { accounts: { address: string }[] } };
  }>(node, "genesis");
  const found = new Set(genesis.genesis.app_state.accounts.map(({ address }) => address));
  await mapSome(range(1, top), async (h) => {
    const { txs_results: results } = await rpc<{
      txs_results: { events?: { type: string; attributes: { key: string; value: string }[] }[] }[];
    }>(node, "block_results", { height: String(h) });
    for (const { events } of results) {
      for (const { key, value } of (events ?? []).flatMap((event) => event.attributes)) {
        if (key === "sender" || key === "recipient") found.add(value);
      }
    }
  });
  expect(found).toContain(formatAddress(HONEST));
  return found;
}

async function query(place: TestValidator, path: string) {
  const { response } = await rpc<{ response: { info: string; height: string } }>(
    place,
    "abci_query",
    { path, data: "", prove: false },
  );
  const json = JSON.parse(response.info) as Readonly<Record<string, unknown>>;
  return { json, height: Number(response.height) };
}

/** Item 0 of a real block: what a proposer made, sent by somebody else. */
async function manifestItem(): Promise<Uint8Array> {
  const { block } = await rpc<{ block: { data: { txs: string[] } } }>(node, "block", {
    height: "2",
  });
  return new Uint8Array(Buffer.from(block.data.txs[0] ?? "", "base64"));
}
