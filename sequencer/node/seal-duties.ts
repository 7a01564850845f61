/**
 * What a validator owes to the keys of sealed transactions, done by its node after each block (spec
 * encrypted-mempool B.5): it registers an encryption key, deals, complains of wrong shares, takes its own
 * shares out of the dealings, and erases what is over. Everything is derived from the committed state, so
 * that it goes on after a restart where it stopped. Transactions are signed by the application key and free.
 */
import { DEAL_SEED_BYTES, type Dealing, encryptionKeyContext } from "../../mev/seal/dkg.ts";
import { type Group, WIDE_BYTES } from "../../mev/seal/group/group.ts";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import type { SealGenerationState, SealKeyState } from "../../proto/codec/seal-state.ts";
import type { SubmittedEvidence } from "../../proto/codec/staking-tx.ts";
import { encodeTxItem } from "../../proto/codec/weft-block.ts";
import { type Action, encodeTxBody, txSignBytes } from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import { dealingOf, generationOf, isDisqualified, termsOf } from "../app/seal/keys/generation.ts";
import { REGISTRATION_PAUSE_BLOCKS } from "../app/seal/keys/limits.ts";
import type { CheckTxResponse } from "../abci/application.ts";
import { CODES } from "../app/codes.ts";
import { sealState } from "../app/seal/reader.ts";
import { submitEvidenceFault } from "../app/slashing/evidence.ts";
import type { StakingReader } from "../app/staking/context.ts";
import { SEAL_ENCRYPTION, SEAL_KEYS, VALIDATORS } from "../app/state/tables.ts";
import type { ReadApi } from "../app/weft-application.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import {
  DUTY_BLOCK_AGE_MAX_SECONDS,
  DUTY_EXPIRY_BLOCKS,
  DUTY_RETRY_BLOCKS,
  EVIDENCE_REPORTS_MAX,
  SEAL_SECRET_ERASE_BLOCKS,
} from "./limits.ts";
import { createSealKeyLog, type SealKeyLog } from "./seal-key-log.ts";
import type { EncryptionSecret, SealKeys } from "./seal-keys.ts";

/** Passes a transaction on to a pool, and to peers where there is a way to them. */
export type SubmitDuty = (tx: Uint8Array) => Promise<Pick<CheckTxResponse, "code" | "log">>;

export interface SealDutiesDependencies {
  readonly read: Pick<ReadApi, "chain" | "lastBlock" | "staking">;
  /** Undefined on a node without an application key, which has no duties. */
  readonly keys: SealKeys | undefined;
  /** The keys that this node signs parts of extensions with. */
  readonly applicationKeys: readonly Ed25519KeyPair[];
  readonly group: Group;
  /** So many fresh bytes that nobody can guess. */
  readonly random: (count: number) => Uint8Array;
  readonly submit: SubmitDuty;
  /** Whether the state is of long ago; default: when its last block is older than ten minutes. */
  readonly isCatchingUp?: () => boolean;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
}

export interface SealDuties {
  /** After each commit, and when the node has started. What is under way is finished first. */
  look(): void;
  /** Submits evidence until it stands in a block or is refused. Full: it is dropped, and the log says so. */
  report(evidence: SubmittedEvidence): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export function createSealDuties(deps: SealDutiesDependencies): SealDuties {
  const duties = new Duties(deps);
  let turn: Promise<void> = Promise.resolve();
  let isDue = false;

  async function run(): Promise<void> {
    isDue = false;
    await duties.run();
  }

  return {
    look() {
      if (isDue) return;
      isDue = true;
      turn = turn.then(run).catch((error: unknown) => {
        deps.logger.error(
          "duties for keys of sealed transactions could not be done: tried again after the next block",
          { error },
        );
      });
    },
    report: (evidence) => duties.report(evidence),
    idle: () => turn,
  };
}

/** Answers of a pool that say nothing about the transaction. */
const NO_ROOM = [CODES.POOL_BUSY, CODES.POOL_FULL, CODES.POOL_ACCOUNT_FULL];

/** Evidence that is submitted until the state has it. */
interface Report {
  readonly evidence: SubmittedEvidence;
  /** Height from which it is submitted again. */
  readonly notBefore: number;
}

/** This node's validator in the state. */
interface Self {
  /** Consensus address, 40-hex. */
  readonly id: string;
  readonly address: Uint8Array;
  readonly key: Ed25519KeyPair;
}

class Duties {
  readonly #deps: SealDutiesDependencies;
  /** First height at which a duty is submitted again, by its name. */
  readonly #notBefore = new Map<string, number>();
  /** Own dealing of the generation under way. */
  #dealt: Dealing | undefined;
  /** The first wrong ticket of each dealing of the generation under way, by dealer. */
  readonly #examined = new Map<string, number | undefined>();
  #generation: SealGenerationState | undefined;
  readonly #keyLog: SealKeyLog;
  /** Keys whose share this validator cannot have. */
  readonly #lost = new Set<number>();
  #reports: Report[] = [];

  constructor(deps: SealDutiesDependencies) {
    this.#deps = deps;
    this.#keyLog = createSealKeyLog(deps.logger);
  }

  report(evidence: SubmittedEvidence): void {
    if (this.#reports.length >= EVIDENCE_REPORTS_MAX) {
      this.#deps.logger.warn("evidence is not submitted: too much of it waits", {
        waiting: this.#reports.length,
      });
      return;
    }
    this.#reports.push({ evidence, notBefore: 0 });
  }

  async run(): Promise<void> {
    const { read, keys } = this.#deps;
    const block = read.lastBlock();
    if (block === undefined) return;
    const reader = read.staking();
    this.#keyLog.look(reader);
    if (keys === undefined) return;
    // What was owed long ago is over, or done.
    if (this.#isCatchingUp(block.time.seconds)) return;
    const self = this.#self(reader);
    if (self === undefined) {
      // Who is no validator any more still has what it held as one.
      await this.#eraseWhatIsOver(reader, undefined, keys);
      return;
    }
    for (const [name, height] of this.#notBefore) {
      if (height < reader.height) this.#notBefore.delete(name);
    }
    await this.#register(reader, self, keys);
    await this.#takePart(reader, self, keys);
    await this.#takeShares(reader, self, keys);
    await this.#eraseWhatIsOver(reader, self, keys);
    await this.#submitReports(reader, self);
  }

  #isCatchingUp(blockSeconds: bigint): boolean {
    const { isCatchingUp, clock } = this.#deps;
    if (isCatchingUp !== undefined) return isCatchingUp();
    return clock.now().seconds - blockSeconds > BigInt(DUTY_BLOCK_AGE_MAX_SECONDS);
  }

  /** Whose current application key this node has. */
  #self(reader: StakingReader): Self | undefined {
    for (const id of reader.records.keys(VALIDATORS)) {
      const registered = reader.records.get(VALIDATORS, id)?.applicationKey;
      if (registered === undefined || registered.length === 0) continue;
      const key = this.#deps.applicationKeys.find(({ publicKey }) =>
        bytesEqual(publicKey, registered),
      );
      if (key !== undefined) return { id, address: fromHex(id), key };
    }
    return undefined;
  }

  /**
   * A fresh encryption key when there is none, when its secret is lost, and when a key was made with it: what
   * opens the next one is not there yet when somebody takes what opened the last one.
   */
  async #register(reader: StakingReader, self: Self, keys: SealKeys): Promise<void> {
    const { logger } = this.#deps;
    const { arithmetic } = reader;
    if (reader.records.get(VALIDATORS, self.id)?.tombstoned !== false) return;
    const registered = reader.records.get(SEAL_ENCRYPTION, self.id);
    if (registered !== undefined) {
      const isHeld = keys.encryptionSecret(registered.encryptionKey) !== undefined;
      if (isHeld && !isUsed(reader, registered.encryptionKey)) return;
      if (reader.height < registered.registeredHeight + REGISTRATION_PAUSE_BLOCKS) return;
      const member = memberOf(generationOf(reader), self);
      if (isHeld && member && bytesEqual(member.encryptionKey, registered.encryptionKey)) return;
      if (!isHeld) {
        logger.warn("the secret of the registered encryption key is missing: registering another", {
          validator: self.id.toUpperCase(),
        });
      }
    }
    if (this.#isWaiting("register", reader)) return;
    const { encryptionKey, secret } = await this.#freshKey(reader, self, keys);
    const context = encryptionKeyContext(reader.chainId, self.address);
    const possession = arithmetic.tdh2.provePossession(context, secret, encryptionKey);
    await this.#send("register", reader, self, {
      kind: "registerSealKey",
      validator: self.address,
      encryptionKey,
      possession,
    });
  }

  /** One that was made and never registered, or a new one; on disk before anybody hears of it. */
  async #freshKey(reader: StakingReader, self: Self, keys: SealKeys): Promise<EncryptionSecret> {
    const registered = reader.records.get(SEAL_ENCRYPTION, self.id)?.encryptionKey;
    const unused = keys
      .encryptionSecrets()
      .find(
        ({ encryptionKey, madeHeight }) =>
          madeHeight + SEAL_SECRET_ERASE_BLOCKS > reader.height &&
          !(registered && bytesEqual(encryptionKey, registered)) &&
          !isUsed(reader, encryptionKey) &&
          !isOfGeneration(generationOf(reader), encryptionKey) &&
          !keys.shares().some((share) => bytesEqual(share.encryptionKey, encryptionKey)),
      );
    if (unused !== undefined) return unused;
    const { group, random } = this.#deps;
    const wide = random(WIDE_BYTES);
    const secret = group.scalars.reduceWide(wide);
    wide.fill(0);
    const encryptionKey = group.mulBase(secret);
    const made = { encryptionKey, secret, madeHeight: reader.height };
    await keys.addEncryptionSecret(made);
    return made;
  }

  /** Deals, and complains of dealings with a wrong share. */
  async #takePart(reader: StakingReader, self: Self, keys: SealKeys): Promise<void> {
    const generation = generationOf(reader);
    if (generation?.key !== this.#generation?.key) {
      this.#dealt = undefined;
      this.#examined.clear();
    }
    this.#generation = generation;
    const member = memberOf(generation, self);
    const isOut = reader.records.get(VALIDATORS, self.id)?.tombstoned !== false;
    if (generation === undefined || member === undefined || isOut) return;
    if (isDisqualified(generation, self.address)) return;
    const { key, dealHeight } = generation;
    const hasDealt = dealingOf(reader, key, self.id) !== undefined;
    if (!hasDealt && reader.height <= dealHeight) {
      const name = `deal ${key}`;
      if (!this.#isWaiting(name, reader)) {
        this.#dealt ??= this.#deal(reader, generation, self);
        await this.#send(name, reader, self, { kind: "deal", ...this.#dealt });
      }
    }
    const secret = keys.encryptionSecret(member.encryptionKey);
    // A share that cannot be opened is not complained of: nothing would show who is wrong.
    if (secret !== undefined) await this.#examine(reader, generation, self, secret);
  }

  /** Whoever had the seed would know what this validator adds to the key. */
  #deal(reader: StakingReader, generation: SealGenerationState, { address }: Self): Dealing {
    const seed = this.#deps.random(DEAL_SEED_BYTES);
    const dealing = reader.arithmetic.dkg.deal(termsOf(reader, generation), address, seed);
    seed.fill(0);
    return dealing;
  }

  async #examine(
    reader: StakingReader,
    generation: SealGenerationState,
    self: Self,
    secret: Uint8Array,
  ): Promise<void> {
    const { yieldToLoop, logger } = this.#deps;
    const { arithmetic } = reader;
    const terms = termsOf(reader, generation);
    const { key } = generation;
    for (const { validator: dealer } of generation.members) {
      const id = toHex(dealer);
      const dealing = dealingOf(reader, key, id);
      if (dealing === undefined || isDisqualified(generation, dealer)) continue;
      if (!this.#examined.has(id)) {
        const opened = arithmetic.dkg.openDealing(terms, dealing, self.address, secret);
        opened.shares.fill(0);
        this.#examined.set(id, opened.wrongTicket);
        await yieldToLoop();
      }
      const wrongTicket = this.#examined.get(id);
      const name = `complain ${key} ${id}`;
      if (wrongTicket === undefined || this.#isWaiting(name, reader)) continue;
      logger.warn("a dealing holds a wrong share: complaining", { key, dealer: id.toUpperCase() });
      const complaint = arithmetic.dkg.complain(terms, dealing, self.address, wrongTicket, secret);
      await this.#send(name, reader, self, { kind: "complain", ...complaint });
    }
  }

  /** Own shares of keys that are final and still of use, out of their dealings. */
  async #takeShares(reader: StakingReader, self: Self, keys: SealKeys): Promise<void> {
    const { logger, yieldToLoop } = this.#deps;
    for (const state of keysOf(reader)) {
      const { number } = state;
      const member = memberOf(state, self);
      if (member === undefined) continue;
      const held = keys.share(number);
      // One of another chain, or of what this one was before it began anew, is of no use here.
      if (held && bytesEqual(held.encryptionKey, member.encryptionKey)) continue;
      const dealings = dealingsOf(reader, state);
      if (dealings === undefined || this.#lost.has(number)) continue;
      const secret = keys.encryptionSecret(member.encryptionKey);
      await yieldToLoop();
      const { threshold, members, publicShares } = state;
      const terms = { chainId: reader.chainId, key: number, threshold, members, publicShares };
      const tickets =
        secret && reader.arithmetic.dkg.sharesOfMember(terms, dealings, self.address, secret);
      const [first] = tickets ?? [];
      if (tickets === undefined || first === undefined) {
        this.#lost.add(number);
        logger.error(
          "this validator has no share of a key for sealed transactions: it abstains from opening until the next key whose generation begins after this, and votes without shares count as missed blocks; if this machine has a copy of data/seal_keys.json, restore it and restart",
          {
            key: number,
            why: secret === undefined ? "the secret is missing" : "a dealing was wrong",
          },
        );
        continue;
      }
      await keys.addShare({
        key: number,
        encryptionKey: member.encryptionKey,
        firstTicket: first.ticket,
        secrets: tickets.map((one) => one.secret),
      });
      logger.info("this validator holds its share of a key for sealed transactions", {
        key: number,
        tickets: tickets.length,
        threshold,
      });
    }
  }

  /**
   * Forward secrecy: when the last item of a retired key is resolved, which the state shows by removing its
   * dealings, shares and the secret that opened them go together.
   */
  async #eraseWhatIsOver(
    reader: StakingReader,
    self: Self | undefined,
    keys: SealKeys,
  ): Promise<void> {
    const live = keysOf(reader).filter((state) => dealingsOf(reader, state) !== undefined);
    const oldest = Math.min(...live.map(({ number }) => number), sealState(reader).lastGeneration);
    const isOver = (key: number): boolean =>
      key < oldest && !live.some(({ number }) => number === key);
    const shares = keys.shares().filter(({ key }) => isOver(key));

    const registered = self && reader.records.get(SEAL_ENCRYPTION, self.id)?.encryptionKey;
    const isWanted = (encryptionKey: Uint8Array): boolean =>
      (registered !== undefined && bytesEqual(registered, encryptionKey)) ||
      isOfGeneration(generationOf(reader), encryptionKey) ||
      live.some(({ members }) => isAmong(members, encryptionKey)) ||
      keys
        .shares()
        .some((share) => !isOver(share.key) && bytesEqual(share.encryptionKey, encryptionKey));
    // One that was never used may be on its way into a block; without a validator nobody knows whether it is registered.
    const secrets = keys.encryptionSecrets().filter(({ encryptionKey, madeHeight }) => {
      const isOld = self && madeHeight + SEAL_SECRET_ERASE_BLOCKS <= reader.height;
      return (isOld === true || isUsed(reader, encryptionKey)) && !isWanted(encryptionKey);
    });
    // Without any it does again what failed.
    await keys.erase(shares, secrets);
    if (shares.length === 0 && secrets.length === 0) return;
    this.#deps.logger.info("secrets of retired keys for sealed transactions were erased", {
      keys: shares.map(({ key }) => key),
    });
  }

  /** What is in a pool may be lost with it, or wait for longer than it lives: only the state says that it is done. */
  async #submitReports(reader: StakingReader, self: Self): Promise<void> {
    for (const report of this.#reports.splice(0)) {
      const action: Action = { kind: "submitEvidence", evidence: report.evidence };
      if (report.notBefore > reader.height) {
        this.#reports.push(report);
        continue;
      }
      const fault = submitEvidenceFault(reader, self.id, action);
      // The first look is for the pool, which says why.
      if (report.notBefore > 0 && fault !== undefined) continue;
      const { answer, expiryHeight } = await this.#send(undefined, reader, self, action);
      if (answer === "refused") continue;
      const pause = answer === "taken" ? expiryHeight + 1 : reader.height + DUTY_RETRY_BLOCKS;
      this.#reports.push({ ...report, notBefore: pause });
    }
  }

  #isWaiting(name: string, reader: StakingReader): boolean {
    return (this.#notBefore.get(name) ?? 0) >= reader.height;
  }

  /** `name`: of a duty that is looked at again after each block; not submitted twice at once. */
  async #send(
    name: string | undefined,
    reader: StakingReader,
    { key }: Self,
    action: Action,
  ): Promise<{ readonly answer: "taken" | "refused" | "busy"; readonly expiryHeight: Height }> {
    const { submit, logger } = this.#deps;
    const ahead = Math.min(DUTY_EXPIRY_BLOCKS, reader.params.unorderedWindow);
    const expiryHeight = Height(reader.height + ahead);
    const bodyBytes = encodeTxBody({
      publicKey: key.publicKey,
      replay: { kind: "unordered", expiryHeight, salt: EMPTY_BYTES },
      fee: { maxFeePerByte: 0n, tipPerByte: 0n },
      action,
    });
    const signature = signEd25519(key, txSignBytes(reader.chainId, bodyBytes));
    const { code, log } = await submit(encodeTxItem({ bodyBytes, signature }));
    const isTaken = code === 0;
    if (name !== undefined) {
      this.#notBefore.set(name, isTaken ? expiryHeight : reader.height + DUTY_RETRY_BLOCKS);
    }
    if (isTaken) {
      logger.debug("duty submitted", { action: action.kind, expiryHeight });
      return { answer: "taken", expiryHeight };
    }
    if (NO_ROOM.some(({ number }) => number === code)) return { answer: "busy", expiryHeight };
    logger.warn("a duty of this validator was refused", { action: action.kind, code, reason: log });
    return { answer: "refused", expiryHeight };
  }
}

/** Keys that are final and kept. */
function keysOf(reader: StakingReader): readonly SealKeyState[] {
  return reader.records
    .keys(SEAL_KEYS)
    .flatMap((number) => reader.records.get(SEAL_KEYS, number) ?? []);
}

/** What the key is made of; undefined once it is erased. */
function dealingsOf(
  reader: StakingReader,
  { number, dealers }: SealKeyState,
): readonly Dealing[] | undefined {
  const dealings = dealers.flatMap((dealer) => dealingOf(reader, number, toHex(dealer)) ?? []);
  return dealings.length === dealers.length ? dealings : undefined;
}

function memberOf(
  of: Pick<SealKeyState, "members"> | undefined,
  { address }: Self,
): SealKeyState["members"][number] | undefined {
  return of?.members.find(({ validator }) => bytesEqual(validator, address));
}

function isAmong(members: SealKeyState["members"], encryptionKey: Uint8Array): boolean {
  return members.some((member) => bytesEqual(member.encryptionKey, encryptionKey));
}

function isOfGeneration(
  generation: SealGenerationState | undefined,
  encryptionKey: Uint8Array,
): boolean {
  return generation !== undefined && isAmong(generation.members, encryptionKey);
}

/** Whether a key was made with it. */
function isUsed(reader: StakingReader, encryptionKey: Uint8Array): boolean {
  return keysOf(reader).some(({ members }) => isAmong(members, encryptionKey));
}
