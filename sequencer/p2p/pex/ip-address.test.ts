import { describe, expect, test } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { ipGroup, isLocalIp, isRoutableIp, isUsableIp, parseIp } from "./ip-address.ts";

function ip(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes === undefined) throw new Error(`${text} is no address`);
  return bytes;
}

describe("IP addresses", () => {
  test.each([
    ["1.2.3.4", "00000000000000000000ffff01020304"],
    ["::1", "00000000000000000000000000000001"],
    ["::", "00000000000000000000000000000000"],
    ["2001:db8::ff00:42:8329", "20010db8000000000000ff0000428329"],
    ["::ffff:10.1.2.3", "00000000000000000000ffff0a010203"],
    ["fe80:1:2:3:4:5:6:7", "fe800001000200030004000500060007"],
    ["1::", "00010000000000000000000000000000"],
  ])("%s is read", (text, hex) => {
    expect(toHex(ip(text))).toBe(hex);
  });

  test.each(["", "host", "1.2.3", "1.2.3.256", "1::2::3", "fe80::1%eth0", "1.2.3.4:5"])(
    "%s is none",
    (text) => {
      expect(parseIp(text)).toBeUndefined();
    },
  );

  test.each([
    ["8.8.8.8", true],
    ["2606:4700::1111", true],
    ["10.0.0.1", false],
    ["172.16.0.1", false],
    ["172.32.0.1", true],
    ["192.168.255.255", false],
    ["169.254.1.1", false],
    ["127.0.0.1", false],
    ["0.1.2.3", false],
    ["255.255.255.255", false],
    ["fd00::1", false],
    ["fe80::1", false],
    ["2001:10::1", false],
    ["2001:db8::1", false],
    ["::ffff:10.0.0.1", false],
  ])("%s is routable: %s", (text, isRoutable) => {
    expect(isRoutableIp(ip(text))).toBe(isRoutable);
  });

  test("loopback is local and usable; unspecified is neither of use", () => {
    expect([isLocalIp(ip("127.9.9.9")), isUsableIp(ip("127.9.9.9"))]).toEqual([true, true]);
    expect([isUsableIp(ip("0.0.0.0")), isUsableIp(ip("::"))]).toEqual([false, false]);
  });

  test.each([
    ["1.2.3.4", "1.2.0.0"],
    ["1.2.255.4", "1.2.0.0"],
    // What a tunnel carries counts.
    ["2002:102:304::1", "1.2.0.0"],
    ["64:ff9b::1.2.3.4", "1.2.0.0"],
    ["2001:0:0:0:0:0:fefd:fcfb", "1.2.0.0"],
    ["10.1.2.3", "unroutable"],
    ["127.0.0.1", "local"],
  ])("%s belongs to %s", (text, group) => {
    expect(ipGroup(ip(text), true)).toBe(group);
  });

  test("IPv6 is grouped by /32, he.net by /36; private ones by place when not strict", () => {
    expect(ipGroup(ip("2a00:1::1"), true)).toBe(ipGroup(ip("2a00:1:ffff::1"), true));
    expect(ipGroup(ip("2a00:1::1"), true)).not.toBe(ipGroup(ip("2a00:2::1"), true));
    expect(ipGroup(ip("2001:470:1000::1"), true)).not.toBe(ipGroup(ip("2001:470:2000::1"), true));
    expect(ipGroup(ip("10.1.2.3"), false)).toBe("10.1.0.0");
  });
});
