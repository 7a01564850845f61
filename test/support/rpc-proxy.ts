/** A man in the middle of a node's JSON-RPC: passes answers on, altered when the test says so. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What to answer instead of a result; the very value that came: nothing is altered. */
export type AlterAnswer = (method: string, result: unknown, params: unknown) => unknown;

export interface RpcProxy {
  /** http://host:port */
  readonly url: string;
  /** Applies to every answer from now on; undefined passes all. */
  setAlter(alter: AlterAnswer | undefined): void;
  /** While true, connections are cut without an answer. */
  setDown(isDown: boolean): void;
  /** Methods asked for so far. */
  readonly calls: readonly string[];
  stop(): void;
}

/** @param node URL of the real node's RPC */
export async function startRpcProxy(node: string): Promise<RpcProxy> {
  let alter: AlterAnswer | undefined;
  let isDown = false;
  const calls: string[] = [];

  async function answer(body: string): Promise<string> {
    const { method, params } = JSON.parse(body) as { method: string; params: unknown };
    calls.push(method);
    const headers = { "content-type": "application/json" };
    const response = await fetch(node, { method: "POST", headers, body });
    const text = await response.text();
    if (alter === undefined) return text;
    const parsed = JSON.parse(text) as { result?: unknown };
    if (parsed.result === undefined) return text;
    return JSON.stringify({ ...parsed, result: alter(method, parsed.result, params) });
  }

  const server = createServer((request, response) => {
    if (isDown) {
      request.socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      answer(Buffer.concat(chunks).toString("utf8")).then(
        (text) => response.end(text),
        // The node is gone: so is whoever stands before it.
        () => request.socket.destroy(),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setAlter: (next) => {
      alter = next;
    },
    setDown: (next) => {
      isDown = next;
    },
    calls,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Places of all leaves of a JSON value. */
export function leavesOf(value: unknown, path: readonly (string | number)[] = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown, i) => [i, item] as const)
    : Object.entries(value);
  return entries.flatMap(([name, member]) => leavesOf(member, [...path, name]));
}

export type Path = readonly (string | number)[];

/** A copy in which one leaf is another value of its type: one character, digit or bit is changed. */
export function withLeafChanged(value: unknown, path: Path, at: number): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return changed(value, at);
  if (Array.isArray(value)) {
    return value.map((item: unknown, i) => (i === name ? withLeafChanged(item, rest, at) : item));
  }
  const object = value as Readonly<Record<string, unknown>>;
  return { ...object, [name]: withLeafChanged(object[name], rest, at) };
}

function changed(leaf: unknown, at: number): unknown {
  if (typeof leaf === "number") return leaf + 1;
  if (typeof leaf === "boolean") return !leaf;
  if (typeof leaf !== "string") return "00";
  if (leaf.length === 0) return "1";
  const place = at % leaf.length;
  const old = leaf[place] ?? "";
  const instead = /[0-8]/.test(old)
    ? String(Number(old) + 1)
    : old === "A"
      ? "B"
      : /[A-Z]/.test(old)
        ? "A"
        : "0";
  return leaf.slice(0, place) + instead + leaf.slice(place + 1);
}
