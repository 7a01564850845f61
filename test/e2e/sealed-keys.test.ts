/** Keys of sealed transactions change while they are used, and validators restart between shares and openings. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { numberKey, SEALED } from "../../sequencer/app/state/tables.ts";
import type { FilledStream } from "../support/filled-stream.ts";
import { recordOf } from "../support/live-stake.ts";
import {
  createTestNetwork,
  height,
  type TestNetwork,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import {
  sealStateOf,
  type SealWallet,
  sendSealed,
  type SentSealed,
  startSealing,
  submitSealed,
  untilKey,
} from "../support/sealed-network.ts";

const TIMEOUT_MS = 240_000;
const ROLLUP = "alpha";
const SEAL_KEY_OLD = 221;

let network: TestNetwork;
let stream: FilledStream;
let wallet: SealWallet;
let first: SealKeyState;
beforeAll(async () => {
  network = await createTestNetwork({
    rollups: [ROLLUP],
    config: { signature_workers: 0 },
    params: { epoch_length: 45, seal_key_lead: 3 },
  });
  wallet = { client: validator(0).client, key: network.owner };
  ({ sealKey: first, stream } = await startSealing(network, ROLLUP));
}, TIMEOUT_MS);
afterAll(async () => {
  await stream.close();
  await network.close();
});

const validator = (index: number) => validatorAt(network, index);

it(
  "opens what was ordered before a validator was killed, and it shares again when it is back",
  async () => {
    const sent = await sendSealed(wallet, { rollup: ROLLUP, text: "before", sealKey: first });
    await until("it is in a block", async () => {
      const { height: at } = await wallet.client.transactionStatus(sent.id);
      return at > 0;
    });
    const { name } = validator(3);
    await network.end(name, "SIGKILL");
    expect(await stream.place(sent.id)).toMatchObject({ status: "OPENED", texts: ["before"] });
    network.start(name);
    await untilHeight(network.validators, (await height(validator(0))) + 2, 60_000);
    // Without it there are too few shares: it has kept its own.
    await network.end(validator(2).name, "SIGKILL");
    const next = await sendSealed(wallet, { rollup: ROLLUP, text: "after", sealKey: first });
    expect(await stream.place(next.id)).toMatchObject({ status: "OPENED", texts: ["after"] });
    network.start(validator(2).name);
    await untilHeight(network.validators, (await height(validator(0))) + 2, 60_000);
  },
  TIMEOUT_MS,
);

it(
  "changes keys while traffic flows: everything that was taken is opened",
  async () => {
    const sent: { readonly key: number; readonly text: string; readonly by: SentSealed }[] = [];
    let sealKey = first;
    const refusals = new Set<number>();
    for (let i = 0; sent.filter(({ key }) => key > first.number).length < 5; i++) {
      const text = `traffic ${i}`;
      const by = await submitSealed(wallet, { rollup: ROLLUP, text, sealKey });
      if (by.outcome.code === 0) sent.push({ key: sealKey.number, text, by });
      else {
        refusals.add(by.outcome.code);
        sealKey = await untilKey([validator(0)], sealKey.number + 1);
      }
      const at = await height(validator(0));
      await untilHeight([validator(0)], at + 1);
    }
    expect([...refusals]).toEqual([SEAL_KEY_OLD]);
    expect(sent.filter(({ key }) => key === first.number).length).toBeGreaterThan(0);
    const statuses = await Promise.all(
      sent.map(({ by }) => wallet.client.transactionStatus(by.id)),
    );
    const inBlocks = sent.filter((_, i) => (statuses[i]?.height ?? 0) > 0);
    // Those taken right before the change may have come too late for a block; they stay private.
    expect(inBlocks.length).toBeGreaterThan(sent.length - 3);
    for (const { text, by } of inBlocks) {
      expect(await stream.place(by.id), text).toMatchObject({ status: "OPENED", texts: [text] });
    }
  },
  TIMEOUT_MS,
);

it(
  "refuses a ciphertext for the old key with the number and height of the new one, and it stays private",
  async () => {
    const { activeKey } = await sealStateOf(validator(0));
    expect(activeKey).toBeGreaterThan(first.number);
    const late = await submitSealed(wallet, { rollup: ROLLUP, text: "too late", sealKey: first });
    expect(late.outcome.code).toBe(SEAL_KEY_OLD);
    expect(late.outcome.reason).toContain(String(activeKey));
    expect(late.outcome.reason).toMatch(/since block \d+/);
    const at = await height(validator(0));
    await untilHeight(network.validators, at + 4);
    for (let h = at; h <= at + 4; h++) {
      expect(await recordOf(validator(1), SEALED, numberKey(h))).toBeUndefined();
    }
    const { state } = await wallet.client.transactionStatus(late.id);
    expect(["unknown", "rejected"]).toContain(state);
    const ids = stream.places.map(({ id }) => id);
    expect(ids).not.toContain(toHex(late.id));
    expect(stream.places.flatMap(({ texts }) => texts)).not.toContain("too late");
  },
  TIMEOUT_MS,
);
