/** A rollup's policy on the command line: what is not named stays as it is. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import { EXECUTOR_KEYS_MAX, Ordering, type RollupPolicy } from "../../proto/codec/rollup-policy.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { ROLLUP_BPS_MIN } from "../../mev/revenue/ledger.ts";
import { amountOption, parseCount, parseHexBytes, parseRollupName } from "./options.ts";

/** See `addPolicyOptions`; absent: not named. */
export interface PolicyOptions {
  readonly ordering?: Ordering;
  readonly sealedOnly?: boolean;
  readonly auction?: boolean;
  readonly reserve?: bigint;
  readonly revenueShareBps?: number;
  readonly executorKey?: readonly Uint8Array[];
  readonly bundles?: boolean;
  readonly auctionLeader?: Uint8Array;
  readonly auctionMembers?: readonly Uint8Array[];
  readonly secondPrice?: boolean;
  readonly executorQuorum?: number;
  readonly atomicPartners?: readonly Uint8Array[];
}

const ORDERINGS: Readonly<Record<string, Ordering>> = {
  "commit-order": Ordering.COMMIT_ORDER,
  "sealed-random": Ordering.SEALED_RANDOM,
  "priority-fee": Ordering.PRIORITY_FEE,
};
/** A policy as the command line writes it. */
export function printablePolicy(policy: RollupPolicy): object {
  const named = Object.entries(ORDERINGS).find(([, value]) => value === policy.ordering);
  return { ...policy, ordering: named?.[0] ?? policy.ordering };
}

/** What clears a list or a leader. */
const NONE = "none";

/** Adds an option for each field of a policy. */
export function addPolicyOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--ordering <order>",
        `how its transactions of a block are ordered: ${Object.keys(ORDERINGS).join(", ")}`,
      ).argParser(parseOrdering),
    )
    .addOption(switchOption("--sealed-only <on|off>", "take sealed transactions only"))
    .addOption(switchOption("--bundles <on|off>", "take bundles"))
    .addOption(switchOption("--auction <on|off>", "sell the top of each block"))
    .addOption(amountOption("--reserve <nweft>", "least price of the top of a block"))
    .option(
      "--auction-leader <rollup>",
      `rollup in whose group it sells, or ${NONE} for its own`,
      parseLeader,
    )
    .option(
      "--auction-members <rollup...>",
      `the others of the group that it leads, or ${NONE}; each has to name it as leader`,
      appendRollup,
    )
    .addOption(
      switchOption(
        "--second-price <on|off>",
        "winners pay the second bid; only of a rollup that sells alone",
      ),
    )
    .option(
      "--revenue-share-bps <n>",
      "its share of auctions and tips in basis points, 5000 at least; 0: the chain's parameter",
      parseShare,
    )
    .option("--executor-key <hex...>", "keys of its executors, 32 bytes each", appendKey)
    .option(
      "--executor-quorum <n>",
      "executors that have to vote the same about an atomic bundle, more than half of them; 0: none are taken",
      parseCount(0, EXECUTOR_KEYS_MAX),
    )
    .option(
      "--atomic-partners <rollup...>",
      `the only rollups that it lets itself be bundled with for atomic execution, or ${NONE} for any`,
      appendRollup,
    );
}

/** `base` with what the options name. */
export function policyOf(base: RollupPolicy, options: PolicyOptions): RollupPolicy {
  const { bundles, executorKey, auctionMembers, atomicPartners } = options;
  return {
    ordering: options.ordering ?? base.ordering,
    sealedOnly: options.sealedOnly ?? base.sealedOnly,
    auction: options.auction ?? base.auction,
    reserve: options.reserve ?? base.reserve,
    revenueShareBps: options.revenueShareBps ?? base.revenueShareBps,
    executorKeys: executorKey?.toSorted(compareBytes) ?? base.executorKeys,
    bundlesOff: bundles === undefined ? base.bundlesOff : !bundles,
    auctionLeader: options.auctionLeader ?? base.auctionLeader,
    auctionMembers: auctionMembers?.toSorted(compareBytes) ?? base.auctionMembers,
    secondPrice: options.secondPrice ?? base.secondPrice,
    executorQuorum: options.executorQuorum ?? base.executorQuorum,
    atomicPartners: atomicPartners?.toSorted(compareBytes) ?? base.atomicPartners,
  };
}

function switchOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (text === "on" || text === "off") return text === "on";
    throw new InvalidArgumentError("expected on or off");
  });
}

function parseOrdering(text: string): Ordering {
  const ordering = ORDERINGS[text];
  if (ordering !== undefined) return ordering;
  throw new InvalidArgumentError(`expected one of ${Object.keys(ORDERINGS).join(", ")}`);
}

/** The chain takes less too, and gives `ROLLUP_BPS_MIN` for it: here it is a mistake. */
function parseShare(text: string): number {
  const share = parseCount(0, 10_000)(text);
  if (share === 0 || share >= ROLLUP_BPS_MIN) return share;
  throw new InvalidArgumentError(
    `expected 0 or a number from ${ROLLUP_BPS_MIN} to 10000, got ${share}`,
  );
}

function parseLeader(text: string): Uint8Array {
  return text === NONE ? EMPTY_BYTES : rollupIdOfName(parseRollupName(text));
}

function appendRollup(text: string, before: readonly Uint8Array[] = []): readonly Uint8Array[] {
  return text === NONE ? before : [...before, rollupIdOfName(parseRollupName(text))];
}

function appendKey(text: string, before: readonly Uint8Array[] = []): readonly Uint8Array[] {
  return [...before, parseHexBytes(32)(text)];
}
