/** `weft tx gov ...`: proposals, their deposits and votes, and the emergency halt. */
import { type Command, InvalidArgumentError } from "commander";
import { Height } from "../../../proto/brands.ts";
import {
  type ParameterChange,
  type ProposalContent,
  VoteOption,
} from "../../../proto/codec/governance-tx.ts";
import { cliError } from "../cli-error.ts";
import {
  addTxOptions,
  knownParam,
  parseAccount,
  parseAmount,
  parseCount,
  parseNweft,
  parseValidator,
} from "../options.ts";
import { sendTx, type TxOptions } from "../send-tx.ts";

interface SubmitOptions extends TxOptions {
  readonly title: string;
  readonly summary: string;
  readonly deposit: bigint;
  readonly param?: readonly ParameterChange[];
  readonly upgrade?: string;
  readonly height?: number;
  readonly info: string;
  readonly cancelUpgrade?: string;
  readonly payTo?: Uint8Array;
  readonly pay?: bigint;
}

const parseId = parseCount(1, Number.MAX_SAFE_INTEGER);

export function registerGovernanceTx(tx: Command): void {
  const gov = tx.command("gov").description("proposals, votes and the emergency halt");
  addTxOptions(
    gov
      .command("submit")
      .description(
        "propose: parameters (--param), an upgrade (--upgrade, --height), to call one off (--cancel-upgrade), a payment (--pay-to, --pay), or a decision in words",
      )
      .requiredOption("--title <text>", "at most 140 bytes")
      .option("--summary <text>", "why; at most 4096 bytes", "")
      .requiredOption(
        "--deposit <nweft>",
        "deposit; it is burned if the vote ends in veto",
        parseNweft,
      )
      .option(
        "--param <name=value...>",
        "new values of parameters, such as epochLength=300; weft query params names them",
        addChange,
      )
      .option("--upgrade <name>", "software that blocks need from --height on")
      .option("--height <n>", "with --upgrade", parseId)
      .option("--info <text>", "with --upgrade: where to find it; at most 1024 bytes", "")
      .option("--cancel-upgrade <name>", "the upgrade that is not to be")
      .option("--pay-to <account>", "who gets --pay from the community pool", parseAccount)
      .option("--pay <nweft>", "with --pay-to", parseNweft),
  ).action((options: SubmitOptions, command: Command) => {
    const content = contentOf(options);
    const { title, summary, deposit } = options;
    return sendTx(options, command, () => ({
      kind: "submitProposal",
      title,
      summary,
      content,
      deposit,
    }));
  });
  addTxOptions(
    gov
      .command("deposit")
      .description("add to a proposal's deposit; voting begins when there is enough")
      .argument("<proposal>", "number of the proposal", parseId)
      .argument("<amount>", "nweft", parseNweft),
  ).action((proposal: number, amount: bigint, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "depositToProposal", proposal, amount })),
  );
  addTxOptions(
    gov
      .command("vote")
      .description("vote with all one's stake; a later vote replaces it")
      .argument("<proposal>", "number of the proposal", parseId)
      .argument("<option>", "yes, no, abstain or veto", parseVote),
  ).action((proposal: number, option: VoteOption, options: TxOptions, command: Command) =>
    sendTx(options, command, () => ({ kind: "vote", proposal, option })),
  );
  addTxOptions(
    gov
      .command("halt")
      .description(
        "ask, as a validator's operator, for the chain to stop; see docs/architecture.md",
      )
      .argument("<validator>", "consensus address, 20 bytes in hex", parseValidator)
      .option("--undo", "no longer ask for it", false),
  ).action(
    (validator: Uint8Array, options: TxOptions & { readonly undo: boolean }, command: Command) =>
      sendTx(options, command, () => ({ kind: "voteHalt", validator, halt: !options.undo })),
  );
}

function contentOf(options: SubmitOptions): ProposalContent {
  const { param, upgrade, height, info, cancelUpgrade, payTo, pay } = options;
  const asked = [param, upgrade, cancelUpgrade, payTo].filter((part) => part !== undefined);
  if (asked.length > 1) {
    throw cliError("USAGE", "a proposal asks for one thing: name one of them only");
  }
  // Left out of the proposal in silence, they would cost a deposit and five days.
  const [given, missing] =
    pay !== undefined && payTo === undefined
      ? ["--pay", "--pay-to"]
      : upgrade === undefined && (height !== undefined || info !== "")
        ? [height === undefined ? "--info" : "--height", "--upgrade"]
        : [];
  if (given !== undefined) {
    throw cliError("USAGE", `${given} goes with ${missing}, which is not there`);
  }
  if (param !== undefined) {
    const changes = param.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return { kind: "parameters", changes };
  }
  if (upgrade !== undefined) {
    if (height === undefined) throw cliError("USAGE", "--upgrade needs --height");
    return { kind: "upgrade", name: upgrade, height: Height(height), info };
  }
  if (cancelUpgrade !== undefined) return { kind: "cancelUpgrade", name: cancelUpgrade };
  if (payTo === undefined) return { kind: "text" };
  if (pay === undefined) throw cliError("USAGE", "--pay-to needs --pay");
  return { kind: "communitySpend", to: payTo, amount: pay };
}

function addChange(
  pair: string,
  before: readonly ParameterChange[] = [],
): readonly ParameterChange[] {
  const at = pair.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected name=value, such as epochLength=300");
  const name = pair.slice(0, at);
  // One that is not known here may be of a chain that is newer than this program.
  knownParam(name);
  if (before.some((change) => change.name === name)) {
    throw new InvalidArgumentError(`${name} is named twice`);
  }
  return [...before, { name, value: parseAmount(pair.slice(at + 1)) }];
}

function parseVote(text: string): VoteOption {
  const options: Readonly<Record<string, VoteOption>> = VoteOption;
  const option = options[text.toUpperCase()];
  if (option === undefined) throw new InvalidArgumentError("expected yes, no, abstain or veto");
  return option;
}
