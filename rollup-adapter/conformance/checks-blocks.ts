/** What an executor does with payloads of all kinds. */
import { bytesEqual } from "../../proto/bytes.ts";
import type { Check } from "./check.ts";
import { expect } from "./fault.ts";
import {
  LARGE_PAYLOADS,
  PAYLOADS_MAX,
  REQUEST_BYTES_MAX,
  REQUEST_OVERHEAD_BYTES,
} from "./limits.ts";
import { awkwardPayloads, gibberish } from "./payloads.ts";

const MONTH_SECONDS = 30n * 86_400n;

export const BLOCK_CHECKS: readonly Check[] = [
  {
    id: "no-payloads",
    title: "A sequencer block without payloads makes no block and is counted",
    rule: "executeblock",
    why: "the rollup would grow with every block of the network, or ask for the same height for ever",
    async run(session) {
      for (let count = 0; count < 3; count++) {
        const { outcome } = await session.execute(await session.request([]));
        expect(outcome === "none", `expected outcome none, got ${outcome}`);
      }
    },
  },
  {
    id: "gibberish",
    title: "A payload of random bytes is taken like any other",
    rule: "payloads",
    why: "anybody could stop the rollup by posting bytes into it",
    async run(session) {
      for (const length of [1, 100, 10_000]) {
        await session.execute(await session.request([gibberish(`alone ${length}`, length)]));
      }
    },
  },
  {
    id: "awkward-payloads",
    title:
      "Empty payloads, cut off encodings and forged transaction types are taken and accounted for",
    rule: "payloads",
    why: "anybody could stop the rollup, or mint on it, by posting the right bytes into it",
    async run(session) {
      const payloads = awkwardPayloads();
      await session.execute(await session.request(payloads));
      for (const payload of payloads.slice(0, 4)) {
        await session.execute(await session.request([payload]));
      }
    },
  },
  {
    id: "same-payloads-again",
    title: "Payloads that were ordered before, or twice in one block, are taken",
    rule: "payloads",
    why: "anybody may post again what others posted; the rollup must not stop at it",
    async run(session) {
      const payload = gibberish("posted again", 90);
      await session.execute(await session.request([payload, payload]));
      await session.execute(await session.request([payload, ...awkwardPayloads(), payload]));
    },
  },
  {
    id: "many-payloads",
    title: `${PAYLOADS_MAX} payloads in one block are taken and accounted for`,
    rule: "limits",
    why: "a full block of the network would stop the rollup",
    async run(session) {
      const payloads = Array.from({ length: PAYLOADS_MAX }, (_, index) =>
        gibberish(`many ${index}`, index % 40),
      );
      await session.execute(await session.request(payloads));
    },
  },
  {
    id: "large-request",
    title: `A request of ${REQUEST_BYTES_MAX >> 20} MiB is taken`,
    rule: "limits",
    why: "gRPC libraries refuse more than 4 MiB unless they are told otherwise; the first large block would stop the rollup",
    async run(session) {
      const length = Math.floor((REQUEST_BYTES_MAX - REQUEST_OVERHEAD_BYTES) / LARGE_PAYLOADS);
      const payload = gibberish("large", length);
      const payloads = Array.from({ length: LARGE_PAYLOADS }, () => payload);
      await session.execute(await session.request(payloads));
    },
  },
  {
    id: "time",
    title: "Blocks within one second and after a month keep the rollup's time from going back",
    rule: "time",
    why: "contracts and users rely on time; clients refuse blocks older than their parent",
    async run(session) {
      for (const afterSeconds of [0n, 0n, MONTH_SECONDS, 0n, 1n]) {
        await session.execute(await session.request(session.material(), { afterSeconds }));
      }
    },
  },
  {
    id: "valid-payloads",
    title: "Payloads of the rollup's own language become part of its chain and change its state",
    rule: "payloads",
    why: "an executor that skips everything passes all other checks",
    needs: ["payloads"],
    async run(session) {
      const before = (await session.status()).head;
      let included = 0;
      for (let tries = 0; tries < 4 && included === 0; tries++) {
        const answer = await session.execute(await session.request(session.usePayloads(2)));
        included += answer.included;
      }
      expect(included > 0, "none of the payloads given became part of the chain");
      const { head } = await session.status();
      expect(
        !bytesEqual(head.stateRoot, before.stateRoot),
        `${included} payloads were included and the state root is the same`,
      );
    },
  },
];
