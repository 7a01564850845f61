import { describe, expect, it } from "vitest";
import { sumByLabel } from "./prometheus.ts";

const PAGE = `# HELP bytes_total what came
# TYPE bytes_total counter
bytes_total{chain_id="c",message_type="votes",peer="a"} 5
bytes_total{chain_id="c",message_type="votes",peer="b"} 7
bytes_total{message_type="data"} 1e3
bytes_total_of_others{message_type="data"} 99
other{message_type="data"} 99
`;

describe("sumByLabel", () => {
  it("adds up one metric by one label, and takes no other for it", () => {
    expect(sumByLabel(PAGE, "bytes_total", "message_type")).toEqual({ votes: 12, data: 1_000 });
  });

  it("is empty when the metric or the label is not there", () => {
    expect(sumByLabel(PAGE, "absent", "message_type")).toEqual({});
    expect(sumByLabel(PAGE, "bytes_total", "colour")).toEqual({});
  });
});
