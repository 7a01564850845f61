/** Methods that read state, or run messages on it. */
import { getMerkleStateProof } from "@ethereumjs/statemanager";
import type { Account } from "@ethereumjs/util";
import { EXECUTION_SLICE_MS, PROOF_KEYS_MAX } from "../limits.ts";
import { createPacer } from "../pacer.ts";
import { StateDb } from "../state-db.ts";
import { StateView } from "../virtual-machine.ts";
import { invalidParams } from "../../json-rpc/errors.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";
import type { Method, Params } from "../../json-rpc/method.ts";
import type { MethodDependencies } from "./methods.ts";
import { blockOverridesParam, stateOverridesParam } from "./overrides.ts";
import { blockParam, listParam } from "../../json-rpc/params.ts";
import { addressParam, callParam, slotParam } from "./params.ts";
import { environmentOf, requireBlock } from "./places.ts";
import type { SimulationPlace } from "./simulator.ts";

export function stateMethods(dependencies: MethodDependencies): Record<string, Method> {
  const { chain, pool, simulator, clock } = dependencies;

  const stateAt = (block: unknown): StateView =>
    new StateView({
      common: chain.common,
      // A view may write what it has read; that stays its own.
      db: new StateDb((key) => chain.db.lookup(key)),
      root: requireBlock(chain, blockParam(block, "block")).header.stateRoot,
      pacer: createPacer(EXECUTION_SLICE_MS),
    });
  const accountAt = async (address: unknown, block: unknown): Promise<Account | undefined> =>
    stateAt(block).getAccount(addressParam(address, "address"));

  const placeOf = ([, block, stateOverrides, blockOverrides]: Params): SimulationPlace => {
    const selector = blockParam(block, "block");
    const at = requireBlock(chain, selector);
    const isPending = selector.kind === "tag" && selector.tag === "pending";
    const state = stateOverridesParam(stateOverrides, "state overrides");
    const overrides = blockOverridesParam(blockOverrides, "block overrides");
    return {
      stateRoot: at.header.stateRoot,
      environment: isPending ? chain.nextEnvironment(clock.now().seconds) : environmentOf(at),
      parentHash: isPending ? at.hash : at.header.parentHash,
      ...(state === undefined ? {} : { stateOverrides: state }),
      ...(overrides === undefined ? {} : { blockOverrides: overrides }),
    };
  };

  return {
    eth_getBalance: async ([address, block]) =>
      quantity((await accountAt(address, block))?.balance ?? 0n),
    eth_getTransactionCount: async ([address, block]) => {
      const nonce = (await accountAt(address, block))?.nonce ?? 0n;
      const selector = blockParam(block, "block");
      const isPending = selector.kind === "tag" && selector.tag === "pending";
      return quantity(isPending ? pool.nextNonce(addressParam(address, "address"), nonce) : nonce);
    },
    eth_getCode: async ([address, block]) =>
      bytesToHex(await stateAt(block).getCode(addressParam(address, "address"))),
    eth_getStorageAt: async ([address, slot, block]) => {
      const key = slotParam(slot, "slot");
      const value = await stateAt(block).getStorage(addressParam(address, "address"), key);
      return `0x${Buffer.from(value).toString("hex").padStart(64, "0")}`;
    },
    eth_getProof: async ([address, keys, block]) => {
      const slots = listParam(keys, "storage keys");
      if (slots.length > PROOF_KEYS_MAX) {
        throw invalidParams(`storage keys: at most ${PROOF_KEYS_MAX}`);
      }
      const proof = await getMerkleStateProof(
        stateAt(block),
        addressParam(address, "address"),
        slots.map((key) => slotParam(key, "storage key")),
      );
      return { ...proof, storageProof: proof.storageProof.map((entry) => ({ ...entry })) };
    },
    eth_call: async (params) =>
      bytesToHex(await simulator.call(callParam(params[0], "call"), placeOf(params))),
    eth_estimateGas: async (params) =>
      quantity(await simulator.estimateGas(callParam(params[0], "call"), placeOf(params))),
    eth_createAccessList: async (params) => {
      const result = await simulator.accessList(callParam(params[0], "call"), placeOf(params));
      return {
        accessList: result.accessList.map((entry) => ({ ...entry })),
        gasUsed: quantity(result.gasUsed),
      };
    },
  };
}
