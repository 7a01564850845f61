/** `npm run capture`: records a network of CometBFT nodes into test/vectors/go-nodes (README.md). */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Height } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { decodeConsensusMessage } from "../../../proto/codec/consensus-messages.ts";
import { sha256 } from "../../../proto/hash.ts";
import { evidenceToJson } from "../../../proto/json.ts";
import { BlockIdFlag, type Timestamp } from "../../../proto/types.ts";
import { makeLightClientAttackEvidence } from "../../../proto/verify/light-client-attack.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../../sequencer/engine/consensus-params.ts";
import type { Genesis } from "../../../sequencer/engine/genesis.ts";
import { keyFromBytes } from "../../../sequencer/engine/privval/key-file.ts";
import { createCometRpcClient } from "../../../sequencer/ports/comet-rpc/client.ts";
import { createRpcLightProvider } from "../../../sequencer/ports/comet-rpc/light-provider.ts";
import { createSystemClock } from "../../../sequencer/ports/system-clock.ts";
import { forge, setOf } from "../../support/forks.ts";
import {
  type RecordedHeight,
  type RecordedMessage,
  RECORDINGS,
  writeChain,
  writeGossip,
  writeLog,
} from "../../support/go-recordings.ts";
import { rpc, until } from "../../support/local-network.ts";
import { heightOf as nodeHeight } from "../../support/mixed-network.ts";
import { addressText, type GoNode, keyText, newKeys, prepareGoNetwork } from "./go-network.ts";
import { heightOf, startRecorder } from "./recorder.ts";

const CHAIN_ID = "recorded-chain";
const EXTENSIONS_FROM = Height(8);
/** Two of them need three parts. */
const LARGE_TX_BYTES = 70_000;
/** Of each kind of message, besides those of the height that is kept whole. */
const MESSAGES_PER_KIND = 12;
const LOG_BYTES_MAX = 300_000;
const WAIT_MS = 120_000;
const PROGRAM_SOURCE = fileURLToPath(
  new URL("../../../../test/interop/capture/node", import.meta.url),
);

interface BlockAnswer {
  readonly block: {
    readonly header: { readonly height: string };
    readonly evidence: { readonly evidence: readonly { readonly type: string }[] };
    readonly last_commit: {
      readonly signatures: readonly {
        readonly block_id_flag: number;
        readonly validator_address: string;
      }[];
    };
  };
}

const root = mkdtempSync(join(tmpdir(), "weft-capture-"));
const program = join(root, "capture-node");
execFileSync("go", ["build", "-o", program, "."], { cwd: PROGRAM_SOURCE, stdio: "inherit" });

const keys = [newKeys(), newKeys(), newKeys(), newKeys()] as const;
const [keysA, keysB, keysC, keysD] = keys;
const nowNanos = BigInt(Date.now()) * 1_000_000n;
const genesisTime: Timestamp = {
  seconds: nowNanos / 1_000_000_000n,
  nanos: Number(nowNanos % 1_000_000_000n),
};
const genesis: Genesis = {
  genesisTime,
  chainId: CHAIN_ID,
  initialHeight: Height(1),
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    abci: { voteExtensionsEnableHeight: EXTENSIONS_FROM },
  },
  validators: keys.map((pair, i) => {
    const { address, publicKey } = keyFromBytes(pair.privateKey);
    return { address, publicKey, power: 10n, name: `validator ${i}` };
  }),
  appHash: new Uint8Array(0),
  appState: "",
};
const network = await prepareGoNetwork(
  root,
  program,
  [
    { name: "a", keys: keysA, extensions: "first" },
    // Two that wait for nobody's prevotes: where the last one decides they precommit nil.
    { name: "b", keys: keysB, timeoutPrevote: "1ms" },
    { name: "c", keys: keysC, extensions: "third", timeoutPrevote: "1ms" },
    { name: "d", keys: keysD, extensions: "fourth", rejects: 4 },
    // The same key in a second process that refuses nothing: it signs other votes than the first.
    { name: "d-again", keys: keysD, extensions: "fourth again" },
  ],
  genesis,
);
const [a, b, c, d, again] = network.nodes;
if (a === undefined || b === undefined || c === undefined) throw new Error("there are five nodes");
if (d === undefined || again === undefined) throw new Error("there are five nodes");

async function untilHeight(goal: number): Promise<void> {
  await until(`height ${goal}`, async () => (await nodeHeight(a as GoNode)) >= goal, WAIT_MS);
}

async function send(tx: string): Promise<void> {
  const bytes = Buffer.from(tx).toString("base64");
  const { code } = await rpc<{ code: number }>(a as GoNode, "broadcast_tx_sync", { tx: bytes });
  if (code !== 0) throw new Error(`refused with code ${code}: ${tx.slice(0, 40)}`);
}

/** The first height from `from` on whose block is as wanted. */
async function untilBlock(
  what: string,
  from: number,
  isWanted: (answer: BlockAnswer) => boolean,
): Promise<number> {
  let at = from;
  return await until(
    what,
    async () => {
      const answer = await rpc<BlockAnswer>(a as GoNode, "block", { height: String(at) });
      if (isWanted(answer)) return at;
      at += 1;
      return false;
    },
    WAIT_MS,
  );
}

const hasEvidence =
  (type: string) =>
  ({ block }: BlockAnswer) =>
    block.evidence.evidence.some((one) => one.type === type);
const hasFlag =
  (flag: number) =>
  ({ block }: BlockAnswer) =>
    block.last_commit.signatures.some((one) => one.block_id_flag === flag);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function large(key: string): string {
  return `${key}=${`${key} `.repeat(LARGE_TX_BYTES / (key.length + 1))}`;
}

/** Sends two large transactions; the height of the first block that holds one. */
async function makeLargeBlock(key: string): Promise<number> {
  const from = await nodeHeight(a as GoNode);
  await Promise.all([send(large(`${key}-1`)), send(large(`${key}-2`))]);
  return await untilBlock("a large block", from, ({ block }) => JSON.stringify(block).length > 9e4);
}

/** What a lunatic third of the validators could show to a light client, reported to `a`. */
async function reportAttack(reporter: GoNode): Promise<void> {
  const client = createCometRpcClient(reporter.rpc);
  const provider = createRpcLightProvider(client, createSystemClock());
  const [common, trusted] = await Promise.all([
    provider.lightBlock(Height(2)),
    provider.lightBlock(Height(5)),
  ]);
  const signers = [c, d].map((node) => (node as GoNode).key);
  const conflicting = forge(trusted, {
    signers,
    validators: setOf(signers),
    header: { appHash: sha256(utf8ToBytes("a state that never was")) },
    chainId: CHAIN_ID,
  });
  const evidence = makeLightClientAttackEvidence(conflicting, trusted, common);
  await rpc(reporter, "broadcast_evidence", { evidence: evidenceToJson(evidence) });
  client.close();
}

for (const node of [a, b, c, d]) node.start();
await untilHeight(1);
const recorder = await startRecorder(CHAIN_ID, a.p2p);
await untilHeight(3);
for (let i = 0; i < 3; i++) await send(`small-${i}=value ${i}`);
say(`large block without extensions: ${await makeLargeBlock("plain")}`);
await untilHeight(EXTENSIONS_FROM + 1);
const whole = await makeLargeBlock("extended");
say(`large block with extensions: ${whole}`);
await b.stop();
say(`absent: ${await untilBlock("an absent vote", whole + 1, hasFlag(BlockIdFlag.ABSENT))}`);
b.start();
say(`nil: ${await untilBlock("a nil vote", 2, hasFlag(BlockIdFlag.NIL))}`);
await until(
  "a block proposed again with the proof of its lock",
  async () => consensusKinds(recorder.messages).has("proposalPol"),
  WAIT_MS,
);
say(`proof of a lock: before ${await nodeHeight(a)}`);
again.start();
const double = await untilBlock(
  "a double vote",
  whole,
  hasEvidence("tendermint/DuplicateVoteEvidence"),
);
say(`double vote: ${double}`);
await again.stop();
await reportAttack(a);
const attack = await untilBlock(
  "an attack",
  double,
  hasEvidence("tendermint/LightClientAttackEvidence"),
);
say(`attack on light clients: ${attack}`);
await send(`val=ed25519!${keyText(b.key)}!15`);
const stranger = keyFromBytes(newKeys().privateKey);
await send(`val=ed25519!${keyText(stranger)}!5`);
const joined = await untilBlock(
  "one more validator",
  attack,
  ({ block }) => block.last_commit.signatures.length === 5,
);
say(`five validators: ${joined} (${addressText(stranger)} is never there)`);
await send(`val=ed25519!${keyText(stranger)}!0`);
const last = await untilBlock(
  "four validators again",
  joined,
  ({ block }) => block.last_commit.signatures.length === 4,
);
await untilHeight(last + 2);

const heights: RecordedHeight[] = [];
for (let height = 1; height <= last; height++) {
  const at = { height: String(height) };
  heights.push({
    height,
    blockResponse: await recorder.block(Height(height)),
    block: await rpc(a, "block", at),
    commit: await rpc(a, "commit", at),
    blockResults: await rpc(a, "block_results", at),
    validators: await rpc(a, "validators", at),
    consensusParams: await rpc(a, "consensus_params", at),
  });
}
const { genesis: recordedGenesis } = await rpc<{ genesis: unknown }>(a, "genesis");
await recorder.stop();
await network.stop();
writeChain({ genesis: recordedGenesis, heights });
const messages = selectMessages(recorder.messages, whole);
writeGossip(messages);
writeLog(endOfLog(readFileSync(join(a.home, "data", "cs.wal", "wal"))));
rmSync(root, { recursive: true });
say(`${heights.length} heights, ${messages.length} messages: ${RECORDINGS}`);

function consensusKinds(messages: readonly RecordedMessage[]): ReadonlySet<string> {
  return new Set(
    messages.flatMap(({ channel, bytes }) =>
      isConsensus(channel) ? [decodeConsensusMessage(bytes).kind] : [],
    ),
  );
}

function isConsensus(channel: number): boolean {
  return channel >= 0x20 && channel <= 0x23;
}

/** All of one height, evidence, and some of every other kind. */
function selectMessages(
  all: readonly RecordedMessage[],
  height: number,
): readonly RecordedMessage[] {
  const counts = new Map<string, number>();
  return all.filter(({ channel, bytes }) => {
    const message = isConsensus(channel) ? decodeConsensusMessage(bytes) : undefined;
    if (message !== undefined && heightOf(message) === height) return true;
    // What is about blocks that are not recorded cannot be checked.
    if (message !== undefined && heightOf(message) > last) return false;
    const isAgain = message?.kind === "proposal" && message.proposal.polRound >= 0;
    const kind = `${channel} ${message?.kind} ${isAgain}`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= MESSAGES_PER_KIND;
  });
}

/** Whole records from the end of a log file: checksum and length, 4 bytes big-endian each, then payload. */
function endOfLog(file: Buffer): Uint8Array {
  const starts: number[] = [];
  for (let at = 0; at + 8 <= file.length; at += 8 + file.readUInt32BE(at + 4)) starts.push(at);
  const from = starts.find((start) => file.length - start <= LOG_BYTES_MAX);
  return Uint8Array.from(file.subarray(from));
}
