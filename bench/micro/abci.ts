/** The ABCI socket: blocks taken apart and put together, and how many CheckTx pass in a second. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { encode, encodeDelimited, type Writer } from "../../proto/codec/writer.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import { createAbciServer } from "../../sequencer/abci/abci-server.ts";
import type { SocketApplication } from "../../sequencer/abci/answer-call.ts";
import { EMPTY_TX_RESULT } from "../../sequencer/abci/empty-result.ts";
import { FrameReader } from "../../sequencer/abci/frame-reader.ts";
import { NULL_ABCI_METRICS } from "../../sequencer/abci/metrics.ts";
import { decodeAbciRequest } from "../../sequencer/abci/request-codec.ts";
import { encodeAbciResponse } from "../../sequencer/abci/response-codec.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { PAYLOAD_BYTES } from "../limits.ts";
import type { MicroCase } from "./case.ts";

const BLOCK_BYTES = 4 << 20;
/** CheckTx sent before an answer is waited for, as CometBFT's mempool does under load. */
const CHECKS = 100;
const ANSWER_BYTES_MAX = 1 << 20;

const ACCEPTED = EMPTY_TX_RESULT;

export interface AbciCases {
  readonly cases: readonly MicroCase[];
  stop(): Promise<void>;
}

export async function abciCases(): Promise<AbciCases> {
  const count = BLOCK_BYTES / PAYLOAD_BYTES;
  const txs = Array.from({ length: count }, () => new Uint8Array(randomBytes(PAYLOAD_BYTES)));
  const request = encode(
    (writer: Writer, items: readonly Uint8Array[]) =>
      writer.message(20, items, (w, list) => {
        for (const tx of list) w.bytesElement(1, tx);
        w.bytes(4, new Uint8Array(HASH_BYTES));
        w.int(5, 7);
      }),
    txs,
    BLOCK_BYTES * 1.1,
  );
  const results = txs.map(() => ACCEPTED);
  const response = {
    events: [],
    txResults: results,
    validatorUpdates: [],
    consensusParamUpdates: undefined,
    appHash: new Uint8Array(32),
  };
  const socket = await startSocket(txs[0] ?? EMPTY_BYTES);
  return {
    stop: () => socket.stop(),
    cases: [
      {
        name: `ABCI: decode FinalizeBlock of 4 MiB, ${count} items`,
        work: () => decodeAbciRequest(request),
        bytes: request.length,
      },
      {
        name: `ABCI: encode the answer to FinalizeBlock, ${count} results`,
        work: () => encodeAbciResponse({ kind: "finalizeBlock", response }),
      },
      {
        name: "ABCI: encode a proposal of 4 MiB",
        work: () => encodeAbciResponse({ kind: "prepareProposal", txs }),
        bytes: BLOCK_BYTES,
      },
      { name: "ABCI: one CheckTx there and back, unix socket", work: () => socket.check(1) },
      { name: `ABCI: ${CHECKS} CheckTx at once, unix socket`, work: () => socket.check(CHECKS) },
    ],
  };
}

/** A server whose application accepts at once, in this process: what the socket alone takes. */
async function startSocket(
  tx: Uint8Array,
): Promise<{ check(count: number): Promise<void>; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-abci-"));
  const path = join(folder, "abci.sock");
  const application: Pick<SocketApplication, "checkTx" | "checksDuringCommit"> = {
    checksDuringCommit: true,
    checkTx: () => Promise.resolve(ACCEPTED),
  };
  const server = createAbciServer(
    { address: `unix://${path}` },
    {
      // Nothing but CheckTx is asked.
      application: application as SocketApplication,
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics: NULL_ABCI_METRICS,
    },
  );
  await server.start();
  const socket = connect({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const frame = encodeDelimited(
    (writer: Writer, item: Uint8Array) => writer.message(8, item, (w, bytes) => w.bytes(1, bytes)),
    tx,
  );
  const reader = new FrameReader({ bytesMax: ANSWER_BYTES_MAX });
  let missing = 0;
  let onDone: () => void = () => {};
  socket.on("data", (chunk: Uint8Array) => {
    reader.push(chunk);
    while (reader.next() !== undefined) missing--;
    if (missing === 0) onDone();
  });
  return {
    check(count) {
      missing = count;
      const done = new Promise<void>((resolve) => (onDone = resolve));
      socket.cork();
      for (let i = 0; i < count; i++) socket.write(frame);
      socket.uncork();
      return done;
    },
    async stop() {
      socket.destroy();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
