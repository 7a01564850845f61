import { expect, test } from "vitest";
import { NodeId } from "../../../proto/brands.ts";
import { startTestNode, TEST_NODE_INFO } from "../../../test/support/rpc-node.ts";

/** `libs/flowrate` Status: what typed clients of CometBFT expect whole. */
const MONITOR_FIELDS = [
  "Start",
  "Bytes",
  "Samples",
  "InstRate",
  "CurRate",
  "AvgRate",
  "PeakRate",
  "BytesRem",
  "Duration",
  "Idle",
  "TimeRem",
  "Progress",
  "Active",
];

test("net_info has every field of a peer's monitors, for clients that read it by type", async () => {
  const node = await startTestNode();
  try {
    node.peers.push({
      id: NodeId("ab".repeat(20)),
      nodeInfo: TEST_NODE_INFO,
      isOutbound: true,
      remoteAddress: "127.0.0.1:26656",
      score: () => 0,
      status: () => ({ connectedMs: 2_000, bytesSent: 100, bytesReceived: 50, channels: [] }),
    });
    const text = await (await fetch(`${node.url}/net_info`)).text();
    const { result } = JSON.parse(text) as {
      readonly result: {
        readonly peers: readonly {
          readonly connection_status: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
        }[];
      };
    };
    const status = result.peers[0]?.connection_status;
    for (const monitor of ["SendMonitor", "RecvMonitor"]) {
      expect(Object.keys(status?.[monitor] ?? {}), monitor).toEqual(MONITOR_FIELDS);
    }
    expect(status?.["SendMonitor"]).toMatchObject({ Bytes: "100", AvgRate: "50", Samples: "0" });
    expect(status?.["SendMonitor"]?.["Progress"]).toBe(0);
  } finally {
    await node.stop();
  }
});
