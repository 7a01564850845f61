/**
 * What CometBFT says of itself, asked now and then: how far it is, whom it is connected to, and what its
 * consensus waits for when no block comes.
 */
import { Height } from "../../proto/brands.ts";
import { SignedMsgType, type ValidatorSet } from "../../proto/types.ts";
import type { CometChain, CometRound, CometStatus } from "../cometbft/chain-reader.ts";
import { PEERS_POLL_MS, QUIET_MS, STATUS_POLL_MS } from "../cometbft/limits.ts";
import { Step } from "../consensus/step.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { RoundPlace } from "./round-place.ts";

export interface CometWatch {
  /** Asks once; then again and again, until `stop`. */
  start(): Promise<CometStatus>;
  stop(): void;
  /** A block was applied: what consensus waited for is past. */
  progressed(): void;
  /** The last answer; undefined before the first. */
  status(): CometStatus | undefined;
  peers(): number;
  /** Where consensus is. Undefined while blocks are fetched; without detail while blocks come. */
  place(): RoundPlace | undefined;
}

export function createCometWatch(deps: {
  readonly chain: CometChain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onStatus: (status: CometStatus) => void;
}): CometWatch {
  const { chain, clock, logger } = deps;
  let status: CometStatus | undefined;
  let peers = 0;
  let askedPeersMs = Number.NEGATIVE_INFINITY;
  let progressedMs = clock.monotonicMs();
  let place: RoundPlace | undefined;
  let timer: Cancel | undefined;
  let isStopped = true;

  async function look(): Promise<CometStatus> {
    const answer = await chain.status();
    const now = clock.monotonicMs();
    if (now - askedPeersMs >= PEERS_POLL_MS) {
      askedPeersMs = now;
      peers = await chain.peerCount();
    }
    const isQuiet = !answer.isCatchingUp && now - progressedMs >= QUIET_MS;
    place = isQuiet ? await readPlace(chain) : undefined;
    status = answer;
    deps.onStatus(answer);
    return answer;
  }

  function lookAgain(): void {
    timer = clock.after(STATUS_POLL_MS, () => {
      look()
        // It goes on; when CometBFT has ended its supervisor stops this.
        .catch((error: unknown) => logger.warn("no status of CometBFT", { error: String(error) }))
        .finally(() => {
          if (!isStopped) lookAgain();
        });
    });
  }

  return {
    async start() {
      isStopped = false;
      const first = await look();
      timer?.cancel();
      if (!isStopped) lookAgain();
      return first;
    },
    stop() {
      isStopped = true;
      timer?.cancel();
    },
    progressed() {
      progressedMs = clock.monotonicMs();
      place = undefined;
    },
    status: () => status,
    peers: () => peers,
    place() {
      if (status === undefined || status.isCatchingUp) return undefined;
      return place ?? UNDER_WAY;
    },
  };
}

const NO_VALIDATORS = { validators: [], totalVotingPower: 0n };

/** Consensus runs, and nothing is known to be amiss. */
const UNDER_WAY: RoundPlace = {
  height: 0,
  round: 0,
  step: Step.NEW_HEIGHT,
  validators: NO_VALIDATORS,
  votes: () => undefined,
};

/** Where a node's consensus is, by its RPC; undefined when it does not tell its validators. */
export async function readPlace(
  chain: Pick<CometChain, "round" | "validators">,
): Promise<RoundPlace | undefined> {
  const round = await chain.round();
  const validators = await chain.validators(Height(round.height));
  return validators && placeOf(round, validators);
}

function placeOf(round: CometRound, validators: ValidatorSet): RoundPlace {
  return {
    height: round.height,
    round: round.round,
    step: Object.values(Step).find((step) => step === round.step) ?? Step.NEW_HEIGHT,
    validators,
    votes(_round, type) {
      const areThere = type === SignedMsgType.PREVOTE ? round.prevotes : round.precommits;
      return { voteAt: (index) => areThere[index] || undefined };
    },
  };
}
