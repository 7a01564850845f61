/**
 * gRPC sends the answers of a stream one after the other, each when the one before has left: a write to the
 * socket for every answer. Answers of SubmitStream are a hundred bytes; some of them may be under way at
 * once, and HTTP/2 puts what waits into one write.
 */
import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { ANSWERS_UNDER_WAY_MAX } from "./limits.ts";

export const eagerAnswers: ServerInterceptor = ({ path }, call) => {
  if (path === ROLLUP_SERVICE.submitStream.path) return new EagerCall(call);
  // One around it would cost each message of each reader.
  return call instanceof ServerInterceptingCall ? call : new ServerInterceptingCall(call);
};

/** Asks for the next message while some have not left. */
export class EagerCall extends ServerInterceptingCall {
  #underWay = 0;
  /** Asks for more, when one of those under way has left. */
  #goOn: (() => void) | undefined;

  override sendMessage(message: unknown, goOn: () => void): void {
    this.#underWay += 1;
    super.sendMessage(message, () => {
      this.#underWay -= 1;
      const waiting = this.#goOn;
      this.#goOn = undefined;
      waiting?.();
    });
    if (this.#underWay < ANSWERS_UNDER_WAY_MAX) goOn();
    else this.#goOn = goOn;
  }
}
