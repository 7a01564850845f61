/** `weft query staking ...` and `weft query rewards`: stake as it is after the last block. */
import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import {
  type DelegationInfo,
  STAKING_SERVICE,
  type ValidatorInfo,
} from "../../../proto/grpc/staking-service.ts";
import { withCaller } from "../clients.ts";
import {
  addPageOptions,
  nodeOption,
  notRpcOption,
  pageOf,
  type PageOptions,
  parseAccount,
  parseValidator,
} from "../options.ts";
import { formatDecimal, printAnswer } from "../output.ts";

interface NodeOptions {
  readonly node: string;
}

const ACCOUNT = "weft1..., or a public key in hex";
const VALIDATOR = "consensus address, 20 bytes in hex";

export function registerStakingQueries(query: Command): void {
  const staking = query
    .command("staking")
    .description("validators, delegations, what is unbonding, evidence, the epoch and the pools");

  addPageOptions(staking.command("validators").description("registered validators")).action(
    async (options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getValidators, { page: pageOf(options) }),
      );
      printAnswer({ ...answer, validators: answer.validators.map(validatorOf) }, command);
    },
  );
  addNode(staking.command("validator").description("one validator"))
    .argument("<validator>", VALIDATOR, parseValidator)
    .action(async (validator: Uint8Array, options: NodeOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getValidator, { validator }),
      );
      printAnswer({ ...validatorOf(answer.validator), height: answer.height }, command);
    });
  addPageOptions(staking.command("delegations").description("what an account has delegated"))
    .argument("<account>", ACCOUNT, parseAccount)
    .action(async (account: Uint8Array, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getDelegations, { account, page: pageOf(options) }),
      );
      printAnswer({ ...answer, delegations: answer.delegations.map(delegationOf) }, command);
    });
  addPageOptions(
    staking.command("delegators").description("what accounts have delegated to a validator"),
  )
    .argument("<validator>", VALIDATOR, parseValidator)
    .action(async (validator: Uint8Array, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getValidatorDelegations, { validator, page: pageOf(options) }),
      );
      printAnswer({ ...answer, delegations: answer.delegations.map(delegationOf) }, command);
    });
  addPageOptions(
    staking.command("unbondings").description("what an account is taking out, and when it comes"),
  )
    .argument("<account>", ACCOUNT, parseAccount)
    .action(async (account: Uint8Array, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getUnbondings, { account, page: pageOf(options) }),
      );
      printAnswer({ ...answer }, command);
    });
  addPageOptions(
    staking
      .command("redelegations")
      .description("what an account moved, while it still answers for the validator it left"),
  )
    .argument("<account>", ACCOUNT, parseAccount)
    .action(async (account: Uint8Array, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getRedelegations, { account, page: pageOf(options) }),
      );
      const redelegations = answer.redelegations.map(({ entries, ...rest }) => ({
        ...rest,
        entries: entries.map(({ sharesDestination, ...entry }) => ({
          ...entry,
          sharesDestination: formatDecimal(sharesDestination),
        })),
      }));
      printAnswer({ ...answer, redelegations }, command);
    });
  addPageOptions(staking.command("evidence").description("faults that were punished")).action(
    async (options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getEvidence, { page: pageOf(options) }),
      );
      const evidence = answer.evidence.map(({ hash, state: { reporter, ...state } }) => ({
        hash,
        ...state,
        reporter: reporter.length === 0 ? "consensus" : formatAddress(reporter),
      }));
      printAnswer({ ...answer, evidence }, command);
    },
  );
  addNode(staking.command("epoch").description("the epoch under way")).action(
    async (options: NodeOptions, command: Command) => {
      const { epoch, height } = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getEpoch, {}),
      );
      const lastHeight = epoch.startHeight + epoch.length - 1;
      printAnswer({ ...epoch, lastHeight, height }, command);
    },
  );
  addNode(staking.command("pools").description("all nweft, by where it is")).action(
    async (options: NodeOptions, command: Command) => {
      const { supply, height } = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getSupply, {}),
      );
      printAnswer({ ...supply, height }, command);
    },
  );

  addNode(query.command("rewards").description("what an account may withdraw, and where it goes"))
    .argument("<account>", ACCOUNT, parseAccount)
    .action(async (account: Uint8Array, options: NodeOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getRewards, { account }),
      );
      const withdrawAddress = formatAddress(answer.withdrawAddress);
      printAnswer({ account: formatAddress(account), ...answer, withdrawAddress }, command);
    });
}

function addNode(command: Command): Command {
  return command.addOption(nodeOption()).addOption(notRpcOption());
}

/** Of a validator, what one wants to see: names for numbers, decimals with their point. */
function validatorOf({ address, state, signing, commission }: ValidatorInfo) {
  const { description, status, operator, shares, commission: rates, ...rest } = state;
  const name = Object.entries(BondStatus).find(([, value]) => value === status)?.[0] ?? "";
  return {
    address,
    ...description,
    operator: formatAddress(operator),
    status: name.toLowerCase(),
    ...rest,
    shares: formatDecimal(shares),
    ...rates,
    commission,
    missedBlocks: signing?.missed ?? 0,
  };
}

function delegationOf({ validator, delegator, tokens, rewards, state }: DelegationInfo) {
  return {
    validator,
    delegator: formatAddress(delegator),
    tokens,
    rewards,
    shares: formatDecimal(state.shares),
  };
}
