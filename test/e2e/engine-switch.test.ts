/**
 * Validators that change engine and back, on their home directories, under load: real processes, killed
 * in the middle of a height. Judged from outside: what both engines say of every height, and all votes
 * that left a trace in any log.
 */
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import { ed25519Address } from "../../proto/verify/ed25519.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { isCometBftAway } from "../support/cometbft.ts";
import {
  createTestNetwork,
  ENTRY,
  height,
  mapSome,
  range,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { startTraffic, type Traffic } from "../support/traffic.ts";
import { lastSigned, votesInLogs } from "../support/vote-evidence.ts";

type Engine = "cometbft" | "embedded";

const RECEIVER = new Uint8Array(20).fill(0x55);
/** Heights that a network has to go on by before a change of engine counts as survived. */
const FURTHER = 4;
const PATIENCE_MS = 60_000;

describe.skipIf(isCometBftAway)("changing the engine of validators", () => {
  let network: TestNetwork;
  let traffic: Traffic;
  /** What was said of heights by whichever engine was first asked. */
  const told = new Map<string, unknown>();

  beforeAll(async () => {
    network = await createTestNetwork();
    await network.startAll();
    traffic = send();
    await untilHeight(network.validators, 6);
  }, PATIENCE_MS);
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(await network.report());
  });
  afterAll(() => network.close());

  const send = (): Traffic =>
    startTraffic({
      clients: network.validators.map(({ client }) => client),
      key: network.owner,
      senders: 4,
      patienceMs: PATIENCE_MS,
      action: () => ({ kind: "transfer", to: RECEIVER, amount: 1n }),
    });

  /** The validator whose engine changes; the others go on without it. */
  const changing = (): TestValidator => {
    const [first] = network.validators;
    if (first === undefined) throw new Error("there is a first validator");
    return first;
  };

  it("behavior: one of four, killed in a height, goes on as CometBFT and as ours again", async () => {
    for (const to of ["cometbft", "embedded"] as const) {
      const place = changing();
      await untilHeight([place], (await height(place)) + 1);
      const last = (await height(place)) - 1;
      await requireSameAnswers(place, last);
      await killInHeight(network, place);
      const report = await switchEngine(place, to);
      expect(report).toMatchObject({ engine: to, converted: true });
      expect(report.height).toBeGreaterThanOrEqual(last);

      // Run again, it finds nothing to do.
      expect(await switchEngine(place, to)).toMatchObject({ engine: to, converted: false });

      network.start(place.name);
      const others = network.validators.slice(1);
      const now = Math.max(...(await Promise.all(others.map(height))));
      await untilSigned(place, others[0] ?? place, now + 1);
      await untilHeight(network.validators, now + FURTHER, PATIENCE_MS);
      // The other engine tells of every height what the first one told.
      await requireSameAnswers(place, last);
    }
  }, 120_000);

  it("behavior: all four change at once, and go on from the same height", async () => {
    const before = Math.max(...(await Promise.all(network.validators.map(height))));
    // Nodes that start forget what became of a transaction whose sender had not heard of it yet.
    await traffic.stop();
    const [old] = traffic.committed;
    expect(traffic.committed.length).toBeGreaterThan(3);
    await network.stopAll();
    for (const place of network.validators) {
      const report = await switchEngine(place, "cometbft");
      expect(report.height).toBeGreaterThanOrEqual(before);
      if (place !== changing()) continue;
      // The command as it was said, to be copied.
      const [program = "", ...args] =
        report.index?.split("before the start: ")[1]?.split(" ") ?? [];
      expect(execFileSync(program, args, { encoding: "utf8" })).toContain("finished");
    }
    network.start();
    await untilHeight(network.validators, before + FURTHER, PATIENCE_MS);
    traffic = send();
    const hash = Buffer.from(old?.hash ?? "", "hex").toString("base64");
    const found = await rpc<{ height: string }>(changing(), "tx", { hash });
    expect(Number(found.height)).toBe(old?.height);
    await traffic.stop();
    expect(traffic.committed.length).toBeGreaterThan(3);
    for (const place of network.validators) await requireSameAnswers(place, before);
  }, 120_000);

  it("behavior: nobody ever voted twice, whichever engine asked for the signature", async () => {
    await network.stopAll();
    const traces = votesInLogs(network.validators.map(({ home }) => home));
    expect(traces.conflicts).toEqual([]);
    expect(traces.places).toBeGreaterThan(network.validators.length * 20);
    for (const { home } of network.validators) {
      expect(lastSigned(home).height).toBeGreaterThan(10);
    }
  });

  it("error: an engine whose data was put aside does not start", async () => {
    const place = changing();
    setEngine(place, "embedded");
    network.start(place.name);
    expect(await network.untilEnded(place.name)).toContain("exit code 3");
    const log = readFileSync(`${place.home}/node.log`, "utf8");
    expect(log).toContain("weft engine switch --to embedded");
    setEngine(place, "cometbft");
  });

  /** `/block`, `/commit`, `/block_results` and `/validators` of each height, as they were told before. */
  async function requireSameAnswers(place: TestValidator, last: number): Promise<void> {
    await mapSome(range(1, last), async (at) => {
      for (const method of ["block", "commit", "block_results", "validators"]) {
        const answer = await rpc(place, method, { height: String(at) });
        const name = `${method} ${at}`;
        if (!told.has(name)) told.set(name, answer);
        expect(answer, `${name} of ${place.name}`).toEqual(told.get(name));
      }
    });
  }
});

/** Kills a validator when it has signed something for a height that is not decided yet. */
async function killInHeight(network: TestNetwork, place: TestValidator): Promise<void> {
  await until("a vote for a height under way", async () => {
    const decided = await height(place);
    return lastSigned(place.home).height > decided;
  });
  await network.end(place.name, "SIGKILL");
}

/** The block commit of some height at or above `from` holds this validator's signature. */
async function untilSigned(
  place: TestValidator,
  witness: TestValidator,
  from: number,
): Promise<void> {
  const key = readKeyFile(homeAt(place.home).validatorKeyFile);
  const address = toHex(ed25519Address(key.publicKey)).toUpperCase();
  let at = from;
  await until(
    `${place.name} signs again`,
    async () => {
      const answer = await rpc<CommitAnswer>(witness, "commit", { height: String(at) });
      // The last block's is the witness's own: who came after the first two thirds is not in it.
      if (!answer.canonical) return false;
      at += 1;
      return answer.signed_header.commit.signatures.some(
        (signature) => signature.block_id_flag === 2 && signature.validator_address === address,
      );
    },
    PATIENCE_MS,
  );
}

interface CommitAnswer {
  readonly canonical: boolean;
  readonly signed_header: {
    readonly commit: {
      readonly signatures: readonly {
        readonly block_id_flag: number;
        readonly validator_address: string;
      }[];
    };
  };
}

interface SwitchReport {
  readonly index?: string;
  readonly engine: Engine;
  readonly converted: boolean;
  readonly height: number;
  readonly logRecords: number;
}

/** Until a CometBFT that lost its node has ended, the command refuses. */
async function switchEngine(place: TestValidator, to: Engine): Promise<SwitchReport> {
  const args = [ENTRY, "engine", "switch", "--home", place.home, "--to", to, "--json"];
  const { stdout } = await until(
    `${place.name} is ${to}'s`,
    () => promisify(execFile)(process.execPath, args),
    PATIENCE_MS,
  );
  setEngine(place, to);
  return JSON.parse(stdout) as SwitchReport;
}

function setEngine(place: TestValidator, engine: Engine): void {
  const { configFile } = homeAt(place.home);
  const text = readFileSync(configFile, "utf8").replace(/^engine = .*\n/m, "");
  writeFileSync(configFile, `engine = "${engine}"\n${text}`);
}
