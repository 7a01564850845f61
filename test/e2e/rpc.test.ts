/** CosmJS's published client for CometBFT 0.38 against a running network: every method it has. */
import { Comet38Client, connectComet } from "@cosmjs/tendermint-rpc";
import { Reader } from "protobufjs/minimal.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { txHash } from "../../proto/hashes.ts";
import { verifyMerkleProof } from "../../proto/merkle.ts";
import { isEmbedded } from "../support/engine.ts";
import {
  createTestNetwork,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
} from "../support/local-network.ts";
import { type CommittedTx, sendOne, signAction } from "../support/traffic.ts";

/** `consensus/types/peer_round_state.go`. */
const PEER_ROUND_STATE = [
  "height",
  "round",
  "step",
  "start_time",
  "proposal",
  "proposal_block_part_set_header",
  "proposal_block_parts",
  "proposal_pol_round",
  "proposal_pol",
  "prevotes",
  "precommits",
  "last_commit_round",
  "last_commit",
  "catchup_commit_round",
  "catchup_commit",
];

interface DumpedPeer {
  readonly node_address: string;
  readonly peer_state: {
    readonly round_state: Readonly<Record<string, unknown>>;
    readonly stats: { readonly votes: string };
  } | null;
}

const RECEIVER = new Uint8Array(20).fill(0x55);
const TRANSFERS = 7;

let network: TestNetwork;
let node: TestValidator;
let client: Comet38Client;
/** Sent before the tests. */
const sent: CommittedTx[] = [];

/** A stream of CosmJS, as far as it is used here. */
interface EventStream<T> {
  subscribe(listener: { next(value: T): void; error(error: unknown): void; complete(): void }): {
    unsubscribe(): void;
  };
}

beforeAll(async () => {
  network = await createTestNetwork();
  await network.startAll();
  const [first] = network.validators;
  if (first === undefined) throw new Error("there is no validator");
  node = first;
  for (let i = 1; i <= TRANSFERS; i++) {
    const action = { kind: "transfer", to: RECEIVER, amount: BigInt(i) } as const;
    sent.push(await sendOne({ clients: [node.client], key: network.owner }, 0, action));
  }
});
afterAll(() => network.close());

function first(): CommittedTx {
  const [tx] = sent;
  if (tx === undefined) throw new Error("nothing was sent");
  return tx;
}

/** All of the node's pool, base64. */
async function waitingTxs(): Promise<readonly string[]> {
  const answer = await fetch(`${node.rpc}/unconfirmed_txs?limit=100`);
  const { result } = (await answer.json()) as { result: { txs: readonly string[] | null } };
  return result.txs ?? [];
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

async function transfer(amount: bigint): Promise<Uint8Array> {
  const action = { kind: "transfer", to: RECEIVER, amount } as const;
  return (await signAction(node.client, network.owner, action)).item;
}

describe.each(["http", "ws"])("CosmJS over %s on a node of a running network", (transport) => {
  beforeAll(async () => {
    client = await Comet38Client.connect(transport === "http" ? node.rpc : node.ws);
  });
  afterAll(() => client.disconnect());

  it("reads health, status and what the application says of itself", async () => {
    expect(await client.health()).toBeNull();
    const status = await client.status();
    expect(status.nodeInfo.network).toBe("weft-e2e");
    expect(status.nodeInfo.moniker).toBe("validator-0");
    expect(status.syncInfo.catchingUp).toBe(false);
    expect(status.validatorInfo.votingPower).toBe(10n);
    const info = await client.abciInfo();
    expect(info.lastBlockHeight).toBeGreaterThanOrEqual(first().height);
    expect(info.lastBlockAppHash).toHaveLength(32);
    const genesis = await client.genesis();
    expect(genesis.chainId).toBe("weft-e2e");
    expect(genesis.validators).toHaveLength(4);
  });

  it("reads blocks, headers, results and commits", async () => {
    const { height } = first();
    const { block, blockId } = await client.block(height);
    expect(block.header.height).toBe(height);
    expect(block.txs.map(toHex)).toContain(toHex(first().item));
    expect(block.lastCommit?.signatures).toHaveLength(4);
    expect((await client.block(height + 1)).block.header.lastBlockId?.hash).toEqual(blockId.hash);
    expect((await client.block()).block.header.height).toBeGreaterThan(height);
    const results = await client.blockResults(height);
    expect(results.results).toHaveLength(block.txs.length);
    expect(results.results.map(({ code }) => code)).toEqual(block.txs.map(() => 0));
    const chain = await client.blockchain(height - 1, height);
    expect(chain.blockMetas.map(({ header }) => header.height)).toEqual([height, height - 1]);
    expect(chain.blockMetas[0]?.blockId.hash).toEqual(blockId.hash);
    const commit = await client.commit(height);
    expect(commit.canonical).toBe(true);
    expect(commit.commit.blockId.hash).toEqual(blockId.hash);
    expect((await client.commit()).commit.height).toBeGreaterThanOrEqual(height);
    await expect(client.block(1_000_000)).rejects.toThrow(/must be less than or equal to/);
  });

  it("reads the validators, page by page", async () => {
    const all = await client.validatorsAll(first().height);
    expect([all.count, all.total, all.validators.length]).toEqual([4, 4, 4]);
    const second = await client.validators({ height: first().height, page: 2, per_page: 3 });
    expect([second.count, second.total]).toEqual([1, 4]);
    const { validatorInfo } = await client.status();
    expect(all.validators.map(({ address }) => toHex(address))).toContain(
      toHex(validatorInfo.address),
    );
  });

  it("shows what each peer is known to have, and checks a transaction without keeping it", async () => {
    const dump = await until("all peers have said where they are", async () => {
      const { peers } = await rpc<{ peers: readonly DumpedPeer[] }>(node, "dump_consensus_state");
      return peers.length === 3 && peers.every((one) => one.peer_state !== null) && peers;
    });
    for (const { node_address: address, peer_state: state } of dump) {
      expect(address).toMatch(/^[0-9a-f]{40}@127\.0\.0\.1:\d+$/);
      expect(Object.keys(state?.round_state ?? {})).toEqual(PEER_ROUND_STATE);
      expect(Number(state?.round_state["height"])).toBeGreaterThan(1);
      expect(Number(state?.stats.votes)).toBeGreaterThan(0);
    }
    // CometBFT asks the application as for any transaction, and so it is kept.
    if (!isEmbedded) return;
    const item = await transfer(1_000n);
    const tx = Buffer.from(item).toString("base64");
    const checked = await rpc<{ code: number; data: string }>(node, "check_tx", { tx });
    expect(checked.code).toBe(0);
    const junk = Buffer.from("junk").toString("base64");
    expect((await rpc<{ code: number }>(node, "check_tx", { tx: junk })).code).not.toBe(0);
    const sentNow = await client.broadcastTxCommit({ tx: item });
    expect(sentNow.checkTx.code, "it was not kept, so that it is new").toBe(0);
  });

  it("queries the state with a proof that the next header's app hash confirms", async () => {
    const account = await client.abciQuery({
      path: `/account/${formatAddress(RECEIVER)}`,
      data: new Uint8Array(0),
      prove: true,
    });
    expect(account.code).toBe(0);
    const [op] = account.proof?.ops ?? [];
    if (op === undefined) throw new Error("a proof was asked for");
    expect(op.type).toBe("ics23:smt");
    const at = account.height ?? 0;
    const next = await until("the block that holds the app hash", () => client.block(at + 1));
    expect(toHex(existenceRoot(op.data, account.key, account.value))).toBe(
      toHex(next.block.header.appHash),
    );
    const unproved = await client.abciQuery({ path: "/params", data: new Uint8Array(0) });
    expect([unproved.code, unproved.proof?.ops ?? []]).toEqual([0, []]);
    const wrong = await client.abciQuery({ path: "/nonsense", data: new Uint8Array(0) });
    expect([wrong.code, wrong.codespace]).toEqual([80, "weft"]);
  });

  it("finds transactions and blocks by what happened in them", async () => {
    const last = sent.at(-1)?.height ?? 0;
    const recipient = formatAddress(RECEIVER);
    const heights = `tx.height <= ${last}`;
    const query = `transfer.recipient = '${recipient}' AND ${heights}`;
    const all = await until("everything is indexed", async () => {
      const found = await client.txSearchAll({ query, per_page: 3 });
      return found.txs.length >= TRANSFERS && found;
    });
    expect(all.txs.map(({ tx }) => toHex(tx)).toSorted()).toEqual(
      sent.map(({ item }) => toHex(item)).toSorted(),
    );
    const page = await client.txSearch({ query, page: 2, per_page: 3, order_by: "desc" });
    expect([page.txs.length, page.totalCount]).toEqual([3, TRANSFERS]);
    const sender = formatAddress(accountAddress(network.owner.publicKey));
    const own = await client.txSearch({
      query: `tx.sender = '${sender}' AND tx.height = ${first().height}`,
      prove: true,
    });
    const [found] = own.txs;
    if (found?.proof === undefined) throw new Error("a proof was asked for");
    const { proof, rootHash } = found.proof;
    expect(verifyMerkleProof(proof, rootHash, txHash(found.tx))).toBe(true);
    const { block } = await client.block(found.height);
    expect(toHex(rootHash)).toBe(toHex(block.header.dataHash));
    const byHash = await client.tx({ hash: txHash(first().item), prove: true });
    expect([byHash.height, byHash.result.code]).toEqual([first().height, 0]);
    await expect(client.tx({ hash: new Uint8Array(32) })).rejects.toThrow("not found");
    const one = await client.blockSearch({ query: `block.height = ${last}` });
    expect(one.blocks.map(({ block: b }) => b.header.height)).toEqual([last]);
    const many = await client.blockSearchAll({
      query: `block.height >= 2 AND block.height <= ${last}`,
      per_page: 4,
    });
    expect(many.blocks.map(({ block: b }) => b.header.height)).toEqual(
      Array.from({ length: last - 1 }, (_, i) => i + 2),
    );
  });

  it("sends transactions in every way, and says why one is refused", async () => {
    const before = (await node.client.account(RECEIVER)).balance;
    const commit = await client.broadcastTxCommit({ tx: await transfer(100n) });
    expect([commit.checkTx.code, commit.txResult?.code]).toEqual([0, 0]);
    expect((await node.client.account(RECEIVER)).balance).toBe(before + 100n);
    const tx = await transfer(200n);
    const sync = await client.broadcastTxSync({ tx });
    expect([sync.code, toHex(sync.hash)]).toEqual([0, toHex(txHash(tx))]);
    const other = await transfer(300n);
    const asynchronous = await client.broadcastTxAsync({ tx: other });
    expect(toHex(asynchronous.hash)).toBe(toHex(txHash(other)));
    await until("both are in blocks", async () => {
      const { balance } = await node.client.account(RECEIVER);
      return balance === before + 600n;
    });
    const refused = await client.broadcastTxSync({ tx: utf8ToBytes("no transaction") });
    expect([refused.code, refused.codespace]).toEqual([1, "weft"]);
    expect(refused.log).toContain("not a canonical transaction item");
    // Everything is in blocks, and what was refused is not kept.
    expect(await waitingTxs()).not.toContain(base64(tx));
    expect(await waitingTxs()).not.toContain(base64(other));
    expect(await waitingTxs()).not.toContain(base64(utf8ToBytes("no transaction")));
    // What validators owe to their keys waits like any transaction, for a block or two.
    await until("nothing waits", async () => {
      const waiting = await client.numUnconfirmedTxs();
      return waiting.total === 0 && waiting.totalBytes === 0;
    });
  });
});

it("CosmJS takes the node for one of CometBFT 0.38", async () => {
  const found = await connectComet(node.rpc);
  expect(found).toBeInstanceOf(Comet38Client);
  found.disconnect();
});

it("CosmJS subscribes to blocks, headers and transactions, with nothing lost or doubled", async () => {
  const listener = await Comet38Client.connect(node.ws);
  const blocks: { readonly height: number; readonly txs: number }[] = [];
  const headers: number[] = [];
  const txs: string[] = [];
  const errors: unknown[] = [];
  const listen = <T>(stream: EventStream<T>, next: (value: T) => void) =>
    stream.subscribe({ next, error: (e) => errors.push(e), complete: () => errors.push("end") });
  const subscriptions = [
    listen(listener.subscribeNewBlock(), ({ header, txs: items }) =>
      blocks.push({ height: header.height, txs: items.length }),
    ),
    listen(listener.subscribeNewBlockHeader(), ({ height }) => headers.push(height)),
    listen(
      listener.subscribeTx(`transfer.recipient = '${formatAddress(RECEIVER)}'`),
      ({ tx, height }) => txs.push(`${height} ${toHex(tx)}`),
    ),
  ];
  // An answer on the same connection says that the subscriptions before it stand.
  await listener.health();
  const wanted: CommittedTx[] = [];
  for (let i = 0; i < 5; i++) {
    const action = { kind: "transfer", to: RECEIVER, amount: 1n } as const;
    wanted.push(await sendOne({ clients: [node.client], key: network.owner }, 0, action));
  }
  // To somebody else: not what was asked for.
  const elsewhere = { kind: "transfer", to: new Uint8Array(20).fill(1), amount: 1n } as const;
  await sendOne({ clients: [node.client], key: network.owner }, 0, elsewhere);
  const last = Math.max(...wanted.map(({ height }) => height));
  await until("blocks and headers up to the last transaction", async () =>
    [headers.at(-1), blocks.at(-1)?.height].every((height) => (height ?? 0) > last),
  );
  expect(errors).toEqual([]);
  expect(txs).toEqual(wanted.map(({ height, item }) => `${height} ${toHex(item)}`));
  for (const heights of [headers, blocks.map(({ height }) => height)]) {
    const start = heights[0] ?? 0;
    expect(heights).toEqual(heights.map((_, i) => start + i));
  }
  for (const subscription of subscriptions) subscription.unsubscribe();
  listener.disconnect();
});

/**
 * Root of an ICS-23 existence proof by Weft's tree rule, worked out here from the wire format so that
 * it shares nothing with the code that made it: leaf = H(00, H(key), H(value)), node = H(prefix, child, suffix).
 */
function existenceRoot(proof: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array {
  const exist = field(proof, 1);
  expect(toHex(field(exist, 1))).toBe(toHex(key));
  expect(toHex(field(exist, 2))).toBe(toHex(value));
  let node_ = sha256(Buffer.concat([Uint8Array.of(0), sha256(key), sha256(value)]));
  for (const op of fields(exist, 4)) {
    const prefix = field(op, 2);
    expect(prefix[0]).toBe(1);
    node_ = sha256(Buffer.concat([prefix, node_, field(op, 3)]));
  }
  return node_;
}

function field(message: Uint8Array, number: number): Uint8Array {
  return fields(message, number)[0] ?? new Uint8Array(0);
}

/** The length-delimited fields of a protobuf message that have this number. */
function fields(message: Uint8Array, number: number): Uint8Array[] {
  const reader = Reader.create(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === ((number << 3) | 2)) found.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}
