import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { NIL_BLOCK_ID, SignedMsgType, ZERO_TIME, type Vote } from "../../proto/types.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import { keyFromBytes } from "../../sequencer/engine/privval/key-file.ts";
import { Random } from "../support/random.ts";
import { SigningChecker, WireChecker } from "./checkers.ts";
import { Life } from "./life.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimFiles } from "./sim-files.ts";

const AT_ONCE = { syncMs: () => 0, doesLie: false, fails: () => false };

function voteAt(height: number, round: number, block: number): Vote {
  const blockId = {
    hash: sha256(Uint8Array.of(block)),
    partSetHeader: { total: 1, hash: sha256(Uint8Array.of(block)) },
  };
  return {
    type: SignedMsgType.PREVOTE,
    height: Height(height),
    round: Round(round),
    blockId: block === 0 ? NIL_BLOCK_ID : blockId,
    timestamp: ZERO_TIME,
    validatorAddress: EMPTY_BYTES,
    validatorIndex: 0,
    signature: Uint8Array.of(block),
    extension: EMPTY_BYTES,
    extensionSignature: EMPTY_BYTES,
  };
}

/** Signs by giving back what it was asked for. */
const CARELESS: PrivValidator = {
  publicKey: async () => keyFromBytes(new Uint8Array(32)).publicKey,
  signVote: async (_, vote) => vote,
  signProposal: async (_, proposal) => proposal,
  settled: () => Promise.resolve(),
  remember: () => Promise.resolve(undefined),
};

describe("checkers", () => {
  test("a second signature for one height, round and type, and a step back", async () => {
    const signer = new SigningChecker("a").watch(CARELESS);
    const sign = async (vote: Vote): Promise<void> => {
      await signer.signVote("", vote, false);
      await signer.settled();
    };
    await sign(voteAt(5, 1, 1));
    await sign(voteAt(5, 1, 1));
    await expect(sign(voteAt(5, 1, 0))).rejects.toThrow(/double signing/);
    await expect(sign(voteAt(5, 0, 1))).rejects.toThrow(/after 5\/1\/2/);
  });

  test("two votes on the wire", () => {
    const wire = new WireChecker();
    wire.sent("a", voteAt(5, 1, 1));
    wire.sent("b", voteAt(5, 1, 2));
    expect(() => wire.sent("a", voteAt(5, 1, 2))).toThrow(/equivocation: a sent/);
  });
});

describe("simulated disk", () => {
  /** Runs what a life does until nothing more happens. */
  async function live(work: (life: Life) => Promise<void>): Promise<void> {
    const scheduler = new Scheduler();
    const life = new Life("node", scheduler);
    let isDone = false;
    void work(life).then(() => (isDone = true));
    await Promise.resolve();
    do await scheduler.step();
    while (!isDone);
  }

  test("keeps what was synced, and no more than a prefix of the rest", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const files = new SimFiles(new Random(seed));
      await live(async (life) => {
        const fileSystem = files.mount(life, AT_ONCE);
        await fileSystem.makeDirectory("/d");
        const file = await fileSystem.open("/d/f", "append");
        await file.write(Uint8Array.of(1, 2, 3), 0, 3);
        await file.datasync();
        await (await fileSystem.open("/d", "read")).sync();
        await file.write(Uint8Array.of(4, 5, 6), 0, 3);
      });
      files.losePower();
      const bytes = [...files.durableBytes("/d/f")];
      expect(bytes.slice(0, 3), `seed ${seed}`).toEqual([1, 2, 3]);
      // The lost end of a torn write may read as zeros.
      [4, 5, 6].forEach((byte, i) => expect([byte, 0, undefined]).toContain(bytes[3 + i]));
    }
  });

  test("forgets a name whose directory was not synced, in some seeds", async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const files = new SimFiles(new Random(seed));
      await live(async (life) => {
        const fileSystem = files.mount(life, AT_ONCE);
        await fileSystem.makeDirectory("/d");
        for (const text of ["old", "new"]) {
          const file = fileSystem.replaceSync("/d/f.new");
          file.writeSync(text);
          await file.datasync();
          fileSystem.renameSync("/d/f.new", "/d/f");
          if (text === "old") await (await fileSystem.open("/d", "read")).sync();
        }
      });
      files.losePower();
      outcomes.add(new TextDecoder().decode(files.durableBytes("/d/f")));
    }
    expect(outcomes).toEqual(new Set(["new", "old"]));
  });

  test("a batch is there whole or not at all", async () => {
    const outcomes = new Set<number>();
    for (let seed = 1; seed <= 30; seed++) {
      const database = new SimDatabase(new Random(seed));
      await live(async (life) => {
        const store = database.mount(life, AT_ONCE);
        const put = (byte: number) => ({
          type: "put" as const,
          key: Uint8Array.of(byte),
          value: Uint8Array.of(byte),
        });
        await store.write([put(1)]);
        await store.write([put(2), put(3)], { sync: false });
      });
      database.crash(true);
      outcomes.add([...database.values("")].length);
    }
    expect(outcomes).toEqual(new Set([1, 3]));
  });
});
