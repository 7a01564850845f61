/**
 * The applications of simulated networks: Weft's own, and a small one of keys and values whose chains
 * may begin without vote extensions. Both keep their state on the simulated disk.
 */
import { buildExtension, NOTHING_SAID } from "../../mev/extension.ts";
import { formatAddress } from "../../proto/address.ts";
import { EMPTY_BYTES, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import { decodeAccount } from "../../proto/codec/weft-state.ts";
import {
  encodeTxBody,
  rollupData,
  rollupIdOfName,
  txSignBytes,
  type Action,
} from "../../proto/codec/weft-tx.ts";
import type { Height } from "../../proto/brands.ts";
import { signEd25519, type SignatureVerifier } from "../../proto/verify/ed25519.ts";
import type { Application, SnapshotApplication } from "../../sequencer/abci/application.ts";
import { createApplication } from "../../sequencer/app/application.ts";
import { type AppMetrics, NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { SnapshotArchive } from "../../sequencer/app/snapshots/snapshot-archive.ts";
import type { SealCompute } from "../../mev/seal/compute.ts";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import type { ApplicationSigner, WeftApplication } from "../../sequencer/app/weft-application.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { FileSystem } from "../../sequencer/ports/file-system.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { YieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import { KvApplication } from "../support/kv-application.ts";
import type { Random } from "../support/random.ts";
import type { SupplyChecker } from "./checkers.ts";
import type { Life } from "./life.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { DiskManner } from "./sim-files.ts";
import { simKeys, simWallets } from "./sim-keys.ts";
import {
  type AtomicPlan,
  EXECUTOR_BOND,
  EXECUTOR_QUORUM,
  EXECUTORS_OF_A_ROLLUP,
  executorWallet,
} from "./sim-atomic.ts";
import type { MevPlan } from "./sim-mev.ts";
import type { SealPlan } from "./sim-seal.ts";

export const CHAIN_ID = "weft-sim";
export const ROLLUPS: readonly string[] = ["alpha", "beta"];
const WALLETS = 6;
const START_BALANCE = 1_000_000_000_000n;
const SNAPSHOTS = "/home/data/snapshots";
const KV_STATE_KEY = "kv";
/** Pending entries of the small application; it has no pool of its own. */
const KV_POOL_MAX = 100;

export type ApplicationKind = "weft" | "kv";

/** One application in one life of a node, with what the simulator does to it. */
export interface SimApplication {
  readonly application: Application;
  /** Undefined where none are taken. */
  readonly snapshots: SnapshotApplication | undefined;
  hasTxs(): boolean;
  /** Undefined for the small one. */
  readonly weft: WeftApplication | undefined;
  /** What a client submits next; undefined when it has nothing. */
  nextTx(random: Random, bytesMax: number): Uint8Array | undefined;
  /** Throws when the state breaks a law of the application. */
  check(): void;
  /** A vote extension as others accept it. */
  extend(height: Height, blockHash: Uint8Array): Promise<Uint8Array>;
}

export interface SimApplicationOptions {
  readonly kind: ApplicationKind;
  readonly nodeName: string;
  /** Index of its keys; undefined on a node that does not validate. */
  readonly validatorIndex: number | undefined;
  readonly validatorCount: number;
  readonly blockBytesMax: number;
  /** 0: none are taken. */
  readonly snapshotInterval: number;
}

export interface SimApplicationDependencies {
  readonly database: SimDatabase;
  readonly fileSystem: FileSystem;
  readonly life: Life;
  readonly manner: DiskManner;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly yieldToLoop: YieldToLoop;
  readonly supply: SupplyChecker;
  readonly metrics: AppMetrics | undefined;
  /** Where there are sealed transactions: production's default otherwise. */
  readonly seal?: { readonly compute: SealCompute; readonly secretOf: TicketSecretOf };
}

export function createSimApplication(
  options: SimApplicationOptions,
  dependencies: SimApplicationDependencies,
): Promise<SimApplication> {
  return options.kind === "weft"
    ? weftApplication(options, dependencies)
    : kvApplication(dependencies);
}

/** `app_state` of the genesis document. */
export function genesisAppState(
  kind: ApplicationKind,
  validatorCount: number,
  { seals: seal, mev, atomic }: GenesisPlans,
): string {
  if (kind === "kv") return "{}";
  const keys = Array.from({ length: validatorCount }, (_, index) => simKeys(index));
  const wallets = simWallets(WALLETS);
  // More where somebody acts on what others send, or is not wanted.
  const more = mev === undefined ? (seal === undefined ? 0 : 1) : 2;
  const funded = simWallets(WALLETS + more);
  return JSON.stringify({
    accounts: [...funded, ...(atomic === undefined ? [] : EXECUTORS.flat())].map(({ address }) => ({
      address: formatAddress(address),
      balance: START_BALANCE.toString(),
    })),
    validators: keys.map(({ validator, application }) => ({
      address: toHex(validator.address),
      application_key: toHex(application.publicKey),
    })),
    rollups: ROLLUPS.map((name, at) => ({
      name,
      owner_key: toHex(wallets[0]?.key.publicKey ?? EMPTY_BYTES),
      policy: {
        // The first sells its tops, the second orders as the seed draws.
        ...(mev === undefined ? {} : at === 0 ? { auction: true } : { ordering: mev.ordering }),
        ...(atomic === undefined
          ? {}
          : { executor_keys: executorKeys(at), executor_quorum: EXECUTOR_QUORUM }),
      },
    })),
    params: {
      ...(seal === undefined
        ? {}
        : { epoch_length: seal.epochLength, seal_key_lead: seal.keyLead }),
      ...(atomic === undefined
        ? {}
        : {
            executor_bond_min: String(EXECUTOR_BOND),
            atomic_report_blocks: 10,
            executor_jail_blocks: 4,
          }),
    },
  });
}

/** What a chain is about, as far as genesis knows. */
interface GenesisPlans {
  readonly seals: Pick<SealPlan, "epochLength" | "keyLead"> | undefined;
  readonly mev: Pick<MevPlan, "ordering"> | undefined;
  readonly atomic: AtomicPlan | undefined;
}

/** By rollup. */
const EXECUTORS = ROLLUPS.map((_, rollup) =>
  Array.from({ length: EXECUTORS_OF_A_ROLLUP }, (__, member) => executorWallet(rollup, member)),
);

function executorKeys(rollup: number): readonly string[] {
  return EXECUTORS[rollup]?.map(({ key }) => toHex(key.publicKey)) ?? [];
}

async function weftApplication(
  {
    nodeName,
    validatorIndex,
    validatorCount,
    blockBytesMax,
    snapshotInterval,
  }: SimApplicationOptions,
  dependencies: SimApplicationDependencies,
): Promise<SimApplication> {
  const { database, life, manner, verifier, clock, logger, yieldToLoop, supply, seal } =
    dependencies;
  const key = validatorIndex === undefined ? undefined : simKeys(validatorIndex).application;
  const signer: ApplicationSigner | undefined = key && {
    publicKey: key.publicKey,
    sign: async (message) => signEd25519(key, message),
  };
  const snapshotArchive =
    snapshotInterval === 0
      ? undefined
      : await SnapshotArchive.open(SNAPSHOTS, dependencies.fileSystem);
  const application = await createApplication(
    { version: "sim", snapshots: { interval: snapshotInterval, keepRecent: 2 } },
    {
      ...(snapshotArchive === undefined ? {} : { snapshotArchive }),
      database: database.mountState(life, manner),
      verify: (checks) => verifier.verifyBatch(checks),
      signer,
      clock,
      logger,
      metrics: dependencies.metrics ?? NULL_APP_METRICS,
      yieldToLoop,
      ...(seal === undefined ? {} : { seal: seal.compute, ticketSecretOf: seal.secretOf }),
    },
  );
  const wallets = simWallets(WALLETS);
  return {
    application,
    weft: application,
    snapshots: snapshotArchive && application,
    hasTxs: () => application.poolSize().count > 0,
    nextTx(random, bytesMax) {
      const wallet = random.pick(wallets);
      const to = random.pick(wallets);
      if (wallet === undefined || to === undefined) return undefined;
      const { nonce } = application.read.pendingAccount(wallet.address);
      const action: Action = random.chance(40)
        ? { kind: "transfer", to: to.address, amount: BigInt(random.below(1_000_000)) }
        : rollupData(rollupIdOfName(random.pick(ROLLUPS) ?? ""), [
            new Uint8Array(1 + random.below(bytesMax)).fill(random.below(256)),
          ]);
      const bodyBytes = encodeTxBody({
        publicKey: wallet.key.publicKey,
        replay: { kind: "nonce", value: nonce },
        fee: { maxFeePerByte: 1_000n, tipPerByte: BigInt(random.below(10)) },
        action,
      });
      const signature = signEd25519(wallet.key, txSignBytes(CHAIN_ID, bodyBytes));
      return encodeTxItem({ bodyBytes, signature });
    },
    check() {
      let balances = 0n;
      for (const value of database.values("vaccount/")) balances += decodeAccount(value).balance;
      supply.check(nodeName, application.read.supply(), balances);
    },
    async extend(height, blockHash) {
      if (signer === undefined) return EMPTY_BYTES;
      const context = { chainId: CHAIN_ID, height, blockHash, validatorCount, blockBytesMax };
      return buildExtension({ ...context, seal: undefined }, NOTHING_SAID, undefined, signer.sign);
    },
  };
}

async function kvApplication({
  database,
  life,
  manner,
}: SimApplicationDependencies): Promise<SimApplication> {
  const store = database.mountState(life, manner);
  const disk = {
    read: () => new TextDecoder().decode(store.get(KV_STATE_KEY) ?? EMPTY_BYTES),
    write: (text: string) => store.write([{ key: KV_STATE_KEY, value: utf8ToBytes(text) }]),
  };
  const application = await new KvApplication({ path: undefined, disk }).load();
  return {
    application,
    snapshots: undefined,
    weft: undefined,
    hasTxs: () => application.pool.size > 0,
    nextTx: (random) =>
      application.pool.size >= KV_POOL_MAX
        ? undefined
        : utf8ToBytes(`${random.below(20)}=${random.below(1_000)}`),
    check() {},
    extend: async (height) => utf8ToBytes(`e${height}`),
  };
}
