/** A rollup as it sees a chain at level FILLED, every block and what became of its sealed entries verified from genesis on. */
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupDataEntries, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { isHidden } from "../../proto/verify/execution-order.ts";
import { FillStatus } from "../../proto/verify/manifest.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import { createBlockVerifier } from "../../rollup-adapter/client/block-verifier.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { loadGenesis } from "../../sequencer/engine/genesis.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { until } from "./local-network.ts";

/** One place of the rollup's order. */
export interface FilledPlace {
  readonly height: number;
  readonly position: number;
  /** Transaction id, hex. */
  readonly id: string;
  readonly isSealed: boolean;
  /** Of what was sealed; undefined for what never was. */
  readonly status: keyof typeof FillStatus | undefined;
  /** Block that told the content, or that there is none. */
  readonly filledHeight: number | undefined;
  /** What is executed, as text. */
  readonly texts: readonly string[];
}

export interface FilledStream {
  readonly rollupId: RollupId;
  /** All blocks so far, in order. */
  readonly places: readonly FilledPlace[];
  /** What the rollup executes at that height, as text, in the order of execution; undefined while that is unknown. */
  executed(height: number): readonly string[] | undefined;
  /** Last block that the stream has brought. */
  height(): number;
  /** Resolves with the place of a transaction when the stream has brought its block. */
  place(id: Uint8Array, timeoutMs?: number): Promise<FilledPlace>;
  close(): Promise<void>;
}

/** Follows the named rollup at a node that runs, from the first block on. */
export async function followFilled(
  node: { readonly name: string; readonly home: string; readonly client: SequencerClient },
  rollup: string,
): Promise<FilledStream> {
  const genesis = await loadGenesis(homeAt(node.home).genesisFile);
  const rollupId = RollupId(toHex(rollupIdOfName(rollup)));
  const set = createValidatorSet(
    genesis.validators.map(({ publicKey, power }) => ({ publicKey, votingPower: power })),
  );
  const verifier = createBlockVerifier(
    rollupId,
    {
      chainId: genesis.chainId,
      height: Height(genesis.initialHeight - 1),
      blockHash: undefined,
      time: undefined,
      nextValidatorsHash: validatorSetHash(set),
    },
    createEd25519Verifier(),
  );
  const places: FilledPlace[] = [];
  const executed = new Map<number, readonly string[]>();
  const aborter = new AbortController();
  let height = 0;
  let failure: unknown;
  const reading = (async () => {
    const blocks = node.client.blocks({
      rollupId,
      fromHeight: genesis.initialHeight,
      level: "filled",
      signal: aborter.signal,
    });
    for await (const block of blocks) {
      const { filled, payloads } = await verifier.verifyFilled(block);
      executed.set(
        block.height,
        payloads.map((bytes) => new TextDecoder().decode(bytes)),
      );
      for (const [position, entry] of filled.entries()) {
        const filling = block.filling?.blocks.find(({ fills }) =>
          fills.some((fill) => fill.height === block.height && fill.position === position),
        );
        places.push({
          height: block.height,
          position,
          id: toHex(entry.itemId),
          isSealed: isHidden(entry),
          status: statusName(entry.fill?.status),
          filledHeight: filling?.height,
          texts: textsOf(entry.content),
        });
      }
      height = block.height;
    }
  })().catch((error: unknown) => {
    if (!aborter.signal.aborted) failure = error;
  });
  return {
    rollupId,
    places,
    executed: (at) => executed.get(at),
    height: () => height,
    place: (id, timeoutMs) =>
      until(
        `${node.name} streams what became of ${toHex(id)}`,
        async () => {
          if (failure !== undefined) throw failure;
          return places.find((place) => place.id === toHex(id));
        },
        timeoutMs,
      ),
    async close() {
      aborter.abort();
      await reading;
      if (failure !== undefined) throw failure;
    },
  };
}

function textsOf(content: Uint8Array | undefined): readonly string[] {
  if (content === undefined) return [];
  return rollupDataEntries(content).map((bytes) => new TextDecoder().decode(bytes));
}

function statusName(status: FillStatus | undefined): FilledPlace["status"] {
  if (status === undefined) return undefined;
  const found = NAMES.find((name) => FillStatus[name] === status);
  if (found === undefined) throw new Error(`there is no status ${status}`);
  return found;
}

const NAMES = ["OPENED", "INVALID", "EXPIRED", "VOID", "LOST"] as const;
