/**
 * Ports that tell of every call by which something is written or sent, after it was carried out. Every
 * method counts unless it is known to change nothing, so that a new one cannot be overlooked.
 */
import type { Application } from "../../sequencer/abci/application.ts";
import type { GossipSink } from "../../sequencer/engine/gossip-sink.ts";
import type { FileSystem } from "../../sequencer/ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import type { KeyValueStore } from "../../sequencer/store/key-value-store.ts";
import type { PortWatch } from "./engine-network.ts";

const CHANGES_NOTHING: Readonly<Record<string, ReadonlySet<string>>> = {
  file: new Set(["list", "readFile", "sizeBytes", "read", "close", "closeSync"]),
  database: new Set(["get", "entries", "close"]),
  // What these tell is durable elsewhere, or nowhere: until Commit an application keeps nothing.
  application: new Set([
    "info",
    "query",
    "checkTx",
    "checkTxs",
    "prepareProposal",
    "processProposal",
    "verifyVoteExtension",
    "finalizeBlock",
    "listSnapshots",
    "loadSnapshotChunk",
    "offerSnapshot",
    "applySnapshotChunk",
  ]),
  // Tells the switch to drop a peer: nothing of ours leaves.
  gossip: new Set(["peerMisbehaved"]),
};

/** @param onOperation called with names such as `log.datasync`, in the turn in which the call has ended */
export function createPortWatch(onOperation: (name: string) => void): PortWatch {
  const fileSystem = (use: string): FileSystem =>
    watched(use, "file", NODE_FILE_SYSTEM, onOperation);
  const log = fileSystem("log");
  return {
    log,
    fileSystem,
    database: (name, store) => watched<KeyValueStore>(name, "database", store, onOperation),
    application: (application) =>
      watched<Application>("application", "application", application, onOperation),
    gossip: (sink) => watched<GossipSink>("gossip", "gossip", sink, onOperation),
  };
}

function watched<T extends object>(
  port: string,
  kind: string,
  target: T,
  onOperation: (name: string) => void,
): T {
  const reads = CHANGES_NOTHING[kind] ?? new Set();
  const after = (name: string, value: unknown): unknown => {
    if (!reads.has(name)) onOperation(`${port}.${name}`);
    // Files that a file system opens write too.
    const isPort = kind === "file" && typeof value === "object" && value !== null;
    return isPort && (name === "open" || name === "replaceSync")
      ? watched(port, kind, value, onOperation)
      : value;
  };
  return new Proxy(target, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name, object);
      if (typeof member !== "function" || typeof name !== "string") return member;
      return (...args: readonly unknown[]) => {
        const result: unknown = Reflect.apply(member, object, args);
        return result instanceof Promise
          ? result.then((value: unknown) => after(name, value))
          : after(name, result);
      };
    },
  });
}
