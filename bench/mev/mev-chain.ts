/**
 * A chain of the benchmark of `mev/`: some applications that follow it, and as many validators as are wanted,
 * whose extensions are made beside them. All is production's own but the order of calls, which an engine would make.
 */
import { MemoryLevel } from "memory-level";
import { buildExtension, askedOf, type ExtensionContext } from "../../mev/extension.ts";
import { createGroup, SCALAR_BYTES } from "../../mev/seal/group/group.ts";
import { makeShares } from "../../mev/seal/shares.ts";
import { formatAddress } from "../../proto/address.ts";
import { Height, Round } from "../../proto/brands.ts";
import { compareBytes, joinBytes, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import type { ListedTx } from "../../proto/codec/weft-extension.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { sha256, sha256Concat } from "../../proto/hash.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import {
  createEd25519Verifier,
  type Ed25519KeyPair,
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import type {
  ExtendedVoteInfo,
  PrepareProposalRequest,
  ProcessProposalRequest,
} from "../../sequencer/abci/application.ts";
import { createApplication } from "../../sequencer/app/application.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { sealTermsAt } from "../../sequencer/app/proposal/seal-terms.ts";
import { NO_SEAL_STATE } from "../../sequencer/app/seal/reader.ts";
import type { SealCompute } from "../../mev/seal/compute.ts";
import { openKeyValueStore } from "../../sequencer/app/state-tree/key-value-store.ts";
import { StateStore } from "../../sequencer/app/state-tree/state-store.ts";
import { numberKey, SEAL, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import type { WeftApplication } from "../../sequencer/app/weft-application.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import {
  openSealCompute,
  type SealLanes,
} from "../../sequencer/node/seal-workers/open-seal-compute.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type Cost, timed } from "./cost.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";

export const CHAIN_ID = "weft-bench-mev";
export const BLOCK_BYTES = 4 << 20;
/** The engine's own part of a block: header, commit of a hundred, framing. */
const ENGINE_BYTES = 40_000;

export interface MevChainOptions {
  readonly validators: number;
  /** Applications that follow the chain. */
  readonly applications: number;
  readonly accounts: GenesisAppState["accounts"];
  readonly rollups: GenesisAppState["rollups"];
  readonly params: GenesisAppState["params"];
}

interface BenchValidator {
  readonly address: Uint8Array;
  readonly consensus: Ed25519KeyPair;
  readonly application: Ed25519KeyPair;
}

export class MevBenchChain {
  readonly apps: readonly WeftApplication[];
  readonly sealKey: SealKeyState;
  height = 0;
  /** What the votes for the last block cost one application: shares checked, and what they open opened. */
  votesCost: Cost = { ms: 0, cpuMs: 0 };
  readonly #validators: readonly BenchValidator[];
  readonly #secrets: readonly Uint8Array[];
  readonly #seal: SealLanes;
  readonly #work: WorkUnderWay;
  #votes: readonly ExtendedVoteInfo[] = [];

  private constructor(
    apps: readonly WeftApplication[],
    validators: readonly BenchValidator[],
    key: BenchSealKey,
    seal: SealLanes,
    work: WorkUnderWay,
  ) {
    this.apps = apps;
    this.#validators = validators;
    this.sealKey = key.state;
    this.#secrets = key.secrets;
    this.#seal = seal;
    this.#work = work;
  }

  static async start(options: MevChainOptions): Promise<MevBenchChain> {
    const validators = Array.from({ length: options.validators }, (_, n) => validatorOf(n));
    const key = sealKeyOf(validators.map(({ address }) => address));
    const seal = openSealCompute({ logger: NULL_LOGGER });
    const work = new WorkUnderWay();
    const watched = { ...seal, compute: work.watched(seal.compute) };
    const apps: WeftApplication[] = [];
    for (let n = 0; n < options.applications; n++) {
      apps.push(await startApplication(options, validators, key.state, watched));
    }
    return new MevBenchChain(apps, validators, key, seal, work);
  }

  prepareRequest(seconds = 0): PrepareProposalRequest {
    return {
      ...this.#context(seconds),
      maxTxBytes: BLOCK_BYTES - ENGINE_BYTES,
      txs: [],
      localLastCommit: { round: Round(0), votes: this.#votes },
    };
  }

  processRequest(txs: readonly Uint8Array[], seconds = 0): ProcessProposalRequest {
    const votes = this.#votes.map(({ validator, blockIdFlag }) => ({ validator, blockIdFlag }));
    return {
      ...this.#context(seconds),
      txs,
      proposedLastCommit: { round: Round(0), votes },
      hash: sha256Concat(...txs),
    };
  }

  /** All applications apply the block; `listed`: what every validator lists in its vote for it. */
  async decide(txs: readonly Uint8Array[], listed: readonly ListedTx[] = []): Promise<void> {
    const request = this.processRequest(txs);
    const votes = await this.#extend(request, listed);
    const { proposedLastCommit: decidedLastCommit, ...rest } = request;
    for (const app of this.apps) {
      await app.finalizeBlock({ ...rest, decidedLastCommit });
      await app.commit();
    }
    this.height = request.height;
    this.#votes = votes;
  }

  async stop(): Promise<void> {
    for (const app of this.apps) await app.stop();
    await this.#seal.stop();
  }

  #context(seconds: number) {
    const proposer = this.#validators[this.height % this.#validators.length];
    if (proposer === undefined) throw new RangeError("a chain has validators");
    return {
      height: Height(this.height + 1),
      // Another time makes another block: an outcome is computed once for each.
      time: { seconds: GENESIS_SECONDS + BigInt(this.height * 1_000 + seconds), nanos: 0 },
      misbehavior: [],
      nextValidatorsHash: new Uint8Array(32).fill(1),
      proposerAddress: proposer.address,
    };
  }

  async #extend(
    { height, hash }: ProcessProposalRequest,
    listed: readonly ListedTx[],
  ): Promise<readonly ExtendedVoteInfo[]> {
    const [app] = this.apps;
    if (app === undefined) throw new RangeError("a chain has applications");
    const terms = sealTermsAt(app.read.staking(), height);
    const context: ExtensionContext = {
      chainId: CHAIN_ID,
      height,
      blockHash: hash,
      validatorCount: this.#validators.length,
      blockBytesMax: BLOCK_BYTES,
      seal: terms,
    };
    const votes: ExtendedVoteInfo[] = [];
    for (const { address, application } of this.#sorted()) {
      const asked = askedOf(context, address);
      const shares =
        asked &&
        (await makeShares(
          { chainId: CHAIN_ID, height, validator: address },
          asked,
          (_, ticket) => this.#secrets[ticket - 1],
          this.#seal.compute,
        ));
      const voteExtension = await buildExtension(
        context,
        { listed, withdrawn: [] },
        shares,
        async (message) => signEd25519(application, message),
      );
      votes.push({
        validator: { address, power: POWER },
        blockIdFlag: BlockIdFlag.COMMIT,
        voteExtension,
        extensionSignature: new Uint8Array(64),
      });
    }
    // As votes come in: who proposes next has verified them by then, and opened what they open.
    for (const each of this.apps) {
      const { cost } = await timed(async () => {
        for (const { validator, voteExtension } of votes) {
          const vote = { hash, height, validatorAddress: validator.address, voteExtension };
          const verdict = await each.verifyVoteExtension(vote);
          if (!verdict.accept) throw new Error(`an extension is refused: ${verdict.reason}`);
        }
        await this.#work.done();
      });
      this.votesCost = cost;
    }
    return votes;
  }

  /** As CometBFT orders a set of equal powers. */
  #sorted(): readonly BenchValidator[] {
    return this.#validators.toSorted((a, b) => compareBytes(a.address, b.address));
  }
}

/** What applications have the threads do and do not wait for. */
class WorkUnderWay {
  readonly #all = new Set<Promise<unknown>>();

  watched(compute: SealCompute): SealCompute {
    const watch = <T>(work: Promise<T>): Promise<T> => {
      this.#all.add(work);
      const ended = () => this.#all.delete(work);
      work.then(ended, ended);
      return work;
    };
    return {
      check: (proofs) => watch(compute.check(proofs)),
      makeShares: (asked) => watch(compute.makeShares(asked)),
      verifyShares: (asked) => watch(compute.verifyShares(asked)),
      combine: (asked) => watch(compute.combine(asked)),
      open: (batch) => watch(compute.open(batch)),
    };
  }

  /** When nothing is under way, nor follows at once from what was. */
  async done(): Promise<void> {
    while (this.#all.size > 0) {
      await Promise.all(this.#all);
      await yieldToLoop();
    }
  }
}

const POWER = 10n;
const GENESIS_SECONDS = 1_700_000_000n;

interface BenchSealKey {
  readonly state: SealKeyState;
  /** By ticket less 1. */
  readonly secrets: readonly Uint8Array[];
}

/** As a generation would make it, one ticket for each validator, all secrets known. */
function sealKeyOf(addresses: readonly Uint8Array[]): BenchSealKey {
  const group = createGroup();
  const scalar = (name: string): Uint8Array => {
    const half = sha256(utf8ToBytes(name));
    return group.scalars.reduceWide(joinBytes([half, sha256(half)]));
  };
  const threshold = Math.floor((addresses.length * 2) / 3) + 1;
  const polynomial = joinBytes(Array.from({ length: threshold }, (_, k) => scalar(`bench/${k}`)));
  const secrets = addresses.map((_, i) => group.scalars.evaluate(polynomial, i + 1));
  const members = addresses.toSorted(compareBytes).map((validator, i) => ({
    validator,
    encryptionKey: group.mulBase(scalar(`bench encryption ${i}`)),
    tickets: 1,
  }));
  return {
    secrets,
    state: {
      number: 1,
      publicKey: group.mulBase(polynomial.subarray(0, SCALAR_BYTES)),
      threshold,
      publicShares: group.mulBase(joinBytes(secrets)),
      members,
      dealers: members.map(({ validator }) => validator),
      activeHeight: Height(1),
      retiredHeight: Height(0),
    },
  };
}

function validatorOf(n: number): BenchValidator {
  const consensus = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`bench consensus ${n}`)));
  const application = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`bench application ${n}`)));
  return { address: ed25519Address(consensus.publicKey), consensus, application };
}

async function startApplication(
  options: MevChainOptions,
  validators: readonly BenchValidator[],
  key: SealKeyState,
  { compute: seal, incoming: sealIncoming }: SealLanes,
): Promise<WeftApplication> {
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  const verifier = createEd25519Verifier();
  const [first] = validators;
  if (first === undefined) throw new RangeError("a chain has validators");
  const open = async (): Promise<WeftApplication> =>
    createApplication(
      { version: "bench" },
      {
        database: await openKeyValueStore(level, yieldToLoop),
        verify: (checks) => verifier.verifyBatch(checks),
        seal,
        sealIncoming,
        signer: {
          publicKey: first.application.publicKey,
          sign: (bytes) => Promise.resolve(signEd25519(first.application, bytes)),
        },
        clock: createSystemClock(),
        logger: NULL_LOGGER,
        metrics: NULL_APP_METRICS,
        yieldToLoop,
      },
    );
  const app = await open();
  const appState: GenesisAppState = {
    accounts: [
      ...(options.accounts ?? []),
      ...validators.map(({ application }) => ({
        address: formatAddress(accountAddress(application.publicKey)),
        balance: "1000000000",
      })),
    ],
    validators: validators.map(({ address, application }) => ({
      address: toHex(address),
      application_key: toHex(application.publicKey),
    })),
    rollups: options.rollups,
    params: options.params,
  };
  await app.initChain({
    time: { seconds: GENESIS_SECONDS, nanos: 0 },
    chainId: CHAIN_ID,
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      block: { maxBytes: BigInt(BLOCK_BYTES), maxGas: -1n },
      abci: { voteExtensionsEnableHeight: Height(1) },
    },
    validators: validators.map(({ consensus }) => ({
      publicKey: { type: "ed25519", bytes: consensus.publicKey },
      power: POWER,
    })),
    appStateBytes: utf8ToBytes(JSON.stringify(appState)),
    initialHeight: Height(1),
  });
  // A key that genesis cannot say.
  const database = await openKeyValueStore(level, yieldToLoop);
  const store = await StateStore.open({}, { database, yieldToLoop });
  const state = { ...NO_SEAL_STATE, activeKey: 1, isOpen: true };
  const entries = new Map([
    [SEAL.prefix, SEAL.encode(state)],
    [SEAL_KEYS.prefix + numberKey(1), SEAL_KEYS.encode(key)],
  ]);
  await store.commit(await store.stage(entries), 0);
  return open();
}
