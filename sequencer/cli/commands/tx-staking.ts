/** `weft tx staking ...`: what one does with stake, as a validator and as a delegator. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { applicationKeySignBytes } from "../../../proto/codec/staking-tx.ts";
import { accountAddress, rollupIdOfName } from "../../../proto/codec/weft-tx.ts";
import { MEV_SERVICE } from "../../../proto/grpc/mev-service.ts";
import { signEd25519 } from "../../../proto/verify/ed25519.ts";
import { homeAt } from "../../node/home.ts";
import { readKeyFile, readPublicHalf } from "../../ports/key-file.ts";
import { shellWord } from "../../ports/shell-word.ts";
import { cliError } from "../cli-error.ts";
import { withCaller } from "../clients.ts";
import {
  addTxOptions,
  amountOption,
  parseAccount,
  parseCount,
  parseHexBytes,
  parseNweft,
  parseRollupName,
  parseValidator,
} from "../options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";

const VALIDATOR = "consensus address, 20 bytes in hex";
const bps = parseCount(0, 10_000);

export function registerStakingTx(tx: Command): void {
  const staking = tx
    .command("staking")
    .description("validators, delegations, rewards and evidence; amounts are nweft");
  registerValidatorCommands(staking);
  registerDelegatorCommands(staking);
  registerRewardCommands(staking);
}

interface CreateOptions extends TxOptions {
  readonly home?: string;
  readonly consensusKey?: Uint8Array;
  readonly applicationKeyFile?: string;
  readonly amount: bigint;
  readonly minSelfDelegation: bigint;
  readonly moniker: string;
  readonly website: string;
  readonly details: string;
  readonly rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
}

interface EditOptions extends TxOptions {
  readonly moniker?: string;
  readonly website: string;
  readonly details: string;
  readonly rateBps?: number;
  readonly minSelfDelegation?: bigint;
}

function registerValidatorCommands(staking: Command): void {
  addTxOptions(
    staking
      .command("create-validator")
      .description("register a validator; the key of --from becomes its operator")
      .addHelpText(
        "after",
        "\nFirst let the validator's node run with these keys (weft keys validator makes them in the home of a node that follows; restart it) and catch up: it has to sign from the end of the next epoch on, and is jailed when it does not.",
      )
      .option("--home <dir>", "home of the validator: its consensus and application keys")
      .option(
        "--consensus-key <hex>",
        "public consensus key, 32 bytes, where no home holds it (remote signer)",
        parseHexBytes(32),
      )
      .option(
        "--application-key-file <file>",
        "application key, where no home holds it; it proves that it is there",
      )
      .requiredOption("--amount <nweft>", "own stake to begin with", parseNweft)
      .addOption(
        amountOption(
          "--min-self-delegation <nweft>",
          "below it the validator is jailed",
          1_000_000n,
        ),
      )
      .requiredOption("--moniker <name>", "what people see, at most 70 bytes")
      .option("--website <url>", "at most 140 bytes", "")
      .option("--details <text>", "at most 280 bytes", "")
      .option("--rate-bps <n>", "commission, in basis points", bps, 500)
      .option("--max-rate-bps <n>", "highest commission ever; cannot be changed", bps, 2_000)
      .option("--max-change-bps <n>", "most that commission changes in a day", bps, 100),
  ).action((options: CreateOptions, command: Command) => {
    const { consensusKey, applicationKey } = keysOf(options);
    return sendTx(options, command, (_key, chainId) => ({
      kind: "createValidator",
      consensusKey,
      applicationKey: applicationKey.publicKey,
      applicationKeyProof: signEd25519(
        applicationKey,
        applicationKeySignBytes(chainId, accountAddress(consensusKey), applicationKey.publicKey),
      ),
      moniker: options.moniker,
      website: options.website,
      details: options.details,
      rateBps: options.rateBps,
      maxRateBps: options.maxRateBps,
      maxChangeBps: options.maxChangeBps,
      minSelfDelegation: options.minSelfDelegation,
      selfDelegation: options.amount,
    }));
  });

  addTxOptions(
    staking
      .command("edit-validator")
      .description("change what people see, the commission or the least own stake; operator only")
      .argument("<validator>", VALIDATOR, parseValidator)
      .option("--moniker <name>", "new moniker; website and details are replaced with it")
      .option("--website <url>", "with --moniker", "")
      .option("--details <text>", "with --moniker", "")
      .option("--rate-bps <n>", "commission, in basis points", bps)
      .option("--min-self-delegation <nweft>", "may only rise", parseNweft),
  ).action((validator: Uint8Array, options: EditOptions, command: Command) => {
    const { moniker, website, details, rateBps, minSelfDelegation } = options;
    if (moniker === undefined && (website !== "" || details !== "")) {
      throw cliError(
        "USAGE",
        "--website and --details go with --moniker: the three are replaced together",
      );
    }
    if (moniker === undefined && rateBps === undefined && minSelfDelegation === undefined) {
      throw cliError(
        "USAGE",
        "nothing is to change: give --moniker, --rate-bps or --min-self-delegation",
      );
    }
    return sendTx(options, command, () => ({
      kind: "editValidator",
      validator,
      description: moniker === undefined ? undefined : { moniker, website, details },
      commission: rateBps === undefined ? undefined : { rateBps },
      minSelfDelegation:
        minSelfDelegation === undefined ? undefined : { amount: minSelfDelegation },
    }));
  });

  addTxOptions(
    staking
      .command("retire")
      .description("leave the set at the end of the epoch; operator only")
      .argument("<validator>", VALIDATOR, parseValidator)
      .option("--undo", "stand again", false),
  ).action(
    (validator: Uint8Array, options: TxOptions & { readonly undo: boolean }, command: Command) =>
      sendTx(options, command, () => ({
        kind: "retireValidator",
        validator,
        retired: !options.undo,
      })),
  );

  addTxOptions(
    staking
      .command("rotate-key")
      .description(
        "register a new application key; it signs from the next height on; operator only",
      )
      .argument("<validator>", VALIDATOR, parseValidator)
      .requiredOption("--application-key-file <file>", "the new key")
      .addHelpText(
        "after",
        "\nNo vote is lost when the validator has both keys: put the new one into config/application_key.next.json of its home, restart it, then send this. Later the new file may replace config/application_key.json; the operator's account stays that of its own key.",
      ),
  ).action(
    (
      validator: Uint8Array,
      options: TxOptions & { readonly applicationKeyFile: string },
      command: Command,
    ) => {
      const key = readKeyFile(options.applicationKeyFile);
      return sendTx(options, command, (_key, chainId) => ({
        kind: "rotateApplicationKey",
        validator,
        applicationKey: key.publicKey,
        applicationKeyProof: signEd25519(
          key,
          applicationKeySignBytes(chainId, validator, key.publicKey),
        ),
      }));
    },
  );

  addTxOptions(
    staking
      .command("unjail")
      .description("let the validator out of jail once its time is over; operator only")
      .argument("<validator>", VALIDATOR, parseValidator),
  ).action((validator: Uint8Array, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "unjail", validator })),
  );
}

function registerDelegatorCommands(staking: Command): void {
  addTxOptions(
    staking
      .command("delegate")
      .description("put stake behind a validator")
      .argument("<validator>", VALIDATOR, parseValidator)
      .argument("<amount>", "nweft", parseNweft),
  ).action((validator: Uint8Array, amount: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "delegate", validator, amount })),
  );
  addTxOptions(
    staking
      .command("undelegate")
      .description("take stake back; it is paid out after the unbonding time")
      .argument("<validator>", VALIDATOR, parseValidator)
      .argument("<amount>", "nweft", parseNweft),
  ).action((validator: Uint8Array, amount: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "undelegate", validator, amount })),
  );
  addTxOptions(
    staking
      .command("cancel")
      .description("delegate what is unbonding again, to the same validator")
      .argument("<validator>", VALIDATOR, parseValidator)
      .argument(
        "<entry>",
        "number of the entry: weft query staking unbondings",
        parseCount(0, Number.MAX_SAFE_INTEGER),
      )
      .argument("<amount>", "nweft", parseNweft),
  ).action(
    (validator: Uint8Array, entry: number, amount: bigint, options: TxOptions, command: Command) =>
      sendTx(options, command, () => ({ kind: "cancelUnbonding", validator, entry, amount })),
  );
  addTxOptions(
    staking
      .command("redelegate")
      .description("move stake to another validator at once")
      .argument("<validator>", `from: ${VALIDATOR}`, parseValidator)
      .argument("<destination>", `to: ${VALIDATOR}`, parseValidator)
      .argument("<amount>", "nweft", parseNweft),
  ).action(
    (
      validator: Uint8Array,
      destination: Uint8Array,
      amount: bigint,
      options: TxOptions,
      command: Command,
    ) => sendTx(options, command, () => ({ kind: "redelegate", validator, destination, amount })),
  );
}

function registerRewardCommands(staking: Command): void {
  addTxOptions(
    staking
      .command("withdraw-rewards")
      .description("pay out the rewards of a delegation")
      .argument("<validator>", VALIDATOR, parseValidator),
  ).action((validator: Uint8Array, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "withdrawRewards", validator })),
  );
  addTxOptions(
    staking
      .command("withdraw-commission")
      .description("pay out the validator's commission; operator only")
      .argument("<validator>", VALIDATOR, parseValidator),
  ).action((validator: Uint8Array, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "withdrawCommission", validator })),
  );
  addTxOptions(
    staking
      .command("set-withdraw")
      .description("where rewards and commission go from now on")
      .argument("<account>", "weft1..., or a public key in hex", parseAccount),
  ).action((address: Uint8Array, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "setWithdrawAddress", address })),
  );
  addTxOptions(
    staking
      .command("fund-community")
      .description("give to the community pool")
      .argument("<amount>", "nweft", parseNweft),
  ).action((amount: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "fundCommunity", amount })),
  );
  addTxOptions(
    staking
      .command("claim-revenue")
      .description(
        "move what a rollup has earned (fees, auctions, tips) to the account of its owner, whose key signs; prints how much it was",
      )
      .argument("<rollup>", "name of the rollup", parseRollupName),
  ).action(async (name: string, options: TxOptions, command: Command) => {
    const rollupId = rollupIdOfName(name);
    const claimed = async (): Promise<bigint> => {
      const ask = { rollupId };
      return (await withCaller(options.node, (call) => call(MEV_SERVICE.getRevenue, ask))).claimed;
    };
    const before = await claimed();
    await sendTx(
      { ...options, rollupName: name },
      command,
      () => ({ kind: "claimRollupRevenue", rollupId }),
      // Only its owner claims, and one who claims twice at once sees the sum.
      async (_ids, status) =>
        status === undefined ? {} : { claimed: (await claimed()) - before, unit: "nweft" },
    );
  });
  addTxOptions(
    staking
      .command("submit-evidence")
      .description("report a fault with its proof; who reports first is rewarded")
      .argument("<file>", "JSON: see docs/formats.md, Evidence"),
  ).action(async (path: string, options: TxOptions, command: Command) => {
    const { readEvidence } = await import("../evidence-argument.ts");
    const evidence = readEvidence(path);
    return sendTx(options, command, () => ({ kind: "submitEvidence", evidence }));
  });
}

/** The keys of a validator to be: of its home, or named one by one. */
function keysOf(options: CreateOptions) {
  const home = options.home === undefined ? undefined : homeAt(options.home);
  const keyFile = options.applicationKeyFile ?? home?.applicationKeyFile;
  const isWhole = options.consensusKey !== undefined && options.applicationKeyFile !== undefined;
  if (home !== undefined && !isWhole && !existsSync(home.validatorKeyFile)) {
    throw cliError(
      "KEY",
      `${home.root} has no validator's keys: expected config/priv_validator_key.json and config/application_key.json; make them with "weft keys validator --home ${shellWord(home.root)}", restart its node, then try again`,
    );
  }
  const consensusKey =
    options.consensusKey ?? (home && readPublicHalf(home.validatorKeyFile)?.publicKey);
  if (keyFile === undefined || consensusKey === undefined) {
    throw cliError("USAGE", "give --home, or both --consensus-key and --application-key-file");
  }
  return { consensusKey, applicationKey: readKeyFile(keyFile) };
}
