/** The reference rollup's own chain, as the pool of pending transactions sees it. */
import type { Address } from "@ethereumjs/util";
import type { Clock } from "../../../sequencer/ports/clock.ts";
import type { PoolChain } from "../../gateway/pool/pool-chain.ts";
import type { StatusChain } from "../../gateway/status/status-method.ts";
import type { EvmChain } from "../executor.ts";
import { createPacer } from "../pacer.ts";
import { StateView } from "../virtual-machine.ts";

export function createPoolChain(chain: EvmChain, clock: Clock): PoolChain {
  function accountOf(sender: Address) {
    const { common, db } = chain;
    const root = chain.head().header.stateRoot;
    const pacer = createPacer(Number.POSITIVE_INFINITY);
    return new StateView({ common, db, root, pacer }).getAccount(sender);
  }

  return {
    common: chain.common,
    decoder: chain.decoder,
    async account(sender) {
      const account = await accountOf(sender);
      return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n };
    },
    hasCode: async (sender) => (await accountOf(sender))?.isContract() === true,
    next: () => Promise.resolve(chain.nextEnvironment(clock.now().seconds)),
    isIncluded: (hash) => Promise.resolve(chain.store.transactionLocation(hash) !== undefined),
    onBlock: (listener) =>
      chain.onBlock(({ receipts, skipped }) => {
        const included = receipts.map(({ transactionHash: hash, sender }) => ({ hash, sender }));
        listener({ included, skipped, isComplete: true });
      }),
  };
}

/** The same, as whoever asks for the state of a transaction sees it. */
export function evmStatusChain(chain: EvmChain): StatusChain {
  return {
    blockOf(hash) {
      const number = chain.store.transactionLocation(hash)?.blockNumber;
      const block = number === undefined ? undefined : chain.store.block(number);
      return Promise.resolve(block && { number: block.number, hash: block.hash });
    },
    finalizedNumber: () => Promise.resolve(chain.finalized().number),
  };
}
