/** `weft query gov ...`: proposals, votes, deposits, and what is planned. */
import type { Command } from "commander";
import { formatAddress } from "../../../proto/address.ts";
import { ProposalStatus } from "../../../proto/codec/governance-state.ts";
import { VoteOption } from "../../../proto/codec/governance-tx.ts";
import { type ProposalInfo, STAKING_SERVICE } from "../../../proto/grpc/staking-service.ts";
import { withCaller } from "../clients.ts";
import {
  addPageOptions,
  nodeOption,
  notRpcOption,
  pageOf,
  type PageOptions,
  parseCount,
} from "../options.ts";
import { printAnswer } from "../output.ts";

interface NodeOptions {
  readonly node: string;
}

const parseId = parseCount(1, Number.MAX_SAFE_INTEGER);

export function registerGovernanceQueries(query: Command): void {
  const gov = query
    .command("gov")
    .description("proposals, their votes and deposits, and what is planned");
  addPageOptions(gov.command("proposals").description("all proposals")).action(
    async (options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getProposals, { page: pageOf(options) }),
      );
      printAnswer({ ...answer, proposals: answer.proposals.map(proposalOf) }, command);
    },
  );
  gov
    .command("proposal")
    .description("one proposal, and how it was voted on")
    .argument("<proposal>", "number of the proposal", parseId)
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (proposal: number, options: NodeOptions, command: Command) => {
      const answer = await withCaller(options.node, async (call) => {
        const found = await call(STAKING_SERVICE.getProposal, { proposal });
        // The record counts when voting is over; whoever looks before wants to know how it stands.
        const isVotedOn = found.proposal.state.status === ProposalStatus.VOTING;
        const running = isVotedOn ? await call(STAKING_SERVICE.getTally, { proposal }) : undefined;
        return { ...found, running };
      });
      const shown = proposalOf(answer.proposal);
      const { yes, no, abstain, veto } = answer.running ?? shown.tally;
      printAnswer({ ...shown, tally: { yes, no, abstain, veto }, height: answer.height }, command);
    });
  gov
    .command("tally")
    .description("what a vote would end with if it ended now, or has ended with")
    .argument("<proposal>", "number of the proposal", parseId)
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (proposal: number, options: NodeOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getTally, { proposal }),
      );
      printAnswer({ ...answer, status: nameOf(ProposalStatus, answer.status) }, command);
    });
  addPageOptions(gov.command("votes").description("votes on a proposal, until they are counted"))
    .argument("<proposal>", "number of the proposal", parseId)
    .action(async (proposal: number, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getVotes, { proposal, page: pageOf(options) }),
      );
      const votes = answer.votes.map(({ voter, state }) => ({
        voter: formatAddress(voter),
        option: nameOf(VoteOption, state.option),
      }));
      printAnswer({ ...answer, votes }, command);
    });
  addPageOptions(gov.command("deposits").description("deposits of a proposal, while it holds them"))
    .argument("<proposal>", "number of the proposal", parseId)
    .action(async (proposal: number, options: PageOptions, command: Command) => {
      const answer = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getDeposits, { proposal, page: pageOf(options) }),
      );
      const deposits = answer.deposits.map(({ depositor, state }) => ({
        depositor: formatAddress(depositor),
        ...state,
      }));
      printAnswer({ ...answer, deposits }, command);
    });
  gov
    .command("plans")
    .description("the upgrade that is planned, the height to halt at, and who asks for a halt")
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .action(async (options: NodeOptions, command: Command) => {
      const { upgrade, halt, haltVotes, height } = await withCaller(options.node, (call) =>
        call(STAKING_SERVICE.getPlans, {}),
      );
      printAnswer(
        {
          upgrade: upgrade ?? null,
          haltHeight: halt?.height ?? null,
          haltVotes: haltVotes.map(({ validator, state }) => ({ validator, since: state.height })),
          height,
        },
        command,
      );
    });
}

function proposalOf({ id, state }: ProposalInfo) {
  const { proposer, status, tally, tallyCursor: _cursor, content, ...rest } = state;
  const { counted: _counted, ...votes } = tally;
  const to = content.kind === "communitySpend" ? { to: formatAddress(content.to) } : {};
  return {
    id,
    proposer: formatAddress(proposer),
    status: nameOf(ProposalStatus, status),
    content: { ...content, ...to },
    ...rest,
    tally: votes,
  };
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return (
    Object.entries(names)
      .find(([, known]) => known === value)?.[0]
      .toLowerCase() ?? ""
  );
}
