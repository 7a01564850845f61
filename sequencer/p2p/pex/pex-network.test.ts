/** Nodes that find each other through a seed, on real sockets. */
import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { encodePexMessage } from "../../../proto/codec/p2p-messages.ts";
import { eventually } from "../../../test/support/loopback.ts";
import {
  connectByHand,
  createChatReactor,
  createTestNode,
  packet,
  type TestNode,
} from "../../../test/support/p2p.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { parsePeerAddress } from "../address.ts";
import { NULL_P2P_METRICS } from "../metrics.ts";
import { createNodeKey } from "../node-key.ts";
import { createAddressBook } from "./address-book.ts";
import { createBookKey } from "./address-book-file.ts";
import { createPexReactor } from "./pex-reactor.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(options: { isSeed?: boolean; seeds?: readonly string[] } = {}) {
  const key = createNodeKey();
  const random = (): number => (randomBytes(1)[0] ?? 0) / 256;
  const book = createAddressBook(
    { isStrict: false, ownId: key.id, privateIds: [], key: createBookKey() },
    { nowMs: () => performance.now() + 1, random, isBanned: () => false },
  );
  const pex = createPexReactor(
    { isSeed: options.isSeed ?? false, seeds: (options.seeds ?? []).map(parsePeerAddress) },
    {
      book,
      clock: createSystemClock(),
      random,
      logger: NULL_LOGGER,
      metrics: NULL_P2P_METRICS,
      save: () => Promise.resolve(),
    },
  );
  const chat = createChatReactor();
  const node: TestNode = { ...createTestNode({}, key, [chat, pex]), chat };
  pex.attach(node.network);
  await node.network.start();
  pex.start();
  stops.push(async () => {
    await pex.stop();
    await node.network.stop();
  });
  return { ...node, book };
}

test("nodes that know one seed find each other, and the seed hangs up", async () => {
  const seed = await start({ isSeed: true });
  const first = await start({ seeds: [seed.address()] });
  await eventually(() => seed.book.has(first.key.id), "the seed learns of the first");
  const second = await start({ seeds: [seed.address()] });
  await eventually(
    () => second.network.peer(first.key.id) !== undefined,
    "the second dials the first",
  );
  await eventually(
    () => seed.network.peers().every(({ isOutbound }) => isOutbound),
    "the seed hangs up on who asked",
  );
  expect(first.network.peer(second.key.id)?.isOutbound).toBe(false);
});

test("a peer that asks too often is banned and not let in again", async () => {
  const node = await start();
  const request = packet(0x00, encodePexMessage({ kind: "pexRequest" }));
  const key = createNodeKey();
  const enemy = await connectByHand(node, { nodeId: key.id, channels: Uint8Array.of(0x00) }, key);
  enemy.stream(() => {});
  for (let i = 0; i < 3; i++) enemy.send(request);
  await eventually(() => node.network.banned().length === 1, "it is banned");
  expect(node.network.banned()).toMatchObject([{ id: key.id, code: "P2P_PEX_TOO_OFTEN" }]);
  let isClosed = false;
  const again = await connectByHand(node, { nodeId: key.id, channels: Uint8Array.of(0x00) }, key);
  again.onClose(() => {
    isClosed = true;
  });
  again.stream(() => {});
  await eventually(() => isClosed, "it is refused");
  expect(node.network.peers()).toEqual([]);
  await expect(node.network.dial(`${key.id}@127.0.0.1:1`)).rejects.toMatchObject({
    info: { code: "P2P_PEER_BANNED" },
  });
});
