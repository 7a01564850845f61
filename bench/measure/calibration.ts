/** How fast the machine is right now. Hosts drift, so every run says so before and after. */
import { createPublicKey, hash, randomBytes, verify } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  generateEd25519KeyPair,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import { median } from "./statistics.ts";

export interface Calibration {
  /** ed25519 verifications per second of one thread over 256 bytes. */
  readonly verifySodiumPerSecond: number;
  readonly verifyOpensslPerSecond: number;
  /** SHA-256 of 64 KiB pieces. */
  readonly sha256MegabytesPerSecond: number;
  /** Appending 100 bytes and fdatasync, in the folder of the benchmark's homes. */
  readonly fdatasyncP50Ms: number;
}

/** Takes about 0.6 s of one core. */
export function calibrate(): Calibration {
  const key = generateEd25519KeyPair();
  const message = randomBytes(256);
  const signature = signEd25519(key, message);
  const x = Buffer.from(key.publicKey).toString("base64url");
  const keyObject = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const piece = randomBytes(65_536);
  return {
    verifySodiumPerSecond: ratePerSecond(() => {
      verifyEd25519Sync(key.publicKey, message, signature);
    }),
    verifyOpensslPerSecond: ratePerSecond(() => {
      verify(null, message, keyObject, signature);
    }),
    sha256MegabytesPerSecond: (ratePerSecond(() => hash("sha256", piece, "binary")) * 65_536) / 1e6,
    fdatasyncP50Ms: fdatasyncP50Ms(),
  };
}

/** Median of five slices of 30 ms. */
function ratePerSecond(work: () => void): number {
  for (let i = 0; i < 50; i++) work();
  const rates = Array.from({ length: 5 }, () => {
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < 30) {
      work();
      count += 1;
    }
    return count / ((performance.now() - start) / 1_000);
  });
  return median(rates);
}

function fdatasyncP50Ms(): number {
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-sync-"));
  const file = openSync(join(folder, "log"), "a");
  try {
    const record = Buffer.alloc(100);
    const times = Array.from({ length: 200 }, () => {
      const start = performance.now();
      writeSync(file, record);
      fdatasyncSync(file);
      return performance.now() - start;
    });
    return median(times);
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}
