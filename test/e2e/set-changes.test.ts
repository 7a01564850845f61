/**
 * The set of validators changes by what operators and delegators do, on a live network: consensus goes on,
 * light clients follow it, and nodes whose disks are empty come to the same sets by blocks and by a snapshot.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { accountAddress, type Action } from "../../proto/codec/weft-tx.ts";
import { ed25519Address, type Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { openLightClient } from "../../rollup-adapter/light/open-light-client.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { configureHome, emptyDisk } from "../support/home-changes.ts";
import {
  createTestNetwork,
  height,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { sendOne } from "../support/traffic.ts";

const EPOCH = 5;
const INTERVAL = 10;
const MILLION = 1_000_000n;
const TIMEOUT_MS = 120_000;

let network: TestNetwork;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-set-changes-"));
  network = await createTestNetwork({
    params: { epoch_length: EPOCH },
    config: { "storage.snapshot_interval": INTERVAL },
  });
  await network.startAll();
}, TIMEOUT_MS);
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

const node = (index: number) => validatorAt(network, index);

function consensusAddress(index: number): Uint8Array {
  return ed25519Address(readKeyFile(homeAt(node(index).home).validatorKeyFile).publicKey);
}

/** Its application key, which is its operator's account, unless genesis says otherwise. */
function operator(index: number): Ed25519KeyPair {
  return readKeyFile(homeAt(node(index).home).applicationKeyFile);
}

/** Sends one action through the first node; the height of its block. */
async function act(key: Ed25519KeyPair, action: Action): Promise<number> {
  return (await sendOne({ clients: [node(0).client], key }, 0, action)).height;
}

interface Powers {
  readonly validators: readonly { readonly address: string; readonly voting_power: string }[];
}

/** Powers of the set that votes on a height, by node, as a node knows them. */
async function powersAt(at: number, who = node(0)): Promise<Readonly<Record<number, number>>> {
  const { validators } = await rpc<Powers>(who, "validators", { height: String(at) });
  const byAddress = new Map(validators.map((one) => [one.address, Number(one.voting_power)]));
  return Object.fromEntries(
    network.validators.flatMap((_, index) => {
      const power = byAddress.get(toHex(consensusAddress(index)).toUpperCase());
      return power === undefined ? [] : [[index, power]];
    }),
  );
}

/** First height whose set has what a block at `at` did: two after the end of its epoch. */
const inForce = (at: number): number => Math.ceil(at / EPOCH) * EPOCH + 2;

/** Who signed the block at a height, by node. */
async function signersOf(at: number): Promise<readonly number[]> {
  const { signed_header } = await rpc<{
    signed_header: { commit: { signatures: readonly { validator_address: string }[] } };
  }>(node(0), "commit", { height: String(at) });
  const signed = new Set(
    signed_header.commit.signatures.map(({ validator_address: address }) => address),
  );
  return [...network.validators.keys()].filter((index) =>
    signed.has(toHex(consensusAddress(index)).toUpperCase()),
  );
}

it(
  "powers follow stake, who retires leaves and follows the chain, and comes back",
  async () => {
    const before = await powersAt(1);
    const at = await act(network.owner, {
      kind: "delegate",
      validator: consensusAddress(0),
      amount: 7n * MILLION,
    });
    await untilHeight(network.validators, inForce(at) + 2);
    expect(await powersAt(inForce(at) - 1)).toEqual(before);
    expect(await powersAt(inForce(at))).toEqual({ ...before, 0: (before[0] ?? 0) + 7 });

    const leaver = operator(3);
    const to = accountAddress(leaver.publicKey);
    await act(network.owner, { kind: "transfer", to, amount: 1_000n * MILLION });
    const validator = consensusAddress(3);
    const left = inForce(await act(leaver, { kind: "retireValidator", validator, retired: true }));
    await untilHeight(network.validators, left + 3);
    expect(Object.keys(await powersAt(left - 1))).toEqual(["0", "1", "2", "3"]);
    expect(Object.keys(await powersAt(left))).toEqual(["0", "1", "2"]);
    expect(await signersOf(left + 1)).not.toContain(3);

    const back = inForce(await act(leaver, { kind: "retireValidator", validator, retired: false }));
    await untilHeight(network.validators, back + 1);
    expect(await powersAt(back)).toEqual({ ...before, 0: (before[0] ?? 0) + 7 });
    await until("it signs again", async () => {
      const top = await height(node(0));
      return (await signersOf(top - 1)).includes(3);
    });
  },
  TIMEOUT_MS,
);

it(
  "a light client follows from the first block to the last",
  async () => {
    const top = await height(node(0));
    const { block_id: first } = await rpc<{ block_id: { hash: string } }>(node(0), "block", {
      height: "1",
    });
    for (const isSequential of [false, true]) {
      const opened = await openLightClient(
        {
          chainId: "weft-e2e",
          primary: node(0).rpc,
          witnesses: [node(1).rpc],
          folder: join(folder, `light-${String(isSequential)}`),
          trust: { height: Height(1), hash: fromHex(first.hash) },
          trustingPeriodNanos: 3_600_000_000_000n,
          isSequential,
        },
        { clock: createSystemClock(), logger: NULL_LOGGER },
      );
      try {
        const { validatorSet } = await opened.light.verifyAt(Height(top));
        expect(validatorSet.validators).toHaveLength(4);
      } finally {
        await opened.close();
      }
    }
  },
  TIMEOUT_MS,
);

it(
  "empty disks come to the same sets, by all blocks and by a snapshot in the midst of a change",
  async () => {
    const [byBlocks, bySnapshot] = [node(2), node(3)];
    const { block_id: trusted } = await rpc<{ block_id: { hash: string } }>(node(0), "block", {
      height: "2",
    });
    await network.end(bySnapshot.name, "SIGKILL");
    emptyDisk(bySnapshot);
    configureHome(bySnapshot, {
      "statesync.enable": true,
      "statesync.rpc_servers": `${node(0).rpc}, ${node(1).rpc}`,
      "statesync.trust_height": 2,
      "statesync.trust_hash": trusted.hash,
      "statesync.discovery_time": "1s",
    });
    // Every epoch changes the set while the two come back.
    const at = await act(network.owner, {
      kind: "delegate",
      validator: consensusAddress(1),
      amount: 3n * MILLION,
    });
    const synced = async (place: TestValidator): Promise<boolean> => {
      const { sync_info } = await rpc<{ sync_info: { catching_up: boolean } }>(place, "status");
      return !sync_info.catching_up && (await height(place)) > inForce(at);
    };
    network.start(bySnapshot.name);
    await until("it has restored a snapshot and followed", () => synced(bySnapshot), 60_000);
    await network.end(byBlocks.name, "SIGKILL");
    emptyDisk(byBlocks);
    network.start(byBlocks.name);
    await until("it has fetched all blocks", () => synced(byBlocks), 60_000);

    const last = await act(network.owner, {
      kind: "undelegate",
      validator: consensusAddress(1),
      amount: 2n * MILLION,
    });
    await untilHeight(network.validators, inForce(last) + 2, 60_000);
    const expected = await powersAt(inForce(last));
    for (const place of network.validators) {
      expect(await powersAt(inForce(last), place), place.name).toEqual(expected);
    }
    await until("all four sign", async () => {
      const top = await height(node(0));
      return (await signersOf(top - 1)).length === 4;
    });
  },
  TIMEOUT_MS,
);
