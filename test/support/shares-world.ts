/** Validators that hold tickets of keys, and what was asked of them: for tests of evidence of shares. */
import type { SealProof } from "../../mev/seal/compute.ts";
import type { SeenShares } from "../../mev/seal/share-evidence.ts";
import { type AskedOfValidator, askedOfValidator, makeShares } from "../../mev/seal/shares.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex, utf8ToBytes } from "../../proto/bytes.ts";
import { SEAL_ASK_CODEC, type SealAsk } from "../../proto/codec/seal-state.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import { PartType, partSignBytes } from "../../proto/codec/weft-extension.ts";
import { assert } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  type Ed25519KeyPair,
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
} from "../../proto/verify/ed25519.ts";
import {
  evidenceProofs,
  evidenceSignatures,
  submitEvidence,
  submitEvidenceCostlyFault,
  submitEvidenceFault,
} from "../../sequencer/app/slashing/evidence.ts";
import { updateValidator } from "../../sequencer/app/staking/validator-records.ts";
import { numberKey, SEAL_ASK, SEAL_ASKED, SEAL_KEYS } from "../../sequencer/app/state/tables.ts";
import { LOCAL_SEAL_COMPUTE } from "./seal-compute.ts";
import { type TestSealKey, testSealKey } from "./seal-key.ts";
import { StakeWorld, type TestValidator } from "./stake-world.ts";
import type { StakingContextOptions } from "./staking-context.ts";

/** What is asked: batches with so many items, and disputed items, of keys by number. */
export interface AskDraft {
  readonly batches: readonly {
    readonly height: number;
    readonly key: number;
    readonly items: number;
  }[];
  readonly disputes?: readonly {
    readonly height: number;
    readonly index: number;
    readonly key: number;
  }[];
}

/**
 *     const world = new SharesWorld(["alice", "bob"]);
 *     world.addKey(1, [2, 1], 2);
 *     const ask = world.ask(10, { batches: [{ height: 9, key: 1, items: 3 }] });
 *     const part = await world.part("alice", 10);
 */
export class SharesWorld {
  readonly stake: StakeWorld;
  readonly #validators = new Map<string, TestValidator>();
  readonly #applicationKeys = new Map<string, Ed25519KeyPair>();
  readonly #keys = new Map<number, TestSealKey>();

  constructor(names: readonly string[], options: StakingContextOptions = {}) {
    this.stake = new StakeWorld(options);
    for (const name of names) {
      const validator = this.stake.addValidator(name, 10_000_000n);
      const key = ed25519KeyPairFromSeed(sha256(utf8ToBytes(`application key ${name}`)));
      updateValidator(this.stake.ctx, validator.address, { applicationKey: key.publicKey });
      this.#validators.set(name, validator);
      this.#applicationKeys.set(name, key);
    }
    this.stake.start();
  }

  /** `tickets`: of each validator, in the order of names. */
  addKey(number: number, tickets: readonly number[], threshold: number): TestSealKey {
    const validators = [...this.#validators.values()].map(({ address }) => ({
      address: fromHex(address),
    }));
    const key = testSealKey(number, validators, tickets, threshold);
    this.stake.ctx.records.set(SEAL_KEYS, numberKey(number), key.state);
    this.#keys.set(number, key);
    return key;
  }

  /** Writes what is asked at that height into the state. */
  ask(height: number, draft: AskDraft): SealAsk {
    const ask = this.askOf(draft);
    const { records } = this.stake.ctx;
    records.set(SEAL_ASK, numberKey(height), ask);
    records.set(SEAL_ASKED, numberKey(height), { hash: sha256(SEAL_ASK_CODEC.encode(ask)) });
    return ask;
  }

  askOf({ batches, disputes = [] }: AskDraft): SealAsk {
    return {
      batches: batches.map(({ height, key, items }) => ({
        height: Height(height),
        key,
        points: this.key(key).points(items, `${height}/`),
      })),
      disputes: disputes.map(({ height, index, key }) => ({
        height: Height(height),
        index,
        key,
        point: this.key(key).points(1, `${height}/disputed ${index}/`),
      })),
    };
  }

  address(name: string): Uint8Array {
    const validator = this.#validators.get(name);
    assert(validator !== undefined, `${name} is a validator`);
    return fromHex(validator.address);
  }

  applicationKey(name: string): Ed25519KeyPair {
    const key = this.#applicationKeys.get(name);
    assert(key !== undefined, `${name} has an application key`);
    return key;
  }

  key(number: number): TestSealKey {
    const key = this.#keys.get(number);
    assert(key !== undefined, `there is a key ${number}`);
    return key;
  }

  asked(name: string, ask: SealAsk): AskedOfValidator {
    const asked = this.#asked(name, ask);
    assert(asked !== undefined, `something is asked of ${name}`);
    return asked;
  }

  isAsked(name: string, ask: SealAsk): boolean {
    return this.#asked(name, ask) !== undefined;
  }

  /** X of a ticket, whoever has it; that of the first if there is no such ticket. */
  publicShare(key: number, ticket: number): Uint8Array {
    const { publicShares } = this.key(key).state;
    const end = ticket * 32 <= publicShares.length ? ticket * 32 : 32;
    return publicShares.subarray(end - 32, end);
  }

  #asked(name: string, ask: SealAsk): AskedOfValidator | undefined {
    const keyOf = (number: number) => this.#keys.get(number)?.state;
    return askedOfValidator(ask, keyOf, this.address(name));
  }

  /** What an honest validator signs when that is asked. */
  async part(name: string, height: number, ask: SealAsk, block = "block"): Promise<SeenShares> {
    const { chainId } = this.stake.ctx;
    const terms = { chainId, height: Height(height), validator: this.address(name) };
    const secretOf = (key: number, ticket: number) => this.key(key).secretOf(key, ticket);
    const content = await makeShares(terms, this.asked(name, ask), secretOf, LOCAL_SEAL_COMPUTE);
    assert(content !== undefined, "no secret is missing");
    return this.signed(name, height, content, block);
  }

  /** Any content, signed as a SHARES part. */
  signed(name: string, height: number, content: Uint8Array, block = "block"): SeenShares {
    const { chainId } = this.stake.ctx;
    const key = this.applicationKey(name);
    const blockHash = sha256(utf8ToBytes(block));
    const at = Height(height);
    const message = partSignBytes(chainId, at, blockHash, PartType.SHARES, content);
    return {
      chainId,
      height: at,
      validator: this.address(name),
      applicationKey: key.publicKey,
      blockHash,
      content,
      signature: signEd25519(key, message),
    };
  }

  /** Why a transaction with this evidence is refused or fails; undefined: it punishes. */
  async refusal(evidence: SealEvidence): Promise<string | undefined> {
    const { ctx } = this.stake;
    const signatures = evidenceSignatures(ctx.chainId, evidence);
    const areSigned = signatures.every(({ publicKey, message, signature }) =>
      verifyEd25519Sync(publicKey, message, signature),
    );
    if (!areSigned) return "TX_SIGNATURE";
    const proofs: readonly SealProof[] = evidenceProofs(ctx.chainId, evidence);
    if ((await LOCAL_SEAL_COMPUTE.check(proofs)).includes(false)) return "TX_PROOF";
    const action = { kind: "submitEvidence", evidence } as const;
    const fault =
      submitEvidenceFault(ctx, "00".repeat(20), action) ?? submitEvidenceCostlyFault(ctx, action);
    return fault?.code;
  }

  punish(evidence: SealEvidence, reporter: string): void {
    submitEvidence(this.stake.ctx, reporter, { kind: "submitEvidence", evidence });
  }
}
