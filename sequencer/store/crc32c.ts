/** CRC-32C (Castagnoli, reflected 0x82F63B78), four bytes at a step: what log records (spec §15.1) and block files carry. */
const TABLES: readonly Uint32Array[] = makeTables();

export function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = TABLES;
  if (t0 === undefined || t1 === undefined || t2 === undefined || t3 === undefined) return 0;
  let crc = 0xffffffff;
  const { length } = bytes;
  const whole = length - (length % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    crc ^=
      (bytes[i] ?? 0) |
      ((bytes[i + 1] ?? 0) << 8) |
      ((bytes[i + 2] ?? 0) << 16) |
      ((bytes[i + 3] ?? 0) << 24);
    crc =
      (t3[crc & 0xff] ?? 0) ^
      (t2[(crc >>> 8) & 0xff] ?? 0) ^
      (t1[(crc >>> 16) & 0xff] ?? 0) ^
      (t0[crc >>> 24] ?? 0);
  }
  for (; i < length; i++) crc = (t0[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[n] = crc;
  }
  const tables = [first];
  let last = first;
  for (let k = 1; k < 4; k++) {
    const next = new Uint32Array(256);
    for (let n = 0; n < 256; n++) {
      const crc = last[n] ?? 0;
      next[n] = (first[crc & 0xff] ?? 0) ^ (crc >>> 8);
    }
    tables.push(next);
    last = next;
  }
  return tables;
}
