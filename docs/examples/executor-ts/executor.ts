/**
 * A rollup in a page: names that only who knows a secret can change. Rules and commands: README.md.
 *
 *   executor.ts ROLLUP LOGFILE HOST:PORT [DIRECTORY OF PROTOCOL FILES]
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { type MethodDefinition, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [rollup = "", file = "", address = "", protocol = "proto"] = process.argv.slice(2);
const NAMES_MAX = 10_000;
const ANSWERS_KEPT = 1_000;
const PAYLOAD = /^([a-z0-9-]{1,32}) ([!-~]{1,128}) ([0-9a-f]{64})(?: ([0-9a-f]{64}))?$/;

/** Bytes are base64 here, as proto-loader gives and takes them with `bytes: String`. */
interface Block {
  number: number;
  hash: string;
  parentHash: string;
  stateRoot: string;
  receiptsRoot: string;
  timestampSeconds: number;
  gasUsed: number;
}
interface Answer {
  block: Block;
  outcome: "EXECUTION_OUTCOME_BLOCK" | "EXECUTION_OUTCOME_NONE";
  included: number;
  skipped: { index: number; reason: string }[];
}
interface InitRequest {
  rollupId: string;
  sequencerChainId: string;
  sequencerStartHeight: number;
}
interface ExecuteRequest {
  sequencerBlockHash: string;
  sequencerHeight: number;
  sequencerHeightFirst: number;
  time: { seconds: number; nanos: number } | null;
  parentHash: string;
  payloads: string[];
}
interface LabelRequest {
  safeHash: string;
  finalizedHash: string;
}
/** What a block will change, and how many names it adds. */
interface Draft {
  changes: Map<string, { value: string; lock: string }>;
  added: number;
}
type Name = [name: string, value: string, lock: string];
/** One line of the log: all that one call changed. */
interface Line {
  bound?: { chain: string; start: number };
  labels?: { safe: number; finalized: number };
  taken?: { height: number; hash: string; answer: Answer; names: Name[] };
}

const sha256 = (data: string | Buffer): Buffer => createHash("sha256").update(data).digest();
const base64 = (bytes: Buffer): string => bytes.toString("base64");
const hex = (text: string): string => Buffer.from(text, "base64").toString("hex");
const sizeOf = (text: string): number => Buffer.byteLength(text, "base64");

class Refused extends Error {
  readonly heights: Record<string, number>;
  constructor(code: string, heights: Record<string, number> = {}) {
    super(`EXECUTION_${code}`);
    this.heights = heights;
  }
}
const STATUS: Record<string, status> = {
  EXECUTION_INVALID_REQUEST: status.INVALID_ARGUMENT,
  EXECUTION_BLOCK_UNKNOWN: status.NOT_FOUND,
  EXECUTION_HEIGHT_FORGOTTEN: status.OUT_OF_RANGE,
};
function refuseIf(isSo: boolean, code: string, heights?: Record<string, number>): void {
  if (isSo) throw new Refused(code, heights);
}

const rollupId = base64(sha256(rollup));
const chainId = sha256(rollup).readUInt32BE();
const genesis: Block = {
  number: 0,
  hash: base64(sha256(`genesis ${rollup}`)),
  parentHash: base64(Buffer.alloc(32)),
  stateRoot: base64(sha256("")),
  receiptsRoot: base64(sha256("")),
  timestampSeconds: 0,
  gasUsed: 0,
};

const names = new Map<string, { value: string; lock: string }>();
const blocks = [genesis];
const answers = new Map<number, { hash: string; answer: Answer }>();
let bound: Line["bound"];
let labels = { safe: 0, finalized: 0 };
let last: { height: number; blockHash: string } | undefined;

const blockAt = (number: number): Block => blocks[number] ?? genesis;
const head = (): Block => blockAt(blocks.length - 1);
const nextHeight = (): number => (last === undefined ? (bound?.start ?? 0) : last.height + 1);

/** The log holds what each call changed; it is the only place where anything is kept. */
const log = openSync(file, "a+");
const stored = readFileSync(file, "utf8");
const lines = stored.split("\n");
// A line that a crash cut off was never answered.
ftruncateSync(log, Buffer.byteLength(stored) - Buffer.byteLength(lines.pop() ?? ""));
for (const line of lines) recall(JSON.parse(line));

function keep(line: Line): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(log, bytes, at);
  fsyncSync(log);
  recall(line);
}

function recall(line: Line): void {
  bound = line.bound ?? bound;
  labels = line.labels ?? labels;
  if (line.taken === undefined) return;
  const { height, hash, answer } = line.taken;
  for (const [name, value, lock] of line.taken.names) names.set(name, { value, lock });
  if (answer.outcome === "EXECUTION_OUTCOME_BLOCK") blocks.push(answer.block);
  answers.set(height, { hash, answer });
  for (const old of answers.keys()) if (old <= height - ANSWERS_KEPT) answers.delete(old);
  last = { height, blockHash: hash };
}

function init(request: InitRequest) {
  const { sequencerChainId: chain, sequencerStartHeight: start } = request;
  const isValid = chain.length >= 1 && chain.length <= 50 && start >= 1;
  refuseIf(!isValid || sizeOf(request.rollupId) !== 32, "INVALID_REQUEST");
  const isOther = bound !== undefined && (bound.chain !== chain || bound.start !== start);
  refuseIf(isOther || request.rollupId !== rollupId, "GENESIS_MISMATCH");
  if (bound === undefined) keep({ bound: { chain, start } });
  const at = { head: head(), nextSequencerHeight: nextHeight() };
  return { rollupId, chainId, genesisHash: genesis.hash, ...at };
}

function executeBlock(request: ExecuteRequest): Answer {
  const { sequencerHeight: height, sequencerBlockHash: hash, time } = request;
  const first = request.sequencerHeightFirst || height;
  const isValid = sizeOf(hash) === 32 && first >= 1 && first <= height;
  const isTimed = time !== null && time.seconds >= 0 && time.nanos >= 0 && time.nanos < 1e9;
  refuseIf(!isValid || !isTimed, "INVALID_REQUEST");
  refuseIf(bound === undefined, "NOT_INITIALIZED");
  if (last !== undefined && height <= last.height) {
    const known = answers.get(height);
    if (known === undefined) throw new Refused("HEIGHT_FORGOTTEN", { height });
    refuseIf(known.hash !== hash, "CONFLICT", { height });
    return known.answer;
  }
  refuseIf(first !== nextHeight(), "HEIGHT_GAP", { expected: nextHeight(), got: first });
  const parent = head();
  const isOnHead = request.parentHash === "" || request.parentHash === parent.hash;
  refuseIf(!isOnHead, "PARENT_MISMATCH");
  const { answer, changed } = run(request, parent);
  keep({ taken: { height, hash, answer, names: changed } });
  return answer;
}

/** All payloads in order: the block that they make, and the names that it changes. */
function run(request: ExecuteRequest, parent: Block): { answer: Answer; changed: Name[] } {
  const draft: Draft = { changes: new Map(), added: 0 };
  const skipped: Answer["skipped"] = [];
  request.payloads.forEach((payload, index) => {
    const reason = apply(Buffer.from(payload, "base64").toString("latin1"), draft);
    if (reason !== undefined) skipped.push({ index, reason });
  });
  const changed = [...draft.changes].map(([name, { value, lock }]): Name => [name, value, lock]);
  if (request.payloads.length === 0) {
    const outcome = "EXECUTION_OUTCOME_NONE";
    return { answer: { block: parent, outcome, included: 0, skipped }, changed };
  }
  const included = request.payloads.length - skipped.length;
  const all = [...new Map([...names, ...draft.changes])].sort(([a], [b]) => (a < b ? -1 : 1));
  const state = all.map(([name, { value, lock }]) => `${name} ${value} ${lock}\n`).join("");
  const block: Block = {
    number: parent.number + 1,
    hash: "",
    parentHash: parent.hash,
    stateRoot: base64(sha256(state)),
    receiptsRoot: base64(
      sha256(skipped.map(({ index, reason }) => `${index}:${reason}`).join(" ")),
    ),
    timestampSeconds: Math.max(parent.timestampSeconds, request.time?.seconds ?? 0),
    gasUsed: included,
  };
  const hashes = [parent.hash, block.stateRoot, block.receiptsRoot, request.sequencerBlockHash];
  const parts = [block.number, block.timestampSeconds, block.gasUsed, ...hashes.map(hex)];
  block.hash = base64(sha256(parts.join(" ")));
  return { answer: { block, outcome: "EXECUTION_OUTCOME_BLOCK", included, skipped }, changed };
}

/** Notes the change, or says why there is none: a function of state and payload, and of nothing else. */
function apply(payload: string, draft: Draft): string | undefined {
  const [, name, value, lock, key] = PAYLOAD.exec(payload) ?? [];
  if (name === undefined || value === undefined || lock === undefined) return "MALFORMED";
  const owned = draft.changes.get(name) ?? names.get(name);
  if (owned === undefined) {
    if (key !== undefined) return "NO_SUCH_NAME";
    if (names.size + draft.added >= NAMES_MAX) return "FULL";
    draft.added += 1;
  } else if (key === undefined || sha256(Buffer.from(key, "hex")).toString("hex") !== owned.lock) {
    return "WRONG_KEY";
  }
  draft.changes.set(name, { value, lock });
  return undefined;
}

function setFinality({ safeHash, finalizedHash }: LabelRequest) {
  refuseIf(sizeOf(safeHash) !== 32 || sizeOf(finalizedHash) !== 32, "INVALID_REQUEST");
  refuseIf(bound === undefined, "NOT_INITIALIZED");
  const safe = blocks.findLastIndex(({ hash }) => hash === safeHash);
  const finalized = blocks.findLastIndex(({ hash }) => hash === finalizedHash);
  refuseIf(safe < 0 || finalized < 0, "BLOCK_UNKNOWN");
  const isBack = safe < labels.safe || finalized < labels.finalized;
  refuseIf(isBack || finalized > safe, "FINALITY_REGRESSION");
  keep({ labels: { safe, finalized } });
  return { safe: blockAt(safe), finalized: blockAt(finalized) };
}

function getStatus() {
  return {
    isInitialized: bound !== undefined,
    rollupId,
    chainId,
    genesisHash: genesis.hash,
    head: head(),
    safe: blockAt(labels.safe),
    finalized: blockAt(labels.finalized),
    sequencer: last,
    nextSequencerHeight: nextHeight(),
  };
}

/** Runs to its end before the next call is looked at: nothing here waits for anything. */
function served<Request, Response>(call: (request: Request) => Response) {
  return ({ request }: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>) => {
    let answer: Response;
    try {
      answer = call(request);
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // a disk that fails: end, the state is on it
      const metadata = new Metadata();
      metadata.set("weft-code", error.message);
      for (const [name, height] of Object.entries(error.heights))
        metadata.set(`weft-${name}`, String(height));
      const code = STATUS[error.message] ?? status.FAILED_PRECONDITION;
      return reply({ code, details: error.message, metadata });
    }
    reply(null, answer);
  };
}

const definitions = loadSync("weft/execution/v1/execution.proto", {
  includeDirs: [protocol],
  bytes: String,
  longs: Number,
  enums: String,
  defaults: true,
});
const service = definitions["weft.execution.v1.ExecutionService"];
if (service === undefined || "format" in service)
  throw new Error("the protocol file has no service");
// Every health check is answered by the same message: status (1) is SERVING (1).
const bytes = (message: Buffer): Buffer => message;
const check: MethodDefinition<Buffer, Buffer> = {
  path: "/grpc.health.v1.Health/Check",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};
const server = new Server({ "grpc.max_receive_message_length": 64 << 20 });
server.addService(service, {
  Init: served(init),
  ExecuteBlock: served(executeBlock),
  SetFinality: served(setFinality),
  GetStatus: served(getStatus),
});
server.addService({ check }, { check: served(() => Buffer.of(0x08, 0x01)) });
server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
  if (error === null) process.stdout.write(`executor ready at port ${port}\n`);
  else {
    closeSync(log);
    process.stderr.write(`cannot listen at ${address}: ${error.message}\n`);
    process.exit(1);
  }
});
