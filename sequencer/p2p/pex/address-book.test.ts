import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeId } from "../../../proto/brands.ts";
import { seededRandom } from "../../../test/support/seeded-random.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { type AddressBookOptions, createAddressBook } from "./address-book.ts";
import { createBookKey, parseBook, readBookFile, writeBookFile } from "./address-book-file.ts";
import { BUCKET_SIZE, NEW_BUCKETS_PER_GROUP, PEX_SELECTION_MAX } from "./limits.ts";
import { netAddress, type NetAddress } from "./net-address.ts";

const idOf = (n: number): string => n.toString(16).padStart(40, "0");

function at(n: number, ip: string): NetAddress {
  const address = netAddress(idOf(n), ip, 26_656);
  if (address === undefined) throw new Error(`${ip} is no address`);
  return address;
}
/** Node n, in a /16 of its own. */
const far = (n: number): NetAddress => at(n, `${50 + (n >> 8)}.${n & 255}.1.1`);

function setup(options: Partial<AddressBookOptions> = {}) {
  const time = { nowMs: 1_700_000_000_000 };
  const banned = new Set<string>();
  const book = createAddressBook(
    { isStrict: true, ownId: NodeId(idOf(0xffff)), privateIds: [], key: "k", ...options },
    {
      nowMs: () => time.nowMs,
      random: seededRandom(1),
      isBanned: (id) => banned.has(id),
    },
  );
  return { book, time, banned };
}

describe("address book", () => {
  test("refuses what it must not keep", () => {
    const { book, banned } = setup({ privateIds: [NodeId(idOf(7))] });
    banned.add(idOf(8));
    expect(book.add(at(0xffff, "1.2.3.4"), far(1))).toBe("self");
    expect(book.add(far(7), far(1))).toBe("private");
    expect(book.add(far(2), far(7))).toBe("private");
    expect(book.add(far(8), far(1))).toBe("banned");
    expect(book.add(at(3, "10.0.0.1"), far(1))).toBe("unroutable");
    expect(book.size).toBe(0);
    expect(setup({ isStrict: false }).book.add(at(3, "10.0.0.1"), far(1))).toBeUndefined();
  });

  test("one source fills a bounded part of the book, whatever it tells", () => {
    const { book } = setup();
    for (let i = 1; i <= 20_000; i++) book.add(at(i, `60.${i & 255}.${i >> 8}.1`), far(1));
    expect(book.size).toBeLessThanOrEqual(NEW_BUCKETS_PER_GROUP * BUCKET_SIZE);
    expect(book.size).toBeGreaterThan(BUCKET_SIZE);
  });

  test("an address that was reached is not moved elsewhere, nor driven out", () => {
    const { book } = setup();
    book.add(far(1), far(1));
    book.markGood(far(1).id);
    expect([book.newCount, book.oldCount]).toEqual([0, 1]);
    expect(book.add(at(1, "9.9.9.9"), far(2))).toBe("known");
    for (let i = 2; i <= 20_000; i++) book.add(at(i, `60.${i & 255}.${i >> 8}.1`), far(1));
    expect(book.entries().find(({ address }) => address.id === idOf(1))?.address).toEqual(far(1));
  });

  test("a full old bucket makes its least tried address new again", () => {
    const { book, time } = setup();
    // One group of addresses: four old buckets of 64.
    for (let i = 1; i <= 1_000; i++) {
      time.nowMs += 1_000;
      book.add(at(i, `60.1.${i >> 8}.${i & 255}`), far(i));
      book.markGood(NodeId(idOf(i)));
    }
    expect(book.oldCount).toBe(4 * BUCKET_SIZE);
    expect(book.newCount).toBeGreaterThan(0);
  });

  test("picks new or old ones as asked", () => {
    const { book } = setup();
    expect(book.pick(50)).toBeUndefined();
    for (let i = 1; i <= 40; i++) book.add(far(i), far(i));
    for (let i = 1; i <= 20; i++) book.markGood(far(i).id);
    const isOld = (address: NetAddress | undefined): boolean =>
      Number.parseInt(address?.id ?? "ff", 16) <= 20;
    const share = (bias: number): number =>
      Array.from({ length: 400 }, () => book.pick(bias)).filter(isOld).length / 400;
    expect(share(0)).toBe(1);
    expect(share(100)).toBe(0);
    expect(share(50)).toBeGreaterThan(0.3);
    expect(share(50)).toBeLessThan(0.7);
  });

  test("tells a part of what it knows, at most 250, each once", () => {
    const { book } = setup();
    for (let i = 1; i <= 20; i++) book.add(far(i), far(i));
    expect(book.selection().length).toBe(20);
    for (let i = 21; i <= 500; i++) book.add(far(i), far(i));
    const { size } = book;
    expect(book.selection().length).toBe(Math.floor((size * 23) / 100));
    for (let i = 501; i <= 5_000; i++) book.add(far(i), far(i));
    const told = book.selection();
    expect(told.length).toBe(PEX_SELECTION_MAX);
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  });

  test("a seed prefers old ones, as far as there are any", () => {
    const { book } = setup();
    for (let i = 1; i <= 200; i++) book.add(far(i), far(i));
    for (let i = 1; i <= 100; i++) book.markGood(far(i).id);
    const told = book.biasedSelection(30);
    const old = told.filter(({ id }) => Number.parseInt(id, 16) <= 100).length;
    expect([told.length, old]).toEqual([46, 32]);
    expect(setup().book.biasedSelection(30)).toEqual([]);
  });

  test("what is bad is struck out for its time", () => {
    const { book, time } = setup();
    book.add(far(1), far(1));
    book.markBad(far(1).id, 1_000);
    expect(book.size).toBe(0);
    expect(book.add(far(1), far(2))).toBe("banned");
    time.nowMs += 1_000;
    expect(book.add(far(1), far(2))).toBeUndefined();
  });
});

describe("addrbook.json", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-book-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  // As `MarshalIndent` of CometBFT v0.38's addrBookJSON writes it.
  const GO_FILE = `{
	"key": "2a1f0c3d4e5f60718293a4b5",
	"addrs": [
		{
			"addr": {
				"id": "${idOf(1)}",
				"ip": "51.1.1.1",
				"port": 26656
			},
			"src": {
				"id": "${idOf(2)}",
				"ip": "2606:4700::1111",
				"port": 26657
			},
			"buckets": [
				17,
				200
			],
			"attempts": 2,
			"bucket_type": 1,
			"last_attempt": "2024-05-01T12:00:00.123456789+02:00",
			"last_success": "0001-01-01T00:00:00Z",
			"last_ban_time": "0001-01-01T00:00:00Z"
		},
		{
			"addr": {
				"id": "${idOf(3)}",
				"ip": "52.1.1.1",
				"port": 26656
			},
			"src": {
				"id": "${idOf(3)}",
				"ip": "52.1.1.1",
				"port": 26656
			},
			"buckets": [
				3
			],
			"attempts": 0,
			"bucket_type": 2,
			"last_attempt": "2024-05-01T10:00:00Z",
			"last_success": "2024-05-01T10:00:00Z",
			"last_ban_time": "0001-01-01T00:00:00Z"
		}
	]
}`;

  test("is read as CometBFT writes it", () => {
    const { key, entries } = parseBook(GO_FILE);
    expect(key).toBe("2a1f0c3d4e5f60718293a4b5");
    expect(entries).toMatchObject([
      {
        address: { id: idOf(1), host: "51.1.1.1", port: 26_656 },
        source: { id: idOf(2), host: "2606:4700::1111", port: 26_657 },
        isOld: false,
        attempts: 2,
        lastAttemptMs: Date.parse("2024-05-01T10:00:00.123Z"),
        lastSuccessMs: 0,
      },
      { address: { id: idOf(3) }, isOld: true },
    ]);
    const { book } = setup();
    expect(entries.map((entry) => book.restore(entry))).toEqual([true, true]);
    expect([book.newCount, book.oldCount]).toEqual([1, 1]);
    expect(parseBook('{"key":"ab","addrs":null}').entries).toEqual([]);
  });

  test("is written with CometBFT's fields, and read again the same", async () => {
    const path = join(directory, "addrbook.json");
    const { book, time } = setup({ key: createBookKey() });
    for (let i = 1; i <= 1_200; i++) book.add(far(i), far(i));
    for (let i = 1; i <= 50; i++) book.markGood(far(i).id);
    book.markAttempt(far(60).id);
    await writeBookFile(path, book, () => Promise.resolve());
    const document = JSON.parse(await readFile(path, "utf8")) as { addrs: object[] };
    expect(Object.keys(document)).toEqual(["key", "addrs"]);
    expect(Object.keys(document.addrs[0] ?? {})).toEqual([
      "addr",
      "src",
      "buckets",
      "attempts",
      "bucket_type",
      "last_attempt",
      "last_success",
      "last_ban_time",
    ]);
    const stored = await readBookFile(path, NULL_LOGGER);
    const again = setup({ key: stored?.key ?? "" });
    again.time.nowMs = time.nowMs;
    for (const entry of stored?.entries ?? []) again.book.restore(entry);
    const plain = (entries: ReturnType<typeof book.entries>) =>
      [...entries]
        .map(({ buckets: _buckets, ...rest }) => rest)
        .sort((a, b) => (a.address.id < b.address.id ? -1 : 1));
    expect(again.book.key).toBe(book.key);
    expect(plain(again.book.entries())).toEqual(plain(book.entries()));
  });

  test("one that cannot be read is set aside", async () => {
    const path = join(directory, "addrbook.json");
    expect(await readBookFile(path, NULL_LOGGER)).toBeUndefined();
    for (const text of ["{", '{"addrs":[]}', '{"key":"a","addrs":{}}']) {
      await writeFile(path, text);
      expect(await readBookFile(path, NULL_LOGGER), text).toBeUndefined();
      expect(await readdir(directory)).toEqual(["addrbook.json.unreadable"]);
    }
    // An entry that is none is left out; the others stay.
    const odd = '{"key":"a","addrs":[{},null,{"addr":{"id":"x","ip":"1.1.1.1","port":1}}]}';
    expect(parseBook(odd).entries).toEqual([]);
  });
});
