/** Submit and SubmitStream: CheckTx with an answer that always carries a reason. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { SubmitRequest, SubmitResponse } from "../../proto/grpc/rollup-service.ts";
import { sha256 } from "../../proto/hash.ts";
import { CODES } from "../app/codes.ts";
import { SUBMISSIONS_IN_FLIGHT_MAX } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcApplication } from "./ports.ts";
import { checkReadable } from "./received-requests.ts";

export type Submit = (item: Uint8Array) => Promise<SubmitResponse>;

export function createSubmit(
  application: Pick<GrpcApplication, "checkTx">,
  metrics: GrpcMetrics,
): Submit {
  return async (item) => {
    const answer = await application.checkTx(item);
    const duplicate = answer.code === CODES.TX_KNOWN.number;
    const result = duplicate ? "duplicate" : answer.code === 0 ? "accepted" : "refused";
    metrics.submissions.inc({ result });
    return {
      // CheckTx tells the id of whatever it could decode.
      id: answer.data,
      hash: sha256(item),
      code: answer.code,
      codespace: answer.codespace,
      reason: answer.log,
      duplicate,
    };
  };
}

/**
 * Answers in the order of the requests. A request counts against the bound until its answer has been
 * taken by the reader, so that a client which sends and never reads is not read any more.
 */
export function submitStream(
  call: ServerDuplexStream<SubmitRequest, SubmitResponse>,
  submit: Submit,
  onError: (error: unknown) => void,
): void {
  let inFlight = 0;
  let tail: Promise<void> = Promise.resolve();
  let isEnded = false;
  /** The call has its status, or nobody to tell it to. */
  let isOver = false;
  const settle = (): void => {
    inFlight -= 1;
    if (inFlight < SUBMISSIONS_IN_FLIGHT_MAX) call.resume();
    if (isEnded && !isOver && inFlight === 0) call.end();
  };
  const answer = async (response: Promise<SubmitResponse>): Promise<void> => {
    try {
      const message = await response;
      if (!isOver && !call.write(message)) await drained(call);
    } catch (error) {
      if (isOver) return;
      isOver = true;
      onError(error);
    } finally {
      settle();
    }
  };
  const submitted = async (request: SubmitRequest): Promise<SubmitResponse> => {
    checkReadable(request);
    return submit(request.item);
  };
  call.on("data", (request: SubmitRequest) => {
    if (isOver) return;
    inFlight += 1;
    if (inFlight >= SUBMISSIONS_IN_FLIGHT_MAX) call.pause();
    const response = submitted(request);
    // `answer` awaits it in its turn; this keeps a failure from counting as unhandled meanwhile.
    response.catch(() => {});
    tail = tail.then(() => answer(response));
  });
  call.on("end", () => {
    isEnded = true;
    if (inFlight === 0 && !isOver) call.end();
  });
  // The client is gone; what it submitted stays submitted.
  const onGone = (): void => {
    isOver = true;
  };
  call.on("cancelled", onGone);
  call.on("error", onGone);
}

/** Resolves when the reader has taken what was written, or will not take it any more. */
function drained(call: ServerDuplexStream<SubmitRequest, SubmitResponse>): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      for (const event of ["drain", "cancelled", "close", "error"]) call.off(event, finish);
      resolve();
    };
    for (const event of ["drain", "cancelled", "close", "error"]) call.once(event, finish);
  });
}
