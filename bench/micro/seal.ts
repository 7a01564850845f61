/**
 * `npm run bench -- --seal-micro`: what each step of a sealed transaction costs one thread, for batches of
 * 128 and 1,024, with four tickets of which three open (spec encrypted-mempool.md, C.6).
 *
 * CPU time, of which others that run beside it take less away than of the clock's; steps take turns, so that
 * a slow phase of the machine hits all of them. A check of one ed25519 signature by libsodium stands beside
 * them: 38 µs on the machine of the spec's table.
 */
import { createHash, randomBytes } from "node:crypto";
import { createGroup, type Group } from "../../mev/seal/group/group.ts";
import { createTdh2, kemPoint, type Tdh2 } from "../../mev/seal/tdh2.ts";
import { joinBytes } from "../../proto/bytes.ts";
import { median } from "../measure/statistics.ts";
import {
  generateEd25519KeyPair,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";

const BATCHES = [128, 1_024];
const TICKETS = 4;
const THRESHOLD = 3;
const ROUNDS = 9;
const PLAINTEXT_BYTES = 256;
const LABEL_BYTES = 150;
const ENCRYPTIONS = 32;
const SIGNATURES = 200;
const SIGNATURE = "ed25519 check, libsodium";

interface Step {
  readonly name: string;
  /** Figures of the spec's prototype for the two batches, µs. */
  readonly spec: readonly string[];
  /** Transactions, or signatures, in one run. */
  readonly count: number;
  readonly work: () => unknown;
}

export interface StepResult {
  readonly name: string;
  readonly batch: number;
  /** µs per transaction. */
  readonly median: number;
  readonly best: number;
  readonly spec: string;
}

export function runSealMicro(isJson: boolean): void {
  const results = measureSealSteps();
  if (isJson) process.stdout.write(`${JSON.stringify({ sealMicro: results })}\n`);
  else process.stdout.write(`${sealStepsText(results)}\n`);
}

/** About two seconds of one core. */
export function measureSealSteps(): readonly StepResult[] {
  const group = createGroup();
  const tdh2 = createTdh2(group);
  return BATCHES.flatMap((batch, at) => {
    const steps = stepsOf(group, tdh2, batch);
    return measure(steps).map((figures, i) => ({
      name: steps[i]?.name ?? "",
      batch,
      ...figures,
      spec: steps[i]?.spec[at] ?? "",
    }));
  });
}

function stepsOf(group: Group, tdh2: Tdh2, batch: number): readonly Step[] {
  const coefficients = group.scalars.reduceWide(bytes("coefficients", 64 * THRESHOLD));
  const publicKey = group.mulBase(coefficients.subarray(0, 32));
  const label = bytes("label", LABEL_BYTES);
  const plaintext = new Uint8Array(PLAINTEXT_BYTES);
  const encrypt = (name: string) =>
    tdh2.encrypt(publicKey, label, plaintext, {
      seed: bytes(`seed ${name}`, 32),
      nonce: bytes(`nonce ${name}`, 64),
    });
  const items = Array.from({ length: batch }, (_, i) => ({ label, ...encrypt(String(i)) }));
  const points = joinBytes(items.map(({ kem }) => kemPoint(kem)));
  const context = bytes("context", 80);
  const vectors = Array.from({ length: TICKETS }, (_, i) => {
    const secret = group.scalars.evaluate(coefficients, i + 1);
    const publicShare = group.mulBase(secret);
    const shares = tdh2.makeShares(secret, points);
    const proof = tdh2.proveShares(context, secret, publicShare, points, shares);
    return { ticket: i + 1, secret, publicShare, points: shares, proof };
  });
  const [own, peer] = vectors;
  if (own === undefined || peer === undefined) throw new Error("there are four tickets");
  const z = tdh2.combine(vectors, THRESHOLD);
  const seeds = tdh2.open(publicKey, items, z);
  const signatures = signatureStep();
  const per = { count: batch };
  return [
    {
      name: "encrypt (sender)",
      spec: ["465", "475"],
      count: ENCRYPTIONS,
      work: () => Array.from({ length: ENCRYPTIONS }, (_, i) => encrypt(String(i))),
    },
    {
      name: "(a) check ciphertexts",
      spec: ["58.1", "48.0"],
      ...per,
      work: () => tdh2.checkCiphertexts(items),
    },
    {
      name: "(b) own shares",
      spec: ["68.3", "67.8"],
      ...per,
      work: () => tdh2.makeShares(own.secret, points),
    },
    {
      name: "(c) proof of shares",
      spec: ["9.4", "4.8"],
      ...per,
      work: () => tdh2.proveShares(context, own.secret, own.publicShare, points, own.points),
    },
    {
      name: "(d) verify a peer's shares",
      spec: ["21.4", "13.4"],
      ...per,
      work: () => tdh2.verifyShares(context, peer.publicShare, points, peer.points, peer.proof),
    },
    {
      name: "(e) combine (proposer)",
      spec: ["16.8", "17.0"],
      ...per,
      work: () => tdh2.combine(vectors, THRESHOLD),
    },
    {
      name: "(f) verify openings",
      spec: ["23.5", "18.8"],
      ...per,
      work: () => tdh2.open(publicKey, items, z),
    },
    {
      name: "(g) decrypt",
      spec: ["5.1", "6.3"],
      ...per,
      work: () =>
        items.map(({ kem, body }, i) =>
          tdh2.decrypt(label, kem, seeds[i] ?? new Uint8Array(32), body),
        ),
    },
    signatures,
  ];
}

function signatureStep(): Step {
  const key = generateEd25519KeyPair();
  const message = new Uint8Array(randomBytes(200));
  const signature = signEd25519(key, message);
  return {
    name: SIGNATURE,
    spec: ["38.0", "38.0"],
    count: SIGNATURES,
    work: () => {
      for (let i = 0; i < SIGNATURES; i++) verifyEd25519Sync(key.publicKey, message, signature);
    },
  };
}

function measure(
  steps: readonly Step[],
): readonly { readonly median: number; readonly best: number }[] {
  const times = steps.map((): number[] => []);
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    steps.forEach(({ count, work }, i) => {
      const start = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(start);
      const micros = (user + system) / count;
      if (round > 0) times[i]?.push(micros);
    });
  }
  return times.map((list) => ({ median: median(list), best: Math.min(...list) }));
}

export function sealStepsText(results: readonly StepResult[]): string {
  const row = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(13))).join("");
  const lines = [row(["CPU µs per transaction", "batch", "median", "best", "spec"])];
  for (const { name, batch, median, best, spec } of results) {
    lines.push(row([name, String(batch), median.toFixed(1), best.toFixed(1), spec]));
  }
  return lines.join("\n");
}

/** Bytes that depend on the name alone. */
function bytes(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(name).digest());
}
