/** CRC-32C (Castagnoli, reflected 0x82F63B78), eight bytes at a step: what log records carry (spec §15.1). */

const STEP = 8;
/** Eight tables of 256: table k is the effect of a byte that k more bytes follow. */
const TABLE = makeTable();

export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  const { length } = bytes;
  const whole = length - (length % STEP);
  let i = 0;
  for (; i < whole; i += STEP) {
    const first =
      crc ^
      ((bytes[i] ?? 0) |
        ((bytes[i + 1] ?? 0) << 8) |
        ((bytes[i + 2] ?? 0) << 16) |
        ((bytes[i + 3] ?? 0) << 24));
    crc =
      (TABLE[1_792 + (first & 0xff)] ?? 0) ^
      (TABLE[1_536 + ((first >>> 8) & 0xff)] ?? 0) ^
      (TABLE[1_280 + ((first >>> 16) & 0xff)] ?? 0) ^
      (TABLE[1_024 + (first >>> 24)] ?? 0) ^
      (TABLE[768 + (bytes[i + 4] ?? 0)] ?? 0) ^
      (TABLE[512 + (bytes[i + 5] ?? 0)] ?? 0) ^
      (TABLE[256 + (bytes[i + 6] ?? 0)] ?? 0) ^
      (TABLE[bytes[i + 7] ?? 0] ?? 0);
  }
  for (; i < length; i++) crc = (TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(STEP * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[n] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] ?? 0;
    table[at] = (table[before & 0xff] ?? 0) ^ (before >>> 8);
  }
  return table;
}
