/** `weft.staking.v1.StakingService` over the committed state; answers of one call are of one height. */
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { ProposalStatus, type TallyState } from "../../proto/codec/governance-state.ts";
import { ADDRESS_BYTES } from "../../proto/limits.ts";
import { type Page, PAGE_ENTRIES, PAGE_ENTRIES_MAX } from "../../proto/grpc/page.ts";
import {
  type AccountListRequest,
  type AccountRequest,
  type DelegationInfo,
  type GetRewardsResponse,
  type GetTallyResponse,
  type ListRequest,
  type ProposalInfo,
  type ProposalListRequest,
  type ProposalRequest,
  type RedelegationInfo,
  type UnbondingInfo,
  type ValidatorInfo,
  type ValidatorListRequest,
  type ValidatorRequest,
} from "../../proto/grpc/staking-service.ts";
import { pendingCommission, pendingRewards } from "../app/distribution/rewards.ts";
import { withdrawAddress } from "../app/distribution/withdraw-address.ts";
import { countVotes, decide, isCounted } from "../app/governance/tally.ts";
import type { StakingReader } from "../app/staking/context.ts";
import { delegatedTokens } from "../app/staking/validator-records.ts";
import type { RecordType } from "../app/state/records.ts";
import {
  DELEGATIONS,
  delegationKey,
  DEPOSITS,
  EPOCH,
  EVIDENCE,
  HALT,
  HALT_VOTES,
  PROPOSALS,
  proposalKey,
  REDELEGATIONS,
  SIGNING,
  UNBONDINGS,
  UPGRADE,
  VALIDATORS,
  VOTES,
} from "../app/state/tables.ts";
import type { ReadApi } from "../app/weft-application.ts";
import { yieldToLoop } from "../ports/yield-to-loop.ts";
import { grpcError } from "./grpc-error.ts";
import { TALLY_ATTEMPTS_MAX, TALLY_VOTES_MAX, TALLY_VOTES_PER_SLICE } from "./limits.ts";

/** The methods by name, each a function of its request. */
export function createStakingQueries(read: ReadApi) {
  function reader(): StakingReader {
    if (read.chain() === undefined) {
      throw grpcError("GRPC_UNAVAILABLE", "the chain has not begun; try again");
    }
    return read.staking();
  }

  /** A page of a table: keys first, then all values in one turn, so that they are of one height. */
  async function pageOf<Value, Entry>(
    type: RecordType<Value>,
    within: string,
    page: Page | undefined,
    entry: (at: StakingReader, key: string, value: Value) => Entry,
  ): Promise<PageOf<Entry>> {
    reader();
    const { after, limit } = checkedPage(page);
    const keys = await read.recordKeys(type, within, {
      max: limit + 1,
      ...(after === "" ? {} : { after: within + after }),
    });
    const at = reader();
    const shown = keys.slice(0, limit);
    const entries = shown.flatMap((key) => {
      const value = at.records.get(type, key);
      // Gone since the keys were read.
      return value === undefined ? [] : [entry(at, key, value)];
    });
    const last = keys.length > limit ? shown.at(-1) : undefined;
    return { entries, next: last?.slice(within.length) ?? "", height: heightOf(at) };
  }

  /** A page of what an account has at validators; the last validator that was looked at is where the next begins. */
  function pageOfAccount<Entry>(
    { account, page }: AccountListRequest,
    entriesAt: (at: StakingReader, validator: string, account: string) => readonly Entry[],
  ): PageOf<Entry> {
    checkAddress("account", account);
    const at = reader();
    const { after, limit } = checkedPage(page);
    const entries: Entry[] = [];
    const validators = at.records.keys(VALIDATORS, "", after === "" ? {} : { after });
    let next = "";
    for (const validator of validators) {
      const found = entriesAt(at, validator, toHex(account));
      if (found.length > 0 && entries.length >= limit)
        return { entries, next, height: heightOf(at) };
      entries.push(...found);
      next = validator;
    }
    return { entries, next: "", height: heightOf(at) };
  }

  /** A tally of one state; undefined when a block came meanwhile. */
  async function countNow(id: number): Promise<GetTallyResponse | undefined> {
    const at = reader();
    const proposal = at.records.get(PROPOSALS, proposalKey(id));
    if (proposal === undefined) return undefined;
    let { proposal: counted } = countVotes(at, id, proposal, 0);
    for (let votes = 0; votes < TALLY_VOTES_MAX && !isCounted(at, id, counted); ) {
      const slice = countVotes(at, id, counted, TALLY_VOTES_PER_SLICE);
      counted = slice.proposal;
      votes += slice.votes;
      await yieldToLoop();
      // Stake that moved would be counted twice.
      if (reader().height !== at.height) return undefined;
    }
    const { tally, outcome } = decide(at, id, counted);
    const partial = !isCounted(at, id, counted);
    return { ...tallyOf(tally), ...outcome, partial, height: heightOf(at) };
  }

  return {
    getValidators: async ({ page }: ListRequest) => {
      const { entries, ...rest } = await pageOf(VALIDATORS, "", page, validatorInfo);
      return { validators: entries, ...rest };
    },
    getValidator: ({ validator }: ValidatorRequest) => {
      checkAddress("validator", validator);
      const at = reader();
      const key = toHex(validator);
      const state = at.records.get(VALIDATORS, key);
      if (state === undefined) throw grpcError("GRPC_NOT_FOUND", `no validator ${key}`);
      return { validator: validatorInfo(at, key, state), height: heightOf(at) };
    },
    getValidatorDelegations: async ({ validator, page }: ValidatorListRequest) => {
      checkAddress("validator", validator);
      const within = `${toHex(validator)}/`;
      const { entries, ...rest } = await pageOf(DELEGATIONS, within, page, (at, key) => {
        const [of = "", delegator = ""] = key.split("/");
        return delegationInfo(at, of, delegator);
      });
      return { delegations: entries.flat(), ...rest };
    },
    getDelegations: (request: AccountListRequest) => {
      const { entries, ...rest } = pageOfAccount(request, delegationInfo);
      return { delegations: entries, ...rest };
    },
    getUnbondings: (request: AccountListRequest) => {
      const { entries, ...rest } = pageOfAccount(request, (at, validator, account) => {
        const record = at.records.get(UNBONDINGS, delegationKey(validator, account));
        const info: UnbondingInfo[] =
          record === undefined ? [] : [{ validator: fromHex(validator), entries: record.entries }];
        return info;
      });
      return { unbondings: entries, ...rest };
    },
    getRedelegations: (request: AccountListRequest) => {
      const { entries, ...rest } = pageOfAccount(request, (at, source, account) =>
        at.records.keys(REDELEGATIONS, `${source}/${account}/`).map((key): RedelegationInfo => {
          const [, , destination = ""] = key.split("/");
          return {
            source: fromHex(source),
            destination: fromHex(destination),
            entries: at.records.get(REDELEGATIONS, key)?.entries ?? [],
          };
        }),
      );
      return { redelegations: entries, ...rest };
    },
    getRewards: ({ account }: AccountRequest): GetRewardsResponse => {
      checkAddress("account", account);
      const at = reader();
      const address = toHex(account);
      let rewards = 0n;
      let commission = 0n;
      for (const validator of at.records.keys(VALIDATORS)) {
        rewards += pendingRewards(at, validator, address);
        const state = at.records.get(VALIDATORS, validator);
        if (state !== undefined && toHex(state.operator) === address) {
          commission += pendingCommission(at, validator);
        }
      }
      const to = fromHex(withdrawAddress(at, address));
      return { rewards, commission, withdrawAddress: to, height: heightOf(at) };
    },
    getParams: () => {
      const at = reader();
      return { params: at.params, height: heightOf(at) };
    },
    getSupply: () => {
      const at = reader();
      return { supply: read.supply(), height: heightOf(at) };
    },
    getEpoch: () => {
      const at = reader();
      const epoch = at.records.get(EPOCH, "");
      if (epoch === undefined) throw grpcError("GRPC_NOT_FOUND", "no epoch has begun");
      return { epoch, height: heightOf(at) };
    },
    getEvidence: async ({ page }: ListRequest) => {
      const { entries, ...rest } = await pageOf(EVIDENCE, "", page, (_at, key, state) => ({
        hash: fromHex(key),
        state,
      }));
      return { evidence: entries, ...rest };
    },
    getProposals: async ({ page }: ListRequest) => {
      const { entries, ...rest } = await pageOf(
        PROPOSALS,
        "",
        page,
        (_at, key, state): ProposalInfo => ({ id: Number(key), state }),
      );
      return { proposals: entries, ...rest };
    },
    getProposal: ({ proposal }: ProposalRequest) => {
      const at = reader();
      const state = at.records.get(PROPOSALS, proposalKey(proposal));
      if (state === undefined) throw grpcError("GRPC_NOT_FOUND", `no proposal ${proposal}`);
      return { proposal: { id: proposal, state }, height: heightOf(at) };
    },
    getTally: async ({ proposal: id }: ProposalRequest): Promise<GetTallyResponse> => {
      const found = reader().records.get(PROPOSALS, proposalKey(id));
      if (found === undefined) throw grpcError("GRPC_NOT_FOUND", `no proposal ${id}`);
      if (found.status > ProposalStatus.TALLY) {
        const { tally, status, reason } = found;
        return { ...tallyOf(tally), status, reason, partial: false, height: heightOf(reader()) };
      }
      for (let attempt = 0; attempt < TALLY_ATTEMPTS_MAX; attempt++) {
        const answer = await countNow(id);
        if (answer !== undefined) return answer;
      }
      throw grpcError("GRPC_UNAVAILABLE", "blocks came while votes were counted; try again");
    },
    getVotes: async ({ proposal, page }: ProposalListRequest) => {
      const within = `${proposalKey(proposal)}/`;
      const { entries, ...rest } = await pageOf(VOTES, within, page, (_at, key, state) => ({
        voter: fromHex(key.slice(within.length)),
        state,
      }));
      return { votes: entries, ...rest };
    },
    getDeposits: async ({ proposal, page }: ProposalListRequest) => {
      const within = `${proposalKey(proposal)}/`;
      const { entries, ...rest } = await pageOf(DEPOSITS, within, page, (_at, key, state) => ({
        depositor: fromHex(key.slice(within.length)),
        state,
      }));
      return { deposits: entries, ...rest };
    },
    getPlans: () => {
      const at = reader();
      const haltVotes = at.records.keys(HALT_VOTES).flatMap((key) => {
        const state = at.records.get(HALT_VOTES, key);
        return state === undefined ? [] : [{ validator: fromHex(key), state }];
      });
      const upgrade = at.records.get(UPGRADE, "");
      return { upgrade, halt: at.records.get(HALT, ""), haltVotes, height: heightOf(at) };
    },
  };
}

function tallyOf({ yes, no, abstain, veto }: TallyState) {
  return { yes, no, abstain, veto };
}

interface PageOf<Entry> {
  readonly entries: readonly Entry[];
  readonly next: string;
  readonly height: Height;
}

/** The block after which the reader's state holds. */
function heightOf(at: StakingReader): Height {
  return Height(at.height - 1);
}

function validatorInfo(
  at: StakingReader,
  key: string,
  state: ValidatorInfo["state"],
): ValidatorInfo {
  return {
    address: fromHex(key),
    state,
    signing: at.records.get(SIGNING, key),
    commission: pendingCommission(at, key),
  };
}

function delegationInfo(
  at: StakingReader,
  validator: string,
  delegator: string,
): readonly DelegationInfo[] {
  const state = at.records.get(DELEGATIONS, delegationKey(validator, delegator));
  if (state === undefined) return [];
  const info = {
    validator: fromHex(validator),
    delegator: fromHex(delegator),
    tokens: delegatedTokens(at, validator, delegator),
    rewards: pendingRewards(at, validator, delegator),
    state,
  };
  return [info];
}

function checkedPage(page: Page | undefined): { readonly after: string; readonly limit: number } {
  const { after, limit } = page ?? { after: "", limit: 0 };
  if (limit > PAGE_ENTRIES_MAX) {
    throw grpcError(
      "GRPC_INVALID_ARGUMENT",
      `a page has at most ${PAGE_ENTRIES_MAX} entries, ${limit} were asked for`,
    );
  }
  if (!/^[0-9a-f/]*$/.test(after)) {
    throw grpcError("GRPC_INVALID_ARGUMENT", "after: expected what an answer called next");
  }
  return { after, limit: limit === 0 ? PAGE_ENTRIES : limit };
}

function checkAddress(what: string, address: Uint8Array): void {
  if (address.length !== ADDRESS_BYTES) {
    throw grpcError(
      "GRPC_INVALID_ARGUMENT",
      `${what}: an address has ${ADDRESS_BYTES} bytes, got ${address.length}`,
    );
  }
}
