/** Submit and SubmitStream: CheckTx with an answer that always carries a reason. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { decodeItem } from "../../proto/codec/weft-block.ts";
import { txId } from "../../proto/codec/weft-tx.ts";
import type { SubmitRequest, SubmitResponse } from "../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../proto/hash.ts";
import { CODES } from "../app/codes.ts";
import { SUBMISSIONS_IN_FLIGHT_MAX } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcApplication } from "./ports.ts";

export type Submit = (item: Uint8Array) => Promise<SubmitResponse>;

export function createSubmit(
  chainId: string,
  application: Pick<GrpcApplication, "checkTx">,
  metrics: GrpcMetrics,
): Submit {
  return async (item) => {
    const answer = await application.checkTx(item);
    const duplicate = answer.code === CODES.TX_KNOWN.number;
    const result = duplicate ? "duplicate" : answer.code === 0 ? "accepted" : "refused";
    metrics.submissions.inc({ result });
    return {
      id: idOf(chainId, item),
      hash: sha256(item),
      code: answer.code,
      codespace: answer.codespace,
      reason: answer.log,
      duplicate,
    };
  };
}

/** Answers in the order of the requests, with a bounded number of them being checked at once. */
export function submitStream(
  call: ServerDuplexStream<SubmitRequest, SubmitResponse>,
  submit: Submit,
  onError: (error: unknown) => void,
): void {
  let inFlight = 0;
  let tail: Promise<void> = Promise.resolve();
  let isEnded = false;
  const settle = (): void => {
    inFlight -= 1;
    if (inFlight < SUBMISSIONS_IN_FLIGHT_MAX) call.resume();
    if (isEnded && inFlight === 0) call.end();
  };
  call.on("data", (request: SubmitRequest) => {
    inFlight += 1;
    if (inFlight >= SUBMISSIONS_IN_FLIGHT_MAX) call.pause();
    const answer = submit(request.item);
    tail = tail.then(async () => {
      try {
        const response = await answer;
        if (!call.cancelled) call.write(response);
      } catch (error) {
        onError(error);
      } finally {
        settle();
      }
    });
    // `tail` awaits it; this keeps a failure from counting as unhandled meanwhile.
    answer.catch(() => {});
  });
  call.on("end", () => {
    isEnded = true;
    if (inFlight === 0) call.end();
  });
  call.on("error", () => {
    // The client is gone; what it submitted stays submitted.
    isEnded = true;
  });
}

function idOf(chainId: string, item: Uint8Array): Uint8Array {
  try {
    const decoded = decodeItem(item);
    return decoded.kind === "tx" ? txId(chainId, decoded.tx.bodyBytes) : EMPTY_BYTES;
  } catch (error) {
    // An item that is no item has no id; CheckTx said so already.
    if (!isCodecError(error)) throw error;
    return EMPTY_BYTES;
  }
}
