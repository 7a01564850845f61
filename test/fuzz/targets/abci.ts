/** What comes off the ABCI socket: requests, and the frames that they come in. */
import * as fc from "fast-check";
import { bytesEqual } from "../../../proto/bytes.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import { formatAbciAddress, parseAbciAddress } from "../../../sequencer/abci/address.ts";
import { FrameReader } from "../../../sequencer/abci/frame-reader.ts";
import { decodeAbciRequest } from "../../../sequencer/abci/request-codec.ts";
import { abciCases } from "../../support/abci-arbitraries.ts";
import { encodeRequest, encodeRequestFrame } from "../../support/abci-client.ts";
import { requestObjects } from "../../support/remote-application.ts";
import {
  attempt,
  codec,
  coded,
  Finding,
  plainDecoder,
  type Target,
  toText,
  type Verdict,
} from "../target.ts";

const SEEDS = 3;
const FRAME_BYTES_MAX = 1 << 20;

/** A few requests of each call. */
function requests(seed: number): readonly object[] {
  const drawn = <T>(name: string, values: fc.Arbitrary<T>, toObject: (value: T) => object) =>
    fc.sample(values, { seed, numRuns: SEEDS }).map((value) => ({ [name]: toObject(value) }));
  const asTheyAre = (value: object): object => value;
  return [
    ...drawn("echo", fc.string({ maxLength: 20 }), (message) => ({ message })),
    { flush: {} },
    { commit: {} },
    { listSnapshots: {} },
    ...drawn("info", abciCases.info.requests, requestObjects.info),
    ...drawn("initChain", abciCases.initChain.requests, requestObjects.initChain),
    ...drawn("query", abciCases.query.requests, requestObjects.query),
    ...drawn("checkTx", abciCases.checkTx.requests, requestObjects.checkTx),
    ...drawn("prepareProposal", abciCases.prepareProposal.requests, requestObjects.prepareProposal),
    ...drawn("processProposal", abciCases.processProposal.requests, requestObjects.processProposal),
    ...drawn("extendVote", abciCases.extendVote.requests, requestObjects.extendVote),
    ...drawn(
      "verifyVoteExtension",
      abciCases.verifyVoteExtension.requests,
      requestObjects.verifyVoteExtension,
    ),
    ...drawn("finalizeBlock", abciCases.finalizeBlock.requests, requestObjects.finalizeBlock),
    ...drawn("offerSnapshot", abciCases.offerSnapshot.requests, asTheyAre),
    ...drawn("loadSnapshotChunk", abciCases.loadSnapshotChunk.requests, asTheyAre),
    ...drawn("applySnapshotChunk", abciCases.applySnapshotChunk.requests, asTheyAre),
  ];
}

/** Frames of a stream that comes in pieces of the given lengths, over and over; undefined when it is refused. */
function framesOf(bytes: Uint8Array, pieces: readonly number[]): Uint8Array[] | undefined {
  const reader = new FrameReader({ bytesMax: FRAME_BYTES_MAX });
  const frames: Uint8Array[] = [];
  let isRefused = false;
  for (let at = 0, i = 0; at < bytes.length && !isRefused; i++) {
    const length = pieces[i % pieces.length] ?? bytes.length;
    reader.push(bytes.slice(at, at + length));
    at += length;
    try {
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        frames.push(frame);
      }
    } catch (error) {
      if (!isCodecError(error)) throw error;
      isRefused = true;
    }
    if (reader.pendingBytes > FRAME_BYTES_MAX + length) throw new Finding("kept too much");
  }
  return isRefused ? undefined : frames;
}

function sameFrames(bytes: Uint8Array): Verdict {
  const whole = framesOf(bytes, [bytes.length]);
  for (const pieces of [[1], [3, 1, 7], [64, 5]]) {
    const cut = framesOf(bytes, pieces);
    const isSame =
      cut?.length === whole?.length &&
      (cut ?? []).every((frame, i) => bytesEqual(frame, whole?.[i] ?? new Uint8Array(0)));
    if (!isSame)
      throw new Finding(`other frames when the stream comes in pieces of ${pieces.join(", ")}`);
  }
  return whole === undefined ? "refused a length" : "accepted";
}

export const ABCI_TARGETS: readonly Target[] = [
  plainDecoder({
    name: "ABCI request",
    covers: ["sequencer/abci/request-codec.ts#decodeAbciRequest"],
    format: "protobuf",
    decode: decodeAbciRequest,
    seeds: (seed) => requests(seed).map((one) => encodeRequest({ ...one })),
    isRefusal: codec,
  }),
  {
    name: "ABCI frames",
    covers: [],
    format: "binary",
    seeds: (seed) => [Buffer.concat(requests(seed).map((one) => encodeRequestFrame({ ...one })))],
    run: sameFrames,
    weight: 0.2,
    bytesMax: 2 << 10,
  },
  {
    name: "ABCI address",
    covers: ["sequencer/abci/address.ts#parseAbciAddress"],
    format: "text",
    seeds: () =>
      ["tcp://127.0.0.1:26658", "unix:///run/weft/abci.sock", "tcp://[::1]:1", ":0"].map((text) =>
        new TextEncoder().encode(text),
      ),
    run: (bytes) =>
      attempt(() => {
        const address = parseAbciAddress(toText(bytes));
        const again = parseAbciAddress(formatAbciAddress(address));
        if (JSON.stringify(again) !== JSON.stringify(address)) {
          throw new Finding("an address does not read back");
        }
      }, coded("ABCI_ADDRESS_INVALID")),
  },
];
