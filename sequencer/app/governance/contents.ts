import { toHex } from "../../../proto/bytes.ts";
import type { ProposalContent } from "../../../proto/codec/governance-tx.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { assertNever } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import { changedParams } from "./parameters.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { UPGRADE, UPGRADE_PASSED } from "../state/tables.ts";

/** What carrying a proposal out gave: parameters in force from the next block on, if they change. */
export type Carried =
  | { readonly done: true; readonly params: ParamsState | undefined }
  | { readonly done: false; readonly reason: string };

/** Why a proposal with this content could not be carried out today: such a vote is not worth holding. */
export function contentFault(ctx: StakingReader, content: ProposalContent): Failure | undefined {
  switch (content.kind) {
    case "text":
    case "communitySpend":
      // What the pool holds is seen when it is carried out: the vote takes days.
      return undefined;
    case "parameters": {
      const changed = changedParams(ctx.params, content.changes, ctx);
      return "faults" in changed
        ? failure("PROPOSAL_PARAMETERS", changed.faults.join("; "))
        : undefined;
    }
    case "upgrade":
      return upgradeReason(ctx, content.height);
    case "cancelUpgrade":
      return plannedReason(ctx, content.name);
    default:
      return assertNever(content, "proposal content");
  }
}

/** Carries out a proposal that passed; it fails, changing nothing, when it no longer holds. */
export function carryOut(
  ctx: StakingContext,
  content: ProposalContent,
  params: ParamsState,
): Carried {
  const { records } = ctx;
  switch (content.kind) {
    case "text":
      return DONE;
    case "parameters": {
      const changed = changedParams(params, content.changes, ctx);
      return "faults" in changed
        ? { done: false, reason: changed.faults.join("; ") }
        : { done: true, params: changed.params };
    }
    case "upgrade": {
      const fault = upgradeReason(ctx, content.height);
      if (fault !== undefined) return { done: false, reason: fault.reason };
      const { name, height, info } = content;
      const before = records.get(UPGRADE, "");
      // Until the new one comes, blocks still need what the one before has brought.
      if (before !== undefined && before.height <= ctx.height) {
        records.set(UPGRADE, UPGRADE_PASSED, before);
      }
      records.set(UPGRADE, "", { name, height, info });
      return DONE;
    }
    case "cancelUpgrade": {
      const fault = plannedReason(ctx, content.name);
      if (fault !== undefined) return { done: false, reason: fault.reason };
      records.set(UPGRADE, "", records.get(UPGRADE, UPGRADE_PASSED));
      records.set(UPGRADE, UPGRADE_PASSED, undefined);
      return DONE;
    }
    case "communitySpend": {
      const held = ctx.pool("community");
      if (held < content.amount) {
        return {
          done: false,
          reason: `the community pool holds ${held} nweft, ${content.amount} are asked for`,
        };
      }
      ctx.pay("community", toHex(content.to), content.amount);
      return DONE;
    }
    default:
      return assertNever(content, "proposal content");
  }
}

const DONE: Carried = { done: true, params: undefined };

function upgradeReason(ctx: StakingReader, height: number): Failure | undefined {
  if (height > ctx.height) return undefined;
  return failure("PROPOSAL_UPGRADE", `height ${height} has passed, the chain is at ${ctx.height}`);
}

function plannedReason(ctx: StakingReader, name: string): Failure | undefined {
  const planned = ctx.records.get(UPGRADE, "");
  if (planned?.name === name && planned.height > ctx.height) return undefined;
  const what = planned === undefined ? "none is planned" : `"${planned.name}" is planned`;
  return failure("PROPOSAL_UPGRADE", `no upgrade "${name}" is ahead: ${what}`);
}
