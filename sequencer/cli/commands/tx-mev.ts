/** `weft tx bundle`, `cancel-bundle`, `bid`, `escrow`, `executor`: data that rollups take together, or at the top of a block. */
import { type Command, Option } from "commander";
import { idOfBundle } from "../../../mev/manifest.ts";
import { createGroup } from "../../../mev/seal/group/group.ts";
import { sealBid, sealBundle } from "../../../mev/seal/sealed-content.ts";
import { createTdh2 } from "../../../mev/seal/tdh2.ts";
import { Height } from "../../../proto/brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import {
  type AtomicTerms,
  type Bundle,
  CANCEL_AHEAD_MAX,
  LEG_LOCKS_MAX,
  type RevertMode,
  VOTE_BLOCKS_MAX,
} from "../../../proto/codec/mev-tx.ts";
import { SEAL_BUCKET_MAX } from "../../../proto/codec/seal-tx.ts";
import { AMOUNT_LIMIT } from "../../../proto/codec/weft-basics.ts";
import { rollupData, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { sealingTerms, sealRandomness } from "../../../rollup-adapter/client/seal-transaction.ts";
import {
  addLegOption,
  addWindowOptions,
  appendRevert,
  appendTip,
  type LegOptions,
  legsOf,
  type Named,
  type NamedLeg,
  parseKey,
  replacementOf,
  type WindowOptions,
  windowOf,
} from "../bundle-options.ts";
import { cliError } from "../cli-error.ts";
import { addTxOptions, parseAmount, parseCount, parseNweft, parseRollupName } from "../options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";
import { shellWord } from "../../ports/shell-word.ts";

export function registerMevTx(tx: Command): void {
  registerBundle(tx);
  registerCancel(tx);
  registerBid(tx);
  registerEscrow(tx);
  registerExecutor(tx);
}

interface BundleOptions extends WindowOptions, LegOptions {
  readonly revert?: readonly Named<RevertMode>[];
  readonly legTip?: readonly Named<bigint>[];
  readonly key?: Uint8Array;
  readonly sequence?: bigint;
  readonly cancelNonce: bigint;
  readonly plain: boolean;
  readonly atomic: boolean;
  readonly voteBlocks: number;
  readonly locks: number;
}

/** Blocks that executors have for their votes, and locks of a leg, where nobody says. */
const VOTE_BLOCKS = 8;
const LEG_LOCKS = 32;

/** Of level 1, the same for all legs. */
function termsOf(
  { atomic, voteBlocks, locks }: BundleOptions,
  legs: number,
): AtomicTerms | undefined {
  if (!atomic) return undefined;
  return { voteBlocks, locks: Array.from({ length: legs }, () => locks) };
}

function registerBundle(tx: Command): void {
  addWindowOptions(
    addLegOption(
      addTxOptions(
        tx
          .command("bundle")
          .description(
            "put data into the order of several rollups, in one block or in none; sealed, unless --plain",
          ),
      ),
    ),
  )
    .option(
      "--revert <rollup=mode>",
      "what executors may do with data that reverts: allow (default), drop or fail",
      appendRevert,
    )
    .option("--leg-tip <rollup=nweft>", "what the place in that rollup is worth to you", appendTip)
    .option(
      "--key <key>",
      "replacement key, 16 bytes in hex or a UUID: of its bundles only one gets into a block",
      parseKey,
    )
    .option(
      "--sequence <n>",
      "with --key: the highest replaces the others; default: the time in milliseconds",
      parseAmount,
    )
    .addOption(
      new Option("--cancel-nonce <n>", "void once you have cancelled all below a higher one")
        .argParser(parseAmount)
        .default(0n, "0"),
    )
    .option("--plain", "in the clear: whoever sees it before its block can copy it", false)
    .option("--atomic", "level 1: the rollups' executors run all of it or none of it", false)
    .option(
      "--vote-blocks <n>",
      "with --atomic: blocks that executors have for their votes",
      parseCount(1, VOTE_BLOCKS_MAX),
      VOTE_BLOCKS,
    )
    .option(
      "--locks <n>",
      "with --atomic: the most that each leg may lock; you have a bond for each and pay by the block; a lock stands for 100,000 gas",
      parseCount(1, LEG_LOCKS_MAX),
      LEG_LOCKS,
    )
    .action(async (options: BundleOptions, command: Command) => {
      const legs = legsOf(options.leg, options.revert, options.legTip);
      const replacement = replacementOf(options.key, options.sequence);
      const { cancelNonce } = options;
      const of = { replacement, cancelNonce, atomic: termsOf(options, legs.length) };
      const told = replacement === undefined ? {} : { sequence: replacement.sequence };
      if (options.plain) return sendPlain(options, command, legs, of, told);
      const tdh2 = createTdh2(createGroup());
      const randomness = sealRandomness();
      const { seed } = randomness;
      await sendTx(
        { ...options, isSealed: true },
        command,
        async ({ publicKey }, chainId, { replay, fee, client, height }) => {
          const key = await client.sealKey();
          return orUsage(() => {
            const sealing = sealingTerms(key);
            const window = windowOf(options, height, sealing.maxHeight);
            const terms = { chainId, publicKey, replay, fee, ...sealing, ...window, ...of, legs };
            return sealBundle(tdh2, terms, randomness);
          });
        },
        ({ id }, status) => ({
          bundleId: id,
          ...told,
          ...(status?.sealing?.state === "opened" ? {} : { seed: toHex(seed) }),
        }),
      );
    });
}

async function sendPlain(
  options: BundleOptions,
  command: Command,
  legs: readonly NamedLeg[],
  of: Pick<Bundle, "replacement" | "cancelNonce" | "atomic">,
  told: object,
): Promise<void> {
  const withPayloads = orUsage(() =>
    legs
      .map(({ data, ...leg }) => ({ ...leg, payload: rollupData(leg.rollupId, data).payload }))
      .sort((a, b) => compareBytes(a.rollupId, b.rollupId)),
  );
  await sendTx(
    options,
    command,
    (_key, _chainId, { height }): Bundle => ({
      kind: "bundle",
      legs: withPayloads,
      ...windowOf(options, height),
      ...of,
    }),
    ({ chainId, id }) => ({
      bundleId: toHex(idOfBundle(chainId, { legs: withPayloads, atomic: of.atomic }, fromHex(id))),
      ...told,
    }),
  );
}

interface CancelOptions extends TxOptions {
  readonly key?: Uint8Array;
  readonly sequence?: bigint;
  readonly until?: number;
  readonly below?: bigint;
}

function registerCancel(tx: Command): void {
  addTxOptions(
    tx
      .command("cancel-bundle")
      .description(
        "void bundles of yours: those of a replacement key, or all below a cancel nonce; pools drop them at once, blocks may not hold them from then on",
      )
      .option("--key <key>", "their replacement key", parseKey)
      .option(
        "--sequence <n>",
        "with --key: up to this sequence, itself included; default: all",
        parseAmount,
      )
      .option(
        "--until <height>",
        `with --key: how long that holds; default: the longest, ${CANCEL_AHEAD_MAX} blocks`,
        parseCount(1, Number.MAX_SAFE_INTEGER),
      )
      .option(
        "--below <nonce>",
        "instead of --key: all with a smaller cancel nonce; may only rise",
        parseAmount,
      ),
  ).action((options: CancelOptions, command: Command) => {
    const { key, sequence = AMOUNT_LIMIT - 1n, until, below } = options;
    if ((key === undefined) === (below === undefined)) {
      throw cliError("USAGE", "expected either --key or --below");
    }
    return sendTx(options, command, (_key, _chainId, { height }) => {
      if (key === undefined) {
        const head = { kind: "cancelBundles" as const, key: EMPTY_BYTES, sequence: 0n };
        return { ...head, untilHeight: Height(0), cancelNonce: below ?? 0n };
      }
      const untilHeight = Height(until ?? height + CANCEL_AHEAD_MAX);
      return { kind: "cancelBundles", key, sequence, untilHeight, cancelNonce: 0n };
    });
  });
}

interface BidOptions extends WindowOptions, LegOptions {
  readonly group: string;
  readonly amount: bigint;
}

function registerBid(tx: Command): void {
  addWindowOptions(
    addLegOption(
      addTxOptions(
        tx
          .command("bid")
          .description(
            "bid for the top of a block of one or more rollups of a group; sealed, and paid out of your escrow if it wins",
          )
          .requiredOption("--group <rollup>", "rollup that leads the group", parseRollupName)
          .requiredOption("--amount <nweft>", "what you offer for all of them", parseNweft),
      ),
    ),
  ).action(async (options: BidOptions, command: Command) => {
    const parts = legsOf(options.leg);
    const tdh2 = createTdh2(createGroup());
    const randomness = sealRandomness();
    const { seed } = randomness;
    await sendTx(
      { ...options, rollupName: options.group, isSealed: true },
      command,
      async ({ publicKey }, chainId, { replay, fee, client, height }) => {
        const key = await client.sealKey();
        return orUsage(() => {
          const sealing = sealingTerms(key);
          const window = windowOf(options, height, sealing.maxHeight);
          const of = { group: rollupIdOfName(options.group), amount: options.amount, parts };
          const terms = { chainId, publicKey, replay, fee, ...sealing, ...window, ...of };
          return sealBid(tdh2, terms, randomness);
        });
      },
      ({ id }, status) => {
        const { node } = options;
        const more = { ask: `weft query bundle ${id} --node ${shellWord(node)}` };
        return status?.sealing?.state === "opened" ? more : { ...more, seed: toHex(seed) };
      },
    );
  });
}

function registerEscrow(tx: Command): void {
  const escrow = tx.command("escrow").description("money that bids are paid from");
  const amount = ["<amount>", "nweft", parseNweft] as const;
  addTxOptions(
    escrow
      .command("deposit")
      .description("put nweft from the balance into the escrow")
      .argument(...amount),
  ).action((value: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "depositEscrow", amount: value })),
  );
  addTxOptions(
    escrow
      .command("withdraw")
      .description(
        "ask for escrow back; it comes into the balance some blocks later and backs bids until then",
      )
      .argument(...amount),
  ).action((value: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "withdrawEscrow", amount: value })),
  );
}

function registerExecutor(tx: Command): void {
  const executor = tx
    .command("executor")
    .description(
      "what an executor of a rollup has put in for atomic execution; sent by its own key",
    );
  const rollup = ["<rollup>", "name of the rollup", parseRollupName] as const;
  const amount = ["<amount>", "nweft", parseNweft] as const;
  const changes = [
    ["bond", "bondExecutor", "put nweft from the balance into the bond"],
    ["unbond", "unbondExecutor", "ask for bond back; it can be slashed until it is paid"],
  ] as const;
  for (const [name, kind, description] of changes) {
    addTxOptions(
      executor
        .command(name)
        .description(description)
        .argument(...rollup)
        .argument(...amount),
    ).action((of: string, value: bigint, options: TxOptions, command: Command) =>
      sendTx(options, command, () => ({ kind, rollupId: rollupIdOfName(of), amount: value })),
    );
  }
  addTxOptions(
    executor
      .command("unjail")
      .description("end the jail for reports that were missing, once its time is over")
      .argument(...rollup),
  ).action((of: string, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "unjailExecutor", rollupId: rollupIdOfName(of) })),
  );
}

/** What the format, or the chain as it is, does not allow is no fault of this program. */
function orUsage<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    if (!isWeftError(error)) throw error;
    if (error.code === "SEAL_CLOSED") {
      throw cliError("REJECTED", `${error.message}; bundles also go with --plain`, error);
    }
    if (!error.code.startsWith("CODEC_")) throw error;
    const room = `${SEAL_BUCKET_MAX} bytes with what stands around it`;
    throw cliError("USAGE", `${error.message}; one transaction has room for ${room}`, error);
  }
}
