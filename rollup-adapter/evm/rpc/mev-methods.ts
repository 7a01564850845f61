/**
 * Methods of searchers (docs/mev.md): bundles, bids, their statuses, auctions and revenue. Sent without a Weft account
 * in the gateway's, or as `{item}` that the searcher has signed. Every refusal has a code, a name and a reason.
 */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual } from "../../../proto/bytes.ts";
import { isWeftError } from "../../../proto/errors.ts";
import type { GetSealKeyResponse } from "../../../proto/grpc/seal-key.ts";
import type { BundleGateway, SignedKind } from "../../gateway/bundles/bundle-gateway.ts";
import { BUNDLE_ERRORS, type BundleErrorInfo, bundleError } from "../../gateway/bundles/errors.ts";
import type { BundleQuota, BundleSender } from "../../gateway/bundles/bundle-quota.ts";
import type { RateLimit } from "../../json-rpc/rate-limit.ts";
import type { BundleRequest, RequestedLeg } from "../../gateway/bundles/requests.ts";
import type { PendingPool } from "../../gateway/pool/pending-pool.ts";
import type { PayloadDecoder } from "../payload.ts";
import { RPC_CODE, RpcError } from "../../json-rpc/errors.ts";
import type { Json, Method, Params, RequestContext } from "../../json-rpc/method.ts";
import {
  formatAuction,
  formatEncryptionKey,
  formatParams,
  formatRevenue,
  formatSent,
  formatStatus,
  formatTally,
} from "./mev-format.ts";
import {
  amountParam,
  bidLegsParam,
  type Fields,
  fieldsParam,
  isEncryptedParam,
  legsParam,
  optionalParam,
  rawTxParam,
  rawTxsParam,
  replacementParam,
  requestParam,
  revertModeOf,
  rollupParam,
  windowParam,
} from "./mev-params.ts";
import { networkOf } from "../../json-rpc/access.ts";
import { bytesParam, hashParam, indexParam, listParam } from "../../json-rpc/params.ts";
import { heightForBlock } from "./places.ts";
import { signerOf } from "./requester.ts";

/** What of a rollup's node searchers reach. */
export interface SearcherPort {
  readonly gateway: BundleGateway;
  readonly limit: RateLimit;
  /** What one requester may have waiting in the gateway's account; left out: all. */
  readonly quota?: BundleQuota | undefined;
  /** The key to seal for. */
  readonly sealKey: () => Promise<GetSealKeyResponse>;
  /** Of the sequencer. */
  readonly chainId: string;
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
}

/** What they ask of the rollup itself, wherever it is executed. */
export interface SearchersRollup {
  readonly decoder: PayloadDecoder;
  /** Number of its newest block. */
  readonly headNumber: () => Promise<number>;
  readonly pool: Pick<PendingPool, "checkSender">;
}

type MevMethod = (params: Params, signer: Uint8Array, sender: BundleSender) => Json | Promise<Json>;

export function mevMethods(
  { gateway, limit, quota, sealKey, chainId, rollupId }: SearcherPort,
  { decoder, headNumber, pool }: SearchersRollup,
): Record<string, Method> {
  const { node } = gateway;
  const own = { rollupId, decoder };

  /** An item that its sender signed, where the request holds one. */
  function signed(fields: Fields, kind: SignedKind): Promise<Json> | undefined {
    const item = optionalParam(fields, "item", bytesParam);
    if (item === undefined) return undefined;
    if (Object.keys(fields).length > 1) {
      throw bundleError("MALFORMED", "an item says everything itself: give no other field");
    }
    return gateway.sendSigned(kind, item).then(formatSent);
  }

  /** The group that sells the top of a rollup. */
  async function groupOf(rollup: Uint8Array): Promise<Uint8Array> {
    const { groups } = await node.mevParams();
    const group = groups.find(({ members }) =>
      members.some((member) => bytesEqual(member.rollupId, rollup)),
    );
    return group?.group ?? rollup;
  }

  const methods: Record<string, MevMethod> = {
    eth_sendBundle: async (params, signer, sender) => {
      const fields = requestParam(params, [
        "txs",
        "blockNumber",
        "minHeight",
        "maxHeight",
        "replacementUuid",
        "sequence",
        "revertingTxHashes",
        "privacy",
      ]);
      const txs = rawTxsParam(decoder, fields["txs"], "txs");
      const reverting = optionalParam(fields, "revertingTxHashes", listParam) ?? [];
      const hashes = txs.map((tx) => hashOf(decoder, tx));
      const revertMode = revertModeOf(
        reverting.map((hash, i) => hashParam(hash, `revertingTxHashes[${i}]`)),
        hashes,
      );
      const legs = [{ rollupId, txs, revertMode, tip: 0n }];
      await checkPayer(legs);
      const request: BundleRequest = {
        legs,
        ...(await windowOf(fields)),
        replacement: replacementParam(fields, "replacementUuid", "sequence"),
        isEncrypted: isEncryptedParam(fields),
      };
      return formatSent(await sender.sendBundle(request, signer));
    },
    eth_cancelBundle: async (params, signer) => {
      const fields = requestParam(params, ["replacementUuid"]);
      return formatSent(await cancel(replacementParam(fields, "replacementUuid", ""), signer));
    },
    eth_sendEncryptedTransaction: async (params, _, sender) => {
      const [first] = params;
      const fields =
        typeof first === "string" ? { tx: first } : requestParam(params, ["tx", "item"]);
      const answer = signed(fields, "sealed");
      if (answer !== undefined) return answer;
      const tx = rawTxParam(decoder, fields["tx"], "tx");
      await checkPayer([{ rollupId, txs: [tx] }]);
      return formatSent(await sender.sendSealed(rollupId, tx));
    },
    weft_sendBundle: async (params, signer, sender) => {
      const fields = requestParam(params, ["legs", "inclusion", "replacement", "privacy", "item"]);
      const answer = signed(fields, "bundle");
      if (answer !== undefined) return answer;
      const inclusion = optionalParam(fields, "inclusion", (value, name) =>
        fieldsParam(value, name, ["minHeight", "maxHeight"]),
      );
      const replacement = optionalParam(fields, "replacement", (value, name) =>
        fieldsParam(value, name, ["uuid", "seq"]),
      );
      const legs = legsParam(fields["legs"], own);
      await checkPayer(legs);
      const request: BundleRequest = {
        legs,
        ...windowParam(inclusion ?? {}),
        replacement: replacementParam(replacement ?? {}, "uuid", "seq"),
        isEncrypted: isEncryptedParam(fields),
      };
      return formatSent(await sender.sendBundle(request, signer));
    },
    weft_cancelBundle: async (params, signer) => {
      const fields = requestParam(params, ["replacement", "item"]);
      const answer = signed(fields, "cancelBundles");
      if (answer !== undefined) return answer;
      const replacement = fieldsParam(fields["replacement"], "replacement", ["uuid", "seq"]);
      return formatSent(await cancel(replacementParam(replacement, "uuid", "seq"), signer));
    },
    weft_submitBid: async (params, _, sender) => {
      const fields = requestParam(params, ["legs", "amount", "minHeight", "maxHeight", "item"]);
      const answer = signed(fields, "bid");
      if (answer !== undefined) return answer;
      const amount = amountParam(fields["amount"], "amount");
      const legs = bidLegsParam(fields["legs"], own);
      await checkPayer(legs);
      return formatSent(await sender.sendBid({ legs, amount, ...windowParam(fields) }));
    },
    weft_getBundleStatus: async ([hash]) =>
      formatStatus(await node.bundleStatus(hashParam(hash, "bundle hash"))),
    weft_getAuction: async (params) => {
      const fields = params.length === 0 ? {} : requestParam(params, ["height", "group"]);
      const group = optionalParam(fields, "group", rollupParam) ?? (await groupOf(rollupId));
      const height = Height(optionalParam(fields, "height", indexParam) ?? 0);
      return formatAuction(await node.auction(group, height));
    },
    weft_getRevenue: async ([rollup]) => {
      const id = rollup === undefined ? rollupId : rollupParam(rollup, "rollup");
      return formatRevenue(id, await node.revenue(id).catch(unknownRollup));
    },
    weft_getEncryptionKey: async (params) => {
      noParam(params);
      return formatEncryptionKey(chainId, await sealKey());
    },
    weft_getInclusionTally: async ([hash]) => {
      const id = hashParam(hash, "hash");
      return formatTally(id, await node.inclusionTally(id));
    },
    weft_getMevParams: async (params) => {
      noParam(params);
      return formatParams(await node.mevParams());
    },
  };

  /**
   * The gateway pays for the order of what users of this rollup could pay for on it, and of nothing else: otherwise anybody
   * could spend its balance on gibberish. Later transactions of a bundle may depend on the first.
   */
  async function checkPayer(legs: readonly RequestedLeg[]): Promise<void> {
    const leg = legs.find((one) => bytesEqual(one.rollupId, rollupId));
    if (leg === undefined && legs.length > 0) {
      throw bundleError(
        "POLICY_DISABLED",
        `this gateway pays for what has a transaction of its own rollup in it; send it through a node of one of its rollups, or {"item"} signed by an account of your own`,
      );
    }
    const [first] = leg?.txs ?? [];
    // Nothing at all is refused by the gateway.
    if (first === undefined) return;
    const decoded = decoder.decode(first);
    if (decoded.kind === "skip") throw bundleError("MALFORMED", decoded.reason);
    try {
      await pool.checkSender(decoded.decoded);
    } catch (cause) {
      if (!(cause instanceof RpcError)) throw cause;
      const isBehind = cause.code === RPC_CODE.RESOURCE_UNAVAILABLE;
      const name = isBehind ? "UNAVAILABLE" : "REFUSED";
      throw bundleError(name, `its first transaction of this rollup: ${cause.message}`, {
        cause,
      });
    }
  }

  /** Heights as they are given, or from the number that the rollup's own block is to have. */
  async function windowOf(fields: Fields) {
    const window = windowParam(fields);
    const number = optionalParam(fields, "blockNumber", indexParam);
    if (number === undefined) return window;
    if (window.minHeight !== undefined || window.maxHeight !== undefined) {
      throw bundleError("MALFORMED", "give either blockNumber or heights of the sequencer");
    }
    const head = await headNumber();
    const minHeight = heightForBlock(head, number, await gateway.nextHeight());
    if (minHeight !== undefined) return { minHeight, maxHeight: undefined };
    throw bundleError(
      "RANGE_INVALID",
      `block ${number} of the rollup is there already, the head is ${head}`,
    );
  }

  function cancel(replacement: ReturnType<typeof replacementParam>, signer: Uint8Array) {
    if (replacement !== undefined) return gateway.cancel(replacement, signer);
    throw bundleError("MALFORMED", "the uuid of what is to be cancelled is missing");
  }

  return Object.fromEntries(
    Object.entries(methods).map(([name, method]): [string, Method] => [
      name,
      async (params, context) => {
        try {
          const sender = quota?.senderFor(context.requester) ?? gateway;
          return await method(params, requester(context, limit), sender);
        } catch (error) {
          throw refusal(error);
        }
      },
    ]),
  );
}

/** Names of all of them, for those who check that each is tried. */
export const MEV_METHODS = [
  "eth_sendBundle",
  "eth_cancelBundle",
  "eth_sendEncryptedTransaction",
  "weft_sendBundle",
  "weft_cancelBundle",
  "weft_submitBid",
  "weft_getBundleStatus",
  "weft_getAuction",
  "weft_getRevenue",
  "weft_getEncryptionKey",
  "weft_getInclusionTally",
  "weft_getMevParams",
] as const;

/** Takes its tokens: first of the address, because a signature is work. */
function requester(context: RequestContext, limit: RateLimit): Uint8Array {
  const slow = "too many requests; slow down and try again";
  if (!limit.take([`address ${networkOf(context.address)}`]))
    throw bundleError("RATE_LIMITED", slow);
  const signer = signerOf(context);
  if (signer.length > 0 && !limit.take([`signer ${Buffer.from(signer).toString("hex")}`])) {
    throw bundleError("RATE_LIMITED", slow);
  }
  return signer;
}

function hashOf(decoder: PayloadDecoder, tx: Uint8Array): Uint8Array {
  const decoded = decoder.decode(tx);
  if (decoded.kind === "transaction") return decoded.decoded.hash;
  throw bundleError("MALFORMED", decoded.reason);
}

/** What the caller is told: the code of the table, and `data` with name, reason and the chain's code. */
function refusal(error: unknown): unknown {
  if (error instanceof RpcError && error.code === RPC_CODE.INVALID_PARAMS) {
    return told("MALFORMED", error.message);
  }
  if (!isWeftError(error)) return error;
  if (error.code === "GATEWAY_BUNDLE_REFUSED") {
    const { error: name, chainCode } = error.info as BundleErrorInfo;
    return told(name, error.message, chainCode);
  }
  if (error.code !== "SEQUENCER_CALL_FAILED") return error;
  const status = statusOf(error);
  const [, details = error.message] = /^.*? failed \w+ with \w+: (.*)$/s.exec(error.message) ?? [];
  if (status === "NOT_FOUND") return told("UNKNOWN_HASH", details);
  if (status === "INVALID_ARGUMENT") return told("MALFORMED", details);
  return told("UNAVAILABLE", "the sequencer cannot be reached; try again later");
}

/** Why the call of a sequencer failed; undefined for other errors. */
function statusOf(error: unknown): string | undefined {
  if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") return undefined;
  const { status }: { readonly code: string; readonly status?: string } = error.info;
  return status;
}

/** For calls that are about one rollup: what is not found is the rollup. */
function unknownRollup(error: unknown): never {
  if (statusOf(error) !== "NOT_FOUND") throw error;
  throw bundleError("UNKNOWN_ROLLUP", "no rollup of that id or name is registered", {
    cause: error,
  });
}

function noParam(params: Params): void {
  if (params.length > 0) requestParam(params, []);
}

function told(name: BundleErrorInfo["error"], reason: string, chainCode?: number): RpcError {
  const data = { code: name, reason, ...(chainCode === undefined ? {} : { chainCode }) };
  return new RpcError(BUNDLE_ERRORS[name], reason, data);
}
