/**
 * A short, deterministic slice of `npm run fuzz`: same seed, same inputs, every target. Times and heap
 * are not judged here, where other tests run beside it.
 */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../proto/bytes.ts";
import { failure, fuzz } from "./fuzzer.ts";
import { fuzzSwitch } from "./live-switch.ts";
import { minimise } from "./minimise.ts";
import { mutate } from "./mutate.ts";
import { decodersIn, EXEMPT, exemption, TARGETS } from "./registry.ts";
import { REGRESSIONS } from "./regressions.ts";
import { Random } from "../support/random.ts";
import { attempt, codec, strictCodec, type Target } from "./target.ts";

const ROOT = resolve(import.meta.dirname, "../..");

describe("fuzzing", () => {
  test("every decoder has a target, or a reason to have none", () => {
    const covered = new Set(TARGETS.flatMap(({ covers }) => covers));
    const decoders = decodersIn(ROOT);
    const missing = decoders.filter((name) => !covered.has(name) && exemption(name) === undefined);
    expect(missing, "register these in test/fuzz/targets").toEqual([]);
    const stale = Object.keys(EXEMPT).filter(
      (name) =>
        !decoders.some((decoder) => decoder === name || decoder.startsWith(name.replace("*", ""))),
    );
    expect(stale, "exempt, but not there").toEqual([]);
    expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
    expect(decoders.length).toBeGreaterThan(100);
  });

  test.each(TARGETS.map((target) => [target.name, target] as const))("%s", async (_, target) => {
    const inputs = Math.ceil(100 * (target.weight ?? 1)) + 5;
    const report = await fuzz(target, { inputs, seed: 1, isTimed: false });
    expect(report.findings).toEqual([]);
    expect(report.inputs).toBe(inputs);
  });

  test("what was found once is answered now", async () => {
    for (const { target: name, inputHex, why } of REGRESSIONS) {
      const target = TARGETS.find((candidate) => candidate.name === name);
      expect(target, name).toBeDefined();
      if (target === undefined) continue;
      expect(await failure(target, fromHex(inputHex)), why).toBeUndefined();
    }
  });

  test("a switch under mutated handshakes, packets and messages goes on with its honest peer", async () => {
    const report = await fuzzSwitch({ connections: 48, seed: 1, isTimed: false });
    expect(report.faults).toEqual([]);
    expect(report.inputs).toBeGreaterThan(50);
  });

  test("the same seed makes the same inputs", () => {
    const seed = fromHex("0a0412020801120308ac02");
    const runs = [1, 1, 2].map((start) => {
      const random = new Random(start);
      return Array.from({ length: 200 }, () =>
        Buffer.from(mutate(seed, [seed], "protobuf", random, 500)).toString("hex"),
      );
    });
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
  });
});

describe("a fuzzer that finds", () => {
  const seeds = () => [fromHex("010203")];
  const broken = (run: Target["run"]): Target => ({
    name: "broken",
    covers: [],
    format: "binary",
    seeds,
    run,
  });

  test("errors that are not declared, with their input made small", async () => {
    const target = broken((bytes) =>
      attempt(() => {
        if (bytes.includes(0xff)) throw new TypeError("undefined is not a function");
      }, codec),
    );
    const { findings } = await fuzz(target, { inputs: 3_000, seed: 1, isTimed: false });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ kind: "error", inputHex: "ff" });
  });

  test("codecs with two encodings of one value", async () => {
    const target = strictCodec({
      name: "lax",
      covers: [],
      format: "binary",
      decode: (bytes) => bytes.filter((byte) => byte !== 0),
      encode: (bytes) => bytes,
      seeds,
    });
    const { findings } = await fuzz(target, { inputs: 3_000, seed: 1, isTimed: false });
    expect(findings[0]?.message).toContain("not their own encoding");
    expect(findings[0]?.inputHex).toMatch(/00/);
  });

  test("inputs that take too long, and heap that stays", async () => {
    const slow = broken((bytes) => {
      const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
      // The lesser of both counts, and other threads of the process use its processor time too.
      const isEnough = () =>
        performance.now() - startMs > 6 && process.cpuUsage(startCpu).user > 6_000;
      while (bytes.includes(0xff) && !isEnough());
      return "accepted";
    });
    const found = await fuzz(slow, { inputs: 100, seed: 1, isTimed: true });
    expect(found.findings.map(({ kind }) => kind)).toContain("slow");
    const kept: Uint8Array[] = [];
    const greedy = broken(() => {
      kept.push(new Uint8Array(20_000));
      return "accepted";
    });
    const { findings } = await fuzz(greedy, {
      inputs: 2_000,
      seed: 1,
      isTimed: true,
      heapCheckInputs: 500,
    });
    expect(findings.map(({ kind }) => kind)).toContain("memory");
  });

  test("and minimises without losing what was found", async () => {
    const needs = async (bytes: Uint8Array) => bytes.includes(7) && bytes.includes(9);
    const input = Uint8Array.from({ length: 300 }, (_, i) => i % 11);
    expect(await minimise(input, needs)).toEqual(new Uint8Array([7, 9]));
  });
});
