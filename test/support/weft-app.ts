/** Applications without an engine: a chain of blocks decided in lockstep, as consensus would. */
import { MemoryLevel } from "memory-level";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import { formatAddress } from "../../proto/address.ts";
import { Height, Round } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeItem, encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  accountAddress,
  type Action,
  encodeTxBody,
  type Replay,
  rollupData,
  rollupIdOfName,
  txId,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { decodeAccount } from "../../proto/codec/weft-state.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha256Concat } from "../../proto/hash.ts";
import {
  BlockIdFlag,
  type ConsensusParams,
  type Timestamp,
  type ValidatorSet,
} from "../../proto/types.ts";
import { createValidatorSet, updateValidatorSet } from "../../proto/validator-set.ts";
import {
  createEd25519Verifier,
  type Ed25519KeyPair,
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import type {
  ExtendedVoteInfo,
  FinalizeBlockResponse,
  Misbehavior,
  ProcessProposalRequest,
  ValidatorUpdate,
} from "../../sequencer/abci/application.ts";
import { createApplication } from "../../sequencer/app/application.ts";
import { type DecodedTx, decodeTx } from "../../sequencer/app/execution/decoded-tx.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import type { SnapshotArchive } from "../../sequencer/app/snapshots/snapshot-archive.ts";
import { StateStore } from "../../sequencer/app/state-tree/state-store.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import type {
  ApplicationOptions,
  ApplicationSigner,
  PoolLimits,
  WeftApplication,
} from "../../sequencer/app/weft-application.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { newWatch, type Watch, watchedSeal } from "./watch.ts";

export const CHAIN_ID = "weft-test";
export const ROLLUPS = ["alpha", "beta"] as const;
export const START_BALANCE = 1_000_000_000_000n;

export interface Wallet {
  readonly key: Ed25519KeyPair;
  readonly address: Uint8Array;
}

/** The operator of the validator of a node: the account of its application key. */
export function operator(node: number): Wallet {
  return walletOf(`application/${node}`);
}

/** The consensus key of a node. */
export function consensusKey(node: number): Ed25519KeyPair {
  return walletOf(`consensus/${node}`).key;
}

export function wallet(index: number): Wallet {
  return walletOf(`wallet/${index}`);
}

function walletOf(name: string): Wallet {
  const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(name)));
  return { key, address: accountAddress(key.publicKey) };
}

export interface TxTerms {
  readonly maxFeePerByte?: bigint;
  readonly tipPerByte?: bigint;
  readonly chainId?: string;
}

/** A signed item. */
export function signedItem(
  { key }: Wallet,
  replay: Replay,
  action: Action,
  { maxFeePerByte = 1_000n, tipPerByte = 1n, chainId = CHAIN_ID }: TxTerms = {},
): Uint8Array {
  const fee = { maxFeePerByte, tipPerByte };
  const bodyBytes = encodeTxBody({ publicKey: key.publicKey, replay, fee, action });
  return encodeTxItem({ bodyBytes, signature: signEd25519(key, txSignBytes(chainId, bodyBytes)) });
}

/** An item taken apart, signed or not. */
export function decodedTx(item: Uint8Array, chainId = CHAIN_ID): DecodedTx {
  const decoded = decodeTx(chainId, item);
  if ("code" in decoded) throw new Error(`${decoded.code}: ${decoded.reason}`);
  return decoded.decoded;
}

export const nonce = (value: number | bigint): Replay => ({ kind: "nonce", value: BigInt(value) });

export function unordered(expiryHeight: number, salt = ""): Replay {
  return { kind: "unordered", expiryHeight: Height(expiryHeight), salt: utf8ToBytes(salt) };
}

export const transferTo = (to: Uint8Array, amount: bigint): Action => ({
  kind: "transfer",
  to,
  amount,
});

export function dataFor(rollup: string, ...entries: readonly string[]): Action {
  return rollupData(rollupIdOfName(rollup), entries.map(utf8ToBytes));
}

export interface TestNode {
  app: WeftApplication;
  readonly level: MemoryLevel<string, Uint8Array>;
  readonly consensusAddress: Uint8Array;
  readonly applicationKey: Ed25519KeyPair;
  readonly watch: Watch;
}

/** A rollup's policy as one writes it into genesis.json. */
export type GenesisPolicy = NonNullable<NonNullable<GenesisAppState["rollups"]>[number]["policy"]>;

export interface ChainOptions {
  readonly validators?: number;
  /** Nodes that are no validators at genesis; they come after those that are. */
  readonly followers?: number;
  /** Power of each genesis validator; default 10. */
  readonly power?: bigint;
  /** nweft that each node's operator, the account of its application key, has at genesis. */
  readonly operatorBalance?: bigint;
  readonly wallets?: number;
  readonly params?: GenesisAppState["params"];
  /** Rollups of genesis with what they choose; default: `ROLLUPS`, which choose nothing. */
  readonly rollups?: Readonly<Record<string, GenesisPolicy>>;
  readonly pool?: Partial<PoolLimits>;
  readonly maxTxBytes?: number;
  readonly blockBytesMax?: number;
  /** Entries of the state that genesis cannot say, by whole key. */
  readonly state?: ReadonlyMap<string, Uint8Array>;
  /** Secrets of a node's tickets of keys for sealed transactions. */
  readonly ticketSecretOf?: (node: number) => TicketSecretOf;
  /** Where the first node keeps its snapshots, one of every height. */
  readonly archive?: SnapshotArchive;
  /** How many of them; 100 by default. */
  readonly snapshotsKept?: number;
}

export function idOf(item: Uint8Array): Uint8Array {
  const decoded = decodeItem(item);
  assert(decoded.kind === "tx", "expected a transaction item");
  return txId(CHAIN_ID, decoded.tx.bodyBytes);
}

/** An extension that a byzantine validator sends. */
export interface Altered {
  readonly extension: Uint8Array;
  /** It comes after the block was decided: nobody checks it before the next proposer has it. */
  readonly isLate?: boolean;
}

/** What one step decided. */
export interface DecidedBlock {
  readonly height: Height;
  readonly txs: readonly Uint8Array[];
  readonly response: FinalizeBlockResponse;
  readonly hash: Uint8Array;
}

const PARAMS: ConsensusParams = {
  block: { maxBytes: 4_194_304n, maxGas: -1n },
  evidence: {
    maxAgeBlocks: 100_000n,
    maxAgeDurationNanos: 172_800_000_000_000n,
    maxBytes: 10_000n,
  },
  validator: { publicKeyTypes: ["ed25519"] },
  version: { app: 0n },
  abci: { voteExtensionsEnableHeight: Height(0) },
};
const verifier = createEd25519Verifier();

/** Starts (or, on a used database, restarts) one application. */
export async function startNode(
  level: MemoryLevel<string, Uint8Array>,
  applicationKey: Ed25519KeyPair,
  pool: Partial<PoolLimits> = {},
  watch: Watch = newWatch(),
  archive?: SnapshotArchive,
  options: Partial<ApplicationOptions> = {},
  nextKey?: Ed25519KeyPair,
): Promise<WeftApplication> {
  return createApplication(
    {
      version: "test",
      chainId: CHAIN_ID,
      pool,
      snapshots: { interval: 1, keepRecent: 100 },
      ...options,
    },
    {
      ...(archive === undefined ? {} : { snapshotArchive: archive }),
      database: await openKeyValueStore(level, yieldToLoop),
      verify: async (checks) => {
        const isDelayed = watch.delayNext === true;
        watch.delayNext = false;
        watch.signatures += checks.filter(({ prefix, message }) =>
          isTxMessage(prefix ?? message),
        ).length;
        const { failAfter, failsFor = 1 } = watch;
        if (failAfter !== undefined) {
          watch.failAfter = failAfter - 1;
          if (failAfter <= 0 && failAfter > -failsFor) return checks.map(() => false);
        }
        if (!isDelayed) watch.underWay = (watch.underWay ?? 0) + 1;
        const verdicts = await verifier.verifyBatch(checks);
        if (!isDelayed) watch.underWay = (watch.underWay ?? 0) - 1;
        while (isDelayed && (watch.underWay ?? 0) > 0) await yieldToLoop();
        return verdicts;
      },
      seal: watchedSeal(watch),
      ticketSecretOf: (key, ticket) => watch.ticketSecretOf?.(key, ticket),
      signer: signerOf(applicationKey),
      nextSigner: nextKey && signerOf(nextKey),
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: {
        ...NULL_APP_METRICS,
        fallbackProposals: { inc: () => watch.fallbacks++ },
        misbehavior: {
          inc: ({ type } = { type: "" }) =>
            watch.misbehavior.set(type, (watch.misbehavior.get(type) ?? 0) + 1),
        },
      },
      yieldToLoop,
    },
  );
}

/** Before the first block, and while no application has the database open. */
async function addToState(
  level: MemoryLevel<string, Uint8Array>,
  entries: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const database = await openKeyValueStore(level, yieldToLoop);
  const store = await StateStore.open({}, { database, yieldToLoop });
  await store.commit(await store.stage(new Map(entries)), 0);
}

function signerOf(key: Ed25519KeyPair): ApplicationSigner {
  return { publicKey: key.publicKey, sign: async (bytes) => signEd25519(key, bytes) };
}

/** Sign bytes begin with the length and text of their domain tag. */
function isTxMessage(message: Uint8Array): boolean {
  return Buffer.from(message.subarray(1, 11)).toString() === "weft/tx/v1";
}

/** nweft of all accounts as a node has them. */
export async function sumOfBalances({ level }: TestNode): Promise<bigint> {
  let sum = 0n;
  for await (const [, value] of level.iterator({ gte: "vaccount/", lt: "vaccount0" })) {
    sum += decodeAccount(new Uint8Array(value)).balance;
  }
  return sum;
}

/** Several applications from one genesis. */
export class TestChain {
  readonly nodes: TestNode[];
  readonly #options: ChainOptions;
  readonly #genesis: Uint8Array;
  /** Told of a node that was started again. */
  onRestart: (node: TestNode) => void = () => {};
  height = 0;
  blockHash = EMPTY_BYTES;
  /** Every decided block, as nodes were asked to check it. */
  readonly history: ProcessProposalRequest[] = [];
  /** The commit of the last block, extensions included. */
  lastVotes: ExtendedVoteInfo[] = [];
  /** The set that votes on the next block, and the one after it. */
  set: ValidatorSet;
  #nextSet: ValidatorSet;
  /** Nodes that do not vote. */
  readonly absent = new Set<number>();
  /** Seconds that blocks come later than one each second. */
  lateSeconds = 0;
  /** Whether what the votes of the next blocks open ahead can be opened; if not, the blocks after them do it. */
  opensAhead = true;
  /** Extensions of a node as the others get them; unchanged where it says undefined. */
  alter: (
    voter: number,
    request: ProcessProposalRequest,
    extension: Uint8Array,
  ) => Altered | undefined = () => undefined;
  /** What the others said of altered extensions of the last block, by node. */
  readonly refusedExtensions = new Map<number, string>();

  private constructor(options: ChainOptions, nodes: TestNode[], genesis: Uint8Array) {
    this.#options = options;
    this.nodes = nodes;
    this.#genesis = genesis;
    this.set = createValidatorSet(
      genesisValidators(options).map(({ publicKey, power }) => ({ publicKey, votingPower: power })),
    );
    this.#nextSet = this.set;
  }

  static async start(options: ChainOptions = {}): Promise<TestChain> {
    const nodes: TestNode[] = [];
    const validators = options.validators ?? 4;
    for (let n = 0; n < validators + (options.followers ?? 0); n++) {
      const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
      const applicationKey = operator(n).key;
      const ticketSecretOf = options.ticketSecretOf?.(n);
      const watch = newWatch();
      if (ticketSecretOf !== undefined) watch.ticketSecretOf = ticketSecretOf;
      nodes.push({
        app: await startNode(
          level,
          applicationKey,
          options.pool,
          watch,
          n === 0 ? options.archive : undefined,
          { snapshots: { interval: 1, keepRecent: options.snapshotsKept ?? 100 } },
        ),
        level,
        watch,
        consensusAddress: ed25519Address(consensusKey(n).publicKey),
        applicationKey,
      });
    }
    const chain = new TestChain(
      options,
      nodes,
      utf8ToBytes(JSON.stringify(genesis(options, nodes))),
    );
    for (const [n, node] of nodes.entries()) {
      await chain.initChain(node);
      if (options.state === undefined) continue;
      await addToState(node.level, options.state);
      await chain.restart(n);
    }
    return chain;
  }

  async initChain(node: TestNode, chainId = CHAIN_ID): Promise<Uint8Array> {
    const response = await node.app.initChain({
      time: this.time(0),
      chainId,
      consensusParams: {
        ...PARAMS,
        block: { maxBytes: BigInt(this.#options.blockBytesMax ?? 4_194_304), maxGas: -1n },
      },
      validators: genesisValidators(this.#options),
      appStateBytes: this.#genesis,
      initialHeight: Height(1),
    });
    return response.appHash;
  }

  /** A new node that is given the first decided blocks only, as in block sync; its application. */
  async replay(
    blocks = this.history.length,
    { isRestarted = false } = {},
  ): Promise<WeftApplication> {
    const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
    const { applicationKey, consensusAddress } = this.node(0);
    let app = await startNode(level, applicationKey);
    await this.initChain({
      app,
      level,
      applicationKey,
      consensusAddress,
      watch: newWatch(),
    });
    if (this.#options.state !== undefined) {
      await addToState(level, this.#options.state);
      app = await startNode(level, applicationKey);
    }
    for (const request of this.history.slice(0, blocks)) {
      await app.finalizeBlock(finalize(request));
      await app.commit();
    }
    return isRestarted ? startNode(level, applicationKey) : app;
  }

  node(index: number): TestNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`no node ${index}`);
    return node;
  }

  get app(): WeftApplication {
    return this.node(0).app;
  }

  /** Starts a node again, with another application key or other options if they are given. */
  async restart(
    index: number,
    key?: Ed25519KeyPair,
    options?: Partial<ApplicationOptions>,
    nextKey?: Ed25519KeyPair,
  ): Promise<void> {
    const node = this.node(index);
    const { level, watch } = node;
    const applicationKey = key ?? node.applicationKey;
    const { pool } = this.#options;
    node.app = await startNode(level, applicationKey, pool, watch, undefined, options, nextKey);
    this.onRestart(node);
  }

  time(height: number): Timestamp {
    const late = height === 0 ? 0 : this.lateSeconds;
    return { seconds: 1_700_000_000n + BigInt(height + late), nanos: 5 };
  }

  /** CheckTx of one node; the code. */
  async submit(item: Uint8Array, index = 0): Promise<number> {
    return (await this.node(index).app.checkTx({ tx: item, type: "new" })).code;
  }

  async prepare(
    proposer: number,
    misbehavior: readonly Misbehavior[] = [],
  ): Promise<readonly Uint8Array[]> {
    const votes = this.lastVotes;
    return this.node(proposer).app.prepareProposal({
      ...this.#context(proposer),
      misbehavior,
      maxTxBytes: this.#options.maxTxBytes ?? 1 << 20,
      txs: [],
      localLastCommit: { round: Round(0), votes },
    });
  }

  /** The request that every validator gets for these items. */
  processRequest(
    txs: readonly Uint8Array[],
    proposer = 0,
    misbehavior: readonly Misbehavior[] = [],
  ): ProcessProposalRequest {
    const context = { ...this.#context(proposer), misbehavior };
    const votes = this.lastVotes.map(({ validator, blockIdFlag }) => ({ validator, blockIdFlag }));
    return {
      ...context,
      txs,
      proposedLastCommit: { round: Round(0), votes },
      hash: sha256Concat(sha256(utf8ToBytes(`${context.height}`)), ...txs),
    };
  }

  /** ProcessProposal on one node; the reason of a refusal, or undefined. */
  async refusal(txs: readonly Uint8Array[], index = 0): Promise<string | undefined> {
    const verdict = await this.node(index).app.processProposal(this.processRequest(txs));
    return verdict.accept ? undefined : verdict.reason;
  }

  /** One height: propose, check everywhere, extend, finalize, commit. */
  async step(
    proposer = this.height % this.nodes.length,
    misbehavior: readonly Misbehavior[] = [],
  ): Promise<DecidedBlock> {
    const txs = await this.prepare(proposer, misbehavior);
    return this.decide(txs, proposer, misbehavior);
  }

  /** Steps until the block at `height` is decided; the last one. `proposer`: of all of them. */
  async stepTo(height: number, proposer?: number): Promise<DecidedBlock> {
    let block = await this.step(proposer);
    while (block.height < height) block = await this.step(proposer);
    return block;
  }

  async decide(
    txs: readonly Uint8Array[],
    proposer = 0,
    misbehavior: readonly Misbehavior[] = [],
  ): Promise<DecidedBlock> {
    const request = this.processRequest(txs, proposer, misbehavior);
    for (const [index, { app }] of this.nodes.entries()) {
      const verdict = await app.processProposal(request);
      const reason = verdict.accept ? "" : verdict.reason;
      assert(verdict.accept, `node ${index}, height ${request.height}: ${reason}`);
    }
    const votes = await this.extend(request);
    const responses: FinalizeBlockResponse[] = [];
    for (const { app } of this.nodes) responses.push(await app.finalizeBlock(finalize(request)));
    const [response] = responses;
    if (response === undefined) throw new RangeError("a chain has nodes");
    for (const other of responses) {
      assert(bytesEqual(other.appHash, response.appHash), "all nodes have one app hash");
    }
    const updates = response.validatorUpdates.map(({ publicKey, power }) => ({
      publicKey,
      votingPower: power,
    }));
    this.set = this.#nextSet;
    // Throws for updates that an engine would refuse.
    this.#nextSet = updateValidatorSet(this.#nextSet, updates);
    for (const { app, watch } of this.nodes) {
      await app.commit();
      watch.failsAhead = false;
    }
    this.height = request.height;
    this.blockHash = request.hash;
    this.lastVotes = votes;
    this.history.push(request);
    return { height: request.height, txs, response, hash: request.hash };
  }

  /**
   * The extension of everybody in the set of that height, accepted by everybody; an altered one that is
   * refused is no vote.
   */
  async extend(request: ProcessProposalRequest): Promise<ExtendedVoteInfo[]> {
    this.refusedExtensions.clear();
    for (const { watch } of this.nodes) watch.failsAhead = !this.opensAhead;
    const votes: ExtendedVoteInfo[] = [];
    for (const { address, votingPower: power } of this.set.validators) {
      const validator = { address, power };
      const voter = this.nodes.findIndex((node) => bytesEqual(node.consensusAddress, address));
      const voteExtension =
        voter < 0 || this.absent.has(voter)
          ? undefined
          : await this.#acceptedExtension(voter, request);
      votes.push(
        voteExtension === undefined
          ? {
              validator,
              blockIdFlag: BlockIdFlag.ABSENT,
              voteExtension: EMPTY_BYTES,
              extensionSignature: EMPTY_BYTES,
            }
          : {
              validator,
              blockIdFlag: BlockIdFlag.COMMIT,
              voteExtension,
              extensionSignature: new Uint8Array(64),
            },
      );
    }
    return votes;
  }

  async #acceptedExtension(
    voter: number,
    request: ProcessProposalRequest,
  ): Promise<Uint8Array | undefined> {
    const { app, consensusAddress } = this.node(voter);
    const own = await app.extendVote(request);
    const altered = this.alter(voter, request, own);
    if (altered?.isLate === true) return altered.extension;
    const voteExtension = altered?.extension ?? own;
    const reasons: string[] = [];
    for (const [index, { app: other }] of this.nodes.entries()) {
      if (altered !== undefined && index === voter) continue;
      const verdict = await other.verifyVoteExtension({
        hash: request.hash,
        validatorAddress: consensusAddress,
        height: request.height,
        voteExtension,
      });
      if (!verdict.accept) reasons.push(verdict.reason);
    }
    const [reason] = reasons;
    if (reason === undefined) return voteExtension;
    assert(altered !== undefined, `extension of ${voter}: ${reason}`);
    assert(reasons.length === this.nodes.length - 1, `some take the extension: ${reason}`);
    this.refusedExtensions.set(voter, reason);
    return undefined;
  }

  #context(proposer: number) {
    const height = Height(this.height + 1);
    return {
      height,
      time: this.time(height),
      misbehavior: [],
      nextValidatorsHash: new Uint8Array(32).fill(1),
      proposerAddress: this.node(proposer).consensusAddress,
    };
  }
}

function genesisValidators({ validators = 4, power = 10n }: ChainOptions): ValidatorUpdate[] {
  return Array.from({ length: validators }, (_, n) => ({
    publicKey: { type: "ed25519", bytes: consensusKey(n).publicKey },
    power,
  }));
}

export function finalize(request: ProcessProposalRequest) {
  const { proposedLastCommit, ...rest } = request;
  return { ...rest, decidedLastCommit: proposedLastCommit };
}

function genesis(options: ChainOptions, nodes: readonly TestNode[]): GenesisAppState {
  const { operatorBalance = 0n, validators = 4 } = options;
  const { rollups = Object.fromEntries(ROLLUPS.map((name) => [name, {}])) } = options;
  const operators = operatorBalance > 0n ? nodes : [];
  return {
    accounts: [
      ...Array.from({ length: options.wallets ?? 8 }, (_, n) => ({
        address: formatAddress(wallet(n).address),
        balance: START_BALANCE.toString(),
      })),
      ...operators.map(({ applicationKey }) => ({
        address: formatAddress(accountAddress(applicationKey.publicKey)),
        balance: operatorBalance.toString(),
      })),
    ],
    validators: nodes.slice(0, validators).map(({ consensusAddress, applicationKey }) => ({
      address: toHex(consensusAddress),
      application_key: toHex(applicationKey.publicKey),
    })),
    rollups: Object.entries(rollups).map(([name, policy]) => ({
      name,
      owner_key: toHex(wallet(0).key.publicKey),
      policy,
    })),
    params: options.params,
  };
}
