import { mkdir, mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGroup } from "../../mev/seal/group/group.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { SHARES_CODEC } from "../../proto/codec/seal-block.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { type Action, decodeTxBody } from "../../proto/codec/weft-tx.ts";
import { partSignBytes, PartType } from "../../proto/codec/weft-extension.ts";
import { Height } from "../../proto/brands.ts";
import { signEd25519 } from "../../proto/verify/ed25519.ts";
import { sha512Concat } from "../../proto/hash.ts";
import { generationOf, termsOf } from "../app/seal/keys/generation.ts";
import { keyInForce, sealKey, sealState } from "../app/seal/reader.ts";
import { SEAL_ENCRYPTION, VALIDATORS } from "../app/state/tables.ts";
import { type Logger, NULL_LOGGER } from "../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import {
  CHAIN_ID,
  type ChainOptions,
  operator,
  signedItem,
  TestChain,
  unordered,
} from "../../test/support/weft-app.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { refusedForNow } from "./grpc-ports.ts";
import { createSealDuties, type SealDuties } from "./seal-duties.ts";
import { openSealKeys, type SealKeys } from "./seal-keys.ts";

const group = createGroup();
let directory: string;
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), "weft-duties-"))));
afterEach(() => rm(directory, { recursive: true }));

/** What one node does besides its application. */
interface Duty {
  readonly duties: SealDuties;
  readonly keys: SealKeys;
}

/** A chain whose nodes do their duties after each block. */
class DutifulChain {
  readonly chain: TestChain;
  readonly nodes: Duty[] = [];
  readonly logs: string[] = [];
  /** Kinds of actions that were submitted, by node. */
  readonly sent: string[] = [];
  /** Nodes that do nothing. */
  readonly idle = new Set<number>();
  /** Submissions that do not get as far as a pool. */
  refuses: (node: number, action: Action) => boolean = () => false;
  /** Submissions that are taken and then lost, as by a restart of the engine. */
  loses: (node: number, action: Action) => boolean = () => false;
  #random = 0;

  private constructor(chain: TestChain) {
    this.chain = chain;
  }

  static async start(options: ChainOptions = {}): Promise<DutifulChain> {
    const made = new DutifulChain(await TestChain.start(options));
    for (const node of made.chain.nodes.keys()) await made.open(node);
    return made;
  }

  /** Starts the duties of a node, or starts them again on what is on its disk. */
  async open(node: number, { isValidator = true } = {}): Promise<Duty> {
    const { chain } = this;
    const logger: Logger = {
      ...NULL_LOGGER,
      warn: (message) => this.logs.push(`${node} warn: ${message}`),
      error: (message) => this.logs.push(`${node} error: ${message}`),
      info: (message) => this.logs.push(`${node} info: ${message}`),
    };
    const random = (count: number) =>
      sha512Concat(utf8ToBytes(`random ${node} ${this.#random++}`)).slice(0, count);
    const { app, applicationKey, watch } = chain.node(node);
    const path = join(directory, `seal_keys_${node}.json`);
    const keys = await openSealKeys(path, [applicationKey], {
      fileSystem: NODE_FILE_SYSTEM,
      logger,
      random,
    });
    watch.ticketSecretOf = (key, ticket) => keys.secretOf(key, ticket);
    const clock = createManualClock();
    const duties = createSealDuties({
      read: app.read,
      keys,
      applicationKeys: isValidator ? [applicationKey] : [],
      group,
      random,
      submit: (item) => this.#submit(node, item),
      clock: { ...clock, now: () => chain.time(chain.height) },
      yieldToLoop,
      logger,
    });
    return (this.nodes[node] = { duties, keys });
  }

  node(index: number): Duty {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`no node ${index}`);
    return node;
  }

  get reader() {
    return this.chain.app.read.staking();
  }

  async step(): Promise<void> {
    await this.chain.step();
    for (const [index, { duties }] of this.nodes.entries()) {
      if (this.idle.has(index)) continue;
      duties.look();
      await duties.idle();
    }
  }

  /** Blocks until it holds; at most so many. */
  async until(isSo: () => boolean, blocks = 80): Promise<void> {
    for (let left = blocks; !isSo(); left--) {
      if (left === 0) throw new Error(`not within ${blocks} blocks: ${this.logs.join("\n")}`);
      await this.step();
    }
  }

  async #submit(node: number, item: Uint8Array) {
    const decoded = decodeItem(item);
    if (decoded.kind !== "tx") throw new Error("duties are transactions");
    const { action } = decodeTxBody(decoded.tx.bodyBytes);
    const { app } = this.chain.node(node);
    if (this.refuses(node, action)) return refusedForNow(item, "the engine starts");
    if (this.loses(node, action)) {
      this.sent.push(`${node} ${action.kind}`);
      return { code: 0, log: "" };
    }
    const own = await app.checkTx({ tx: item, type: "new" });
    this.sent.push(`${node} ${action.kind}`);
    // A peer has it as soon as the node took it.
    if (own.code === 0) {
      for (const other of this.chain.nodes) {
        if (other.app !== app) await other.app.checkTx({ tx: item, type: "new" });
      }
    }
    return own;
  }

  addressOf(node: number): string {
    return toHex(this.chain.node(node).consensusAddress);
  }

  activeKey(): number {
    return keyInForce(this.reader, this.chain.height + 1);
  }
}

/** Whether the node's secrets are those of the key's public shares. */
function holdsShare({ keys }: Duty, chain: DutifulChain, number: number): boolean {
  const share = keys.share(number);
  const key = sealKey(chain.reader, number);
  if (share === undefined || key === undefined) return false;
  const at = (share.firstTicket - 1) * 32;
  return share.secrets.every(
    (secret, i) =>
      toHex(group.mulBase(secret)) === toHex(key.publicShares.slice(at + 32 * i, at + 32 * i + 32)),
  );
}

describe("behavior: a validator's duties for keys of sealed transactions", () => {
  test("a network has a key some 15 blocks after its start, and everybody its share", async () => {
    const network = await DutifulChain.start();
    await network.until(() => network.activeKey() === 1, 25);
    for (const node of network.nodes) expect(holdsShare(node, network, 1)).toBe(true);
    expect(sealState(network.reader).isOpen).toBe(true);
    expect(network.sent.filter((one) => one.endsWith("deal"))).toHaveLength(4);
    expect(network.sent.filter((one) => one.endsWith("complain"))).toEqual([]);
    expect(network.logs.filter((line) => !line.includes(" info: "))).toEqual([]);
    // What opens the next key is not what opened this one.
    await network.until(() =>
      network.chain.nodes.every((_, n) => {
        const registered = network.reader.records.get(SEAL_ENCRYPTION, network.addressOf(n));
        const used = sealKey(network.reader, 1)?.members.map((m) => toHex(m.encryptionKey));
        return (
          registered !== undefined && used?.includes(toHex(registered.encryptionKey)) === false
        );
      }),
    );
  });

  test("keys follow each other, and secrets of the old one are erased", async () => {
    const network = await DutifulChain.start({ params: { epoch_length: 20, seal_key_lead: 3 } });
    await network.until(() => network.activeKey() === 1);
    const secrets = network.node(1).keys.share(1)?.secrets ?? [];
    const before = network.node(1).keys.encryptionSecrets()[0];
    expect(secrets[0]?.some((byte) => byte !== 0)).toBe(true);
    await network.until(() => sealState(network.reader).activeKey === 2);
    await network.until(() => network.node(1).keys.share(1) === undefined, 5);
    for (const node of network.nodes) {
      expect(holdsShare(node, network, 2)).toBe(true);
      expect(node.keys.share(1)).toBeUndefined();
    }
    expect(secrets[0]).toEqual(new Uint8Array(32));
    expect(before?.secret).toEqual(new Uint8Array(32));
    const again = await network.open(1);
    expect(again.keys.share(1)).toBeUndefined();
    expect(holdsShare(again, network, 2)).toBe(true);
  });

  test("who is no validator any more erases what it held as one", async () => {
    const network = await DutifulChain.start({ params: { epoch_length: 20, seal_key_lead: 3 } });
    await network.until(() => network.node(1).keys.share(1) !== undefined);
    const { keys } = await network.open(1, { isValidator: false });
    const [secret] = keys.share(1)?.secrets ?? [];
    await network.until(() => sealState(network.reader).activeKey === 2);
    await network.until(() => keys.share(1) === undefined, 5);
    expect(secret).toEqual(new Uint8Array(32));
    const used = sealKey(network.reader, 1)?.members.map((m) => toHex(m.encryptionKey)) ?? [];
    expect(keys.encryptionSecrets().map((one) => toHex(one.encryptionKey))).not.toEqual(
      expect.arrayContaining([expect.toBeOneOf(used)]),
    );
  });

  test("a share of another chain under the key's number gives way to that of this one", async () => {
    const network = await DutifulChain.start();
    await network.node(1).keys.addShare({
      key: 1,
      encryptionKey: new Uint8Array(32).fill(9),
      firstTicket: 1,
      secrets: [1, 2, 3, 4].map((value) => new Uint8Array(32).fill(value)),
    });
    await network.until(() => network.activeKey() === 1);
    expect(holdsShare(network.node(1), network, 1)).toBe(true);
  });

  test("an encryption key whose secret the disk refuses is not registered", async () => {
    const network = await DutifulChain.start();
    await mkdir(join(directory, "seal_keys_1.json.new"));
    for (let blocks = 0; blocks < 4; blocks++) await network.step();
    expect(network.sent).not.toContain("1 registerSealKey");
    expect(network.logs.filter((line) => line.startsWith("1 error")).length).toBeGreaterThan(1);
    await rmdir(join(directory, "seal_keys_1.json.new"));
    await network.until(() => network.activeKey() === 1);
    expect(holdsShare(network.node(1), network, 1)).toBe(true);
  });

  test("a restart between any two blocks loses nothing", async () => {
    const network = await DutifulChain.start();
    while (network.activeKey() !== 1 || network.node(2).keys.share(1) === undefined) {
      await network.open(2);
      await network.step();
      expect(network.chain.height).toBeLessThan(30);
    }
    for (const node of network.nodes) expect(holdsShare(node, network, 1)).toBe(true);
    // One dealing of each stands, however often it was made anew.
    expect(sealKey(network.reader, 1)?.dealers).toHaveLength(4);
  });

  test("a wrong share is complained of, and the key is made without its dealer", async () => {
    const network = await DutifulChain.start();
    // Once it has registered it lies.
    await network.step();
    network.idle.add(3);
    await network.until(() => generationOf(network.reader) !== undefined);
    const generation = generationOf(network.reader);
    if (generation === undefined) throw new Error("it has begun");
    const liar = network.chain.node(3);
    // The share for node 0 is encrypted for nobody.
    const members = generation.members.map((member) =>
      toHex(member.validator) === network.addressOf(0)
        ? { ...member, encryptionKey: group.base }
        : member,
    );
    const { dkg } = network.reader.arithmetic;
    const terms = { ...termsOf(network.reader, generation), members };
    const dealing = dkg.deal(terms, liar.consensusAddress, new Uint8Array(32).fill(5));
    const free = { maxFeePerByte: 0n, tipPerByte: 0n };
    const replay = unordered(network.chain.height + 50);
    const item = signedItem(operator(3), replay, { kind: "deal", ...dealing }, free);
    for (const node of network.chain.nodes.keys()) {
      expect(await network.chain.submit(item, node)).toBe(0);
    }
    await network.until(() => network.activeKey() === 1);
    expect(network.sent.filter((one) => one.endsWith("complain"))).toEqual(["0 complain"]);
    expect(sealKey(network.reader, 1)?.dealers.map(toHex)).not.toContain(network.addressOf(3));
    expect(network.reader.records.get(VALIDATORS, network.addressOf(3))?.jailed).toBe(true);
    for (const node of [0, 1, 2]) expect(holdsShare(network.node(node), network, 1)).toBe(true);
  });

  test("a lost secret is told once, replaced, and the validator has a share of the next key", async () => {
    const network = await DutifulChain.start({ params: { epoch_length: 20, seal_key_lead: 3 } });
    await network.until(() => generationOf(network.reader) !== undefined);
    network.idle.add(1);
    await network.step();
    await rm(join(directory, "seal_keys_1.json"));
    const lost = await network.open(1);
    network.idle.delete(1);
    await network.until(() => network.activeKey() === 1);
    expect(lost.keys.share(1)).toBeUndefined();
    for (const node of [0, 2, 3]) expect(holdsShare(network.node(node), network, 1)).toBe(true);
    const errors = network.logs.filter((line) => line.startsWith("1 error"));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(
      /abstains from opening until the next key whose generation begins after this/,
    );
    await network.until(() => network.activeKey() === 2);
    expect(holdsShare(lost, network, 2)).toBe(true);
  });

  test("what is refused is tried again, and what is in a pool is not sent twice", async () => {
    const network = await DutifulChain.start();
    let refusals = 0;
    network.refuses = (node, { kind }) => {
      if (node !== 2 || kind !== "registerSealKey" || refusals >= 2) return false;
      refusals += 1;
      return true;
    };
    await network.until(() => generationOf(network.reader) !== undefined);
    expect(refusals).toBe(2);
    const registrations = network.sent.filter((one) => one === "1 registerSealKey");
    expect(registrations).toHaveLength(1);
  });

  test("evidence is submitted until it stands in a block, and then no more", async () => {
    const network = await DutifulChain.start();
    await network.step();
    const height = Height(network.chain.height);
    const guilty = network.chain.node(3);
    const signed = (byte: number) => {
      const points = new Uint8Array(32).fill(byte);
      const proof = new Uint8Array(64);
      const batches = [{ height: Height(1), tickets: [{ ticket: 1, points, proof }] }];
      const content = SHARES_CODEC.encode({ batches, disputes: [] });
      const blockHash = new Uint8Array(32).fill(byte);
      const message = partSignBytes(CHAIN_ID, height, blockHash, PartType.SHARES, content);
      return { blockHash, content, signature: signEd25519(guilty.applicationKey, message) };
    };
    let lost = 0;
    network.loses = (_node, { kind }) => kind === "submitEvidence" && lost++ === 0;
    let refused = 0;
    network.refuses = (_node, { kind }) => kind === "submitEvidence" && refused++ === 0;
    const { duties } = network.node(0);
    duties.report({
      kind: "contradictingShares",
      validator: guilty.consensusAddress,
      applicationKey: guilty.applicationKey.publicKey,
      height,
      first: signed(1),
      second: signed(2),
    });
    const isOut = () =>
      network.reader.records.get(VALIDATORS, network.addressOf(3))?.tombstoned === true;
    await network.until(isOut, 20);
    // No room, then lost, then in a block.
    expect([refused, lost]).toEqual([3, 2]);
    for (let blocks = 0; blocks < 12; blocks++) await network.step();
    expect(network.sent.filter((one) => one.endsWith("submitEvidence"))).toHaveLength(2);
    expect(network.logs.filter((line) => line.startsWith("0 warn"))).toEqual([]);
  });

  test("without an application key, and with blocks of long ago, nothing is done", async () => {
    const network = await DutifulChain.start();
    const { app } = network.chain.node(0);
    const refused: string[] = [];
    const deps = {
      read: app.read,
      keys: undefined,
      applicationKeys: [],
      group,
      random: (count: number) => new Uint8Array(count),
      submit: () => {
        refused.push("sent");
        return Promise.reject(new Error("nothing is due"));
      },
      clock: createManualClock(),
      yieldToLoop,
      logger: { ...NULL_LOGGER, error: (message: string) => refused.push(message) },
    };
    await network.chain.step();
    const follower = createSealDuties(deps);
    const { keys } = network.node(0);
    const late = createSealDuties({
      ...deps,
      keys,
      applicationKeys: [network.chain.node(0).applicationKey],
      clock: { ...createManualClock(), now: () => ({ seconds: 1_700_009_999n, nanos: 0 }) },
    });
    for (const duties of [follower, late]) {
      duties.look();
      await duties.idle();
    }
    expect(refused).toEqual([]);
  });
});
