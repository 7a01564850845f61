import { expect, test } from "vitest";
import { payloadsOf } from "./payload-options.ts";

test("a file that is not there is named, with what to do", () => {
  const options = {
    file: ["/nowhere/payload"],
    node: "127.0.0.1:9090",
    from: "key.json",
    tip: 0n,
    wait: true,
  };
  expect(() => payloadsOf([], options)).toThrow(
    expect.objectContaining({
      code: "FILE",
      message: "cannot read --file /nowhere/payload: give a file with one payload",
    }),
  );
});
