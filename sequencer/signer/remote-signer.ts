/**
 * A validator key that lives in another process (spec/cometbft-v0.38.md §15.3; `privval/signer_client.go`):
 * tmkms, horcrux, `weft signer`. The node listens and the signer dials, as with CometBFT, or the other
 * way round.
 */
import type { NodeId } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { encodePrivvalMessage } from "../../proto/codec/privval-messages.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import type { PublicKey } from "../../proto/types.ts";
import { PrivValidatorError } from "../engine/privval/errors.ts";
import type { PrivValidator } from "../engine/privval/priv-validator.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { formatSignerAddress, type SignerAddress } from "./address.ts";
import { SignerError, toSignerError } from "./errors.ts";
import {
  CANDIDATES_MAX,
  COMETBFT_MESSAGE_BYTES_MAX,
  REDIAL_DELAY_MS,
  WAITING_LOG_INTERVAL_MS,
} from "./limits.ts";
import type { StreamDependencies } from "./message-stream.ts";
import type { RemoteSignerMetrics } from "./metrics.ts";
import {
  canBeExtended,
  checkPublicKey,
  createReplyChecker,
  type ReplyChecker,
} from "./reply-check.ts";
import { SignerLink } from "./signer-link.ts";
import { dialStream, listenForStreams, type SignerListener } from "./sockets.ts";

export interface RemoteSignerOptions {
  readonly chainId: string;
  /** Who dials: with "listen" the signer, with "dial" this node. */
  readonly mode: "listen" | "dial";
  readonly address: SignerAddress;
  /** Ids of connection keys that a signer may have over TCP; undefined takes any. */
  readonly allowedIds: readonly NodeId[] | undefined;
  /** The validator key that the signer must hold; undefined takes that of the first one. */
  readonly expectedKey: PublicKey | undefined;
  /** Time for one answer, and the longest wait for a connection before one attempt fails, in ms. */
  readonly timeoutMs: number;
  /** Longest wait for the first signer, in ms. */
  readonly startTimeoutMs: number;
}

export interface RemoteSignerDependencies extends StreamDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RemoteSignerMetrics;
}

export interface RemoteSigner extends PrivValidator {
  /** Where it is listened, with the port that was taken, or what is dialed. */
  readonly address: SignerAddress;
  readonly isConnected: boolean;
  close(): Promise<void>;
}

/**
 * Listens or dials. The key is known once `untilReady` resolves; until then nothing can be signed.
 * @throws SignerError SIGNER_LISTEN_FAILED
 */
export async function openRemoteSigner(
  options: RemoteSignerOptions,
  deps: RemoteSignerDependencies,
): Promise<RemoteSigner & { untilReady(): Promise<PublicKey> }> {
  const signer = new SignerElsewhere(options, deps);
  await signer.open();
  return signer;
}

class SignerElsewhere implements RemoteSigner {
  readonly #options: RemoteSignerOptions;
  readonly #deps: RemoteSignerDependencies;
  readonly #link: SignerLink;
  #listener: SignerListener | undefined;
  #publicKey: PublicKey | undefined;
  #checker: ReplyChecker | undefined;
  #redial: Cancel | undefined;
  #isClosed = false;
  #hasWarnedOfSize = false;

  constructor(options: RemoteSignerOptions, deps: RemoteSignerDependencies) {
    this.#options = options;
    this.#deps = deps;
    const { chainId, timeoutMs } = options;
    this.#link = new SignerLink(
      { chainId, timeoutMs },
      { ...deps, onPublicKey: (answer) => this.#learn(answer) },
    );
  }

  get address(): SignerAddress {
    return this.#listener?.address ?? this.#options.address;
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  async open(): Promise<void> {
    const { mode, address, allowedIds } = this.#options;
    if (mode === "dial") {
      void this.#dial();
      return;
    }
    this.#listener = await listenForStreams(
      { address, allowedIds, handshakesMax: CANDIDATES_MAX },
      {
        ...this.#deps,
        onStream: (stream) => void this.#link.offer(stream),
        onRefused: (remote, reason) => this.#link.refused(remote, reason),
      },
    );
    this.#deps.logger.info("listening for the remote signer", {
      address: formatSignerAddress(this.#listener.address),
    });
  }

  /** @throws SignerError SIGNER_START_TIMEOUT */
  async untilReady(): Promise<PublicKey> {
    const { startTimeoutMs, mode } = this.#options;
    const { clock, logger } = this.#deps;
    const address = formatSignerAddress(this.address);
    const say = (): Cancel =>
      clock.after(WAITING_LOG_INTERVAL_MS, () => {
        logger.warn("waiting for the remote signer", {
          mode,
          address,
          last: this.#link.lastFailure?.message,
        });
        timer = say();
      });
    let timer = say();
    try {
      await this.#link.untilConnected(startTimeoutMs);
    } catch (cause) {
      const last = this.#link.lastFailure;
      throw new SignerError(
        "SIGNER_START_TIMEOUT",
        `no remote signer proved its key within ${startTimeoutMs / 1_000} s (${mode === "listen" ? "listening on" : "dialing"} ${address})${last === undefined ? "; nobody came: start the signer, and check its address and the firewall" : `; the last attempt: ${last.message}`}`,
        { cause },
      );
    } finally {
      timer.cancel();
    }
    return this.publicKey();
  }

  async publicKey(): Promise<PublicKey> {
    if (this.#publicKey === undefined) throw unavailable(undefined);
    return this.#publicKey;
  }

  async signVote(
    chainId: string,
    vote: Parameters<PrivValidator["signVote"]>[1],
    isExtended: boolean,
    signal?: AbortSignal,
  ): ReturnType<PrivValidator["signVote"]> {
    const extension = isExtended && canBeExtended(vote) ? vote.extension : EMPTY_BYTES;
    const asked = { ...vote, extension };
    const answer = await this.#ask(
      { kind: "signVoteRequest", vote: asked, chainId },
      "vote",
      signal,
    );
    return this.#checked((checker) => checker.vote(asked, isExtended, answer));
  }

  async signProposal(
    chainId: string,
    proposal: Parameters<PrivValidator["signProposal"]>[1],
    signal?: AbortSignal,
  ): ReturnType<PrivValidator["signProposal"]> {
    const request = { kind: "signProposalRequest", proposal, chainId } as const;
    const answer = await this.#ask(request, "proposal", signal);
    return this.#checked((checker) => checker.proposal(proposal, answer));
  }

  /** It answers only what it remembers. */
  settled(): Promise<void> {
    return Promise.resolve();
  }

  /** It remembers by itself what it answered. */
  remember(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#redial?.cancel();
    this.#link.stop();
    await this.#listener?.stop();
  }

  async #ask(
    request: PrivvalMessage,
    kind: "vote" | "proposal",
    signal: AbortSignal | undefined,
  ): Promise<PrivvalMessage> {
    const { clock, metrics } = this.#deps;
    this.#warnOfSize(request);
    const started = clock.monotonicMs();
    try {
      const answer = await this.#link.ask(request, signal);
      metrics.requestSeconds.observe((clock.monotonicMs() - started) / 1_000, { kind });
      return answer;
    } catch (error) {
      const reason = toSignerError(error, "SIGNER_CLOSED", "the remote signer failed");
      metrics.failures.inc({ reason: reason.code });
      throw unavailable(reason);
    }
  }

  #checked<T>(check: (checker: ReplyChecker) => T): T {
    if (this.#checker === undefined) throw unavailable(undefined);
    try {
      return check(this.#checker);
    } catch (error) {
      if (error instanceof PrivValidatorError) {
        this.#deps.metrics.failures.inc({ reason: error.code });
        if (error.code === "PRIVVAL_BAD_REPLY") {
          this.#link.drop(new SignerError("SIGNER_MESSAGE_INVALID", error.message));
        }
      }
      throw error;
    }
  }

  /** The first key that is told is the key of this process, or the expected one from the beginning. */
  #learn(answer: PrivvalMessage): void {
    const key = checkPublicKey(answer, this.#publicKey ?? this.#options.expectedKey);
    if (this.#publicKey !== undefined) return;
    const { chainId } = this.#options;
    this.#publicKey = key;
    this.#checker = createReplyChecker({ chainId, publicKey: key }, this.#deps);
    this.#deps.logger.info("remote signer's validator key", { publicKey: toHex(key.bytes) });
  }

  async #dial(): Promise<void> {
    const { address, allowedIds } = this.#options;
    try {
      await this.#link.offer(await dialStream(address, allowedIds, this.#deps));
    } catch (error) {
      const reason = toSignerError(error, "SIGNER_DIAL_FAILED", "dialing failed");
      this.#link.refused(formatSignerAddress(address), reason);
    }
    if (this.#isClosed) return;
    this.#redial = this.#deps.clock.after(REDIAL_DELAY_MS, () => void this.#dial());
  }

  #warnOfSize(request: PrivvalMessage): void {
    if (this.#hasWarnedOfSize || !("vote" in request)) return;
    if (request.vote.extension.length < COMETBFT_MESSAGE_BYTES_MAX / 2) return;
    const bytes = encodePrivvalMessage(request).length;
    if (bytes <= COMETBFT_MESSAGE_BYTES_MAX) return;
    this.#hasWarnedOfSize = true;
    this.#deps.logger.warn("vote extension larger than CometBFT's signers take", {
      bytes,
      bytesMax: COMETBFT_MESSAGE_BYTES_MAX,
    });
  }
}

function unavailable(cause: SignerError | undefined): PrivValidatorError {
  return new PrivValidatorError(
    { code: "PRIVVAL_UNAVAILABLE" },
    `the remote signer cannot be asked: ${cause?.message ?? "none has come yet"}`,
    { cause },
  );
}
