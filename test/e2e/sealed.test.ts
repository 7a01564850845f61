/**
 * Seven validators, five of which open what is sealed. Some of them break the rules when they are told to
 * (`test/support/seal-orders.ts`); the nodes are real, find faults by themselves, and nobody helps them.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import { numberKey, SEALED, SIGNING } from "../../sequencer/app/state/tables.ts";
import type { FilledStream } from "../support/filled-stream.ts";
import {
  act,
  eventsAt,
  keysOf,
  recordOf,
  requireRecord,
  supplyOf,
  validatorOf,
} from "../support/live-stake.ts";
import {
  height,
  metric,
  range,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { orderFault, sealOffences, takeBack } from "../support/seal-orders.ts";
import {
  blocksToOpen,
  createSealedNetwork,
  type SealWallet,
  sendSealed,
  type SentSealed,
  startSealing,
} from "../support/sealed-network.ts";

const TIMEOUT_MS = 240_000;
const ROLLUP = "alpha";
/** Blocks after which nobody opens an item any more: max(16, 2f + 4), and the one that asks. */
const EXPIRY_BLOCKS = 17;
const STAKE = 10_000_000n;

let network: TestNetwork;
let stream: FilledStream;
let sealKey: SealKeyState;
/** Nobody else uses it. */
let wallet: SealWallet;
beforeAll(async () => {
  network = await createSealedNetwork({
    validators: 7,
    faulty: [4, 5, 6],
    rollups: [ROLLUP],
    config: { signature_workers: 0, "consensus.timeout_commit": "300ms" },
  });
  ({ sealKey, stream } = await startSealing(network, ROLLUP));
  const client = validator(0).client;
  const key = ed25519KeyPairFromSeed(new Uint8Array(32).fill(77));
  wallet = { client, key };
  const owner = { clients: [client], key: network.owner };
  const to = accountAddress(key.publicKey);
  await act(owner, { kind: "transfer", to, amount: 1_000_000_000_000n });
}, TIMEOUT_MS);
afterAll(async () => {
  await stream.close();
  await network.close();
});

const validator = (index: number) => validatorAt(network, index);

function send(text: string): Promise<SentSealed> {
  return sendSealed(wallet, { rollup: ROLLUP, text, sealKey });
}

/** Blocks from the order of a text to its content. */
function opened(text: string): Promise<number> {
  return blocksToOpen(stream, wallet, { rollup: ROLLUP, text, sealKey });
}

/** Height of the block that holds it. */
async function ordered({ id }: SentSealed): Promise<number> {
  return await until(`${toHex(id)} is in a block`, async () => {
    const { height: at } = await wallet.client.transactionStatus(id);
    return at > 0 && at;
  });
}

it("makes a key of which five of seven tickets open", () => {
  expect(sealKey.members.map(({ tickets }) => tickets)).toEqual(Array(7).fill(1));
  expect(sealKey.threshold).toBe(5);
});

it(
  "opens everything two blocks later while all share",
  async () => {
    for (const text of ["one", "two", "three"]) expect(await opened(text), text).toBe(2);
  },
  TIMEOUT_MS,
);

it(
  "opens at most four blocks later while one abstains, and counts what it misses",
  async () => {
    const abstainer = validator(6);
    orderFault(abstainer, { fault: "abstain" });
    for (const text of ["four", "five"]) expect(await opened(text), text).toBeLessThanOrEqual(4);
    takeBack(abstainer);
    const offences = sealOffences(abstainer);
    expect(offences.length).toBeGreaterThan(0);
    const { consensusAddress } = keysOf(abstainer);
    await untilHeight(network.validators, (offences.at(-1)?.height ?? 0) + 2);
    const { missed } = await requireRecord(validator(0), SIGNING, consensusAddress);
    expect(missed).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

it(
  "goes on while three abstain, and opens when their shares return",
  async () => {
    const abstainers = [4, 5, 6].map(validator);
    for (const node of abstainers) orderFault(node, { fault: "abstain" });
    // In force everywhere before the next item is shared.
    await untilHeight(network.validators, (await height(validator(0))) + 2);
    const sent = await send("six");
    const at = await ordered(sent);
    await untilHeight(network.validators, at + 5);
    expect(await recordOf(validator(1), SEALED, numberKey(at))).toMatchObject({
      key: sealKey.number,
      items: [{ index: 0 }],
    });
    expect(stream.height()).toBeLessThan(at);
    for (const node of abstainers) takeBack(node);
    const place = await stream.place(sent.id);
    expect(place).toMatchObject({ height: at, status: "OPENED", texts: ["six"] });
    expect(((place.filledHeight ?? 0) - at) % 2).toBe(0);
  },
  TIMEOUT_MS,
);

it(
  "gives fee and bond back when shares do not return in time",
  async () => {
    const abstainers = [4, 5, 6].map(validator);
    const address = accountAddress(wallet.key.publicKey);
    const { balance: before } = await wallet.client.account(address);
    for (const node of abstainers) orderFault(node, { fault: "abstain" });
    await untilHeight(network.validators, (await height(validator(0))) + 2);
    const sent = await send("never read");
    const at = await ordered(sent);
    expect((await supplyOf(validator(0))).sealed).toBeGreaterThan(0n);
    const place = await stream.place(sent.id, 60_000);
    expect(place).toMatchObject({
      height: at,
      status: "EXPIRED",
      texts: [],
      filledHeight: at + EXPIRY_BLOCKS,
    });
    for (const node of abstainers) takeBack(node);
    expect((await supplyOf(validator(0))).sealed).toBe(0n);
    expect((await wallet.client.account(address)).balance).toBe(before);
    // Shares that come later open nothing any more: the next item is opened, this one is not.
    await opened("after it");
    expect(stream.places.flatMap(({ texts }) => texts)).not.toContain("never read");
  },
  TIMEOUT_MS,
);

it(
  "opens everything two blocks later while one sends wrong shares and one does not vote",
  async () => {
    const [away, liar] = [validator(5), validator(6)];
    const liarAddress = keysOf(liar).consensusAddress;
    const awayAddress = keysOf(away).consensusAddress;
    const missedBefore = (await recordOf(validator(0), SIGNING, awayAddress))?.missed ?? 0;
    await network.end(away.name, "SIGKILL");
    orderFault(liar, { fault: "wrongShares" });
    for (const text of ["seven", "eight", "nine"]) expect(await opened(text), text).toBe(2);
    const [offence] = sealOffences(liar).filter(({ fault }) => fault === "wrongShares");
    if (offence === undefined) throw new Error("nothing was asked of the liar");

    const others = network.validators.filter((node) => node !== away && node !== liar);
    const punished = await until("the liar is punished", async () => {
      const state = await validatorOf(validator(0), liarAddress);
      return state.jailed && state;
    });
    expect(punished.tokens).toBe((STAKE * 95n) / 100n);
    expect(punished.power).toBe(0n);
    const found = await Promise.all(
      others.map(({ metrics }) => metric(metrics, "weft_seal_evidence_found_total")),
    );
    expect(Math.max(...found)).toBeGreaterThan(0);
    const { missed } = await requireRecord(validator(0), SIGNING, awayAddress);
    expect(missed).toBeGreaterThan(missedBefore);

    const told = await untilSlash(others, liarAddress, offence.height);
    for (const node of others) {
      const [slash, ...more] = (await eventsAt(node, told)).filter(({ type }) => type === "slash");
      expect(slash?.attributes, node.name).toMatchObject({
        validator: liarAddress.toUpperCase(),
        fraction_bps: "500",
      });
      expect(more, node.name).toEqual([]);
    }
  },
  TIMEOUT_MS,
);

/** Height of the block that punishes the validator. */
async function untilSlash(
  [node]: readonly TestValidator[],
  address: string,
  from: number,
): Promise<number> {
  if (node === undefined) throw new Error("somebody has to be asked");
  const last = await height(node);
  for (const at of range(from, last)) {
    const slashes = (await eventsAt(node, at)).filter(({ type }) => type === "slash");
    const isIt = slashes.some(
      ({ attributes }) => attributes["validator"] === address.toUpperCase(),
    );
    if (isIt) return at;
  }
  throw new Error(`no block from ${from} to ${last} punishes ${address}`);
}

it(
  "goes on without the punished one, and takes back the one that was away",
  async () => {
    network.start(validator(5).name);
    expect(await opened("ten")).toBeGreaterThanOrEqual(2);
    await untilHeight(network.validators, (await height(validator(0))) + 1, 60_000);
  },
  TIMEOUT_MS,
);
