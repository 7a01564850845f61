/** CometBFT's own switch, peer exchange and address book, against ours. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { NodeId } from "../../proto/brands.ts";
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import { type AddressBook, createAddressBook } from "../../sequencer/p2p/pex/address-book.ts";
import {
  createBookKey,
  parseBook,
  writeBookFile,
} from "../../sequencer/p2p/pex/address-book-file.ts";
import { netAddress, type NetAddress } from "../../sequencer/p2p/pex/net-address.ts";
import { createPexReactor } from "../../sequencer/p2p/pex/pex-reactor.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { eventually } from "../support/loopback.ts";
import { createTestNode, type TestNode } from "../support/p2p.ts";
import { seededRandom } from "../support/seeded-random.ts";

const JUDGE = fileURLToPath(new URL("./p2p-judge", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;
const CHAIN = "test-chain";

const idOf = (n: number): NodeId => NodeId(n.toString(16).padStart(40, "0"));
/** Node n, in a network of its own; never dialed here. */
function far(n: number): NetAddress {
  const address = netAddress(idOf(n), `${50 + (n >> 8)}.${n & 255}.1.1`, 26_656);
  if (address === undefined) throw new Error("no address");
  return address;
}
const bookOf = (ownId: NodeId): AddressBook =>
  createAddressBook(
    { isStrict: true, ownId, privateIds: [], key: createBookKey() },
    { nowMs: Date.now, random: seededRandom(3), isBanned: () => false },
  );

interface Ours extends TestNode {
  readonly book: AddressBook;
}

/** A node of ours with peer exchange that dials nobody by itself. */
async function startOurs(): Promise<Ours> {
  const key = createNodeKey();
  const book = bookOf(key.id);
  const pex = createPexReactor(
    { isSeed: false, seeds: [] },
    {
      book,
      clock: createSystemClock(),
      random: Math.random,
      logger: NULL_LOGGER,
      metrics: NULL_P2P_METRICS,
      save: () => Promise.resolve(),
    },
  );
  const node = createTestNode({ network: CHAIN }, key, [pex]);
  pex.attach(node.network);
  await node.network.start();
  return { ...node, book };
}

describe.skipIf(!hasGo && process.env["CI"] === undefined)("peers of CometBFT", () => {
  let root = "";
  let program = "";
  let ours: Ours;
  const judges = new Set<ChildProcess>();

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "weft-p2p-judge-"));
    program = join(root, "judge");
    execFileSync("go", ["build", "-o", program, "."], { cwd: JUDGE });
  });
  afterEach(async () => {
    for (const judge of judges) judge.kill("SIGKILL");
    judges.clear();
    await ours.network.stop();
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** Starts CometBFT's node; its address, what its book holds, and how to end it in order. */
  async function startJudge(file: string, ...peers: readonly string[]) {
    const child = spawn(program, [CHAIN, file, ...peers], { stdio: ["pipe", "pipe", "inherit"] });
    judges.add(child);
    const ended = new Promise<string>((resolve) => {
      child.once("exit", (code) => resolve(`the judge ended with ${code ?? "a signal"}`));
    });
    const lines = createInterface({ input: child.stdout });
    const nextLine = (): Promise<string> =>
      new Promise((resolve, reject) => {
        lines.once("line", resolve);
        void ended.then((how) => reject(new Error(how)));
      });
    const [address = "", size = ""] = (await nextLine()).split(" ");
    return {
      address,
      firstBookSize: Number(size),
      async bookSize(): Promise<number> {
        const answer = nextLine();
        child.stdin.write("\n");
        return Number(await answer);
      },
      async end(): Promise<void> {
        child.stdin.end();
        await ended;
        judges.delete(child);
      },
    };
  }

  test("interop: it reads our address book, tells us of it, and writes it back the same", async () => {
    ours = await startOurs();
    const file = join(root, "ours.json");
    const book = bookOf(idOf(0xffff));
    for (let n = 1; n <= 40; n++) book.add(far(n), far(n));
    for (let n = 1; n <= 10; n++) book.markGood(far(n).id);
    await writeBookFile(file, book, () => Promise.resolve());
    const judge = await startJudge(file);
    expect(judge.firstBookSize).toBe(40);
    // We dial, we ask, it tells: as many as fit its rule for small books.
    await ours.network.dial(judge.address);
    await eventually(() => ours.book.size >= 32, "addresses arrive");
    expect(ours.book.entries().every(({ address }) => book.has(address.id))).toBe(true);
    await judge.end();
    const places = (entries: ReturnType<AddressBook["entries"]>) =>
      entries
        .map(({ address, source, isOld, attempts, lastSuccessMs }) =>
          JSON.stringify({ address, source, isOld, attempts, lastSuccessMs }),
        )
        .sort();
    const written = parseBook(readFileSync(file, "utf8"));
    expect(written.key).toBe(book.key);
    expect(places(written.entries)).toEqual(places(book.entries()));
  });

  test("interop: it dials us, asks us, and keeps in its file what we told", async () => {
    ours = await startOurs();
    for (let n = 1; n <= 30; n++) ours.book.add(far(n), far(n));
    const file = join(root, "theirs.json");
    const judge = await startJudge(file, ours.address());
    await eventually(() => ours.network.peers().length === 1, "it connects");
    const [peer] = ours.network.peers();
    expect(peer?.isOutbound).toBe(false);
    // Its request is answered with all that we know: its own address was refused, being loopback.
    while ((await judge.bookSize()) < 30);
    await judge.end();
    const { entries } = parseBook(readFileSync(file, "utf8"));
    expect(entries.map(({ address }) => address.id).sort()).toEqual(
      ours.book
        .entries()
        .map(({ address }) => address.id)
        .sort(),
    );
  });
});
