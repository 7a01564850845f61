/** What every command that submits a transaction does alike. */
import type { Command } from "commander";
import { formatAddress } from "../../proto/address.ts";
import { toHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import {
  accountAddress,
  type Action,
  rollupIdOfName,
  type TxBody,
} from "../../proto/codec/weft-tx.ts";
import { type Ed25519KeyPair, signEd25519 } from "../../proto/verify/ed25519.ts";
import type {
  ChainInfo,
  SequencerClient,
  TransactionStatus,
} from "../../rollup-adapter/client/sequencer-client.ts";
import { signTx, unorderedTerms } from "../../rollup-adapter/client/signed-tx.ts";
import { readKeyFile } from "../ports/key-file.ts";
import { cliError } from "./cli-error.ts";
import { withSequencer } from "./clients.ts";
import type { GlobalOptions } from "./context.ts";
import { TX_WAIT_MS } from "./limits.ts";
import { printResult } from "./output.ts";

/** See `addTxOptions`. */
export interface TxOptions {
  readonly from: string;
  readonly node: string;
  readonly tip: bigint;
  readonly maxFee?: bigint;
  readonly nonce?: bigint;
  readonly wait: boolean;
  /** The rollup that the command names. */
  readonly rollupName?: string;
  /** The content is opened some blocks after the transaction has its place: wait for that as well. */
  readonly isSealed?: boolean;
}

/** What stands around the action. */
export interface OwnTerms extends Pick<TxBody, "replay" | "fee"> {
  readonly client: SequencerClient;
  /** Last committed block. */
  readonly height: number;
}

/** What is known of a transaction once it is submitted. */
export interface SubmittedIds {
  readonly chainId: string;
  /** Hex. */
  readonly id: string;
}

/** Asked when the transaction is submitted, and again with its status when that has been waited for. */
type More = (
  ids: SubmittedIds,
  status: TransactionStatus | undefined,
  client: SequencerClient,
) => object | Promise<object>;

/** Blocks until an unordered transaction of the command line expires. */
const EXPIRY_BLOCKS = 100;

/**
 * Signs the action with the key of `--from`, submits it, waits unless told not to, prints the outcome and
 * what `more` has to say about it.
 */
export async function sendTx(
  options: TxOptions,
  command: Command,
  action: (key: Ed25519KeyPair, chainId: string, terms: OwnTerms) => Action | Promise<Action>,
  more: More = () => ({}),
): Promise<void> {
  const key = readKeyFile(options.from);
  const result = await withSequencer(options.node, async (client) => {
    const info = await client.chainInfo();
    const terms = ownTerms(options, info);
    const body: TxBody = {
      publicKey: key.publicKey,
      ...terms,
      action: await action(key, info.chainId, { ...terms, client, height: info.height }),
    };
    return submit(client, key, body, more, { ...options, info });
  });
  printResult(result, command.optsWithGlobals<GlobalOptions>().json);
}

function ownTerms(options: TxOptions, info: ChainInfo): Pick<TxBody, "replay" | "fee"> {
  const { replay, fee } = unorderedTerms(info, info.height + EXPIRY_BLOCKS, options.tip);
  return {
    replay: options.nonce === undefined ? replay : { kind: "nonce", value: options.nonce },
    fee: { ...fee, maxFeePerByte: options.maxFee ?? fee.maxFeePerByte },
  };
}

async function submit(
  client: SequencerClient,
  key: Ed25519KeyPair,
  body: TxBody,
  more: More,
  options: TxOptions & { readonly info: ChainInfo },
) {
  const { info } = options;
  const signed = signOwn(info.chainId, body, key);
  const outcome = await client.submit(signed.item);
  if (outcome.code !== 0 && !outcome.isDuplicate) {
    const reason = withName(outcome.reason, options.rollupName);
    throw cliError("REJECTED", `refused with code ${outcome.code}: ${reason}`);
  }
  const ids = {
    id: toHex(signed.id),
    hash: toHex(outcome.hash).toUpperCase(),
    bytes: signed.item.length,
    from: formatAddress(accountAddress(key.publicKey)),
  };
  const submitted = { chainId: info.chainId, id: ids.id };
  const early = await more(submitted, undefined, client);
  if (!options.wait) return { ...ids, state: "pending", ...early };
  process.stderr.write(`submitted ${ids.id}, waiting until it is in a block\n`);
  const status = await waitUntilSettled(client, signed.id, info.height, options.isSealed === true);
  if (status.state !== "committed") {
    throw cliError("REJECTED", `the transaction ${ids.id} is ${status.state}: ${status.reason}`);
  }
  const { state, height, index, sealing } = status;
  const content = sealing === undefined ? {} : { sealing: { ...sealing } };
  const late = await more(submitted, status, client);
  return { ...ids, state, height, index, ...content, ...late };
}

/** What the format does not allow is the caller's to mend, not a fault of this program. */
function signOwn(chainId: string, body: TxBody, key: Ed25519KeyPair) {
  try {
    return signTx(chainId, body, {
      publicKey: key.publicKey,
      sign: (message) => signEd25519(key, message),
    });
  } catch (error) {
    if (isWeftError(error)) throw cliError("USAGE", error.message);
    throw error;
  }
}

/** Nodes know rollups by their ids; people by their names. */
function withName(reason: string, name: string | undefined): string {
  return name === undefined ? reason : reason.replaceAll(toHex(rollupIdOfName(name)), name);
}

/** Asks until the transaction is in a block or cannot be any more; tells why it waits, once for each reason. */
async function waitUntilSettled(
  client: SequencerClient,
  id: Uint8Array,
  heightBefore: number,
  isSealed: boolean,
): Promise<TransactionStatus> {
  const end = Date.now() + TX_WAIT_MS;
  let reason = "";
  for (;;) {
    const status = await client.transactionStatus(id);
    const isOrdered = status.state !== "pending" && status.state !== "unknown";
    const isClosed = status.sealing?.state === "sealed" || status.sealing?.state === "disputed";
    if (isOrdered && !(isSealed && isClosed)) return status;
    const why = isClosed ? status.sealing.reason : status.reason;
    if (why !== reason) {
      reason = why;
      if (reason !== "") process.stderr.write(`it is ${status.state}: ${reason}\n`);
    }
    if (Date.now() > end) {
      // It has its place; its content is validators' to open, or comes back by rule.
      if (isOrdered) return status;
      const { height } = await client.chainInfo();
      throw cliError("TIMEOUT", describeTimeout(toHex(id), reason, heightBefore, height));
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

/** What a person needs to know when a transaction did not get into a block in time. */
export function describeTimeout(
  id: string,
  reason: string,
  heightBefore: number,
  height: number,
): string {
  const head =
    height > heightBefore
      ? `the chain moved on from height ${heightBefore} to ${height} meanwhile`
      : `the head did not move from height ${height}: the chain stands, or the node is cut off; see: weft status`;
  const why = reason === "" ? "" : ` (${reason})`;
  return `the transaction ${id} was in no block within ${TX_WAIT_MS / 1_000} s${why}; ${head}; ask again with: weft query tx ${id}`;
}
