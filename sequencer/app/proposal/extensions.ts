import { buildExtension, type ExtensionContext, verifyExtension } from "../../../mev/extension.ts";
import type { VerifySignatures } from "../../../mev/signatures.ts";
import type { Height } from "../../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import { assert } from "../../../proto/errors.ts";
import type { Verdict, VerifyVoteExtensionRequest } from "../../abci/application.ts";
import type { Logger } from "../../ports/logger.ts";
import type { AppMetrics } from "../metrics.ts";
import type { CommittedState } from "../state/committed-state.ts";
import type { ApplicationSigner } from "../weft-application.ts";
import type { ExtensionLog } from "./extension-log.ts";

export interface ExtensionDependencies {
  readonly committed: CommittedState;
  readonly log: ExtensionLog;
  /** The validator's application keys: the one that it has, and the one that it takes next. */
  readonly signers: readonly ApplicationSigner[];
  readonly verify: VerifySignatures;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
}

/** Vote extensions of this validator and of others (docs/formats.md, "Vote extensions"). */
export class Extensions {
  readonly #dependencies: ExtensionDependencies;
  /** Answers being made, by height and block. */
  readonly #underWay = new Map<string, Promise<Uint8Array>>();
  /** Why one could not be made; from then on none is. */
  #failure: { readonly cause: unknown } | undefined;

  constructor(dependencies: ExtensionDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Own extension: the first answer for a height and block is on disk before it is returned, and is
   * given again after a crash. Without the registered key the answer is empty, which every validator
   * refuses together with the vote: such a node is not started as a validator (`keyFault`).
   */
  async extend(height: Height, blockHash: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure.cause;
    const answered = this.#dependencies.log.get(height, blockHash);
    if (answered !== undefined) return answered;
    const key = `${height}/${toHex(blockHash)}`;
    let answer = this.#underWay.get(key);
    if (answer === undefined) {
      answer = this.#answer(height, blockHash).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, answer);
    }
    return answer;
  }

  /**
   * Begins to make the answer for a block that was accepted: the disk is done before it is asked for.
   * @throws what an answer before it failed with
   */
  prepare(height: Height, blockHash: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
    if (this.#signerAt(height) === undefined) return;
    this.extend(height, blockHash).catch((cause: unknown) => {
      this.#failure ??= { cause };
    });
  }

  async #answer(height: Height, blockHash: Uint8Array): Promise<Uint8Array> {
    const { log, signers, logger, verify } = this.#dependencies;
    const signer = this.#signerAt(height);
    if (signer === undefined) {
      logger.error("no registered application key: this node's votes will not count", {
        height,
        keys: signers.map(({ publicKey }) => toHex(publicKey)),
      });
      return EMPTY_BYTES;
    }
    const context = this.#context(height, blockHash);
    const extension = await buildExtension(context, [], signer.sign);
    const refusal = await verifyExtension(context, extension, signer.publicKey, verify);
    assert(refusal === undefined, `own extension is refused: ${refusal?.code}: ${refusal?.reason}`);
    await log.put(height, blockHash, extension);
    return extension;
  }

  async verify(request: VerifyVoteExtensionRequest): Promise<Verdict> {
    const { committed, verify, metrics, logger } = this.#dependencies;
    const refusal = await verifyExtension(
      this.#context(request.height, request.hash),
      request.voteExtension,
      committed.applicationKey(request.validatorAddress, request.height),
      verify,
    );
    if (refusal === undefined) return { accept: true };
    metrics.extensionsRejected.inc({ code: refusal.code });
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
  #signerAt(height: Height): ApplicationSigner | undefined {
    const { committed, signers } = this.#dependencies;
    if (signers.length === 0) return undefined;
    for (const address of committed.validators()) {
      const key = committed.applicationKey(fromHex(address), height);
      const signer = key && signers.find(({ publicKey }) => bytesEqual(key, publicKey));
      if (signer !== undefined) return signer;
    }
    return undefined;
  }

  #context(height: Height, blockHash: Uint8Array): ExtensionContext {
    const { committed } = this.#dependencies;
    const { chainId, blockBytesMax } = committed.requireTerms().chain;
    const validatorCount = committed.setSize(height);
    return { chainId, height, blockHash, validatorCount, blockBytesMax };
  }
}
