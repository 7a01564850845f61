import { describe, expect, it } from "vitest";
import { withSetting } from "./cometbft-homes.ts";

const FILE = `# Comments stay
log_level = "info"

[p2p]
size = 1
laddr = "tcp://0.0.0.0:26656"

[mempool]
# size = 9
size = 5000
recheck = true
`;

describe("withSetting", () => {
  it("changes one key of one section", () => {
    expect(withSetting(FILE, "mempool.size", 7)).toBe(FILE.replace("size = 5000", "size = 7"));
    expect(withSetting(FILE, "mempool.recheck", false)).toContain("recheck = false");
    expect(withSetting(FILE, "log_level", "error")).toContain('log_level = "error"');
    expect(withSetting(FILE, "p2p.laddr", "tcp://127.0.0.1:5")).toContain(
      'laddr = "tcp://127.0.0.1:5"',
    );
  });

  it("refuses a key that is not there, which CometBFT would not read", () => {
    expect(() => withSetting(FILE, "mempool.laddr", "x")).toThrow("no mempool.laddr");
    expect(() => withSetting(FILE, "size", 1)).toThrow("no size");
  });
});
