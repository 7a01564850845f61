/** An execution client's methods, as far as this driver needs them, with its answers checked and in our terms. */
import { z } from "zod";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { bytesToHex, quantity } from "../json-rpc/hex.ts";
import { engineError } from "./engine-error.ts";
import type { EngineRpc } from "./rpc-client.ts";

/** A block's header, as far as the next block and the driver's place depend on it. */
export interface ClientBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly timestampSeconds: bigint;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  /** Under Jovian the DA footprint, which counts for the base fee. */
  readonly blobGasUsed: bigint;
  readonly baseFeePerGas: bigint;
  readonly feeRecipient: Uint8Array;
  readonly extraData: Uint8Array;
  readonly prevRandao: Uint8Array;
}

/** An account as the state of one block has it. */
export interface ClientAccount {
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly code: Uint8Array;
}

/** An ECDSA signature over secp256k1. */
export interface Signature {
  /** What was signed, 32 bytes. */
  readonly hash: Uint8Array;
  readonly parity: 0 | 1;
  readonly r: bigint;
  readonly s: bigint;
}

export interface ForkchoiceState {
  readonly head: Uint8Array;
  readonly safe: Uint8Array;
  readonly finalized: Uint8Array;
}

/** What the block to be built holds. All of it is a function of its parent and the sequencer's order. */
export interface PayloadAttributes {
  readonly timestampSeconds: bigint;
  readonly prevRandao: Uint8Array;
  readonly feeRecipient: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
  readonly gasLimit: bigint;
  /** 8 bytes: denominator and elasticity. */
  readonly eip1559Params: Uint8Array;
  /** From Jovian on. */
  readonly baseFeeMin: bigint | undefined;
  /** The driver's deposit, then the others; canonical encodings. */
  readonly transactions: readonly Uint8Array[];
}

/** A payload as the client gave it, to be handed back as it is. */
export interface BuiltPayload {
  readonly json: Readonly<Record<string, unknown>>;
  readonly block: ClientBlock;
  readonly transactions: readonly Uint8Array[];
}

export interface EngineClient {
  /** @throws WeftError<EngineApiErrorInfo> ENGINE_API_UNSUPPORTED when it lacks what is called here */
  checkMethods(): Promise<void>;
  chainId(): Promise<bigint>;
  /** @param at a number, `latest`, `safe` or `finalized`; undefined when there is none */
  block(at: number | "latest" | "safe" | "finalized"): Promise<ClientBlock | undefined>;
  blockByHash(hash: Uint8Array): Promise<ClientBlock | undefined>;
  /** Call data of the first transaction of a block, and its type; undefined when it has none. */
  firstTransaction(
    hash: Uint8Array,
  ): Promise<{ readonly type: number; readonly data: Uint8Array } | undefined>;
  /**
   * Who signed, in the order of `signatures`; undefined for one that nobody made. The client recovers them with the
   * precompile of its EVM, in native code.
   */
  senders(signatures: readonly Signature[]): Promise<(Uint8Array | undefined)[]>;
  /** Accounts in the state of block `hash`, in the order of `addresses`. */
  accounts(hash: Uint8Array, addresses: readonly string[]): Promise<ClientAccount[]>;
  /**
   * Makes `state.head` the head, and begins a block on it when there are attributes.
   * @returns the id of the block begun
   * @throws WeftError<EngineApiErrorInfo> ENGINE_API_NOT_VALID when the client does not have the head; ENGINE_API_CALL_FAILED with
   * RPC_INVALID_ATTRIBUTES when it can build no block of the attributes
   */
  forkchoiceUpdated(
    state: ForkchoiceState,
    attributes: PayloadAttributes | undefined,
  ): Promise<string | undefined>;
  payload(id: string): Promise<BuiltPayload>;
  /** Has the client execute and keep a block. @throws WeftError<EngineApiErrorInfo> ENGINE_API_NOT_VALID */
  newPayload(payload: BuiltPayload, parentBeaconBlockRoot: Uint8Array): Promise<void>;
}

const METHODS = ["engine_forkchoiceUpdatedV3", "engine_getPayloadV4", "engine_newPayloadV4"];

/** Where the client is told, for one call, that this code is: hands each 128 bytes of its input to ECRECOVER. */
const RECOVERER = `0x${"ec".repeat(20)}`;
/**
 * PUSH0; again: stop at CALLDATASIZE; CALLDATACOPY(0, i, 128); STATICCALL(1, 0, 128, 128 + i / 4, 32); i += 128; back.
 * At the end RETURN(128, CALLDATASIZE / 4). What cannot be recovered leaves its word 0.
 */
const RECOVERER_CODE =
  "0x5f5b368110156025576080815f3760208160021c60800160805f60015afa506080016001565b503660021c6080f3";

const bytes = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/, "0x and an even number of hex digits")
  .transform((text) => fromHex(text.slice(2)));
const hash = bytes.refine((value) => value.length === 32, "32 bytes");
const number = z
  .string()
  .regex(/^0x[0-9a-fA-F]{1,64}$/, "a 0x quantity")
  .transform((text) => BigInt(text));

/** What a block's header and a payload say under one name. */
const common = {
  parentHash: hash,
  stateRoot: hash,
  receiptsRoot: hash,
  timestamp: number,
  gasLimit: number,
  gasUsed: number,
  blobGasUsed: number.default(0n),
  baseFeePerGas: number,
  extraData: bytes,
};
const blockSchema = z.object({ ...common, number, hash, miner: bytes, mixHash: hash }).transform(
  ({ number: at, timestamp, miner, mixHash, ...same }): ClientBlock => ({
    ...same,
    number: Number(at),
    timestampSeconds: timestamp,
    feeRecipient: miner,
    prevRandao: mixHash,
  }),
);
const payloadSchema = z.object({
  executionPayload: z
    .object({
      ...common,
      blockNumber: number,
      blockHash: hash,
      feeRecipient: bytes,
      prevRandao: hash,
      transactions: z.array(bytes),
    })
    .transform(({ blockNumber, blockHash, timestamp, transactions, ...same }) => {
      const block: ClientBlock = {
        ...same,
        number: Number(blockNumber),
        hash: blockHash,
        timestampSeconds: timestamp,
      };
      return { block, transactions };
    }),
});
const rawPayloadSchema = z.object({ executionPayload: z.record(z.string(), z.unknown()) });
const statusSchema = z.object({
  status: z.string(),
  validationError: z.string().nullish(),
});
const forkchoiceSchema = z.object({
  payloadStatus: statusSchema,
  payloadId: z.string().nullish(),
});
const transactionSchema = z.object({ type: number, input: bytes }).nullish();

export function createEngineClient(rpc: EngineRpc): EngineClient {
  async function readBlock(method: string, at: string): Promise<ClientBlock | undefined> {
    return checked(blockSchema.nullish(), method, await rpc.call(method, [at, false])) ?? undefined;
  }

  return {
    async checkMethods() {
      const method = "engine_exchangeCapabilities";
      const offered = checked(z.array(z.string()), method, await rpc.call(method, [METHODS]));
      const missing = METHODS.filter((one) => !offered.includes(one));
      if (missing.length === 0) return;
      throw engineError(
        { code: "ENGINE_API_UNSUPPORTED", missing },
        `it does not offer ${missing.join(", ")}: expected an OP Stack client that knows Isthmus, such as op-geth from v1.101500 on`,
      );
    },
    async chainId() {
      return checked(number, "eth_chainId", await rpc.call("eth_chainId", []));
    },
    async block(at) {
      try {
        return await readBlock("eth_getBlockByNumber", typeof at === "number" ? quantity(at) : at);
      } catch (error) {
        // geth answers an error, not null, for a label that was not set since it started.
        if (isUnsetLabel(at, error)) return undefined;
        throw error;
      }
    },
    blockByHash: (blockHash) => readBlock("eth_getBlockByHash", bytesToHex(blockHash)),
    async firstTransaction(blockHash) {
      const method = "eth_getTransactionByBlockHashAndIndex";
      const answer = await rpc.call(method, [bytesToHex(blockHash), "0x0"]);
      const transaction = checked(transactionSchema, method, answer);
      if (transaction === null || transaction === undefined) return undefined;
      return { type: Number(transaction.type), data: transaction.input };
    },
    async senders(signatures) {
      const data = signatures.map(({ hash: signed, parity, r, s }) =>
        [toHex(signed), word(27n + BigInt(parity)), word(r), word(s)].join(""),
      );
      const answer = await rpc.call("eth_call", [
        { to: RECOVERER, data: `0x${data.join("")}` },
        "latest",
        { [RECOVERER]: { code: RECOVERER_CODE } },
      ]);
      const words = checked(bytes, "eth_call", answer);
      if (words.length !== 32 * signatures.length) {
        throw engineError(
          { code: "ENGINE_API_BAD_ANSWER" },
          `eth_call answers ${words.length} bytes for ${signatures.length} signatures`,
        );
      }
      return signatures.map((_, i) => {
        const address = words.slice(32 * i + 12, 32 * i + 32);
        return address.every((byte) => byte === 0) ? undefined : address;
      });
    },
    async accounts(blockHash, addresses) {
      const at = { blockHash: bytesToHex(blockHash) };
      const methods = ["eth_getTransactionCount", "eth_getBalance", "eth_getCode"];
      const calls = addresses.flatMap((address) =>
        methods.map((method) => ({ method, params: [address, at] })),
      );
      const answers = await rpc.batch(calls);
      return addresses.map((_, i) => ({
        nonce: checked(number, "eth_getTransactionCount", answers[3 * i]),
        balance: checked(number, "eth_getBalance", answers[3 * i + 1]),
        code: checked(bytes, "eth_getCode", answers[3 * i + 2]),
      }));
    },
    async forkchoiceUpdated(state, attributes) {
      const method = "engine_forkchoiceUpdatedV3";
      const answer = await rpc.call(method, [
        {
          headBlockHash: bytesToHex(state.head),
          safeBlockHash: bytesToHex(state.safe),
          finalizedBlockHash: bytesToHex(state.finalized),
        },
        attributes === undefined ? null : attributesToJson(attributes),
      ]);
      const { payloadStatus, payloadId } = checked(forkchoiceSchema, method, answer);
      requireValid(payloadStatus, `block ${bytesToHex(state.head)} as its head`);
      return payloadId ?? undefined;
    },
    async payload(id) {
      const answer = await rpc.call("engine_getPayloadV4", [id]);
      const { executionPayload } = checked(payloadSchema, "engine_getPayloadV4", answer);
      return { ...executionPayload, json: rawPayloadSchema.parse(answer).executionPayload };
    },
    async newPayload(payload, parentBeaconBlockRoot) {
      const method = "engine_newPayloadV4";
      const answer = await rpc.call(method, [
        payload.json,
        [], // no blobs
        bytesToHex(parentBeaconBlockRoot),
        [], // no requests of a consensus layer
      ]);
      const status = checked(statusSchema, method, answer);
      requireValid(status, `its own block ${bytesToHex(payload.block.hash)}`);
    },
  };
}

function attributesToJson(attributes: PayloadAttributes): Readonly<Record<string, unknown>> {
  const { baseFeeMin } = attributes;
  return {
    timestamp: quantity(attributes.timestampSeconds),
    prevRandao: bytesToHex(attributes.prevRandao),
    suggestedFeeRecipient: bytesToHex(attributes.feeRecipient),
    withdrawals: [],
    parentBeaconBlockRoot: bytesToHex(attributes.parentBeaconBlockRoot),
    transactions: attributes.transactions.map(bytesToHex),
    noTxPool: true,
    gasLimit: quantity(attributes.gasLimit),
    eip1559Params: bytesToHex(attributes.eip1559Params),
    // A plain number on the wire, unlike its neighbours: that is how clients decode it.
    ...(baseFeeMin === undefined ? {} : { minBaseFee: Number(baseFeeMin) }),
  };
}

function word(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}

function requireValid(
  { status, validationError }: z.infer<typeof statusSchema>,
  what: string,
): void {
  if (status === "VALID") return;
  const why =
    validationError === null || validationError === undefined ? "" : `: ${validationError}`;
  const hint =
    status === "SYNCING"
      ? "; it lacks an earlier block, or waits for peers to sync from (geth: --syncmode full)"
      : "";
  throw engineError(
    { code: "ENGINE_API_NOT_VALID", status },
    `the execution client answers ${status} to ${what}${why}${hint}`,
  );
}

function isUnsetLabel(at: number | string, error: unknown): boolean {
  if (at !== "safe" && at !== "finalized") return false;
  return error instanceof Error && /block not found/i.test(error.message);
}

function checked<S extends z.ZodType>(schema: S, method: string, answer: unknown): z.output<S> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw engineError(
    { code: "ENGINE_API_BAD_ANSWER" },
    `${method} answers what this driver cannot use: ${parsed.error.message}`,
  );
}
