/**
 * Files of a simulated disk. What was written and not synced is a list of operations: a crash of the
 * process keeps them, a loss of power keeps a prefix of them, the last one torn. Names follow the same
 * rule per directory, as POSIX allows and ext4 does.
 *
 * A node that dies in the middle of a turn runs on to that turn's end here, as no killed process does:
 * nothing that it writes from then on reaches the disk.
 */
import { dirname } from "node:path";
import { utf8ToBytes } from "../../proto/bytes.ts";
import type { FileSystem, NewFile, OpenFile, OpenMode } from "../../sequencer/ports/file-system.ts";
import type { Random } from "../support/random.ts";
import type { Life } from "./life.ts";

type DataOp =
  | { readonly kind: "append"; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly length: number };

type NameOp =
  | { readonly kind: "link"; readonly path: string; readonly inode: Inode }
  | { readonly kind: "rename"; readonly path: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string };

/** Bytes that grow at the end. */
class Bytes {
  #buffer = new Uint8Array(256);
  length = 0;

  apply(op: DataOp): void {
    if (op.kind === "truncate") {
      if (op.length > this.length) this.append(new Uint8Array(op.length - this.length));
      this.length = op.length;
    } else this.append(op.bytes);
  }

  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.length);
    this.length = length;
  }

  view(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }
}

class Inode {
  current = new Bytes();
  durable = new Bytes();
  #unsynced: DataOp[] = [];
  #hasLost = false;

  write(op: DataOp): void {
    this.current.apply(op);
    this.#unsynced.push(op);
  }

  /** How much a sync that begins now will cover. */
  get pending(): number {
    return this.#unsynced.length;
  }

  synced(count: number): void {
    // What comes after lost bytes is no use: the file has a hole before it.
    if (this.#hasLost) return;
    for (const op of this.#unsynced.splice(0, count)) this.durable.apply(op);
  }

  /** The device failed to take them: readable until the machine goes down, and never durable. */
  lose(count: number): void {
    if (count > 0) this.#hasLost = true;
  }

  /** Returns how the power went: true when a write was torn. */
  losePower(random: Random): boolean {
    const kept = this.#hasLost ? 0 : random.below(this.#unsynced.length + 1);
    this.#hasLost = false;
    const [torn] = this.#unsynced.slice(kept, kept + 1);
    this.synced(kept);
    let isTorn = false;
    if (torn?.kind === "append" && torn.bytes.length > 1 && random.chance(60)) {
      isTorn = true;
      const length = 1 + random.below(torn.bytes.length - 1);
      this.durable.append(torn.bytes.subarray(0, length));
      // The file's new length can be durable before its bytes are: the rest reads as zeros.
      if (random.chance(30)) this.durable.append(new Uint8Array(torn.bytes.length - length));
    }
    this.#unsynced = [];
    this.current = new Bytes();
    this.current.append(this.durable.view());
    return isTorn;
  }
}

export interface DiskManner {
  /** Time that a sync takes, in ms, drawn anew for each. */
  syncMs(): number;
  /** A sync of a file resolves and does nothing. */
  readonly doesLie: boolean;
  /** Whether a write or a sync fails; asked once for each. */
  fails(what: string): boolean;
}

/** What Node says when the device does not do what it was asked for. */
export function diskError(what: string): Error {
  return Object.assign(new Error(`EIO: i/o error, ${what}`), { code: "EIO" });
}

/** What a dead node waits for. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}

function deadNewFile(): NewFile {
  return { writeSync: () => {}, datasync: () => never(), closeSync: () => {} };
}

/** Told of what has become durable. */
export type OnDurable = (path: string) => void;

export class SimFiles {
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  readonly #directories = new Set<string>();
  readonly #nameOps = new Map<string, NameOp[]>();
  readonly #random: Random;
  onDurable: OnDurable = () => {};

  constructor(random: Random) {
    this.#random = random;
  }

  /** The durable bytes of a file; empty when its name is not durable. */
  durableBytes(path: string): Uint8Array {
    return this.#durableNames.get(path)?.durable.view() ?? new Uint8Array(0);
  }

  /** Names in a directory that would be there after a loss of power. */
  durableList(directory: string): readonly string[] {
    return [...this.#durableNames.keys()].filter((path) => dirname(path) === directory);
  }

  /** Forgets a file, durably: what an operator does who should not. */
  forget(prefix: string): void {
    for (const names of [this.#names, this.#durableNames]) {
      for (const path of names.keys()) if (path.startsWith(prefix)) names.delete(path);
    }
  }

  /** An empty disk in the place of this one. */
  wipe(): void {
    this.#names.clear();
    this.#durableNames.clear();
    this.#directories.clear();
    this.#nameOps.clear();
  }

  /** Returns the number of torn writes. */
  losePower(): number {
    let torn = 0;
    for (const [directory, ops] of this.#nameOps) {
      this.#syncNames(directory, this.#random.below(ops.length + 1));
    }
    this.#nameOps.clear();
    this.#names.clear();
    for (const [path, inode] of this.#durableNames) {
      if (inode.losePower(this.#random)) torn += 1;
      this.#names.set(path, inode);
    }
    return torn;
  }

  /** The file system as one life of the node sees it. */
  mount(life: Life, speed: DiskManner): FileSystem {
    const open = (path: string, mode: OpenMode): OpenFile => {
      if (this.#directories.has(path)) return this.#openDirectory(path, life, speed);
      let inode = this.#names.get(path);
      if (inode === undefined) {
        if (mode === "read" || mode === "update") throw new Error(`ENOENT: ${path}`);
        inode = this.#link(path);
      }
      return this.#openFile(path, inode, life, speed);
    };
    return {
      makeDirectory: async (path) => {
        for (let at = path; at !== dirname(at); at = dirname(at)) this.#directories.add(at);
      },
      list: async (path) =>
        [...this.#names.keys()]
          .filter((name) => dirname(name) === path)
          .map((name) => name.slice(path.length + 1)),
      readFile: async (path) => this.#names.get(path)?.current.view().slice(),
      open: async (path, mode) => (life.isOver ? never() : open(path, mode)),
      replaceSync: (path): NewFile => {
        if (life.isOver) return deadNewFile();
        const inode = this.#link(path);
        return {
          writeSync: (text) => {
            if (life.isOver) return;
            if (speed.fails("write")) throw diskError(`write ${path}`);
            inode.write({ kind: "append", bytes: utf8ToBytes(text) });
          },
          datasync: () => this.#sync(path, inode, life, speed),
          closeSync: () => {},
        };
      },
      renameSync: (from, to) => {
        if (life.isOver) return;
        const inode = this.#names.get(from);
        if (inode === undefined) throw new Error(`ENOENT: ${from}`);
        this.#names.delete(from);
        this.#names.set(to, inode);
        this.#nameOp({ kind: "rename", path: from, to });
      },
      copy: async (from, to) => {
        if (life.isOver) return never();
        const bytes = this.#names.get(from)?.current.view().slice();
        if (bytes === undefined) throw new Error(`ENOENT: ${from}`);
        this.#link(to).write({ kind: "append", bytes });
      },
      remove: async (path) => {
        if (life.isOver) return never();
        this.#names.delete(path);
        this.#nameOp({ kind: "remove", path });
      },
      sizeBytes: async (path) => this.#names.get(path)?.current.length ?? 0,
    };
  }

  #link(path: string): Inode {
    const inode = new Inode();
    this.#names.set(path, inode);
    this.#nameOp({ kind: "link", path, inode });
    return inode;
  }

  #nameOp(op: NameOp): void {
    const directory = dirname(op.path);
    const ops = this.#nameOps.get(directory) ?? [];
    ops.push(op);
    this.#nameOps.set(directory, ops);
  }

  #syncNames(directory: string, count: number): void {
    for (const op of this.#nameOps.get(directory)?.splice(0, count) ?? []) {
      if (op.kind === "link") this.#durableNames.set(op.path, op.inode);
      else {
        const inode = this.#durableNames.get(op.path);
        this.#durableNames.delete(op.path);
        if (op.kind === "rename" && inode !== undefined) this.#durableNames.set(op.to, inode);
      }
    }
  }

  async #sync(path: string, inode: Inode, life: Life, speed: DiskManner): Promise<void> {
    const { pending } = inode;
    await life.wait(speed.syncMs(), "fsync");
    if (speed.fails("sync")) {
      // As Linux has it: the pages count as clean, and no later sync will write them.
      inode.lose(pending);
      throw diskError(`fdatasync ${path}`);
    }
    if (!speed.doesLie) inode.synced(pending);
    this.onDurable(path);
  }

  #openFile(path: string, inode: Inode, life: Life, speed: DiskManner): OpenFile {
    return {
      writeSync: (bytes, from) => {
        if (life.isOver) return bytes.length - from;
        if (speed.fails("write")) throw diskError(`write ${path}`);
        // A write may take less than it was given; callers go on with the rest.
        const count = this.#random.chance(2)
          ? 1 + this.#random.below(bytes.length - from)
          : bytes.length - from;
        inode.write({ kind: "append", bytes: bytes.slice(from, from + count) });
        return count;
      },
      write: async (bytes, from, count) => {
        if (life.isOver) return never();
        if (speed.fails("write")) throw diskError(`write ${path}`);
        const taken = bytes.slice(from, from + count);
        inode.write({ kind: "append", bytes: taken });
        return taken.length;
      },
      read: async (into, from, count, position) => {
        const bytes = inode.current.view().subarray(position, position + count);
        into.set(bytes, from);
        return bytes.length;
      },
      truncate: async (length) =>
        life.isOver ? never() : inode.write({ kind: "truncate", length }),
      datasync: () => this.#sync(path, inode, life, speed),
      sync: () => this.#sync(path, inode, life, speed),
      close: async () => {},
    };
  }

  #openDirectory(path: string, life: Life, speed: DiskManner): OpenFile {
    const refuse = (): never => {
      throw new Error(`EISDIR: ${path}`);
    };
    const sync = async (): Promise<void> => {
      const count = this.#nameOps.get(path)?.length ?? 0;
      await life.wait(speed.syncMs(), "fsync");
      if (speed.fails("sync")) throw diskError(`fsync ${path}`);
      this.#syncNames(path, count);
      this.onDurable(path);
    };
    return {
      writeSync: refuse,
      write: async () => refuse(),
      read: async () => refuse(),
      truncate: async () => refuse(),
      datasync: sync,
      sync,
      close: async () => {},
    };
  }
}
