import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePorts } from "./free-ports.ts";

test("ports are distinct, free, and none that an outgoing connection can be given", async () => {
  const ports = await freePorts(100);
  expect(new Set(ports).size).toBe(100);
  expect(Math.max(...ports)).toBeLessThan(32_768);
  const [port = 0] = ports;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  await new Promise((resolve) => server.close(resolve));
});

test("no port is given twice, although nobody listens at it", async () => {
  const calls = await Promise.all(Array.from({ length: 20 }, () => freePorts(50)));
  expect(new Set(calls.flat()).size).toBe(20 * 50);
});
