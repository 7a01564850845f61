/**
 * What each step of a sealed transaction costs on one thread, beside the spec's table C.6: four validators with
 * a ticket each, three of which open. Steps take turns, so that a slow second of the machine meets all.
 */
import { randomBytes } from "node:crypto";
import { createGroup } from "../../mev/seal/group/group.ts";
import { createTdh2, kemPoint, type Tdh2 } from "../../mev/seal/tdh2.ts";
import { joinBytes } from "../../proto/bytes.ts";
import { median } from "../measure/statistics.ts";

export interface StepResult {
  readonly name: string;
  /** Ciphertexts at once. */
  readonly batch: number;
  /** For one transaction. */
  readonly micros: number;
  /** The same by table C.6, on another machine. */
  readonly specMicros: number;
}

const THRESHOLD = 3;
const TICKETS = [1, 2, 3, 4] as const;
const PLAINTEXT_BYTES = 256;
const ROUNDS = 9;
const WARMUP_ROUNDS = 4;

/** Of the spec's table C.6 by batch size: client encrypt, and (a) to (g). */
const SPEC: Readonly<Record<number, readonly number[]>> = {
  128: [465, 58.1, 68.3, 9.4, 21.4, 16.8, 23.5, 5.1],
  1024: [475, 48.0, 67.8, 4.8, 13.4, 17.0, 18.8, 6.3],
};

/** About two seconds of one core. */
export function measureSteps(): readonly StepResult[] {
  const group = createGroup();
  const tdh2 = createTdh2(group);
  return Object.entries(SPEC).flatMap(([size, spec]) => {
    const batch = Number(size);
    const steps = stepsOf(group, tdh2, batch);
    const times = steps.map((): number[] => []);
    for (let round = -WARMUP_ROUNDS; round < ROUNDS; round++) {
      for (const [i, { work, items }] of steps.entries()) {
        const begun = performance.now();
        work();
        const micros = ((performance.now() - begun) * 1_000) / items;
        if (round >= 0) times[i]?.push(micros);
      }
    }
    return steps.map(({ name }, i) => ({
      name,
      batch,
      micros: median(times[i] ?? []),
      specMicros: spec[i] ?? 0,
    }));
  });
}

interface Step {
  readonly name: string;
  readonly items: number;
  readonly work: () => void;
}

function stepsOf(
  group: ReturnType<typeof createGroup>,
  tdh2: Tdh2,
  batch: number,
): readonly Step[] {
  const scalars = () => group.scalars.reduceWide(new Uint8Array(randomBytes(64)));
  const coefficients = joinBytes(Array.from({ length: THRESHOLD }, scalars));
  const secretOf = (ticket: number) => group.scalars.evaluate(coefficients, ticket);
  const publicKey = group.mulBase(coefficients.subarray(0, 32));
  const label = new Uint8Array(randomBytes(120));
  const plaintext = new Uint8Array(randomBytes(PLAINTEXT_BYTES));
  const encrypt = () =>
    tdh2.encrypt(publicKey, label, plaintext, {
      seed: new Uint8Array(randomBytes(32)),
      nonce: new Uint8Array(randomBytes(64)),
    });
  const items = Array.from({ length: batch }, () => ({ label, ...encrypt() }));
  const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
  const context = new Uint8Array(randomBytes(80));
  const shares = TICKETS.slice(0, THRESHOLD).map((ticket) => ({
    ticket,
    points: tdh2.makeShares(secretOf(ticket), points),
  }));
  const [own] = shares;
  if (own === undefined) throw new RangeError("the threshold is positive");
  const secret = secretOf(own.ticket);
  const publicShare = group.mulBase(secret);
  const prove = () => tdh2.proveShares(context, secret, publicShare, points, own.points);
  const proof = prove();
  const z = tdh2.combine(shares, THRESHOLD);
  const seeds = tdh2.open(publicKey, items, z);
  const held = (fact: boolean): void => {
    if (!fact) throw new Error("a step gives a wrong answer");
  };
  // A few of them tell as much as a thousand.
  const encryptions = Math.min(batch, 64);
  return [
    {
      name: "client encrypts",
      items: encryptions,
      work: () => {
        for (let i = 0; i < encryptions; i++) encrypt();
      },
    },
    {
      name: "(a) ciphertext check, batched",
      items: batch,
      work: () => held(tdh2.checkCiphertexts(items).every(Boolean)),
    },
    {
      name: "(b) own shares, constant time",
      items: batch,
      work: () => held(tdh2.makeShares(secret, points).length === points.length),
    },
    { name: "(c) proof of all shares", items: batch, work: () => held(prove().length === 64) },
    {
      name: "(d) check of one peer's shares",
      items: batch,
      work: () => held(tdh2.verifyShares(context, publicShare, points, own.points, proof)),
    },
    {
      name: "(e) combine (proposer)",
      items: batch,
      work: () => held(tdh2.combine(shares, THRESHOLD).length === points.length),
    },
    {
      name: "(f) check of openings",
      items: batch,
      work: () => held(tdh2.open(publicKey, items, z).every((seed) => seed !== undefined)),
    },
    {
      name: "(g) key and decryption",
      items: batch,
      work: () => {
        for (const [i, { kem, body }] of items.entries()) {
          const seed = seeds[i];
          held(seed !== undefined && tdh2.decrypt(label, kem, seed, body) !== undefined);
        }
      },
    },
  ];
}
