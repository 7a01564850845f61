/**
 * A set of 4 validators that shrinks to one and grows to 100 within an epoch, each of them with an engine and an
 * application of its own; a light client that trusts the first block follows by bisection.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import {
  accountAddress,
  type Action,
  encodeTxBody,
  txSignBytes,
} from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import { headerHash } from "../../proto/hashes.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import {
  createEd25519Verifier,
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
} from "../../proto/verify/ed25519.ts";
import { createLightClient, type LightClient } from "../../proto/verify/light/client.ts";
import { createMemoryTrustedStore } from "../../proto/verify/light/store.ts";
import type { GenesisAppState } from "../../sequencer/app/genesis.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../../sequencer/engine/consensus-params.ts";
import type { Genesis } from "../../sequencer/engine/genesis.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type AppNetwork, type AppNodeKeys, startAppNetwork } from "../support/app-network.ts";
import { untilHeight } from "../support/engine-network.ts";
import { creation, type LiveKeys } from "../support/live-stake.ts";

const CHAIN_ID = "weft-hundred";
const COUNT = 100;
const AT_GENESIS = 4;
const EPOCH_BLOCKS = 5;
const POWER = 10n;
const BALANCE = 1_000_000_000_000n;
/** Half a minute on an idle machine with two processors. */
const TIMEOUT_MS = 480_000;

const members = Array.from({ length: COUNT }, (_, index) => keysAt(index));

let root: string;
let network: AppNetwork;
let light: LightClient;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "weft-hundred-"));
  network = await startAppNetwork(root, genesis(), members);
  await untilHeight(first().engine, 2);
  const trusted = await network.provider(0).lightBlock(Height(1));
  light = await createLightClient(
    {
      chainId: CHAIN_ID,
      trust: { height: Height(1), hash: headerHash(trusted.signedHeader.header) },
      trustingPeriodNanos: 3_600_000_000_000n,
    },
    {
      primary: network.provider(0),
      witnesses: [network.provider(1)],
      store: createMemoryTrustedStore(),
      verifier: createEd25519Verifier(),
      clock: createSystemClock(),
    },
  );
}, TIMEOUT_MS);
afterAll(async () => {
  light.close();
  await network.close();
  rmSync(root, { recursive: true, force: true });
});

it(
  "shrinks to one, and grows to a hundred in one epoch",
  async () => {
    const stand = (keys: LiveKeys, retired: boolean) => ({
      keys,
      action: {
        kind: "retireValidator",
        validator: fromHex(keys.consensusAddress),
        retired,
      } as const,
    });
    const leaving = members.slice(1, AT_GENESIS);
    await submit(leaving.map((keys) => stand(keys, true)));
    await expectSet(1);

    const selfDelegation = POWER * 1_000_000n;
    const creations = members
      .slice(AT_GENESIS)
      .map((keys) => ({ keys, action: creation(CHAIN_ID, keys, { selfDelegation }) }));
    await submit([...leaving.map((keys) => stand(keys, false)), ...creations]);
    await expectSet(COUNT);
    const { bonded, burned } = first().application.read.supply();
    expect({ bonded, burned }).toEqual({ bonded: BigInt(COUNT) * selfDelegation, burned: 0n });
  },
  TIMEOUT_MS,
);

/** Waits for the set, lets it decide blocks, and has the light client come after. */
async function expectSet(size: number): Promise<void> {
  const { engine, blockStore, stateStore } = first();
  let at = blockStore.height();
  for (; (await stateStore.validators(at))?.validators.length !== size; at = Height(at + 1)) {
    await untilHeight(engine, at + 1);
    expect(at, `the set has ${size} by now`).toBeLessThan(blockStore.height() + EPOCH_BLOCKS);
  }
  await untilHeight(engine, at + 2);
  const set = await stateStore.validators(at);
  expect(set?.totalVotingPower).toBe(BigInt(size) * POWER);
  const commit = await blockStore.commit(at);
  const signed = (commit?.signatures ?? []).filter(
    ({ blockIdFlag }) => blockIdFlag === BlockIdFlag.COMMIT,
  );
  expect(commit?.signatures.length).toBe(size);
  expect(signed.length * 3).toBeGreaterThan(size * 2);
  // Everybody has the same block.
  const hash = (await blockStore.meta(at))?.blockId.hash ?? EMPTY_BYTES;
  for (const node of network.nodes) {
    await untilHeight(node.engine, at);
    expect(toHex((await node.blockStore.meta(at))?.blockId.hash ?? EMPTY_BYTES)).toBe(toHex(hash));
  }
  const verified = await light.verifyAt(at);
  expect(toHex(headerHash(verified.signedHeader.header))).toBe(toHex(hash));
  expect(verified.validatorSet.validators.length).toBe(size);
}

/** Whoever may propose hears of every transaction, as by gossip; resolves when all are in blocks and have succeeded. */
async function submit(
  wanted: readonly { readonly keys: LiveKeys; readonly action: Action }[],
): Promise<void> {
  const { engine, application, blockStore, stateStore } = first();
  const from = blockStore.height();
  for (const { keys, action } of wanted) {
    const { nonce } = application.read.pendingAccount(fromHex(keys.operator));
    const bodyBytes = encodeTxBody({
      publicKey: keys.application.publicKey,
      replay: { kind: "nonce", value: nonce },
      fee: { maxFeePerByte: 1_000n, tipPerByte: 0n },
      action,
    });
    const signature = signEd25519(keys.application, txSignBytes(CHAIN_ID, bodyBytes));
    const item = encodeTxItem({ bodyBytes, signature });
    for (const node of network.nodes.slice(0, AT_GENESIS)) {
      const { code, log } = await node.application.checkTx({ tx: item, type: "new" });
      // Some may have it from a block by now.
      expect([0, 20, 40], log).toContain(code);
    }
  }
  let done = 0;
  for (let at = Height(from + 1); done < wanted.length; at = Height(at + 1)) {
    expect(at, "all of them are in blocks by now").toBeLessThan(from + BLOCKS_MAX);
    await untilHeight(engine, at);
    const results = (await stateStore.finalizeBlockResponse(at))?.txResults ?? [];
    for (const result of results) {
      expect(result.code, result.log).toBe(0);
      if (result.events.length > 0) done++;
    }
  }
}

const BLOCKS_MAX = 30;

function first(): AppNetwork["nodes"][number] {
  const [node] = network.nodes;
  if (node === undefined) throw new Error("there are nodes");
  return node;
}

function keysAt(index: number): LiveKeys & AppNodeKeys {
  const pair = (what: string) => ed25519KeyPairFromSeed(sha256(utf8ToBytes(`${what}/${index}`)));
  const [consensus, application] = [pair("consensus"), pair("application")];
  return {
    consensus,
    consensusAddress: toHex(ed25519Address(consensus.publicKey)),
    application,
    operator: toHex(accountAddress(application.publicKey)),
  };
}

function genesis(): Genesis {
  const atGenesis = members.slice(0, AT_GENESIS);
  const appState: GenesisAppState = {
    accounts: members.map(({ operator }) => ({
      address: formatAddress(fromHex(operator)),
      balance: BALANCE.toString(),
    })),
    validators: atGenesis.map(({ consensusAddress, application }) => ({
      address: consensusAddress,
      application_key: toHex(application.publicKey),
    })),
    rollups: [],
    params: { epoch_length: EPOCH_BLOCKS },
  };
  return {
    genesisTime: createSystemClock().now(),
    chainId: CHAIN_ID,
    initialHeight: Height(1),
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      abci: { voteExtensionsEnableHeight: Height(1) },
    },
    validators: atGenesis.map(({ consensus, consensusAddress }, index) => ({
      address: fromHex(consensusAddress),
      publicKey: { type: "ed25519", bytes: consensus.publicKey },
      power: POWER,
      name: `validator-${index}`,
    })),
    appHash: EMPTY_BYTES,
    appState: JSON.stringify(appState),
  };
}
