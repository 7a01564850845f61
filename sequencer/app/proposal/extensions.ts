import {
  askedOf,
  buildExtension,
  checkExtension,
  type ExtensionContext,
  type ExtensionRefusal,
  NOTHING_SAID,
  type SaidOfTxs,
  verifyExtensions,
  type Voter,
} from "../../../mev/extension.ts";
import type { SealCompute } from "../../../mev/seal/compute.ts";
import type { TicketSecretOf } from "../../../mev/seal/shares.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import type { Shares } from "../../../proto/codec/seal-block.ts";
import { isCodecError } from "../../../proto/codec/errors.ts";
import { assert } from "../../../proto/errors.ts";
import type { Verdict, VerifyVoteExtensionRequest } from "../../abci/application.ts";
import type { Logger } from "../../ports/logger.ts";
import type { AppMetrics } from "../metrics.ts";
import { ownLists } from "../inclusion/own-lists.ts";
import type { OpenAhead } from "../seal/items/open-ahead.ts";
import type { Pool } from "../pool/pool.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { ApplicationSigner } from "../weft-application.ts";
import type { Digest } from "../state-tree/node.ts";
import type { BodyStore } from "./body-store.ts";
import type { ExtensionLog } from "./extension-log.ts";
import { type OwnAsk, OwnShares } from "./own-shares.ts";
import { isOfShares, sealTermsAt } from "./seal-terms.ts";
import type { ShareWatch } from "./share-watch.ts";

export interface ExtensionDependencies {
  /** Of own extensions. */
  readonly extensionBytesMax: number;
  readonly committed: CommittedState;
  readonly pool: Pool;
  readonly bodies: BodyStore;
  readonly log: ExtensionLog;
  /** The validator's application keys: the one that it has, and the one that it takes next. */
  readonly signers: readonly ApplicationSigner[];
  readonly verify: VerifySignatures;
  readonly seal: SealCompute;
  readonly ticketSecretOf: TicketSecretOf;
  /** Is shown what others answer. */
  readonly watch: ShareWatch;
  /** Is given the shares of what was accepted, and own ones. */
  readonly ahead: OpenAhead;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
}

/** Ids of the transactions of a block, when somebody wants to know. */
export type IncludedIds = () => ReadonlySet<Digest>;

/** Who signs for this node at a height. */
interface OwnVoter {
  /** Consensus address. */
  readonly address: Uint8Array;
  readonly signer: ApplicationSigner;
}

/** Vote extensions of this validator and of others (docs/formats.md, "Vote extensions"). */
export class Extensions {
  readonly #dependencies: ExtensionDependencies;
  readonly #ownShares: OwnShares;
  /** Answers being made, by height and block. */
  readonly #underWay = new Map<string, Promise<Uint8Array>>();
  /** Why one could not be stored, or what broke; from then on none is made. */
  #failure: { readonly cause: unknown } | undefined;

  constructor(dependencies: ExtensionDependencies) {
    this.#dependencies = dependencies;
    const { seal: compute, ticketSecretOf: secretOf, logger } = dependencies;
    this.#ownShares = new OwnShares({ compute, secretOf, logger });
  }

  /**
   * Begins to make the shares that the next height is asked for, right when the block below it is final:
   * they are there when the vote is (spec encrypted-mempool B.3, B.4: never earlier).
   */
  committed(): void {
    const { committed, watch } = this.#dependencies;
    const height = Height(committed.nextHeight());
    // Votes for the block that is final by now still come in, and this node may propose from them.
    watch.committed(height);
    const voter = this.#voterAt(height);
    const ask = voter && this.#ownAsk(this.#context(height, EMPTY_BYTES), voter);
    if (ask !== undefined) this.#ownShares.ahead(ask);
  }

  /**
   * Own extension: the first answer for a height and block is on disk before it is returned, and is
   * given again after a crash. Without the registered key the answer is empty, which every validator
   * refuses together with the vote: such a node is not started as a validator (`keyFault`).
   * @param included ids of the transactions of the block, which are not listed any more
   */
  async extend(height: Height, blockHash: Uint8Array, included: IncludedIds): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure.cause;
    const answered = this.#dependencies.log.get(height, blockHash);
    if (answered !== undefined) return answered;
    const key = `${height}/${toHex(blockHash)}`;
    let answer = this.#underWay.get(key);
    if (answer === undefined) {
      answer = this.#answer(height, blockHash, included).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, answer);
    }
    return answer;
  }

  /**
   * Begins to make the answer for a block that was accepted: the disk is done before it is asked for.
   * @throws what an answer before it failed with, unless that came of its own block's bytes
   */
  prepare(height: Height, blockHash: Uint8Array, included: IncludedIds): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
    if (this.#voterAt(height) === undefined) return;
    this.extend(height, blockHash, included).catch((cause: unknown) => {
      // What one block's bytes bring comes again when its vote is asked for, and is nobody else's.
      if (isCodecError(cause)) return;
      this.#failure ??= { cause };
    });
  }

  async #answer(height: Height, blockHash: Uint8Array, included: IncludedIds): Promise<Uint8Array> {
    const { committed, pool, bodies, log, ahead, signers, logger, extensionBytesMax } =
      this.#dependencies;
    const voter = this.#voterAt(height);
    if (voter === undefined) {
      logger.error("no registered application key: this node's votes will not count", {
        height,
        keys: signers.map(({ publicKey }) => toHex(publicKey)),
      });
      return EMPTY_BYTES;
    }
    const context = this.#context(height, blockHash);
    const ids = included();
    const own = ownLists(voter.address, (id) => ids.has(id), { committed, pool, bodies });
    const ask = this.#ownAsk(context, voter);
    let shares = ask && (await this.#ownShares.of(ask));
    let { extension, refusal, given } = await this.#build(context, voter, own, shares);
    if (refusal !== undefined && shares !== undefined) {
      // Nobody else would take them, and they would be evidence.
      logger.error(
        "own shares are wrong: this vote abstains from opening what is sealed; data/seal_keys.json is of another key or damaged",
        { height, ...refusal },
      );
      shares = undefined;
      ({ extension, refusal, given } = await this.#build(context, voter, own, shares));
    }
    if (shares !== undefined && extension.length > extensionBytesMax) {
      // A vote that the signer cannot sign would be missed whole.
      logger.warn(
        "own shares make the vote extension larger than the signer takes: this vote abstains from opening what is sealed; use weft signer, or see priv_validator_extension_bytes",
        { height, bytes: extension.length, bytesMax: extensionBytesMax },
      );
      shares = undefined;
      ({ extension, refusal, given } = await this.#build(context, voter, own, shares));
    }
    if (refusal !== undefined) {
      // Takes a bug, which must not cost the vote.
      logger.error("own lists are refused: this vote lists nothing", { height, ...refusal });
      ({ extension, refusal, given } = await this.#build(context, voter, NOTHING_SAID, shares));
    }
    assert(refusal === undefined, `own extension is refused: ${refusal?.code}: ${refusal?.reason}`);
    await log.put(height, blockHash, extension, bodies.keep(own.txs, height));
    if (given !== undefined) ahead.add(height, voter.address, given);
    return extension;
  }

  /** An extension, and what everybody else would say of it. */
  async #build(
    context: ExtensionContext,
    { address, signer: { publicKey, sign } }: OwnVoter,
    said: SaidOfTxs,
    shares: Uint8Array | undefined,
  ): Promise<{
    readonly extension: Uint8Array;
    readonly refusal: ExtensionRefusal | undefined;
    readonly given: Shares | undefined;
  }> {
    const { extensionBytesMax } = this.#dependencies;
    const extension = await buildExtension(context, said, shares, sign, extensionBytesMax);
    const voter = { address, publicKey };
    return { extension, ...(await this.#check(context, extension, voter)) };
  }

  /** What is wrong with an extension, or the shares that it gives. */
  async #check(
    context: ExtensionContext,
    extension: Uint8Array,
    voter: Voter,
  ): Promise<{
    readonly refusal: ExtensionRefusal | undefined;
    readonly given: Shares | undefined;
  }> {
    const { verify, seal: compute } = this.#dependencies;
    const checked = checkExtension(context, extension, voter);
    const [verdict] = await verifyExtensions([checked], { verify, compute });
    assert(verdict !== undefined, "each extension has a verdict");
    if ("code" in verdict) return { refusal: verdict, given: undefined };
    return { refusal: undefined, given: verdict.shares?.shares };
  }

  /** Undefined: nothing is asked of it. */
  #ownAsk(context: ExtensionContext, { address: validator }: OwnVoter): OwnAsk | undefined {
    const asked = askedOf(context, validator);
    const { chainId, height } = context;
    return asked && { chainId, height, validator, asked };
  }

  async verify(request: VerifyVoteExtensionRequest): Promise<Verdict> {
    const { committed, watch, ahead, metrics, logger } = this.#dependencies;
    const { height, hash, validatorAddress: address, voteExtension } = request;
    const voter = { address, publicKey: committed.applicationKey(address, height) };
    const context = this.#context(height, hash);
    const { refusal, given } = await this.#check(context, voteExtension, voter);
    const { publicKey } = voter;
    watch.look({ context, address, publicKey, extension: voteExtension, refusal });
    if (refusal === undefined) {
      if (given !== undefined) ahead.add(height, address, given);
      return { accept: true };
    }
    metrics.extensionsRejected.inc({ code: refusal.code });
    if (isOfShares(refusal)) metrics.sealPartsRejected.inc({ code: refusal.code });
    logger.warn("vote extension refused", {
      validator: toHex(request.validatorAddress),
      height: request.height,
      ...refusal,
    });
    return { accept: false, reason: `${refusal.code}: ${refusal.reason}` };
  }

  /** See `WeftApplication.applicationKeyFault`. */
  keyFault(consensusAddress: Uint8Array): string | undefined {
    const { committed, signers } = this.#dependencies;
    const registered = committed.validator(consensusAddress)?.applicationKey;
    const validator = toHex(consensusAddress);
    if (registered === undefined) return `the state has no application key of ${validator}`;
    if (signers.length === 0) return `the application key of ${validator} is not configured`;
    if (signers.some(({ publicKey }) => bytesEqual(registered, publicKey))) return undefined;
    const configured = signers.map(({ publicKey }) => toHex(publicKey)).join(" or ");
    return `the configured application key is ${configured}, registered is ${toHex(registered)}`;
  }

  /** Whose key some validator signs its parts of that height with. */
  #voterAt(height: Height): OwnVoter | undefined {
    const { committed, signers } = this.#dependencies;
    if (signers.length === 0) return undefined;
    for (const validator of committed.validators()) {
      const address = fromHex(validator);
      const key = committed.applicationKey(address, height);
      const signer = key && signers.find(({ publicKey }) => bytesEqual(key, publicKey));
      if (signer !== undefined) return { address, signer };
    }
    return undefined;
  }

  #context(height: Height, blockHash: Uint8Array): ExtensionContext {
    const { committed } = this.#dependencies;
    const { chainId, blockBytesMax } = committed.requireTerms().chain;
    const validatorCount = committed.setSize(height);
    const seal = sealTermsAt(committed.staking, height);
    return { chainId, height, blockHash, validatorCount, blockBytesMax, seal };
  }
}
