/** Four validators, three of which open what is sealed: what `sealed.test.ts` shows of seven, one fault at a time. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { SealKeyState } from "../../proto/codec/seal-state.ts";
import { toHex } from "../../proto/bytes.ts";
import { Ordering, PLAIN_POLICY } from "../../proto/codec/rollup-policy.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { ed25519KeyPairFromSeed } from "../../proto/verify/ed25519.ts";
import { act, fund, requireRecord, keysOf, recordOf, validatorOf } from "../support/live-stake.ts";
import { type FilledStream, followFilled } from "../support/filled-stream.ts";
import {
  height,
  type TestNetwork,
  until,
  untilHeight,
  validatorAt,
} from "../support/local-network.ts";
import { orderFault, sealOffences, takeBack } from "../support/seal-orders.ts";
import {
  blocksToOpen,
  createSealedNetwork,
  sendSealed,
  startSealing,
} from "../support/sealed-network.ts";
import { SIGNING } from "../../sequencer/app/state/tables.ts";

const TIMEOUT_MS = 240_000;
const ROLLUP = "alpha";

let network: TestNetwork;
let stream: FilledStream;
let sealKey: SealKeyState;
beforeAll(async () => {
  network = await createSealedNetwork({
    faulty: [3],
    rollups: [ROLLUP],
    config: { signature_workers: 0, "consensus.timeout_commit": "300ms" },
  });
  ({ sealKey, stream } = await startSealing(network, ROLLUP));
}, TIMEOUT_MS);
afterAll(async () => {
  await stream.close();
  await network.close();
});

const validator = (index: number) => validatorAt(network, index);

/** Blocks from the order of a text to its content. */
async function opened(text: string): Promise<number> {
  const wallet = { client: validator(0).client, key: network.owner };
  return await blocksToOpen(stream, wallet, { rollup: ROLLUP, text, sealKey });
}

it(
  "executes what is sealed for a rollup that shuffles in one order everywhere, which is not that of the block",
  async () => {
    const owner = { clients: [validator(0).client], key: network.owner };
    const name = "mixer";
    await act(owner, {
      kind: "registerRollup",
      name,
      policy: { ...PLAIN_POLICY, ordering: Ordering.SEALED_RANDOM },
      ownerKey: network.owner.publicKey,
    });
    const keys = [1, 2, 3, 4].map((n) => ed25519KeyPairFromSeed(new Uint8Array(32).fill(n)));
    const accounts = keys.map(({ publicKey }) => toHex(accountAddress(publicKey)));
    await fund(owner, accounts, 1_000_000_000_000n);
    const streams = await Promise.all([0, 1].map((n) => followFilled(validator(n), name)));
    const [first, second] = streams;
    if (first === undefined || second === undefined) throw new Error("there are two streams");
    let isShuffled = false;
    for (let i = 0; !isShuffled && i < 30; i++) {
      const sent = await Promise.all(
        keys.map((key, n) =>
          sendSealed(
            { client: validator(0).client, key },
            { rollup: name, text: `${i} ${n}`, sealKey },
          ),
        ),
      );
      const places = await Promise.all(sent.map(({ id }) => first.place(id)));
      for (const at of new Set(places.map((place) => place.height))) {
        const inBlock = first.places.filter((place) => place.height === at);
        const texts = inBlock.flatMap((place) => place.texts);
        const executed = first.executed(at) ?? [];
        expect([...executed].sort()).toEqual([...texts].sort());
        isShuffled ||= executed.join() !== texts.join();
        await until("another node streams the same block", async () => second.height() >= at);
        expect(second.executed(at)).toEqual(executed);
      }
    }
    expect(isShuffled).toBe(true);
    for (const one of streams) await one.close();
  },
  TIMEOUT_MS,
);

it(
  "opens at most four blocks later while one abstains",
  async () => {
    expect(sealKey.threshold).toBe(3);
    const abstainer = validator(3);
    orderFault(abstainer, { fault: "abstain" });
    for (const text of ["one", "two"]) expect(await opened(text), text).toBeLessThanOrEqual(4);
    takeBack(abstainer);
    expect(sealOffences(abstainer).length).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

it(
  "refuses blocks without the openings that are due, and opens in the next round",
  async () => {
    const withholder = validator(3);
    orderFault(withholder, { fault: "withholdOpenings" });
    let isTried = false;
    for (let i = 0; !isTried && i < 12; i++) {
      expect(await opened(`held back ${i}`)).toBe(2);
      isTried = sealOffences(withholder).some(({ fault }) => fault === "withholdOpenings");
    }
    takeBack(withholder);
    expect(isTried, "its turn to propose came").toBe(true);
  },
  TIMEOUT_MS,
);

it(
  "opens two blocks later while one does not vote, and counts what it misses",
  async () => {
    const away = validator(2);
    const { consensusAddress } = keysOf(away);
    const before = (await recordOf(validator(0), SIGNING, consensusAddress))?.missed ?? 0;
    await network.end(away.name, "SIGKILL");
    for (const text of ["three", "four"]) expect(await opened(text), text).toBe(2);
    const { missed } = await requireRecord(validator(0), SIGNING, consensusAddress);
    expect(missed).toBeGreaterThan(before);
    network.start(away.name);
    await untilHeight(network.validators, (await height(validator(0))) + 2, 60_000);
  },
  TIMEOUT_MS,
);

it(
  "opens two blocks later while one sends wrong shares, and punishes it by what its peers found",
  async () => {
    const liar = validator(3);
    orderFault(liar, { fault: "wrongShares" });
    for (const text of ["five", "six"]) expect(await opened(text), text).toBe(2);
    const { consensusAddress } = keysOf(liar);
    const punished = await until("the liar is punished", async () => {
      const state = await validatorOf(validator(0), consensusAddress);
      return state.jailed && state;
    });
    expect(punished).toMatchObject({ power: 0n, tokens: 9_500_000n });
    // The three others hold three of four tickets, all that it takes.
    takeBack(liar);
    expect(await opened("seven")).toBeLessThanOrEqual(4);
  },
  TIMEOUT_MS,
);
