/**
 * Runs messages that never become part of the chain: eth_call, eth_estimateGas, eth_createAccessList.
 * Every run has its own view of the state, a gas bound and a time bound, and only so many run at once.
 */
import { type Block, createBlock } from "@ethereumjs/block";
import { type TypedTransaction, createTx } from "@ethereumjs/tx";
import { Account, type Address, type PrefixedHexString, createZeroAddress } from "@ethereumjs/util";
import { runTx } from "@ethereumjs/vm";
import { isDelegation, minimumGasLimit } from "../admission.ts";
import type { BlockEnvironment } from "../environment.ts";
import type { EvmChain } from "../executor.ts";
import { evmOptions } from "../genesis.ts";
import {
  EXECUTION_SLICE_MS,
  SIMULATIONS_RUNNING_MAX,
  SIMULATIONS_WAITING_MAX,
  SIMULATION_GAS_MAX,
  SIMULATION_TIME_MAX_MS,
} from "../limits.ts";
import { type Pacer, createPacer } from "../pacer.ts";
import { StateDb } from "../state-db.ts";
import { type Machine, createMachine } from "../virtual-machine.ts";
import {
  RPC_CODE,
  RpcError,
  feeBelowBaseFee,
  limitExceeded,
  serverError,
} from "../../json-rpc/errors.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import { type BlockOverrides, type StateOverrides, applyStateOverrides } from "./overrides.ts";
import type { CallRequest } from "./params.ts";

/** What it needs of the chain. */
export type SimulatedChain = Pick<EvmChain, "common" | "db" | "blockHash">;

export interface SimulationPlace {
  readonly stateRoot: Uint8Array;
  /** Of the block that the message pretends to be in. */
  readonly environment: BlockEnvironment;
  readonly parentHash: Uint8Array;
  readonly stateOverrides?: StateOverrides;
  readonly blockOverrides?: BlockOverrides;
}

export interface AccessListResult {
  readonly accessList: readonly { address: PrefixedHexString; storageKeys: PrefixedHexString[] }[];
  readonly gasUsed: bigint;
}

interface Run {
  readonly returnValue: Uint8Array;
  /** Absent when the message succeeded. */
  readonly error: string | undefined;
  readonly gasUsed: bigint;
  readonly gasRefund: bigint;
  readonly accessList: AccessListResult["accessList"];
}

const TRANSFER_GAS = 21_000n;
const CALL_STIPEND = 2_300n;
const REVERT = "revert";
const OUT_OF_GAS = "out of gas";
/** geth's tolerance: the search stops when it cannot be off by more than this. */
const ESTIMATE_ERROR_NUMERATOR = 15n;
const ESTIMATE_ERROR_DENOMINATOR = 1_000n;

export class Simulator {
  readonly #chain: SimulatedChain;
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(chain: SimulatedChain) {
    this.#chain = chain;
  }

  /** What the message returns. Throws REVERTED with what the contract said. */
  async call(request: CallRequest, place: SimulationPlace): Promise<Uint8Array> {
    return this.#simulate(place, async (machine, environment) => {
      await checkPayment(machine, request, environment);
      const gas = request.gas ?? SIMULATION_GAS_MAX;
      const run = await this.#run(machine, request, capGas(gas), environment, place);
      if (run.error !== undefined) throw executionError(run.error, run.returnValue);
      return run.returnValue;
    });
  }

  /** Least gas limit with which the message succeeds, to within 1.5 %. */
  async estimateGas(request: CallRequest, place: SimulationPlace): Promise<bigint> {
    return this.#simulate(place, async (machine, environment) => {
      await checkPayment(machine, request, environment);
      const allowance = await gasAllowance(machine, request);
      const attempt = (gas: bigint): Promise<Run> =>
        this.#run(machine, request, gas, environment, place);

      let high = capGas(request.gas ?? environment.gasLimit);
      const txMax = this.#transactionGasMax();
      if (txMax !== undefined && high > txMax) high = txMax;
      if (allowance !== undefined && high > allowance) high = allowance;
      if (await this.#isPlainTransfer(machine, request)) {
        const run = await attempt(TRANSFER_GAS);
        if (run.error === undefined && high >= TRANSFER_GAS) return TRANSFER_GAS;
      }
      const first = await attempt(high);
      if (first.error === OUT_OF_GAS) {
        throw serverError(`gas required exceeds allowance (${high})`);
      }
      if (first.error !== undefined) throw executionError(first.error, first.returnValue);

      let low = first.gasUsed - 1n;
      // A callee gets at most 63/64 of what is left (EIP-150), so a bit more than was used is needed.
      const likely = ((first.gasUsed + first.gasRefund + CALL_STIPEND) * 64n) / 63n;
      if (likely < high) {
        if ((await attempt(likely)).error === undefined) high = likely;
        else low = likely;
      }
      while (low + 1n < high) {
        if ((high - low) * ESTIMATE_ERROR_DENOMINATOR < high * ESTIMATE_ERROR_NUMERATOR) break;
        const middle = (low + high) / 2n;
        const gas = middle > low * 2n ? low * 2n : middle;
        if ((await attempt(gas)).error === undefined) high = gas;
        else low = gas;
      }
      return high;
    });
  }

  /** Addresses and slots that the message touches, and its gas. */
  async accessList(request: CallRequest, place: SimulationPlace): Promise<AccessListResult> {
    return this.#simulate(place, async (machine, environment) => {
      await checkPayment(machine, request, environment);
      const gas = capGas(request.gas ?? environment.gasLimit);
      const run = await this.#run(machine, request, gas, environment, place);
      if (run.error !== undefined) throw executionError(run.error, run.returnValue);
      return { accessList: run.accessList, gasUsed: run.gasUsed };
    });
  }

  async #simulate<T>(
    place: SimulationPlace,
    work: (machine: Machine, environment: BlockEnvironment) => Promise<T>,
  ): Promise<T> {
    // What a simulation writes goes into a store of its own, which nobody keeps.
    const db = new StateDb((key) => this.#chain.db.lookup(key));
    await this.#enter();
    try {
      const pacer = createDeadlinePacer();
      const { common } = this.#chain;
      const machine = await createMachine({
        common,
        db,
        root: place.stateRoot,
        blockHashes: (number) => this.#chain.blockHash(number),
        pacer,
      });
      await machine.state.checkpoint();
      if (place.stateOverrides !== undefined) {
        await applyStateOverrides(machine.state, place.stateOverrides);
      }
      const environment = { ...place.environment, ...place.blockOverrides };
      return await work(machine, environment);
    } catch (cause) {
      // A failed read may look like any other error once it has passed through the library.
      throw db.failure ?? cause;
    } finally {
      this.#leave();
    }
  }

  /** One run in a state that is put back afterwards. */
  async #run(
    machine: Machine,
    request: CallRequest,
    gas: bigint,
    environment: BlockEnvironment,
    place: SimulationPlace,
  ): Promise<Run> {
    const block = this.#draft(request, environment, place.parentHash);
    await machine.state.checkpoint();
    try {
      const from = request.from ?? createZeroAddress();
      const code = await machine.state.getCode(from);
      return code.length > 0 && !isDelegation(code)
        ? await this.#runMessage(machine, request, gas, from, block)
        : await this.#runTransaction(machine, request, gas, from, block);
    } catch (cause) {
      // Neither memory nor stack says anything about the message; what else the library throws does.
      if (cause instanceof RpcError || cause instanceof RangeError) throw cause;
      throw serverError(firstLine(cause));
    } finally {
      await machine.state.revert();
    }
  }

  async #runTransaction(
    { vm, state }: Machine,
    request: CallRequest,
    gas: bigint,
    from: Address,
    block: Block,
  ): Promise<Run> {
    const nonce = (await state.getAccount(from))?.nonce ?? 0n;
    const transaction = this.#unsigned(request, gas, nonce);
    transaction.getSenderAddress = () => from;
    if (gas < minimumGasLimit(transaction, this.#chain.common)) {
      return failedRun(OUT_OF_GAS);
    }
    const result = await runTx(vm, {
      tx: transaction,
      block,
      skipNonce: true,
      skipBalance: true,
      skipBlockGasLimitValidation: true,
      skipHardForkValidation: true,
      reportAccessList: true,
    });
    const { execResult } = result;
    return {
      returnValue: execResult.returnValue,
      error: execResult.exceptionError?.error,
      gasUsed: result.totalGasSpent,
      gasRefund: result.gasRefund ?? 0n,
      accessList: result.accessList ?? [],
    };
  }

  /** A contract cannot send transactions (EIP-3607), but may be asked what its messages would do. */
  async #runMessage(
    { vm }: Machine,
    request: CallRequest,
    gas: bigint,
    from: Address,
    block: Block,
  ): Promise<Run> {
    const intrinsic = this.#unsigned(request, gas, 0n).getIntrinsicGas();
    if (gas < intrinsic) return failedRun(OUT_OF_GAS);
    const { execResult } = await vm.evm.runCall({
      block,
      caller: from,
      ...(request.to === undefined ? {} : { to: request.to }),
      value: request.value,
      data: request.data,
      gasLimit: gas - intrinsic,
      gasPrice: priceOf(request),
      skipBalance: true,
    });
    return {
      returnValue: execResult.returnValue,
      error: execResult.exceptionError?.error,
      gasUsed: execResult.executionGasUsed + intrinsic,
      gasRefund: execResult.gasRefund ?? 0n,
      accessList: [],
    };
  }

  #unsigned(request: CallRequest, gas: bigint, nonce: bigint): TypedTransaction {
    const { common } = this.#chain;
    const hasAuthorizations = request.authorizationList.length > 0;
    const data = {
      chainId: common.chainId(),
      nonce: request.nonce ?? nonce,
      gasLimit: gas,
      to: request.to,
      value: request.value,
      data: request.data,
      accessList: [...request.accessList],
      ...(request.gasPrice === undefined
        ? {
            type: hasAuthorizations ? 4 : 2,
            maxFeePerGas: request.maxFeePerGas ?? 0n,
            maxPriorityFeePerGas: request.maxPriorityFeePerGas ?? 0n,
          }
        : { type: 1, gasPrice: request.gasPrice }),
      ...(hasAuthorizations ? { authorizationList: request.authorizationList } : {}),
    };
    try {
      return createTx(data as Parameters<typeof createTx>[0], {
        ...evmOptions(common),
        freeze: false,
      });
    } catch (cause) {
      throw serverError(`invalid transaction: ${firstLine(cause)}`);
    }
  }

  #draft(request: CallRequest, environment: BlockEnvironment, parentHash: Uint8Array): Block {
    // A message that names no price pays none, so the base fee must not stand in its way.
    const isPriced = priceOf(request) > 0n;
    return createBlock(
      {
        header: {
          parentHash,
          number: BigInt(environment.number),
          timestamp: environment.timestampSeconds,
          coinbase: environment.feeRecipient,
          gasLimit: environment.gasLimit,
          baseFeePerGas: isPriced ? environment.baseFeePerGas : 0n,
          mixHash: environment.prevRandao,
          parentBeaconBlockRoot: environment.parentBeaconBlockRoot,
          excessBlobGas: environment.excessBlobGas,
        },
      },
      { ...evmOptions(this.#chain.common), skipConsensusFormatValidation: true },
    );
  }

  async #isPlainTransfer({ state }: Machine, request: CallRequest): Promise<boolean> {
    if (request.to === undefined || request.data.length > 0) return false;
    if (request.accessList.length > 0 || request.authorizationList.length > 0) return false;
    return (await state.getCode(request.to)).length === 0;
  }

  /** Most gas one transaction may have (EIP-7825), where the rules say so. */
  #transactionGasMax(): bigint | undefined {
    const { common } = this.#chain;
    return common.isActivatedEIP(7825) ? common.param("maxTransactionGasLimit") : undefined;
  }

  async #enter(): Promise<void> {
    if (this.#running < SIMULATIONS_RUNNING_MAX) {
      this.#running += 1;
      return;
    }
    if (this.#queue.length >= SIMULATIONS_WAITING_MAX) {
      throw limitExceeded("too many calls are being executed; try again in a moment");
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

function failedRun(error: string): Run {
  return { returnValue: new Uint8Array(0), error, gasUsed: 0n, gasRefund: 0n, accessList: [] };
}

function capGas(gas: bigint): bigint {
  return gas > SIMULATION_GAS_MAX ? SIMULATION_GAS_MAX : gas;
}

async function balanceOf({ state }: Machine, request: CallRequest): Promise<bigint> {
  const from = request.from ?? createZeroAddress();
  return ((await state.getAccount(from)) ?? new Account()).balance;
}

/** Most that the message pays for a unit of gas; 0 when it names no price. */
function priceOf({ gasPrice, maxFeePerGas }: CallRequest): bigint {
  return gasPrice ?? maxFeePerGas ?? 0n;
}

/** Refuses in geth's words a price below the block's, and a value that the sender lacks. */
async function checkPayment(
  machine: Machine,
  request: CallRequest,
  { baseFeePerGas }: BlockEnvironment,
): Promise<void> {
  const address = (request.from ?? createZeroAddress()).toString();
  const price = priceOf(request);
  if (price > 0n && price < baseFeePerGas) {
    throw feeBelowBaseFee(address, price, baseFeePerGas);
  }
  if (request.value === 0n) return;
  const balance = await balanceOf(machine, request);
  if (balance < request.value) {
    throw serverError(
      `insufficient funds for gas * price + value: address ${address} have ${balance} want ${request.value}`,
    );
  }
}

/** Gas that the sender can pay for at the price it named; absent when it named none. */
async function gasAllowance(machine: Machine, request: CallRequest): Promise<bigint | undefined> {
  const price = priceOf(request);
  if (price === 0n) return undefined;
  return ((await balanceOf(machine, request)) - request.value) / price;
}

function executionError(error: string, returnValue: Uint8Array): RpcError {
  if (error !== REVERT) return serverError(error);
  const reason = revertReason(returnValue);
  return new RpcError(
    RPC_CODE.REVERTED,
    reason === undefined ? "execution reverted" : `execution reverted: ${reason}`,
    bytesToHex(returnValue),
  );
}

/** The text of Solidity's `Error(string)`, when that is what came back. */
function revertReason(data: Uint8Array): string | undefined {
  const selector = [0x08, 0xc3, 0x79, 0xa0];
  if (data.length < 68 || !selector.every((byte, i) => data[i] === byte)) return undefined;
  const length = Number(BigInt(bytesToHex(data.subarray(36, 68))));
  if (length > data.length - 68) return undefined;
  return Buffer.from(data.subarray(68, 68 + length)).toString("utf8");
}

function createDeadlinePacer(): Pacer {
  const pacer = createPacer(EXECUTION_SLICE_MS);
  const end = performance.now() + SIMULATION_TIME_MAX_MS;
  return {
    isDue: () => pacer.isDue(),
    rest: async () => {
      if (performance.now() > end) {
        throw limitExceeded(`execution took longer than ${SIMULATION_TIME_MAX_MS} ms`);
      }
      await pacer.rest();
    },
  };
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
