import { expect, test } from "vitest";
import { engineOfStatus } from "./engine-of-node.ts";

test("the engine of a node is told by the channels that it announces", () => {
  // As CometBFT v0.38.25 and as the embedded engine announce them.
  const of = (channels: string) => engineOfStatus({ node_info: { channels } });
  expect(of("40202122233038606100")).toBe("cometbft");
  expect(of("2021222330403860610070")).toBe("embedded");
  // Half of two neighbouring bytes is no channel.
  expect(of("270038")).toBe("cometbft");
  expect(engineOfStatus({})).toBe("cometbft");
});
