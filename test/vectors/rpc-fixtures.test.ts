/**
 * The requests that CosmJS and tendermint-rs recorded against CometBFT v0.38, sent to our server:
 * each answer must have the shape of the recorded one, which is its keys, types and formats.
 */
import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Height, Round } from "../../proto/brands.ts";
import { toBase64, utf8ToBytes } from "../../proto/bytes.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { evidenceToJson } from "../../proto/json.ts";
import { eventually } from "../support/loopback.ts";
import { postRpc, startTestNode, type TestNode } from "../support/rpc-node.ts";
import { hasVectors, needVectors, vectorFiles, vectorText } from "../support/vectors.ts";

const OUTGOING = "rpc-v0_38/outgoing";
/** Methods that answer over WebSocket only. */
const SUBSCRIPTIONS = /^subscribe_(newblock|txs|malformed)\.json$/;

type Json = { readonly [key: string]: unknown };

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
  for (let i = 1; i <= 11; i++) {
    await node.chain.commitBlock(i % 2 === 0 ? [utf8ToBytes(`tx${i}=value`)] : []);
  }
  await node.chain.commitBlock([utf8ToBytes("tx0=old")]);
  await node.indexer.caughtUp(node.chain.blocks.height());
});
afterAll(() => node.stop());

function fixture(folder: "incoming" | "outgoing", name: string): Json {
  return JSON.parse(vectorText("rpc-v0_38", folder, name)) as Json;
}

/** What a string is written in, as far as it can be told. */
function formatOf(text: string): string {
  if (text === "") return "empty";
  if (/^-?\d+$/.test(text)) return "integer";
  if (/^([0-9A-F]{2}){8,}$/.test(text)) return "hex";
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(text)) return "time";
  if (/^[A-Za-z0-9+/]{4,}={1,2}$/.test(text)) return "base64";
  return "text";
}

/** The paths at which `actual` is shaped otherwise than `expected`. */
function differences(expected: unknown, actual: unknown, path: string): readonly string[] {
  // A recorded null says only that there was nothing then.
  if (expected === null) return [];
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [`${path}: expected a list, got ${typeof actual}`];
    const [example] = expected;
    if (example === undefined) return [];
    return actual.flatMap((item, i) => differences(example, item, `${path}[${i}]`));
  }
  if (typeof expected === "object") {
    if (typeof actual !== "object" || actual === null || Array.isArray(actual)) {
      return [`${path}: expected an object, got ${JSON.stringify(actual)}`];
    }
    const wanted = expected as Json;
    const got = actual as Json;
    const keys = new Set([...Object.keys(wanted), ...Object.keys(got)]);
    return [...keys].flatMap((key) => {
      if (!(key in got)) return [`${path}.${key}: missing`];
      if (!(key in wanted)) return [`${path}.${key}: not expected`];
      return differences(wanted[key], got[key], `${path}.${key}`);
    });
  }
  if (typeof expected !== typeof actual) {
    return [`${path}: expected ${typeof expected}, got ${JSON.stringify(actual)}`];
  }
  if (typeof expected === "string" && typeof actual === "string") {
    const [want, have] = [formatOf(expected), formatOf(actual)];
    const isOpen = [want, have].some((one) => one === "text" || one === "empty");
    return want === have || isOpen ? [] : [`${path}: expected ${want}, got ${have} ${actual}`];
  }
  return [];
}

/** The request as recorded, but about things that this chain has. */
async function requestFor(name: string): Promise<Json> {
  const request = fixture("outgoing", name);
  if (name === "block_by_hash.json") {
    const meta = await node.chain.blocks.meta(Height(10));
    return { ...request, params: { hash: toBase64(meta?.blockId.hash ?? new Uint8Array(0)) } };
  }
  return request;
}

const OWN_GENESIS_KEYS = /\.app_state: not expected/;

/** One listed at collection, so that every file is a test of its own. */
const NAMES = hasVectors() ? vectorFiles(OUTGOING) : ["none"];

/** Answers that belong to no request of their own, and the test that compares them. */
const COMPARED_ELSEWHERE: readonly (readonly [pattern: RegExp, where: string])[] = [
  [/^subscribe_newblock(_\d)?\.json$/, "block events have the recorded shape"],
  [/^subscribe_txs(_\d)?\.json$/, "transaction events have the recorded shape"],
  [/^subscribe_malformed\.json$/, "the malformed subscription is refused in the same words"],
  [/^block_search_evidence\.json$/, "evidence in blocks has the recorded shape"],
];

describe("answers to recorded requests", () => {
  beforeEach(needVectors);

  it("no recorded request or answer is left out", () => {
    const isReplayed = (name: string) => NAMES.includes(name) && !SUBSCRIPTIONS.test(name);
    const isCompared = (name: string) => COMPARED_ELSEWHERE.some(([one]) => one.test(name));
    const recorded = [...vectorFiles(OUTGOING), ...vectorFiles("rpc-v0_38/incoming")];
    expect(recorded.filter((name) => !isReplayed(name) && !isCompared(name))).toEqual([]);
    expect(recorded.length).toBe(71);
  });

  it.each(NAMES.filter((name) => !SUBSCRIPTIONS.test(name)))("%s", async (name) => {
    const request = await requestFor(name);
    const { text } = await postRpc(node, request);
    const answer = JSON.parse(text) as Json;
    const recorded = fixture("incoming", name);
    const found = differences({ ...recorded, id: request["id"] }, answer, "answer").filter(
      (line) => !OWN_GENESIS_KEYS.test(line),
    );
    expect(found).toEqual([]);
    expect(answer["id"]).toBe(request["id"]);
    // An error says the same words, not only words of the same shape.
    expect(answer["error"]).toEqual(recorded["error"]);
  });

  it("the malformed subscription is refused in the same words", async () => {
    const { answers, close } = await subscribe("subscribe_malformed.json");
    await eventually(() => answers.length > 0, "an answer");
    await close();
    expect(answers[0]?.["error"]).toEqual(fixture("incoming", "subscribe_malformed.json")["error"]);
  });

  it("block events have the recorded shape", async () => {
    const { answers, close } = await subscribe("subscribe_newblock.json");
    await eventually(() => answers.length === 1, "the subscription");
    for (let i = 0; i < 3; i++) await node.chain.commitBlock([]);
    await eventually(() => answers.length === 4, "three events");
    await close();
    for (const [i, answer] of answers.slice(1).entries()) {
      const recorded = fixture("incoming", `subscribe_newblock_${i}.json`);
      expect(differences(recorded, answer, "event")).toEqual([]);
    }
  });

  it("transaction events have the recorded shape", async () => {
    const { answers, close } = await subscribe("subscribe_txs.json");
    await eventually(() => answers.length === 1, "the subscription");
    expect(answers[0]).toMatchObject({ result: {} });
    for (let i = 0; i < 5; i++) await node.chain.commitBlock([utf8ToBytes(`tx${i}=v${i}`)]);
    await eventually(() => answers.length === 6, "five events");
    await close();
    for (const [i, answer] of answers.slice(1).entries()) {
      const recorded = fixture("incoming", `subscribe_txs_${i}.json`);
      expect(differences(recorded, answer, "event")).toEqual([]);
    }
  });

  it("evidence in blocks has the recorded shape", async () => {
    const recorded = fixture("incoming", "block_search_evidence.json");
    const blocks = (
      recorded["result"] as { blocks: { block: { evidence: { evidence: unknown[] } } }[] }
    ).blocks;
    const meta = await node.chain.blocks.meta(Height(2));
    if (meta === undefined) throw new Error("the chain has a block 2");
    const vote = {
      type: SignedMsgType.PRECOMMIT,
      height: Height(2),
      round: Round(0),
      blockId: meta.blockId,
      timestamp: meta.header.time,
      validatorAddress: meta.header.proposerAddress,
      validatorIndex: 2,
      signature: new Uint8Array(64).fill(7),
      extension: new Uint8Array(0),
      extensionSignature: new Uint8Array(0),
    };
    const mine = evidenceToJson({
      kind: "duplicateVote",
      voteA: { ...vote, blockId: NIL_BLOCK_ID },
      voteB: vote,
      totalVotingPower: 40n,
      validatorPower: 10n,
      timestamp: meta.header.time,
    });
    // This one was recorded from a node of the v1 line, which renamed fields that v0.38 shows as Go has them.
    const theirs: unknown = JSON.parse(
      JSON.stringify(blocks[0]?.block.evidence.evidence[0])
        .replace('"total_voting_power"', '"TotalVotingPower"')
        .replace('"validator_power"', '"ValidatorPower"')
        .replace(/"timestamp"(?!.*"timestamp")/, '"Timestamp"'),
    );
    expect(differences(theirs, JSON.parse(JSON.stringify(mine)), "evidence")).toEqual([]);
  });
});

async function subscribe(
  name: string,
): Promise<{ readonly answers: readonly Json[]; readonly close: () => Promise<void> }> {
  const socket = new WebSocket(`ws://${node.host}:${node.port}/websocket`);
  const answers: Json[] = [];
  socket.on("message", (data: Buffer) => answers.push(JSON.parse(data.toString("utf8")) as Json));
  await once(socket, "open");
  socket.send(JSON.stringify(fixture("outgoing", name)));
  return {
    answers,
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}
