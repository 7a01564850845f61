/**
 * What legs of open bundles hold until they are decided. An account is named by its address, a slot by address and key,
 * in hex. What a leg has only read is shared: others may read it, and other legs may hold it too; what it has written is
 * its own.
 */
import type { AccessWatch } from "../virtual-machine.ts";

export interface Lock {
  /** 20 bytes of an account, or 52 of a slot. */
  readonly key: Uint8Array;
  readonly isExclusive: boolean;
}

/** Locks by name, and whether they are exclusive. */
export type LockTable = ReadonlyMap<string, boolean>;

export const NO_LOCKS: LockTable = new Map();

export function lockTable(held: Iterable<readonly Lock[]>): LockTable {
  const table = new Map<string, boolean>();
  for (const locks of held) {
    for (const { key, isExclusive } of locks) {
      const name = Buffer.from(key).toString("hex");
      table.set(name, isExclusive || table.get(name) === true);
    }
  }
  return table;
}

/** Refuses what touches a lock: any access to what is exclusive, a write to what is shared. */
export class LockGuard implements AccessWatch {
  readonly #table: LockTable;
  #isRefused = false;

  constructor(table: LockTable) {
    this.#table = table;
  }

  isRefused(): boolean {
    return this.#isRefused;
  }

  readAccount(address: string): void {
    this.#read(address);
  }

  writeAccount(address: string): void {
    this.#write(address);
  }

  readSlot(address: string, slot: string): void {
    this.#read(address + slot);
  }

  writeSlot(address: string, slot: string): void {
    this.#write(address + slot);
  }

  writeCode(address: string): void {
    this.#write(address);
  }

  #read(name: string): void {
    if (this.#table.get(name) === true) this.#isRefused = true;
  }

  #write(name: string): void {
    if (this.#table.has(name)) this.#isRefused = true;
  }
}

/** Remembers what a leg touches, while a guard says whether it may. */
export class AccessRecorder implements AccessWatch {
  readonly #guard: LockGuard;
  readonly #touched = new Map<string, boolean>();
  #isCodeWritten = false;

  constructor(guard: LockGuard) {
    this.#guard = guard;
  }

  isRefused(): boolean {
    return this.#guard.isRefused();
  }

  /** By name, in order of name: what was touched, and whether it was written. */
  touched(): readonly (readonly [name: string, isWritten: boolean])[] {
    return [...this.#touched].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  get isCodeWritten(): boolean {
    return this.#isCodeWritten;
  }

  readAccount(address: string): void {
    this.#note(address, false);
    this.#guard.readAccount(address);
  }

  writeAccount(address: string): void {
    this.#note(address, true);
    this.#guard.writeAccount(address);
  }

  readSlot(address: string, slot: string): void {
    this.#note(address + slot, false);
    this.#guard.readSlot(address, slot);
  }

  writeSlot(address: string, slot: string): void {
    this.#note(address + slot, true);
    this.#guard.writeSlot(address, slot);
  }

  writeCode(address: string): void {
    this.#isCodeWritten = true;
    this.#guard.writeCode(address);
  }

  #note(name: string, isWritten: boolean): void {
    this.#touched.set(name, isWritten || this.#touched.get(name) === true);
  }
}
