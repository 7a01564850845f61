import { expect, test } from "vitest";
import { formatHostPort, parseHostPort, parsePeerAddress } from "./address.ts";

const ID = "ab".repeat(20);

test("addresses of sockets read back, those of a link with their zone", () => {
  for (const host of ["127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0.5"]) {
    expect(parseHostPort(formatHostPort({ host, port: 26_656 }))).toEqual({ host, port: 26_656 });
  }
});

test("error: what is no peer", () => {
  expect(parsePeerAddress(`${ID}@[::1]:1`)).toEqual({ id: ID, host: "::1", port: 1 });
  for (const text of ["", "127.0.0.1:1", `${ID}@:1`, `${ID}@host:65536`, `${ID}@ho st:1`]) {
    expect(() => parsePeerAddress(text), text).toThrow(/expected/);
  }
});
