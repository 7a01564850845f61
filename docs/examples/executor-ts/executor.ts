/**
 * A rollup in a page: names, each of who asked for it first. Rules and commands: README.md.
 *
 *   executor.ts ROLLUP LOGFILE HOST:PORT [DIRECTORY OF PROTOCOL FILES]
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { HealthImplementation } from "grpc-health-check";

const [rollup = "", file = "", address = "", protocol = "proto"] = process.argv.slice(2);
const LINE = /^([a-z0-9-]{1,32}) ([!-~]{1,128})$/;
const ANSWERS_KEPT = 1_000;
const STATUS: Record<string, grpc.status> = {
  INVALID_REQUEST: grpc.status.INVALID_ARGUMENT,
  BLOCK_UNKNOWN: grpc.status.NOT_FOUND,
  HEIGHT_FORGOTTEN: grpc.status.OUT_OF_RANGE,
};

/** The messages as proto-loader gives and takes them; bytes are base64. */
type Texts<Name extends string> = Record<Name, string>;
type Numbers<Name extends string> = Record<Name, number>;
type Block = Texts<"hash" | "parentHash" | "stateRoot" | "receiptsRoot"> &
  Numbers<"number" | "timestampSeconds">;
type InitRequest = Texts<"rollupId" | "sequencerChainId"> & Numbers<"sequencerStartHeight">;
type ExecuteRequest = Texts<"sequencerBlockHash" | "parentHash"> &
  Numbers<"sequencerHeight" | "sequencerHeightFirst"> & {
    time: Numbers<"seconds" | "nanos"> | null;
    payloads: string[];
  };

const bytesOf = (text: string): Buffer => Buffer.from(text, "base64");
const textOf = (bytes: string): string => bytesOf(bytes).toString("latin1");
const isHash = (text: string): boolean => Buffer.byteLength(text, "base64") === 32;
const sha256 = (...parts: Buffer[]): string =>
  createHash("sha256").update(Buffer.concat(parts)).digest("base64");

class Refused extends Error {
  heights: Record<string, number> = {};
}
function require(isSo: boolean, code: string, heights = {}): asserts isSo {
  if (!isSo) throw Object.assign(new Refused(code), { heights });
}

const rollupId = sha256(Buffer.from(rollup));
const genesisHash = sha256(bytesOf(rollupId));
const zeros = Buffer.alloc(32).toString("base64");
const roots = { parentHash: zeros, stateRoot: zeros, receiptsRoot: zeros };
const genesis: Block = { number: 0, timestampSeconds: 0, hash: genesisHash, ...roots };
const labels = { head: genesis, safe: genesis, finalized: genesis };
const status = { isInitialized: false, rollupId, genesisHash, nextSequencerHeight: 0, ...labels };
const names = new Map<string, string>();
const blocks = new Map([[genesisHash, genesis]]);
const answers = new Map<number, { blockHash: string; answer: ReturnType<typeof run> }>();
let sequencer: { height: number; blockHash: string } | undefined;
let bound: InitRequest | undefined;

function init(request: InitRequest) {
  const { sequencerChainId: chain, sequencerStartHeight: start } = request;
  require(isHash(request.rollupId) && chain !== "" && start >= 1, "INVALID_REQUEST");
  const { sequencerChainId, sequencerStartHeight } = bound ?? request;
  const isSame = sequencerChainId === chain && sequencerStartHeight === start;
  require(isSame && request.rollupId === rollupId, "GENESIS_MISMATCH");
  if (bound === undefined) {
    keep("init", request);
    Object.assign(status, { isInitialized: true, nextSequencerHeight: start });
    bound = request;
  }
  return status;
}

function executeBlock(request: ExecuteRequest) {
  const { sequencerHeight: height, sequencerBlockHash: blockHash, time, parentHash } = request;
  const first = request.sequencerHeightFirst || height;
  const isTimed = time !== null && time.seconds >= 0 && time.nanos >= 0 && time.nanos < 1e9;
  require(isHash(blockHash) && first >= 1 && first <= height && isTimed, "INVALID_REQUEST");
  require(bound !== undefined, "NOT_INITIALIZED");
  if (sequencer !== undefined && height <= sequencer.height) {
    const known = answers.get(height);
    require(known !== undefined, "HEIGHT_FORGOTTEN", { height });
    require(known.blockHash === blockHash, "CONFLICT", { height });
    return known.answer;
  }
  const { nextSequencerHeight: expected, head } = status;
  require(first === expected, "HEIGHT_GAP", { expected, got: first });
  require(parentHash === "" || parentHash === head.hash, "PARENT_MISMATCH");
  // What is no line comes to the same as nothing, and nothing is shorter.
  const payloads = request.payloads.map((payload) => (LINE.test(textOf(payload)) ? payload : ""));
  keep("executeBlock", { ...request, payloads });
  const answer = run({ ...request, payloads }, time.seconds, head);
  blocks.set(answer.block.hash, answer.block);
  answers.set(height, { blockHash, answer });
  answers.delete(height - ANSWERS_KEPT);
  Object.assign(status, { head: answer.block, nextSequencerHeight: height + 1 });
  sequencer = { height, blockHash };
  return answer;
}

/** The block that the payloads make: a function of them and the state, and of nothing else. */
function run({ payloads, sequencerBlockHash }: ExecuteRequest, seconds: number, parent: Block) {
  const skipped: { index: number; reason: string }[] = [];
  const none = { block: parent, outcome: "EXECUTION_OUTCOME_NONE", included: 0, skipped };
  if (payloads.length === 0) return none;
  // Over all lines that had an effect, so over the whole state.
  let root = bytesOf(parent.stateRoot);
  for (const [index, payload] of payloads.entries()) {
    const [, name = "", value = ""] = LINE.exec(textOf(payload)) ?? [];
    if (name === "") skipped.push({ index, reason: "MALFORMED" });
    else if (names.has(name)) skipped.push({ index, reason: "TAKEN" });
    else {
      names.set(name, value);
      root = bytesOf(sha256(root, bytesOf(payload)));
    }
  }
  const receiptsRoot = sha256(...skipped.map(({ index }) => Buffer.from(`${index} `)));
  const timestampSeconds = Math.max(parent.timestampSeconds, seconds);
  const [parentHash, stateRoot] = [parent.hash, root.toString("base64")];
  const hashes = [parentHash, stateRoot, receiptsRoot, sequencerBlockHash].map(bytesOf);
  const hash = sha256(...hashes, Buffer.from(String(timestampSeconds)));
  const made = { number: parent.number + 1, hash, parentHash, stateRoot };
  const block: Block = { ...made, receiptsRoot, timestampSeconds };
  const included = payloads.length - skipped.length;
  return { block, outcome: "EXECUTION_OUTCOME_BLOCK", included, skipped };
}

function setFinality(request: Texts<"safeHash" | "finalizedHash">) {
  const { safeHash, finalizedHash } = request;
  require(isHash(safeHash) && isHash(finalizedHash), "INVALID_REQUEST");
  require(bound !== undefined, "NOT_INITIALIZED");
  const [safe, finalized] = [blocks.get(safeHash), blocks.get(finalizedHash)];
  require(safe !== undefined && finalized !== undefined, "BLOCK_UNKNOWN");
  const isBack = safe.number < status.safe.number || finalized.number < status.finalized.number;
  require(!isBack && finalized.number <= safe.number, "FINALITY_REGRESSION");
  keep("setFinality", request);
  Object.assign(status, { safe, finalized });
  return { safe, finalized };
}

/** Each call that changes something is on the disk before it does. All else follows from these. */
const calls = { init, executeBlock, setFinality };
let log: number | undefined;
function keep(name: keyof typeof calls, request: object): void {
  if (log === undefined) return;
  fs.writeFileSync(log, `${JSON.stringify([name, request])}\n`);
  fs.fsyncSync(log);
}
const stored = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
// A line that a crash cut off was never answered.
const whole = stored.slice(0, stored.lastIndexOf("\n") + 1);
for (const line of whole.split("\n").slice(0, -1)) {
  const [name, request]: [keyof typeof calls, never] = JSON.parse(line);
  calls[name](request);
}
log = fs.openSync(file, "a");
fs.ftruncateSync(log, Buffer.byteLength(whole));

/** Runs to its end before the next call is looked at: nothing here waits for anything. */
function served<Request, Response>(call: (request: Request) => Response) {
  return (
    { request }: grpc.ServerUnaryCall<Request, Response>,
    reply: grpc.sendUnaryData<Response>,
  ) => {
    try {
      reply(null, call(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // a disk that fails: end, the log has all
      const metadata = new grpc.Metadata();
      metadata.set("weft-code", `EXECUTION_${error.message}`);
      for (const [name, height] of Object.entries(error.heights))
        metadata.set(`weft-${name}`, String(height));
      const code = STATUS[error.message] ?? grpc.status.FAILED_PRECONDITION;
      reply({ code, details: error.message, metadata });
    }
  };
}

const options = { includeDirs: [protocol], bytes: String, longs: Number, enums: String };
const definitions = loadSync("weft/execution/v1/execution.proto", { ...options, defaults: true });
const service = definitions["weft.execution.v1.ExecutionService"];
if (service === undefined || "format" in service) throw new Error("no protocol file");
const server = new grpc.Server({ "grpc.max_receive_message_length": 64 << 20 });
server.addService(service, {
  Init: served(init),
  ExecuteBlock: served(executeBlock),
  SetFinality: served(setFinality),
  GetStatus: served(() => ({ ...status, sequencer })),
});
new HealthImplementation({ "": "SERVING" }).addToServer(server);
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`executor ready at port ${port}\n`);
});
