/**
 * Replays a block of another chain through the whole network: its raw transactions are submitted to
 * four validators as rollup data, ordered, streamed, verified and executed in the block's own
 * environment; gas and receipts root must then be the block's.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { rollupData, type TxBody } from "../../proto/codec/weft-tx.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import {
  createEd25519Verifier,
  type Ed25519KeyPair,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { signTx } from "../../rollup-adapter/client/signed-tx.ts";
import { createDriver } from "../../rollup-adapter/driver/driver.ts";
import { NULL_DRIVER_METRICS } from "../../rollup-adapter/driver/metrics.ts";
import { createFileTrustStore } from "../../rollup-adapter/driver/trust-store.ts";
import { EvmExecutor } from "../../rollup-adapter/evm/executor.ts";
import { genesisRollupId } from "../../rollup-adapter/evm/genesis.ts";
import { NULL_EVM_METRICS } from "../../rollup-adapter/evm/metrics.ts";
import {
  type BlockFixture,
  compareReplay,
  createReplayEnvironmentSource,
} from "../../rollup-adapter/evm/replay.ts";
import { BATCH_BYTES_MAX } from "../../rollup-adapter/limits.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { homeAt } from "../node/home.ts";
import { readKeyFile } from "../ports/key-file.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { cliError } from "./cli-error.ts";
import { freeBasePorts } from "./free-ports.ts";
import { DEV_START_TIMEOUT_MS, DEV_STOP_GRACE_MS, REPLAY_TIMEOUT_MS } from "./limits.ts";
import { type LocalNetwork, prepareLocalNetwork, untilAnswers } from "./local-network.ts";

export interface ReplayResult {
  /** Number of the block on its own chain. */
  readonly block: number;
  readonly transactions: number;
  readonly gasUsed: bigint;
  /** 0x-prefixed. */
  readonly receiptsRoot: string;
  /** Sequencer heights that the payloads were ordered at. */
  readonly sequencerHeights: readonly number[];
  /** What differs from the block's own chain; empty when nothing does. */
  readonly differences: readonly string[];
}

/** @param entry absolute path of the command line's entry, for the validators' processes */
export async function replayThroughNetwork(
  fixture: BlockFixture,
  entry: string,
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<ReplayResult> {
  const root = mkdtempSync(join(tmpdir(), "weft-replay-"));
  const network = await prepareLocalNetwork(
    {
      root,
      chainId: "weft-replay",
      validators: 4,
      rollups: [fixture.genesis.rollupName],
      ports: await freeBasePorts(5),
      config: { "consensus.timeout_commit": "100ms" },
      entry,
      onStatusLine: () => {},
      onEnded: () => {},
    },
    deps.clock,
  );
  const client = createGrpcSequencerClient(`127.0.0.1:${network.validators[0]?.grpcPort ?? 0}`);
  try {
    for (const i of network.validators.keys()) network.startValidator(i);
    await untilAnswers("the network", { timeoutMs: DEV_START_TIMEOUT_MS }, async () => {
      return (await client.chainInfo()).height > 0;
    });
    await submitInOrder(client, fixture, readKeyFile(network.ownerKeyFile));
    return await followAndExecute(fixture, network, client, root, deps);
  } finally {
    client.close();
    await network.processes.stop(DEV_STOP_GRACE_MS);
    rmSync(root, { recursive: true, force: true });
  }
}

/** One account's nonces keep the order, in however many actions and blocks the payloads travel. */
async function submitInOrder(
  client: SequencerClient,
  fixture: BlockFixture,
  key: Ed25519KeyPair,
): Promise<void> {
  const { chainId, baseFeePerByte } = await client.chainInfo();
  const rollupId = fromHex(genesisRollupId(fixture.genesis));
  for (const [nonce, payloads] of batches(fixture.transactions).entries()) {
    const body: TxBody = {
      publicKey: key.publicKey,
      replay: { kind: "nonce", value: BigInt(nonce) },
      fee: { maxFeePerByte: baseFeePerByte * 100n, tipPerByte: 0n },
      action: rollupData(rollupId, payloads),
    };
    const { item } = signTx(chainId, body, {
      publicKey: key.publicKey,
      sign: (message) => signEd25519(key, message),
    });
    const { code, reason } = await client.submit(item);
    if (code !== 0) throw cliError("REJECTED", `the network refused the transactions: ${reason}`);
  }
}

function batches(transactions: readonly Uint8Array[]): Uint8Array[][] {
  const result: Uint8Array[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const transaction of transactions) {
    if (bytes + transaction.length > BATCH_BYTES_MAX) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)?.push(transaction);
    bytes += transaction.length;
  }
  return result;
}

async function followAndExecute(
  fixture: BlockFixture,
  network: LocalNetwork,
  client: SequencerClient,
  root: string,
  deps: { readonly clock: Clock; readonly logger: Logger },
): Promise<ReplayResult> {
  const genesis = await loadGenesis(homeAt(network.validators[0]?.home ?? "").genesisFile);
  const validators = createValidatorSet(
    genesis.validators.map(({ publicKey, power }) => ({ publicKey, votingPower: power })),
  );
  const executor = await EvmExecutor.open(
    {
      dataDirectory: join(root, "evm"),
      genesis: fixture.genesis,
      environmentSource: createReplayEnvironmentSource(fixture),
    },
    { logger: deps.logger, metrics: NULL_EVM_METRICS },
  );
  const heights: number[] = [];
  let finish: () => void = () => {};
  const executed = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const driver = createDriver(
    {
      rollupId: genesisRollupId(fixture.genesis),
      startHeight: genesis.initialHeight,
      trust: {
        chainId: genesis.chainId,
        height: Height(genesis.initialHeight - 1),
        blockHash: undefined,
        time: undefined,
        nextValidatorsHash: validatorSetHash(validators),
      },
    },
    {
      clients: [client],
      executor,
      trustStore: createFileTrustStore(join(root, "trust.json")),
      signatures: createEd25519Verifier(),
      clock: deps.clock,
      logger: deps.logger,
      metrics: NULL_DRIVER_METRICS,
      onExecuted: (block, result) => {
        if (block.payloads.length > 0) heights.push(block.header.height);
        if (result.outcome === "block") finish();
      },
    },
  );
  const timeout = deps.clock.after(REPLAY_TIMEOUT_MS, finish);
  try {
    await Promise.race([executed, driver.run()]);
    const head = await executor.getStatus();
    return {
      block: fixture.number,
      transactions: fixture.transactions.length,
      gasUsed: head.head.gasUsed,
      receiptsRoot: `0x${toHex(head.head.receiptsRoot)}`,
      sequencerHeights: heights,
      differences: compareReplay(fixture, executor),
    };
  } finally {
    timeout.cancel();
    await driver.stop();
    await executor.close();
  }
}
