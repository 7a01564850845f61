/**
 * The process that holds the key (`privval/signer_server.go`): connects to nodes or is connected to,
 * and answers their requests one after the other, whoever asks; the guard of the key decides.
 */
import type { NodeId } from "../../proto/brands.ts";
import { assertNever } from "../../proto/errors.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import { SignedMsgType, type Vote } from "../../proto/types.ts";
import { PrivValidatorError } from "../engine/privval/errors.ts";
import type { PrivValidator } from "../engine/privval/priv-validator.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { formatSignerAddress, type SignerAddress } from "./address.ts";
import { SignerError, toSignerError } from "./errors.ts";
import {
  CANDIDATES_MAX,
  REDIAL_DELAY_MS,
  SIGNER_CONNECTIONS_MAX,
  SIGNER_IDLE_MS,
  SIGNER_REQUESTS_MAX,
} from "./limits.ts";
import type { MessageStream, StreamDependencies } from "./message-stream.ts";
import type { SignerProcessMetrics } from "./metrics.ts";
import { canBeExtended } from "./reply-check.ts";
import { dialStream, listenForStreams, type SignerListener } from "./sockets.ts";

export interface SignerServiceOptions {
  /** The one chain that is signed for. */
  readonly chainId: string;
  /** Nodes to dial. */
  readonly connect: readonly SignerAddress[];
  /** Where nodes may dial. */
  readonly listen: readonly SignerAddress[];
  /** Ids of connection keys of nodes that may dial over TCP. */
  readonly allowedIds: readonly NodeId[];
}

export interface SignerServiceDependencies extends StreamDependencies {
  readonly privValidator: PrivValidator;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: SignerProcessMetrics;
}

export interface SignerService {
  /** @throws SignerError SIGNER_LISTEN_FAILED */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** What is listened on, with the ports that were taken. */
  readonly addresses: readonly SignerAddress[];
  readonly connections: number;
  /** Why nothing is signed any more; undefined while all is well. */
  readonly failure: string | undefined;
}

export function createSignerService(
  options: SignerServiceOptions,
  deps: SignerServiceDependencies,
): SignerService {
  return new Service(options, deps);
}

class Service implements SignerService {
  readonly #options: SignerServiceOptions;
  readonly #deps: SignerServiceDependencies;
  readonly #listeners: SignerListener[] = [];
  readonly #streams = new Set<MessageStream>();
  readonly #redials = new Map<SignerAddress, Cancel>();
  #isStopped = false;
  #failure: string | undefined;
  #lastSignedHeight = 0;

  constructor(options: SignerServiceOptions, deps: SignerServiceDependencies) {
    this.#options = options;
    this.#deps = deps;
    deps.metrics.connections.set(0);
  }

  get addresses(): readonly SignerAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  get connections(): number {
    return this.#streams.size;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  async start(): Promise<void> {
    const { connect, listen, allowedIds } = this.#options;
    for (const address of listen) {
      const listener = await listenForStreams(
        { address, allowedIds, handshakesMax: CANDIDATES_MAX },
        {
          ...this.#deps,
          onStream: (stream) => void this.#serve(stream),
          onRefused: (remote, reason) => this.#failed(remote, reason, "warn"),
        },
      );
      this.#listeners.push(listener);
      this.#deps.logger.info("listening for nodes", {
        address: formatSignerAddress(listener.address),
      });
    }
    for (const address of connect) void this.#dial(address, undefined);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const redial of this.#redials.values()) redial.cancel();
    for (const stream of this.#streams) stream.close(stopped());
    for (const listener of this.#listeners) await listener.stop();
  }

  async #dial(address: SignerAddress, lastFault: string | undefined): Promise<void> {
    let fault: string | undefined;
    try {
      const stream = await dialStream(address, undefined, this.#deps);
      await this.#serve(stream);
    } catch (error) {
      const reason = toSignerError(error, "SIGNER_DIAL_FAILED", "dialing failed");
      fault = reason.message;
      // A node that is down is dialed until it is there; said once.
      const level = fault === lastFault ? "debug" : "warn";
      this.#failed(formatSignerAddress(address), reason, level);
    }
    if (this.#isStopped) return;
    const again = this.#deps.clock.after(REDIAL_DELAY_MS, () => void this.#dial(address, fault));
    this.#redials.set(address, again);
  }

  /** Answers until the connection ends. */
  async #serve(stream: MessageStream): Promise<void> {
    const { clock, logger, metrics } = this.#deps;
    const ended = new Promise<SignerError>((resolve) => stream.onClose(resolve));
    if (this.#isStopped || this.#streams.size >= SIGNER_CONNECTIONS_MAX) {
      stream.close(this.#isStopped ? stopped() : new SignerError("SIGNER_BUSY", "no room"));
      return;
    }
    this.#streams.add(stream);
    metrics.connections.set(this.#streams.size);
    logger.info("connected to a node", { remote: stream.remote, id: stream.remoteId });
    let idle: Cancel | undefined;
    const watch = (): void => {
      idle?.cancel();
      idle = clock.after(SIGNER_IDLE_MS, () =>
        stream.close(
          new SignerError("SIGNER_TIMEOUT", `no whole message within ${SIGNER_IDLE_MS} ms`),
        ),
      );
    };
    let waiting = 0;
    let tail: Promise<void> = Promise.resolve();
    watch();
    stream.onMessage((message) => {
      watch();
      if (waiting >= SIGNER_REQUESTS_MAX) {
        stream.close(new SignerError("SIGNER_BUSY", `${waiting} requests without waiting`));
        return;
      }
      waiting += 1;
      tail = tail.then(async () => {
        const answer = await this.#answer(message, stream);
        waiting -= 1;
        if (answer !== undefined) stream.send(answer);
      });
    });
    const reason = await ended;
    idle?.cancel();
    this.#streams.delete(stream);
    metrics.connections.set(this.#streams.size);
    if (!this.#isStopped) this.#failed(stream.remote, reason, "warn");
  }

  #failed(remote: string, reason: SignerError, level: "warn" | "debug"): void {
    if (this.#isStopped) return;
    const { code, message } = reason;
    this.#deps.metrics.failed.inc({ reason: code });
    this.#deps.logger[level]("no connection with a node", { remote, code, reason: message });
  }

  /** Undefined when the message is no request; the connection is closed then. */
  async #answer(
    message: PrivvalMessage,
    stream: MessageStream,
  ): Promise<PrivvalMessage | undefined> {
    switch (message.kind) {
      case "pingRequest":
        return { kind: "pingResponse" };
      case "publicKeyRequest":
        return this.#publicKey(message.chainId, stream);
      case "signVoteRequest": {
        const { vote, chainId } = message;
        const kind = vote.type === SignedMsgType.PRECOMMIT ? "precommit" : "prevote";
        const sign = async (): Promise<PrivvalMessage> => ({
          kind: "signedVoteResponse",
          vote: await this.#signVote(vote),
        });
        return this.#signed(sign, "voteRefused", { kind, chainId, height: vote.height }, stream);
      }
      case "signProposalRequest": {
        const { proposal, chainId } = message;
        const { privValidator } = this.#deps;
        const sign = async (): Promise<PrivvalMessage> => ({
          kind: "signedProposalResponse",
          proposal: await privValidator.signProposal(this.#options.chainId, proposal),
        });
        const what = { kind: "proposal", chainId, height: proposal.height };
        return this.#signed(sign, "proposalRefused", what, stream);
      }
      case "publicKeyResponse":
      case "publicKeyRefused":
      case "signedVoteResponse":
      case "voteRefused":
      case "signedProposalResponse":
      case "proposalRefused":
      case "pingResponse":
        stream.close(
          new SignerError("SIGNER_MESSAGE_INVALID", `expected a request, got ${message.kind}`),
        );
        return undefined;
      default:
        return assertNever(message, "privval message");
    }
  }

  async #publicKey(chainId: string, stream: MessageStream): Promise<PrivvalMessage> {
    const fault = this.#chainFault(chainId);
    if (fault === undefined) {
      const publicKey = await this.#deps.privValidator.publicKey();
      return { kind: "publicKeyResponse", publicKey };
    }
    this.#deps.logger.error("public key not told", { remote: stream.remote, reason: fault });
    return { kind: "publicKeyRefused", error: { code: 0, description: fault } };
  }

  async #signVote(vote: Vote): Promise<Vote> {
    const isExtended = canBeExtended(vote);
    if (!isExtended && vote.extension.length > 0) {
      throw new RangeError("a vote extension belongs to a precommit of a block");
    }
    // Made for every precommit of a block, empty extensions too; a node that does not want it drops it.
    return this.#deps.privValidator.signVote(this.#options.chainId, vote, isExtended);
  }

  async #signed(
    sign: () => Promise<PrivvalMessage>,
    refusal: "voteRefused" | "proposalRefused",
    what: { readonly kind: string; readonly chainId: string; readonly height: number },
    stream: MessageStream,
  ): Promise<PrivvalMessage> {
    const { clock, logger, metrics } = this.#deps;
    const { kind, chainId, height } = what;
    const started = clock.monotonicMs();
    try {
      const fault = this.#chainFault(chainId);
      if (fault !== undefined) throw new RangeError(fault);
      const answer = await sign();
      await this.#deps.privValidator.settled();
      metrics.answers.inc({ kind, result: "signed" });
      this.#lastSignedHeight = Math.max(this.#lastSignedHeight, height);
      metrics.lastSignedHeight.set(this.#lastSignedHeight);
      metrics.signSeconds.observe((clock.monotonicMs() - started) / 1_000, { kind });
      logger.debug("signed", { kind, height, remote: stream.remote });
      return answer;
    } catch (error) {
      // Whatever the reason, the node gets it as an answer, and no signature.
      const description = error instanceof Error ? error.message : String(error);
      if (error instanceof PrivValidatorError && error.code === "PRIVVAL_PERSIST_FAILED") {
        this.#failure = description;
      }
      metrics.answers.inc({ kind, result: "refused" });
      logger.error("refused to sign", {
        kind,
        height,
        remote: stream.remote,
        reason: description,
      });
      return { kind: refusal, error: { code: 0, description } };
    }
  }

  #chainFault(chainId: string): string | undefined {
    const { chainId: own } = this.#options;
    return chainId === own ? undefined : `this signer serves chain ${own}, not ${brief(chainId)}`;
  }
}

function brief(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function stopped(): SignerError {
  return new SignerError("SIGNER_CLOSED", "this side stops");
}
