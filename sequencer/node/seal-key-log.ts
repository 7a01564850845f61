/** What happens to keys of sealed transactions, for the log of any node. */
import { generationOf } from "../app/seal/keys/generation.ts";
import { sealKey, sealState } from "../app/seal/reader.ts";
import type { StakingReader } from "../app/staking/context.ts";
import type { Logger } from "../ports/logger.ts";

export interface SealKeyLog {
  /** After each commit; the first look is at what was there before. */
  look(reader: StakingReader): void;
}

/** What was seen at the last look: numbers of keys, 0 for none. */
interface Seen {
  readonly generation: number;
  readonly active: number;
  readonly isOpen: boolean;
}

export function createSealKeyLog(logger: Logger): SealKeyLog {
  let seen: Seen | undefined;
  return {
    look(reader) {
      const before = seen;
      const state = sealState(reader);
      seen = {
        generation: generationOf(reader)?.key ?? 0,
        active: state.activeKey,
        isOpen: state.isOpen,
      };
      if (before === undefined) return;
      if (seen.generation !== before.generation) {
        tellBegin(reader);
        if (before.generation !== 0) tellEnd(reader, before.generation);
      }
      const { active, isOpen } = seen;
      if (active !== before.active) {
        logger.info("a key for sealed transactions is in force", { key: active });
      }
      if (active === 0 || isOpen === before.isOpen) return;
      if (isOpen) logger.info("blocks take sealed transactions", { key: active });
      else {
        logger.warn(
          "blocks take no sealed transactions: the validators of now do not hold enough of the key; the next generation mends it",
          { key: active },
        );
      }
    },
  };

  function tellBegin(reader: StakingReader): void {
    const generation = generationOf(reader);
    if (generation === undefined) return;
    const { key, members, threshold, dealHeight, complainHeight } = generation;
    logger.info("a key for sealed transactions is being generated", {
      key,
      members: members.length,
      threshold,
      dealHeight,
      complainHeight,
    });
  }

  function tellEnd(reader: StakingReader, key: number): void {
    if (sealKey(reader, key) === undefined) {
      logger.warn("a key generation failed: too few members dealt, or dealt right", { key });
      return;
    }
    const { nextKey, nextKeyHeight } = sealState(reader);
    logger.info("a key for sealed transactions was generated", {
      key,
      ...(nextKey === key ? { inForceFrom: nextKeyHeight } : {}),
    });
  }
}
