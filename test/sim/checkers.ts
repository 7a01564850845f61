/**
 * What must hold after every event, whatever the seed draws. A checker throws `SimulationFailure`, or
 * hands it to the run when it is found beside an event.
 */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { pooledSupply, type SupplyState } from "../../proto/codec/weft-state.ts";
import { sha256Concat } from "../../proto/hash.ts";
import {
  SignedMsgType,
  type Block,
  type BlockId,
  type Header,
  type Proposal,
  type Vote,
} from "../../proto/types.ts";
import { validatorSetHash } from "../../proto/validator-set.ts";
import { verifyCommit } from "../../proto/verify/commit.ts";
import type { VerifySignature } from "../../proto/verify/ed25519.ts";
import { blockSlices } from "../../sequencer/app/block-slices.ts";
import type { EngineEvent } from "../../sequencer/engine/event-bus.ts";
import type { PrivValidator } from "../../sequencer/engine/privval/priv-validator.ts";
import { scanFrames } from "../../sequencer/engine/wal/record-frames.ts";
import { decodeWalEntry } from "../../sequencer/engine/wal/wal-entry.ts";
import type { BlockStore } from "../../sequencer/store/block-store.ts";
import type { PlannedValidators } from "./chain-plan.ts";
import type { SimFiles } from "./sim-files.ts";

export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
}

type NewBlock = Extract<EngineEvent, { readonly kind: "NewBlock" }>;

interface DecidedHeight {
  readonly node: string;
  readonly blockHash: string;
  readonly appHash: string;
  /** Results, and what each rollup gets with its proof. */
  readonly resultsHash: string;
}

export interface AgreementOptions {
  readonly chainId: string;
  readonly validators: PlannedValidators;
  /** Whether blocks have Weft's manifest and slices. */
  readonly hasSlices: boolean;
  /** Addresses of the honest validators, in hex. */
  readonly honest: ReadonlySet<string>;
}

/** One chain: whoever decides a height decides the same as the first who did. */
export class AgreementChecker {
  readonly #chainId: string;
  readonly #validators: PlannedValidators;
  readonly #hasSlices: boolean;
  readonly #honest: ReadonlySet<string>;
  readonly #verify: VerifySignature;
  readonly #heights = new Map<number, DecidedHeight>();
  evidenceCount = 0;
  txCount = 0;
  /** Heights whose header names other validators, or other parameters, than the one before. */
  readonly changes = { validators: 0, params: 0 };
  #lastHeader: Header | undefined;

  constructor(options: AgreementOptions, verify: VerifySignature) {
    this.#chainId = options.chainId;
    this.#validators = options.validators;
    this.#hasSlices = options.hasSlices;
    this.#honest = options.honest;
    this.#verify = verify;
  }

  get height(): number {
    return this.#heights.size;
  }

  blockHash(height: number): string | undefined {
    return this.#heights.get(height)?.blockHash;
  }

  async decided(node: string, event: NewBlock): Promise<void> {
    const { block, blockId, result } = event;
    const { height } = block.header;
    const decided: DecidedHeight = {
      node,
      blockHash: toHex(blockId.hash),
      appHash: toHex(result.appHash),
      resultsHash: await this.#slicesHash(event),
    };
    const first = this.#heights.get(height);
    if (first === undefined) {
      this.#heights.set(height, decided);
      this.#checkValidators(block);
      this.#countChanges(block.header);
      this.#checkEvidence(block);
      this.evidenceCount += block.evidence.length;
      this.txCount += block.txs.length;
      return;
    }
    for (const key of ["blockHash", "appHash", "resultsHash"] as const) {
      if (first[key] === decided[key]) continue;
      throw new SimulationFailure(
        `agreement: at height ${height} ${first.node} has ${key} ${first[key]}, ${node} has ${decided[key]}`,
      );
    }
  }

  /** The commit that a node keeps for a height holds by the rule that a light client uses. */
  async committed(
    node: string,
    blockStore: BlockStore,
    { block, blockId }: NewBlock,
  ): Promise<void> {
    const { height } = block.header;
    const commit = await blockStore.seenCommit(height);
    if (commit === undefined) {
      throw new SimulationFailure(`commit: ${node} applied height ${height} and has no commit`);
    }
    const verdict = verifyCommit(
      { chainId: this.#chainId, validators: this.#validators.at(height), blockId, height },
      commit,
      this.#verify,
    );
    if (verdict.isValid) {
      this.#checkProposer(block.header, commit.round);
      return;
    }
    throw new SimulationFailure(
      `commit: ${node} keeps one for height ${height} that does not hold: ${verdict.message}`,
    );
  }

  /** A node that starts has the state that its last block left. */
  restarted(node: string, height: number, appHash: Uint8Array): void {
    const decided = this.#heights.get(height);
    if (decided === undefined || decided.appHash === toHex(appHash)) return;
    throw new SimulationFailure(
      `recovery: ${node} starts at height ${height} with app hash ${toHex(appHash)}, decided was ${decided.appHash}`,
    );
  }

  /** It was the turn of the block's proposer in the round that decided it, or in one before. */
  #checkProposer({ height, proposerAddress }: Header, round: number): void {
    const proposers = this.#validators.proposers(height, round);
    if (proposers.some((address) => bytesEqual(address, proposerAddress))) return;
    throw new SimulationFailure(
      `proposer: block ${height}, decided in round ${round}, is by ${toHex(proposerAddress)}, whose turn it was not`,
    );
  }

  #countChanges(header: Header): void {
    const last = this.#lastHeader;
    this.#lastHeader = header;
    if (last === undefined) return;
    if (!bytesEqual(last.validatorsHash, header.validatorsHash)) this.changes.validators += 1;
    if (!bytesEqual(last.consensusHash, header.consensusHash)) this.changes.params += 1;
  }

  /** The header names the sets that genesis and the application's updates make. */
  #checkValidators({ header }: Block): void {
    const { height } = header;
    const isRight =
      bytesEqual(header.validatorsHash, validatorSetHash(this.#validators.at(height))) &&
      bytesEqual(header.nextValidatorsHash, validatorSetHash(this.#validators.at(height + 1)));
    if (isRight) return;
    throw new SimulationFailure(
      `validators: block ${height} names other validators than the application asked for`,
    );
  }

  /** Nobody honest is ever convicted. */
  #checkEvidence({ header, evidence }: Block): void {
    for (const piece of evidence) {
      const accused =
        piece.kind === "duplicateVote"
          ? [piece.voteA.validatorAddress]
          : piece.byzantineValidators.map(({ address }) => address);
      const innocent = accused.find((address) => this.#honest.has(toHex(address)));
      if (innocent === undefined) continue;
      throw new SimulationFailure(
        `evidence: block ${header.height} convicts ${toHex(innocent)}, which is honest`,
      );
    }
  }

  async #slicesHash({ block, result }: NewBlock): Promise<string> {
    const parts: Uint8Array[] = result.txResults.map(({ code, data }) =>
      sha256Concat(Uint8Array.of(code & 0xff, code >> 8), data),
    );
    if (!this.#hasSlices) return toHex(sha256Concat(...parts));
    const yieldToLoop = () => Promise.resolve();
    const slices = await blockSlices(this.#chainId, block.txs, result, yieldToLoop);
    for (const id of slices.rollupIds) {
      const slice = slices.slice(id);
      if (slice.kind === "absence") {
        throw new SimulationFailure(
          `manifest: height ${block.header.height} names rollup ${toHex(id)} and proves that it is absent`,
        );
      }
      parts.push(id, ...slice.entries.flatMap(({ itemId, payload }) => [itemId, payload]));
    }
    return toHex(sha256Concat(...parts));
  }
}

/** Nothing is made and nothing is lost: balances, pools and what was burned are the supply of genesis. */
export class SupplyChecker {
  #total: bigint | undefined;

  /** `balances`: the sum over all accounts. */
  check(node: string, supply: SupplyState, balances: bigint): void {
    const { total, burned } = supply;
    this.#total ??= total + burned;
    const sum = balances + pooledSupply(supply);
    if (total + burned === this.#total && sum === total) return;
    throw new SimulationFailure(
      `supply: ${node} has ${sum} nweft in accounts and pools, its supply says ${total} and ${burned} burned, genesis ${this.#total}`,
    );
  }
}

/** An honest validator signs one thing for each height, round and type, and never goes back. */
export class SigningChecker {
  readonly #name: string;
  readonly #onVote: (vote: Vote) => void;
  readonly #onProposal: (proposal: Proposal) => void;
  readonly #signed = new Map<string, string>();
  #last = { height: 0, round: 0, step: 0 };

  /** `onVote` and `onProposal` hear of all that was signed. */
  constructor(
    name: string,
    onVote: (vote: Vote) => void = () => {},
    onProposal: (proposal: Proposal) => void = () => {},
  ) {
    this.#name = name;
    this.#onVote = onVote;
    this.#onProposal = onProposal;
  }

  /**
   * Watches a signer; the checker outlives it. What is not durable when the power goes was not
   * signed: it has not left, as other checkers see to.
   */
  watch(signer: PrivValidator): PrivValidator {
    const fresh: (Vote | Proposal)[] = [];
    const stepOf = (signed: Vote | Proposal): number =>
      !("type" in signed) ? 1 : signed.type === SignedMsgType.PREVOTE ? 2 : 3;
    return {
      publicKey: () => signer.publicKey(),
      signVote: async (chainId, vote, isExtended, signal) => {
        const signed = await signer.signVote(chainId, vote, isExtended, signal);
        fresh.push(signed);
        this.#onVote(signed);
        return signed;
      },
      signProposal: async (chainId, proposal, signal) => {
        const signed = await signer.signProposal(chainId, proposal, signal);
        fresh.push(signed);
        this.#onProposal(signed);
        return signed;
      },
      settled: async () => {
        const count = fresh.length;
        await signer.settled();
        for (const signed of fresh.splice(0, count)) this.#sign(signed, stepOf(signed));
      },
      remember: async (chainId, signed) => {
        await signer.remember(chainId, signed);
        // The log tells all that it kept of a height, mostly what is known.
        const { height, round, signature } = signed;
        const known = this.#signed.get(`${height}/${round}/${stepOf(signed)}`);
        if (known?.endsWith(toHex(signature)) !== true) this.#sign(signed, stepOf(signed));
      },
    };
  }

  #sign(signed: Vote | Proposal, step: number): void {
    const { height, round, blockId, signature } = signed;
    const at = `${height}/${round}/${step}`;
    const what = `${toHex(blockId.hash)} ${toHex(signature)}`;
    const before = this.#signed.get(at);
    if (before !== undefined && before !== what) {
      throw new SimulationFailure(
        `double signing: ${this.#name} signed ${before} and ${what} at height/round/step ${at}`,
      );
    }
    const { last } = { last: this.#last };
    const order = height - last.height || round - last.round || step - last.step;
    if (order < 0) {
      throw new SimulationFailure(
        `double signing: ${this.#name} signed at ${at} after ${last.height}/${last.round}/${last.step}`,
      );
    }
    this.#signed.set(at, what);
    this.#last = { height, round, step };
  }
}

/** Nothing that a validator signed leaves it before it stands in its log, durably. */
export class DurableLogChecker {
  readonly #name: string;
  readonly #files: SimFiles;
  readonly #directory: string;
  readonly #signatures = new Set<string>();
  readonly #headPath: string;
  /** Bytes of the head that were read. */
  #readBytes = 0;

  constructor(name: string, files: SimFiles, directory: string) {
    this.#name = name;
    this.#files = files;
    this.#directory = directory;
    this.#headPath = `${directory}/wal`;
  }

  /** Reads what has become durable in the head. */
  synced(path: string): void {
    // The directory is synced when the log was opened or rotated: the head is another file.
    if (path === this.#directory) this.#readBytes = 0;
    else if (path !== this.#headPath) return;
    const bytes = this.#files.durableBytes(this.#headPath);
    const scan = scanFrames(bytes.subarray(this.#readBytes));
    this.#readBytes += scan.goodBytes;
    this.#read(scan.payloads);
  }

  /** After a crash: files may have been cut, and unsynced bytes may have survived. */
  rescan(): void {
    this.#readBytes = 0;
    for (const path of this.#files.durableList(this.#directory)) {
      this.#read(scanFrames(this.#files.durableBytes(path)).payloads);
    }
  }

  sent(what: string, signature: Uint8Array): void {
    if (this.#signatures.has(toHex(signature))) return;
    throw new SimulationFailure(
      `log before send: ${this.#name} sends ${what}, which its log does not hold durably`,
    );
  }

  #read(payloads: readonly Uint8Array[]): void {
    for (const payload of payloads) {
      const entry = decodeWalEntry(payload);
      if (entry.kind === "voteSigned" && entry.vote !== undefined) {
        this.#signatures.add(toHex(entry.vote.signature));
      } else if (entry.kind === "proposalSigned" && entry.proposal !== undefined) {
        this.#signatures.add(toHex(entry.proposal.signature));
      }
    }
  }
}

/** Nothing that a validator signed leaves it before its signer would remember it after a loss of power. */
export class DurableSignerChecker {
  readonly #name: string;
  readonly #files: SimFiles;
  readonly #path: string;

  constructor(name: string, files: SimFiles, path: string) {
    this.#name = name;
    this.#files = files;
    this.#path = path;
  }

  sent({ height, round, type }: Vote): void {
    const text = new TextDecoder().decode(this.#files.durableBytes(this.#path));
    const state: unknown = text === "" ? {} : JSON.parse(text);
    const numbers = new Map(
      Object.entries(typeof state === "object" && state !== null ? state : {}).map(
        ([key, value]) => [key, Number(value)],
      ),
    );
    const at = (key: string): number => numbers.get(key) ?? -1;
    const step = type === SignedMsgType.PREVOTE ? 2 : 3;
    const order = at("height") - height || at("round") - round || at("step") - step;
    if (order >= 0) return;
    throw new SimulationFailure(
      `signer before send: ${this.#name} sends a vote at ${height}/${round}/${step}, its durable state is at ${at("height")}/${at("round")}/${at("step")}`,
    );
  }
}

/** What honest validators are seen to send: one vote for each height, round and type. */
export class WireChecker {
  readonly #votes = new Map<string, BlockId>();

  sent(node: string, { height, round, type, blockId }: Vote): void {
    const key = `${node}/${height}/${round}/${type}`;
    const before = this.#votes.get(key);
    if (before === undefined) this.#votes.set(key, blockId);
    else if (!bytesEqual(before.hash, blockId.hash)) {
      throw new SimulationFailure(
        `equivocation: ${node} sent votes of type ${type} for ${toHex(before.hash)} and ${toHex(blockId.hash)} at ${height}/${round}`,
      );
    }
  }
}
