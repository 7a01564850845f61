/**
 * Snapshots on disk: a file for each chunk, and one with the announced hashes that is written last. A
 * snapshot without that file is none: a crash left it, and the next start removes it.
 */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import type { Snapshot } from "../../abci/application.ts";
import { type FileSystem, syncDirectory } from "../../ports/file-system.ts";
import { chunkHashesOf, describeSnapshot, SNAPSHOT_FORMAT } from "./format.ts";

const METADATA_SUFFIX = "meta";
const HEIGHT_DIGITS = 16;
const INDEX_DIGITS = 5;
const HASH_BYTES = 32;

interface Kept {
  readonly snapshot: Snapshot;
  readonly chunkHashes: readonly Uint8Array[];
}

export class SnapshotArchive {
  readonly #directory: string;
  readonly #fileSystem: FileSystem;
  /** Complete ones by height. */
  readonly #kept = new Map<number, Kept>();
  /** Files of one that is being written. */
  #written: string[] = [];

  private constructor(directory: string, fileSystem: FileSystem) {
    this.#directory = directory;
    this.#fileSystem = fileSystem;
  }

  /** Opens a directory, making it when it is missing, and removes what a crash left unfinished. */
  static async open(directory: string, fileSystem: FileSystem): Promise<SnapshotArchive> {
    const archive = new SnapshotArchive(directory, fileSystem);
    await fileSystem.makeDirectory(directory);
    const names = await fileSystem.list(directory);
    const present = new Set(names);
    for (const name of names) {
      if (name.endsWith(`.${METADATA_SUFFIX}`)) await archive.#openSnapshot(name, present);
    }
    const wanted = new Set(
      [...archive.#kept.values()].flatMap(({ snapshot }) => filesOf(snapshot)),
    );
    for (const name of names) {
      // Only files of ours: an operator may have put others beside them.
      if (/^\d{16}-\d+\./.test(name) && !wanted.has(name)) await archive.#remove(name);
    }
    return archive;
  }

  /** Newest first. */
  list(): readonly Snapshot[] {
    return [...this.#kept.values()]
      .map(({ snapshot }) => snapshot)
      .toSorted((a, b) => b.height - a.height);
  }

  /** Bytes of a chunk as they were made; undefined when there is none or the disk changed it. */
  async chunk(height: Height, format: number, index: number): Promise<Uint8Array | undefined> {
    const expected =
      format === SNAPSHOT_FORMAT ? this.#kept.get(height)?.chunkHashes[index] : undefined;
    if (expected === undefined) return undefined;
    const bytes = await this.#fileSystem.readFile(this.#path(chunkName(height, index)));
    return bytes !== undefined && bytesEqual(sha256(bytes), expected) ? bytes : undefined;
  }

  /** Files a chunk of the snapshot under way; durable with `finish`. */
  async writeChunk(height: Height, index: number, bytes: Uint8Array): Promise<void> {
    const name = chunkName(height, index);
    this.#written.push(name);
    await this.#write(name, bytes);
  }

  /** The chunks written are a snapshot from now on. */
  async finish(height: Height, chunkHashes: readonly Uint8Array[]): Promise<Snapshot> {
    const snapshot = describeSnapshot(height, chunkHashes);
    await syncDirectory(this.#fileSystem, this.#directory);
    await this.#write(metadataName(height), snapshot.metadata);
    await syncDirectory(this.#fileSystem, this.#directory);
    this.#written = [];
    this.#kept.set(height, { snapshot, chunkHashes });
    return snapshot;
  }

  /** Removes the files of a snapshot that was not finished. */
  async abandon(): Promise<void> {
    for (const name of this.#written.splice(0)) await this.#remove(name);
  }

  /** Keeps the newest `count`, and the one of height `spared`. */
  async keepNewest(count: number, spared?: Height): Promise<void> {
    for (const snapshot of this.list().slice(count)) {
      if (snapshot.height === spared) continue;
      this.#kept.delete(snapshot.height);
      // First the file that makes it a snapshot.
      const names = filesOf(snapshot);
      for (const name of names) await this.#remove(name);
    }
  }

  async #openSnapshot(name: string, present: ReadonlySet<string>): Promise<void> {
    const match = /^(\d{16})-(\d+)\./.exec(name);
    const metadata = await this.#fileSystem.readFile(this.#path(name));
    if (match === null || Number(match[2]) !== SNAPSHOT_FORMAT || metadata === undefined) return;
    const height = Height(Number(match[1]));
    const hashes = Array.from({ length: Math.floor(metadata.length / HASH_BYTES) }, (_, i) =>
      metadata.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    );
    const snapshot = describeSnapshot(height, hashes);
    const isWhole =
      bytesEqual(snapshot.metadata, metadata) &&
      chunkHashesOf(snapshot) !== undefined &&
      filesOf(snapshot).every((file) => present.has(file));
    if (isWhole) this.#kept.set(height, { snapshot, chunkHashes: hashes });
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    // An earlier attempt at the same height may have left one.
    this.#fileSystem.replaceSync(this.#path(name)).closeSync();
    const file = await this.#fileSystem.open(this.#path(name), "update");
    try {
      for (let at = 0; at < bytes.length; ) at += await file.write(bytes, at, bytes.length - at);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #remove(name: string): Promise<void> {
    await this.#fileSystem.remove(this.#path(name));
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Names of a snapshot's files, the one that makes it a snapshot first. */
function filesOf({ height, chunks }: Snapshot): readonly string[] {
  return [
    metadataName(height),
    ...Array.from({ length: chunks }, (_, index) => chunkName(height, index)),
  ];
}

function metadataName(height: Height): string {
  return `${prefix(height)}.${METADATA_SUFFIX}`;
}

function chunkName(height: Height, index: number): string {
  return `${prefix(height)}.${index.toString().padStart(INDEX_DIGITS, "0")}`;
}

function prefix(height: Height): string {
  return `${height.toString().padStart(HEIGHT_DIGITS, "0")}-${SNAPSHOT_FORMAT}`;
}
