/** Whether blocks come, from what CometBFT's JSON-RPC says: for people who wait for one. */
import { HEAD_OLD_AFTER_MS } from "./limits.ts";

/** The parts of `status` and `consensus_state` that are read here; anything may be missing. */
export interface PulseSource {
  readonly sync_info?: {
    readonly latest_block_height?: string;
    readonly latest_block_time?: string;
    readonly catching_up?: boolean;
  };
}

export interface RoundState {
  readonly "height/round/step"?: string;
  readonly height_vote_set?: readonly {
    readonly round?: number;
    readonly prevotes_bit_array?: string;
    readonly precommits_bit_array?: string;
  }[];
}

/** Milliseconds since the time of the last block; undefined before the first one. */
export function headAgeMs(status: PulseSource, nowMs: number): number | undefined {
  const { latest_block_height: height, latest_block_time: time } = status.sync_info ?? {};
  const at = time === undefined ? Number.NaN : Date.parse(time);
  if (Number.isNaN(at) || height === undefined || height === "0") return undefined;
  return Math.max(0, nowMs - at);
}

/** Whether the head is so old that somebody should look; block sync is looked at by itself. */
export function isHeadOld(status: PulseSource, nowMs: number): boolean {
  return (
    status.sync_info?.catching_up !== true && (headAgeMs(status, nowMs) ?? 0) > HEAD_OLD_AFTER_MS
  );
}

/** One sentence on a head that does not move: where consensus stands and how many votes it has. */
export function describeOldHead(
  status: PulseSource,
  round: RoundState | undefined,
  nowMs: number,
): string {
  const seconds = Math.round((headAgeMs(status, nowMs) ?? 0) / 1_000);
  const [height, number, step] = round?.["height/round/step"]?.split("/") ?? [];
  const votes = round?.height_vote_set?.find((set) => String(set.round) === number);
  const parts = [`no block for ${seconds} s: the chain stands, or this node is cut off from it`];
  if (height !== undefined) {
    parts.push(`height ${height} is in round ${number}, step ${STEPS[Number(step)] ?? step}`);
  }
  const prevotes = powerOf(votes?.prevotes_bit_array);
  const precommits = powerOf(votes?.precommits_bit_array);
  if (prevotes !== undefined) {
    parts.push(`prevotes of ${prevotes} of the power are here, precommits of ${precommits ?? "?"}`);
  }
  parts.push("it needs those of more than 2/3");
  return parts.join("; ");
}

/** `BA{4:xx__} 20/40 = 0.50` -> `20/40`. */
function powerOf(bitArray: string | undefined): string | undefined {
  return /\} (\d+\/\d+)/.exec(bitArray ?? "")?.[1];
}

const STEPS = [
  "",
  "new height",
  "new round",
  "propose",
  "prevote",
  "prevote wait",
  "precommit",
  "precommit wait",
  "commit",
];
