/** The first block of a chain and its state, from a genesis. */
import { createBlockHeader } from "@ethereumjs/block";
import type { Common } from "@ethereumjs/common";
import { Account, KECCAK256_RLP, createAddressFromString, hexToBytes } from "@ethereumjs/util";
import type { ChainStore } from "./chain-store.ts";
import { type EvmGenesis, evmOptions } from "./genesis.ts";
import { createPacer } from "./pacer.ts";
import type { StateDb } from "./state-db.ts";
import { StateView } from "./virtual-machine.ts";

/** Writes block and state, in one synced batch, into an empty database. */
export async function writeGenesis(
  genesis: EvmGenesis,
  digest: Uint8Array,
  common: Common,
  store: ChainStore,
  db: StateDb,
): Promise<void> {
  const state = new StateView({
    common,
    db,
    root: KECCAK256_RLP,
    pacer: createPacer(Number.POSITIVE_INFINITY),
  });
  await state.checkpoint();
  for (const account of genesis.alloc) {
    const address = createAddressFromString(account.address);
    await state.putAccount(address, new Account(account.nonce, account.balance));
    if (account.code !== "0x") await state.putCode(address, hexToBytes(account.code));
    for (const [key, value] of account.storage) {
      await state.putStorage(address, hexToBytes(key), hexToBytes(value));
    }
  }
  await state.commit();
  const stateRoot = await state.getStateRoot();
  const number = genesis.anchor?.number ?? 0;
  const header = createBlockHeader(
    {
      number: BigInt(number),
      timestamp: genesis.timestampSeconds,
      gasLimit: genesis.gasLimit,
      baseFeePerGas: genesis.baseFee.initial,
      coinbase: genesis.feeRecipient,
      extraData: digest,
      stateRoot,
    },
    { ...evmOptions(common), skipConsensusFormatValidation: true },
  );
  const nodes = db.collect(stateRoot);
  await store.commitGenesis(
    digest,
    {
      number,
      hash: genesis.anchor === undefined ? header.hash() : hexToBytes(genesis.anchor.hash),
      header,
      transactions: [],
      withdrawals: [],
      sequencerHeight: 0,
      sequencerBlockHash: new Uint8Array(0),
      size: header.serialize().length,
    },
    nodes,
  );
  db.settle(nodes);
}
