/**
 * A process that dies before or after any call of its client, between the order and the client's head: the next one goes on
 * without a gap or a double, and comes to the blocks of a client that was fed without a crash.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import {
  engineClientOf,
  OP_INIT,
  openEngineExecutor,
  opTestGenesis,
  opTransaction,
  quarterSecond,
} from "../../test/support/engine-rollup.ts";
import { isOpGethAway, type OpGeth, startOpGeth } from "../../test/support/op-geth.ts";
import type { ExecuteBlockRequest } from "../execution.ts";
import type { EngineClient } from "./engine-client.ts";
import type { EngineApiExecutor } from "./executor.ts";
import type { OpGenesis } from "./genesis-file.ts";

const ALICE = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const HOOK_TIMEOUT_MS = 90_000;
const TEST_TIMEOUT_MS = 240_000;
/** Sequencer blocks fed in one life: a second's worth, and the one that ends it. */
const HEIGHTS_PER_LIFE = 5;

let folder: string;
let genesis: OpGenesis;
let geths: OpGeth[] = [];

/** The client as a process sees it that dies with call number `fatal`: before the client has it, or when it has answered. */
function mortal(client: EngineClient, fatal: number, isAnswered: boolean) {
  let calls = 0;
  let isDead = false;
  const proxy = new Proxy(client, {
    get(target, name) {
      const method = target[name as keyof EngineClient] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        const isFatal = calls++ === fatal;
        isDead ||= isFatal && !isAnswered;
        if (isDead) throw new Error("the process is dead");
        const answer = await method.apply(target, args);
        isDead ||= isFatal;
        if (isDead) throw new Error("the process is dead");
        return answer;
      };
    },
  });
  return { client: proxy, isDead: () => isDead };
}

const requests = new Map<number, ExecuteBlockRequest>();
let nonce = 0;

/** The sequencer's block at a height, the same each time: most with a transaction, some with gibberish or nothing. */
async function blockAt(height: number): Promise<ExecuteBlockRequest> {
  const known = requests.get(height);
  if (known !== undefined) return known;
  const isQuiet = height % 8 < 2;
  const payloads = isQuiet ? [] : [Uint8Array.of(height), await opTransaction(ALICE, nonce++)];
  const request = quarterSecond(height, payloads);
  requests.set(height, request);
  return request;
}

/** As the driver does: labels each block that was made. */
async function feed(executor: EngineApiExecutor, height: number): Promise<void> {
  const answer = await executor.executeBlock(await blockAt(height));
  if (answer.outcome !== "block") return;
  await executor.setFinality({ safeHash: answer.hash, finalizedHash: answer.hash });
}

describe.skipIf(isOpGethAway)("a driver that is killed", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "weft-op-geth-crash-"));
    genesis = await opTestGenesis([ALICE]);
    const start = (name: string) =>
      startOpGeth({ folder: join(folder, name), genesis: genesis.document });
    geths = await Promise.all(["killed", "calm"].map(start));
  }, HOOK_TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all(geths.map((geth) => geth.stop("SIGKILL")));
    await rm(folder, { recursive: true, force: true });
  }, HOOK_TIMEOUT_MS);

  test(
    "neither loses nor doubles a second, whichever call was its last",
    async () => {
      const [killed, calm] = geths.map(engineClientOf);
      if (killed === undefined || calm === undefined) throw new Error("there are two clients");
      let reached = 0;
      let lives = 0;
      for (let isSurvived = false; !isSurvived; lives++) {
        const process = mortal(killed, lives >> 1, lives % 2 === 1);
        const position = join(folder, "position.json");
        // What is beside the client only saves work.
        if (lives % 3 === 0) await rm(position, { force: true });
        const executor = openEngineExecutor(process.client, genesis, folder);
        try {
          const { nextSequencerHeight: next } = await executor.init(OP_INIT);
          // Never beyond what an earlier life has fed, and never back before its last block.
          expect(next).toBeLessThanOrEqual(reached + 1);
          for (let height: number = next; height < next + HEIGHTS_PER_LIFE; height++) {
            await feed(executor, height);
            reached = Math.max(reached, height);
          }
          isSurvived = lives % 2 === 1;
          await executor.close();
        } catch (error) {
          if (!process.isDead()) throw error;
          isSurvived = false;
        }
      }
      // Reading the place, and each step of a block.
      expect(lives).toBeGreaterThan(30);

      const reference = openEngineExecutor(calm, genesis, join(folder, "calm"));
      await reference.init(OP_INIT);
      for (let height = 1; height <= reached; height++) await feed(reference, height);
      await reference.close();
      const hashes = await chainOf(calm);
      expect(await chainOf(killed)).toEqual(hashes);
      expect(hashes.length).toBeGreaterThan(5);
      for (const label of ["safe", "finalized"] as const) {
        expect((await killed.block(label))?.number, label).toBe(hashes.length - 1);
      }
      // Each transaction once: all of Alice's that came before the second that is still gathered.
      const { hash } = (await killed.block("latest")) ?? { hash: new Uint8Array(32) };
      const [alice] = await killed.accounts(hash, [ALICE.address]);
      const open = [...requests.values()].filter(
        ({ sequencerHeight: at }) => at > reached - (reached % 4) - 1,
      );
      const waiting = open.reduce((sum, { payloads }) => sum + Math.max(0, payloads.length - 1), 0);
      expect(Number(alice?.nonce) + waiting).toBe(nonce);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "a client that is wiped under a driver is fed again from the start, and makes the same blocks",
    async () => {
      const [geth] = geths;
      if (geth === undefined) throw new Error("there are two clients");
      const client = engineClientOf(geth);
      const executor = openEngineExecutor(client, genesis, folder);
      await executor.init(OP_INIT);
      const before = await chainOf(client);
      await geth.stop("SIGKILL");
      await geth.wipe();
      await geth.start();
      const { nextSequencerHeight: next, head } = await executor.init(OP_INIT);
      expect([next, head.number]).toEqual([OP_INIT.sequencerStartHeight, 0]);
      for (const height of requests.keys()) await feed(executor, height);
      await executor.close();
      expect(await chainOf(client)).toEqual(before);
    },
    TEST_TIMEOUT_MS,
  );
});

/** Hashes of all blocks. */
async function chainOf(client: EngineClient): Promise<string[]> {
  const hashes: string[] = [];
  for (let number = 0; ; number++) {
    const block = await client.block(number);
    if (block === undefined) return hashes;
    hashes.push(toHex(block.hash));
  }
}
