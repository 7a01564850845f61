/**
 * A small real application for engine tests: keys and values, validator changes, vote extensions.
 * Its state is on disk after Commit, in one file, as ABCI demands.
 */
import { open, readFile, rename } from "node:fs/promises";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { txsBytes } from "../../proto/codec/block.ts";
import type { ConsensusParams } from "../../proto/types.ts";
import type {
  Application,
  CheckTxRequest,
  ExecTxResult,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  FinalizeBlockResponse,
  InitChainRequest,
  PrepareProposalRequest,
  ProcessProposalRequest,
  ValidatorUpdate,
  Verdict,
  VerifyVoteExtensionRequest,
} from "../../sequencer/abci/application.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";

export interface KvApplicationOptions {
  /** File of the committed state; undefined keeps it in memory. */
  readonly path: string | undefined;
  /** A place for it instead of a file. */
  readonly disk?: KvDisk;
}

/** One text, replaced at once and durable when the promise resolves. */
export interface KvDisk {
  read(): string;
  write(text: string): Promise<void>;
}

interface Committed {
  readonly height: number;
  readonly appHash: string;
  readonly entries: readonly (readonly [string, string])[];
}

const START: Committed = { height: 0, appHash: "", entries: [] };

/** Transactions: `key=value`; `validator:<public key hex>=<power>`; `bad` fails in the block. */
export class KvApplication implements Application {
  /** Every consensus call, in order: `name height`. */
  readonly calls: string[] = [];
  /** What PrepareProposal draws from. */
  readonly pool = new Map<string, Uint8Array>();
  /** Set to change what the application answers. */
  refuseProposal: ((request: ProcessProposalRequest) => boolean) | undefined;
  paramUpdates: ((height: number) => ConsensusParams | undefined) | undefined;
  /** True: the app hash follows from the entries alone, so that an empty block changes nothing. */
  isHashConstant = false;
  retainHeight: ((height: number) => number) | undefined;
  readonly #path: string | undefined;
  readonly #disk: KvDisk | undefined;
  #committed: Committed = START;
  #next: Committed | undefined;

  constructor(options: KvApplicationOptions) {
    this.#path = options.path;
    this.#disk = options.disk;
  }

  /** Reads the state of the last Commit. */
  async load(): Promise<this> {
    const stored = this.#disk?.read() ?? "";
    if (stored !== "") this.#committed = JSON.parse(stored) as Committed;
    if (this.#path === undefined) return this;
    const text = await readFile(this.#path, "utf8").catch(() => ""); // none before the first commit
    if (text !== "") this.#committed = JSON.parse(text) as Committed;
    return this;
  }

  submit(text: string): void {
    this.pool.set(text, utf8ToBytes(text));
  }

  value(key: string): string | undefined {
    return new Map(this.#committed.entries).get(key);
  }

  get height(): number {
    return this.#committed.height;
  }

  get appHash(): string {
    return this.#committed.appHash;
  }

  async info() {
    return {
      data: "kv",
      version: "1",
      appVersion: 0n,
      lastBlockHeight: Height(this.#committed.height),
      lastBlockAppHash: fromHex(this.#committed.appHash),
    };
  }

  async initChain(request: InitChainRequest) {
    this.#called("InitChain", request.initialHeight);
    return { consensusParams: undefined, validators: [], appHash: EMPTY_BYTES };
  }

  async query() {
    return {
      code: 0,
      log: "",
      info: "",
      index: 0n,
      key: EMPTY_BYTES,
      value: EMPTY_BYTES,
      proofOps: [],
      height: Height(this.#committed.height),
      codespace: "",
    };
  }

  async checkTx({ tx }: CheckTxRequest) {
    const text = new TextDecoder().decode(tx);
    const isGood = text.includes("=");
    if (isGood) this.pool.set(text, tx);
    return result(isGood ? 0 : 1);
  }

  async prepareProposal(request: PrepareProposalRequest) {
    this.#called("PrepareProposal", request.height);
    const extensions = request.localLastCommit.votes
      .filter((vote) => vote.voteExtension.length > 0)
      .map((vote) => new TextDecoder().decode(vote.voteExtension));
    const injected = extensions.length > 0 ? [utf8ToBytes(`ext=${extensions.join(",")}`)] : [];
    const txs: Uint8Array[] = [];
    for (const tx of [...injected, ...this.pool.values()]) {
      if (txsBytes([...txs, tx]) <= request.maxTxBytes) txs.push(tx);
    }
    return txs;
  }

  async processProposal(request: ProcessProposalRequest): Promise<Verdict> {
    this.#called("ProcessProposal", request.height);
    return this.refuseProposal?.(request) === true
      ? { accept: false, reason: "told to refuse" }
      : { accept: true };
  }

  async extendVote(request: ExtendVoteRequest) {
    this.#called("ExtendVote", request.height);
    return utf8ToBytes(`e${request.height}`);
  }

  async verifyVoteExtension(request: VerifyVoteExtensionRequest): Promise<Verdict> {
    this.#called("VerifyVoteExtension", request.height);
    const expected = `e${request.height}`;
    const got = new TextDecoder().decode(request.voteExtension);
    return got === expected
      ? { accept: true }
      : { accept: false, reason: `expected ${expected}, got ${got}` };
  }

  async finalizeBlock(request: FinalizeBlockRequest): Promise<FinalizeBlockResponse> {
    this.#called("FinalizeBlock", request.height);
    const entries = new Map(this.#committed.entries);
    const validatorUpdates: ValidatorUpdate[] = [];
    const txResults = request.txs.map((tx) => {
      const [key, value] = new TextDecoder().decode(tx).split("=");
      if (key === undefined || value === undefined) return result(1);
      if (key.startsWith("validator:")) {
        const publicKey = { type: "ed25519" as const, bytes: fromHex(key.slice(10)) };
        validatorUpdates.push({ publicKey, power: BigInt(value) });
      }
      entries.set(key, value);
      return result(0);
    });
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const appHash = sha256(
      utf8ToBytes(JSON.stringify([this.isHashConstant ? 0 : request.height, sorted])),
    );
    this.#next = { height: request.height, appHash: toHex(appHash), entries: sorted };
    for (const tx of request.txs) this.pool.delete(new TextDecoder().decode(tx));
    return {
      events: [],
      txResults,
      validatorUpdates,
      consensusParamUpdates: this.paramUpdates?.(request.height),
      appHash,
    };
  }

  async commit() {
    if (this.#next === undefined) throw new Error("Commit without FinalizeBlock");
    const { height } = this.#next;
    this.#called("Commit", height);
    await this.#save(this.#next);
    this.#committed = this.#next;
    this.#next = undefined;
    return { retainHeight: Height(this.retainHeight?.(height) ?? 0) };
  }

  async #save(state: Committed): Promise<void> {
    await this.#disk?.write(JSON.stringify(state));
    if (this.#path === undefined) return;
    const file = await open(`${this.#path}.new`, "w");
    try {
      await file.writeFile(JSON.stringify(state));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${this.#path}.new`, this.#path);
  }

  #called(name: string, height: number): void {
    this.calls.push(`${name} ${height}`);
  }
}

function result(code: number): ExecTxResult {
  return { ...EMPTY_TX_RESULT, code };
}
