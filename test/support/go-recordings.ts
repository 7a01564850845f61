/**
 * What was recorded from CometBFT's own nodes (`npm run capture`, test/interop/capture): written there, read
 * by tests on machines without Go. Lines of JSON, compressed with Brotli.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { fromBase64, toBase64 } from "../../proto/bytes.ts";

/** From the source and from the built tree alike: recordings are read where they are written. */
export const RECORDINGS = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".js") ? "../../../test/vectors/go-nodes" : "../vectors/go-nodes",
    import.meta.url,
  ),
);

export interface RecordedMessage {
  readonly channel: number;
  readonly bytes: Uint8Array;
}

/** One height: the bytes of block sync and the results of the node's RPC. */
export interface RecordedHeight {
  readonly height: number;
  readonly blockResponse: Uint8Array;
  readonly block: unknown;
  readonly commit: unknown;
  readonly blockResults: unknown;
  readonly validators: unknown;
  readonly consensusParams: unknown;
}

export interface RecordedChain {
  /** Result of `/genesis`. */
  readonly genesis: unknown;
  /** Result of `/abci_info` before the first block. */
  readonly heights: readonly RecordedHeight[];
}

export function writeChain(chain: RecordedChain): void {
  const heights = chain.heights.map((one) => ({
    ...one,
    blockResponse: toBase64(one.blockResponse),
  }));
  writeLines("chain", [chain.genesis, ...heights]);
}

export function readChain(): RecordedChain {
  const [genesis, ...lines] = readLines("chain");
  const heights = (lines as (RecordedHeight & { blockResponse: string })[]).map((line) => ({
    ...line,
    blockResponse: fromBase64(line.blockResponse),
  }));
  return { genesis, heights };
}

export function writeGossip(messages: readonly RecordedMessage[]): void {
  writeLines(
    "gossip",
    messages.map(({ channel, bytes }) => ({ channel, bytes: toBase64(bytes) })),
  );
}

export function readGossip(): readonly RecordedMessage[] {
  const lines = readLines("gossip") as readonly { channel: number; bytes: string }[];
  return lines.map(({ channel, bytes }) => ({ channel, bytes: fromBase64(bytes) }));
}

/** Records of a node's write-ahead log as they stood in the file. */
export function writeLog(bytes: Uint8Array): void {
  write("wal.br", bytes);
}

export function readLog(): Uint8Array {
  return read("wal.br");
}

function writeLines(name: string, lines: readonly unknown[]): void {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  write(`${name}.jsonl.br`, Buffer.from(text));
}

function readLines(name: string): readonly unknown[] {
  const text = Buffer.from(read(`${name}.jsonl.br`)).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}

function write(name: string, bytes: Uint8Array): void {
  mkdirSync(RECORDINGS, { recursive: true });
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  };
  writeFileSync(join(RECORDINGS, name), brotliCompressSync(bytes, { params }));
}

function read(name: string): Uint8Array {
  return Uint8Array.from(brotliDecompressSync(readFileSync(join(RECORDINGS, name))));
}
