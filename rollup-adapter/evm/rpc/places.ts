/** From what a caller names to a block of the chain. */
import { assertNever } from "../../../proto/errors.ts";
import type { BlockEnvironment } from "../environment.ts";
import type { EvmChain } from "../executor.ts";
import type { StoredBlock } from "../records.ts";
import { RPC_CODE, RpcError } from "../../json-rpc/errors.ts";
import type { BlockSelector, BlockTag } from "../../json-rpc/params.ts";

/** The block meant, if there is one. `pending` means the head: nothing is executed ahead of order. */
export function findBlock(chain: EvmChain, selector: BlockSelector): StoredBlock | undefined {
  switch (selector.kind) {
    case "hash": {
      const number = chain.store.blockNumber(selector.hash);
      return number === undefined ? undefined : chain.store.block(number);
    }
    case "number":
      return selector.number > chain.head().number ? undefined : chain.store.block(selector.number);
    case "tag":
      return taggedBlock(chain, selector.tag);
    default:
      return assertNever(selector, "block selector");
  }
}

function taggedBlock(chain: EvmChain, tag: BlockTag): StoredBlock | undefined {
  switch (tag) {
    case "earliest":
      return chain.store.block(chain.firstNumber());
    case "safe":
      return chain.safe();
    case "finalized":
      return chain.finalized();
    case "latest":
    case "pending":
      return chain.head();
    default:
      return assertNever(tag, "block tag");
  }
}

/** As `findBlock`; throws RESOURCE_NOT_FOUND in geth's words. */
export function requireBlock(chain: EvmChain, selector: BlockSelector): StoredBlock {
  const block = findBlock(chain, selector);
  if (block === undefined) throw new RpcError(RPC_CODE.RESOURCE_NOT_FOUND, "header not found");
  return block;
}

/**
 * The first height of the sequencer in which the rollup's block of that number can be; undefined when it is there already.
 * A height without data for the rollup makes no block, so it may be a later one. `head`: the rollup's newest block; `next`: the sequencer's next height.
 */
export function heightForBlock(head: number, number: number, next: number): number | undefined {
  const ahead = number - head;
  return ahead < 1 ? undefined : next + ahead - 1;
}

/** The environment that a stored block had. */
export function environmentOf(block: StoredBlock): BlockEnvironment {
  const { header } = block;
  return {
    number: block.number,
    timestampSeconds: header.timestamp,
    feeRecipient: header.coinbase.bytes,
    gasLimit: header.gasLimit,
    baseFeePerGas: header.baseFeePerGas ?? 0n,
    prevRandao: header.mixHash,
    parentBeaconBlockRoot: header.parentBeaconBlockRoot ?? new Uint8Array(32),
    excessBlobGas: header.excessBlobGas ?? 0n,
    extraData: header.extraData,
    withdrawals: [],
  };
}
