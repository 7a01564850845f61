/** What goes over CometBFT's JSON-RPC, as text: requests made before the window, answers read cheaply. Pure. */
import { z } from "zod";
import type { ObservedBlock } from "../load/ingress.ts";

/** Characters at the end of a transaction's base64 that name it: 33 random bytes of key or signature. */
const ID_CHARACTERS = 44;

export const SUBSCRIBE_HEADERS = request("headers", "subscribe", {
  query: "tm.event='NewBlockHeader'",
});
export const STATUS = request("status", "status", {});

/** SHA-256 of nothing: the data hash of a block without transactions. */
const EMPTY_DATA_HASH = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

export function submission(base64: string): { readonly id: string; readonly text: string } {
  const id = idOf(base64);
  // Base64 needs no escaping.
  const text = `{"jsonrpc":"2.0","id":"${id}","method":"broadcast_tx_async","params":{"tx":"${base64}"}}`;
  return { id, text };
}

export function blockRequest(height: number): string {
  return request("block", "block", { height: String(height) });
}

function request(id: string, method: string, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

function idOf(base64: string): string {
  return base64.slice(-ID_CHARACTERS);
}

const ACCEPTED = '"result":{"code":0,';
/** An answer that accepts says so within its first bytes. */
const ACCEPTED_WITHIN = 120;

const refusalSchema = z.object({
  id: z.string(),
  error: z.object({ message: z.string(), data: z.string().optional() }).optional(),
  result: z.object({ code: z.number(), log: z.string().optional() }).optional(),
});

/** Undefined: the transaction was taken. */
export function refusalOf(answer: Buffer): { id: string; reason: string } | undefined {
  if (answer.toString("latin1", 0, ACCEPTED_WITHIN).includes(ACCEPTED)) return undefined;
  const { id, error, result } = refusalSchema.parse(JSON.parse(answer.toString()));
  const text = error?.data ?? error?.message ?? result?.log ?? "no reason given";
  // Counts that change with every answer would make every reason another one.
  return { id, reason: text.replaceAll(/\d+/g, "n").slice(0, 80) };
}

/** Height of a NewBlockHeader event, and whether its block has transactions. */
export function headerOf(event: string): { height: number; isEmpty: boolean } | undefined {
  const at = event.indexOf('"header":{');
  const height = /"height":"(\d+)"/.exec(event.slice(Math.max(0, at)))?.[1];
  if (at < 0 || height === undefined) return undefined;
  return { height: Number(height), isEmpty: event.includes(`"data_hash":"${EMPTY_DATA_HASH}"`) };
}

const blockSchema = z.object({
  result: z.object({
    block: z.object({
      header: z.object({ height: z.string() }),
      data: z.object({ txs: z.array(z.string()).nullable() }),
      last_commit: z.object({ round: z.number() }),
    }),
  }),
});

/** The round is of the block below: a block does not hold its own commit. */
export function blockOf(answer: string): ObservedBlock {
  const { header, data, last_commit: commit } = blockSchema.parse(JSON.parse(answer)).result.block;
  return {
    height: Number(header.height),
    round: commit.round,
    itemIds: (data.txs ?? []).map(idOf),
  };
}

const statusSchema = z.object({
  result: z.object({ sync_info: z.object({ latest_block_height: z.string() }) }),
});

export function heightOf(status: string): number {
  return Number(statusSchema.parse(JSON.parse(status)).result.sync_info.latest_block_height);
}
