import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MemoryLevel } from "memory-level";
import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { stateProofFault } from "../../proto/verify/ics23.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import { StateStore } from "../../sequencer/app/state-tree/state-store.ts";
import { START_BALANCE, TestChain, wallet } from "../support/weft-app.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";

interface Question {
  readonly root: string;
  readonly key: string;
  readonly value: string | null;
  readonly proof: string;
}

const JUDGE = fileURLToPath(new URL("./ics23-judge", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;

function verdicts(questions: readonly Question[]): readonly string[] {
  const input = questions.map((question) => JSON.stringify(question)).join("\n");
  const output = execFileSync("go", ["run", "."], { cwd: JUDGE, input, encoding: "utf8" });
  return output.trim().split("\n");
}

async function storeWith(keys: readonly string[]): Promise<StateStore> {
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  const database = await openKeyValueStore(level, yieldToLoop);
  const store = await StateStore.open({}, { database, yieldToLoop });
  await store.commit(await store.stage(new Map(keys.map((k) => [k, utf8ToBytes(`${k}=`)]))), 1);
  // Proofs come from stored pages, as in a node that has restarted.
  return StateStore.open({}, { database, yieldToLoop });
}

describe.skipIf(!hasGo && process.env["CI"] === undefined)(
  "ICS-23, judged by cosmos/ics23/go",
  () => {
    test("interop: proofs that a query answers hold against the app hash", async () => {
      const chain = await TestChain.start({ validators: 1 });
      await chain.step();
      await chain.step();
      const root = toHex(chain.app.read.appHash());
      const questions: Question[] = [];
      for (const [owner, isPresent] of [
        [wallet(0), true],
        [wallet(77), false],
      ] as const) {
        const path = `/account/${toHex(owner.address)}`;
        const request = { path, data: new Uint8Array(), height: Height(0), prove: true };
        const { key, value, proofOps, info } = await chain.app.query(request);
        expect(JSON.parse(info)).toMatchObject({ balance: isPresent ? `${START_BALANCE}` : "0" });
        expect(value.length > 0).toBe(isPresent);
        const proof = toHex(proofOps[0]?.data ?? new Uint8Array());
        questions.push({ root, key: toHex(key), value: isPresent ? toHex(value) : null, proof });
      }
      expect(verdicts(questions)).toEqual(["ok", "ok"]);
    });

    test("interop: the Go implementation of ICS-23 accepts our proofs and refuses changed ones", async () => {
      const { right, wrong } = await manyQuestions();
      expect(new Set(verdicts(right))).toEqual(new Set(["ok"]));
      expect(new Set(verdicts(wrong))).toEqual(new Set(["refused"]));
    });

    test("interop: our verifier and Go's say the same of damaged proofs", async () => {
      const { right } = await manyQuestions();
      const damaged = right.flatMap((question, i) =>
        [3, 40, 90, 140, 200].map((at) => flipped(question, at + (i % 37))),
      );
      expect(damaged.map(ownVerdict)).toEqual(verdicts(damaged));
    });
  },
);

describe("ICS-23, judged by our own verifier", () => {
  test("accepts every proof and refuses every changed one", async () => {
    const { right, wrong } = await manyQuestions();
    for (const question of right) expect(ownVerdict(question), question.key).toBe("ok");
    for (const question of wrong) expect(ownVerdict(question), question.key).toBe("refused");
  });

  test("refuses neighbours that leave room for the key", async () => {
    const keys = Array.from({ length: 50 }, (_, n) => `account/${n}`);
    const store = await storeWith(keys);
    const without = await storeWith(keys.filter((key) => key !== "account/7"));
    const key = toHex(utf8ToBytes("account/7"));
    const proof = toHex(without.prove("account/7") ?? new Uint8Array());
    const question = { root: toHex(without.version.root), key, value: null, proof };
    expect(ownVerdict(question)).toBe("ok");
    expect(ownVerdict({ ...question, root: toHex(store.version.root) })).toBe("refused");
    // The proof of another absence names neighbours that do not surround this key.
    const elsewhere = without.prove("account/51") ?? new Uint8Array();
    const renamed = Buffer.from(
      toHex(elsewhere).replace(toHex(utf8ToBytes("account/51")), key),
      "hex",
    );
    expect(ownVerdict({ ...question, proof: toHex(renamed) })).toBe("refused");
  });
});

function ownVerdict({ root, key, value, proof }: Question): string {
  const expected = value === null ? undefined : fromHex(value);
  const fault = stateProofFault(fromHex(root), fromHex(key), expected, fromHex(proof));
  return fault === undefined ? "ok" : "refused";
}

/** One bit of the proof is another. */
function flipped(question: Question, at: number): Question {
  const proof = fromHex(question.proof);
  const place = at % proof.length;
  proof[place] = (proof[place] ?? 0) ^ 4;
  return { ...question, proof: toHex(proof) };
}

async function manyQuestions(): Promise<{
  readonly right: readonly Question[];
  readonly wrong: readonly Question[];
}> {
  const right: Question[] = [];
  const wrong: Question[] = [];
  for (const size of [1, 2, 3, 5, 17, 200, 3_000]) {
    const keys = Array.from({ length: size }, (_, n) => `account/${n}`);
    const store = await storeWith(keys);
    const root = toHex(store.version.root);
    for (let n = 0; n < Math.min(size, 40); n++) {
      const present = `account/${n}`;
      const absent = `missing/${n}`;
      const exists = toHex(store.prove(present) ?? new Uint8Array());
      const lacks = toHex(store.prove(absent) ?? new Uint8Array());
      const key = toHex(utf8ToBytes(present));
      const value = toHex(utf8ToBytes(`${present}=`));
      right.push({ root, key, value, proof: exists });
      right.push({ root, key: toHex(utf8ToBytes(absent)), value: null, proof: lacks });
      wrong.push({ root, key, value: `${value}00`, proof: exists });
      wrong.push({ root, key: toHex(utf8ToBytes(absent)), value, proof: exists });
      wrong.push({ root, key, value: null, proof: lacks });
      wrong.push({ root: root.replace(/^../, "ff"), key, value, proof: exists });
    }
  }
  return { right, wrong };
}
