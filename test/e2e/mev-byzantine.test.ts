/**
 * Four validators as real processes whose proposals and lists do what a test says (`test/support/mev-faults.ts`): blocks
 * that cut bundles, swap lanes or hide what is due are refused and counted, the chain goes on, and what all
 * know of stands in a block in time although nobody proposes it of himself.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { fromBase64, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { accountAddress, rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { generateEd25519KeyPair, type Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { ENGINE, isEmbedded } from "../support/engine.ts";
import {
  height,
  metric,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  validatorAt,
} from "../support/local-network.ts";
import { actionOf } from "../support/mev-blocks.ts";
import { bundleOf } from "../support/mev-chain.ts";
import type { MevBlockFault } from "../support/mev-faults.ts";
import { orderFault, sealOffences, takeBack } from "../support/seal-orders.ts";
import { createSealedNetwork, sendSealed, untilKey } from "../support/sealed-network.ts";
import { sendOne, signAction } from "../support/traffic.ts";

const TIMEOUT_MS = 240_000;
const LIAR = 3;
/** One height of delay, one byzantine proposer, the block that brings the lists, and four blocks. */
const INCLUSION_BLOCKS = 2 + 1 + 4;

let network: TestNetwork;
let sealKey: SealKeyState;
let unwanted: Ed25519KeyPair;

beforeAll(async () => {
  network = await createSealedNetwork({
    rollups: ["alpha", "beta"],
    faulty: [0, 1, 2, LIAR],
    // Where CometBFT is asked for, half of them run on it: an honest one and the liar.
    ...(isEmbedded ? {} : { programEngines: { 1: ENGINE, [LIAR]: ENGINE } }),
    config: { signature_workers: 0, "consensus.timeout_commit": "300ms" },
  });
  network.start(...network.validators.map(({ name }) => name));
  sealKey = await untilKey(network.validators);
  unwanted = generateEd25519KeyPair();
  const to = accountAddress(unwanted.publicKey);
  const action = { kind: "transfer", to, amount: 10_000_000_000n } as const;
  await sendOne({ clients: [node(0).client], key: network.owner }, 0, action);
}, TIMEOUT_MS);
afterAll(async () => {
  await network.close();
});

const node = (index: number): TestValidator => validatorAt(network, index);

/** Items of a decided block. */
async function itemsAt(at: number): Promise<readonly Uint8Array[]> {
  const { block } = await rpc<{ block: { data: { txs: string[] } } }>(node(0), "block", {
    height: String(at),
  });
  return block.data.txs.map(fromBase64);
}

/** What a bundle in the clear is for its rollups. */
function legsOf(item: Uint8Array): string | undefined {
  const action = actionOf(item);
  if (action?.kind !== "bundle") return undefined;
  return action.legs.map(({ payload }) => toHex(payload)).join();
}

/** A bundle across both rollups; its transaction id. */
async function sendBundle(text: string): Promise<Uint8Array> {
  const { client } = node(0);
  const legs = ["alpha", "beta"].map((rollup) => ({ rollup, text: `${rollup} ${text}` }));
  const bundle = bundleOf(legs, { maxHeight: (await height(node(0))) + 20 });
  const { item, id } = await signAction(client, network.owner, bundle);
  expect((await client.submit(item)).code).toBe(0);
  return id;
}

/** So that the block has something in two lanes. */
async function sendData(text: string): Promise<void> {
  const { client } = node(0);
  const action = rollupData(rollupIdOfName("beta"), [utf8ToBytes(text)]);
  const { item } = await signAction(client, network.owner, action);
  expect((await client.submit(item)).code).toBe(0);
}

/** Sends until the validator has done it, or more often; what others answered. */
async function untilDone(fault: MevBlockFault, send: (n: number) => Promise<unknown>) {
  const liar = node(LIAR);
  orderFault(liar, { fault, payerKeyFile: network.ownerKeyFile });
  let turn = 0;
  const offence = await until(
    `${liar.name} ${fault}`,
    async () => {
      await send(turn++);
      return sealOffences(liar).find((one) => one.fault === fault);
    },
    60_000,
  );
  takeBack(liar);
  return offence;
}

const refusals = (check: string): Promise<number> =>
  metric(node(0).metrics, "weft_mev_proposals_refused_total", `check="${check}"`);

it.each<[MevBlockFault, string]>([
  ["splitsBundles", "TX"],
  ["dropsLegs", "P5"],
  ["swapsLanes", "P9"],
  ["blanksTooMany", "P1"],
  ["stuffsObligated", "P7"],
])(
  "refuses and counts a proposal that %s (%s), and goes on",
  async (fault, check) => {
    const before = await refusals(check);
    const offence = await untilDone(fault, async (n) => {
      await sendData(`${fault} ${n}`);
      await sendBundle(`${fault} ${n}`);
    });
    expect(offence.refusal).toMatch(new RegExp(`^${check} `));
    await until(`${check} is counted`, async () => (await refusals(check)) > before);
    const id = await sendBundle(`after ${fault}`);
    await until("a bundle stands in a block", async () => {
      const { state } = await node(0).client.transactionStatus(id);
      return state === "committed";
    });
  },
  TIMEOUT_MS,
);

it(
  "cannot keep a proposer from copying a bundle in the clear",
  async () => {
    const liar = node(LIAR);
    orderFault(liar, { fault: "copiesBundles", payerKeyFile: network.ownerKeyFile });
    let turn = 0;
    // Where a later round decides another block, the copy was late, and is tried again.
    await until("a block holds a bundle and the copy of it", async () => {
      await sendBundle(`copied ${turn++}`);
      const done = sealOffences(liar).filter(({ fault }) => fault === "copiesBundles");
      const last = await height(node(0));
      for (const { height: at, refusal } of done) {
        expect(refusal).toBeUndefined();
        if (at > last) continue;
        const legs = (await itemsAt(at)).flatMap((item) => legsOf(item) ?? []);
        if (new Set(legs).size < legs.length) return true;
      }
      return false;
    });
    takeBack(liar);
  },
  TIMEOUT_MS,
);

it(
  "refuses a copy of what is sealed",
  async () => {
    const before = await refusals("P11");
    const wallet = { client: node(0).client, key: network.owner };
    const offence = await untilDone("copiesSealed", (n) =>
      sendSealed(wallet, { rollup: "alpha", text: `sealed ${n}`, sealKey }),
    );
    expect(offence.refusal).toMatch(/^P11 TX_PROOF/);
    await until("P11 is counted", async () => (await refusals("P11")) > before);
  },
  TIMEOUT_MS,
);

it(
  "includes in time what no proposer wants, and refuses who leaves out what is due",
  async () => {
    const censored = toHex(unwanted.publicKey);
    for (const [index, validator] of network.validators.entries()) {
      const fault = index === LIAR ? "ignoresDue" : "censors";
      orderFault(validator, { fault, censored });
    }
    const before = await refusals("P7");
    const { client } = node(0);
    const includedAfter: number[] = [];
    await until(
      "the one that ignores what is due has had its turn",
      async () => {
        const payload = utf8ToBytes(`nobody wants ${includedAfter.length}`);
        const action = rollupData(rollupIdOfName("alpha"), [payload]);
        const { item, id } = await signAction(client, unwanted, action);
        for (const each of network.validators) await each.client.submit(item);
        const sent = await height(node(0));
        const at = await until("it stands in a block", async () => {
          const status = await client.transactionStatus(id);
          return status.state === "committed" && status.height;
        });
        includedAfter.push(at - sent);
        return sealOffences(node(LIAR)).some(
          ({ fault, refusal }) => fault === "ignoresDue" && refusal?.startsWith("P7 ") === true,
        );
      },
      120_000,
    );
    for (const validator of network.validators) takeBack(validator);
    // One more: what is submitted while a block is under way is ready for the next.
    for (const blocks of includedAfter) expect(blocks).toBeLessThanOrEqual(INCLUSION_BLOCKS + 1);
    expect(includedAfter.some((blocks) => blocks > 4)).toBe(true);
    const left = network.validators.flatMap((each) => sealOffences(each));
    expect(left.filter(({ fault }) => fault === "censors").length).toBeGreaterThan(0);
    await until("P7 is counted", async () => (await refusals("P7")) > before);
  },
  TIMEOUT_MS,
);
