/**
 * A node dies after each single operation by which it writes or sends. What its disk held then is
 * started again: it goes on, and where it had signed, it signs the same or nothing.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { SignedMsgType, type BlockId, type Proposal, type Vote } from "../../proto/types.ts";
import { signedVote, testGenesis, testKeys } from "../../test/support/chain-builder.ts";
import {
  createTestNode,
  testNodeId,
  untilHeight,
  type TestNode,
  type TestNodeOptions,
} from "../../test/support/engine-network.ts";
import { passThrough } from "../../test/support/signers.ts";
import { createPortWatch } from "../../test/support/port-watch.ts";
import { Step } from "../consensus/step.ts";
import type { BlockRecord } from "../store/block-store.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "./consensus-params.ts";
import { PERSIST_OPERATIONS, SEND_OPERATIONS } from "./crash-points.ts";
import type { PrivValidator } from "./privval/priv-validator.ts";

const KEYS = testKeys(2);
const SEED = sha256(utf8ToBytes("key 0"));
const GENESIS = testGenesis(KEYS, {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: Height(1) },
  },
  // One decides alone; the other's votes are what a peer brings.
  validators: KEYS.map(({ address, publicKey }, i) => ({
    address,
    publicKey,
    power: i === 0 ? 30n : 10n,
    name: "",
  })),
});
/** Two parts, so that the bytes lie in a file of their own. */
const LARGE_TX = `large=${"x".repeat(70_000)}`;
/** Of the height that is watched besides the start. */
const WATCHED = 3;

let root = "";
const open: TestNode[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-crash-"));
});
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
  await rm(root, { recursive: true, force: true });
});

async function createNode(name: string, options: Partial<TestNodeOptions> = {}): Promise<TestNode> {
  const { engine, ...rest } = options;
  const node = await createTestNode(testNodeId(0), {
    directory: join(root, name),
    genesis: GENESIS,
    seed: SEED,
    // A log file is full after a few records; rounds wait a moment for the peer's votes.
    engine: { walFileBytesMax: 4_000, timeoutCommitMs: 10, ...engine },
    configure: (application) => {
      application.retainHeight = (height) => Math.max(0, height - 1);
    },
    ...rest,
  });
  open.push(node);
  return node;
}

async function closeNode(node: TestNode): Promise<void> {
  open.splice(open.indexOf(node), 1);
  await node.close();
}

/** What was signed, by height, round and step: the block, and the signature. */
type Signed = Map<string, string>;

/** Records what is signed; what contradicts `before` fails the test. */
function recordingSigner(signed: Signed, before: Signed, faults: string[]) {
  const record = (place: string, blockId: BlockId, signature: Uint8Array): void => {
    const what = `${toHex(blockId.hash)} ${toHex(signature)}`;
    const was = before.get(place);
    if (was !== undefined && was !== what) faults.push(`${place}: ${was}, then ${what}`);
    signed.set(place, what);
  };
  const keep = (message: Vote | Proposal): void => {
    const { height, round, blockId, signature } = message;
    const kind = "type" in message ? message.type : "proposal";
    record(`${height}/${round}/${kind}`, blockId, signature);
  };
  return (signer: PrivValidator): PrivValidator => {
    // Signed is what the signer remembers: nothing leaves before.
    const fresh: (Vote | Proposal)[] = [];
    return {
      ...passThrough(signer),
      async signVote(...args): Promise<Vote> {
        const vote = await signer.signVote(...args);
        fresh.push(vote);
        return vote;
      },
      async signProposal(...args): Promise<Proposal> {
        const proposal = await signer.signProposal(...args);
        fresh.push(proposal);
        return proposal;
      },
      async settled(): Promise<void> {
        const count = fresh.length;
        await signer.settled();
        for (const message of fresh.splice(0, count)) keep(message);
      },
      async remember(chainId, message): Promise<number | undefined> {
        const known = await signer.remember(chainId, message);
        keep(message);
        return known;
      },
    };
  };
}

/** The disk after one operation; of several that left it as it was, the last: most was sent by then. */
interface Death {
  readonly operations: string[];
  readonly directory: string;
  signed: Signed;
  readonly disk: string;
}

/** Takes copies of a home while a node runs on it. */
class Deaths {
  readonly all: Death[] = [];
  readonly performed = new Set<string>();
  readonly signed: Signed = new Map();
  isWatching = true;
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  after(operation: string): void {
    this.performed.add(operation);
    if (!this.isWatching) return;
    const directory = join(root, `${this.#home}-death-${this.all.length}`);
    cpSync(join(root, this.#home), directory, { recursive: true, filter: isWorthIt });
    const disk = digestOf(directory);
    const last = this.all.at(-1);
    if (last?.disk === disk) {
      rmSync(directory, { recursive: true });
      last.operations.push(operation);
      last.signed = new Map(this.signed);
      return;
    }
    this.all.push({ operations: [operation], directory, signed: new Map(this.signed), disk });
  }
}

/** The databases' own message logs change with every opening, and say nothing. */
function isWorthIt(path: string): boolean {
  return !/\/(LOG|LOG\.old|LOCK)$/.test(path);
}

function digestOf(directory: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => (a < b ? -1 : 1));
  for (const file of files) {
    hash.update(file.slice(directory.length));
    hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** The peer's part: in one height it votes for two things at once. */
function bringVotes(node: TestNode): void {
  const [, peer] = KEYS;
  if (peer === undefined) throw new Error("there are two validators");
  node.engine.events.on((event) => {
    if (event.kind !== "NewRoundStep" || event.step !== Step.NEW_HEIGHT) return;
    const { validators } = node.engine.view();
    const names = event.height === WATCHED - 1 ? ["one", "other"] : ["one"];
    for (const name of names) {
      const vote = signedVote(peer, validators, {
        type: SignedMsgType.PREVOTE,
        height: event.height,
        round: Round(0),
        blockId: {
          hash: sha256(utf8ToBytes(name)),
          partSetHeader: { total: 1, hash: sha256(utf8ToBytes(name)) },
        },
        timestamp: GENESIS.genesisTime,
      });
      node.engine.receiveVote(vote, testNodeId(1));
    }
  });
}

/** Starts every disk again, a few at a time; returns what was wrong. */
async function reviveAll(deaths: readonly Death[]): Promise<string[]> {
  const waiting = [...deaths];
  const faults: string[] = [];
  const work = async (): Promise<void> => {
    for (let death = waiting.pop(); death !== undefined; death = waiting.pop()) {
      const { operations } = death;
      const found = await revive(death);
      faults.push(...found.map((fault) => `after ${operations.join(", ")}: ${fault}`));
    }
  };
  await Promise.all(Array.from({ length: REVIVED_AT_ONCE }, work));
  return faults;
}

const REVIVED_AT_ONCE = 4;

async function revive({ directory, signed }: Death): Promise<readonly string[]> {
  const found: string[] = [];
  const node = await createNode(directory.slice(root.length + 1), {
    wrapSigner: recordingSigner(new Map(), signed, found),
  });
  try {
    await node.engine.start();
    await inTime(untilHeight(node.engine, node.engine.status().height + 1));
    const { haltReason } = node.engine.status();
    if (haltReason !== undefined) found.push(`halted: ${haltReason}`);
  } catch (error) {
    found.push(String(error));
  }
  await closeNode(node);
  rmSync(directory, { recursive: true, force: true });
  return found;
}

/** Far longer than a height takes on a busy machine. */
async function inTime(task: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("it stands still")), 30_000);
  });
  await Promise.race([task, late]).finally(() => clearTimeout(timer));
}

describe("a process may die after any operation", () => {
  test("of a start and of a height; the list of operations is complete", async () => {
    const deaths = new Deaths("a");
    const faults: string[] = [];
    // A log whose first record a crash cut short, so that it is mended too.
    mkdirSync(join(root, "a", "data", "cs.wal"), { recursive: true });
    writeFileSync(join(root, "a", "data", "cs.wal", "wal"), new Uint8Array(5));
    const node = await createNode("a", {
      watch: createPortWatch((operation) => deaths.after(operation)),
      wrapSigner: recordingSigner(deaths.signed, new Map(), faults),
    });
    deaths.isWatching = true;
    node.engine.events.on((event) => {
      if (event.kind !== "NewBlock") return;
      const { height } = event.block.header;
      if (height === WATCHED - 1) node.application.submit(LARGE_TX);
      // From the end of the height before to the beginning of the one after.
      deaths.isWatching = height === WATCHED - 1 || height === WATCHED;
    });
    bringVotes(node);
    await node.engine.start();
    await untilHeight(node.engine, WATCHED + 2);
    await closeNode(node);
    expect(faults).toEqual([]);

    const listed = new Set<string>([...PERSIST_OPERATIONS, ...SEND_OPERATIONS]);
    expect([...deaths.performed].filter((name) => !listed.has(name))).toEqual([]);
    expect([...listed].filter((name) => !deaths.performed.has(name))).toEqual([]);
    const covered = new Set(deaths.all.flatMap(({ operations }) => operations));
    expect([...listed].filter((name) => !covered.has(name))).toEqual([]);
    expect(deaths.all.length).toBeGreaterThan(30);
    expect(await reviveAll(deaths.all)).toEqual([]);
  }, 240_000);

  test("of catching up by blocks from elsewhere", async () => {
    const donor = await createNode("donor", { configure: () => {} });
    donor.application.submit("some=thing");
    await donor.engine.start();
    await untilHeight(donor.engine, 3);
    const records: BlockRecord[] = [];
    for (const height of [Height(1), Height(2)]) records.push(await recordOf(donor, height));
    await closeNode(donor);

    const deaths = new Deaths("b");
    const faults: string[] = [];
    deaths.isWatching = false;
    const node = await createNode("b", {
      engine: { startsSuspended: true },
      watch: createPortWatch((operation) => deaths.after(operation)),
      wrapSigner: recordingSigner(deaths.signed, new Map(), faults),
    });
    await node.engine.start();
    deaths.isWatching = true;
    const target = node.engine.syncTarget();
    for (const record of records) await target.apply(record);
    await target.resume();
    deaths.isWatching = false;
    await untilHeight(node.engine, 3);
    await closeNode(node);
    expect(deaths.all.length).toBeGreaterThan(5);
    expect(await reviveAll(deaths.all)).toEqual([]);
  });
});

async function recordOf({ home }: TestNode, height: Height): Promise<BlockRecord> {
  const { blockStore } = home;
  const [meta, block, seenCommit, extendedCommit] = await Promise.all([
    blockStore.meta(height),
    blockStore.block(height),
    blockStore.seenCommit(height),
    blockStore.extendedCommit(height),
  ]);
  if (meta === undefined || block === undefined || seenCommit === undefined) {
    throw new Error(`the donor has block ${height}`);
  }
  const indexes = Array.from({ length: meta.blockId.partSetHeader.total }, (_, i) => i);
  const parts = await Promise.all(indexes.map((index) => blockStore.part(height, index)));
  return {
    block,
    blockId: meta.blockId,
    parts: parts.filter((part) => part !== undefined),
    seenCommit,
    extendedCommit,
  };
}
