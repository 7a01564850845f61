import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { isHostPort } from "../../proto/host-port.ts";
import { parseHostPort } from "./options.ts";

test("addresses of names, IPv4 and IPv6 in brackets are taken, others are not", () => {
  for (const text of ["127.0.0.1:9090", "node.example:1", "[::1]:49090", "[fe80::1]:65535"]) {
    expect(isHostPort(text), text).toBe(true);
    expect(parseHostPort(text)).toBe(text);
  }
  const others = "node| :9090|node:|node:0|node:65536|::1:9090|[::1]|[]:1|[127.0.0.1]:1|[:::1]:1";
  for (const text of `${others}||:1|[::1:1|[node]:1|http://node:1|a b:1|id@node:1`.split("|")) {
    expect(isHostPort(text), text).toBe(false);
    expect(() => parseHostPort(text)).toThrow(/\[::1\]:9090/);
  }
});

const isIpv6Here = await new Promise<boolean>((resolve) => {
  const probe = createServer();
  probe.once("error", () => resolve(false));
  probe.listen(0, "::1", () => probe.close(() => resolve(true)));
});

test.runIf(isIpv6Here)("gRPC connects to an IPv6 address as it is written", async () => {
  const server = new Server();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("[::1]:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const address = `[::1]:${port}`;
  const client = new Client(parseHostPort(address), credentials.createInsecure());
  const failure = await new Promise((resolve) => client.waitForReady(Date.now() + 10_000, resolve));
  client.close();
  server.forceShutdown();
  expect([isHostPort(address), failure]).toEqual([true, undefined]);
});
