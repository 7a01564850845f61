/** A rollup on op-geth, fed by hand: its executor, and sequencer blocks that a test makes up. */
import { join } from "node:path";
import type { PrivateKeyAccount } from "viem/accounts";
import { Height, RollupId } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import type { EngineClient } from "../../rollup-adapter/engine-api/engine-client.ts";
import { createEngineClient } from "../../rollup-adapter/engine-api/engine-client.ts";
import {
  createEngineApiExecutor,
  createEngineDecoder,
  type EngineApiExecutor,
} from "../../rollup-adapter/engine-api/executor.ts";
import { readSecret } from "../../rollup-adapter/engine-api/jwt.ts";
import {
  type EngineApiMetrics,
  NULL_ENGINE_API_METRICS,
} from "../../rollup-adapter/engine-api/metrics.ts";
import type { OpGenesis } from "../../rollup-adapter/engine-api/genesis-file.ts";
import { createOpGenesis } from "../../rollup-adapter/engine-api/op-genesis.ts";
import { createFilePositionStore } from "../../rollup-adapter/engine-api/position-store.ts";
import { createEngineRpc } from "../../rollup-adapter/engine-api/rpc-client.ts";
import type { ExecuteBlockRequest } from "../../rollup-adapter/execution.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import type { OpGeth } from "./op-geth.ts";

export const OP_CHAIN_ID = 9_545;
export const OP_ROLLUP_ID = RollupId(toHex(sha256(utf8ToBytes("op"))));
const GENESIS_SECONDS = 1_700_000_000n;
const NETWORK = "test-network";

/** A genesis in which `accounts` have 1000 ether each. */
export function opTestGenesis(
  accounts: readonly PrivateKeyAccount[],
  gasLimit?: bigint,
): Promise<OpGenesis> {
  return createOpGenesis({
    chainId: BigInt(OP_CHAIN_ID),
    timestampSeconds: GENESIS_SECONDS,
    alloc: Object.fromEntries(accounts.map(({ address }) => [address, 10n ** 21n])),
    ...(gasLimit === undefined ? {} : { gasLimit }),
  });
}

export function engineClientOf(geth: OpGeth): EngineClient {
  const rpc = createEngineRpc(
    { url: geth.engineUrl, secret: readSecret(geth.secretFile) },
    { clock: createSystemClock(), metrics: NULL_ENGINE_API_METRICS },
  );
  return createEngineClient(rpc);
}

export function openEngineExecutor(
  client: EngineClient,
  genesis: OpGenesis,
  folder: string,
  metrics: EngineApiMetrics = NULL_ENGINE_API_METRICS,
): EngineApiExecutor {
  return createEngineApiExecutor(
    { rollupId: OP_ROLLUP_ID, chainId: BigInt(OP_CHAIN_ID), genesisHash: genesis.hash },
    {
      client,
      positions: createFilePositionStore(join(folder, "position.json")),
      clock: createSystemClock(),
      decoder: createEngineDecoder(BigInt(OP_CHAIN_ID)),
      logger: NULL_LOGGER,
      metrics,
    },
  );
}

export const OP_INIT = {
  rollupId: OP_ROLLUP_ID,
  sequencerChainId: NETWORK,
  sequencerStartHeight: Height(1),
};

/** Sequencer block `height`; four of them a second. */
export function quarterSecond(
  height: number,
  payloads: readonly Uint8Array[],
): ExecuteBlockRequest {
  return {
    sequencerBlockHash: sha256(utf8ToBytes(`block ${height}`)),
    sequencerHeight: Height(height),
    timestamp: {
      seconds: GENESIS_SECONDS + BigInt(Math.floor(height / 4)),
      nanos: (height % 4) * 250_000_000,
    },
    payloads,
  };
}

/** Transactions of `account` on the test chain; fields as viem takes them. */
export async function opTransaction(
  account: PrivateKeyAccount,
  nonce: number,
  fields: Partial<Parameters<PrivateKeyAccount["signTransaction"]>[0]> = {},
): Promise<Uint8Array> {
  const fees =
    fields.gasPrice === undefined
      ? { maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000n }
      : {};
  const signed = await account.signTransaction({
    chainId: OP_CHAIN_ID,
    nonce,
    gas: 21_000n,
    to: `0x${"77".repeat(20)}`,
    value: 1n,
    ...fees,
    ...fields,
  } as Parameters<PrivateKeyAccount["signTransaction"]>[0]);
  return fromHex(signed.slice(2));
}
