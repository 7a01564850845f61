import { ServerInterceptingCall } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { EagerCall, eagerAnswers } from "./eager-answers.ts";
import { ANSWERS_UNDER_WAY_MAX } from "./limits.ts";

/** Below the one under test; its messages leave when the test says so. */
class HeldCall extends ServerInterceptingCall {
  readonly sent: unknown[] = [];
  readonly leave: (() => void)[] = [];

  constructor() {
    // Nothing is asked of what would be below.
    super(Object.create(ServerInterceptingCall.prototype));
  }

  override sendMetadata(): void {}

  override sendMessage(message: unknown, left: () => void): void {
    this.sent.push(message);
    this.leave.push(left);
  }
}

test("asks for answers until so many are under way, and goes on as they leave", () => {
  const below = new HeldCall();
  const call = new EagerCall(below);
  let asked = 0;
  const send = (): void => call.sendMessage(`answer ${below.sent.length}`, () => (asked += 1));
  for (let i = 1; i < ANSWERS_UNDER_WAY_MAX; i++) {
    send();
    expect(asked).toBe(i);
  }
  send();
  expect(below.sent).toHaveLength(ANSWERS_UNDER_WAY_MAX);
  expect(asked).toBe(ANSWERS_UNDER_WAY_MAX - 1);
  below.leave[0]?.();
  expect(asked).toBe(ANSWERS_UNDER_WAY_MAX);
  below.leave[1]?.();
  expect(asked).toBe(ANSWERS_UNDER_WAY_MAX);
  expect(below.sent).toEqual(below.sent.map((_, i) => `answer ${i}`));
});

test("stands in the way of no other method's messages", () => {
  const below = new HeldCall();
  expect(eagerAnswers(ROLLUP_SERVICE.submitStream, below)).toBeInstanceOf(EagerCall);
  expect(eagerAnswers(ROLLUP_SERVICE.streamBlocks, below)).toBe(below);
});
