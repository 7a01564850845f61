/**
 * Append-only files for the bytes of large blocks: a database that sorts and compacts writes them two
 * to three times slower, with pauses. Where a blob lies is kept by the caller, who writes that place
 * only after `append` has resolved; whatever lies beyond the last known place is cut at the next opening.
 */
import { join } from "node:path";
import { syncDirectory, type FileSystem, type OpenFile } from "../ports/file-system.ts";
import { StoreError } from "./errors.ts";
import { BLOB_FILE_BYTES_MAX } from "./limits.ts";

/** Where a blob begins. */
export interface BlobPlace {
  /** Number of the file. */
  readonly file: number;
  readonly offset: number;
}

export interface BlobFiles {
  /** Writes chunks one after the other; durable when it resolves. Calls must not overlap. */
  append(chunks: readonly Uint8Array[]): Promise<BlobPlace>;
  /** @throws StoreError STORE_CORRUPTED when the file ends before `length` bytes. */
  read(place: BlobPlace, length: number): Promise<Uint8Array>;
  /** Deletes files below `file`. */
  removeBefore(file: number): Promise<void>;
  /** Where the next blob will lie, unless its file is full. */
  end(): BlobPlace;
  close(): Promise<void>;
}

/** Opens the directory, making it; cuts what was written after `end`. */
export async function openBlobFiles(
  directory: string,
  end: BlobPlace | undefined,
  options: { readonly fileBytesMax: number | undefined },
  fileSystem: FileSystem,
): Promise<BlobFiles> {
  await fileSystem.makeDirectory(directory);
  const place = end ?? { file: 0, offset: 0 };
  for (const name of await fileSystem.list(directory)) {
    const number = fileNumber(name);
    if (number !== undefined && number > place.file) await fileSystem.remove(join(directory, name));
  }
  const head = await fileSystem.open(pathOf(directory, place.file), "readAppend");
  await head.truncate(place.offset);
  await syncDirectory(fileSystem, directory);
  const fileBytesMax = options.fileBytesMax ?? BLOB_FILE_BYTES_MAX;
  return new Files(fileSystem, directory, head, place, fileBytesMax);
}

class Files implements BlobFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #fileBytesMax: number;
  #head: OpenFile;
  #end: BlobPlace;

  constructor(
    fileSystem: FileSystem,
    directory: string,
    head: OpenFile,
    end: BlobPlace,
    fileBytesMax: number,
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#head = head;
    this.#end = end;
    this.#fileBytesMax = fileBytesMax;
  }

  end(): BlobPlace {
    return this.#end;
  }

  async append(chunks: readonly Uint8Array[]): Promise<BlobPlace> {
    if (this.#end.offset >= this.#fileBytesMax) await this.#nextFile();
    const place = this.#end;
    let { offset } = place;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        // A part only goes to the page cache: 20 µs, where a turn of the thread pool costs more.
        at += this.#head.writeSync(chunk, at);
      }
      offset += chunk.length;
    }
    await this.#head.datasync();
    this.#end = { file: place.file, offset };
    return place;
  }

  async read(place: BlobPlace, length: number): Promise<Uint8Array> {
    // Closing a handle waits for the reads under way, so the head may be replaced meanwhile.
    if (place.file === this.#end.file) return this.#read(this.#head, place, length);
    const older = await this.#fileSystem.open(pathOf(this.#directory, place.file), "read");
    try {
      return await this.#read(older, place, length);
    } finally {
      await older.close();
    }
  }

  async removeBefore(file: number): Promise<void> {
    for (const name of await this.#fileSystem.list(this.#directory)) {
      const number = fileNumber(name);
      if (number === undefined || number >= file) continue;
      await this.#fileSystem.remove(join(this.#directory, name));
    }
  }

  close(): Promise<void> {
    return this.#head.close();
  }

  async #read(file: OpenFile, place: BlobPlace, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const bytesRead = await file.read(bytes, at, length - at, place.offset + at);
      if (bytesRead === 0) throw truncated(pathOf(this.#directory, place.file), place, length);
      at += bytesRead;
    }
    return bytes;
  }

  async #nextFile(): Promise<void> {
    const file = this.#end.file + 1;
    const before = this.#head;
    this.#head = await this.#fileSystem.open(pathOf(this.#directory, file), "readAppend");
    this.#end = { file, offset: 0 };
    await syncDirectory(this.#fileSystem, this.#directory);
    await before.close();
  }
}

function pathOf(directory: string, file: number): string {
  return join(directory, `blocks.${String(file).padStart(6, "0")}`);
}

function fileNumber(name: string): number | undefined {
  const match = /^blocks\.(\d{6,})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

function truncated(path: string, place: BlobPlace, length: number): StoreError {
  return new StoreError(
    { code: "STORE_CORRUPTED", key: path },
    `${path} ends before byte ${place.offset + length}: expected what was written; check the disk and restore the data directory, or sync anew`,
  );
}
